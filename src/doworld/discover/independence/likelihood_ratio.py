"""Numbers and levels together: the likelihood ratio of linear regressions on indicators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from doworld.discover.independence.columns import Columns
from doworld.discover.independence.verdict import Verdict

__all__ = ["LikelihoodRatio"]

RIDGE = 1e-9


@dataclass(frozen=True)
class LikelihoodRatio:
    r"""Wilks's Λ of the columns of x and y that z leaves, levels standing as indicators.

        −(n − 1 − c − (a + b + 1)/2) log Λ ~ χ²_{ab},   Λ = |Σ_{xy·z}| / (|Σ_{x·z}| |Σ_{y·z}|)

    (Bartlett 1938) with a, b, c the columns of x, y, z: a likelihood-ratio test of the degenerate
    Gaussian model (Andrews, Ramsey and Cooper 2019). It sees shifts of means only, and where levels
    depend on numbers otherwise than linearly it is not exact; ``RandomFeatures`` is.

    >>> from doworld.data import Kind
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(3, size=300)
    >>> size = np.array([0.0, 1.0, -1.0])[kind] + rng.standard_normal(300)
    >>> table = Columns(
    ...     np.column_stack([kind, size]), (Kind.CATEGORICAL, Kind.CONTINUOUS), ("kind", "size")
    ... )
    >>> LikelihoodRatio().on(table).test(0, 1).p_value < 1e-9
    True
    """

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "likelihood ratio of linear models (Wilks); effect: canonical correlation"

    def on(self, columns: Columns) -> "_Bound":
        """The test on a table of any kinds."""
        return _Bound(columns)


@dataclass(frozen=True, eq=False)
class _Bound:
    columns: Columns

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        rows = self.columns.rows((x, y, *z))
        parts = [self.columns.features(k, rows) for k in (x, y, *self.columns.sorted(z))]
        a, b = parts[0].shape[1], parts[1].shape[1]
        given = np.hstack([np.ones((rows.count, 1)), *parts[2:]])
        both = np.hstack(parts[:2])
        left = both - given @ np.linalg.lstsq(given, both, rcond=None)[0]
        square = left.T @ left / rows.count + RIDGE * np.eye(a + b)
        log_wilks = _logdet(square) - _logdet(square[:a, :a]) - _logdet(square[a:, a:])
        log_wilks = min(log_wilks, 0.0)
        scale = rows.count - given.shape[1] - (a + b + 1) / 2
        statistic = max(-scale * log_wilks, 0.0)
        p = float(stats.chi2.sf(statistic, a * b)) if scale > 0 else 1.0
        effect = float(np.sqrt(-np.expm1(log_wilks)))
        return Verdict(statistic, p, rows.count, rows.dropped, effect)


def _logdet(square: np.ndarray) -> float:
    return float(np.linalg.slogdet(square)[1])
