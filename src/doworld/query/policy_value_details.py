"""What an answer to ``PolicyValue`` holds: every estimator, every bound, and how far to trust."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from doworld.query.details import AbstractDetails

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer

__all__ = ["PolicyValueDetails", "Reading"]


class Reading(BaseModel):
    """One estimate or bound of the value.

    Attributes:
        estimate: None for a bound.
        lower, upper: ends of the interval at the answer's level, or of the bound; None where
            nothing can be said.
        bound: it is a bound.
        holds: it rests on nothing that the log speaks against.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    bound: bool = False
    holds: bool = True


class PolicyValueDetails(AbstractDetails):
    """The answer to ``PolicyValue``.

    Attributes:
        headline: the name of the reading that the answer gives.
        readings: every estimator and bound.
        logged: what the logging policy earned.
        episodes: how many were logged.
        effective: as how many episodes they count once weighed, at the last step.
        unsupported: share of the policy's episodes in which it takes an action that the log never
            holds there.
        suspicion: what the log says of hidden causes, in words.
        strength: Λ of the sensitivity bound; None where there is none.
        reward: what is summed; ``unit`` its unit.
        policy: the policy in words.
    """

    kind: Literal["policy_value"] = "policy_value"
    headline: str
    readings: tuple[Reading, ...]
    logged: Reading
    episodes: int
    effective: float
    unsupported: float
    suspicion: str = ""
    strength: float | None = None
    reward: str = ""
    unit: str = ""
    policy: str = ""

    def rich(self, answer: "Answer") -> Iterable[Any]:
        """The readings, then how much of the log speaks."""
        from rich.table import Table
        from rich.text import Text

        from doworld.query.words import number

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("", "value", f"{answer.level:.0%} interval or bound"):
            table.add_column(name, justify="right" if name == "value" else "left")
        for reading in (*self.readings, self.logged):
            style = "bold" if reading.name == self.headline else "" if reading.holds else "dim"
            ends = ""
            if reading.lower is not None and reading.upper is not None:
                ends = f"{number(reading.lower)} … {number(reading.upper)}"
            middle = "" if reading.estimate is None else number(reading.estimate)
            table.add_row(reading.name, middle, ends, style=style)
        yield table
        yield Text(
            f"{self.episodes:,} episodes count as {self.effective:,.0f} once weighed; "
            f"{self.unsupported:.1%} of the policy's would take an action never logged there.",
            style="dim",
        )
        if self.suspicion and self.suspicion not in answer.why.warnings:
            yield Text(self.suspicion, style="dim")

    def figure(self, answer: "Answer") -> "Figure":
        """Estimators and bounds side by side, the logged value as a line."""
        from doworld.query.policy_value_figure import figure

        return figure(answer, self)
