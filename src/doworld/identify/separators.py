"""Sets that separate two sides of an undirected graph: all minimal ones, and the cheapest."""

from collections.abc import Hashable, Iterator, Mapping

from doworld.graph import MixedGraph

__all__ = ["Sides", "cheapest", "minimal", "sides"]

Node = Hashable
Near = dict[Node, set[Node]]


class _End:
    """One of the two sides, contracted to a node."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


Sides = tuple[Near, _End, _End]


def sides(
    graph: MixedGraph, one: frozenset[Node], other: frozenset[Node], allowed: frozenset[Node]
) -> Sides | None:
    r"""The augmented graph of An(one ∪ other), each side one node, only ``allowed`` nodes between.

    In it, vertex separators are exactly the m-separating subsets of these ancestors (Richardson
    2003); the minimal m-separators are all among them (van der Zander et al. 2014). None where the
    sides are linked whatever is taken.
    """
    world = graph.subgraph(graph.ancestors(one | other))
    near: Near = {n: set() for n in world.nodes}
    for district in world.districts():
        # nodes joined by a path of colliders are neighbours: a district and its parents
        clique = district.union(*(world.parents[n] for n in district))
        for n in clique:
            near[n] |= clique - {n}
    for n in world.nodes:
        if n not in allowed and n not in one and n not in other:
            _see_through(near, n)
    first, last = _End("one"), _End("other")
    _contract(near, one, first)
    _contract(near, other, last)
    return None if last in near[first] else (near, first, last)


def _see_through(near: Near, node: Node) -> None:
    around = near.pop(node)
    for n in around:
        near[n] |= around - {n}
        near[n].discard(node)


def _contract(near: Near, nodes: frozenset[Node], into: _End) -> None:
    around: set[Node] = set()
    for n in nodes:
        if n in near:
            around |= near.pop(n)
    around -= nodes
    near[into] = around
    for n in around:
        near[n] -= nodes
        near[n].add(into)


def _component(near: Near, start: Node, without: set[Node]) -> set[Node]:
    found, frontier = {start}, [start]
    while frontier:
        more = near[frontier.pop()] - found - without
        found |= more
        frontier += more
    return found


def _closest(near: Near, around: set[Node], last: Node) -> frozenset[Node] | None:
    """The minimal separator nearest to a connected set; None where it touches the far side."""
    edge = set().union(*(near[n] for n in around)) - around
    if last in edge:
        return None
    far = _component(near, last, edge | around)
    return frozenset(n for n in edge if not near[n].isdisjoint(far))


def minimal(found: Sides, *, far: bool = False) -> Iterator[frozenset[Node]]:
    """All minimal separators, one by one, nearest first (Shen & Liang 1997); ``far`` turns round.

    From each separator, each of its nodes is taken to the near side and the nearest separator
    behind it follows; every minimal separator is reached so.
    """
    near, first, last = found
    if far:
        first, last = last, first
    start = _closest(near, {first}, last)
    if start is None:
        return
    seen, queue = {start}, [start]
    while queue:
        now = queue.pop(0)
        yield now
        side = _component(near, first, set(now))
        for node in sorted(now, key=str):
            then = _closest(near, side | {node}, last)
            if then is not None and then not in seen:
                seen.add(then)
                queue.append(then)


def cheapest(found: Sides, costs: Mapping[Node, float]) -> frozenset[Node]:
    """The separator of least total cost, 1 a node unless told: a cut through split nodes."""
    import networkx as nx

    near, first, last = found
    flow = nx.DiGraph()
    flow.add_nodes_from([(first, 1), (last, 0)])
    for n, around in near.items():
        if n not in (first, last):
            flow.add_edge((n, 0), (n, 1), capacity=float(costs.get(n, 1.0)))
        for m in around:
            flow.add_edge((n, 1), (m, 0))
    _, (reached, _) = nx.minimum_cut(flow, (first, 1), (last, 0))
    return frozenset(
        n for n in near if n not in (first, last) and (n, 0) in reached and (n, 1) not in reached
    )
