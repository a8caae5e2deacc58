"""An answer as a Plotly figure: a fan chart per variable, what was done, and a strip of support."""

from html import escape
from typing import TYPE_CHECKING, Any

from doworld._core.palette import AMBER, BLUE, FONT, GREEN, GREY, GRID, INK, ORANGE
from doworld.query.scale import clock, cut, future, show
from doworld.query.text import headline
from doworld.query.words import number, phrase, spans

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer, Series

__all__ = ["figure"]

FAN, BAND, HALF = BLUE, "rgba(18,97,166,0.16)", "rgba(18,97,166,0.30)"
BOUND, BOUND_HALF = "rgba(123,135,148,0.22)", "rgba(123,135,148,0.10)"
DONE, DONE_FILL = ORANGE, "rgba(234,88,12,0.10)"
SUPPORT = [[0.0, "#b42318"], [0.5, "#f5a623"], [0.8, "#d9e2ec"], [1.0, "#cfe8d5"]]
TONES = {"good": GREEN, "warn": AMBER, "bad": "#b42318"}
PANEL, STRIP, TRACK, GAP, HEAD = 190, 12, 30, 44, 92


def figure(answer: "Answer") -> "Figure":
    """One panel a variable over common time; the given rows in grey, the answer in blue.

    The darker band holds half of the draws, the lighter one the answer's level (grey where it is a
    bound); orange marks what was done; the strip below each panel is the support, red outside the
    data. Raises nothing: an answer without numbers gives an empty panel that says so.
    """
    from plotly.graph_objects import Figure

    series = [s for s in answer.series if s.rows]
    done = list(getattr(answer.query, "interventions", ()))
    tracks = len(done) + len(answer.actions)
    layout = _Layout(len(series), tracks)
    fig = Figure()
    for n, s in enumerate(series):
        axis = _axis(2 * n + 1)
        _fan(fig, answer, s, axis, first=n == 0)
        _marks(fig, answer, s, axis)
        _strip(fig, answer, s, _axis(2 * n + 2), axis, bar=n == 0)
        _panel(fig, s, n, layout)
        if (shown := cut(answer, s)) is not None:
            show(fig, _key(2 * n + 1), shown, (s.lower or (), s.upper or ()), layout.panel(n)[0][1])
    if tracks and series:
        _tracks(fig, answer, series, layout, done)
    _dress(fig, answer, layout, series)
    return fig


class _Layout:
    """Where panels stand, in shares of the plot's height, from the top."""

    def __init__(self, panels: int, tracks: int) -> None:
        self.tracks = 12 + TRACK * tracks if tracks else 0
        gaps = GAP * max(panels - 1, 0)
        self.inner = max(panels, 1) * (PANEL + STRIP + 4) + gaps
        self.inner += GAP + self.tracks if tracks else 0
        self.height = self.inner + HEAD + 64

    def panel(self, n: int) -> tuple[list[float], list[float]]:
        """(panel, strip) domains of panel ``n``."""
        top = self.inner - n * (PANEL + STRIP + 4 + GAP)
        low = top - PANEL
        return self._share(low, top), self._share(low - 4 - STRIP, low - 4)

    def bottom(self) -> list[float]:
        """The domain of the tracks of what was done."""
        return self._share(0, self.tracks)

    def _share(self, low: float, high: float) -> list[float]:
        return [max(low / self.inner, 0.0), min(high / self.inner, 1.0)]


def _axis(n: int) -> str:
    return "y" if n == 1 else f"y{n}"


def _times(answer: "Answer", rows: tuple[int, ...]) -> list[float]:
    return [r * (answer.step or 1.0) for r in rows]


def _joined(answer: "Answer", s: "Series") -> tuple[list[float], int]:
    """Times of the answer, begun at the last given row so that fan and history meet."""
    rows = s.rows
    meets = s.past_rows and s.past_rows[-1] == rows[0] - 1 and s.past[-1] is not None
    return _times(answer, ((rows[0] - 1, *rows) if meets else rows)), int(bool(meets))


