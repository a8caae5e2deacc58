"""What an answer rests on: edges with their probability, how actions were chosen, open edges."""

from collections.abc import Mapping, Sequence

import numpy as np

from doworld.data import Policy, Role, Schema
from doworld.graph import CausalGraph, Edge, Mark, Reason, Unidentified
from doworld.model.world import WorldModel
from doworld.query import Intervention, Set

__all__ = ["blocked", "forbidden", "looped", "relied_on", "weakest", "worries"]

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


def blocked(graph: CausalGraph, causes: Sequence[str], targets: Sequence[str]) -> Edge | None:
    """An edge that nobody has oriented, or a hidden common cause, between what is done and asked.

    Such an edge touches an intervened variable and leads to a target, so that the number would
    rest on a direction the data do not show; or it lies on the way, where the law that was learned
    from cause to effect would hold an unobserved cause's share. None where every number is founded.
    """
    above = frozenset[str]().union(*(graph.ancestors(t) for t in targets))
    for edge in graph.edges():
        if edge.mark is Mark.DIRECTED:
            continue
        for cause, other in ((edge.source, edge.target), (edge.target, edge.source)):
            if cause not in causes or other not in above:
                continue
            if edge.mark is Mark.PARTIAL and cause == edge.target:
                continue  # the arrowhead says that it is no cause of the other
            if edge.mark is not Mark.BIDIRECTED or other in graph.descendants(cause):
                return edge
    return _on_the_way(graph, causes, above)


def _on_the_way(graph: CausalGraph, causes: Sequence[str], above: frozenset[str]) -> Edge | None:
    """An edge behind a cause whose effect the log confounds, or that may be one, before a target.

    A bidirected edge counts where the law of one end has the other end, or an effect of it, among
    its causes: then that law cannot be told from what both share.
    """
    below = {n for c in causes for child, _ in graph.children(c) for n in graph.descendants(child)}
    for edge in graph.edges():
        if edge.mark in (Mark.PARTIAL, Mark.CIRCLE):
            if edge.source in below and edge.target in above:
                return edge
            if edge.mark is Mark.CIRCLE and edge.target in below and edge.source in above:
                return edge
        elif edge.mark is Mark.BIDIRECTED and edge.source != edge.target:
            for end, other in ((edge.target, edge.source), (edge.source, edge.target)):
                # the other end may be later than this one only in the first case
                far = edge.lag if end == edge.target else -edge.lag
                if end in below and end in above and _confounds(graph, other, far, end):
                    return edge
    return None


def _confounds(graph: CausalGraph, spouse: str, lag: int, end: str) -> bool:
    """Whether a variable ``lag`` rows before ``end`` is, or acts on, a cause in ``end``'s law."""
    wanted = {(name, back) for name, back in graph.parents(end) if back <= lag}
    seen: set[tuple[str, int]] = set()
    while wanted:
        node = wanted.pop()
        if node == (spouse, lag):
            return True
        seen.add(node)
        name, back = node
        more = {(n, back + k) for n, k in graph.parents(name) if back + k <= lag}
        wanted |= more - seen
    return False


def looped(
    graph: CausalGraph, schema: Schema, causes: Sequence[str], targets: Sequence[str]
) -> Unidentified | None:
    """Why variables on the way from what is done to what is asked may act on each other; or None.

    No graph without cycles fits them, so each of them may act on all others, whatever the arrows
    say. A context and an action that was randomised are caused by nothing and take no part; what is
    set is moved by nothing either.
    """
    given = set(schema.of(Role.CONTEXT))
    if schema.policy is Policy.RANDOMISED:
        given |= set(schema.of(Role.ACTION))
    for fact in graph.unidentified:
        loop = {fact.variable, *fact.others} - given
        if fact.reason is not Reason.FEEDBACK or len(loop) < 2:
            continue
        follow = {n: {c for c, _ in graph.children(n)} for n in graph.names}
        for name in loop:
            follow[name] |= loop
        before = {n: {p for p in graph.names if n in follow[p]} for n in graph.names}
        done = set(causes)
        moved = _reached({c for n in done for c in follow[n]} - done, follow, done)
        if loop & moved & _reached(set(targets) - done, before, done):
            return fact
    return None


def _reached(start: set[str], step: Mapping[str, set[str]], barred: set[str]) -> set[str]:
    """Everything that steps lead to from ``start``, itself included, but not through ``barred``."""
    found, frontier = set(start), list(start)
    while frontier:
        more = step[frontier.pop()] - barred - found
        found |= more
        frontier += more
    return found


def forbidden(model: WorldModel, done: Sequence[Intervention]) -> tuple[str, str] | None:
    """(reason, fix) where the log cannot say what an intervened variable does; else None.

    A variable that never varied teaches nothing about its effects, and one that was a function of
    the others cannot be told from them; unless all that it acts on follows known laws.
    """
    low, high = model.reference.low, model.reference.high
    facts = model.graph.unidentified
    determined = {f.variable for f in facts if f.reason is Reason.DETERMINED}
    laws = {fit.variable for fit in model.fits if fit.family == "known"}
    for each in done:
        name, at = each.variable, model.schema.position(each.variable)
        children = {child for child, _ in model.graph.children(name)} - {name}
        if children and children <= laws:
            continue
        variable = model.schema.variables[at]
        if not low[at] < high[at]:
            if isinstance(each, Set) and variable.code(each.value) == low[at]:
                continue
            only = "has no value" if np.isnan(low[at]) else f"is {variable.label(low[at])}"
            return (
                f"{name} {only} in every row of the log, so what it does cannot be learned.",
                f"Log rows in which {name} takes other values, and learn again.",
            )
        if name in determined:
            return (
                f"{name} was a function of the other variables throughout the log: its effects "
                "cannot be told from theirs.",
                f"Log rows in which {name} is varied at random, and learn again.",
            )
    return None


def worries(model: WorldModel, causes: Sequence[str], targets: Sequence[str]) -> tuple[list, list]:
    """(assumptions, warnings) that an intervention on ``causes`` rests on."""
    graph, schema = model.graph, model.schema
    actions = [c for c in causes if schema[c].role is Role.ACTION]
    assumptions, warnings = [], []
    if actions:
        names = ", ".join(actions)
        said = {
            Policy.RANDOMISED: f"The logged {names} was randomised.",
            Policy.KNOWN: f"The logged {names} was chosen by a known policy that saw only "
            "logged variables.",
            Policy.UNKNOWN: f"How {names} was chosen is unknown: nothing unrecorded may have "
            "moved it together with its effects.",
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
