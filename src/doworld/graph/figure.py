"""A causal graph as a Plotly figure: causes to the left of effects, marks, lags and doubts shown.

One unit of the axes is one pixel, so that arrowheads, ends and distances are what they seem.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from doworld._core.palette import AMBER, BLUE, FONT, GREEN, GREY, INK, ORANGE, PAPER, VIOLET
from doworld.graph.geometry import HEIGHT, Box, Line, boxes_of, groups_of, lines_of, short
from doworld.graph.graph import CausalGraph, Edge, Mark

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["figure", "page"]

ROLES = {
    "action": (ORANGE, "#fff1e6", "what is done"),
    "context": (GREEN, "#eaf6ec", "what is given"),
    "state": (BLUE, "#eaf2fa", "what is"),
    "reward": (VIOLET, "#f3edfe", "what is gained"),
    "": (INK, "#f4f6f8", ""),
}
CORNERS = {"action": 3.0, "context": 3.0}
"""What comes from outside has corners, what is inside is round."""
MARKS = {
    Mark.DIRECTED: "cause → effect",
    Mark.UNDIRECTED: "direction open",
    Mark.BIDIRECTED: "unobserved common cause",
    Mark.PARTIAL: "cause, or hidden common cause",
    Mark.CIRCLE: "all open",
}
OPEN = {Mark.UNDIRECTED: AMBER, Mark.BIDIRECTED: VIOLET, Mark.PARTIAL: AMBER, Mark.CIRCLE: AMBER}
HEADS = (Mark.DIRECTED, Mark.BIDIRECTED, Mark.PARTIAL)
HEAD, BALL = 9.0, 4.0
LEVELS = 4
TOP, BOTTOM, SIDE = 88, 64, 44


def page(graph: CausalGraph, title: str = "") -> str:
    """The figure as one HTML page."""
    shown = figure(graph, title=title)
    return shown.to_html(include_plotlyjs=True, full_html=True, config={"displayModeBar": False})


def figure(graph: CausalGraph, *, title: str = "") -> "Figure":
    """The graph drawn in causal layers.

    Nodes are coloured by role; what comes from outside has square corners. Width and strength of a
    line are the edge's probability; doubtful edges are dotted. Arrowheads, bare ends, circles and
    heads at both ends are the marks. Numbers are lags in rows where they are not the commonest one,
    which the line below the title states; a loop is a variable's own past. Raises nothing: a graph
    without edges is a row of nodes.

    >>> shown = figure(CausalGraph(("a", "b"), (Edge("a", "b"),)))
    >>> shown.layout.title.text
    '<b>2 variables, 1 edge</b>'
    """
    from plotly.graph_objects import Figure

    groups = groups_of(graph)
    every = boxes_of(graph, groups)
    lines = lines_of(groups, every)
    boxes = {n: every[n] for n in graph.names}
    lags = Counter(e.lag for e in graph.links)
    usual = lags.most_common(1)[0][0] if lags else 1
    roles = {n: b.role for n, b in boxes.items()}
    fig = Figure()
    for key, own in _styles(lines, roles).items():
        _strokes(fig, key, own)
    _nodes(fig, boxes, graph)
    _hover(fig, lines)
    _legend(fig, lines, boxes)
    _dress(fig, graph, boxes, lines, title=title, usual=usual)
    return fig


def _styles(
    lines: Iterable[Line], roles: dict[str, str]
) -> dict[tuple[str, int, bool, bool], list[Line]]:
    """Edges by colour, level of probability, whether doubtful and whether hidden causes."""
    out: dict[tuple[str, int, bool, bool], list[Line]] = {}
    for line in lines:
        mark = line.first.mark
        tone = OPEN.get(mark) or ROLES[roles[line.first.source]][0]
        level = int(np.clip(round(line.chance * LEVELS), 0, LEVELS))
        key = tone, level, line.doubtful, mark is Mark.BIDIRECTED
        out.setdefault(key, []).append(line)
    return dict(sorted(out.items(), key=lambda kv: (not kv[0][2], kv[0][1])))


def _strokes(fig: "Figure", key: tuple[str, int, bool, bool], own: Sequence[Line]) -> None:
    """Lines of one style, their heads and their circles."""
    tone, level, doubtful, hidden = key
    strength = 0.35 + 0.55 * level / LEVELS if not doubtful else 0.45
    xs: list[float | None] = []
    ys: list[float | None] = []
    heads: list[np.ndarray] = []
    balls: list[np.ndarray] = []
    for line in own:
        path, mark = line.points, line.first.mark
        tips = [(path, 1)] if mark in HEADS else []
        tips += [(path[::-1], -1)] if mark is Mark.BIDIRECTED else []
        rings = [path[::-1]] if mark in (Mark.PARTIAL, Mark.CIRCLE) else []
        rings += [path] if mark is Mark.CIRCLE else []
        heads += [_head(p) for p, _ in tips]
        balls += [_ball(p) for p in rings]
        first = HEAD - 2 if mark is Mark.BIDIRECTED else 2 * BALL if rings else 0.0
        last = HEAD - 2 if tips else 2 * BALL if mark is Mark.CIRCLE else 0.0
        kept = _trimmed(path, first, last)
        xs += [*kept[:, 0].tolist(), None]
        ys += [*kept[:, 1].tolist(), None]
    dash = "dot" if doubtful else "dash" if hidden else "solid"
    fig.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": tone, "width": 1.0 + 1.4 * level / LEVELS, "dash": dash},
        opacity=strength,
        hoverinfo="skip",
        showlegend=False,
    )
    for shapes, fill in ((heads, tone), (balls, PAPER)):
        if shapes:
            flat = np.concatenate([np.append(s, [[np.nan, np.nan]], 0) for s in shapes])
            fig.add_scatter(
                x=[None if np.isnan(v) else v for v in flat[:, 0].tolist()],
                y=[None if np.isnan(v) else v for v in flat[:, 1].tolist()],
                mode="lines",
                fill="toself",
                fillcolor=fill,
                line={"color": tone, "width": 0.5 if fill == tone else 1.6},
                opacity=min(strength + 0.1, 1.0),
                hoverinfo="skip",
                showlegend=False,
            )


def _trimmed(path: np.ndarray, first: float, last: float) -> np.ndarray:
    """The path without so many pixels at its ends, where heads and circles stand."""
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    ends = np.array([first, run[-1] - last])
    inner = path[(run > ends[0]) & (run < ends[1])]
    tips = np.stack([np.interp(ends, run, path[:, k]) for k in (0, 1)], 1)
    return np.concatenate([tips[:1], inner, tips[1:]])


def _along(path: np.ndarray, back: float) -> np.ndarray:
    """The place so many pixels before the end of a path."""
    return _trimmed(path, 0.0, back)[-1]


def _head(path: np.ndarray) -> np.ndarray:
    """An arrowhead whose tip is the path's end."""
    tip = path[-1]
    way = tip - _along(path, HEAD)
    way = way / max(float(np.linalg.norm(way)), 1e-9)
    aside = np.array([-way[1], way[0]])
    base = tip - HEAD * way
    return np.stack([tip, base + 0.42 * HEAD * aside, base - 0.42 * HEAD * aside, tip])


