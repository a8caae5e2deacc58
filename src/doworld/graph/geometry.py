"""Where a drawn graph's nodes stand and its edges run, in pixels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from doworld.graph.graph import CausalGraph, Edge, Mark
from doworld.graph.layout import layout

__all__ = ["HEIGHT", "Box", "Line", "boxes_of", "groups_of", "lines_of", "short"]

HEIGHT, ROW, LOOP = 30.0, 62.0, 10.0
LONGEST = 18
STEPS = 24
RANK = {"context": -1, "action": -1, "reward": 1}

Points = np.ndarray
"""Places in pixels, [points, 2]."""

Key = tuple[str, str, Mark, bool]
"""Source, target, mark, and whether the edges are only doubtful."""
Groups = Mapping[Key, tuple[Edge, ...]]


@dataclass(frozen=True)
class Box:
    """A node's place, half sizes and part."""

    name: str
    x: float
    y: float
    half: float
    role: str


@dataclass(frozen=True, eq=False)
class Line:
    """One drawn edge: all lags of one pair with one mark, and whether it is only doubtful."""

    edges: tuple[Edge, ...]
    doubtful: bool
    points: Points

    @property
    def first(self) -> Edge:
        """The edge of the shortest lag."""
        return self.edges[0]

    @property
    def chance(self) -> float:
        """The largest probability of its lags."""
        return max(e.probability for e in self.edges)


def groups_of(graph: CausalGraph) -> Groups:
    """Edges by pair, mark and whether they are doubtful; ends that are alike stand in one order."""
    found: dict[Key, list[Edge]] = {}
    held = {(e.source, e.target) for e in graph.links}
    held |= {(b, a) for a, b in held if a != b}
    at = {n: i for i, n in enumerate(graph.names)}
    for edges, doubtful in ((graph.links, False), (graph.doubtful, True)):
        for e in edges:
            a, b = e.source, e.target
            if doubtful and (a, b) in held:
                continue
            if e.mark not in (Mark.DIRECTED, Mark.PARTIAL) and at[a] > at[b]:
                a, b = b, a
            found.setdefault((a, b, e.mark, doubtful), []).append(e)
    return {k: tuple(sorted(v, key=lambda e: e.lag)) for k, v in found.items()}


def boxes_of(graph: CausalGraph, groups: Iterable[Key]) -> dict[str, Box]:
    """Every node's place: columns as wide as their widest name asks for."""
    roles = dict(zip(graph.names, graph.roles or [""] * len(graph.names), strict=True))
    pairs = [(a, b, mark) for a, b, mark, _ in groups if a != b]
    directed = [(a, b) for a, b, mark in pairs if mark is Mark.DIRECTED]
    other = [(a, b) for a, b, mark in pairs if mark is not Mark.DIRECTED]
    rank = {n: RANK.get(r, 0) for n, r in roles.items()}
    plan = layout(graph.names, list(dict.fromkeys(directed)), list(dict.fromkeys(other)), rank)
    half = {n: max(28.0, 3.7 * len(short(n)) + 12) for n in graph.names}
    widest = [
        max((half[n] for n in graph.names if plan.layer[n] == k), default=30.0)
        for k in range(plan.columns)
    ]
    crowd = min(1.0, len(pairs) / 60)
    gap = 66 + 40 * crowd
    centre, x = [], 0.0
    for k, wide in enumerate(widest):
        x += wide + (widest[k - 1] + gap if k else 0.0)
        centre.append(x)
    place = {k: centre[k] for k in range(plan.columns)}
    return {
        n: Box(n, place[plan.layer[n]], ROW * plan.height[n], half[n], roles[n])
        for n in graph.names
    } | {
        # where long edges pass, as boxes without a name: level as long as the column is wide
        f"\0{a}\0{b}\0{i}": Box("", place[k], ROW * h, widest[k], "")
        for (a, b), steps in plan.route.items()
        for i, (k, h) in enumerate(steps)
    }


