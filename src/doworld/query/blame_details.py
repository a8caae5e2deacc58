"""What an answer to ``Blame`` holds: when, what instead, how surely, and who bears which share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from doworld.query.details import AbstractDetails

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer

__all__ = ["Alternative", "BlameDetails", "Change", "Part", "Share", "Trace"]

Value = float | str | bool


class Part(BaseModel):
    """Plain frozen data."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(Part):
    """One action at one row: what it was and what it would have been."""

    variable: str
    row: int
    was: Value
    instead: Value
    unit: str = ""


class Alternative(Part):
    """P(success) had ``variable`` been ``value`` at each of the answer's rows, else as it was.

    ``success`` is None where that is what the action was.
    """

    variable: str
    value: Value
    success: tuple[float | None, ...]


class Share(Part):
    """A Shapley share of the failure: how much of it one player bears, and its standard error.

    Attributes:
        kind: ``action`` (of one variable in rows first…last) or ``noise`` (what the causes of a
            variable do not explain: its mechanism's own noise in this episode).
    """

    name: str
    kind: Literal["action", "noise"]
    value: float
    error: float
    variable: str
    first: int
    last: int


class Trace(Part):
    """A variable as it was and as the best change would have made it, by row 0…T."""

    variable: str
    unit: str = ""
    was: tuple[float | None, ...]
    instead: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)
    end: tuple[float | None, float | None] = (None, None)
    categories: tuple[str, ...] = ()


class BlameDetails(AbstractDetails):
    """The answer to ``Blame``.

    Attributes:
        best: the best single change; None where no change raises the chance of success.
        success: P(success) under it; ``lower``, ``upper`` are its interval, or its bound.
        chance: the probability that its row is the row of greatest gain.
        likely: the fewest rows that hold the row of greatest gain at the answer's level.
        ties: rows whose best change is equally good, the best among them.
        always: every single change would have saved the episode.
        least: the smallest change of a continuous action at that row that saves it as well as not.
        rows: the rows of actions that were tried.
        logged: the actions as they were, by name, one value for each of ``rows``.
        alternatives: P(success) by value and row.
        changes: the best changes within the budget, ``together`` their P(success), ``method`` how
            they were found.
        necessity: P(success | do(a'), this episode's noise), of the best a' of every row: had it
            not been for the action, would it have succeeded.
        sufficiency: P(failure | do(a)) among futures that a' would have saved, fresh noise.
        both: P(a' saves and a fails), fresh noise: necessity and sufficiency at once.
        open: by row, whether levels whose noise is not recoverable lie between it and success: then
            probabilities there are estimates, and the series' interval is a bound.
        unfounded: by row, whether the log vouches for nothing that follows from its best change.
        sufficiency_bounds, both_bounds: by row, (lower, upper) whatever the levels' noise; None
            where the row is not open.
        still: P(success) from each row on, the actions as they were, fresh noise.
        ahead: the same with actions drawn as in the log where ``randomised``, else as they were.
        helped: the same under the best of the responses that were tried, a lower bound.
        turning: the first row from which on ``ahead`` says that success was no longer likely.
        no_return: the first row from which on no response that was tried makes it likely.
        shares: Shapley shares of the failure; ``shared`` is their sum, P(success) were all typical.
        exact: whether all coalitions were tried, not a sample of orders.
        traces: the variables that decided, as they were and as they would have been.
        text: the paragraph.
        draws: worlds behind each probability: (this episode's noise, fresh noise).
        thinned: whether only some rows were tried at first, and all only around the best.
    """

    kind: Literal["blame"] = "blame"
    best: Change | None
    success: float
    lower: float
    upper: float
    chance: float
    likely: tuple[int, ...] = ()
    ties: tuple[int, ...] = ()
    always: bool = False
    least: Change | None = None
    rows: tuple[int, ...]
    logged: dict[str, tuple[Value | None, ...]]
    alternatives: tuple[Alternative, ...]
    changes: tuple[Change, ...] = ()
    together: float = 0.0
    method: str = ""
    necessity: tuple[float, ...] = ()
    sufficiency: tuple[float | None, ...] = ()
    both: tuple[float, ...] = ()
    open: tuple[bool, ...] = ()
    unfounded: tuple[bool, ...] = ()
    sufficiency_bounds: tuple[tuple[float, float] | None, ...] = ()
    both_bounds: tuple[tuple[float, float] | None, ...] = ()
    still: tuple[float, ...] = ()
    ahead: tuple[float, ...] = ()
    randomised: bool = False
    helped: tuple[float, ...] = ()
    turning: int | None = None
    no_return: int | None = None
    shares: tuple[Share, ...] = ()
    shared: float = 0.0
    exact: bool = True
    traces: tuple[Trace, ...] = ()
    text: str = ""
    draws: tuple[int, int] = (1, 1)
    thinned: bool = False

    def rich(self, answer: "Answer") -> Iterable[Any]:
        """The paragraph, the best rows, and the shares."""
        from rich.text import Text

        yield Text(self.text)
        yield from self._rows(answer)
        yield from self._shares()

    def _rows(self, answer: "Answer") -> Iterable[Any]:
        from rich.table import Table

        from doworld.query.words import number

        order = sorted(range(len(self.rows)), key=lambda i: -self.necessity[i])[:5]
        order = [i for i in sorted(order) if self.necessity[i] > 0]
        if not order:
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("row", "instead", "necessary", "sufficient"):
            table.add_column(name, justify="left" if name == "instead" else "right")
        for i in order:
            found = max(self.alternatives, key=lambda a: a.success[i] or 0.0)
            value = number(found.value) if isinstance(found.value, float) else str(found.value)
            enough = self.sufficiency[i] if self.sufficiency else None
            table.add_row(
                f"{self.rows[i]}{' *' if self.best and self.best.row == self.rows[i] else ''}",
                f"{found.variable} = {value}",
                f"{self.necessity[i]:.0%}",
                "" if enough is None else f"{enough:.0%}",
            )
        yield table

    def _shares(self) -> Iterable[Any]:
        from rich.text import Text

        if not self.shares:
            return
        ranked = sorted(self.shares, key=lambda s: -abs(s.value))[:6]
        lines = [f"  {s.value:+.2f} ± {s.error:.2f}  {s.name}" for s in ranked]
        yield Text("\n".join(["Shares of the failure (Shapley):", *lines]), style="dim")

    def figure(self, answer: "Answer") -> "Figure":
        """What failed, what would have saved it by row, the chance from each row on, the shares."""
        from doworld.query.blame_figure import figure

        return figure(answer, self)