def _ball(path: np.ndarray) -> np.ndarray:
    """A circle that touches the path's end from inside."""
    tip = path[-1]
    way = tip - _along(path, 2 * BALL)
    centre = tip - BALL * way / max(float(np.linalg.norm(way)), 1e-9)
    turn = np.linspace(0, 2 * np.pi, 20)[:, None]
    return centre + BALL * np.concatenate([np.cos(turn), np.sin(turn)], 1)


def _outline(box: Box, corner: float) -> str:
    """A rectangle with round corners as an SVG path."""
    x0, x1 = box.x - box.half, box.x + box.half
    y0, y1 = box.y - HEIGHT / 2, box.y + HEIGHT / 2
    r = corner
    return (
        f"M {x0 + r},{y0} L {x1 - r},{y0} Q {x1},{y0} {x1},{y0 + r} L {x1},{y1 - r} "
        f"Q {x1},{y1} {x1 - r},{y1} L {x0 + r},{y1} Q {x0},{y1} {x0},{y1 - r} "
        f"L {x0},{y0 + r} Q {x0},{y0} {x0 + r},{y0} Z"
    )


def _nodes(fig: "Figure", boxes: dict[str, Box], graph: CausalGraph) -> None:
    """The nodes, and what is known of each under the pointer; a doubted one has a dotted border."""
    facts: dict[str, list[str]] = {}
    for fact in graph.unidentified:
        facts.setdefault(fact.variable, []).append(fact.note)
    shapes = []
    for name, box in boxes.items():
        tone, fill, _ = ROLES.get(box.role, ROLES[""])
        line = {"color": tone, "width": 1.6, "dash": "dot" if name in facts else "solid"}
        path = _outline(box, CORNERS.get(box.role, HEIGHT / 2))
        # below the traces, or the names would lie under the boxes
        shapes.append(
            {"type": "path", "path": path, "fillcolor": fill, "line": line, "layer": "below"}
        )
    fig.update_layout(shapes=shapes)
    own = list(boxes.values())
    fig.add_scatter(
        x=[b.x for b in own],
        y=[b.y for b in own],
        mode="text",
        text=[escape(short(b.name)) for b in own],
        textfont={"size": 12.5, "color": INK, "family": FONT},
        hovertext=[_about(b, graph, facts.get(b.name, [])) for b in own],
        hoverinfo="text",
        showlegend=False,
    )


