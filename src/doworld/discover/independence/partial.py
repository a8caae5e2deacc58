"""Partial correlation: every test of a table from one covariance, many pairs at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr

from doworld._core.errors import DataError
from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.verdict import Verdict

__all__ = ["PartialCorrelation"]

RIDGE = 1e-9


@dataclass(frozen=True)
class PartialCorrelation:
    r"""Student's t of the partial correlation r of x and y given z.

        t = r √(ν / (1 − r²)),   ν = n − |z| − 2                        (Fisher 1924)

    Exact for Gaussian columns; it sees linear relations only. The statistic is t, the effect |r|.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal(200)
    >>> x, y = z + rng.standard_normal((2, 200))
    >>> tester = PartialCorrelation().on(Columns.numbers(np.column_stack([x, y, z])))
    >>> tester.test(0, 1).p_value < 1e-6, tester.test(0, 1, (2,)).p_value > 0.05
    (True, True)
    """

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "partial correlation; effect: its size"

    def on(self, columns: Columns) -> "_Bound":
        """The test on a table without columns of levels."""
        wrong = [n for k, n in enumerate(columns.names) if columns.has_levels(k)]
        if wrong:
            raise DataError(
                f"partial correlation needs numbers, but {', '.join(map(repr, wrong))} hold "
                "levels. Use LikelihoodRatio() or RandomFeatures()."
            )
        return _Bound(columns)


@dataclass(frozen=True, eq=False)
class _Bound:
    columns: Columns
    _correlation: dict[bytes, np.ndarray] = field(default_factory=dict, repr=False)

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        rows = self.columns.rows((x, y, *z))
        left = self._left((x, y), z, rows)
        r = left[0, 1] / max(np.sqrt(left[0, 0] * left[1, 1]), RIDGE)
        statistic, p = _student(np.array(r), rows.count - len(z) - 2)
        return Verdict(float(statistic), float(p), rows.count, rows.dropped, abs(float(r)))

    def p_values(self, z: Sequence[int] = ()) -> Float[np.ndarray, "columns columns"]:
        """The p-values of all pairs of columns given z at once, from the rows complete in all.

        NaN where a column is in ``z`` or stands beside itself.
        """
        others = [k for k in range(len(self.columns.names)) if k not in z]
        rows = self.columns.rows(range(len(self.columns.names)))
        left = self._left(others, z, rows)
        spread = np.sqrt(np.maximum(np.diag(left), RIDGE))
        _, p = _student(left / np.outer(spread, spread), rows.count - len(z) - 2)
        np.fill_diagonal(p, np.nan)
        out = np.full((len(self.columns.names),) * 2, np.nan)
        out[np.ix_(others, others)] = p
        return out

    def _left(self, kept: Sequence[int], z: Sequence[int], rows: Rows) -> np.ndarray:
        """The covariance of columns that z leaves."""
        if rows.dropped:
            members = [*kept, *z]
            square, at = self._square(members, rows), list(range(len(kept)))
            given = list(range(len(kept), len(members)))
        else:
            if b"" not in self._correlation:
                self._correlation[b""] = self._square(range(len(self.columns.names)), rows)
            square, at, given = self._correlation[b""], list(kept), list(z)
        left = square[np.ix_(at, at)]
        if given:
            cross = square[np.ix_(at, given)]
            left = left - cross @ np.linalg.solve(square[np.ix_(given, given)], cross.T)
        return left

    def _square(self, members: Sequence[int], rows: Rows) -> np.ndarray:
        x = self.columns.values[rows.kept][:, list(members)]
        x = x - x.mean(0)
        x = x / np.maximum(x.std(0), 1e-300)
        return x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])


def _student(r: np.ndarray, freedom: int) -> tuple[np.ndarray, np.ndarray]:
    if freedom < 1:
        return np.zeros_like(r), np.ones_like(r)
    r = np.clip(r, -1 + 1e-12, 1 - 1e-12)
    t = r * np.sqrt(freedom / (1 - r**2))
    return np.asarray(t), np.asarray(2 * stdtr(freedom, -np.abs(t)))
