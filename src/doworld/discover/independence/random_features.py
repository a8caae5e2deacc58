"""Nonlinear conditional independence by random Fourier features, nearly flat in the rows."""

from dataclasses import dataclass

from doworld.discover.independence.columns import Columns
from doworld.discover.independence.features import given_features, own_features
from doworld.discover.independence.shared import Bound, Memory

__all__ = ["RandomFeatures"]


@dataclass(frozen=True)
class RandomFeatures:
    r"""Whether features of x and y are uncorrelated once features of z have explained theirs.

        T = n ‖Ĉ_{xy·z}‖²_F,   Ĉ_{xy·z} = n⁻¹ Σ_i (φ(x_i) − Ê[φ(x)|z_i]) (ψ(y_i) − Ê[ψ(y)|z_i])ᵀ

    (RCoT; Strobl, Zhang and Visweswaran 2019), with each expectation by ridge regression at its own
    penalty (``Smoother``) and the null of ``products``. A level's features are its indicators, so
    numbers and levels mix. Like RCoT it does not see a dependence whose mean over z is 0.

    Attributes:
        frequencies: waves of a tested number, a cosine and a sine each, beside the number itself.
        width: of the kernel of x and y, in standard deviations.
        joint: random frequencies of z together, where z has more than one column.
        seed: of those frequencies.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal(300)
    >>> x, y = np.sin(2 * z) + 0.5 * rng.standard_normal((2, 300))
    >>> tester = RandomFeatures().on(Columns.numbers(np.column_stack([x, y, z])))
    >>> tester.test(0, 1).p_value < 1e-6, tester.test(0, 1, (2,)).p_value > 0.01
    (True, True)
    """

    frequencies: int = 2
    width: float = 1.0
    joint: int = 100
    seed: int = 0

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "random Fourier features; effect: root of the RV coefficient"

    def on(self, columns: Columns) -> Bound:
        """The test on a table."""
        return Bound(
            Memory(
                columns,
                lambda k, rows: own_features(columns, k, rows, self.frequencies, self.width),
                lambda z, rows: given_features(columns, z, rows, self.joint, self.seed),
            )
        )
