"""Fitted Q-evaluation on codes: what the policy is worth from every state, backwards in time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from doworld.infer.offpolicy.problem import Problem

__all__ = ["Table", "leaving_by_table", "mean_of", "pinched"]

Mean = Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, " pairs"]]
"""From a value at every step to one for every pair of state and action."""


@dataclass(frozen=True, eq=False)
class Table:
    """Counts of a problem with codes, each step weighed.

    Attributes:
        weight: of each step, as a bootstrap draws it.
    """

    problem: Problem
    weight: Float[np.ndarray, " n"]

    @property
    def pair(self) -> Int[np.ndarray, " n"]:
        """The code of state and action, by step."""
        assert self.problem.state is not None
        return self.problem.state * self.problem.actions + self.problem.target.action

    def values(self, mean: Mean, unknown: float) -> list[Float[np.ndarray, "states actions"]]:
        """Q_t for t = 0…T−1; a pair or a state that was never logged is worth ``unknown``.

        Q_t(s, a) = mean of r + γ V_{t+1}(s'),   V_t(s) = Σ_a π(a|s) Q_t(s, a),   V_T = 0.
        """
        problem, shape = self.problem, (self.problem.states, self.problem.actions)
        assert problem.following is not None
        assert problem.policy is not None
        held = np.bincount(self.pair, self.weight, minlength=shape[0] * shape[1]) > 0
        policy = np.nan_to_num(problem.policy)
        lost = np.isnan(problem.policy[:, 0])
        goes_on = ~problem.ended & (problem.following >= 0)
        later, out = np.zeros(shape[0]), []
        for _ in range(problem.horizon):
            after = np.where(goes_on, later[problem.following], 0.0)
            q = mean(problem.reward + problem.discount * after)
            q = np.where(held, q, unknown).reshape(shape)
            out.append(q)
            later = np.where(lost, unknown, (policy * q).sum(1))
        return out[::-1]

    def value(self, mean: Mean, unknown: float) -> float:
        """E[V_0] over the first states of the episodes."""
        q = self.values(mean, unknown)[0]
        first = self.problem.place == 0
        assert self.problem.state is not None
        assert self.problem.policy is not None
        start = self.problem.state[first]
        worth = (self.problem.policy[start] * q[start]).sum(1)
        return float(np.average(worth, weights=self.weight[first]))


def mean_of(table: Table) -> Mean:
    """The plain mean by pair."""
    size = table.problem.states * table.problem.actions
    pair, weight = table.pair, table.weight
    count = np.maximum(np.bincount(pair, weight, minlength=size), 1e-12)
    return lambda y: np.bincount(pair, weight * y, minlength=size) / count


def leaving_by_table(problem: Problem) -> float:
    """Share of the policy's episodes in which it ever takes an action never logged there.

    Fitted Q-evaluation of a game without rewards in which leaving is worth 1: for policies that no
    logged episode resembles. Holds where what comes next depends on the logged row alone.
    """
    game = replace(problem, reward=np.zeros(len(problem.steps)), discount=1.0)
    table = Table(game, np.ones(len(problem.steps)))
    return float(np.clip(table.value(mean_of(table), 1.0), 0.0, 1.0))


def pinched(table: Table, group: Int[np.ndarray, " n"], strength: float, *, low: bool) -> Mean:
    """The least or greatest mean by pair when chances of groups may be off by ``strength``.

    With p_g the logged chance of group g at the pair and m_g the mean there,

        min / max Σ_g q_g m_g,   p_g/Λ ≤ q_g ≤ Λ p_g,   Σ_g q_g = 1,

    solved by filling the groups in order of m_g. A group is what may depend on something hidden,
    here the next levels of some variables.
    """
    size = table.problem.states * table.problem.actions
    distinct, cell = np.unique(table.pair * (group.max() + 1) + group, return_inverse=True)
    owner = distinct // (group.max() + 1)
    weight = np.bincount(cell, table.weight)
    count = np.maximum(np.bincount(owner, weight, minlength=size), 1e-12)
    share = weight / count[owner]

    def mean(y: np.ndarray) -> np.ndarray:
        inside = np.bincount(cell, table.weight * y) / np.maximum(weight, 1e-12)
        order = np.lexsort((inside if low else -inside, owner))
        p, who = share[order], owner[order]
        room = p * (strength - 1 / strength)
        before = np.cumsum(room) - room
        first = np.searchsorted(who, np.arange(size))
        begin = np.append(before, 0.0)[np.minimum(first, len(before))]
        spare = (1 - 1 / strength) - (before - begin[who])
        q = p / strength + np.clip(np.minimum(room, spare), 0.0, None)
        return np.bincount(who, q * inside[order], minlength=size)

    return mean
