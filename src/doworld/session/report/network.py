"""A causal graph as an SVG drawing: causes on the left, doubt visible."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from doworld.data import Role, Schema
from doworld.graph import CausalGraph, Edge, Mark
from doworld.session.report.layout import Layout, Place, lay_out, settle
from doworld.session.report.page import esc

__all__ = ["COLOURS", "drawing", "matrix"]

COLOURS = {
    Role.STATE: "#2b5fc7",
    Role.ACTION: "#c8620c",
    Role.CONTEXT: "#1f8468",
    Role.REWARD: "#7f46a8",
}
MISSED, EXTRA = "#b3362b", "#c22f8e"
ROW, GAP, HEIGHT, LETTER = 74, 118, 36, 8.3


@dataclass(frozen=True)
class _Line:
    """All edges between two variables, drawn as one."""

    source: str
    target: str
    edges: tuple[Edge, ...]
    doubtful: bool = False
    colour: str = ""

    @property
    def probability(self) -> float:
        return max(e.probability for e in self.edges)

    @property
    def label(self) -> str:
        lags = sorted({e.lag for e in self.edges})
        if lags == [1]:
            return ""
        if lags == [0]:
            return "same row"
        ends = (
            f"{lags[0]}–{lags[-1]}"
            if lags == list(range(lags[0], lags[-1] + 1))
            else ", ".join(map(str, lags))
        )
        return f"lag {lags[0]}" if len(lags) == 1 else f"lags {ends}"

    @property
    def words(self) -> str:
        each = ", ".join(
            f"{e} {e.probability:.0%}"
            + ("" if e.effect != e.effect else f", effect {e.effect:.2g}")
            for e in self.edges
        )
        return ("open, left out: " if self.doubtful else "") + each


def _lines(graph: CausalGraph, truth: CausalGraph | None) -> list[_Line]:
    groups: dict[tuple[str, str, bool], list[Edge]] = {}
    for edge in graph.edges():
        groups.setdefault((edge.source, edge.target, False), []).append(edge)
    for edge in graph.doubtful:
        if (edge.source, edge.target, False) not in groups:
            groups.setdefault((edge.source, edge.target, True), []).append(edge)
    wanted = {(e.source, e.target) for e in truth.edges()} if truth else set()
    lines = []
    for (a, b, doubtful), edges in groups.items():
        extra = truth is not None and not doubtful and (a, b) not in wanted
        lines.append(_Line(a, b, tuple(edges), doubtful, EXTRA if extra else ""))
    found = {(a, b) for a, b, doubtful in groups if not doubtful}
    for edge in truth.edges() if truth else ():
        pair = (edge.source, edge.target)
        if pair not in found and all((x.source, x.target) != pair or x.doubtful for x in lines):
            lines.append(_Line(*pair, (edge,), colour=MISSED))
            found.add(pair)
    return lines


def drawing(graph: CausalGraph, schema: Schema, truth: CausalGraph | None = None) -> str:
    """The graph as SVG; ``truth`` marks edges that are missed and edges that are not in it.

    Width and strength of a line are the edge's probability; a dashed line is an edge that was
    left out but stays open; a loop says that a variable depends on its own past.
    """
    lines = _lines(graph, truth)
    early = [v.name for v in schema.variables if v.role in (Role.ACTION, Role.CONTEXT)]
    late = [v.name for v in schema.variables if v.name not in early]
    drawn = [line for line in lines if line.source != line.target]
    plan = lay_out(early, late, [(x.source, x.target) for x in drawn])
    where, width, height = _places(plan, schema)
    arcs = [_edge(line, plan, where) for line in sorted(drawn, key=lambda x: not x.doubtful)]
    loops = [_loop(line, where) for line in lines if line.source == line.target]
    nodes = [_node(schema, name, where[name]) for name in schema.names]
    top = min([0.0, *(y for _, y in arcs)]) - 14
    return (
        f'<svg viewBox="0 {top:.0f} {width:.0f} {height - top:.0f}" role="img" '
        f'style="max-width:{width:.0f}px" aria-label="causal graph">'
        f"<defs>{_heads([*drawn])}</defs>{''.join(a for a, _ in arcs)}{''.join(loops)}"
        f"{''.join(nodes)}</svg>"
    )


def _size(name: str) -> float:
    return min(max(len(name) * LETTER + 30, 74), 214)


def _places(
    plan: Layout, schema: Schema
) -> tuple[dict[Place, tuple[float, float, float]], float, float]:
    """Centre and width of every place, and the size of the whole."""
    heights = settle(plan, lambda p: ROW if isinstance(p, str) else ROW * 0.5)
    lowest = min(heights.values(), default=0.0) - ROW / 2
    where: dict[Place, tuple[float, float, float]] = {}
    left = 14.0
    for column in plan.layers:
        wide = max((_size(p) if isinstance(p, str) else 0.0 for p in column), default=0)
        for place in column:
            size = _size(place) if isinstance(place, str) else 0.0
            where[place] = (left + wide / 2, heights[place] - lowest, size)
        left += wide + GAP
    tall = max(heights.values(), default=0.0) - lowest + ROW / 2
    return where, left - GAP + 34, tall


def _strength(line: _Line) -> tuple[float, float, str]:
    p = min(max(line.probability, 0.0), 1.0)
    dash = ' stroke-dasharray="5 5"' if line.doubtful else ""
    if line.colour == MISSED:
        dash = ' stroke-dasharray="2 4"'
    return 1.0 + 1.9 * p * (not line.doubtful), 0.55 if line.doubtful else 0.3 + 0.6 * p, dash


def _colour(line: _Line) -> str:
    return line.colour or ("#8a94a6" if line.doubtful else "#3d4961")


def _edge(line: _Line, plan: Layout, where: dict) -> tuple[str, float]:
    """The line as markup and its highest point."""
    route = plan.routes.get((line.source, line.target))
    if route is None:
        path, x, y, top = _backward(line, where)
    else:
        path, x, y, top = _forward(route, where)
    width, strength, dash = _strength(line)
    colour = _colour(line)
    marker = "" if line.edges[0].mark in (Mark.UNDIRECTED, Mark.CIRCLE) else _ends(line, colour)
    label = (
        f'<text x="{x:.1f}" y="{y - 5:.1f}" font-size="11.5" text-anchor="middle" '
        'style="fill:#5b667a;paint-order:stroke;stroke:#fff;stroke-width:4px">'
        f"{esc(line.label)}</text>"
        if line.label and not line.doubtful
        else ""
    )
    return (
        f'<g><title>{esc(line.words)}</title><path d="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="{width:.2f}" stroke-opacity="{strength:.2f}"{dash}{marker}/>{label}</g>',
        top,
    )


def _ends(line: _Line, colour: str) -> str:
    name = f"h{colour[1:]}"
    start = f' marker-start="url(#{name})"' if line.edges[0].mark is Mark.BIDIRECTED else ""
    return f' marker-end="url(#{name})"{start}'


def _heads(lines: list[_Line]) -> str:
    return "".join(
        f'<marker id="h{c[1:]}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path d="M0 1 L9 5 L0 9 z" fill="{c}"/></marker>'
        for c in dict.fromkeys(map(_colour, lines))
    )


def _forward(route: tuple[Place, ...], where: dict) -> tuple[str, float, float, float]:
    """A smooth line from the source's right side to the target's left, level at both ends."""
    points = [where[p] for p in route]
    (x0, y0, w0), (x1, y1, w1) = points[0], points[-1]
    stops = [(x0 + w0 / 2, y0), *((x, y) for x, y, _ in points[1:-1]), (x1 - w1 / 2 - 3, y1)]
    slopes = [0.0] * len(stops)
    for i in range(1, len(stops) - 1):
        before = (stops[i][1] - stops[i - 1][1]) / (stops[i][0] - stops[i - 1][0])
        after = (stops[i + 1][1] - stops[i][1]) / (stops[i + 1][0] - stops[i][0])
        slopes[i] = 2 * before * after / (before + after) if before * after > 0 else 0.0
    way = [f"M{stops[0][0]:.1f} {stops[0][1]:.1f}"]
    for i, ((a, b), (c, d)) in enumerate(pairwise(stops)):
        reach = (c - a) * 0.42
        near, far = b + slopes[i] * reach, d - slopes[i + 1] * reach
        way.append(f"C{a + reach:.1f} {near:.1f} {c - reach:.1f} {far:.1f} {c:.1f} {d:.1f}")
    # before the middle, where lines that cross are still apart: t = 0.4 of the first cubic
    (a, b), (c, d) = stops[:2]
    reach = (c - a) * 0.42
    weights = (0.216, 0.432, 0.288, 0.064)
    x = np.dot(weights, (a, a + reach, c - reach, c))
    y = np.dot(weights, (b, b + slopes[0] * reach, d - slopes[1] * reach, d))
    return " ".join(way), float(x), float(y), min(y for _, y in stops)


def _backward(line: _Line, where: dict) -> tuple[str, float, float, float]:
    """An edge against the order: an arc from the right side up and over to the target's top."""
    x0, y0, _ = where[line.source]
    x1, y1, _ = where[line.target]
    if abs(x0 - x1) < 1:
        bend = 56 + abs(y0 - y1) * 0.25
        side = x0 + where[line.source][2] / 2
        end = x1 + where[line.target][2] / 2 + 3
        path = f"M{side:.1f} {y0:.1f} C{side + bend:.1f} {y0:.1f} "
        path += f"{end + bend:.1f} {y1:.1f} {end:.1f} {y1:.1f}"
        return path, max(side, end) + bend * 0.75, (y0 + y1) / 2, min(y0, y1)
    up = min(y0, y1) - HEIGHT / 2 - 26 - 0.10 * abs(x0 - x1)
    start, end = y0 - HEIGHT / 2, y1 - HEIGHT / 2 - 3
    a, b = x0 - 12, x1 + 12
    path = f"M{a:.1f} {start:.1f} C{a:.1f} {up:.1f} {b:.1f} {up:.1f} {b:.1f} {end:.1f}"
    peak = 0.125 * (start + end) + 0.75 * up
    return path, (a + b) / 2, peak, peak - 8


