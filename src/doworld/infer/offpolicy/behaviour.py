"""How likely the logging policy made the actions that it took."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld._core.errors import QueryError
from doworld.data import Trajectories
from doworld.infer.offpolicy.held_out import ridge_means
from doworld.infer.offpolicy.steps import Steps
from doworld.infer.offpolicy.target import Target

__all__ = ["Behaviour", "behaviour_of"]

LEAST = 1e-3
"""Probability below which an estimated one is not trusted."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Probabilities under the policy that wrote the log.

    Attributes:
    logged: probability of each logged action.
    possible: share of the target's chance, at each step, on actions that the log holds there.
    source: where the probabilities come from, in words.
    known: they were logged and not estimated.
    """

    logged: Float[np.ndarray, " n"]
    possible: Float[np.ndarray, " n"]
    source: str
    known: bool


def behaviour_of(
    log: Trajectories, steps: Steps, target: Target, state: Int[np.ndarray, " n"] | None
) -> Behaviour:
    """Logged propensities where there are any, else relative frequencies or a smooth fit.

    Raises ``QueryError`` for logged propensities outside (0, 1].
    """
    count, actions = target.chance.shape
    if state is not None:
        pairs = np.bincount(state * actions + target.action, minlength=(state.max() + 1) * actions)
        share = (
            pairs.reshape(-1, actions) / np.maximum(pairs.reshape(-1, actions).sum(1), 1)[:, None]
        )
        estimate = share[state]
    else:
        marks = (target.action[:, None] == np.arange(actions)).astype(float)
        overall = marks.mean(0)
        fitted, _ = ridge_means(steps.seen, marks, steps.fold)
        estimate = np.where(overall > 0, np.clip(fitted, LEAST, 1.0), 0.0)
        estimate /= estimate.sum(1, keepdims=True)
    if log.propensity is not None and not np.isnan(log.propensity[steps.rows]).any():
        logged = log.propensity[steps.rows]
        if (logged <= 0).any() or (logged > 1 + 1e-9).any():
            raise QueryError(
                "the logged propensities leave (0, 1]: an action that was taken cannot have had "
                "probability 0. Correct the column."
            )
        ever = np.bincount(target.action, minlength=actions) > 0
        possible = np.where(ever, target.chance, 0.0).sum(1)
        return Behaviour(logged, possible, "logged", True)
    possible = np.where(estimate > LEAST * 1e-3, target.chance, 0.0).sum(1)
    source = "relative frequencies by state" if state is not None else "ridge regression on state"
    chosen = estimate[np.arange(count), target.action]
    return Behaviour(np.maximum(chosen, LEAST), possible, source, False)