def _about(box: Box, graph: CausalGraph, facts: list[str]) -> str:
    causes = ", ".join(f"{n} ({k} back)" if k else n for n, k in graph.parents(box.name))
    lines = [f"<b>{escape(box.name)}</b>" + f" · {box.role}" * bool(box.role)]
    lines.append(f"causes: {escape(causes) or 'none found'}")
    return "<br>".join([*lines, *(_folded(f) for f in facts)])


def _folded(text: str, width: int = 70) -> str:
    """Text in lines that fit under the pointer."""
    out, line = [], ""
    for word in escape(text).split():
        if line and len(line) + len(word) > width:
            out.append(line)
            line = ""
        line += (" " if line else "") + word
    return "<br>".join([*out, line])


def _hover(fig: "Figure", lines: Sequence[Line]) -> None:
    """Points along every edge that show its evidence."""
    x: list[float] = []
    y: list[float] = []
    said: list[str] = []
    for line in lines:
        inner = line.points[2:-2:4]
        x += inner[:, 0].tolist()
        y += inner[:, 1].tolist()
        said += ["<br>".join(_evidence(e, line.doubtful) for e in line.edges)] * len(inner)
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 12, "color": "rgba(0,0,0,0)"},
        hovertext=said,
        hoverinfo="text",
        showlegend=False,
    )


def _evidence(edge: Edge, doubtful: bool) -> str:
    out = f"<b>{escape(str(edge))}</b><br>in {edge.probability:.0%} of resampled logs"
    out += ", left out" * doubtful
    if edge.effect == edge.effect:
        out += f" · effect {edge.effect:.2g}"
    proof = edge.evidence
    if proof is None:
        return out
    if proof.p_value == proof.p_value:
        out += f" · p = {proof.p_value:.1g} on {proof.rows:,} rows"
    return out + f"<br>{_folded(proof.test)}" + (f"<br>{_folded(proof.note)}" * bool(proof.note))


def _labels(lines: Sequence[Line], boxes: dict[str, Box], usual: int) -> list[dict[str, Any]]:
    """Lags as small numbers on the edges, each where nothing else stands."""
    taken = [(b.x, b.y, b.half + 2, HEIGHT / 2 + 2) for b in boxes.values()]
    out = []
    for line in sorted(lines, key=lambda e: len(e.edges)):
        lags = [e.lag for e in line.edges]
        if lags == [usual]:
            continue
        text = ", ".join(map(str, lags))
        half = 4.0 + 3.2 * len(text)
        ways = np.array([0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82])
        places = [line.points[int(w * (len(line.points) - 1))] for w in ways]
        free = [p for p in places if not _hits(p, half, taken)]
        x, y = free[0] if free else places[0]
        taken.append((float(x), float(y), half + 2, 10.0))
        out.append(
            {
                "x": float(x),
                "y": float(y),
                "text": text,
                "showarrow": False,
                "font": {"size": 10.5, "color": INK},
                "bgcolor": PAPER,
                "bordercolor": GREY,
                "borderwidth": 0.8,
                "borderpad": 2,
            }
        )
    return out


