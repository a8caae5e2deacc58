"""Transport: effects in one population from the logs and experiments of others."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from doworld._core.errors import QueryError, UnknownNameError
from doworld.graph import MixedGraph
from doworld.identify.effects import checked, effect_or_hedge, unidentified, words
from doworld.identify.estimand import Expression, product, total
from doworld.identify.law import ObservedLaw
from doworld.identify.verdict import Cause, Estimand, Hedge, Identified, NotIdentified, Way

__all__ = ["Domain", "transport"]

Node = Hashable


@dataclass(frozen=True)
class Domain:
    """A population with data: an environment of a log, or where an experiment was made.

    Attributes:
        name: as formulas write it; "" is the log's own.
        differs: nodes whose mechanism, or unobserved causes, differ from the target population's
            (those with a selection node; Pearl & Bareinboim 2011).
        experiments: the sets of nodes that were set at random, one log each; the empty set is a
            log without intervention.
    """

    name: str = ""
    differs: frozenset[Node] = frozenset()
    experiments: tuple[frozenset[Node], ...] = (frozenset(),)


def transport(
    graph: MixedGraph,
    treatment: Iterable[Node],
    outcome: Iterable[Node],
    domains: Sequence[Domain],
) -> Identified | NotIdentified:
    r"""P(outcome | do(treatment)) in the target population, from the data of all ``domains``.

    The effect factors over the districts of the outcome's ancestors, each of which is one
    invariant law Q[C]. It is taken from any domain in which no mechanism of C differs and from any
    of its experiments that leaves C alone, by ID there (gTR; Lee, Correa & Bareinboim 2020). With
    one domain that is ID, with experiments z-ID and gID, with one other population sID (Bareinboim
    & Pearl 2012). The target's own data, if any, are a domain without ``differs``.

    Raises ``UnknownNameError``, and ``QueryError`` without domains or with two of one name.

    >>> g = MixedGraph.of("z -> x -> y", "z -> y")
    >>> study = Domain("^S", frozenset({"z"}), (frozenset({"x"}),))
    >>> print(transport(g, ["x"], ["y"], [study, Domain("*")]).estimand)
    Σ_z P*(z) P^S(y | do(x), z)
    """
    x, y = checked(graph, treatment, outcome)
    _checked_domains(graph, domains)
    nodes = frozenset(graph.nodes)
    behind = graph.subgraph(nodes - x).ancestors(y)
    steps: list[str] = []
    parts: list[Expression] = []
    for district in graph.subgraph(behind).districts():
        found = _carried(graph, district, domains, steps)
        if isinstance(found, NotIdentified):
            return found
        parts.append(found)
    formula = total(graph.sorted(behind - y), product(parts))
    arbitrary = tuple(sorted(formula.free - x - y, key=str))
    return Identified(Estimand(formula, Way.TRANSPORT, arbitrary=arbitrary), tuple(steps))


def _carried(
    graph: MixedGraph, district: frozenset[Node], domains: Sequence[Domain], steps: list[str]
) -> Expression | NotIdentified:
    """Q[district] from the first domain and experiment that give it."""
    nodes = frozenset(graph.nodes)
    hedges: list[Hedge] = []
    barred = []
    for domain in domains:
        if domain.differs & district:
            barred.append(domain)
            continue
        for done in domain.experiments:
            if done & district:
                continue
            inside: list[str] = []
            world = graph.subgraph(nodes - done)
            law = ObservedLaw(world, graph.sorted(done), domain.name)
            rest = frozenset(world.nodes) - district
            found = effect_or_hedge(world, rest, district, law, inside)
            if isinstance(found, Hedge):
                hedges.append(found)
                continue
            where = domain.name or "the log"
            set_by = f" with {words(graph, done)} set" if done else ""
            steps += [f"{words(graph, district)}: the same law in {where}{set_by}.", *inside]
            return found
    names = words(graph, district)
    if hedges:
        return unidentified(graph, nodes - district, district, hedges[0], tuple(steps))
    where = ", ".join(d.name or "the log" for d in barred) or "no population"
    return NotIdentified(
        f"The law of {names} differs in {where}, and no data of the target show it.",
        f"Log the target population, or set {names} apart: say which mechanisms stay the same.",
        Cause.TRANSPORT,
        steps=tuple(steps),
    )


def _checked_domains(graph: MixedGraph, domains: Sequence[Domain]) -> None:
    if not domains:
        raise QueryError("no population with data is named. Give at least one Domain.")
    names = [d.name for d in domains]
    if len(set(names)) < len(names):
        raise QueryError(f"two domains have one name among {names}. Name each once.")
    for domain in domains:
        for node in domain.differs.union(*domain.experiments):
            if node not in graph.position:
                raise UnknownNameError("node", node, map(str, graph.nodes))
