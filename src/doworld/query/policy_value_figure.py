"""The value of a policy as a figure: estimators as points, bounds as bars, the log as a line."""

import textwrap
from html import escape
from typing import TYPE_CHECKING

from doworld._core.palette import AMBER, BLUE, FONT, GREEN, GREY, GRID, INK, PAPER
from doworld.query.text import headline
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer
    from doworld.query.policy_value_details import PolicyValueDetails, Reading

__all__ = ["figure"]

TONES = {"good": GREEN, "warn": AMBER, "bad": "#b42318"}
ROW, WIDE, PALE = 34, 88, "#c3c9d1"


def figure(answer: "Answer", details: "PolicyValueDetails") -> "Figure":
    """One row a reading: what the answer rests on in colour, the rest in grey."""
    import plotly.graph_objects as go

    words, tone = headline(answer)
    readings = [r for r in details.readings if r.lower is not None and r.upper is not None]
    fig = go.Figure()
    for reading in readings:
        chosen = reading.name == details.headline
        _row(fig, reading, TONES[tone] if chosen and reading.bound else BLUE if chosen else GREY)
    logged = details.logged.estimate
    if logged is not None:
        fig.add_vline(logged, line={"color": INK, "width": 1, "dash": "dot"})
        fig.add_annotation(
            x=logged,
            y=1.0,
            yref="paper",
            yshift=10,
            text=f"as logged {number(logged)}",
            showarrow=False,
            font={"size": 11, "color": INK},
        )
    lines = textwrap.wrap(details.suspicion, WIDE)
    facts = (
        f"{details.episodes:,} episodes, {details.effective:,.0f} once weighed · "
        f"{details.unsupported:.1%} of the policy's would take an action never logged there"
    )
    foot = "<br>".join(escape(line) for line in [facts, *lines])
    unit = f" [{escape(details.unit)}]" if details.unit else ""
    fig.update_layout(
        title={
            "text": f"<b>{escape(answer.why.summary)}</b><br>"
            f"<span style='font-size:13px;color:{TONES[tone]}'>{escape(words)}</span>",
            "x": 0.01,
            "y": 0.97,
            "yanchor": "top",
            "font": {"size": 16},
        },
        font={"family": FONT, "color": INK, "size": 12},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        showlegend=False,
        width=900,
        height=150 + ROW * len(readings) + 17 * (len(lines) + 2) + 50,
        margin={"l": 20, "r": 30, "t": 104, "b": 70 + 17 * (len(lines) + 1)},
        xaxis={"title": f"value: sum of {escape(details.reward)}{unit}", "gridcolor": GRID},
        yaxis={
            "automargin": True,
            "autorange": "reversed",
            "categoryorder": "array",
            "categoryarray": [r.name for r in readings],
        },
    )
    fig.add_annotation(
        x=0,
        xref="paper",
        y=0,
        yref="paper",
        yshift=-52,
        yanchor="top",
        xanchor="left",
        align="left",
        text=foot,
        showarrow=False,
        font={"size": 11, "color": GREY},
    )
    return fig


def _row(fig: "Figure", reading: "Reading", colour: str) -> None:
    import plotly.graph_objects as go

    shown = colour if reading.holds else PALE
    assert reading.lower is not None
    assert reading.upper is not None
    text = f"{reading.name}: {number(reading.lower)} … {number(reading.upper)}"
    fig.add_trace(
        go.Scatter(
            x=[reading.lower, reading.upper],
            y=[reading.name] * 2,
            mode="lines",
            line={"color": shown, "width": 14 if reading.bound else 3},
            opacity=0.45 if reading.bound else 1.0,
            hovertext=text,
            hoverinfo="text",
        )
    )
    if reading.estimate is not None:
        fig.add_trace(
            go.Scatter(
                x=[reading.estimate],
                y=[reading.name],
                mode="markers",
                marker={"color": shown, "size": 10, "line": {"color": PAPER, "width": 1}},
                hovertext=f"{reading.name}: {number(reading.estimate)}",
                hoverinfo="text",
            )
        )
