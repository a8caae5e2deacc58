"""Answers, as plain data that says how far it can be trusted."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from doworld._core.errors import QueryError, UnknownNameError
from doworld.query.blame_details import BlameDetails
from doworld.query.effect_details import EffectDetails
from doworld.query.imagine_details import ImagineDetails
from doworld.query.policy_value_details import PolicyValueDetails
from doworld.query.queries import Query
from doworld.query.series import Series
from doworld.query.worlds_details import Worlds

__all__ = ["Answer", "Details", "Series", "Status", "Why"]

Details = Annotated[
    BlameDetails | EffectDetails | ImagineDetails | PolicyValueDetails | Worlds,
    Field(discriminator="kind"),
]
"""The kinds of details, told apart by ``kind``."""


class Status(StrEnum):
    """Whether the data can answer."""

    IDENTIFIED = "identified"
    BOUNDED = "bounded"
    NOT_IDENTIFIED = "not_identified"


class Why(BaseModel):
    """What the answer rests on, in words and edges.

    Attributes:
        support: whether the question stays inside the data, and what leaves it first.
        outside: the first row that is outside the data; None where all rows are inside.
        rows: transitions of the log that the model was learned from.
        refutations: attempts to show that the answer is wrong, each a line that says whether it
            passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = ""
    assumptions: tuple[str, ...] = ()
    adjustment: str = ""
    edges: tuple[str, ...] = ()
    weakest_edge: str = ""
    support: str = ""
    outside: int | None = None
    rows: int = 0
    warnings: tuple[str, ...] = ()
    refutations: tuple[str, ...] = ()


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
    details: Details | None = None

    _draws: Callable[[], dict[str, np.ndarray]] | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Equal content; draws, which JSON does not carry, do not count."""
        if not isinstance(other, Answer):
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[name] == theirs[name] for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, name: str) -> Series:
        """The series of one variable; raises ``UnknownNameError``."""
        for series in self.series:
            if series.variable == name:
                return series
        raise UnknownNameError("variable of this answer", name, [s.variable for s in self.series])

    @property
    def names(self) -> tuple[str, ...]:
        """The variables answered about."""
        return tuple(s.variable for s in self.series)

    @property
    def estimate(self) -> dict[str, np.ndarray | None]:
        """The middle of the answer by variable, one value a row; None where not identified."""
        return {s.variable: _array(s.estimate) for s in self.series}

    @property
    def interval(self) -> dict[str, tuple[np.ndarray, np.ndarray] | None]:
        """(lower, upper) by variable, one value a row; None where not identified."""
        return {
            s.variable: None
            if s.lower is None or s.upper is None
            else (np.array(s.lower), np.array(s.upper))
            for s in self.series
        }

    @property
    def support(self) -> dict[str, np.ndarray]:
        """0…1 by variable, one value a row."""
        return {s.variable: np.array(s.support) for s in self.series}

    @property
    def uncertainty(self) -> dict[str, dict[str, np.ndarray]]:
        """Standard deviations by variable and source; their squares add up to the variance."""
        parts = ("noise", "parameters", "structure")
        return {s.variable: {p: np.array(getattr(s, p)) for p in parts} for s in self.series}

    def samples(self) -> dict[str, np.ndarray]:
        """The draws behind the answer, (members, samples, rows) by variable; levels as codes.

        Raises ``QueryError`` for an answer that was read from a file, which carries none.
        """
        if self._draws is None:
            raise QueryError(
                "this answer carries no samples: it was read from JSON or has no number. "
                "Ask its query again: ask(model, answer.query)."
            )
        return self._draws()

    def with_draws(self, draws: Callable[[], dict[str, np.ndarray]]) -> "Answer":
        """The same answer with ``samples()`` behind it."""
        copy = self.model_copy()
        copy._draws = draws
        return copy

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``Answer.from_dict`` reads it back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Answer":
        """The inverse of ``to_dict``; raises pydantic's ``ValidationError``."""
        return cls.model_validate(data)

    def to_json(self, *, indent: int | None = None) -> str:
        """JSON text without NaN; ``Answer.from_json`` reads it back exactly."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> "Answer":
        """The inverse of ``to_json``; raises pydantic's ``ValidationError``."""
        return cls.model_validate_json(text)

    def frame(self):
        """A Polars frame: a row for every variable and row of the answer."""
        from doworld.query.table import frame

        return frame(self)

    def figure(self):
        """A Plotly figure: what ``details`` show, else a fan chart per variable and its support."""
        if self.details is not None:
            return self.details.figure(self)
        from doworld.query.figure import figure

        return figure(self)

    def __rich__(self):
        from doworld.query.text import rich

        return rich(self)

    def __str__(self) -> str:
        from doworld.query.text import plain

        return plain(self)

    def _repr_html_(self) -> str:
        from doworld.query.text import html

        return html(self)


def _array(values: tuple[float, ...] | None) -> np.ndarray | None:
    return None if values is None else np.array(values)
