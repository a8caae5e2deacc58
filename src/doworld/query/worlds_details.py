"""Several worlds side by side: the fact and every alternative, for one episode or for many."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from doworld._core.palette import BLUE, FONT, GREEN, GREY, GRID, INK, ORANGE
from doworld.query.details import AbstractDetails
from doworld.query.scale import clock, narrowed, show
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer, Series

__all__ = ["Alternative", "Path", "Worlds"]

Numbers = tuple[float | None, ...]
COLOURS = (BLUE, ORANGE, GREEN, "#7c3aed", "#b91c1c", "#0f766e")
PANEL, GAP = 210, 46


class Path(BaseModel):
    """One variable in one world, row by row; None where there is no number.

    Attributes:
        estimate, lower, upper: middle and interval, or bound; of many episodes, of the mean effect.
        effect: estimate minus fact; of levels empty.
        spread_low, spread_high: of many episodes, the 5 % and 95 % quantiles of their own effects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    unit: str = ""
    rows: tuple[int, ...]
    estimate: Numbers
    lower: Numbers = ()
    upper: Numbers = ()
    effect: Numbers = ()
    spread_low: Numbers = ()
    spread_high: Numbers = ()
    categories: tuple[str, ...] = ()


class Alternative(BaseModel):
    """One world: what is done in it, whether its numbers are bounds, and its variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    done: str
    bounded: bool = False
    paths: tuple[Path, ...] = ()


class Worlds(AbstractDetails):
    """The alternatives of a counterfactual; ``units`` is the number of episodes asked about."""

    kind: Literal["worlds"] = "worlds"
    alternatives: tuple[Alternative, ...]
    units: int = 1

    @classmethod
    def of(cls, answers: "Sequence[Answer]", words: Sequence[tuple[str, str]]) -> "Worlds":
        """The details of one answer a world; ``words`` are (name, what is done) of each."""
        return cls(
            alternatives=tuple(
                Alternative(
                    name=name,
                    done=done,
                    bounded=answer.status == "bounded",
                    paths=tuple(_path(series) for series in answer.series),
                )
                for answer, (name, done) in zip(answers, words, strict=True)
            )
        )

    def __getitem__(self, name: str) -> Alternative:
        """One alternative by its name; raises ``UnknownNameError``."""
        from doworld._core.errors import UnknownNameError

        for each in self.alternatives:
            if each.name == name:
                return each
        raise UnknownNameError("alternative", name, [a.name for a in self.alternatives])

    def rich(self, answer: "Answer") -> Iterable[Any]:
        """For every variable and world the row of the largest effect, and the last row."""
        from rich.table import Table
        from rich.text import Text

        if self.units > 1:
            yield Text(f"Mean effect over {self.units:,} episodes", style="bold")
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("variable")
        table.add_column("world", overflow="fold")
        table.add_column("row", justify="right")
        table.add_column("effect" if self.units > 1 else "value", justify="right")
        table.add_column("interval")
        for n in range(len(self.alternatives[0].paths) if self.alternatives else 0):
            for k, world in enumerate(self.alternatives):
                path = world.paths[n]
                unit = f" [{path.unit}]" if path.unit else ""
                for m, at in enumerate(dict.fromkeys((_telling(path), len(path.rows) - 1))):
                    table.add_row(
                        f"{path.variable}{unit}" if k == m == 0 else "",
                        (world.name or world.done) if m == 0 else "",
                        str(path.rows[at]),
                        _word(path, path.estimate[at]),
                        _ends(path, at) + (" (bound)" if world.bounded and path.lower else ""),
                    )
        yield table

    def figure(self, answer: "Answer") -> "Figure":
        """One panel a variable, one colour a world, the fact dotted; bands are the intervals."""
        from plotly.graph_objects import Figure

        fig = Figure()
        count = len(self.alternatives[0].paths) if self.alternatives else 0
        inner = max(count * (PANEL + GAP) - GAP, 1)
        step = answer.step or 1.0
        for n in range(count):
            axis = "y" if n == 0 else f"y{n + 1}"
            self._fact(fig, answer, n, axis, step)
            for k, world in enumerate(self.alternatives):
                _draw(fig, world, world.paths[n], axis, COLOURS[k % len(COLOURS)], step, n == 0)
            _panel(fig, self.alternatives[0].paths[n], n, inner, self.units)
            self._scale(fig, answer, n, inner)
        _dress(fig, answer, inner, count)
        return fig

    def _scale(self, fig: "Figure", answer: "Answer", n: int, inner: float) -> None:
        """Cuts a panel to estimates and facts where bounds would flatten them, and says so."""
        paths = [w.paths[n] for w in self.alternatives]
        lower, upper = ([v for p in paths for v in p.lower], [v for p in paths for v in p.upper])
        past = answer.series[n].past if n < len(answer.series) and self.units == 1 else ()
        shown = narrowed([*(v for p in paths for v in p.estimate), *past], lower, upper)
        if shown is None or not any(w.bounded for w in self.alternatives) or paths[0].categories:
            return
        key, top = "yaxis" if n == 0 else f"yaxis{n + 1}", (inner - n * (PANEL + GAP)) / inner
        show(fig, key, shown, (lower, upper), top)

    def _fact(self, fig: "Figure", answer: "Answer", n: int, axis: str, step: float) -> None:
        if self.units > 1 or n >= len(answer.series):
            return
        series = answer.series[n]
        line = {"color": INK, "dash": "dot", "width": 2, "shape": _shape(series)}
        fig.add_scatter(
            x=[r * step for r in series.past_rows],
            y=list(series.past),
            yaxis=axis,
            mode="lines+markers" if len(series.past_rows) == 1 else "lines",
            line=line,
            name="fact",
            legendgroup="fact",
            showlegend=n == 0,
            hovertemplate="%{y:.4g}<extra>fact</extra>",
        )


def _path(series: "Series") -> Path:
    past = dict(zip(series.past_rows, series.past, strict=True))
    estimate = series.estimate or ()
    effect: Numbers = ()
    if not series.probabilities:
        pairs = zip(series.rows, estimate, strict=bool(estimate))
        facts = ((past.get(row), value) for row, value in pairs)
        effect = tuple(None if fact is None else value - fact for fact, value in facts)
    return Path(
        variable=series.variable,
        unit=series.unit,
        rows=series.rows,
        estimate=estimate,
        lower=series.lower or (),
        upper=series.upper or (),
        effect=effect,
        categories=series.categories,
    )


def _shape(series: Any) -> str:
    return "hv" if series.categories else "linear"


def _telling(path: Path) -> int:
    """The row of the largest effect; the last one where there is none."""
    sizes = [abs(e or 0.0) for e in path.effect]
    return max(range(len(sizes)), key=sizes.__getitem__) if any(sizes) else len(path.rows) - 1


def _word(path: Path, value: float | None) -> str:
    if value is None:
        return "–"
    if path.categories:
        return path.categories[min(max(round(value), 0), len(path.categories) - 1)]
    return number(value)


def _ends(path: Path, at: int) -> str:
    if not path.lower:
        return ""
    low, high = _word(path, path.lower[at]), _word(path, path.upper[at])
    return low if low == high else f"{low} … {high}"


def _draw(fig, world: Alternative, path: Path, axis, colour, step, shown) -> None:
    times, shape = [r * step for r in path.rows], _shape(path)
    name = escape(world.name or world.done)
    if path.lower and len(times) > 1:
        edge = {"mode": "lines", "line": {"width": 0, "shape": shape}, "yaxis": axis}
        edge |= {"hoverinfo": "skip", "showlegend": False, "legendgroup": name}
        fig.add_scatter(x=times, y=list(path.upper), **edge)
        fill = f"rgba{(*bytes.fromhex(colour[1:]), 0.14)}"
        fig.add_scatter(x=times, y=list(path.lower), fill="tonexty", fillcolor=fill, **edge)
    error = _bar(path) if len(times) == 1 else None
    fig.add_scatter(
        x=times if len(times) > 1 else [name],
        y=list(path.estimate),
        yaxis=axis,
        mode="lines" if len(times) > 1 else "markers",
        line={"color": colour, "width": 2, "shape": shape},
        marker={"size": 9, "color": colour},
        error_y=error,
        name=name + (" (bound)" if world.bounded else ""),
        legendgroup=name,
        showlegend=shown,
        hovertemplate="%{y:.4g}<extra>" + name + "</extra>",
    )


def _bar(path: Path) -> dict[str, Any] | None:
    """The interval of a single row as an error bar."""
    if not path.lower:
        return None
    low, middle, high = path.lower[0], path.estimate[0], path.upper[0]
    if low is None or middle is None or high is None:
        return None
    ends = {"array": [high - middle], "arrayminus": [middle - low]}
    return {"type": "data", "symmetric": False, **ends}


def _panel(fig: "Figure", path: Path, n: int, inner: float, units: int) -> None:
    top = inner - n * (PANEL + GAP)
    axis: dict[str, Any] = {
        "domain": [max((top - PANEL) / inner, 0.0), top / inner],
        "title": {"text": escape(path.unit), "font": {"size": 12, "color": GREY}},
        "gridcolor": GRID,
        "zeroline": units > 1,
        "zerolinecolor": GREY,
        "anchor": "x",
    }
    if path.categories:
        axis |= {
            "tickvals": list(range(len(path.categories))),
            "ticktext": [escape(c) for c in path.categories],
        }
    fig.update_layout({"yaxis" if n == 0 else f"yaxis{n + 1}": axis})
    what = f"mean effect on {escape(path.variable)}" if units > 1 else escape(path.variable)
    fig.add_annotation(
        text=f"<b>{what}</b>",
        xref="paper",
        yref="paper",
        x=0,
        y=top / inner,
        yanchor="bottom",
        xanchor="left",
        showarrow=False,
        font={"size": 13, "color": INK},
    )


def _dress(fig: "Figure", answer: "Answer", inner: float, count: int) -> None:
    from doworld.query.text import headline

    head, foot = 92, 96
    static = answer.step == 0
    unit = clock(answer.step, answer.time_unit)
    fig.update_layout(
        template="plotly_white",
        height=int(inner + head + foot),
        font={"family": FONT, "size": 12, "color": INK},
        title={
            "text": f"<b>{headline(answer)[0]}</b><br>"
            f'<span style="font-size:13px;color:{GREY}">{escape(answer.why.summary)}</span>',
            "x": 0.0,
            "xref": "paper",
            "y": 1 - 18 / (inner + head + foot),
            "yanchor": "top",
            "font": {"size": 16},
        },
        margin={"l": 72, "r": 24, "t": head, "b": foot},
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "top", "y": -44 / inner, "x": 0},
        xaxis={
            "title": {"text": "" if static else unit, "standoff": 6},
            "gridcolor": GRID,
            "zeroline": False,
            "anchor": f"y{count}" if count > 1 else "y",
        },
    )