def _fan(fig: "Figure", answer: "Answer", s: "Series", axis: str, *, first: bool) -> None:
    """History, bands and estimate of one variable; ``first`` puts them in the legend."""
    times, extra = _joined(answer, s)
    common = {"axis": axis, "shown": first, "shape": "hv" if s.probabilities else "linear"}
    begin = list(s.past[-1:]) if extra else []
    if s.past_rows:
        name = "fact" if answer.query.kind == "counterfactual" else "given"
        dash = "dot" if name == "fact" else "solid"
        past = _times(answer, s.past_rows)
        _line(fig, past, list(s.past), name=name, color=INK, dash=dash, **common)
    if s.estimate is None:
        return
    bound = answer.status == "bounded"
    name = "bound" if bound else f"{answer.level:.0%} interval"
    for label, lower, upper, fill in (
        (name, s.lower, s.upper, BOUND if bound else BAND),
        ("50% interval", s.half_lower, s.half_upper, BOUND_HALF if bound else HALF),
    ):
        if lower is not None and upper is not None:
            ends = [*begin, *lower], [*begin, *upper]
            _band(fig, times, ends, name=label, fill=fill, **common)
    y, one = [*begin, *s.estimate], len(times) == 1
    _line(fig, times, y, name="estimate", color=FAN, marker=one, **common)


def _band(fig, x, ends, *, axis, name, shown, fill, shape) -> None:
    common: dict[str, Any] = {
        "mode": "lines",
        "line": {"width": 0, "shape": shape},
        "yaxis": axis,
        "legendgroup": name,
        "hoverinfo": "skip",
    }
    lower, upper = ends
    fig.add_scatter(x=x, y=upper, showlegend=False, **common)
    edge = {"fill": "tonexty", "fillcolor": fill, "name": name, "showlegend": shown}
    fig.add_scatter(x=x, y=lower, **edge, **common)


def _line(fig, x, y, *, axis, name, shown, color, shape, dash="solid", marker=False) -> None:
    fig.add_scatter(
        x=x,
        y=y,
        yaxis=axis,
        mode="lines+markers" if marker or len(x) == 1 else "lines",
        line={"color": color, "width": 2, "shape": shape, "dash": dash},
        marker={"size": 8},
        name=name,
        legendgroup=name,
        showlegend=shown,
        hovertemplate="%{y:.4g}<extra>" + name + "</extra>",
    )


def _marks(fig: "Figure", answer: "Answer", s: "Series", axis: str) -> None:
    """Shading where the variable itself is touched."""
    for each in getattr(answer.query, "interventions", ()):
        if each.variable != s.variable:
            continue
        for a, b in _runs(each.at, s.rows):
            x0, x1 = _times(answer, (a, b))
            half = 0.5 * (answer.step or 1.0)
            fig.add_shape(
                type="rect",
                xref="x",
                yref=f"{axis} domain",
                x0=x0 - half,
                x1=x1 + half,
                y0=0,
                y1=1,
                fillcolor=DONE_FILL,
                line_width=0,
                layer="below",
            )


def _runs(at: tuple[int, ...] | None, rows: tuple[int, ...]) -> list[tuple[int, int]]:
    """Consecutive rows as (first, last)."""
    if at is None:
        return [(min(rows[0], 0), rows[-1])]
    out: list[tuple[int, int]] = []
    for row in sorted(set(at)):
        if out and row == out[-1][1] + 1:
            out[-1] = (out[-1][0], row)
        else:
            out.append((row, row))
    return out


def _strip(
    fig: "Figure", answer: "Answer", s: "Series", axis: str, above: str, *, bar: bool
) -> None:
    if not s.support:
        return
    text = [[f"support {v:.2f}" for v in s.support]]
    fig.add_heatmap(
        x=_times(answer, s.rows),
        y=["support"],
        z=[list(s.support)],
        yaxis=axis,
        zmin=0,
        zmax=1,
        colorscale=SUPPORT,
        text=text,
        hovertemplate="%{text}<extra></extra>",
        showscale=False,
    )


