"""Independence of levels within strata, calibrated however few rows a cell has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doworld._core.errors import DataError
from doworld.data import Kind
from doworld.discover.independence.columns import Columns
from doworld.discover.independence.verdict import Verdict
from doworld.discover.numerics.stratified import joint_code, stratified

__all__ = ["Levels"]

MOST_LEVELS = 100
"""Distinct values above which a column of numbers is none of levels."""
FEW = (Kind.CATEGORICAL, Kind.BINARY, Kind.COUNT)


@dataclass(frozen=True)
class Levels:
    r"""Pearson's X² summed over the strata of z, against its law over all pairings in a stratum.

    X² and G² = 2 Σ N log(N/E) have the same limit; the mean and variance of X² over the pairings
    of each stratum's x and y are known exactly, so that small cells need no rule of thumb
    (``discover.numerics.stratified``). Strata of fewer than four rows say nothing. The statistic is
    the standard-normal score of the p-value.

    >>> from doworld.data import Kind
    >>> x = np.array([0.0, 1.0] * 40)
    >>> table = Columns(np.column_stack([x, x]), (Kind.BINARY,) * 2, ("a", "b"))
    >>> Levels().on(table).test(0, 1).p_value < 1e-9
    True
    """

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "X² within strata; effect: share of the strongest dependence there could be"

    def on(self, columns: Columns) -> "_Bound":
        """The test on a table whose columns have levels."""
        for k, name in enumerate(columns.names):
            seen = columns.values[np.isfinite(columns.values[:, k]), k]
            many = len(np.unique(seen)) > MOST_LEVELS
            if columns.kinds[k] not in FEW or (many and not columns.has_levels(k)):
                raise DataError(
                    f"{name!r} is a number, and this test needs levels. Use RandomFeatures(), or "
                    "cut the variable into levels."
                )
        return _Bound(columns)


@dataclass(frozen=True, eq=False)
class _Bound:
    columns: Columns

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        rows = self.columns.rows((x, y, *z))
        a, b, *given = (self.columns.codes(k, rows) for k in (x, y, *z))
        strata = joint_code(*given) if given else np.zeros(rows.count, np.int64)
        found = stratified(a, b, strata)
        return Verdict(found.score, found.p_value, rows.count, rows.dropped, found.effect)
