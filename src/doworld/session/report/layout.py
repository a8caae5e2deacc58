"""Where the nodes of a drawn graph stand: layers from causes to effects, few crossings.

States that act on each other in circles are put in an order with few edges backwards (Eades, Lin
and Smyth 1993), layers are longest paths along the forward edges, and long edges pass through
empty places of the layers between (Sugiyama, Tagawa and Toda 1981).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "lay_out", "settle"]

Link = tuple[str, str]
Place = str | tuple[Link, int]


@dataclass(frozen=True)
class Layout:
    """Layers from left to right, each from top to bottom, and the way of every forward edge.

    Attributes:
        layers: nodes, and places ``(edge, layer)`` that long edges pass through.
        routes: for each forward edge, the places from its source to its target.
        backward: the other edges.
    """

    layers: tuple[tuple[Place, ...], ...]
    routes: dict[Link, tuple[Place, ...]]
    backward: tuple[Link, ...]


def lay_out(first: Sequence[str], others: Sequence[str], links: Iterable[Link]) -> Layout:
    """Places ``first`` (actions, contexts) in the leftmost layer and the others by cause.

    >>> lay_out(["u"], ["x", "y"], [("u", "x"), ("x", "y"), ("y", "x")]).backward
    (('y', 'x'),)
    """
    edges = list(dict.fromkeys((a, b) for a, b in links if a != b))
    rank = {name: i for i, name in enumerate([*first, *_order(list(others), edges)])}
    forward = [(a, b) for a, b in edges if rank[a] < rank[b] and not (a in first and b in first)]
    backward = tuple(link for link in edges if link not in set(forward))
    layer = dict.fromkeys(first, 0)
    for name in sorted(others, key=rank.__getitem__):
        before = [layer[a] for a, b in forward if b == name]
        layer[name] = 1 + max(before, default=0 if first else -1)
    columns: list[list[Place]] = [[] for _ in range(1 + max(layer.values(), default=0))]
    for name in rank:
        columns[layer[name]].append(name)
    routes: dict[Link, tuple[Place, ...]] = {}
    for link in forward:
        passed = [(link, k) for k in range(layer[link[0]] + 1, layer[link[1]])]
        for place in passed:
            columns[place[1]].append(place)
        routes[link] = (link[0], *passed, link[1])
    columns = [c for c in columns if c]
    _untangle(columns, routes)
    return Layout(tuple(tuple(c) for c in columns), routes, backward)


def _order(names: list[str], edges: list[Link]) -> list[str]:
    left: list[str] = []
    right: list[str] = []
    rest = list(names)
    while rest:
        inside = [(a, b) for a, b in edges if a in rest and b in rest]
        out = {n: sum(a == n for a, _ in inside) for n in rest}
        into = {n: sum(b == n for _, b in inside) for n in rest}
        sink = next((n for n in reversed(rest) if not out[n]), None)
        if sink is not None:
            right.insert(0, sink)
            rest.remove(sink)
            continue
        fed = {n: sum(b == n for a, b in edges if a not in names) for n in rest}
        best = max(rest, key=lambda n: (not into[n], out[n] - into[n], fed[n], -names.index(n)))
        left.append(best)
        rest.remove(best)
    return left + right


def _untangle(columns: list[list[Place]], routes: dict[Link, tuple[Place, ...]]) -> None:
    """Barycentre sweeps: each node goes to the middle of its neighbours; the best order is kept."""
    pairs = [p for way in routes.values() for p in pairwise(way)]
    best, order = _crossings(columns, pairs), [list(c) for c in columns]
    for sweep in range(12):
        at = _heights(columns)
        right = sweep % 2 == 0
        for column in columns if right else reversed(columns):
            near: dict[Place, list[float]] = {p: [] for p in column}
            for a, b in pairs:
                here, there = (b, a) if right else (a, b)
                if here in near:
                    near[here].append(at[there])
            middle = {p: sum(v) / len(v) if v else at[p] for p, v in near.items()}
            column.sort(key=middle.__getitem__)
            at |= _heights([column])
        count = _crossings(columns, pairs)
        if count < best:
            best, order = count, [list(c) for c in columns]
    for column, kept in zip(columns, order, strict=True):
        column[:] = kept


def _heights(columns: Sequence[Sequence[Place]]) -> dict[Place, float]:
    return {p: (i + 0.5) / len(c) for c in columns for i, p in enumerate(c)}


def _crossings(columns: list[list[Place]], pairs: list[tuple[Place, Place]]) -> int:
    at = _heights(columns)
    layer = {p: k for k, c in enumerate(columns) for p in c}
    count = 0
    for i, (a, b) in enumerate(pairs):
        for c, d in pairs[i + 1 :]:
            if layer[a] == layer[c] and (at[a] - at[c]) * (at[b] - at[d]) < 0:
                count += 1
    return count


def settle(plan: Layout, room: Callable[[Place], float]) -> dict[Place, float]:
    """A height for every place: near its neighbours', in order, ``room`` apart."""
    near: dict[Place, list[Place]] = {p: [] for c in plan.layers for p in c}
    for way in plan.routes.values():
        for a, b in pairwise(way):
            near[a].append(b)
            near[b].append(a)
    at: dict[Place, float] = {}
    for column in plan.layers:
        at |= dict(zip(column, _spaced(column, [0.0] * len(column), room), strict=True))
    for _ in range(16):
        for column in plan.layers:
            wish = [_mean([at[n] for n in near[p]], at[p]) for p in column]
            at |= dict(zip(column, _spaced(column, wish, room), strict=True))
    return at


def _mean(values: Sequence[float], other: float) -> float:
    return sum(values) / len(values) if values else other


def _spaced(
    column: Sequence[Place], wish: Sequence[float], room: Callable[[Place], float]
) -> list[float]:
    """The heights nearest to ``wish`` that keep order and distance (pool adjacent violators)."""
    offset = [0.0]
    for a, b in pairwise(column):
        offset.append(offset[-1] + (room(a) + room(b)) / 2)
    pools: list[list[float]] = []
    for want, start in zip(wish, offset, strict=True):
        pools.append([want - start])
        while len(pools) > 1 and _mean(pools[-2], 0) > _mean(pools[-1], 0):
            last = pools.pop()
            pools[-1] += last
    flat = [_mean(pool, 0) for pool in pools for _ in pool]
    return [f + o for f, o in zip(flat, offset, strict=True)]
