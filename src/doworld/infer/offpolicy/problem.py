"""Everything that estimators of a policy's value need, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld._core.errors import QueryError
from doworld.data import Role, Trajectories
from doworld.infer.offpolicy.behaviour import Behaviour, behaviour_of
from doworld.infer.offpolicy.steps import Steps, codes_of, steps_of
from doworld.infer.offpolicy.target import Target, target_of
from doworld.infer.unanswerable import UnanswerableError

__all__ = ["Problem", "problem_of", "reward_of"]

MOST_STATES = 20_000
LEAST_STEPS = 10


@dataclass(frozen=True, eq=False)
class Problem:
    """A log, a policy and a reward.

    Attributes:
        reward: of each step; 0 where it was not logged.
        missing: at how many steps it was not.
        state, following: codes of what was seen and of what came next; None where it has too many
            values for a table. ``following`` is −1 where nothing is known of the next.
        states: how many codes there are.
        policy: the target's chances by state code, None without codes; NaN in states that were
            never acted in.
        behaviour: how likely the logged actions were.
        horizon: the longest episode's steps.
        returns: least and greatest return of a logged episode.
        discount: γ.
    """

    steps: Steps
    target: Target
    reward: Float[np.ndarray, " n"]
    missing: int
    state: Int[np.ndarray, " n"] | None
    following: Int[np.ndarray, " n"] | None
    states: int
    policy: Float[np.ndarray, "states actions"] | None
    behaviour: Behaviour
    horizon: int
    returns: tuple[float, float]
    discount: float

    @property
    def actions(self) -> int:
        """How many combinations of action levels there are."""
        return self.target.chance.shape[1]

    def ratio(self) -> Float[np.ndarray, " n"]:
        """π(a|s)/π_b(a|s) of the logged actions."""
        own = self.target.chance[np.arange(len(self.steps)), self.target.action]
        return own / self.behaviour.logged

    def grid(
        self, values: Float[np.ndarray, " n"], fill: float = 0.0
    ) -> Float[np.ndarray, "episodes horizon"]:
        """One row an episode, one column a step."""
        out = np.full((self.steps.episodes, self.horizon), fill)
        out[self.steps.episode, self.place] = values
        return out

    @property
    def place(self) -> Int[np.ndarray, " n"]:
        """Steps since the episode's first."""
        first = np.flatnonzero(np.diff(self.steps.episode, prepend=-1))
        lengths = np.diff(np.append(first, len(self.steps)))
        return np.arange(len(self.steps)) - np.repeat(first, lengths)

    @property
    def ended(self) -> Bool[np.ndarray, " n"]:
        """The steps after which nothing comes."""
        return self.steps.over


def problem_of(
    log: Trajectories, policies: Mapping[str, Any], reward: str, discount: float
) -> Problem:
    """The arrays of a question.

    Raises ``UnknownNameError`` and ``QueryError`` for names, policies or a log that do not fit, and
    ``UnanswerableError`` where the log cannot say.
    """
    if not policies:
        raise QueryError("no policy is given. Say which action follows which policy.")
    actions = tuple(n for n in log.schema.names if n in policies)
    for name in policies:
        log.schema.position(name)
    summed = reward_of(log, reward)
    steps = steps_of(log, actions=actions, reward=summed)
    target = target_of(log, steps, policies)
    gained = log.column(summed)[steps.rows]
    if np.isnan(gained).all():
        raise UnanswerableError(
            f"{summed!r} was never logged where actions are.",
            "Log what each action earned, in the action's own row.",
        )
    if len(steps) < LEAST_STEPS:
        raise UnanswerableError(
            f"The log holds {len(steps)} steps, too few to tell anything.",
            f"Log at least {LEAST_STEPS} rows with an action and what it earned.",
        )
    missing = int(np.isnan(gained).sum())
    gained = np.nan_to_num(gained)
    state, following, states, policy = _coded(steps, target)
    problem = Problem(
        steps=steps,
        target=target,
        reward=gained,
        missing=missing,
        state=state,
        following=following,
        states=states,
        policy=policy,
        behaviour=behaviour_of(log, steps, target, state),
        horizon=1,
        returns=(0.0, 0.0),
        discount=discount,
    )
    place = problem.place
    total = np.bincount(steps.episode, weights=discount**place * gained)
    ends = (min(0.0, float(total.min())), max(0.0, float(total.max())))
    return replace(problem, horizon=int(place.max()) + 1, returns=ends)


def reward_of(log: Trajectories, name: str) -> str:
    """The variable that is summed: ``name``, or the log's only reward.

    Raises ``QueryError`` for an action, and where the log has not just one reward.
    """
    if name:
        if log.schema[name].role is Role.ACTION:
            raise QueryError(f"{name!r} is an action and cannot be the reward. Name what it earns.")
        return name
    rewards = log.schema.of(Role.REWARD)
    if len(rewards) != 1:
        found = ", ".join(rewards) or "none"
        raise QueryError(
            f"a value is the sum of one reward, and the log has {found}. Name the variable that is "
            "summed: reward=…."
        )
    return rewards[0]


def _coded(steps: Steps, target: Target):
    """Codes of states and of what follows, and the policy over them; None where too many."""
    following = np.where(np.isnan(steps.next), steps.seen, steps.next)
    found = codes_of(np.concatenate([steps.seen, following]))
    count = len(steps)
    if found is None or found[1] > MOST_STATES or found[1] > count:
        return None, None, 0, None
    code, states = found
    after = np.where(np.isnan(steps.next).any(1), -1, code[count:])
    policy = np.full((states, target.chance.shape[1]), np.nan)
    policy[code[:count]] = target.chance
    return code[:count], after, states, policy
