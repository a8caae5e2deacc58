"""Interventional laws from observed ones: the complete ID and IDC algorithms."""

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field

from doworld._core.errors import QueryError, UnknownNameError
from doworld.graph import MixedGraph
from doworld.identify.estimand import Expression, label, product, quotient, total
from doworld.identify.law import Law, ObservedLaw
from doworld.identify.verdict import Cause, Estimand, Hedge, Identified, NotIdentified, Way

__all__ = ["checked", "effect_of", "effect_or_hedge", "given_effect_of", "unidentified"]

Node = Hashable


def effect_of(
    graph: MixedGraph, treatment: Iterable[Node], outcome: Iterable[Node]
) -> Identified | NotIdentified:
    r"""P(outcome | do(treatment)) from the law of the observed nodes, or the hedge that forbids it.

    The ID algorithm (Shpitser & Pearl 2006, figure 3; ``treatment`` is x, ``outcome`` is y), sound
    and complete for semi-Markovian graphs: where it fails, no formula exists. ``steps`` keeps the
    derivation. The formula's free nodes beyond x and y are listed as ``arbitrary``.

    Raises ``UnknownNameError`` for nodes that the graph lacks, and ``QueryError`` where the sets
    overlap or are empty.

    >>> front = MixedGraph.of("x -> z -> y", "x <-> y")
    >>> str(effect_of(front, ["x"], ["y"]).estimand)
    "Σ_z P(z | x) Σ_x' P(x') P(y | x', z)"
    >>> effect_of(MixedGraph.of("x -> y", "x <-> y"), ["x"], ["y"]).hedge.inner
    frozenset({'y'})
    """
    x, y = checked(graph, treatment, outcome)
    steps: list[str] = []
    found = effect_or_hedge(graph, x, y, ObservedLaw(graph), steps)
    if isinstance(found, Hedge):
        return unidentified(graph, x, y, found, tuple(steps))
    return _identified(found, {*x, *y}, tuple(steps))


def given_effect_of(
    graph: MixedGraph,
    treatment: Iterable[Node],
    outcome: Iterable[Node],
    given: Iterable[Node],
) -> Identified | NotIdentified:
    r"""P(outcome | given, do(treatment)): the IDC algorithm (Shpitser & Pearl 2006b), complete too.

    A given node z moves into the do where rule 2 allows, (y ⫫ z | x, other given) in the graph
    without edges into x and out of z; what is left is a quotient of two effects.

    Raises as ``effect_of``.

    >>> g = MixedGraph.of("z -> x -> y", "z -> y")
    >>> str(given_effect_of(g, ["x"], ["y"], ["z"]).estimand)
    'P(y | z, x)'
    """
    x, y = checked(graph, treatment, outcome)
    z, _ = checked(graph, given, y)
    if x & z:
        raise QueryError(f"{words(graph, x & z)} is done and also given. Keep one of the two.")
    steps: list[str] = []
    done, left = set(x), set(z)
    again = True
    while again:
        again = False
        for node in graph.sorted(left):
            world = graph.cut(into=done, out_of=[node])
            if world.separated([node], y, (left - {node}) | done):
                done.add(node)
                left.remove(node)
                steps.append(f"Rule 2: seeing {label(node)} is like setting it.")
                again = True
                break
    found = effect_or_hedge(graph, frozenset(done), y | left, ObservedLaw(graph), steps)
    if isinstance(found, Hedge):
        return unidentified(graph, x, y, found, tuple(steps))
    if left:
        steps.append(f"Divide by its sum over {words(graph, y)}: given {words(graph, left)}.")
        found = quotient(found, total(graph.sorted(y), found))
    return _identified(found, {*x, *y, *z}, tuple(steps))


def _identified(found: Expression, asked: set[Node], steps: tuple[str, ...]) -> Identified:
    free = tuple(sorted(found.free - asked, key=str))
    return Identified(Estimand(found, Way.ID, arbitrary=free), steps)


def checked(
    graph: MixedGraph, treatment: Iterable[Node], outcome: Iterable[Node]
) -> tuple[frozenset[Node], frozenset[Node]]:
    """Both as disjoint sets of the graph's nodes; raises otherwise."""
    x, y = frozenset(treatment), frozenset(outcome)
    for node in (*x, *y):
        if node not in graph.position:
            raise UnknownNameError("node", node, map(str, graph.nodes))
    if not y:
        raise QueryError("no outcome is named. Name at least one.")
    if x & y:
        raise QueryError(f"{words(graph, x & y)} is both done and asked about. Keep one.")
    return x, y


def words(graph: MixedGraph, nodes: Collection[Node]) -> str:
    """Nodes in the graph's order, as people read them."""
    return ", ".join(label(n) for n in graph.sorted(nodes))


