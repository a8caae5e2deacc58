"""What the tests of one block of candidates and targets found, as arrays."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.discover.time.design import Block

__all__ = ["INFLUENCE_LIMIT", "EdgeTests", "empty_table"]

INFLUENCE_LIMIT = 30_000_000


@dataclass(frozen=True, eq=False)
class EdgeTests:
    """One test per candidate and target; NaN in ``p_value`` where none was made.

    Attributes:
        score: standard-normal equivalent of the test; its sign is the effect's where linear.
        statistic: the statistic itself, as the evidence records it.
        p_value: of the hypothesis that the candidate is no cause given all the others.
        gain: share of the target's unexplained variance that the candidate removes.
        least_gain: the share below which an edge is not worth having.
        effect: standardised coefficient, or share of explainable variance lost without it.
        influence: each unit's contribution to ``score``; the score of a resampled log is
            score + Σ (times drawn − 1) · influence. No units where it was too large to keep.
        test: the name of the test, by target.
        rows: how many each test rests on.
        weight: of each test by prior odds, 1 on average; p-values count as p/weight.
    """

    block: Block
    score: Float[np.ndarray, "candidates targets"]
    statistic: Float[np.ndarray, "candidates targets"]
    p_value: Float[np.ndarray, "candidates targets"]
    gain: Float[np.ndarray, "candidates targets"]
    least_gain: Float[np.ndarray, "candidates targets"]
    effect: Float[np.ndarray, "candidates targets"]
    influence: Float[np.ndarray, "units candidates targets"]
    test: list[str]
    weight: Float[np.ndarray, "candidates targets"]
    rows: Int[np.ndarray, "candidates targets"]


def empty_table(block: Block, test: str) -> EdgeTests:
    """A table of tests not yet made."""
    shape = (len(block.candidates), len(block.targets))
    size = block.units.count if block.units.count * shape[0] * shape[1] <= INFLUENCE_LIMIT else 0
    return EdgeTests(
        block=block,
        score=np.zeros(shape),
        statistic=np.full(shape, np.nan),
        p_value=np.full(shape, np.nan),
        gain=np.zeros(shape),
        least_gain=np.zeros(shape),
        effect=np.full(shape, np.nan),
        influence=np.zeros((size, *shape), np.float32),
        test=[test] * shape[1],
        weight=np.ones(shape),
        rows=np.full(shape, len(block.outcomes)),
    )