def _loop(line: _Line, where: dict) -> str:
    x, y, w = where[line.target]
    width, strength, dash = _strength(line)
    right, low = x + w / 2 - 20, y + HEIGHT / 2
    label = line.label.removeprefix("lag ").removeprefix("lags ") if line.label else ""
    text = (
        f'<text x="{right + 16:.1f}" y="{low + 15:.1f}" font-size="11" style="fill:#5b667a">'
        f"{esc(label)}</text>"
        if label
        else ""
    )
    colour = _colour(line)
    return (
        f'<g><title>{esc(line.words)}</title><path d="M{right:.1f} {low - 2:.1f} '
        f'c-3 19 17 19 13 1" fill="none" stroke="{colour}" stroke-width="{width:.2f}" '
        f'stroke-opacity="{strength:.2f}"{dash}/>{text}</g>'
    )


def _node(schema: Schema, name: str, at: tuple[float, float, float]) -> str:
    x, y, w = at
    variable = schema[name]
    colour = COLOURS[variable.role]
    most = int((w - 24) / LETTER)
    shown = name if len(name) <= most else name[: most - 1] + "…"
    about = ", ".join(
        p for p in (name, variable.role.value, variable.unit, variable.description) if p
    )
    return (
        f"<g><title>{esc(about)}</title>"
        f'<rect x="{x - w / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{w:.1f}" height="{HEIGHT}" '
        f'rx="8" fill="#fff" stroke="{colour}" stroke-width="1.6"/>'
        f'<rect x="{x - w / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{w:.1f}" height="{HEIGHT}" '
        f'rx="8" fill="{colour}" fill-opacity=".08"/>'
        f'<text x="{x:.1f}" y="{y + 4.8:.1f}" font-size="14" font-weight="600" '
        f'text-anchor="middle" style="fill:{colour}">{esc(shown)}</text></g>'
    )


