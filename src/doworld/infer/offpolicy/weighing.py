"""Estimators of a policy's value that weigh logged episodes by how the policy would have acted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.infer.offpolicy.problem import Problem
from doworld.infer.offpolicy.ridge_q import ridge_values
from doworld.infer.offpolicy.tables import Table, mean_of

__all__ = ["NAMES", "Weighing", "critic_of", "weighing_of"]

NAMES = {
    "ips": "importance sampling",
    "snips": "self-normalised importance sampling",
    "pdis": "per-decision importance sampling",
    "wpdis": "weighted per-decision importance sampling",
    "dr": "doubly robust",
    "wdr": "weighted doubly robust",
}


@dataclass(frozen=True, eq=False)
class Critic:
    """Q and V at every step, from other episodes than its own.

    Attributes:
        guess: what V puts for actions that were never logged there; None where it is not one
            number.
    """

    q: Float[np.ndarray, " n"]
    v: Float[np.ndarray, " n"]
    guess: float | None = None


@dataclass(frozen=True, eq=False)
class Weighing:
    """What the estimators sum, by episode and step.

    Attributes:
        weight: w_{0:t}, the product of the ratios up to t; after the end it stays.
        before: w_{0:t−1}.
        reward: γᵗ r_t.
        rest: γᵗ (r_t − Q_t(s_t, a_t)).
        value: γᵗ V_t(s_t).
        missing: m_t, the target's chance of actions that were never logged at s_t.
        guess: what V_t puts for them; None where it is not one number.
    """

    weight: Float[np.ndarray, "episodes horizon"]
    before: Float[np.ndarray, "episodes horizon"]
    reward: Float[np.ndarray, "episodes horizon"]
    rest: Float[np.ndarray, "episodes horizon"]
    value: Float[np.ndarray, "episodes horizon"]
    missing: Float[np.ndarray, "episodes horizon"]
    guess: float | None

    def estimates(
        self, draws: Float[np.ndarray, "draws episodes"]
    ) -> dict[str, Float[np.ndarray, " draws"]]:
        """Every estimator, for each draw of how often an episode counts.

        With W the product over the whole episode and G its return: IPS mean(W G); SNIPS
        ΣWG/ΣW (Swaminathan & Joachims 2015); per-decision Σ_t mean(w_{0:t} γᵗ r_t) and its
        weighted form (Precup et al. 2000); doubly robust Σ_t mean(w_{0:t} γᵗ(r_t − Q_t) +
        w_{0:t−1} γᵗ V_t) (Jiang & Li 2016) and its weighted form (Thomas & Brunskill 2016), whose
        weights sum to the share of episodes that ``staying`` says are left, 1 with full support.
        """
        total = draws.sum(1)
        last, gained = self.weight[:, -1], self.reward.sum(1)
        sums = draws @ self.weight
        ahead = draws @ self.before
        safe, safe_ahead = np.maximum(sums, 1e-12), np.maximum(ahead, 1e-12)
        by_step = draws @ (self.weight * self.reward)
        rest, value = draws @ (self.weight * self.rest), draws @ (self.before * self.value)
        left = self.staying(draws)
        left_ahead = np.concatenate([np.ones((len(left), 1)), left[:, :-1]], 1)
        return {
            "ips": draws @ (last * gained) / total,
            "snips": draws @ (last * gained) / safe[:, -1],
            "pdis": by_step.sum(1) / total,
            "wpdis": (by_step / safe).sum(1),
            "dr": (rest + value).sum(1) / total,
            "wdr": (left * rest / safe + left_ahead * value / safe_ahead).sum(1),
        }

    def staying(
        self, draws: Float[np.ndarray, "draws episodes"]
    ) -> Float[np.ndarray, "draws horizon"]:
        """Share of the policy's episodes that have only done what was logged there, up to a step.

            h_t = Σ_i w_{0:t−1} m_t / Σ_i w_{0:t−1},     Π_{k≤t} (1 − h_k),

        since weighed episodes are those of the policy that have not left yet. Holds whatever lasts
        unseen, as long as the logged actions followed from the logged state.
        """
        ahead = np.maximum(draws @ self.before, 1e-12)
        now = draws @ (self.before * self.missing) / ahead
        return np.cumprod(1 - np.clip(now, 0.0, 1.0), 1)

    def effective(self) -> Float[np.ndarray, " horizon"]:
        """(Σw)²/Σw² at each step: as how many episodes the weighed ones count (Kish 1965)."""
        square = (self.weight**2).sum(0)
        return self.weight.sum(0) ** 2 / np.maximum(square, 1e-12)


def critic_of(problem: Problem) -> Critic:
    """Q and V by table where states have codes, else by ridge; held out by folds of episodes."""
    n, place = len(problem.steps), problem.place
    if problem.state is None:
        q, v = ridge_values(problem)
        return Critic(q[place, np.arange(n)], v[place, np.arange(n)])
    q, v = np.zeros(n), np.zeros(n)
    chance = problem.target.chance
    overall = float(np.bincount(problem.steps.episode, problem.reward).mean())
    for fold in np.unique(problem.steps.fold):
        mine = problem.steps.fold == fold
        table = Table(problem, (~mine).astype(float))
        stages = np.stack(table.values(mean_of(table), overall))
        at = place[mine], problem.state[mine]
        q[mine] = stages[(*at, problem.target.action[mine])]
        v[mine] = (stages[at] * chance[mine]).sum(1)
    return Critic(q, v, overall)


def weighing_of(problem: Problem, critic: Critic) -> Weighing:
    """The sums of a problem; only the products of ratios along an episode are needed."""
    ratio = problem.grid(problem.ratio(), fill=1.0)
    weight = np.cumprod(ratio, 1)
    before = np.concatenate([np.ones((len(weight), 1)), weight[:, :-1]], 1)
    worth = problem.discount**problem.place
    return Weighing(
        weight=weight,
        before=before,
        reward=problem.grid(worth * problem.reward),
        rest=problem.grid(worth * (problem.reward - critic.q)),
        value=problem.grid(worth * critic.v),
        missing=problem.grid(1 - problem.behaviour.possible),
        guess=critic.guess,
    )