def _panel(fig: "Figure", s: "Series", n: int, layout: _Layout) -> None:
    panel, strip = layout.panel(n)
    main: dict[str, Any] = {
        "domain": panel,
        "title": {"text": escape(s.unit), "font": {"size": 12, "color": GREY}},
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
        "anchor": "x",
    }
    if s.categories:
        main |= {
            "tickvals": list(range(len(s.categories))),
            "ticktext": [escape(c) for c in s.categories],
        }
    elif s.probabilities:
        main |= {"tickvals": list(range(len(s.probabilities[0])))}
    label = {
        "text": f"<b>{escape(s.variable)}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": panel[1],
        "yanchor": "bottom",
        "xanchor": "left",
        "showarrow": False,
        "font": {"size": 13, "color": INK},
    }
    key, under = _key(2 * n + 1), _key(2 * n + 2)
    low = {
        "domain": strip,
        "tickfont": {"size": 10, "color": GREY},
        "showgrid": False,
        "ticks": "",
        "anchor": "x",
    }
    fig.update_layout({key: main, under: low})
    fig.add_annotation(label)


def _key(n: int) -> str:
    return "yaxis" if n == 1 else f"yaxis{n}"


def _tracks(
    fig: "Figure", answer: "Answer", series: "list[Series]", layout: _Layout, done: list
) -> None:
    """A bar for every intervention and planned action, over the rows that it covers."""
    number_ = 2 * len(series) + 1
    axis, labels, place = _axis(number_), [], 0
    rows, half = series[0].rows, 0.4 * (answer.step or 1.0)
    for each in done:
        for a, b in _runs(each.at, rows):
            x0, x1 = _times(answer, (a, b))
            fig.add_scatter(
                x=[x0 - half, x1 + half],
                y=[place, place],
                yaxis=axis,
                mode="lines",
                line={"color": DONE, "width": 9},
                opacity=0.85,
                showlegend=False,
                hovertemplate=escape(phrase(each)) + "<extra></extra>",
            )
        words = phrase(each).replace(f" at {spans(each.at)}", "") if each.at else phrase(each)
        labels.append(escape(words))
        place += 1
    for name, values in answer.actions.items():
        codes = [float(v) if isinstance(v, float | bool) else 0.0 for v in values]
        fig.add_heatmap(
            x=_times(answer, tuple(range(len(values)))),
            y=[place],
            z=[codes],
            yaxis=axis,
            colorscale="Oranges",
            showscale=False,
            text=[[number(v) if isinstance(v, float) else str(v) for v in values]],
            hovertemplate=f"{escape(name)} %{{text}} at %{{x}}<extra></extra>",
        )
        labels.append(f"{escape(name)} (planned)")
        place += 1
    fig.update_layout(
        {
            _key(number_): {
                "domain": layout.bottom(),
                "tickvals": list(range(place)),
                "ticktext": labels,
                "range": [place - 0.4, -0.6],
                "showgrid": False,
                "zeroline": False,
                "anchor": "x",
                "tickfont": {"color": DONE, "size": 12},
                "automargin": True,
            }
        }
    )


def _dress(fig: "Figure", answer: "Answer", layout: _Layout, series: "list[Series]") -> None:
    words, tone = headline(answer)
    static = answer.step == 0
    unit = clock(answer.step, answer.time_unit)
    title = f'<span style="color:{TONES[tone]}"><b>{words}</b></span>'
    if answer.why.summary:
        title += (
            f'<br><span style="font-size:13px;color:{GREY}">{escape(answer.why.summary)}</span>'
        )
    fig.update_layout(
        template="plotly_white",
        height=layout.height,
        font={"family": FONT, "size": 12, "color": INK},
        title={
            "text": title,
            "x": 0.0,
            "xref": "paper",
            "y": 1 - 18 / layout.height,
            "yanchor": "top",
            "font": {"size": 16},
        },
        margin={"l": 64, "r": 24, "t": HEAD, "b": 64},
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "top", "y": -44 / layout.inner, "x": 0},
        xaxis={
            "title": {"text": unit, "standoff": 6},
            "gridcolor": GRID,
            "zeroline": False,
            "anchor": _axis(2 * len(series) + 1)
            if layout.tracks
            else _axis(max(2 * len(series), 1)),
        },
    )
    if not series:
        fig.add_annotation(
            text=escape("no number: " + (answer.fix or "not identified")),
            showarrow=False,
            xref="paper",
            yref="paper",
            x=0.5,
            y=0.5,
        )
    if answer.query.kind != "counterfactual" and not static and series:
        fig.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dot"})
        near = future(series[0].past_rows, series[0].rows)
        if near is not None:
            fig.update_xaxes(range=_times(answer, tuple(near)))
