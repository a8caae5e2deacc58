"""A failure as a figure: what failed, what would have saved it, when it was lost, who bears it."""

import textwrap
from html import escape
from typing import TYPE_CHECKING, Any

from doworld._core.palette import BLUE, FONT, GREEN, GREY, GRID, INK, ORANGE
from doworld.query.text import headline
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer
    from doworld.query.blame_details import BlameDetails, Trace

__all__ = ["figure"]

RED, BAND = "#b42318", "rgba(18,97,166,0.18)"
CHANCE = [[0.0, "#f4f5f7"], [0.001, "#f4f5f7"], [0.25, "#d5ecd9"], [0.5, "#8fd0a0"], [1.0, GREEN]]
TONES = {"good": GREEN, "warn": "#9a6700", "bad": RED}
TRACE, CURVE, ROW, BAR, WIDE = 150, 130, 22, 20, 104
MOST_BARS, MOST_TRACES = 12, 2


def figure(answer: "Answer", details: "BlameDetails") -> "Figure":
    """Panels over common time: the failed variables, P(success) by row and alternative, P(success)
    from each row on; below them the Shapley shares. Orange marks the decisive row.
    """
    from plotly.subplots import make_subplots

    traces = details.traces[:MOST_TRACES]
    strip = max(len(details.alternatives), 2) * ROW
    bars = min(len(details.shares), MOST_BARS)
    heights = [*[TRACE] * len(traces), strip, CURVE, *([bars * BAR + 10] if bars else [])]
    titles = [
        *(f"<b>{escape(t.variable)}</b>{f' [{escape(t.unit)}]' if t.unit else ''}" for t in traces),
        "<b>P(success)</b> had the action been this, all else as it was",
        "<b>P(success) from here on</b>, noise drawn anew",
        *(["<b>Shares of the failure</b> (Shapley, ± 2 standard errors)"] if bars else []),
    ]
    lines = textwrap.wrap(details.text, WIDE)
    head, gap = 66 + 17 * len(lines), 54
    inner = sum(heights) + gap * (len(heights) - 1)
    fig = make_subplots(
        rows=len(heights),
        cols=1,
        row_heights=[h / sum(heights) for h in heights],
        vertical_spacing=gap / inner,
        subplot_titles=titles,
    )
    for n, trace in enumerate(traces, 1):
        _trace(fig, answer, trace, n)
    _strip(fig, answer, details, len(traces) + 1)
    _curves(fig, answer, details, len(traces) + 2)
    _mark(fig, answer, details, len(traces) + 2)
    if bars:
        _bars(fig, details, len(heights))
    _dress(fig, answer, lines, (inner, head), (len(traces) + 2, bool(bars)))
    return fig


def _time(answer: "Answer", row: float) -> float:
    return row * (answer.step or 1.0)


def _trace(fig: "Figure", answer: "Answer", trace: "Trace", n: int) -> None:
    times = [_time(answer, r) for r in range(len(trace.was))]
    shape = "hv" if trace.categories else "linear"
    shown: dict[str, Any] = {"row": n, "col": 1}
    if trace.instead:
        for ends, fill in ((trace.upper, None), (trace.lower, "tonexty")):
            fig.add_scatter(
                x=times,
                y=ends,
                mode="lines",
                line={"width": 0, "shape": shape},
                fill=fill,
                fillcolor=BAND,
                hoverinfo="skip",
                showlegend=False,
                **shown,
            )
    legend = n == 1
    was = {"color": INK, "dash": "dot", "width": 2, "shape": shape}
    fig.add_scatter(
        x=times, y=trace.was, mode="lines", line=was, name="as it was", showlegend=legend, **shown
    )
    if trace.instead:
        new = {"color": BLUE, "width": 2, "shape": shape}
        fig.add_scatter(
            x=times,
            y=trace.instead,
            mode="lines",
            line=new,
            name="with the best change",
            showlegend=legend,
            **shown,
        )
    for limit in trace.bounds:
        if limit is not None:
            fig.add_hline(y=limit, line={"color": RED, "dash": "dash", "width": 1}, **shown)
    low, high = trace.end
    if low is not None or high is not None:
        _goal(fig, times[-1], low, high, trace, shown)
    if trace.categories:
        ticks = list(range(len(trace.categories)))
        fig.update_yaxes(tickvals=ticks, ticktext=[escape(c) for c in trace.categories], **shown)


def _goal(fig, x: float, low, high, trace: "Trace", shown: dict) -> None:
    """What the last row should be, as a bracket at its right."""
    seen = [v for v in (*trace.was, *trace.instead) if v is not None]
    bottom = min(seen) if low is None else low
    top = max(seen) if high is None else high
    fig.add_scatter(
        x=[x, x],
        y=[bottom, top],
        mode="lines",
        line={"color": GREEN, "width": 7},
        opacity=0.55,
        name="where it should end",
        showlegend=shown["row"] == 1,
        hovertemplate="should end in %{y:.4g}<extra></extra>",
        **shown,
    )


