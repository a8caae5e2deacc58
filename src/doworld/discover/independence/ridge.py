"""Ridge regression learned from some rows and asked about others."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

__all__ = ["Ridge"]

PENALTIES = np.r_[np.logspace(-7, 0, 8), 1e9]
"""Shares of the largest squared singular value; the last leaves nothing but the mean."""
LARGEST = 0.3
"""Largest share of the rows that a fit may spend on directions."""
SMALLEST = 1e-10
"""Directions of the table below this share of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class Ridge:
    r"""The directions of a table of terms, learned from ``train`` and carried to ``held`` rows.

    With the centred training table U S Vᵀ, a target t has the fit t̄ + U f(λ) Uᵀt, f = s²/(s² + λ),
    so one decomposition serves all targets and penalties.

    Attributes:
        basis: U of the training rows.
        beyond: what stands for U in the held-out rows.
        squares: s², as shares of the largest.

    >>> terms = np.random.default_rng(0).standard_normal((60, 2))
    >>> y = terms @ np.array([1.0, 2.0])
    >>> ridge = Ridge.of(terms[:40], terms[40:])
    >>> weights = ridge.shrinkage(y[:40, None]) * (ridge.basis.T @ y[:40])
    >>> bool(np.allclose(y[:40].mean() + ridge.beyond @ weights, y[40:], atol=1e-4))
    True
    """

    basis: Float[np.ndarray, "rows directions"]
    beyond: Float[np.ndarray, "held directions"]
    squares: Float[np.ndarray, " directions"]

    @classmethod
    def of(
        cls,
        train: Float[np.ndarray, "rows terms"],
        held: Float[np.ndarray, "held terms"],
    ) -> "Ridge":
        """The directions of a table without a constant."""
        centre = train.mean(0)
        inner = train - centre
        square, vectors = np.linalg.eigh(inner.T @ inner)
        live = square > SMALLEST * max(float(square.max(initial=0.0)), 1e-300)
        turn = vectors[:, live] / np.sqrt(square[live])
        share = square[live] / square.max(initial=1e-300)
        return cls(inner @ turn, (held - centre) @ turn, share)

    def shrinkage(
        self, targets: Float[np.ndarray, "rows targets"]
    ) -> Float[np.ndarray, " directions"]:
        """f(λ) at the penalty whose left-out rows are predicted best (PRESS; Allen 1974)."""
        count = targets.shape[1]
        centred = targets - targets.mean(0)
        inner = self.basis.T @ centred
        shrinks, leverage = self._tried
        press = np.zeros(shrinks.shape[1])
        for k in range(count):
            left = centred[:, k, None] - self.basis @ (shrinks * inner[:, k, None])
            press += ((left / (1 - leverage)) ** 2).sum(0)
        return shrinks[:, int(np.argmin(press))]

    @cached_property
    def _tried(self) -> tuple[np.ndarray, np.ndarray]:
        """f of every penalty, and the leverage of the rows under it."""
        n = len(self.basis)
        shrinks = self.squares[:, None] / (self.squares[:, None] + PENALTIES)
        shrinks = shrinks[:, shrinks.sum(0) <= LARGEST * n]
        return shrinks, np.minimum(1 / n + self.basis**2 @ shrinks, 0.99)
