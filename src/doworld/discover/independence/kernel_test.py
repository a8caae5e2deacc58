"""A kernel test of conditional independence with a kernel chosen from several."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from doworld._core.errors import SchemaError
from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.kernels import Gaussian, Kernel, factor
from doworld.discover.independence.products import products
from doworld.discover.independence.shared import Memory
from doworld.discover.independence.verdict import Verdict

__all__ = ["KernelTest"]

WIDTHS = (Gaussian(0.25), Gaussian(0.5), Gaussian(1.0))
"""Kernels of which that of z is the mean."""
GIVEN = 120
"""Largest rank of what is conditioned on."""


@dataclass(frozen=True)
class _Mean:
    """The mean of Gaussian kernels."""

    kernels: tuple[Gaussian, ...]

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """See ``Kernel``."""
        return rows

    def overlap(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """See ``Kernel``."""
        return np.mean([k.overlap(a, b) for k in self.kernels], axis=0)


@dataclass(frozen=True)
class KernelTest:
    r"""Whether functions of x and y, of any shape that a kernel holds, are correlated given z.

        T = n⁻¹ tr(K_{x·z} K_{y·z}),   K_{x·z} = R_z K̃_x R_z

    (KCI; Zhang, Peters, Janzing and Schölkopf 2011; without z the Hilbert–Schmidt criterion,
    Gretton et al. 2008), with R_z what kernel ridge regression on z leaves, the same null as
    ``products``, and K_x its incomplete Cholesky factor. Like RCoT it does not see a dependence
    whose mean over z is 0. Of several ``kernels`` each gives a p-value, and the p-value of all is
    Cauchy's: the tail at the mean of tan(π(½ − p_k)), valid in the tail whatever their dependence
    (Liu & Xie 2020), so the choice of the best aligned kernel costs no validity. It is reported
    with the statistic and effect of that kernel (kernel–target alignment; Cristianini et al. 2001).

    Attributes:
        kernels: those tried.
        rank: the largest rank of the factor of K_x.

    >>> from doworld.discover.independence.kernels import Circuit
    >>> x = np.random.default_rng(0).standard_normal(40)
    >>> table = Columns.numbers(np.column_stack([x, np.abs(x)]))
    >>> KernelTest((Gaussian(), Circuit())).on(table).test(0, 1).p_value < 0.001
    True
    """

    kernels: tuple[Kernel, ...] = (Gaussian(1.0),)
    rank: int = 12

    def __post_init__(self) -> None:
        if not self.kernels:
            raise SchemaError("a kernel test needs a kernel. Give kernels=(Gaussian(),).")

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "kernel test; effect: root of the RV coefficient"

    def on(self, columns: Columns) -> "_Bound":
        """The test on a table."""
        return _Bound(columns, tuple(self._memory(columns, k) for k in self.kernels))

    def _memory(self, columns: Columns, kernel: Kernel) -> Memory:
        def own(k: int, rows: Rows) -> np.ndarray:
            if columns.has_levels(k):
                return columns.indicators(k, rows)
            return factor(kernel, columns.scaled(k, rows)[:, None], self.rank)

        return Memory(columns, own, lambda z, rows: _given(columns, z, rows))


def _given(columns: Columns, z: tuple[int, ...], rows: Rows) -> np.ndarray:
    """z itself, and a factor of the mean of Gaussian kernels of several widths."""
    if not z:
        return np.zeros((rows.count, 0))
    raw = np.hstack([columns.features(k, rows) for k in z])
    return np.hstack([raw, factor(_Mean(WIDTHS), raw, min(GIVEN, rows.count))])


@dataclass(frozen=True, eq=False)
class _Bound:
    columns: Columns
    memories: tuple[Memory, ...] = field(repr=False)

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        rows = self.columns.rows((x, y, *z))
        given = self.columns.sorted(z)
        found = [
            products(m.residuals(x, given, rows), m.residuals(y, given, rows))
            for m in self.memories
        ]
        statistic, _, effect = max(found, key=lambda f: f[2])
        p = cauchy([f[1] for f in found])
        return Verdict(statistic, p, rows.count, rows.dropped, effect)


def cauchy(p_values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """One p-value of several, however they depend on each other (Liu & Xie 2020).

    The ``weights`` of the p-values are equal unless given.

    >>> round(cauchy([0.03, 0.03]), 6)
    0.03
    >>> round(cauchy([0.01, 0.5], [1, 3]), 3)
    0.04
    """
    if len(p_values) == 1:
        return p_values[0]
    p = np.clip(p_values, 1e-300, 1 - 1e-12)
    small = p < 1e-12
    each = np.where(small, 1 / (p * np.pi), np.tan((0.5 - p) * np.pi))
    mean = float(np.average(each, weights=weights))
    if mean > 1e12:
        return float(1 / (mean * np.pi))
    return float(0.5 - np.arctan(mean) / np.pi)
