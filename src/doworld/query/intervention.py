"""What is done to a variable: set, shift or scale it, at given times or throughout."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from doworld.query.plain import Plain
from doworld.query.policy import Strategy

__all__ = ["Follow", "Intervention", "Interventions", "Scale", "Set", "Shift"]

_ABSENT: Any = object()


def _stated(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not _ABSENT}


class _Intervention(Plain):
    """``at`` counts rows from the query's start (row 0 is the given state); None: throughout."""

    variable: str
    at: tuple[int, ...] | None = None

    @field_validator("at", mode="before")
    @classmethod
    def _rows(cls, at: object) -> object:
        if isinstance(at, int | np.integer):
            return (int(at),)
        return tuple(at) if isinstance(at, Iterable) and not isinstance(at, str) else at


class Set(_Intervention):
    """do(variable = value): cuts the variable's incoming edges at those times, and nothing else.

    >>> Set("heater", 60, at=range(0, 3)).at
    (0, 1, 2)
    """

    kind: Literal["set"] = "set"
    value: float | str | bool

    def __init__(
        self, variable: str = _ABSENT, value: float | str | bool = _ABSENT, *, at=None, **extra
    ) -> None:
        super().__init__(**_stated(variable=variable, value=value, at=at, **extra))


class Shift(_Intervention):
    """Adds ``by`` to what the variable would naturally be at those times."""

    kind: Literal["shift"] = "shift"
    by: float

    def __init__(self, variable: str = _ABSENT, by: float = _ABSENT, *, at=None, **extra) -> None:
        super().__init__(**_stated(variable=variable, by=by, at=at, **extra))


class Scale(_Intervention):
    """Multiplies what the variable would naturally be at those times by ``factor``."""

    kind: Literal["scale"] = "scale"
    factor: float

    def __init__(
        self, variable: str = _ABSENT, factor: float = _ABSENT, *, at=None, **extra
    ) -> None:
        super().__init__(**_stated(variable=variable, factor=factor, at=at, **extra))


class Follow(_Intervention):
    """The variable follows a policy at those times: its value is what the policy makes of the row.

    >>> from doworld.query import Feedback
    >>> Follow("force", Feedback(weights={"theta": 10.0})).at is None
    True
    """

    kind: Literal["follow"] = "follow"
    policy: Strategy

    def __init__(self, variable: str = _ABSENT, policy: Any = _ABSENT, *, at=None, **extra) -> None:
        super().__init__(**_stated(variable=variable, policy=policy, at=at, **extra))


Intervention = Annotated[Set | Shift | Scale | Follow, Field(discriminator="kind")]


def _several(value: object) -> object:
    return (value,) if isinstance(value, _Intervention | Mapping) else value


Interventions = Annotated[tuple[Intervention, ...], BeforeValidator(_several)]
"""What is done; a single intervention needs no list."""
