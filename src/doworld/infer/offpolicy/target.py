"""How likely the other policy makes every action, at every step of a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from doworld._core.errors import QueryError
from doworld.data import Schema, Trajectories
from doworld.infer.offpolicy.steps import Steps
from doworld.infer.unanswerable import UnanswerableError
from doworld.query.policy_arrays import PolicyArrays, compiled

__all__ = ["Target", "chances", "target_of"]

MOST = 2000
"""Combinations of action levels that a policy may choose from."""


@dataclass(frozen=True, eq=False)
class Target:
    """The policy asked about, over combinations of action levels.

    Attributes:
        action: the combination that was logged, by step.
        chance: of every combination under the policy, by step.
        labels: the combinations in words.
    """

    action: Int[np.ndarray, " n"]
    chance: Float[np.ndarray, "n actions"]
    labels: tuple[str, ...]


def chances(
    policy: PolicyArrays, rows: Float[np.ndarray, "n variables"], levels: int
) -> Float[np.ndarray, "n levels"]:
    """P(level | row) of one policy; a case that sets a number gives its level all the chance."""
    outside = (rows[:, None, :] < policy.low) | (rows[:, None, :] > policy.high)
    case = np.argmax(~outside.any(-1), -1)
    weights = policy.weights[case]
    told = np.where(weights != 0, weights * rows, 0.0).sum(-1) + policy.bias[case]
    value = np.clip(told, policy.least[case], policy.most[case])
    sure = np.floor(value + 0.5)[:, None] == np.arange(levels)
    drawn = np.diff(policy.chance[case], axis=1, prepend=0.0)[:, :levels]
    return np.where(policy.drawn[case][:, None] > 0, drawn, sure.astype(float))


def target_of(log: Trajectories, steps: Steps, policies: Mapping[str, Any]) -> Target:
    """The target's chances at every step.

    Raises ``UnknownNameError`` for names and levels that do not exist, ``QueryError`` for a policy
    that reads what is not known when it acts, and ``UnanswerableError`` for actions without levels
    or with too many.
    """
    schema = log.schema
    _check(schema, policies, steps)
    counts = [schema[n].levels for n in steps.done_names]
    size = int(np.prod(counts))
    if size > MOST:
        raise UnanswerableError(
            f"The actions have {size:,} combinations of levels, more than {MOST:,}.",
            "Ask about fewer actions at once, or merge levels.",
        )
    joint = np.ones((len(steps), 1))
    rows = log.values[steps.rows]
    for name, levels in zip(steps.done_names, counts, strict=True):
        own = chances(compiled(schema, name, policies[name]), rows, levels)
        joint = (joint[:, :, None] * own[:, None, :]).reshape(len(steps), -1)
    action = np.ravel_multi_index(tuple(steps.done.astype(int).T), counts)
    combinations = np.stack(np.unravel_index(np.arange(size), counts), 1)
    labels = tuple(
        ", ".join(
            f"{n}={schema[n].label(float(v))}" for n, v in zip(steps.done_names, c, strict=True)
        )
        for c in combinations
    )
    return Target(np.asarray(action, np.int64), joint, labels)


def _check(schema: Schema, policies: Mapping[str, Any], steps: Steps) -> None:
    for name, policy in policies.items():
        if not schema[name].levels:
            raise UnanswerableError(
                f"{name} is {schema[name].kind.value}: a log hardly ever holds the very number "
                "that a policy asks for, so weighing its rows says nothing.",
                f"Cut {name} into levels, or roll the policy out in the model: Do with Follow.",
            )
        for read in policy.reads:
            if read not in steps.seen_names:
                what = "is itself chosen by a policy" if read in policies else "is not a state"
                raise QueryError(
                    f"the policy of {name!r} reads {read!r}, which {what} and is not known when "
                    "it acts. Let it read states, contexts or actions that stay as logged."
                )
