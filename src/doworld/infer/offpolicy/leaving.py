"""How often another policy does what the log never shows."""

from dataclasses import replace

import numpy as np

from doworld.infer.offpolicy.problem import Problem
from doworld.infer.offpolicy.tables import Table, mean_of
from doworld.infer.offpolicy.weighing import Weighing

__all__ = ["leaving_by_table", "leaving_by_weights"]


def leaving_by_weights(problem: Problem, weighing: Weighing) -> float:
    """Share of the policy's episodes in which it ever takes an action that was never logged there.

    With m_t the target's chance of such actions at step t,

        h_t = Σ_i w_{0:t−1} m_t / Σ_i w_{0:t−1},     1 − Π_t (1 − h_t),

    since weighed episodes are those of the policy that have not left yet. Holds whatever lasts
    unseen, as long as the logged actions followed from the logged state.
    """
    missing = problem.grid(1 - problem.behaviour.possible)
    weight = np.maximum(weighing.before.sum(0), 1e-12)
    now = (weighing.before * missing).sum(0) / weight
    return float(np.clip(1 - np.prod(1 - np.clip(now, 0.0, 1.0)), 0.0, 1.0))


def leaving_by_table(problem: Problem) -> float:
    """The same share by table, for policies that no logged episode resembles.

    Fitted Q-evaluation of a game without rewards in which leaving is worth 1. Holds where what
    comes next depends on the logged state and action alone.
    """
    game = replace(problem, reward=np.zeros(len(problem.steps)), discount=1.0)
    table = Table(game, np.ones(len(problem.steps)))
    return float(np.clip(table.value(mean_of(table), 1.0), 0.0, 1.0))
