"""What questions are made of: frozen plain data whose mistakes are one line with the fix."""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from doworld._core.errors import DoworldError, QueryError

__all__ = ["Names", "Plain", "mistake"]

FIXES = {
    "given": "Give a state by name, {'T': 20.0}, an episode, log[3], rows of one, or a table.",
    "episode": "Give an episode, log[3], rows of one, or a table of its rows.",
    "interventions": "Give interventions, as in [Set('heater', 60)].",
    "target": "Give names, as in ['T1', 'T2'].",
    "planned": "Give values by name, row by row, as in {'heater': [60, 60, 0]}.",
    "objective": "Give a Goal, as in Goal(target={'T1': 45}).",
    "at": "Give rows, as in 3 or range(0, 10).",
}
LONGEST = 40


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Names of variables; a single one needs no list."""


class Plain(BaseModel):
    """Frozen data without unknown fields; raises ``QueryError`` where a field does not fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise mistake(type(self).__name__, error) from None


def mistake(what: str, error: ValidationError) -> DoworldError:
    """The first mistake in ``what`` as one line: what happened, and what to write instead.

    >>> from doworld.query import Do
    >>> Do(given={"T": 1.0}, interventions=[], horzion=5)
    Traceback (most recent call last):
        ...
    doworld._core.errors.QueryError: Do has no field 'horzion'. Write 'horizon'.
    """
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, DoworldError):
        return inner
    place = [str(p) for p in first["loc"]]
    while len(place) > 1 and place[-1] in ("float", "str", "bool"):
        place.pop()  # which of a value's types failed is pydantic's affair
    where, last = ".".join(place), place[-1] if place else ""
    if first["type"] == "extra_forbidden":
        known = _fields(what)
        near = get_close_matches(last, known, n=1, cutoff=0.5)
        fix = f"Write {near[0]!r}." if near else f"It has {', '.join(known)}."
        return QueryError(f"{what} has no field {where!r}. {fix}")
    fix = FIXES.get(place[0] if place else "", "Correct the value and ask again.")
    if first["type"] == "missing":
        return QueryError(f"{what} lacks {where!r}. {fix}")
    said = first["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    subject = f"{what}, {where}" if where else what
    return QueryError(f"{subject}: {said}, and {_shown(first['input'])} is given. {fix}")


def _fields(name: str) -> list[str]:
    """The fields of the question or part of one that is called ``name``."""
    kinds = list(Plain.__subclasses__())
    for kind in kinds:
        kinds += kind.__subclasses__()
    return [f for kind in kinds if kind.__name__ == name for f in kind.model_fields if f != "kind"]


def _shown(value: object) -> str:
    text = repr(value)
    if len(text) <= LONGEST and "\n" not in text:
        return text
    return f"a {type(value).__name__}"
