"""What another policy would have earned, from the log of this one."""

from typing import Literal

from pydantic import Field

from doworld.query.policy import Strategy
from doworld.query.question import Question

__all__ = ["PolicyValue"]


class PolicyValue(Question):
    """Rung 2: the value of ``policies`` (by action), had they chosen the actions of the log.

    Attributes:
        policies: what chooses each action; actions that are left out stay as logged.
        reward: the variable that is summed over an episode; "" takes the schema's reward.
        discount: γ of later rewards.
        strength: Λ of the sensitivity bound, how far something hidden may move the odds of what
            comes next; None takes twice what the log's own past reveals. 1 assumes that nothing is
            hidden, whatever the log says.
    """

    kind: Literal["policy_value"] = "policy_value"
    policies: dict[str, Strategy]
    reward: str = ""
    discount: float = Field(default=1.0, gt=0, le=1)
    strength: float | None = Field(default=None, ge=1)
