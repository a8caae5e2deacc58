"""The parts of mechanisms in an anomaly, as bars with their intervals."""

from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from doworld._core.palette import BLUE, FONT, GREY, GRID, INK, ORANGE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.infer.root_cause.result import RootCauses

__all__ = ["figure"]

LONGEST = 34


def figure(found: "RootCauses", most: int) -> "Figure":
    """The likeliest at the top; the first in another colour."""
    from plotly.graph_objects import Figure

    shown = found.entities[:most][::-1]
    labels = [
        f"{len(shown) - i}. {e.name if len(e.name) <= LONGEST else e.name[: LONGEST - 1] + '…'}"
        for i, e in enumerate(shown)
    ]
    p = ["" if e.p_value != e.p_value else f"p = {e.p_value:.2g}" for e in shown]
    fig = Figure()
    fig.add_bar(
        x=[e.contribution for e in shown],
        y=labels,
        orientation="h",
        marker={"color": [BLUE] * (len(shown) - 1) + [ORANGE]},
        error_x={
            "type": "data",
            "array": [e.upper - e.contribution for e in shown],
            "arrayminus": [e.contribution - e.lower for e in shown],
            "color": INK,
            "thickness": 1.2,
            "width": 4,
        },
        customdata=[[escape(e.name), note] for e, note in zip(shown, p, strict=True)],
        hovertemplate="%{customdata[0]}: %{x:.3g}<br>%{customdata[1]}<extra></extra>",
    )
    for label, note in zip(labels, p, strict=True):
        fig.add_annotation(
            x=1.01,
            xref="paper",
            y=label,
            text=note,
            showarrow=False,
            xanchor="left",
            font={"color": GREY, "size": 11},
        )
    lines = "<br>".join(escape(line) for line in wrap(found.explanation, 112))
    fig.update_layout(
        template="plotly_white",
        width=860,
        height=190 + 26 * len(shown),
        font={"family": FONT, "size": 12, "color": INK},
        title={
            "text": f"<b>What explains the {found.what} of {escape(found.target)}</b>",
            "x": 0.01,
            "y": 0.97,
            "yanchor": "top",
            "font": {"size": 16},
            "subtitle": {"text": lines, "font": {"size": 12, "color": GREY}},
        },
        margin={"l": 24, "r": 84, "t": 122, "b": 48},
        showlegend=False,
        bargap=0.35,
        xaxis={
            "title": f"part in the shift, {found.unit}",
            "gridcolor": GRID,
            "zerolinecolor": GREY,
        },
        yaxis={"automargin": True},
    )
    return fig
