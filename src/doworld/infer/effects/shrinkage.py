"""Predictions lie closer to the mean than what they predict, and effects on them shrink: undone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import gaussian_kde

__all__ = ["Line", "calibrated", "tweedie"]

MOST = 2_000
"""Predictions that the density is estimated from."""


@dataclass(frozen=True)
class Line:
    """prediction = offset + slope · truth + noise: what a slope below 1 takes from every effect."""

    offset: float
    slope: float

    def undo(self, predicted: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
        """(prediction − offset)/slope, whose mean at each truth is that truth."""
        return (predicted - self.offset) / self.slope


def calibrated(predicted: Float[np.ndarray, " rows"], truth: Float[np.ndarray, " rows"]) -> Line:
    r"""The line of predictions on the truth, from rows that the predictor has not seen.

    A treatment that moves the truth by τ moves what a predictor says by slope · τ, where the
    treatment acts on the predictor's inputs only through the truth (Pettersson et al. 2025).
    Raises ``ValueError`` where predictions do not follow the truth at all.

    >>> truth = np.linspace(-1, 1, 50)
    >>> calibrated(0.4 * truth + 2, truth)
    Line(offset=2.0, slope=0.4)
    """
    centred = truth - truth.mean()
    square = float(centred @ centred)
    slope = float(centred @ predicted) / square if square > 0 else 0.0
    if slope <= 1e-6 * float(predicted.std() + 1e-300):
        raise ValueError("the predictions do not rise with the truth, so nothing can be calibrated")
    offset = float(predicted.mean() - slope * truth.mean())
    return Line(round(offset, 12), round(slope, 12))


def tweedie(predicted: Float[np.ndarray, " rows"], error: float) -> Float[np.ndarray, " rows"]:
    r"""ŷ − σ² d log p(ŷ)/dŷ: predictions spread out again, without any truth beside them.

    Where truth = prediction + noise of standard deviation σ, E[ŷ | y] = y + σ² d log p(y)/dy
    (Tweedie's formula; Efron 2011). The correction is exact for normal predictions, ŷ ~ N(m, s²):
    it multiplies their distance from m by 1 + σ²/s², which is what the noise took away. The
    density p is a Gaussian kernel estimate, whose own smoothing is taken out of its variance.

    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> bool(1.6 < tweedie(y, 1.0).std() < 2.4)
    True
    """
    spread = float(predicted.std())
    if spread == 0:
        return predicted
    few = predicted
    if len(few) > MOST:
        few = np.quantile(predicted, (np.arange(MOST) + 0.5) / MOST)
    kernel = gaussian_kde(few, bw_method="silverman")
    width = float(np.sqrt(kernel.covariance[0, 0]))
    grid = np.linspace(predicted.min(), predicted.max(), 400)
    density = kernel(grid)
    gap = (few[None, :] - grid[:, None]) / width
    slope = (np.exp(-0.5 * gap**2) * gap).mean(1) / (width**2 * np.sqrt(2 * np.pi))
    score = slope / np.maximum(density, 1e-12 * density.max())
    wider = 1 + width**2 / spread**2
    return predicted - error**2 * wider * np.interp(predicted, grid, score)
