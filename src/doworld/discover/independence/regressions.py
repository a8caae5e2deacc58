"""Independence of what learned regressions on z leave of x and y."""

from dataclasses import dataclass

import numpy as np

from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.shared import Bound, Memory
from doworld.discover.numerics.basis import build_basis

__all__ = ["Regressions"]

ROWS_A_TERM = 3


@dataclass(frozen=True)
class Regressions:
    r"""Whether what the mechanisms x | z and y | z leave unexplained is uncorrelated.

        T = n⁻¹ (Σ_i (x_i − f̂(z_i)) (y_i − ĝ(z_i)))²

    the generalised covariance measure (Shah & Peters 2020), with f̂, ĝ polynomials of z as the
    mechanisms of ``doworld`` are learned (``numerics.basis``) and the null of ``products``.
    Valid as soon as f̂ and ĝ are learned at a moderate rate. The effect is the correlation ρ of
    what is left: −½ log(1 − ρ²) nats is how much a linear use of x raises the mean log-likelihood
    of y given z. It does not see a dependence that leaves the residuals uncorrelated (y = x²).

    Attributes:
        terms: the most terms a regression has.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal(300)
    >>> x, y = np.sin(2 * z) + 0.5 * rng.standard_normal((2, 300))
    >>> tester = Regressions().on(Columns.numbers(np.column_stack([x, y, z])))
    >>> tester.test(0, 1).p_value < 1e-6, tester.test(0, 1, (2,)).p_value > 0.01
    (True, True)
    """

    terms: int = 120

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "correlation of what regressions leave; effect: its size"

    def on(self, columns: Columns) -> Bound:
        """The test on a table."""

        def given(z: tuple[int, ...], rows: Rows) -> np.ndarray:
            if not z:
                return np.zeros((rows.count, 0))
            inputs = np.hstack([columns.features(k, rows) for k in z])
            most = min(self.terms, rows.count // ROWS_A_TERM)
            return build_basis(inputs, most).table[:, 1:]

        return Bound(Memory(columns, columns.features, given))
