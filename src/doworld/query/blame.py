"""Blame: which action, variable or mechanism made an episode fail, and what would have saved it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator

from doworld._core.errors import QueryError
from doworld.query.given import Given
from doworld.query.goal import Goal
from doworld.query.plain import Names, Plain
from doworld.query.policy import Strategy
from doworld.query.question import Question

__all__ = ["Blame", "Success", "Unwritten"]


class Unwritten(Plain):
    """What stands for a predicate in a question that was written down: its name, not its code."""

    predicate: str


def _success(value: Any) -> Any:
    if isinstance(value, Goal | Unwritten) or callable(value):
        return value
    if isinstance(value, Mapping):
        return Unwritten(**value) if "predicate" in value else Goal(**value)
    raise QueryError(
        f"success is a Goal or a function from an episode to True or False, not {value!r}. "
        "Give Goal(limit={'T': (None, 60)}), or lambda ep: ep['T'].max() < 60."
    )


def _written(value: Any) -> dict[str, Any]:
    if isinstance(value, Plain):
        return value.model_dump(mode="json")
    return {"predicate": getattr(value, "__qualname__", type(value).__name__)}


Success = Annotated[
    Goal | Unwritten | Callable[[Any], Any],
    PlainValidator(_success),
    PlainSerializer(_written),
    WithJsonSchema({"type": "object", "description": "a Goal, or the name of a predicate"}),
]
"""What should have been: a ``Goal``, or a function from an episode to True or False."""


class Blame(Question):
    """Rung 3: what made THIS episode fail, and what would have saved it.

    P(success | do(a_t = a'), the rest as it was, same noise) for every row t and alternative a'.

    A ``Goal`` succeeds where all three hold: every ``limit`` is kept in rows 1…T; every ``keep``
    holds in the last row; every ``target`` is reached in the last row, within ``tolerance``. What
    it would maximise, minimise or weigh has no end at which it would succeed, and is not read.

    A predicate gets an episode: ``ep["theta"]``, or ``ep.theta``, is an array by row in the
    variable's own unit (names of categories as text), T + 1 rows of a state and T of an action or
    reward; ``len(ep)`` counts rows. It returns True or False. It is not kept when the question is
    written down.

    Attributes:
        success: a ``Goal`` or a predicate.
        budget: how many actions may be changed together.
        actions: which actions may have been otherwise; none means all.
        alternatives: values tried of an action by its name; else every level of a discrete one, and
            of a continuous one ``grid`` quantiles of the log, refined around the best.
        reacts: by action, the policy that it follows in the rows after the change; without one,
            later actions stay as they were.
        tolerance: how near a target counts as reached: in standard deviations of the log, or in the
            variable's own unit by its name.
        seconds: how long a predicate may be called for; fewer draws are judged where it is slow.
        samples: draws by member where noise is drawn at all.
    """

    kind: Literal["blame"] = "blame"
    episode: Given
    success: Success
    budget: int = Field(default=1, ge=1, le=10)
    actions: Names = ()
    alternatives: dict[str, tuple[float | str | bool, ...]] = Field(default_factory=dict)
    grid: int = Field(default=7, ge=2, le=101)
    reacts: dict[str, Strategy] = Field(default_factory=dict)
    tolerance: float | dict[str, float] = 0.25
    seconds: float = Field(default=30.0, gt=0)
    samples: int = Field(default=32, ge=1, le=10_000)

    @field_validator("tolerance")
    @classmethod
    def _of_some_width(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        """Raises ``QueryError`` for a tolerance below 0."""
        for width in value.values() if isinstance(value, dict) else (value,):
            if not width >= 0:
                raise QueryError(f"a target cannot be met within {width:g}. Give 0 or more.")
        return value
