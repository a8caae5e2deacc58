"""The one gate: graph and question to an estimand, a bound, or a reason with its fix."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import singledispatch
from typing import Any

from doworld.data import Policy, Role, Schema
from doworld.graph import CausalGraph, Edge, Mark, Reason
from doworld.identify.adjustment import adjusted, adjustment_set
from doworld.identify.effect import effect_verdict
from doworld.identify.effects import effect_of
from doworld.identify.facts import Facts, feedback, silent
from doworld.identify.mixed import mixed
from doworld.identify.selection import simulated_of_kept
from doworld.identify.simulation import Simulation, simulated
from doworld.identify.verdict import (
    Cause,
    Estimand,
    Identified,
    NotIdentified,
    Verdict,
    Way,
)
from doworld.query import Alter, Counterfactual, Cut, Do, Effect, Imagine, Link, Set, Turn

__all__ = ["gate", "rolled"]

NOTHING = Facts()


def gate(graph: CausalGraph, schema: Schema, query: Any, *, facts: Facts = NOTHING) -> Verdict:
    """Whether the log and the graph can answer ``query``, and by what; no number without it.

    Args:
        graph: what the model follows, open edges and hidden causes included.
        schema: roles, kinds and how actions were chosen.
        query: any question. ``Do``, ``Counterfactual`` and ``Imagine`` ask whether simulation along
            the graph is right, ``Effect`` which formula gives it; others ask nothing of
            identification.
        facts: what the rows say, such as a treatment that never varied.

    Raises ``UnknownNameError`` for variables that the graph lacks.

    >>> from doworld.data import Variable
    >>> from doworld.graph import Edge
    >>> g = CausalGraph(("x", "y"), (Edge("x", "y"), Edge("x", "y", 0, Mark.BIDIRECTED)))
    >>> schema = Schema((Variable("x"), Variable("y")))
    >>> asked = Do(given={"x": 0.0, "y": 0.0}, interventions=[Set("y", 1.0)], target=["x"])
    >>> gate(g, schema, asked).estimand.way
    <Way.SIMULATION: 'truncated factorisation'>
    """
    return _gate(query, graph, schema, facts)


@singledispatch
def _gate(query: Any, graph: CausalGraph, schema: Schema, facts: Facts) -> Verdict:
    return Identified(Estimand(None, Way.TRIVIAL, simulates=True))


@_gate.register
def _(query: Do, graph: CausalGraph, schema: Schema, facts: Facts) -> Verdict:
    throughout = {i.variable for i in query.interventions if isinstance(i, Set) and i.at is None}
    causes = [i.variable for i in query.interventions]
    targets = query.target or schema.of(Role.STATE)
    return rolled(graph, schema, causes, targets, throughout=throughout, facts=facts)


@_gate.register
def _(query: Counterfactual, graph: CausalGraph, schema: Schema, facts: Facts) -> Verdict:
    causes = [i.variable for done in query.worlds.values() for i in done]
    targets = query.target or schema.of(Role.STATE)
    return rolled(graph, schema, causes, targets, same_noise=True, facts=facts)


@_gate.register
def _(query: Imagine, graph: CausalGraph, schema: Schema, facts: Facts) -> Verdict:
    """Rules can be changed where they are causal: a regression's share of a hidden cause stays.

    To turn a constant or to cut an edge asks what the causes do, as do() on them would; to alter
    what comes of a mechanism, or to add to it, is as doing something to its variable.
    """
    sources: list[str] = []
    for rule in query.rules:
        if isinstance(rule, Turn):
            target = rule.constant.rpartition(".")[0]
            sources += [p for p, _ in graph.parents(target)] if target in graph.names else []
        elif isinstance(rule, Cut):
            sources.append(rule.source)
    changed = [r.variable for r in query.rules if isinstance(r, Alter)]
    changed += [r.target for r in query.rules if isinstance(r, Link)]
    for fact in graph.unidentified:
        if fact.reason in (Reason.POLICY, Reason.LATE) and fact.variable in sources:
            return NotIdentified(
                fact.note,
                f"Log rows in which {fact.variable} is set at random, and learn again.",
            )
    causes = [*(i.variable for i in query.interventions), *sources, *changed]
    return rolled(graph, schema, causes, query.target or schema.of(Role.STATE), facts=facts)


@_gate.register
def _(query: Effect, graph: CausalGraph, schema: Schema, facts: Facts) -> Verdict:
    return effect_verdict(graph, schema, query, facts)


def rolled(
    graph: CausalGraph,
    schema: Schema,
    causes: Iterable[str],
    targets: Iterable[str],
    *,
    throughout: Collection[str] = (),
    same_noise: bool = False,
    facts: Facts = NOTHING,
) -> Verdict:
    """Whether simulating along the graph answers what ``causes`` do to ``targets``.

    ``same_noise``: the noise is an episode's own, recovered variable by variable, so that noises
    that move together do no harm. See ``simulated`` for the condition. Raises ``UnknownNameError``.
    """
    causes, targets = tuple(dict.fromkeys(causes)), tuple(dict.fromkeys(targets))
    for name in (*causes, *targets):
        graph.parents(name)  # raises for unknown names
    chosen = simulated_of_kept(graph, schema, causes, targets, facts)
    if chosen is not None:
        return chosen
    found = simulated(graph, causes, targets, throughout=throughout)
    static = schema.static
    joint = found.joint if static and not same_noise else None
    edge = found.edge or joint
    if edge is not None:
        return _by_formula(graph, causes, targets, edge) or _edge(edge, found)
    refused = silent(graph, causes, facts)
    if refused is not None:
        return refused
    loop = feedback(graph, schema, causes, targets)
    if loop is not None:
        return NotIdentified(
            loop.note,
            "Log more often, so that causes come in earlier rows, or set one of these at random.",
            Cause.FEEDBACK,
        )
    return _simulation(graph, schema, causes, targets, found, same_noise)


def _simulation(
    graph: CausalGraph,
    schema: Schema,
    causes: tuple[str, ...],
    targets: tuple[str, ...],
    found: Simulation,
    same_noise: bool,
) -> Identified:
    """The verdict where the mechanisms that were learned hold after the intervention."""
    caveats: tuple[str, ...] = ()
    if found.joint is not None and not same_noise:
        caveats = (
            f"{found.joint}: the noises of the two are drawn apart, though something unobserved "
            "may move both; spreads may be off.",
        )
    return Identified(
        Estimand(None, Way.SIMULATION, simulates=True),
        _words(graph, schema, causes, targets, same_noise),
        caveats,
    )


def _words(
    graph: CausalGraph,
    schema: Schema,
    causes: tuple[str, ...],
    targets: tuple[str, ...],
    same_noise: bool,
) -> tuple[str, ...]:
    if not causes:
        return ()
    names = ", ".join(causes)
    acts = {c for c in causes for t in targets if t in graph.descendants(c) and t != c}
    if not acts:
        return (f"{names} cannot act on {', '.join(targets)} in the graph.",)
    free = [c for c in causes if schema[c].role is Role.ACTION]
    if schema.policy is Policy.RANDOMISED and len(free) == len(causes):
        return (f"{names} was randomised: nothing to adjust for.",)
    behind = dict.fromkeys(p for c in causes for p, _ in graph.parents(c))
    end = "its own noise kept" if same_noise else "each law given its causes"
    if behind:
        own = ", ".join(behind)
        return (f"The causes of {names} ({own}) are adjusted for by simulation, {end}.",)
    return (f"{names} has no cause in the graph: simulated, {end}.",)


def _edge(edge: Edge, found: Simulation) -> NotIdentified:
    """The refusal that an edge stands for."""
    pair = (edge.source, edge.target)
    cut = " The graph was too large to look further." if found.cut else ""
    if edge.mark is Mark.BIDIRECTED:
        return NotIdentified(
            f"An unobserved common cause stands behind {edge}: answers would hold its share.{cut}",
            f"Log rows in which {pair[0]} and {pair[1]} are set at random, or log what moves "
            "both, and learn again.",
            Cause.HIDDEN,
            str(edge),
        )
    return NotIdentified(
        f"The data do not say whether {edge} is cause, effect or common cause.{cut}",
        f"Give prior knowledge (Prior(required=({pair!r},)) or its reverse), or log rows in "
        f"which {pair[0]} is set at random, and learn again.",
        Cause.OPEN_EDGE,
        str(edge),
    )


def _by_formula(
    graph: CausalGraph, causes: tuple[str, ...], targets: tuple[str, ...], edge: Edge
) -> Identified | None:
    """What a table's rows identify where simulation would not; None where nothing does."""
    timed = any(e.lag for e in graph.links)
    done = [c for c in causes if c not in targets]
    known = all(e.mark in (Mark.DIRECTED, Mark.BIDIRECTED) for e in graph.links)
    if timed or not known or len(done) < len(causes):
        return None
    world = mixed(graph)
    chosen = adjustment_set(world, done, targets)
    note = f"{edge}: a mechanism along the way holds an unobserved cause's share."
    if chosen is not None:
        formula = adjusted(world, frozenset(done), frozenset(targets), chosen)
        return Identified(Estimand(formula, Way.ADJUSTMENT, adjustment=chosen), (note,))
    found = effect_of(world, done, targets)
    return replace(found, steps=(note, *found.steps)) if isinstance(found, Identified) else None