def _strip(fig: "Figure", answer: "Answer", details: "BlameDetails", n: int) -> None:
    times = [_time(answer, r) for r in details.rows]
    several = len({a.variable for a in details.alternatives}) > 1
    names = [_name(a.variable, a.value, several=several) for a in details.alternatives]
    fig.add_heatmap(
        x=times,
        y=names,
        z=[list(a.success) for a in details.alternatives],
        zmin=0,
        zmax=1,
        colorscale=CHANCE,
        xgap=1,
        ygap=1,
        showscale=False,
        hovertemplate="row at %{x}: %{y} → %{z:.0%}<extra></extra>",
        hoverongaps=False,
        row=n,
        col=1,
    )
    x, y = [], []
    for alternative, name in zip(details.alternatives, names, strict=True):
        for time, chance in zip(times, alternative.success, strict=True):
            if chance is None:
                x.append(time)
                y.append(name)
    dot = {"size": 5, "color": GREY, "symbol": "circle"}
    fig.add_scatter(x=x, y=y, mode="markers", marker=dot, name="what was done", row=n, col=1)
    best = details.best
    if best is not None:
        value = best.instead
        own = [a for a in details.alternatives if a.variable == best.variable]
        if isinstance(value, float) and own:
            value = min((a.value for a in own), key=lambda v: abs(float(v) - float(best.instead)))
        mark = {"size": 13, "color": "rgba(0,0,0,0)", "symbol": "square"}
        mark["line"] = {"color": ORANGE, "width": 3}
        fig.add_scatter(
            x=[_time(answer, best.row)],
            y=[_name(best.variable, value, several=several)],
            mode="markers",
            marker=mark,
            name="decisive",
            row=n,
            col=1,
        )


def _name(variable: str, value: Any, *, several: bool) -> str:
    text = number(value) if isinstance(value, float) else str(value)
    return escape(f"{variable} = {text}" if several or isinstance(value, float) else text)


def _curves(fig: "Figure", answer: "Answer", details: "BlameDetails", n: int) -> None:
    times = [_time(answer, r) for r in details.rows]
    shown: dict[str, Any] = {"row": n, "col": 1}
    for y, name, color, dash in (
        (details.still, "actions as they were", INK, "dot"),
        *([(details.ahead, "actions as in the log", BLUE, "solid")] if details.randomised else []),
        (details.helped, "best response tried", GREEN, "dash"),
    ):
        line = {"color": color, "dash": dash, "width": 2}
        fig.add_scatter(
            x=times,
            y=y,
            mode="lines",
            line=line,
            name=name,
            hovertemplate="%{y:.0%}<extra>" + name + "</extra>",
            row=n,
            col=1,
        )
    fig.add_hline(y=0.5, line={"color": GREY, "width": 1, "dash": "dot"}, **shown)
    fig.update_yaxes(range=[-0.04, 1.04], tickformat=".0%", tickvals=[0, 0.5, 1], row=n, col=1)
    if details.no_return is not None:
        fig.add_scatter(
            x=[_time(answer, details.no_return)],
            y=[0.5],
            mode="markers+text",
            text=["no return"],
            textposition="middle right",
            textfont={"color": RED, "size": 11},
            marker={"color": RED, "size": 9, "symbol": "x"},
            showlegend=False,
            hovertemplate="point of no return: row at %{x}<extra></extra>",
            row=n,
            col=1,
        )


def _mark(fig: "Figure", answer: "Answer", details: "BlameDetails", panels: int) -> None:
    """A line through all panels at every change."""
    changes = details.changes or ((details.best,) if details.best else ())
    for n in range(1, panels + 1):
        for change in changes:
            x = _time(answer, change.row)
            line = {"color": ORANGE, "width": 1.5, "dash": "dot"}
            fig.add_vline(x=x, line=line, row=n, col=1)  # type: ignore[arg-type]


def _bars(fig: "Figure", details: "BlameDetails", n: int) -> None:
    ranked = sorted(details.shares, key=lambda s: -abs(s.value))[:MOST_BARS][::-1]
    fig.add_bar(
        x=[s.value for s in ranked],
        y=[escape(s.name) for s in ranked],
        orientation="h",
        marker={"color": [ORANGE if s.kind == "action" else BLUE for s in ranked]},
        error_x={"array": [2 * s.error for s in ranked], "color": GREY, "thickness": 1, "width": 2},
        showlegend=False,
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        row=n,
        col=1,
    )


def _dress(fig: "Figure", answer: "Answer", lines: list[str], size, panels) -> None:
    (inner, head), (last, bars) = size, panels
    words, tone = headline(answer)
    height = inner + head + 92
    fig.update_annotations(x=0, xanchor="left", font={"size": 13, "color": INK})
    text = f"<b style='color:{TONES[tone]}'>{escape(words)}</b>"
    for n, line in enumerate([text, *(escape(s) for s in lines)]):
        fig.add_annotation(
            text=line,
            xref="paper",
            yref="paper",
            x=0,
            y=1,
            yshift=head - 14 - 17 * n,
            xanchor="left",
            showarrow=False,
            align="left",
            font={"size": 14 if n == 0 else 12.5, "color": INK},
        )
    fig.update_xaxes(gridcolor=GRID, zeroline=False)
    fig.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    low = max(answer.series[0].rows, default=0) + 1 if answer.series else 1
    step = answer.step or 1.0
    for n in range(1, last + 1):
        fig.update_xaxes(range=[-0.6 * step, (low + 0.6) * step], row=n, col=1)
    fig.update_xaxes(title={"text": answer.time_unit, "font": {"size": 12}}, row=last, col=1)
    if bars:
        fig.update_xaxes(zeroline=True, zerolinecolor=GREY, row=last + 1, col=1)
    fig.update_layout(
        height=height,
        width=None,
        margin={"l": 70, "r": 24, "t": head, "b": 92},
        plot_bgcolor="white",
        paper_bgcolor="white",
        font={"family": FONT, "size": 12, "color": INK},
        legend={"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0},
        bargap=0.3,
    )
