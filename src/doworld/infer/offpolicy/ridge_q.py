"""Fitted Q-evaluation by ridge regression, where states are too many for a table."""

import numpy as np
from jaxtyping import Float

from doworld.infer.offpolicy.problem import Problem

__all__ = ["ridge_values"]

PENALTY = 1e-3
WIDEST = 600


def ridge_values(
    problem: Problem,
) -> tuple[Float[np.ndarray, "horizon n"], Float[np.ndarray, "horizon n"]]:
    """Q_t(s, a) of the logged action and V_t(s) at every step, by t; each from the other folds.

        Q_t(s, a) = φ(s, a)·θ_t,   θ_t by ridge on r + γ V_{t+1}(s').

    φ holds the state standardised, its squares, the action, and their products where these are not
    too many.
    """
    steps, n = problem.steps, len(problem.steps)
    base = _basis(steps.seen, steps.seen)
    after = _basis(np.where(np.isnan(steps.next), steps.seen, steps.next), steps.seen)
    crossed = base.shape[1] * problem.actions <= WIDEST
    marks = np.eye(problem.actions)

    def features(phi: np.ndarray, chance: np.ndarray) -> np.ndarray:
        products = (phi[:, :, None] * chance[:, None, :]).reshape(len(phi), -1)
        return products if crossed else np.concatenate([phi, chance], 1)

    own = features(base, marks[problem.target.action])
    now = features(base, problem.target.chance)
    # the target's chances one step on are those of the next step of the same episode
    chance = np.roll(problem.target.chance, -1, axis=0)
    later = features(after, chance)
    last = np.append(np.diff(steps.episode) > 0, True)
    goes_on = ~problem.ended & ~last
    q, v = np.zeros((problem.horizon, n)), np.zeros((problem.horizon, n))
    for k in np.unique(steps.fold):
        mine, others = steps.fold == k, steps.fold != k
        a = own[others]
        inverse = np.linalg.inv(a.T @ a + PENALTY * len(a) * np.eye(a.shape[1]))
        coming = np.zeros(n)
        for t in range(problem.horizon - 1, -1, -1):
            y = problem.reward + problem.discount * np.where(goes_on, coming, 0.0)
            theta = inverse @ (a.T @ y[others])
            q[t, mine], v[t, mine] = own[mine] @ theta, now[mine] @ theta
            coming = later @ theta
    return q, v


def _basis(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    spread = scale.std(0)
    kept = spread > 0
    z = np.clip((values[:, kept] - scale[:, kept].mean(0)) / spread[kept], -4, 4)
    two = np.array([len(np.unique(c)) > 2 for c in scale[:, kept].T], bool)
    return np.concatenate([np.ones((len(z), 1)), z, z[:, two] ** 2], 1)
