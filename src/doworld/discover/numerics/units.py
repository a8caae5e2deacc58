"""Independent units of a log and folds of them: episodes, or blocks of a long series."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

__all__ = ["Units", "units_of"]

ENOUGH_EPISODES = 20
BLOCKS = 48
FOLDS = 4


@dataclass(frozen=True)
class Units:
    """Rows grouped into units that are resampled, held out and counted together.

    Attributes:
        unit: the unit of each row, 0…count−1.
        count: the number of units.
        fold: the held-out fold of each row; a unit is never split between folds.
        folds: the number of folds.
        episodes: whether a unit is a whole episode.
    """

    unit: Int[np.ndarray, " rows"]
    count: int
    fold: Int[np.ndarray, " rows"]
    folds: int
    episodes: bool


def units_of(episode: Int[np.ndarray, " rows"], *, seed: int) -> Units:
    """Whole episodes where there are at least twenty, else contiguous blocks within episodes.

    ``episode`` is the episode number of each row, non-decreasing.
    """
    _, unit = np.unique(episode, return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    whole = count >= ENOUGH_EPISODES
    if not whole:
        size = max(1, -(-len(episode) // BLOCKS))
        first = np.r_[0, np.flatnonzero(np.diff(unit)) + 1]
        within = np.arange(len(unit)) - first[unit]
        _, unit = np.unique(unit * len(unit) + within // size, return_inverse=True)
        count = int(unit.max()) + 1 if len(unit) else 0
    folds = max(2, min(FOLDS, count))
    order = np.random.default_rng(seed).permutation(np.arange(count) % folds)
    fold = order[unit] if count else np.zeros(0, np.int64)
    return Units(unit, count, fold, folds, whole)
