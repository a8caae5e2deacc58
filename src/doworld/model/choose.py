"""Which family predicts a variable best: held-out log likelihood, one and many rows ahead."""

import jax
import numpy as np
from jaxtyping import Float, Int

from doworld.mechanisms import InvertibleBank
from doworld.model.calibrate import worlds_of
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics
from doworld.model.simulate import simulate

__all__ = ["likelihood_of", "open_loop_likelihood", "open_loop_rmse", "refuted"]

REFUTED = 0.05
"""Log likelihood per row that a sampled structure may lose before it is dropped."""


def open_loop_rmse(
    design: Design, dynamics: Dynamics, starts: Int[np.ndarray, " w"], steps: int
) -> Float[np.ndarray, "forecasts steps variables"]:
    """Error of every variable 1, 2, …, ``steps`` rows ahead, in scaled units; 1 where unseen.

    Row 0 is the forecast of the ensemble's mean, row 1 + m that of member m.
    """
    worlds, truth = worlds_of(design.values, starts, design.lags, steps)
    noise = dynamics.draw_noise(jax.random.key(0), (len(starts), steps))
    quiet = jax.tree.map(lambda a: a * 0.0, noise)
    members = np.asarray(simulate(dynamics, worlds, quiet), np.float64)
    forecasts = np.concatenate([members.mean(0, keepdims=True), members])
    finite = np.isfinite(forecasts)
    squared = np.where(finite, (np.where(finite, forecasts, 0.0) - truth) ** 2, 1e12)
    seen = design.judging[starts[:, None] + 1 + np.arange(steps)]
    total, count = (squared * seen).sum(1), seen.sum(0)
    return np.sqrt(np.where(count, total / np.maximum(count, 1), 1.0))


def likelihood_of(
    rmse: Float[np.ndarray, "forecasts steps variables"],
) -> Float[np.ndarray, "forecasts variables"]:
    """Per variable, the mean over 1, 2, 4, … rows ahead of its normal log likelihood.

    ℓ = mean_h [−log RMSE_h − ½ log 2πe], with RMSE_h as ``open_loop_rmse`` gives it.
    """
    ahead = [h - 1 for h in (1, 2, 4, 8, 16, 32, 64, 100) if h <= rmse.shape[1]]
    return -np.log(np.maximum(rmse[:, ahead], 1e-9)).mean(1) - 0.5 * np.log(2 * np.pi * np.e)


def open_loop_likelihood(
    design: Design, dynamics: Dynamics, starts: Int[np.ndarray, " w"], steps: int
) -> Float[np.ndarray, "forecasts variables"]:
    """``likelihood_of`` open-loop forecasts, of the ensemble's mean and of every member."""
    return likelihood_of(open_loop_rmse(design, dynamics, starts, steps))


def refuted(
    design: Design,
    dynamics: Dynamics,
    structural: tuple[bool, ...],
    starts: Int[np.ndarray, " w"],
    steps: int,
) -> tuple[bool, ...]:
    """Which members carry a sampled graph that held-out rollouts speak against.

    A structure that the tests left open is out once its mean log likelihood per row falls
    ``REFUTED`` below that of the least likely member of the most likely graph.
    """
    if not any(structural):
        return structural
    targets = np.concatenate(
        [np.asarray(b.targets)[0] for b in dynamics.banks if isinstance(b, InvertibleBank)]
        or [np.zeros(0, np.int64)]
    )
    if not len(targets):
        return (False,) * len(structural)
    likely = open_loop_likelihood(design, dynamics, starts, steps)[1:, targets].mean(1)
    sampled = np.array(structural)
    return tuple((sampled & (likely < likely[~sampled].min() - REFUTED)).tolist())