def _hits(place: np.ndarray, half: float, taken: Sequence[tuple[float, ...]]) -> bool:
    return any(
        abs(place[0] - x) < half + wide and abs(place[1] - y) < 8 + high
        for x, y, wide, high in taken
    )


def _legend(fig: "Figure", lines: Sequence[Line], boxes: dict[str, Box]) -> None:
    """What colours and ends mean, those that occur."""
    nothing = {"x": [None], "y": [None], "hoverinfo": "skip", "showlegend": True}
    for role in dict.fromkeys(b.role for b in boxes.values()):
        tone, fill, words = ROLES.get(role, ROLES[""])
        if words:
            marker = {
                "size": 13,
                "color": fill,
                "symbol": "square" if role in CORNERS else "circle",
                "line": {"color": tone, "width": 1.6},
            }
            fig.add_scatter(mode="markers", marker=marker, name=f"{role}: {words}", **nothing)
    sure = [line.first.mark for line in lines if not line.doubtful]
    for mark in (m for m in MARKS if m in sure and m is not Mark.DIRECTED):
        dash = "dash" if mark is Mark.BIDIRECTED else "solid"
        style = {"color": OPEN[mark], "width": 2, "dash": dash}
        name = f"{mark.value.replace('>', '▸').replace('<', '◂')} {MARKS[mark]}"
        fig.add_scatter(mode="lines", line=style, name=name, **nothing)
    if any(line.doubtful for line in lines):
        style = {"color": GREY, "width": 1.6, "dash": "dot"}
        fig.add_scatter(mode="lines", line=style, name="left out, but open", **nothing)


def _dress(
    fig: "Figure",
    graph: CausalGraph,
    boxes: dict[str, Box],
    lines: Sequence[Line],
    *,
    title: str,
    usual: int,
) -> None:
    """Size, title, axes in pixels, labels."""
    corners = [
        np.array([[b.x - b.half, b.y - HEIGHT], [b.x + b.half, b.y + HEIGHT]])
        for b in boxes.values()
    ]
    every = np.concatenate([*corners, *(line.points for line in lines), np.zeros((1, 2))])
    low, high = every.min(0) - 8, every.max(0) + 8
    need = max(high[0] - low[0], 560.0)
    middle = (low[0] + high[0]) / 2
    wide, tall = need + 2 * SIDE, max(high[1] - low[1], 90.0)
    count = len(graph.links)
    head = title or f"{len(boxes)} variables, {count} edge{'s' * (count != 1)}"
    fig.update_layout(
        template="plotly_white",
        width=round(wide),
        height=round(tall + TOP + BOTTOM),
        font={"family": FONT, "size": 12, "color": INK},
        title={
            "text": f"<b>{escape(head)}</b>",
            "subtitle": {
                "text": _folded(_words(graph, usual), int(need / 6.4)),
                "font": {"size": 12, "color": GREY},
            },
            "x": 0,
            "xref": "paper",
            "yref": "container",
            "y": 1 - 20 / (tall + TOP + BOTTOM),
            "yanchor": "top",
            "font": {"size": 16},
        },
        margin={"l": SIDE, "r": SIDE, "t": TOP, "b": BOTTOM},
        hoverlabel={"bgcolor": PAPER, "font": {"family": FONT, "size": 12}, "align": "left"},
        legend={"orientation": "h", "x": 0, "y": -8 / tall, "yanchor": "top"},
        annotations=_labels(lines, boxes, usual),
        xaxis={"visible": False, "range": [middle - need / 2, middle + need / 2]},
        yaxis={"visible": False, "range": [low[1], low[1] + tall], "scaleanchor": "x"},
    )


def _words(graph: CausalGraph, usual: int) -> str:
    """How to read lags, loops and lines."""
    lags = {e.lag for e in graph.links}
    when = "within the same row" if usual == 0 else f"{usual} row{'s' * (usual != 1)} later"
    parts = [f"edges act {when}"] if lags else ["no edges"]
    if lags - {usual}:
        parts[0] += ", or as many rows later as they are numbered"
    if any(e.source == e.target for e in graph.links):
        parts.append("a loop is a variable's own past")
    if any(e.probability < 0.9 for e in graph.links):
        parts.append("faint lines are less certain")
    return "; ".join(parts)