def short(name: str) -> str:
    """A name as a node shows it."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def lines_of(groups: Groups, boxes: Mapping[str, Box]) -> list[Line]:
    """How every edge runs: attached along the sides of its nodes in the order of where it goes."""
    keys = [k for k in groups if k[0] != k[1]]
    ends: dict[tuple[str, int], list[tuple[float, tuple, int]]] = {}
    paths = {}
    for key in keys:
        a, b = boxes[key[0]], boxes[key[1]]
        passing = [boxes[k] for k in _passing(boxes, key)]
        side = 1 if (b.x, 1) > (a.x, 0) else -1
        other = -side if a.x != b.x else side
        paths[key] = a, passing, b, side, other
        nexts = (passing or [b])[0].y, (passing or [a])[-1].y
        ends.setdefault((key[0], side), []).append((nexts[0], key, 0))
        ends.setdefault((key[1], other), []).append((nexts[1], key, 1))
    port: dict[tuple[tuple, int], float] = {}
    for own in ends.values():
        own.sort(key=lambda e: (e[0], str(e[1]), e[2]))
        spread = min(8.0, (HEIGHT - 8) / max(len(own) - 1, 1))
        for i, (_, key, end) in enumerate(own):
            port[key, end] = spread * (i - (len(own) - 1) / 2)
    out = [Line(v, k[3], _loop(boxes[k[0]])) for k, v in groups.items() if k[0] == k[1]]
    for key, (a, passing, b, side, other) in paths.items():
        start = a.x + side * a.half, a.y + port[key, 0]
        stop = b.x + other * b.half, b.y + port[key, 1]
        between = [(p.x + way * p.half, p.y) for p in passing for way in (-side, side)]
        points = [start, *between, stop]
        out.append(Line(groups[key], key[3], _curve(points, side, same=a.x == b.x)))
    return out


def _passing(boxes: Mapping[str, Box], key: Key) -> list[str]:
    names, i = [], 0
    while (name := f"\0{key[0]}\0{key[1]}\0{i}") in boxes:
        names.append(name)
        i += 1
    return names


def _curve(points: Sequence[tuple[float, float]], side: int, *, same: bool) -> Points:
    """A smooth line through points, level at both ends and never swinging past a point.

    Cubic Hermite pieces with harmonic means of the slopes on both sides (Fritsch and Butland 1984).
    """
    p = np.array(points)
    if same:
        t = np.linspace(0, 1, STEPS)[:, None]
        aside = np.array([side * (24 + 0.18 * abs(p[1, 1] - p[0, 1])), 0.0])
        a, b = p[0], p[1]
        inner = 3 * (1 - t) ** 2 * t * (a + aside) + 3 * (1 - t) * t**2 * (b + aside)
        return (1 - t) ** 3 * a + inner + t**3 * b
    step = np.diff(p, axis=0)
    slope = step[:, 1] / step[:, 0]
    one, other = slope[:-1], slope[1:]
    whole = one + other
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(one * other > 0, 2 * one * other / whole, 0.0)
    x, y, bend = _rising(p[:, 0], p[:, 1], np.concatenate([[0], middle, [0]]))
    spline = CubicHermiteSpline(x, y, bend)
    run = np.concatenate(
        [np.linspace(a, b, STEPS) for a, b in zip(p[:-1, 0], p[1:, 0], strict=True)]
    )
    return np.stack([run, spline(run)], 1)


def _rising(x: np.ndarray, y: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same points from left to right."""
    return (x, y, slope) if x[-1] > x[0] else (x[::-1], y[::-1], slope[::-1])


def _loop(box: Box) -> Points:
    """A variable's own past: a loop over its right shoulder."""
    angle = np.linspace(np.pi * 1.2, -np.pi * 0.2, STEPS)
    x = box.x + box.half - 18 + LOOP * np.cos(angle)
    return np.stack([x, box.y + HEIGHT / 2 + 5 + LOOP * np.sin(angle) * 0.9], 1)