def unidentified(
    graph: MixedGraph,
    x: frozenset[Node],
    y: frozenset[Node],
    hedge: Hedge,
    steps: tuple[str, ...] = (),
) -> NotIdentified:
    """The refusal that a hedge stands for."""
    outer, inner = words(graph, hedge.outer), words(graph, hedge.inner)
    doing = graph.sorted((x & hedge.outer) or (hedge.outer - hedge.inner))
    inside = graph.subgraph(hedge.outer).bidirected
    one, other = min(inside, key=repr)
    return NotIdentified(
        reason=f"Unobserved common causes link {outer}, and nothing observed tells their share "
        f"from the effect on {inner} (a hedge).",
        fix=f"Log rows in which {words(graph, doing)} is set at random, or log what moves "
        f"{label(one)} and {label(other)} together, and learn again.",
        cause=Cause.HIDDEN,
        edge=f"{label(one)} <-> {label(other)}",
        hedge=hedge,
        steps=steps,
    )


@dataclass(frozen=True)
class _Problem:
    """P_x(y) in ``graph`` under ``law``: what one call of ID works on."""

    graph: MixedGraph
    x: frozenset[Node]
    y: frozenset[Node]
    law: Law
    steps: list[str] = field(compare=False)

    def say(self, text: str) -> None:
        self.steps.append(text)


def effect_or_hedge(
    graph: MixedGraph, x: frozenset[Node], y: frozenset[Node], law: Law, steps: list[str]
) -> Expression | Hedge:
    """ID itself: P_x(y) from ``law`` of the nodes of ``graph``; appends to ``steps``."""
    return _id(_Problem(graph, x & set(graph.nodes), y, law, steps))


def _id(p: _Problem) -> Expression | Hedge:
    graph, x, y = p.graph, p.x, p.y
    nodes = frozenset(graph.nodes)
    if not x:
        p.say(f"Line 1: nothing is done, so P({words(graph, y)}) is a marginal.")
        return p.law.of(graph.sorted(y))
    above = graph.ancestors(y)
    if above != nodes:
        p.say(f"Line 2: {words(graph, nodes - above)} cannot act on {words(graph, y)}; drop it.")
        return _id(_Problem(graph.subgraph(above), x & above, y, p.law.marginal(above), p.steps))
    silent = nodes - x - graph.cut(into=x).ancestors(y)
    if silent:
        p.say(f"Line 3: setting {words(graph, silent)} too changes nothing.")
        return _id(_Problem(graph, x | silent, y, p.law, p.steps))
    districts = graph.subgraph(nodes - x).districts()
    if len(districts) > 1:
        return _split(p, districts)
    return _single(p, next(iter(districts)))


def _split(p: _Problem, districts: tuple[frozenset[Node], ...]) -> Expression | Hedge:
    """Line 4: one factor for each district of what is left."""
    graph, nodes = p.graph, frozenset(p.graph.nodes)
    named = "; ".join(words(graph, d) for d in districts)
    p.say(f"Line 4: factor over the districts {named}.")
    parts = []
    for district in sorted(districts, key=lambda d: min(map(graph.order().index, d))):
        part = _id(_Problem(graph, nodes - district, district, p.law, p.steps))
        if isinstance(part, Hedge):
            return part
        parts.append(part)
    return total(_latest_first(graph, nodes - p.x - p.y), product(parts))


def _single(p: _Problem, inner: frozenset[Node]) -> Expression | Hedge:
    """Lines 5 to 7: one district S is left."""
    graph = p.graph
    districts = graph.districts()
    if len(districts) == 1:
        p.say(f"Line 5: {words(graph, graph.nodes)} is one district: a hedge around it.")
        roots = frozenset(n for n in inner if graph.children[n].isdisjoint(inner))
        return Hedge(outer=frozenset(graph.nodes), inner=inner, roots=roots)
    outer = next(d for d in districts if inner <= d)
    order = _with_first(graph, graph.subgraph(outer).ancestors(p.y), outer)
    chain = p.law.factors(outer, order)
    if outer == inner:
        p.say(f"Line 6: {words(graph, inner)} is a district of the graph: its factors are seen.")
        return total(_latest_first(graph, inner - p.y), chain.of(inner))
    p.say(f"Line 7: go on within the district {words(graph, outer)}, the rest held fixed.")
    return _id(_Problem(graph.subgraph(outer), p.x & outer, p.y, chain, p.steps))


def _latest_first(graph: MixedGraph, nodes: frozenset[Node]) -> tuple[Node, ...]:
    order = graph.order()
    return tuple(n for n in order if n in nodes)


def _with_first(
    graph: MixedGraph, first: frozenset[Node], district: frozenset[Node]
) -> tuple[Node, ...]:
    """A causal order with the district's other nodes late, so that they can be summed out."""
    rank = {n: 2 * (n in district and n not in first) + (n in first) for n in graph.nodes}
    left, out = list(graph.order()), []
    placed: set[Node] = set()
    while left:
        ready = [n for n in left if graph.parents[n] <= placed]
        node = min(ready, key=rank.__getitem__)
        out.append(node)
        placed.add(node)
        left.remove(node)
    return tuple(out)
