"""What a test of a graph's implied independencies says: verdict, evidence, words and figure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from doworld.graph.separation import Node

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Falsification", "Independence", "Verdict"]


class Verdict(StrEnum):
    """What the comparison says of a graph."""

    FALSIFIED = "falsified"
    NOT_FALSIFIED = "not falsified"
    NOT_FALSIFIABLE = "not falsifiable"


@dataclass(frozen=True)
class Independence:
    """One implied independence and its test: ``one`` ⫫ ``other`` | ``given``.

    Nodes are (variable, rows before). ``correlation`` is what is left between the two given the
    causes; ``rejected`` counts at the rate asked for over all that the graph implies.
    """

    one: Node
    other: Node
    given: tuple[Node, ...]
    p_value: float
    correlation: float
    rejected: bool

    def __str__(self) -> str:
        given = ", ".join(map(_at, self.given)) or "nothing"
        return f"{_at(self.one)} ⫫ {_at(self.other)} given {given}"


def _at(node: Node) -> str:
    return f"{node[0]}(t-{node[1]})" if node[1] else f"{node[0]}(t)"


@dataclass(frozen=True)
class Falsification:
    """How a graph fares against a log and against permuted graphs.

    Attributes:
        verdict: in one word. Not falsifiable: too many permuted graphs say the same of
            independence, or there are too few of them, so that nothing could refute it.
        tests: every implied independence, the most violated first.
        violations: share of the tests with p ≤ ``level``, which chance alone would make ``level``.
        permuted: the same share of each permuted graph.
        p_value: share of the graphs, this one counted in, violated as rarely as this one.
        equivalent: share of permuted graphs that imply the same independencies.
        level, rate: as asked for.
        rows: complete rows.
    """

    verdict: Verdict
    tests: tuple[Independence, ...]
    violations: float
    permuted: tuple[float, ...]
    p_value: float
    equivalent: float
    level: float
    rate: float
    rows: int

    @property
    def rejected(self) -> tuple[Independence, ...]:
        """The implied independencies that the log rejects at the rate asked for."""
        return tuple(t for t in self.tests if t.rejected)

    @property
    def why(self) -> str:
        """The verdict in words."""
        few = f"{self.violations:.0%} of {len(self.tests)} implied independencies are violated"
        if not self.tests:
            return "the graph implies no independence: everything is linked, so nothing can fail."
        if self.verdict is Verdict.NOT_FALSIFIABLE:
            return (
                f"{self.equivalent:.0%} of {len(self.permuted)} graphs with permuted variables "
                f"imply the same, or too few can be drawn: no log could tell this graph from one "
                f"drawn by lot at level {self.level:g}."
            )
        beside = f"{self.p_value:.1%} of {len(self.permuted)} permuted graphs do as well"
        if self.verdict is Verdict.FALSIFIED:
            return f"{few}, and {beside}: it is no better than a graph drawn by lot."
        return f"{few}, and only {beside}: it knows something of this log."

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.why}"

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "verdict": self.verdict.value,
            "why": self.why,
            "violations": self.violations,
            "p_value": self.p_value,
            "equivalent": self.equivalent,
            "permuted": list(self.permuted),
            "level": self.level,
            "rate": self.rate,
            "rows": self.rows,
            "rejected": [
                {"independence": str(t), "p_value": t.p_value, "correlation": t.correlation}
                for t in self.rejected
            ],
        }

    def figure(self) -> "Figure":
        """Violations of the graph beside those of permuted ones."""
        from doworld.graph.falsify_figure import figure

        return figure(self)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        style = {
            Verdict.FALSIFIED: "bold red",
            Verdict.NOT_FALSIFIED: "bold green",
            Verdict.NOT_FALSIFIABLE: "bold yellow",
        }[self.verdict]
        yield Text.assemble((self.verdict.value, style), ": ", self.why)
        gone = self.rejected
        if gone:
            yield Text(f"{len(gone)} rejected at a false-discovery rate of {self.rate:g}:")
        for t in gone[:8]:
            yield Text(f"  {t}  (p = {t.p_value:.1g}, correlation {t.correlation:.2f})")
        if len(gone) > 8:
            yield Text(f"  and {len(gone) - 8} more")
