"""What discovery chose, what it saw in the data that decided it, and why: rows of a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from doworld._core.errors import GraphError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Choice", "Question", "explained", "summary"]


class Question(StrEnum):
    """What is decided, in the order in which it is asked."""

    KINDS = "kinds"
    SIZE = "size"
    MISSING = "missing values"
    LINEARITY = "linearity"
    NOISE = "noise"
    STATIONARITY = "stationarity"
    ENVIRONMENTS = "environments"
    ACTIONS = "action coverage"
    METHOD = "method"
    LAGS = "lags"
    TESTS = "tests"
    MULTIPLICITY = "multiplicity"


@dataclass(frozen=True)
class Choice:
    """One row of the rule table as it was applied to a log.

    Attributes:
        question: what was to be decided.
        seen: what was measured in the data, each number by its name.
        chosen: what was done.
        why: the rule, in words.

    >>> row = Choice(Question.LAGS, (("lags", 1.0),), "1 lag", "more predict nothing better")
    >>> Choice.from_dict(row.to_dict()) == row
    True
    """

    question: Question
    seen: tuple[tuple[str, float], ...]
    chosen: str
    why: str

    def __post_init__(self) -> None:
        if not self.chosen or not self.why:
            raise GraphError(
                f"the row on {self.question.value} says not what was chosen and why. Give both."
            )

    def number(self, name: str) -> float:
        """One of the numbers seen; raises ``KeyError``."""
        return dict(self.seen)[name]

    def __str__(self) -> str:
        seen = ", ".join(f"{name} {value:.4g}" for name, value in self.seen)
        return f"{self.question.value}: {self.chosen}, as {self.why}" + (f" ({seen})" * bool(seen))

    def to_dict(self) -> dict:
        """Plain data for JSON; a number that could not be measured is null."""
        return {
            "question": self.question.value,
            "seen": {name: None if math.isnan(value) else value for name, value in self.seen},
            "chosen": self.chosen,
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Choice":
        """The inverse of ``to_dict``."""
        seen = tuple(
            (str(k), float("nan") if v is None else float(v)) for k, v in data["seen"].items()
        )
        return cls(Question(data["question"]), seen, data["chosen"], data["why"])


def summary(choices: Sequence[Choice]) -> str:
    """Two sentences: by which method and tests and why, and how far the answer reaches.

    "" without choices.
    """
    rows = {c.question: c for c in choices}
    if Question.METHOD not in rows:
        return ""
    method, tests = rows[Question.METHOD], rows.get(Question.TESTS)
    first = f"Method: {method.chosen} (because {method.why})"
    if tests:
        first += f", using {tests.chosen} (because {tests.why})"
    lags, many = rows.get(Question.LAGS), rows.get(Question.MULTIPLICITY)
    parts = [f"looks {lags.chosen} (because {lags.why})"] if lags else []
    parts += [f"holds false edges by {many.chosen} (because {many.why})"] if many else []
    return f"{first}. It {' and '.join(parts)}." if parts else f"{first}."


def explained(choices: Sequence[Choice]) -> "RenderableType":
    """The table row by row for a terminal: the question, what was seen, the choice, the reason."""
    from rich.table import Table
    from rich.text import Text

    out = Table.grid(padding=(0, 2))
    out.add_column(min_width=max((len(c.question.value) for c in choices), default=0))
    out.add_column(overflow="fold")
    for row in choices:
        text = Text(row.chosen, style="bold")
        text.append(f"\nas {row.why}", style="not bold")
        if row.seen:
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in row.seen)
            text.append(f"\n{numbers}", style="not bold dim")
        out.add_row(Text(row.question.value, style="cyan"), text)
    return out
