"""How a graph fares beside permuted ones, as a figure."""

from typing import TYPE_CHECKING

from doworld._core.palette import BLUE, FONT, GREEN, GREY, GRID, INK, ORANGE
from doworld.graph.falsification import Verdict

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.graph.falsification import Falsification

__all__ = ["figure"]

BINS = 25
TONES = {
    Verdict.FALSIFIED: ORANGE,
    Verdict.NOT_FALSIFIED: GREEN,
    Verdict.NOT_FALSIFIABLE: GREY,
}


def figure(found: "Falsification") -> "Figure":
    """A histogram of the permuted graphs' shares of violations, and lines at the graph's and level.

    Raises nothing: without permuted graphs the panel is empty but for the lines.
    """
    from plotly.graph_objects import Figure

    tone = TONES[found.verdict]
    widest = max((*found.permuted, found.violations, found.level, 0.05))
    fig = Figure()
    fig.add_histogram(
        x=found.permuted,
        xbins={"start": 0, "end": widest * 1.05, "size": widest * 1.05 / BINS},
        marker={"color": "rgba(18,97,166,0.35)", "line": {"color": BLUE, "width": 1}},
        name="graphs with permuted variables",
        hovertemplate="%{x:.1%} violated: %{y} graphs<extra></extra>",
    )
    own = f"this graph: {found.violations:.1%}"
    marks = ((found.level, f"chance: {found.level:.0%}", GREY, "dot", 0.88),)
    for at, words, color, dash, high in ((found.violations, own, tone, "solid", 0.99), *marks):
        fig.add_vline(x=at, line={"color": color, "width": 2, "dash": dash})
        right = at > 0.6 * widest
        fig.add_annotation(
            x=at,
            y=high,
            yref="paper",
            text=f"<b>{words}</b>",
            showarrow=False,
            xanchor="right" if right else "left",
            yanchor="top",
            xshift=-6 if right else 6,
            font={"color": color, "size": 13},
            bgcolor="rgba(255,255,255,0.8)",
        )
    title = f'<span style="color:{tone}"><b>{found.verdict.value}</b></span>'
    fig.update_layout(
        template="plotly_white",
        width=860,
        height=400,
        font={"family": FONT, "size": 12, "color": INK},
        title={"text": title, "x": 0.01, "font": {"size": 16}, "subtitle": {"text": found.why}},
        margin={"l": 64, "r": 24, "t": 84, "b": 56},
        bargap=0.02,
        showlegend=False,
        xaxis={
            "title": "share of implied independencies that the log violates",
            "tickformat": ".0%",
            "range": [-0.02 * widest, widest * 1.08],
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={"title": "permuted graphs", "gridcolor": GRID},
    )
    return fig
