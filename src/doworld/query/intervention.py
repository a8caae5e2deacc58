"""What is done to a variable: set, shift or scale it, at given times or throughout."""

from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Intervention", "Scale", "Set", "Shift"]


class _Intervention(BaseModel):
    """``at`` counts rows from the query's start (row 0 is the given state); None: throughout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    def __init__(self, variable: str, value: float | str | bool, *, at=None, **extra) -> None:
        super().__init__(**{"variable": variable, "value": value, "at": at, **extra})


class Shift(_Intervention):
    """Adds ``by`` to what the variable would naturally be at those times."""

    kind: Literal["shift"] = "shift"
    by: float

    def __init__(self, variable: str, by: float, *, at=None, **extra) -> None:
        super().__init__(**{"variable": variable, "by": by, "at": at, **extra})


class Scale(_Intervention):
    """Multiplies what the variable would naturally be at those times by ``factor``."""

    kind: Literal["scale"] = "scale"
    factor: float

    def __init__(self, variable: str, factor: float, *, at=None, **extra) -> None:
        super().__init__(**{"variable": variable, "factor": factor, "at": at, **extra})


Intervention = Annotated[Set | Shift | Scale, Field(discriminator="kind")]
