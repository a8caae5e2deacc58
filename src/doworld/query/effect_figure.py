"""An effect as a figure: beside its estimators, its overlap, and what would undo it."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from doworld._core.palette import AMBER, BLUE, FONT, GREY, GRID, INK, ORANGE
from doworld.query.text import headline
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer
    from doworld.query.effect_details import EffectDetails, Overlap, Sensitivity

__all__ = ["figure"]

TONES = {"good": "#1a7f37", "warn": AMBER, "bad": "#b42318"}
SHADES = (GREY, BLUE, ORANGE, "#7c3aed", AMBER)
LABELLED = 3
"""Observed causes whose names are written, the strongest first; the others show theirs on hover."""
LINE, CURVE, BARS, MAP, GAP, HEAD, FOOT = 30, 280, 190, 300, 96, 120, 60

Panel = tuple[str, int, Callable[["Figure", int], None]]
"""Title, height in pixels, and what draws it into the n-th pair of axes."""


def figure(details: "EffectDetails", answer: "Answer") -> "Figure":
    """Panels from top to bottom; raises nothing, and an answer without numbers says so."""
    from plotly.graph_objects import Figure

    panels = list(_panels(details, answer))
    inner = sum(h for _, h, _ in panels) + GAP * max(len(panels) - 1, 0)
    inner = max(inner, 80)
    fig = Figure()
    top = inner
    for n, (title, height, draw) in enumerate(panels, 1):
        share = [max((top - height) / inner, 0.0), top / inner]
        fig.update_layout(
            {
                _name("xaxis", n): {"anchor": _axis("y", n), "gridcolor": GRID, "zeroline": False},
                _name("yaxis", n): {
                    "domain": share,
                    "anchor": _axis("x", n),
                    "gridcolor": GRID,
                    "zeroline": False,
                },
            }
        )
        draw(fig, n)
        fig.add_annotation(
            text=f"<b>{escape(title)}</b>",
            xref="paper",
            yref="paper",
            x=0,
            y=share[1],
            yshift=22,
            xanchor="left",
            yanchor="middle",
            showarrow=False,
            font={"size": 13, "color": INK},
        )
        top -= height + GAP
    _dress(fig, answer, inner)
    return fig


def _axis(letter: str, n: int) -> str:
    return letter if n == 1 else f"{letter}{n}"


def _name(axis: str, n: int) -> str:
    return axis if n == 1 else f"{axis}{n}"


def _panels(details: "EffectDetails", answer: "Answer"):
    scale = f" [{details.scale}]" if details.scale else ""
    if details.dose and details.points:
        title = f"{details.outcome}{scale} at each {details.treatment}, were it set"
        yield title, CURVE, lambda fig, n: _curve(fig, n, details, answer)
    elif details.points:
        rows = len(details.points) + max(len(details.estimators) - 1, 0)
        title = f"Effect on {details.outcome}{scale}, {answer.level:.0%} intervals"
        yield title, LINE * rows + 40, lambda fig, n: _forest(fig, n, details)
    found = details.overlap
    if found is not None and found.histogram:
        title = f"Overlap: probability of {found.levels[-1]} given what is held fixed"
        yield title, BARS, lambda fig, n: _bars(fig, n, found)
    strong = details.sensitivity
    if strong is not None and details.points:
        title = "What an unobserved cause would leave of the effect"
        yield title, MAP, lambda fig, n: _map(fig, n, strong)


def _forest(fig: "Figure", n: int, details: "EffectDetails") -> None:
    """The effect by contrast or stratum in blue, other estimators of the first in grey."""
    # the first estimator is the answer's own number
    lines = [(p, True) for p in details.points] + [(e, False) for e in details.estimators[1:]]
    for place, (p, own) in enumerate(lines):
        colour = BLUE if own else GREY
        fig.add_scatter(
            x=[p.lower, p.upper],
            y=[place, place],
            mode="lines",
            line={"color": colour, "width": 4 if own else 2},
            xaxis=_axis("x", n),
            yaxis=_axis("y", n),
            showlegend=False,
            hoverinfo="skip",
        )
        fig.add_scatter(
            x=[p.estimate],
            y=[place],
            mode="markers",
            marker={"color": colour, "size": 11 if own else 8},
            xaxis=_axis("x", n),
            yaxis=_axis("y", n),
            showlegend=False,
            hovertemplate=f"{escape(p.name)}: {number(p.estimate)} "
            f"[{number(p.lower)}, {number(p.upper)}]<extra></extra>",
        )
    fig.update_layout(
        {
            _name("yaxis", n): {
                "tickvals": list(range(len(lines))),
                "ticktext": [escape(p.name) for p, _ in lines],
                "range": [len(lines) - 0.4, -0.6],
                "showgrid": False,
                "automargin": True,
            }
        }
    )
    ends = [v for p, _ in lines for v in (p.lower, p.upper)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    pad = 0.04 * (high - low or 1.0)
    fig.update_layout({_name("xaxis", n): {"range": [low - pad, high + pad]}})
    fig.add_shape(
        type="line", x0=0, x1=0, y0=0, y1=1, xref=_axis("x", n),
        yref=f"{_axis('y', n)} domain", line={"color": INK, "width": 1, "dash": "dot"},
    )  # fmt: skip


def _curve(fig: "Figure", n: int, details: "EffectDetails", answer: "Answer") -> None:
    doses = [p.value for p in details.points]
    axes = {"xaxis": _axis("x", n), "yaxis": _axis("y", n)}
    fig.add_scatter(
        x=doses, y=[p.upper for p in details.points], mode="lines", line={"width": 0},
        showlegend=False, hoverinfo="skip", **axes,
    )  # fmt: skip
    fig.add_scatter(
        x=doses, y=[p.lower for p in details.points], mode="lines", line={"width": 0},
        fill="tonexty", fillcolor="rgba(18,97,166,0.16)", name=f"{answer.level:.0%} interval",
        hoverinfo="skip", **axes,
    )  # fmt: skip
    fig.add_scatter(
        x=doses, y=[p.estimate for p in details.points], mode="lines+markers",
        line={"color": BLUE, "width": 3}, marker={"size": 6}, name="estimate", **axes,
    )  # fmt: skip
    fig.update_layout({_name("xaxis", n): {"title": {"text": escape(details.treatment)}}})


def _bars(fig: "Figure", n: int, found: "Overlap") -> None:
    """Histograms of the propensity by level; the strip outside the limits is tinted."""
    edges = np.array(found.edges)
    middle = (edges[:-1] + edges[1:]) / 2
    for k, (name, rows) in enumerate(zip(found.levels, found.histogram, strict=True)):
        total = max(sum(rows), 1)
        fig.add_bar(
            x=middle.tolist(),
            y=[r / total for r in rows],
            width=float(edges[1] - edges[0]),
            marker={"color": SHADES[k % len(SHADES)], "line": {"width": 0}},
            opacity=0.55,
            name=escape(name),
            xaxis=_axis("x", n),
            yaxis=_axis("y", n),
        )
    low, high = found.limits
    for a, b in ((0.0, low), (high, 1.0)):
        fig.add_shape(
            type="rect", x0=a, x1=b, y0=0, y1=1, xref=_axis("x", n),
            yref=f"{_axis('y', n)} domain", fillcolor="#b42318", opacity=0.15, line={"width": 0},
        )  # fmt: skip
    fig.update_layout(
        {
            "barmode": "overlay",
            _name("xaxis", n): {"range": [0, 1], "title": {"text": "probability", "standoff": 4}},
            _name("yaxis", n): {"title": {"text": "share of the level"}, "tickformat": ".0%"},
        }
    )


def _map(fig: "Figure", n: int, s: "Sensitivity") -> None:
    """Contours of |estimate| − bias over both strengths; observed causes as points to compare."""
    marks = [b for b in s.benchmarks if b.treatment < 1]  # one that explains all stands at the top
    most = max([0.1, 1.6 * s.robustness, *(1.15 * b.treatment for b in marks)])
    high = max([0.1, 1.6 * s.robustness, *(1.15 * b.outcome for b in marks)])
    x, y = np.linspace(0, min(most, 0.95), 60), np.linspace(0, min(high, 1.0), 60)
    less = s.error * np.sqrt(s.freedom * y[:, None] * x / (1 - x))
    left = np.sign(s.estimate) * (abs(s.estimate) - less)
    axes = {"xaxis": _axis("x", n), "yaxis": _axis("y", n)}
    fig.add_contour(
        x=x.tolist(), y=y.tolist(), z=left.tolist(), showscale=False, ncontours=9,
        contours={"coloring": "lines", "showlabels": True, "labelfont": {"size": 10}},
        colorscale=[[0, "#9fb3c8"], [1, "#9fb3c8"]], line={"width": 1},
        hovertemplate="%{x:.1%}, %{y:.1%}: %{z:.3g} left<extra></extra>", **axes,
    )  # fmt: skip
    fig.add_contour(
        x=x.tolist(), y=y.tolist(), z=left.tolist(), showscale=False,
        contours={"coloring": "lines", "start": 0, "end": 0, "size": 1},
        colorscale=[[0, "#b42318"], [1, "#b42318"]], line={"width": 3}, hoverinfo="skip", **axes,
    )  # fmt: skip
    fig.add_scatter(
        x=[s.robustness], y=[s.robustness], mode="markers+text", text=["nothing left"],
        textposition="top right", textfont={"color": "#b42318"},
        marker={"color": "#b42318", "size": 9, "symbol": "x"}, showlegend=False,
        hovertemplate="robustness value %{x:.1%}<extra></extra>", **axes,
    )  # fmt: skip
    fig.add_scatter(
        x=[b.treatment for b in marks], y=[b.outcome for b in marks],
        mode="markers+text", cliponaxis=False,
        text=[escape(b.name) if i < LABELLED else "" for i, b in enumerate(marks)],
        textposition="middle right",
        textfont={"size": 11}, marker={"color": ORANGE, "size": 8}, showlegend=False,
        customdata=[f"as strong as {escape(b.name)}: {b.estimate:.3g} left" for b in marks],
        hovertemplate="%{customdata}<extra></extra>", **axes,
    )  # fmt: skip
    fig.update_layout(
        {
            _name("xaxis", n): {
                "title": {"text": "share of the treatment that it explains", "standoff": 4},
                "tickformat": ".0%",
                "range": [0, float(x[-1])],
            },
            _name("yaxis", n): {
                "title": {"text": "share of the outcome"},
                "tickformat": ".0%",
                "range": [0, float(y[-1])],
            },
        }
    )


def _dress(fig: "Figure", answer: "Answer", inner: float) -> None:
    words, tone = headline(answer)
    title = f'<span style="color:{TONES[tone]}"><b>{words}</b></span>'
    if answer.why.summary:
        title += (
            f'<br><span style="font-size:13px;color:{GREY}">{escape(answer.why.summary)}</span>'
        )
    height = inner + HEAD + FOOT
    fig.update_layout(
        template="plotly_white",
        height=height,
        font={"family": FONT, "size": 12, "color": INK},
        title={
            "text": title, "x": 0.0, "xref": "paper", "y": 1 - 18 / height, "yanchor": "top",
            "font": {"size": 16},
        },
        margin={"l": 72, "r": 24, "t": HEAD, "b": FOOT},
        legend={"orientation": "h", "yanchor": "top", "y": -40 / inner, "x": 0},
        hovermode="closest",
    )  # fmt: skip
    if not fig.data:
        fig.add_annotation(
            text=escape("no number: " + (answer.fix or "not identified")),
            showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5,
        )  # fmt: skip
