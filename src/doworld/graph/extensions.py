"""The graphs that an open graph stands for: every way its open edges may point."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from doworld._core.errors import GraphError
from doworld.graph.equivalence import implied
from doworld.graph.graph import CausalGraph, Edge, Mark

__all__ = ["extension", "extensions"]

Arrows = Bool[np.ndarray, "nodes nodes"]


def extensions(
    graph: CausalGraph, *, colliders: bool = False, most: int = 10_000
) -> list[CausalGraph]:
    """All graphs without open edges that say the same about independence as ``graph``.

    Open edges within the row are pointed in every way that closes no cycle and makes no new
    collider i → k ← j of unlinked i and j, causes at earlier rows included (Verma & Pearl 1990;
    directions that follow are taken at once, Meek 1995). ``discover`` also leaves open what
    resampled logs disagree on; such edges may point either way, and ``colliders`` lets them. Edges
    with marks of unobserved causes are kept as they are.

    Raises ``GraphError`` where there are more than ``most`` graphs, and where the open edges cannot
    be pointed at all.

    >>> g = CausalGraph(("a", "b"), (Edge("a", "b", 0, Mark.UNDIRECTED),), max_lag=0)
    >>> [str(e) for h in extensions(g) for e in h.edges()]
    ['a(t) --> b(t)', 'b(t) --> a(t)']
    """
    open_edges = [e for e in graph.links if e.mark is Mark.UNDIRECTED]
    if any(e.lag for e in open_edges):
        late = next(e for e in open_edges if e.lag)
        raise GraphError(f"{late} is open, yet the past cannot be an effect. Direct it.")
    nodes, out = _arrows(graph)
    found: list[CausalGraph] = []
    for pointed in _pointed(out, colliders):
        if len(found) == most:
            raise GraphError(
                f"the graph stands for more than {most:,} graphs. Direct some of its "
                f"{len(open_edges)} open edges by prior knowledge, or raise ``most``."
            )
        found.append(replace(graph, links=tuple(_directed(e, nodes, pointed) for e in graph.links)))
    if not found:
        raise GraphError(
            "no way to point the open edges avoids both cycles and new colliders. Where they are "
            "open because resampled logs disagree, allow new colliders: colliders=True."
        )
    return found


def extension(graph: CausalGraph) -> CausalGraph:
    """One graph without open edges that ``graph`` stands for, all of one class saying the same.

    Where open edges can only be pointed with new colliders, as where resampled logs disagree, one
    that has them. Raises ``GraphError`` for open edges over time and for cycles.

    >>> g = CausalGraph(("a", "b"), (Edge("a", "b", 0, Mark.UNDIRECTED),), max_lag=0)
    >>> [str(e) for e in extension(g).edges()]
    ['a(t) --> b(t)']
    """
    if any(e.mark is Mark.UNDIRECTED and e.lag for e in graph.links):
        return extensions(graph)[0]
    nodes, out = _arrows(graph)
    for free in (False, True):
        for pointed in _pointed(out, free):
            links = tuple(_directed(e, nodes, pointed) for e in graph.links)
            return replace(graph, links=links)
    return extensions(graph, colliders=True)[0]


def _arrows(graph: CausalGraph) -> tuple[dict[tuple[str, int], int], Arrows]:
    """The nodes, and ``[i, j]``: i may cause j."""
    links = [e for e in graph.links if e.mark in (Mark.DIRECTED, Mark.UNDIRECTED)]
    names = [(n, 0) for n in graph.names] + [(e.source, e.lag) for e in links if e.lag]
    nodes = {node: i for i, node in enumerate(dict.fromkeys(names))}
    out = np.zeros((len(nodes), len(nodes)), bool)
    for e in links:
        i, j = nodes[e.source, e.lag], nodes[e.target, 0]
        out[i, j] = True
        out[j, i] |= e.mark is Mark.UNDIRECTED
    return nodes, out


def _directed(edge: Edge, nodes: dict[tuple[str, int], int], out: Arrows) -> Edge:
    if edge.mark is not Mark.UNDIRECTED:
        return edge
    i, j = nodes[edge.source, 0], nodes[edge.target, 0]
    if out[i, j]:
        return replace(edge, mark=Mark.DIRECTED)
    return replace(edge, source=edge.target, target=edge.source, mark=Mark.DIRECTED)


def _pointed(out: Arrows, free: bool) -> Iterator[Arrows]:
    """Depth first: the first open edge one way, what follows from it, and then the other way."""
    ends = np.flatnonzero((out & out.T).any(0))
    colliders = _colliders(out, ends)
    stack = [out]
    while stack:
        now = stack.pop()
        while not free and (more := implied(now)).any():
            if (more & more.T).any():
                break
            now = now & ~more.T
        if _cyclic(now) or not (free or (_colliders(now, ends) == colliders).all()):
            continue
        choice = np.argwhere(np.triu(now & now.T))
        if not len(choice):
            yield now
            continue
        i, j = choice[0]
        forward, back = now.copy(), now.copy()
        forward[j, i] = back[i, j] = False
        stack += [back, forward]


def _colliders(out: Arrows, ends: Int[np.ndarray, " ends"]) -> Bool[np.ndarray, "nodes nodes ends"]:
    """``[i, j, k]``: i → k ← j with i and j not linked, for the nodes k of ``ends``."""
    arrows, linked = (out & ~out.T)[:, ends], out | out.T
    apart = ~linked & ~np.eye(len(out), dtype=bool)
    return arrows[:, None, :] & arrows[None, :, :] & apart[..., None]


def _cyclic(out: Arrows) -> bool:
    left = out & ~out.T
    alive = np.ones(len(out), bool)
    while alive.any():
        roots = alive & ~left[alive].any(0)
        if not roots.any():
            return True
        alive &= ~roots
    return False
