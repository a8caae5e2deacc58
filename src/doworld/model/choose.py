"""Which family predicts a variable best: held-out log likelihood, one and many rows ahead."""

import jax
import numpy as np
from jaxtyping import Float, Int

from doworld.model.calibrate import worlds_of
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics
from doworld.model.simulate import simulate

__all__ = ["open_loop_likelihood"]


def open_loop_likelihood(
    design: Design, dynamics: Dynamics, starts: Int[np.ndarray, " w"], steps: int
) -> Float[np.ndarray, " variables"]:
    """Per variable, the mean over 1, 2, 4, … rows ahead of its normal log likelihood.

    ℓ = mean_h [−log RMSE_h − ½ log 2πe], with RMSE_h the error of the ensemble's mean open-loop
    forecast h rows ahead, in scaled units.
    """
    worlds, truth = worlds_of(design.values, starts, design.lags, steps)
    noise = dynamics.draw_noise(jax.random.key(0), (len(starts), steps))
    quiet = jax.tree.map(lambda a: a * 0.0, noise)
    forecast = np.asarray(simulate(dynamics, worlds, quiet)).mean(0)
    seen = design.observed[starts[:, None] + 1 + np.arange(steps)]
    squared = np.where(seen & np.isfinite(forecast), (forecast - truth) ** 2, np.nan)
    squared = np.where(np.isfinite(forecast), squared, 1e12)
    ahead = [h - 1 for h in (1, 2, 4, 8, 16, 32, 64, 100) if h <= steps]
    known = np.isfinite(squared)
    total, count = np.where(known, squared, 0.0).sum(0), known.sum(0)
    rmse = np.sqrt(np.where(count, total / np.maximum(count, 1), 1.0))[ahead]
    return -np.log(np.maximum(rmse, 1e-9)).mean(0) - 0.5 * np.log(2 * np.pi * np.e)
