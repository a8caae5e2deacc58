"""Blame: which action, variable or mechanism made an episode fail, and what would have saved it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from doworld.query.given import Given
from doworld.query.goal import Goal
from doworld.query.question import Question

__all__ = ["Blame"]


class Blame(Question):
    """Rung 3: what made THIS episode fail.

    Attributes:
        success: what should have been: a ``Goal``, or a function from an episode to True or False
            (which is not kept when the question is written down).
        budget: how many actions may be changed together.
    """

    kind: Literal["blame"] = "blame"
    episode: Given
    success: Annotated[Goal | Callable[[Any], Any], SkipValidation]
    budget: int = Field(default=1, ge=1, le=10)
