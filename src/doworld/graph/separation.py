"""Which variables a graph makes independent: d- and m-separation, unrolled in time."""

from collections.abc import Iterable, Sequence

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph.graph import CausalGraph, Edge, Mark
from doworld.graph.mixed import MixedGraph

__all__ = ["Node", "connected", "separated", "unrolled"]

Node = tuple[str, int]
"""A variable and how many rows ago: ``("speed", 0)`` is now, ``("speed", 2)`` two rows before."""


def unrolled(names: Sequence[str], links: Iterable[Edge], rows: int) -> MixedGraph[Node]:
    """The links over ``rows`` rows, one node for every variable and row, the oldest first.

    Raises ``GraphError`` where an edge is open: separation is a property of directions.
    """
    directed, hidden = set(), set()
    for edge in links:
        if edge.mark not in (Mark.DIRECTED, Mark.BIDIRECTED):
            raise GraphError(
                f"{edge} is open, and what is separated depends on how it points. Give it a "
                "direction, or ask each graph that ``extensions`` lists."
            )
        pairs = directed if edge.mark is Mark.DIRECTED else hidden
        pairs |= {((edge.source, t + edge.lag), (edge.target, t)) for t in range(rows - edge.lag)}
    nodes = tuple((n, t) for t in reversed(range(rows)) for n in names)
    return MixedGraph(nodes, frozenset(directed), frozenset(hidden))


def separated(
    graph: CausalGraph,
    one: str | Node,
    other: str | Node,
    given: Iterable[str | Node] = (),
    *,
    rows: int | None = None,
) -> bool:
    r"""Whether ``given`` m-separates two variables: one ⫫ other | given in every such world.

    A path is open where each of its colliders is, or has a descendant, among ``given``, and no
    other node of it is (Richardson 2003; d-separation, Pearl 1988, where no edge is bidirected).
    Names alone mean the present row. A graph over time is unrolled over ``rows`` rows, by default
    so many that a path through every variable at the longest lag fits in; links through an even
    older past are not seen.

    Raises ``UnknownNameError``, and ``GraphError`` for open edges or rows outside the unrolled
    ones.

    >>> from doworld.graph import CausalGraph, Edge
    >>> g = CausalGraph(("a", "b", "c"), (Edge("a", "b", 0), Edge("c", "b", 0)), max_lag=0)
    >>> separated(g, "a", "c"), separated(g, "a", "c", ["b"])
    (True, False)
    >>> g = CausalGraph(("x", "y"), (Edge("x", "x"), Edge("x", "y")))
    >>> separated(g, ("x", 2), "y", [("x", 1)])
    True
    """
    if rows is None:
        rows = 1 + graph.max_lag * (len(graph.names) + 1)
    world = unrolled(graph.names, graph.edges(), rows)
    first, last = (_node(each, world, graph) for each in (one, other))
    known = {_node(each, world, graph) for each in given}
    if first == last or first in known or last in known:
        raise GraphError(
            f"{first} and {last} must differ and not be given: nothing is independent of itself. "
            "Leave them out of what is given."
        )
    return world.separated([first], [last], known)


def connected(
    graph: CausalGraph, one: str | Node, given: Iterable[str | Node] = ()
) -> frozenset[Node]:
    """Every node that ``given`` does not m-separate from ``one``, that one itself included.

    As in ``separated``, over as many rows, and with the same errors.

    >>> from doworld.graph import CausalGraph, Edge
    >>> g = CausalGraph(("a", "b", "c"), (Edge("a", "b", 0), Edge("b", "c", 0)), max_lag=0)
    >>> sorted(connected(g, "c", ["b"]))
    [('c', 0)]
    """
    world = unrolled(graph.names, graph.edges(), 1 + graph.max_lag * (len(graph.names) + 1))
    first = _node(one, world, graph)
    return world.connected([first], {_node(each, world, graph) for each in given})


def _node(each: str | Node, world: MixedGraph[Node], graph: CausalGraph) -> Node:
    node = (each, 0) if isinstance(each, str) else (each[0], int(each[1]))
    if node[0] not in graph.names:
        raise UnknownNameError("variable", node[0], graph.names)
    if node not in world.position:
        raise GraphError(
            f"{node[0]!r} {node[1]} rows ago lies outside the rows that are unrolled. "
            "Raise ``rows``."
        )
    return node
