"""Which variables a graph makes independent: d- and m-separation, unrolled in time."""

from collections import deque
from collections.abc import Iterable

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph.graph import CausalGraph, Mark

__all__ = ["Node", "connected", "separated", "unrolled"]

Node = tuple[str, int]
"""A variable and how many rows ago: ``("speed", 0)`` is now, ``("speed", 2)`` two rows before."""


def unrolled(graph: CausalGraph, rows: int) -> tuple[dict[Node, set[Node]], set[frozenset[Node]]]:
    """Parents of every node over ``rows`` rows, and the pairs that share an unobserved cause.

    Raises ``GraphError`` where an edge is open: separation is a property of directions.
    """
    parents: dict[Node, set[Node]] = {(n, t): set() for n in graph.names for t in range(rows)}
    hidden: set[frozenset[Node]] = set()
    for edge in graph.edges():
        if edge.mark not in (Mark.DIRECTED, Mark.BIDIRECTED):
            raise GraphError(
                f"{edge} is open, and what is separated depends on how it points. Give it a "
                "direction, or ask each graph that ``extensions`` lists."
            )
        for t in range(rows - edge.lag):
            source, target = (edge.source, t + edge.lag), (edge.target, t)
            if edge.mark is Mark.DIRECTED:
                parents[target].add(source)
            else:
                hidden.add(frozenset((source, target)))
    return parents, hidden


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
    parents, hidden = unrolled(graph, rows)
    first, last = (_node(each, parents, graph) for each in (one, other))
    known = {_node(each, parents, graph) for each in given}
    if first == last or first in known or last in known:
        raise GraphError(
            f"{first} and {last} must differ and not be given: nothing is independent of itself. "
            "Leave them out of what is given."
        )
    return last not in _reached(first, known, parents, hidden)


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
    parents, hidden = unrolled(graph, 1 + graph.max_lag * (len(graph.names) + 1))
    first = _node(one, parents, graph)
    known = {_node(each, parents, graph) for each in given}
    return frozenset(_reached(first, known, parents, hidden))


def _node(each: str | Node, parents: dict[Node, set[Node]], graph: CausalGraph) -> Node:
    node = (each, 0) if isinstance(each, str) else (each[0], int(each[1]))
    if node[0] not in graph.names:
        raise UnknownNameError("variable", node[0], graph.names)
    if node not in parents:
        raise GraphError(
            f"{node[0]!r} {node[1]} rows ago lies outside the rows that are unrolled. "
            "Raise ``rows``."
        )
    return node


def _reached(
    start: Node,
    known: set[Node],
    parents: dict[Node, set[Node]],
    hidden: set[frozenset[Node]],
) -> set[Node]:
    """All nodes with an open path from ``start`` (Bayes-ball; Shachter 1998)."""
    children: dict[Node, set[Node]] = {n: set() for n in parents}
    spouses: dict[Node, set[Node]] = {n: set() for n in parents}
    for child, own in parents.items():
        for parent in own:
            children[parent].add(child)
    for pair in hidden:
        a, b = pair
        spouses[a].add(b)
        spouses[b].add(a)
    above = set(known)
    frontier = list(known)
    while frontier:
        for parent in parents[frontier.pop()] - above:
            above.add(parent)
            frontier.append(parent)
    # a state is a node and whether the path enters it by an arrowhead
    seen: set[tuple[Node, bool]] = set()
    queue: deque[tuple[Node, bool]] = deque([(start, False)])
    while queue:
        node, into = queue.popleft()
        if (node, into) in seen:
            continue
        seen.add((node, into))
        collides = into and node in above
        passes = node not in known
        if passes:  # out by a tail
            queue.extend((child, True) for child in children[node])
        if collides or (not into and passes):  # out by an arrowhead at this node
            queue.extend((parent, False) for parent in parents[node])
            queue.extend((spouse, True) for spouse in spouses[node])
    return {node for node, _ in seen if node not in known}