def matrix(graph: CausalGraph) -> str:
    """Causes by row and effects by column, for graphs with too many lines to draw."""
    chance = graph.probabilities().max(2)
    held = np.any(graph.adjacency(), axis=2)
    side, left, top, names = 15, 130, 110, graph.names
    size = side * len(names)
    parts = []
    for i, source in enumerate(names):
        y = top + i * side
        parts.append(
            f'<text x="{left - 6}" y="{y + 11}" font-size="10.5" text-anchor="end">'
            f"{esc(source[:20])}</text>"
        )
        for j, target in enumerate(names):
            if chance[i, j] <= 0:
                continue
            fill = "#2b5fc7" if held[i, j] else "#b9c1cf"
            parts.append(
                f'<rect x="{left + j * side}" y="{y}" width="{side - 2}" height="{side - 2}" '
                f'rx="2" fill="{fill}" fill-opacity="{0.25 + 0.75 * chance[i, j]:.2f}">'
                f"<title>{esc(f'{source} → {target}: {chance[i, j]:.0%}')}</title></rect>"
            )
    for j, target in enumerate(names):
        x = left + j * side + 10
        parts.append(
            f'<text transform="translate({x} {top - 6}) rotate(-60)" font-size="10.5">'
            f"{esc(target[:20])}</text>"
        )
    box = f"0 0 {left + size + 60} {top + size + 8}"
    return f'<svg viewBox="{box}" style="max-width:{left + size + 60}px">{"".join(parts)}</svg>'
