"""What an answer rests on: edges with their probability, how actions were chosen, open edges."""

from collections.abc import Sequence

import numpy as np

from doworld.data import Policy, Role
from doworld.graph import CausalGraph, Edge, Mark
from doworld.identify import Facts, Verdict, gate
from doworld.model.world import WorldModel
from doworld.query import Intervention, Query, Set

__all__ = ["facts_of", "relied_on", "verdict_of", "weakest", "worries"]

MOST = 40
"""Edges that are listed; the least certain come first when there are more."""


def relied_on(graph: CausalGraph, causes: Sequence[str], targets: Sequence[str]) -> list[Edge]:
    """The directed edges on paths from ``causes`` to ``targets``; without causes, all behind them.

    >>> g = CausalGraph(("a", "b", "c"), (Edge("a", "b"), Edge("c", "b")))
    >>> [str(e) for e in relied_on(g, ["a"], ["b"])]
    ['a(t-1) --> b(t)']
    """
    above = frozenset[str]().union(*(graph.ancestors(t) for t in targets))
    below = frozenset[str]().union(*(graph.descendants(c) for c in causes))
    edges = [
        e
        for e in graph.edges()
        if e.mark is Mark.DIRECTED
        and e.target in above
        and e.source in above
        and (not causes or e.source in below)
        and e.source != e.target
    ]
    return edges if len(edges) <= MOST else sorted(edges, key=lambda e: e.probability)[:MOST]


def weakest(edges: Sequence[Edge]) -> str:
    """The least certain of ``edges`` in words; empty where there is none."""
    if not edges:
        return ""
    edge = min(edges, key=lambda e: e.probability)
    return f"{edge}, probability {edge.probability:.2f}"


def facts_of(model: WorldModel, done: Sequence[Intervention]) -> Facts:
    """What the rows say about the intervened variables: which never varied, and known laws.

    A variable that is only set to the one value that it always had is left out.
    """
    low, high = model.reference.low, model.reference.high
    constant: dict[str, str] = {}
    for each in done:
        name, at = each.variable, model.schema.position(each.variable)
        variable = model.schema.variables[at]
        if low[at] < high[at]:
            continue
        if isinstance(each, Set) and variable.code(each.value) == low[at]:
            continue
        only = "has no value" if np.isnan(low[at]) else f"is {variable.label(low[at])}"
        constant[name] = only
    laws = frozenset(fit.variable for fit in model.fits if fit.family == "known")
    names = np.array(model.schema.names)
    return Facts(tuple(constant.items()), laws, tuple(names[low == high].tolist()))


def verdict_of(model: WorldModel, query: Query) -> Verdict:
    """What the gate says of a question to a model."""
    done = getattr(query, "interventions", ())
    return gate(model.graph, model.schema, query, facts=facts_of(model, done))


def worries(model: WorldModel, causes: Sequence[str], targets: Sequence[str]) -> tuple[list, list]:
    """(assumptions, warnings) that an intervention on ``causes`` rests on."""
    graph, schema = model.graph, model.schema
    actions = [c for c in causes if schema[c].role is Role.ACTION]
    assumptions, warnings = [], []
    if actions:
        names = ", ".join(actions)
        many = len(actions) > 1
        was, it = ("were", "them together with their") if many else ("was", "it together with its")
        said = {
            Policy.RANDOMISED: f"The logged {names} {was} randomised.",
            Policy.KNOWN: f"The logged {names} {was} chosen by a known policy that saw only "
            "logged variables.",
            Policy.UNKNOWN: f"How {names} {was} chosen is unknown: nothing unrecorded may "
            f"have moved {it} effects.",
        }
        assumptions.append(said[schema.policy])
    moved = [c for c in causes if schema[c].role is not Role.ACTION]
    if moved:
        assumptions.append(f"Nothing unrecorded moves {', '.join(moved)} and its effects together.")
    for fact in graph.unidentified:
        if not {fact.variable, *fact.others}.isdisjoint(causes):
            warnings.append(fact.note)
    above = frozenset[str]().union(*(graph.ancestors(t) for t in targets))
    for edge in graph.edges():
        if edge.mark is not Mark.DIRECTED and {edge.source, edge.target} <= above:
            warnings.append(f"The data leave {edge} open; the model goes without it.")
    return assumptions, warnings
