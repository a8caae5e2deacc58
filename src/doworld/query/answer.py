"""Answers, as plain data that says how far it can be trusted."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from doworld.query.queries import Query

__all__ = ["Answer", "Series", "Status", "Why"]


class Status(StrEnum):
    """Whether the data can answer."""

    IDENTIFIED = "identified"
    BOUNDED = "bounded"
    NOT_IDENTIFIED = "not_identified"


class Series(BaseModel):
    """One variable over the rows of an answer, in its own unit.

    Attributes:
        rows: rows counted from the query's start (row 0 is given).
        estimate: the middle of the answer; None where the status is ``not_identified``.
        lower, upper: ends of the interval at the answer's level, or of the bound.
        noise, parameters, structure: standard deviations from the world's own noise, from
            mechanisms that few data leave open, and from edges that the data leave open.
        support: 0…1, how far inside its data the model is asked at this row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    unit: str = ""
    rows: tuple[int, ...]
    estimate: tuple[float, ...] | None
    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    noise: tuple[float, ...] = ()
    parameters: tuple[float, ...] = ()
    structure: tuple[float, ...] = ()
    support: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()


class Why(BaseModel):
    """What the answer rests on, in words and edges."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = ""
    assumptions: tuple[str, ...] = ()
    adjustment: str = ""
    edges: tuple[str, ...] = ()
    weakest_edge: str = ""
    support: str = ""
    rows: int = 0
    warnings: tuple[str, ...] = ()


class Answer(BaseModel):
    """What the model answers, and how far to trust it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Query
    status: Status
    level: float
    series: tuple[Series, ...] = ()
    why: Why = Field(default_factory=Why)
    fix: str = ""
    step: float = 1.0
    time_unit: str = "steps"
    actions: dict[str, tuple[float | str | bool, ...]] = Field(default_factory=dict)
    objective: float | None = None

    _draws: Callable[[], dict[str, np.ndarray]] | None = PrivateAttr(default=None)

    def __getitem__(self, name: str) -> Series:
        """The series of one variable; raises ``UnknownNameError``."""
        for series in self.series:
            if series.variable == name:
                return series
        from doworld._core.errors import UnknownNameError

        raise UnknownNameError("variable of this answer", name, [s.variable for s in self.series])
