"""A causal graph as the mixed graph that identification works on, static or unrolled in time."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import NamedTuple

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph import CausalGraph, Edge, Mark, MixedGraph
from doworld.graph.separation import Node as Moment
from doworld.graph.separation import unrolled

__all__ = ["may_act", "mixed", "mixed_worlds", "open_between", "world_count"]

Node = Hashable


class _Way(NamedTuple):
    hidden: bool
    back: bool


WAYS = {
    Mark.UNDIRECTED: _Way(hidden=False, back=True),
    Mark.PARTIAL: _Way(hidden=True, back=False),
    Mark.CIRCLE: _Way(hidden=True, back=True),
}
"""Whether an open edge may be a hidden cause, and whether it may point back."""


def mixed(graph: CausalGraph, nodes: Iterable[Node] = (), *, rows: int | None = None) -> MixedGraph:
    """The graph over names where all its edges are within a row, else over (name, rows ago).

    Over time it is unrolled over ``rows`` rows, by default as many as ``nodes`` reach back and
    ``max_lag`` + 1 more, since a law's causes and what confounds them lie before. What the rows
    before these do to the oldest ones becomes bidirected edges among these, so that what is
    separated in the finite graph is separated in the endless one. Raises ``GraphError`` for open
    edges and ``UnknownNameError`` for nodes of other variables.

    >>> from doworld.graph import Edge
    >>> str(mixed(CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0)))
    'a -> b'
    >>> g = CausalGraph(("a", "b"), (Edge("a", "a"), Edge("a", "b")))
    >>> (("a", 1), ("b", 1)) in mixed(g, rows=2).bidirected
    True
    """
    for edge in graph.edges():
        if edge.mark in WAYS:
            raise GraphError(f"{edge} is open. Give it a direction, or ask ``gate``.")
    return next(iter(mixed_worlds(graph, nodes, rows=rows)))


def mixed_worlds(
    graph: CausalGraph,
    nodes: Iterable[Node] = (),
    *,
    rows: int | None = None,
    within: Iterable[str] | None = None,
) -> Iterator[MixedGraph]:
    """``mixed`` for every way in which the open edges may be: directions, hidden causes, or both.

    Open edges that lead to none of ``nodes``, or any where none is named, are left as they come
    first. Those with cycles in a row are left out. ``within`` keeps some variables only. Raises
    ``UnknownNameError``.

    >>> from doworld.graph import Edge
    >>> g = CausalGraph(("a", "b"), (Edge("a", "b", 0, Mark.UNDIRECTED),), max_lag=0)
    >>> [str(world) for world in mixed_worlds(g)]
    ['a -> b', 'b -> a']
    """
    nodes = tuple(nodes)
    names = [n[0] if isinstance(n, tuple) else n for n in nodes]
    for name in names:
        if name not in graph.names:
            raise UnknownNameError("variable", name, graph.names)
    timed = any(e.lag for e in graph.links) or any(isinstance(n, tuple) for n in nodes)
    if timed and rows is None:
        rows = max((n[1] for n in nodes if isinstance(n, tuple)), default=0) + graph.max_lag + 2
    kept = frozenset(graph.names if within is None else within)
    own = tuple(n for n in graph.names if n in kept)
    edges = [e for e in graph.edges() if {e.source, e.target} <= kept]
    known = [e for e in edges if e.mark not in WAYS]
    open_edges = [e for e in edges if e.mark in WAYS]
    above = may_act(graph, names or graph.names)
    ways = [_ways(e)[: None if {e.source, e.target} <= above else 1] for e in open_edges]
    for chosen in product(*ways):
        links = [*known, *(e for way in chosen for e in way)]
        if not _cyclic(links):
            yield _over_time(own, links, rows) if rows is not None and timed else _flat(own, links)


def world_count(graph: CausalGraph, nodes: Iterable[Node]) -> int:
    """How many graphs ``mixed_worlds`` goes through at most, without building them."""
    return prod(len(_ways(e)) for e in open_between(graph, nodes))


def open_between(graph: CausalGraph, nodes: Iterable[Node]) -> list[Edge]:
    """The open edges that may lead to one of ``nodes``."""
    names = [n[0] if isinstance(n, tuple) else n for n in nodes]
    above = may_act(graph, names)
    return [e for e in graph.edges() if e.mark in WAYS and {e.source, e.target} <= above]


def may_act(graph: CausalGraph, names: Iterable[Node]) -> frozenset[Node]:
    """Names that may act on one of ``names``, these included, whichever way open edges point."""
    back: dict[Node, set[Node]] = {n: set() for n in graph.names}
    for e in graph.links:
        if e.mark is not Mark.BIDIRECTED:
            back[e.target].add(e.source)
        if e.mark in (Mark.UNDIRECTED, Mark.CIRCLE):
            back[e.source].add(e.target)
    found = set(names)
    frontier = list(found)
    while frontier:
        more = back[frontier.pop()] - found
        found |= more
        frontier += more
    return frozenset(found)


def _ways(edge: Edge) -> list[tuple[Edge, ...]]:
    """What an open edge may be; the past is never an effect."""
    ahead = replace(edge, mark=Mark.DIRECTED)
    hidden = replace(edge, mark=Mark.BIDIRECTED)
    back = replace(ahead, source=edge.target, target=edge.source)
    kinds = WAYS[edge.mark]
    out = [(ahead,)]
    if kinds.hidden:
        out += [(hidden,), (ahead, hidden)]
    if kinds.back and not edge.lag:
        out += [(back,), (back, hidden)] if kinds.hidden else [(back,)]
    return out


def _cyclic(links: Iterable[Edge]) -> bool:
    left = {(e.source, e.target) for e in links if not e.lag and e.mark is Mark.DIRECTED}
    while left:
        heads = {b for _, b in left}
        roots = {e for e in left if e[0] not in heads}
        if not roots:
            return True
        left -= roots
    return False


def _flat(names: tuple[str, ...], links: Iterable[Edge]) -> MixedGraph[str]:
    pairs = {
        mark: frozenset((e.source, e.target) for e in links if e.mark is mark)
        for mark in (Mark.DIRECTED, Mark.BIDIRECTED)
    }
    return MixedGraph(names, pairs[Mark.DIRECTED], pairs[Mark.BIDIRECTED])


def _over_time(names: tuple[str, ...], links: list[Edge], rows: int) -> MixedGraph[Moment]:
    world = unrolled(names, links, rows)
    # names from before the first row that act on a node of the first rows, or share a cause with it
    before: dict[Moment, set[str]] = {}
    for edge in links:
        for t in range(max(rows - edge.lag, 0), rows):
            before.setdefault((edge.target, t), set()).add(edge.source)
    linked = _kin(names, links)
    past = list(before.items())
    pairs = {
        (one, other)
        for i, (one, causes) in enumerate(past)
        for other, others in past[:i]
        if any(b in linked[a] for a in causes for b in others)
    }
    return MixedGraph(world.nodes, world.directed, world.bidirected | pairs)


def _kin(names: tuple[str, ...], links: list[Edge]) -> dict[str, set[str]]:
    """The names that share an ancestor at any rows, observed or not, with each name."""
    flat = MixedGraph(
        names,
        frozenset(
            (e.source, e.target) for e in links if e.mark is Mark.DIRECTED and e.source != e.target
        ),
        frozenset(
            (e.source, e.target)
            for e in links
            if e.mark is Mark.BIDIRECTED and e.source != e.target
        ),
    )
    above = {n: flat.ancestors([n]) for n in names}
    kin = {n: above[n].union(*(flat.spouses[a] for a in above[n])) for n in names}
    return {a: {b for b in names if kin[a] & above[b]} for a in names}
