"""Where nodes stand and how edges run: a layered drawing with few crossings.

Causes stand to the left of effects. Cycles are opened where fewest edges run backwards (Eades, Lin
and Smyth 1993), layers are filled from the left up to a width (Coffman and Graham 1972), orders
within layers follow neighbours' means (Sugiyama, Tagawa and Toda 1981), long edges pass layers by
places of their own, and heights are the nearest to neighbours' that keep order and distance
(isotonic regression).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout", "Link", "layout"]

Link = tuple[str, str]
Place = tuple[float, float]
SWEEPS, PULLS = 16, 24
APART, BESIDE = 1.0, 0.42
"""Distance of two nodes in a layer, and of a passing edge from what is beside it."""


@dataclass(frozen=True)
class Layout:
    """A drawing in units of one row of nodes.

    Attributes:
        layer: each node's column, from the left.
        height: each node's place within it, upwards.
        route: for each link of nodes in different columns, the (column, height) places it passes
            between its ends, from the first to the second.
        columns: how many there are.
    """

    layer: Mapping[str, int]
    height: Mapping[str, float]
    route: Mapping[Link, tuple[tuple[int, float], ...]]
    columns: int


def layout(
    names: Sequence[str], directed: Sequence[Link], other: Sequence[Link], rank: Mapping[str, int]
) -> Layout:
    """A drawing of ``names`` with edges that point and others that do not.

    Nodes of a lower ``rank`` (what comes from outside) stand before others, of a higher (what is
    gained) behind.

    >>> found = layout("abc", [("a", "b"), ("b", "c"), ("a", "c")], [], {})
    >>> [found.layer[n] for n in "abc"], len(found.route["a", "c"])
    ([0, 1, 2], 1)
    """
    order = _order(names, directed, rank)
    layer = _layers(order, [*directed, *other], rank)
    grid, routes = _grid(order, layer, [*directed, *other])
    near = _neighbours(grid, routes, [*directed, *other], layer)
    rows = _ordered(grid, near)
    height = _heights(rows, near)
    route = {link: tuple((k, height[link, k]) for k in between) for link, between in routes.items()}
    return Layout(layer, {n: height[n] for n in names}, route, max(layer.values(), default=-1) + 1)


def _order(names: Sequence[str], directed: Sequence[Link], rank: Mapping[str, int]) -> list[str]:
    """The variables so that few edges point backwards: sinks last, sources first, else the one
    with most edges out beyond those in."""
    place = {n: i for i, n in enumerate(names)}
    out: list[str] = []
    for level in sorted({rank.get(n, 0) for n in names}):
        left = {n for n in names if rank.get(n, 0) == level}
        links = {(a, b) for a, b in directed if a in left and b in left and a != b}
        first: list[str] = []
        last: list[str] = []
        while left:
            goes = dict.fromkeys(left, 0)
            comes = dict.fromkeys(left, 0)
            for a, b in links:
                goes[a] += 1
                comes[b] += 1
            ranked = sorted(left, key=place.__getitem__)
            sink = next((n for n in ranked if not goes[n] and comes[n]), None)
            source = next((n for n in ranked if not comes[n]), None)
            best = sink or source or max(ranked, key=lambda n: goes[n] - comes[n])
            (last if best == sink else first).append(best)
            left.remove(best)
            links = {(a, b) for a, b in links if best not in (a, b)}
        out += first + last[::-1]
    return out


def _layers(order: Sequence[str], links: Sequence[Link], rank: Mapping[str, int]) -> dict[str, int]:
    """The first column behind all that comes before, with room; wide where there are many."""
    most = max(4, int(np.ceil(1.15 * np.sqrt(len(order)))))
    place = {n: i for i, n in enumerate(order)}
    before: dict[str, list[str]] = {n: [] for n in order}
    for a, b in links:
        if a != b:
            early, late = (a, b) if place[a] < place[b] else (b, a)
            before[late].append(early)
    alone = [n for n in order if not before[n] and not any(n in own for own in before.values())]
    filled: dict[int, int] = {}
    out: dict[str, int] = {}
    for n in [n for n in order if n not in alone]:
        k = max((out[p] + 1 for p in before[n]), default=0)
        while filled.get(k, 0) >= most:
            k += 1
        out[n] = k
        filled[k] = filled.get(k, 0) + 1
    ends = [n for n in out if rank.get(n, 0) > 0 and n in out]
    last = max(out.values(), default=0)
    for n in ends:  # what is gained stands last
        out[n] = last if last > max((out[p] for p in before[n]), default=-1) else last + 1
    for i, n in enumerate(alone):  # what nothing is linked to fills the columns from the left
        out[n] = i % (last + 1)
    return out


Item = object
Grid = list[list[Item]]


def _grid(
    order: Sequence[str], layer: Mapping[str, int], links: Sequence[Link]
) -> tuple[Grid, dict[Link, list[int]]]:
    """Nodes and passing edges by column; a passing edge is (link, column)."""
    grid: Grid = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for n in order:
        grid[layer[n]].append(n)
    routes: dict[Link, list[int]] = {}
    for link in links:
        a, b = layer[link[0]], layer[link[1]]
        between = list(range(a + 1, b)) if a < b else list(range(a - 1, b, -1))
        routes[link] = between
        for k in between:
            grid[k].append((link, k))
    return grid, routes


def _neighbours(
    grid: Grid, routes: Mapping[Link, list[int]], links: Sequence[Link], layer: Mapping[str, int]
) -> dict[Item, list[Item]]:
    """What each item is joined to in the columns beside it."""
    near: dict[Item, list[Item]] = {item: [] for column in grid for item in column}
    for link in links:
        chain: list[Item] = [link[0], *((link, k) for k in routes[link]), link[1]]
        if layer[link[0]] == layer[link[1]]:
            continue
        for a, b in itertools.pairwise(chain):
            near[a].append(b)
            near[b].append(a)
    return near


def _ordered(grid: Grid, near: Mapping[Item, list[Item]]) -> Grid:
    """The columns in orders with few crossings: means of the column before, then behind."""
    rows = [list(c) for c in grid]
    best, fewest = [list(c) for c in rows], _crossings(rows, near)
    for sweep in range(SWEEPS):
        turn = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        for k in turn:
            beside = rows[k - 1] if sweep % 2 == 0 else rows[k + 1]
            at = {item: i / max(len(beside) - 1, 1) for i, item in enumerate(beside)}
            own = {item: i / max(len(rows[k]) - 1, 1) for i, item in enumerate(rows[k])}

            def mean(item, at=at, own=own) -> float:
                seen = [at[o] for o in near[item] if o in at]
                return float(np.mean(seen)) if seen else own[item]

            rows[k].sort(key=mean)
        now = _crossings(rows, near)
        if now < fewest:
            best, fewest = [list(c) for c in rows], now
    return best


def _crossings(rows: Grid, near: Mapping[Item, list[Item]]) -> int:
    total = 0
    for one, other in itertools.pairwise(rows):
        at = {item: i for i, item in enumerate(other)}
        ends = [sorted(at[o] for o in near[item] if o in at) for item in one]
        flat = np.array([j for own in ends for j in own])
        total += int(np.triu(flat[:, None] > flat[None, :], 1).sum()) if len(flat) else 0
    return total


def _heights(rows: Grid, near: Mapping[Item, list[Item]]) -> dict[Item, float]:
    """Each item near the mean of its neighbours, in order and apart."""
    height: dict[Item, float] = {}
    steps = []
    for column in rows:
        gaps = [_gap(a, b) for a, b in itertools.pairwise(column)]
        steps.append(np.concatenate([[0.0], np.cumsum(gaps)]))
        middle = steps[-1][-1] / 2
        height |= {item: float(s - middle) for item, s in zip(column, steps[-1], strict=True)}
    for pull in range(PULLS):
        turn = range(len(rows)) if pull % 2 == 0 else range(len(rows) - 1, -1, -1)
        for k in turn:
            column = rows[k]
            wish = np.array([_wish(item, near[item], height) for item in column])
            weight = np.array([1.0 + 3.0 * (not isinstance(item, str)) for item in column])
            fixed = _isotonic(wish - steps[k], weight) + steps[k]
            height |= {item: float(h) for item, h in zip(column, fixed, strict=True)}
    return height


def _wish(item: Item, beside: Sequence[Item], height: Mapping[Item, float]) -> float:
    """Where an item would stand straightest; long edges pull hardest on their own middles."""
    if not beside:
        return height[item]
    pull = [(1.0, 2.0, 8.0)[2 - isinstance(item, str) - isinstance(o, str)] for o in beside]
    return float(np.average([height[o] for o in beside], weights=pull))


def _gap(one: Item, other: Item) -> float:
    both = isinstance(one, str) + isinstance(other, str)
    return (BESIDE, (APART + BESIDE) / 2, APART)[both]


def _isotonic(wish: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The nearest non-decreasing numbers (pool adjacent violators; Barlow et al. 1972)."""
    blocks: list[list[float]] = []
    for w, y in zip(weight, wish, strict=True):
        blocks.append([float(y), float(w), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            y2, w2, n2 = blocks.pop()
            y1, w1, n1 = blocks.pop()
            blocks.append([(y1 * w1 + y2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return np.concatenate([np.full(int(n), y) for y, _, n in blocks]) if blocks else wish
