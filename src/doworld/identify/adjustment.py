"""Adjustment sets: which are valid, all minimal ones, the optimal and the cheapest."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import islice

from doworld.graph import CausalGraph, MixedGraph
from doworld.identify.effects import checked, words
from doworld.identify.estimand import Expression, Probability, product, total
from doworld.identify.mixed import mixed
from doworld.identify.separators import cheapest, minimal, sides
from doworld.identify.verdict import Cause, Estimand, Identified, NotIdentified, Way

__all__ = [
    "adjusted",
    "adjustment_set",
    "adjustment_sets",
    "adjustment_verdict",
    "cheapest_adjustment",
    "forbidden_nodes",
    "optimal_adjustment",
    "valid_adjustment",
]

Node = Hashable
Nodes = Node | Iterable[Node]
MOST = 1000
"""Minimal sets that are listed unless more are asked for."""


def adjustment_set(
    graph: CausalGraph | MixedGraph,
    treatment: Nodes,
    outcome: Nodes,
    *,
    allowed: Iterable[Node] | None = None,
) -> tuple[Node, ...] | None:
    r"""A valid adjustment set, the optimal one where it can be had; None where there is none.

    P(y | do(x)) = Σ_z P(y | x, z) P(z). Nodes are names, or (name, rows ago) for a graph over
    time, which is unrolled as far as the nodes reach; ``allowed`` are those that may be adjusted
    for, by default all. Raises ``UnknownNameError``, ``QueryError``, and ``GraphError`` for open
    edges.

    >>> g = MixedGraph.of("z -> x -> y", "z -> y", "w -> y")
    >>> adjustment_set(g, "x", "y")
    ('z', 'w')
    """
    world, x, y = _asked(graph, treatment, outcome)
    may = _may(world, x, y, allowed)
    best = optimal_adjustment(world, x, y)
    if best is not None and frozenset(best) <= may:
        return best
    found = _sides(world, x, y, may)
    if found is None:
        return None
    return world.sorted(next(minimal(found, far=True)))


def adjustment_sets(
    graph: CausalGraph | MixedGraph,
    treatment: Nodes,
    outcome: Nodes,
    *,
    allowed: Iterable[Node] | None = None,
    most: int = MOST,
) -> Iterator[tuple[Node, ...]]:
    """All minimal valid adjustment sets, one by one, those nearest to the treatment first.

    Minimal: no part of it is valid too (van der Zander, Liśkiewicz & Textor 2014). At most
    ``most``; there may be exponentially many. Raises as ``adjustment_set``.

    >>> g = MixedGraph.of("a -> b -> x -> y", "a -> y")
    >>> list(adjustment_sets(g, "x", "y"))
    [('b',), ('a',)]
    """
    world, x, y = _asked(graph, treatment, outcome)
    found = _sides(world, x, y, _may(world, x, y, allowed))
    return iter(()) if found is None else map(world.sorted, islice(minimal(found), most))


def cheapest_adjustment(
    graph: CausalGraph | MixedGraph,
    treatment: Nodes,
    outcome: Nodes,
    costs: Mapping[Node, float],
    *,
    allowed: Iterable[Node] | None = None,
) -> tuple[Node, ...] | None:
    """The valid set of least total cost (1 for a node without one), or None; raises as above.

    >>> g = MixedGraph.of("a -> b -> x -> y", "a -> y")
    >>> cheapest_adjustment(g, "x", "y", {"b": 5.0, "a": 2.0})
    ('a',)
    """
    world, x, y = _asked(graph, treatment, outcome)
    found = _sides(world, x, y, _may(world, x, y, allowed))
    return None if found is None else world.sorted(cheapest(found, costs))


def valid_adjustment(
    graph: CausalGraph | MixedGraph, treatment: Nodes, outcome: Nodes, given: Iterable[Node]
) -> bool:
    r"""Whether Σ_z P(y | x, z) P(z) = P(y | do(x)) in every world of the graph (Perković 2018).

    ``given`` may hold nothing behind a proper causal path, and must close every other path: it
    m-separates x and y in the graph without the first edges of the proper causal paths.

    >>> m = MixedGraph.of("a -> x", "a -> m", "b -> m", "b -> y")
    >>> valid_adjustment(m, "x", "y", []), valid_adjustment(m, "x", "y", ["m"])
    (True, False)
    """
    world, x, y = _asked(graph, treatment, outcome)
    z, _ = checked(world, given, x | y)
    if z & forbidden_nodes(world, x, y):
        return False
    return without_causal(world, x, y).separated(x, y, z)


def optimal_adjustment(
    graph: CausalGraph | MixedGraph, treatment: Nodes, outcome: Nodes
) -> tuple[Node, ...] | None:
    """The set with the least asymptotic variance of all (Henckel, Perković & Maathuis 2022).

    O = pa(cn) less cn's descendants and x, with cn the nodes on proper causal paths. With
    unobserved causes, the colliders that lead on from cn and their parents join (Runge 2021); the
    set is returned only where it is valid. None where it is not.

    >>> optimal_adjustment(MixedGraph.of("z -> x -> y", "w -> y"), "x", "y")
    ('w',)
    """
    world, x, y = _asked(graph, treatment, outcome)
    on_the_way = causal_nodes(world, x, y)
    if not on_the_way:
        on_the_way = y
    bad = world.descendants(on_the_way) | x
    start = frozenset(on_the_way)
    reach = set(start)
    frontier = list(start)
    while frontier:  # colliders behind bidirected edges that are no descendants
        for s in world.spouses[frontier.pop()]:
            if s not in reach and s not in bad:
                reach.add(s)
                frontier.append(s)
    for chosen in (reach, set(start)):
        colliders = chosen - start
        found = colliders.union(*(world.parents[n] for n in chosen)) - bad - y
        if valid_adjustment(world, x, y, found):
            return world.sorted(found)
    return None


def adjusted(
    graph: MixedGraph, x: frozenset[Node], y: frozenset[Node], given: Iterable[Node]
) -> Expression:
    """Σ_z P(y | x, z) P(z)."""
    z = graph.sorted(given)
    law = Probability(graph.sorted(y), (*graph.sorted(x), *z))
    return total(z, product([law, Probability(z)])) if z else law


def adjustment_verdict(
    graph: CausalGraph | MixedGraph, treatment: Nodes, outcome: Nodes, given: Iterable[Node]
) -> Identified | NotIdentified:
    """Whether a set that somebody chose may be adjusted for, and why not."""
    world, x, y = _asked(graph, treatment, outcome)
    z, _ = checked(world, given, x | y)
    behind = z & forbidden_nodes(world, x, y)
    own = words(world, z) or "nothing"
    if behind:
        return NotIdentified(
            f"{words(world, behind)} lies behind the treatment on a way to the outcome: adjusting "
            "for it takes away a part of the effect or opens a false path.",
            f"Leave {words(world, behind)} out of the adjustment.",
            Cause.ADJUSTMENT,
        )
    if not valid_adjustment(world, x, y, z):
        other = adjustment_set(world, x, y)
        fix = (
            "No adjustment set is valid here: leave the choice to the graph (adjust=None)."
            if other is None
            else f"Adjust for {words(world, other) or 'nothing'}."
        )
        return NotIdentified(
            f"Adjusting for {own} leaves a path open between {words(world, x)} and "
            f"{words(world, y)} that is no effect.",
            fix,
            Cause.ADJUSTMENT,
        )
    formula = adjusted(world, x, y, z)
    estimand = Estimand(formula, Way.ADJUSTMENT, adjustment=world.sorted(z))
    return Identified(estimand, (f"{own} closes every path that is no effect.",))


def forbidden_nodes(graph: MixedGraph, x: frozenset[Node], y: frozenset[Node]) -> frozenset[Node]:
    """Descendants of the nodes on proper causal paths, which no set may hold."""
    return graph.descendants(causal_nodes(graph, x, y))


def causal_nodes(graph: MixedGraph, x: frozenset[Node], y: frozenset[Node]) -> frozenset[Node]:
    """Nodes other than x on a directed path from x to y that meets x only at its start."""
    below = graph.cut(into=x).descendants(x) - x
    return below & graph.cut(out_of=x).ancestors(y)


def without_causal(graph: MixedGraph, x: frozenset[Node], y: frozenset[Node]) -> MixedGraph:
    on_the_way = causal_nodes(graph, x, y)
    edges = frozenset(e for e in graph.directed if not (e[0] in x and e[1] in on_the_way))
    return MixedGraph(graph.nodes, edges, graph.bidirected)


def _sides(graph: MixedGraph, x: frozenset[Node], y: frozenset[Node], may: frozenset[Node]):
    return sides(without_causal(graph, x, y), x, y, may)


def _may(
    graph: MixedGraph, x: frozenset[Node], y: frozenset[Node], allowed: Iterable[Node] | None
) -> frozenset[Node]:
    every = frozenset(graph.nodes if allowed is None else checked(graph, allowed, y)[0])
    return every - x - y - forbidden_nodes(graph, x, y)


def _asked(
    graph: CausalGraph | MixedGraph, treatment: Nodes, outcome: Nodes
) -> tuple[MixedGraph, frozenset[Node], frozenset[Node]]:
    x, y = _several(treatment), _several(outcome)
    world = graph if isinstance(graph, MixedGraph) else mixed(graph, (*x, *y))
    return (world, *checked(world, x, y))


def _several(nodes: Nodes) -> tuple[Node, ...]:
    if isinstance(nodes, str) or not isinstance(nodes, Iterable):
        return (nodes,)
    if isinstance(nodes, tuple) and len(nodes) == 2 and isinstance(nodes[1], int):
        return (nodes,)  # one node of a graph over time
    return tuple(nodes)
