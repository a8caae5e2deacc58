"""What an answer about an effect holds: estimators side by side, overlap, what could undo it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from doworld.query.details import AbstractDetails
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer

__all__ = ["Benchmark", "EffectDetails", "Estimated", "Overlap", "Refutation", "Sensitivity"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimated(_Data):
    """One number with its interval: an estimator's, a stratum's, a dose's.

    Attributes:
        value: the dose, where it is one.
        rows: that it was computed from.
    """

    name: str
    estimate: float
    lower: float
    upper: float
    value: float | None = None
    rows: int = 0


class Overlap(_Data):
    """Whether units with each level could have had the other.

    Attributes:
        levels: the levels compared, or the doses.
        counts, effective: rows of each level, and how many equally weighted rows they are worth.
        outside: share of the units whose probability of a level is outside ``limits``.
        edges, histogram: bins of the probability of the last level, and rows in each by level.
        explained: of a number, the share of its variance that what is held fixed explains.
    """

    levels: tuple[str, ...]
    counts: tuple[int, ...]
    effective: tuple[float, ...]
    outside: float
    limits: tuple[float, float] = (0.02, 0.98)
    edges: tuple[float, ...] = ()
    histogram: tuple[tuple[int, ...], ...] = ()
    explained: float | None = None


class Benchmark(_Data):
    """What an unobserved cause as strong as this observed one would do to the estimate.

    Attributes:
        treatment: share of the treatment's remaining variance that it would explain.
        outcome: share of the outcome's remaining variance that it would explain.
        estimate: what would be left of the estimate.
    """

    name: str
    treatment: float
    outcome: float
    estimate: float


class Sensitivity(_Data):
    """How strong an unobserved common cause must be (Cinelli and Hazlett 2020).

    Attributes:
        estimate, error, freedom: of the linear regression that these numbers are about.
        robustness: share of the remaining variance of both treatment and outcome that an
            unobserved cause must explain to bring the estimate to 0.
        robustness_interval: the same, to bring the interval to 0.
        partial: share of the outcome's variance that the treatment explains.
        e_value, e_value_interval: the risk ratio that an unobserved cause must have with both
            (VanderWeele and Ding 2017).
    """

    estimate: float
    error: float
    freedom: int
    robustness: float
    robustness_interval: float
    partial: float
    e_value: float
    e_value_interval: float
    benchmarks: tuple[Benchmark, ...] = ()
    words: str = ""


class Refutation(_Data):
    """One attempt to show that the estimate is wrong."""

    name: str
    passed: bool
    words: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.name}: {self.words}"


class EffectDetails(AbstractDetails):
    """An effect, and what speaks for and against it.

    Attributes:
        what: the quantity in words, as in ``E[Y(1) − Y(0)]``.
        population: whom it is about.
        method: how it was computed.
        points: the effect by contrast, stratum or dose; one where there is but one.
        estimators: other estimates of the first of ``points``.
        scale: unit of the numbers.
    """

    kind: Literal["effect"] = "effect"
    treatment: str
    outcome: str
    what: str
    population: str = ""
    method: str = ""
    scale: str = ""
    points: tuple[Estimated, ...] = ()
    estimators: tuple[Estimated, ...] = ()
    agreement: str = ""
    overlap: Overlap | None = None
    sensitivity: Sensitivity | None = None
    refutations: tuple[Refutation, ...] = ()
    dose: bool = False
    rows: int = 0
    units: int = 0

    def rich(self, answer: "Answer") -> Iterable[Any]:
        """Numbers first, then what could be wrong with them."""
        from rich.text import Text

        if self.population and self.points:
            yield Text(f"{self.what}, {self.population}")
        if self.points:
            yield _table(self.points, answer, self.scale)
        if self.method:
            yield Text(f"By {self.method}; {self.rows:,} rows" + self._units(), style="dim")
        if len(self.estimators) > 1:
            yield Text("Side by side:")
            yield _table(self.estimators, answer, "")
        if self.agreement:
            yield Text(self.agreement)
        if self.overlap is not None:
            yield Text(overlap_words(self.overlap))
        if self.sensitivity is not None:
            yield Text(self.sensitivity.words)
        for each in self.refutations:
            style = "green" if each.passed else "bold red"
            yield Text(str(each), style=style)

    def _units(self) -> str:
        return f" of {self.units:,} units." if 0 < self.units < self.rows else "."

    def figure(self, answer: "Answer") -> "Figure":
        """Effect beside its estimators, the overlap, and what would undo it."""
        from doworld.query.effect_figure import figure

        return figure(self, answer)


def _table(points: Iterable[Estimated], answer: "Answer", scale: str):
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column(f"estimate [{scale}]" if scale else "estimate", justify="right")
    table.add_column("bound" if answer.status == "bounded" else f"{answer.level:.0%} interval")
    for p in points:
        table.add_row(p.name, number(p.estimate), f"{number(p.lower)} … {number(p.upper)}")
    return table


def overlap_words(overlap: Overlap) -> str:
    """The overlap in one sentence."""
    if overlap.explained is not None:
        return (
            f"Overlap: what is held fixed explains {overlap.explained:.0%} of the treatment; "
            f"{overlap.outside:.0%} of the rows could hardly have had the values compared."
        )
    worth = ", ".join(
        f"{name} {count:,} rows worth {round(effective):,}"
        for name, count, effective in zip(
            overlap.levels, overlap.counts, overlap.effective, strict=True
        )
    )
    low, high = overlap.limits
    return f"Overlap: {worth}; {overlap.outside:.1%} of propensities outside {low:g}–{high:g}."
