r"""How surprising an outcome is, given its causes and what normal operation taught.

A linear regression with a Gaussian prior on its weights knows how little it knows where causes
stand as they never stood before: with everything in standard units and w ~ N(0, I),

    y* − E[y | x*]  ~  N(0, σ² (1 + 1/n) + x*ᵀ S x*),     S = (XᵀX / σ² + I)⁻¹

(Bishop 2006, "Pattern recognition and machine learning", §3.3; S_N there), σ² by repeated
substitution of the residual variance (MacKay 1992). An effect of a cause out of its range is
therefore no surprise, so that what is surprising points at the mechanism that changed.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["Surprise", "held_out_surprise"]

FOLDS = 5
ROUNDS = 6
LEAST_NOISE = 1e-6
"""Variance of the noise, in units of the outcome's own, below which it is taken as this."""


@dataclass(frozen=True, eq=False)
class Surprise:
    """A regression whose prediction errors are put in units of what it expects of them.

    Attributes:
        centre: mean of the inputs it was fitted to.
        level: mean of the outcome.
        weights: of the inputs.
        covariance: S, of the weights.
        noise: σ² (1 + 1/n).

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 1))
    >>> fitted = Surprise.of(x, x[:, 0] + 0.1 * rng.standard_normal(200))
    >>> near, far = fitted(np.array([[0.0], [30.0]]), np.array([1.0, 31.0]))
    >>> bool(near > 8), bool(far < 8)
    (True, True)
    """

    centre: Float[np.ndarray, " inputs"]
    level: float
    weights: Float[np.ndarray, " inputs"]
    covariance: Float[np.ndarray, "inputs inputs"]
    noise: float

    @classmethod
    def of(
        cls, inputs: Float[np.ndarray, "rows inputs"], outcome: Float[np.ndarray, " rows"]
    ) -> "Surprise":
        """The regression of complete rows in standard units."""
        centre, level = inputs.mean(0), float(outcome.mean())
        x, y = inputs - centre, outcome - level
        square, product = x.T @ x, x.T @ y
        noise = 1.0
        weights, covariance = np.zeros(x.shape[1]), np.eye(x.shape[1])
        for _ in range(ROUNDS):
            covariance = np.linalg.inv(square / noise + np.eye(len(square)))
            weights = covariance @ product / noise
            free = len(y) - 1 - float(np.sum(covariance * square)) / noise
            left = y - x @ weights
            noise = max(float(left @ left) / max(free, 1.0), LEAST_NOISE)
        return cls(centre, level, weights, covariance, noise * (1 + 1 / len(y)))

    def __call__(
        self, inputs: Float[np.ndarray, "rows inputs"], outcome: Float[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        """(y − E[y | x]) in units of the standard deviation that was expected of it."""
        x = inputs - self.centre
        variance = self.noise + np.einsum("ri,ij,rj->r", x, self.covariance, x)
        return (outcome - self.level - x @ self.weights) / np.sqrt(variance)


def held_out_surprise(
    inputs: Float[np.ndarray, "rows inputs"],
    outcome: Float[np.ndarray, " rows"],
    known: Bool[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """The surprise of each known row under the regression of the others; NaN elsewhere.

    Folds are contiguous, so that neighbours in time do not stand for each other.
    """
    rows: Int[np.ndarray, " known"] = np.flatnonzero(known)
    fold = np.arange(len(rows)) * FOLDS // max(len(rows), 1)
    out = np.full(len(outcome), np.nan)
    for k in range(FOLDS):
        rest, held = rows[fold != k], rows[fold == k]
        out[held] = Surprise.of(inputs[rest], outcome[rest])(inputs[held], outcome[held])
    return out
