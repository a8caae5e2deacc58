"""Ridge regressions on one table of features, each output with the penalty that predicts best."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

__all__ = ["Residuals", "Smoother"]

PENALTIES = np.logspace(-10, 2, 13)
"""Ridge penalties, as shares of the largest squared singular value of the features."""
UNDER = 2
"""Steps by which the penalty stays below the one that predicts best: too smooth a fit leaves the
residuals of x and of y a function of z, which looks like dependence; noise in it does not."""
LARGEST = 0.5
"""Largest share of the rows that a fit may spend on directions."""
SMALLEST = 1e-12
"""Directions of the features below this share of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """What a smoother leaves of some outputs, and how much of each direction it left.

    Attributes:
        values: the outputs less their fits.
        kept: 1 − shrinkage of each direction of the smoother, by output.
        smoother: that made them.
    """

    values: Float[np.ndarray, "rows outputs"]
    kept: Float[np.ndarray, "directions outputs"]
    smoother: "Smoother"

    @cached_property
    def variance(self) -> Float[np.ndarray, "rows outputs"]:
        """The share of each row's noise variance that is left in its residual."""
        of = self.smoother
        lost = of.basis**2 @ (1 - self.kept**2)
        return np.clip(1 - 1 / len(of.basis) - lost, 1e-3, 1.0)


@dataclass(frozen=True, eq=False)
class Smoother:
    r"""Ridge regression on centred features Φ = U S Vᵀ.

    The fit under penalty λ is U f(λ) Uᵀy with f = s²/(s² + λ), and row i's error when it is itself
    left out is e_i/(1 − h_i), h_i = 1/n + Σ_k u_ik² f_k. Each output takes the λ with the smallest
    sum of squares of these (PRESS; Allen 1974), less ``UNDER`` steps.

    Attributes:
        basis: U, the directions.
        squares: s² of each.

    >>> z = np.linspace(-1, 1, 60)[:, None]
    >>> left = Smoother.of(np.hstack([z, z**2, z**3])).residuals(z**2)
    >>> bool(np.abs(left.values).max() < 1e-3)
    True
    """

    basis: Float[np.ndarray, "rows directions"]
    squares: Float[np.ndarray, " directions"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "rows features"]) -> "Smoother":
        """The smoother of a table of features; an empty table leaves the mean alone."""
        n, p = features.shape
        if not p:
            return cls(np.zeros((n, 0)), np.zeros(0))
        centred = features - features.mean(0)
        square, vectors = np.linalg.eigh(centred.T @ centred if p <= n else centred @ centred.T)
        live = square > SMALLEST * max(float(square[-1]), 1e-300)
        square, vectors = square[live], vectors[:, live]
        basis = centred @ vectors / np.sqrt(square) if p <= n else vectors
        return cls(basis, square)

    def residuals(self, outputs: Float[np.ndarray, "rows outputs"]) -> Residuals:
        """What is left of each output under its own best penalty."""
        centred = outputs - outputs.mean(0)
        n, count = centred.shape
        if not len(self.squares):
            return Residuals(centred, np.zeros((0, count)), self)
        inner = self.basis.T @ centred
        share = self.squares / self.squares.max()
        shrinks = share[:, None] / (share[:, None] + PENALTIES)
        shrinks = shrinks[:, shrinks.sum(0) <= LARGEST * n]
        leverage = np.minimum(1 / n + self.basis**2 @ shrinks, 1 - 1e-3)
        press = np.empty((shrinks.shape[1], count))
        for k in range(len(press)):
            left = centred - self.basis @ (shrinks[:, k, None] * inner)
            press[k] = ((left / (1 - leverage[:, k, None])) ** 2).sum(0)
        shrink = shrinks[:, np.maximum(press.argmin(0) - UNDER, 0)]
        return Residuals(centred - self.basis @ (shrink * inner), 1 - shrink, self)
