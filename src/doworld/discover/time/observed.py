"""Evidence where values are missing: a score and tests that use what was observed in each case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.discover.numerics.missing import observed_test
from doworld.discover.order.scores import Score, Strength, bits
from doworld.discover.time.design import Block
from doworld.discover.time.linear import normal_score
from doworld.discover.time.results import EdgeTests

__all__ = ["OBSERVED_TEST", "Observed", "observe"]

OBSERVED_TEST = (
    "partial correlation given selected parents, on the rows in which all of them were observed; "
    "effect: standardised coefficient"
)
FEWEST = 10
"""Rows beyond the conditions that a test needs."""
SELECTED = 0.01
"""p-value on completed rows up to which a candidate is conditioned on."""


@dataclass(frozen=True, eq=False)
class Observed:
    """A score of completed rows whose tests are made on the rows that were observed.

    Attributes:
        score: of the completed table, one column a variable.
        holes: the same table, NaN where missing.
    """

    score: Score
    holes: Float[np.ndarray, "rows variables"]

    def local(self, target: int, given: int) -> float:
        """The score of the completed table."""
        return self.score.local(target, given)

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """The gains on the completed table."""
        return self.score.gains(target, given, candidates)

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Test-wise deletion; a test with too few rows finds nothing."""
        effect, t, p, rows = observed_test(self.holes, parent, target, bits(given), FEWEST)
        return Strength(0.0, 1.0, 0.0, rows) if np.isnan(p) else Strength(t, p, effect, rows)

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator[Score]:
        """Resamples of the completed table."""
        return self.score.resamples(count, rng)


def observe(block: Block, table: EdgeTests) -> None:
    """Makes every test of a block anew on observed rows, given the parents that ``table`` shows.

    Where too few rows are left, a test finds nothing (p = 1).
    """
    if block.holes is None:
        return
    width = block.inputs.shape[1]
    for t, target in enumerate(block.targets):
        y = width + target.columns[0]
        allowed = np.flatnonzero(block.allowed[:, t]).tolist()
        parents = [i for i in allowed if table.p_value[i, t] <= SELECTED]
        for i in allowed:
            given = block.columns_of([k for k in parents if k != i])
            x = block.candidates[i].columns[0]
            effect, stat, p, rows = observed_test(block.holes, x, y, given, FEWEST)
            cell = i, t
            blind = np.isnan(p)
            table.p_value[cell] = 1.0 if blind else p
            table.statistic[cell] = 0.0 if blind else stat
            table.score[cell] = 0.0 if blind else normal_score(p, stat)
            freedom = max(rows - len(given) - 2, 1)
            table.gain[cell] = 0.0 if blind else stat**2 / (stat**2 + freedom)
            table.effect[cell] = 0.0 if blind else effect
            table.rows[cell] = rows
        table.test[t] = OBSERVED_TEST
    table.influence[:] = 0.0  # resampling completed rows would count what was never seen
