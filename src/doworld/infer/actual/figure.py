"""A cause, what its witness holds, and the outcome, marked in the graph."""

from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from doworld._core.errors import QueryError
from doworld._core.palette import BLUE, GREEN, GREY, INK, ORANGE
from doworld.graph.figure import figure as drawn
from doworld.graph.geometry import HEIGHT, boxes_of, groups_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.infer.actual.result import ActualCauses

__all__ = ["figure"]


def figure(found: "ActualCauses", number: int) -> "Figure":
    """The graph of what acts on the outcome, with the values that came about.

    Cause orange, held variables green, the outcome blue; under a variable that the witness changes
    stands what it would have been. Raises ``QueryError`` where there is no such cause or graph.
    """
    if found.graph is None or (found.causes and not 0 <= number < len(found.causes)):
        raise QueryError(
            f"there is no cause number {number} to draw: {len(found.causes)} were found. Count "
            "from 0."
        )
    graph = found.graph
    fig: Any = drawn(graph, title=f"What caused {found.outcome}")
    boxes = boxes_of(graph, groups_of(graph))
    cause = found.causes[number] if found.causes else None
    ends = {n for n in graph.names if not graph.children(n)}
    for name in graph.names:
        box, note = boxes[name], f"= {found.actual[name]}"
        tone = BLUE if name in ends else None
        if cause is not None:
            tone = ORANGE if name in cause.events else GREEN if name in cause.witness.held else tone
            other = cause.witness.world.get(name, found.actual[name])
            if name in cause.witness.held:
                note += " (held)"
            elif other != found.actual[name]:
                note += f" → {other}"
        if tone is not None:
            fig.add_shape(
                type="rect",
                x0=box.x - box.half - 4,
                x1=box.x + box.half + 4,
                y0=box.y - HEIGHT / 2 - 4,
                y1=box.y + HEIGHT / 2 + 4,
                line={"color": tone, "width": 2.5},
                layer="above",
            )
        fig.add_annotation(
            x=box.x,
            y=box.y - HEIGHT / 2 - 6,
            text=escape(note),
            showarrow=False,
            yanchor="top",
            font={"size": 11.5, "color": tone or INK},
        )
    words = "Nothing was found." if cause is None else found._sentence(cause)
    key = (
        f'<span style="color:{ORANGE}">cause</span>, <span style="color:{GREEN}">held as it was'
        f'</span>, <span style="color:{BLUE}">outcome</span>; → what it would have been'
    )
    wide = int((fig.layout.width or 600) / 7.2)
    lines = [*map(escape, wrap(words, wide)), key]
    fig.update_layout(
        height=(fig.layout.height or 300) + 14 * len(lines),
        margin={"t": 74 + 16 * len(lines), "b": 40},
        title={
            "y": 0.98,
            "subtitle": {"text": "<br>".join(lines), "font": {"size": 12, "color": GREY}},
        },
    )
    return fig
