"""The best few changes together: exactly where they are few, else greedily with exchanges."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from doworld.infer.blame.alternatives import Change
from doworld.infer.blame.inquiry import Inquiry, Verdicts
from doworld.infer.blame.survey import Survey

__all__ = ["Together", "together"]

MOST = 4096
"""Sets of changes that are tried at once."""

BEAM, ROUNDS = 8, 3


@dataclass(frozen=True, eq=False)
class Together:
    """A set of changes, its P(success), and how it was found."""

    changes: tuple[Change, ...]
    success: float
    method: str


def together(inquiry: Inquiry, found: Survey, most: int, *, seed: int) -> Together:
    """The best set of at most ``most`` changes; fewer where more add nothing.

    Pairs are tried exhaustively where there are at most 4,096 of them. Larger sets grow greedily
    from the eight best smaller ones and then exchange one change at a time while that helps; where
    success is not graded and no smaller set succeeds, the start is drawn at random.
    """
    single = found.changes()
    if not single:
        return Together((), 0.0, "there is no action to change")
    rng = np.random.default_rng(seed)
    sets = [(c,) for c in single]
    verdicts = inquiry.of(sets)
    best, score, chance = _top(sets, verdicts)
    method = "every single change was tried"
    for size in range(2, most + 1):
        if chance >= 1:
            break
        pool = _pool(single, verdicts, rng) if size == 2 else single
        pairs = [s for s in combinations(single, 2) if _apart(s)] if len(single) <= 91 else []
        if size == 2 and 0 < len(pairs) <= MOST:
            grown, how = pairs, "every pair was tried"
        else:
            seeds = _beam(sets, verdicts, rng)
            grown, how = _grown(seeds, pool, rng), "grown greedily, then exchanged one by one"
        if not grown:
            break
        verdicts, sets = inquiry.of(grown), grown
        own, own_score, own_chance = _top(sets, verdicts)
        if how.startswith("grown"):
            own, own_score, own_chance = _exchanged(
                inquiry, own, own_score, own_chance, single, rng
            )
        if own_score > score + 1e-6:
            best, score, chance, method = own, own_score, own_chance, how
    return Together(tuple(sorted(best, key=lambda c: (c.row, c.variable))), chance, method)


def _top(sets: list, verdicts: Verdicts):
    n = int(verdicts.score.argmax())
    return sets[n], float(verdicts.score[n]), float(verdicts.chance[n])


def _apart(changes: tuple[Change, ...]) -> bool:
    """Whether no action is changed twice at one row."""
    places = {(c.row, c.variable) for c in changes}
    return len(places) == len(changes)


def _beam(sets: list, verdicts: Verdicts, rng: np.random.Generator) -> list:
    luck = rng.uniform(0, 1e-9, len(sets))
    return [sets[n] for n in np.argsort(-(verdicts.score + luck))[:BEAM]]


def _pool(single: list, verdicts: Verdicts, rng: np.random.Generator) -> list:
    """The changes that a set may grow by, the more promising half first."""
    order = np.argsort(-(verdicts.score[: len(single)] + rng.uniform(0, 1e-9, len(single))))
    return [single[n] for n in order[: MOST // BEAM]]


def _grown(seeds: list, pool: list, rng: np.random.Generator) -> list:
    some = pool
    if len(pool) > MOST // BEAM:
        some = [pool[n] for n in rng.choice(len(pool), MOST // BEAM, replace=False)]
    grown = {tuple(sorted((*s, c), key=_order)): None for s in seeds for c in some}
    return [s for s in grown if _apart(s)]


def _order(change: Change) -> tuple[int, int, float]:
    return change.row, change.variable, change.value


def _exchanged(inquiry, best, score, chance, single, rng):
    """``best`` with one change at a time replaced by a better one, until none is better."""
    for _ in range(ROUNDS):
        tried = []
        for n in range(len(best)):
            rest = best[:n] + best[n + 1 :]
            tried += _grown([rest], single, rng)
        if chance >= 1 or not tried:
            break
        own, own_score, own_chance = _top(tried, inquiry.of(tried))
        if own_score <= score + 1e-9:
            break
        best, score, chance = own, own_score, own_chance
    return best, score, chance
