"""The gate for ``Effect``: adjustment, any formula, a bound, or a refusal."""

from collections.abc import Hashable, Sequence
from itertools import islice

from doworld._core.errors import QueryError
from doworld.data import Schema
from doworld.graph import CausalGraph, Mark, MixedGraph
from doworld.identify.adjustment import (
    adjusted,
    adjustment_set,
    adjustment_verdict,
    optimal_adjustment,
    valid_adjustment,
)
from doworld.identify.effects import effect_of, given_effect_of, words
from doworld.identify.facts import Facts, feedback, silent
from doworld.identify.instruments import front_door, front_door_formula, instruments
from doworld.identify.mediation import (
    controlled_direct,
    natural_direct,
    natural_indirect,
    on_the_treated,
)
from doworld.identify.mixed import may_act, mixed_worlds, open_between, world_count
from doworld.identify.selection import MOST_WORLDS, among_kept, kept_by, later_kept, moments
from doworld.identify.verdict import (
    Bounded,
    Cause,
    Estimand,
    Identified,
    NotIdentified,
    Program,
    Verdict,
    Way,
)
from doworld.query import Effect

__all__ = ["effect_verdict", "nodes_of"]

Node = Hashable


def effect_verdict(graph: CausalGraph, schema: Schema, query: Effect, facts: Facts) -> Verdict:
    """By what the log gives an effect, if at all; the formula is of P(outcome | do(treatment)).

    ``att`` takes the same adjustment set with P(z | treated), or a formula of its own; ``nde``,
    ``nie`` and ``cde`` have formulas of a difference of means. With open edges a verdict must hold,
    with one and the same formula, in every graph that they allow. Raises ``UnknownNameError`` and
    ``QueryError`` for a malformed question.
    """
    x, y = nodes_of(graph, schema, query)
    names = (query.treatment, query.outcome)
    kept = kept_by(graph, facts, names)
    doubt = open_between(graph, (x, y))
    refused = silent(graph, [query.treatment], facts)
    if refused is not None:
        return refused
    loop = feedback(graph, schema, [names[0]], [names[1]])
    if loop is not None:
        return NotIdentified(
            loop.note,
            "Log more often, so that causes come in earlier rows, or set one of these at random.",
            Cause.FEEDBACK,
        )
    if not schema.static:
        refused = later_kept(graph, names[1], kept)
        if refused is not None:
            return refused
    if world_count(graph, (x, y)) > MOST_WORLDS:
        return _vague(doubt, f"They allow more than {MOST_WORLDS} graphs.")
    worlds = list(mixed_worlds(graph, (x, y), within=_concerned(graph, query, kept)))
    verdicts = [_in_world(w, schema, query, x, y, kept) for w in worlds]
    if len(worlds) == 1:
        return verdicts[0]
    barred = [v for v in verdicts if isinstance(v, NotIdentified) and v.cause is Cause.SELECTION]
    return _agreed(worlds, verdicts, query, x, y) or next(iter(barred), None) or _vague(doubt, "")


def _concerned(graph: CausalGraph, query: Effect, kept: Sequence[str]) -> frozenset[str]:
    """The variables that may bear on the effect: ancestors, and what shares a cause with them."""
    asked = [query.treatment, query.outcome, *query.given, *query.mediator]
    above = may_act(graph, [*asked, *(query.adjust or ()), *kept])
    both = [{e.source, e.target} for e in graph.links if e.mark is Mark.BIDIRECTED]
    near = {str(n) for pair in both if pair & above for n in pair}
    return frozenset(str(n) for n in above) | near


def nodes_of(graph: CausalGraph, schema: Schema, query: Effect) -> tuple[Node, Node]:
    """The treatment and the outcome as nodes: names in a table, (name, rows ago) in a log.

    Without ``lag``, the treatment lies as many rows back as the shortest way to the outcome.
    """
    for name in (query.treatment, query.outcome, *query.given, *query.mediator):
        schema.position(name)
        graph.parents(name)
    if query.treatment == query.outcome and not query.lag:
        raise QueryError(f"{query.treatment!r} is both done and asked about. Name two variables.")
    if schema.static:
        return query.treatment, query.outcome
    lag = query.lag if query.lag is not None else _shortest(graph, query.treatment, query.outcome)
    return (query.treatment, lag), (query.outcome, 0)


def _shortest(graph: CausalGraph, source: str, target: str) -> int:
    """Rows along the quickest directed path; 1 where there is none."""
    best = {source: 0}
    queue = [source]
    while queue:
        now = queue.pop(0)
        for child, lag in graph.children(now):
            if best[now] + lag < best.get(child, 1 << 30):
                best[child] = best[now] + lag
                queue.append(child)
    return best.get(target, 1) or (0 if target in best and target != source else 1)


def _in_world(
    world: MixedGraph, schema: Schema, query: Effect, x: Node, y: Node, kept: Sequence[str]
) -> Identified | Bounded | NotIdentified:
    given = [_moment(world, n, x) for n in query.given]
    chosen = [_moment(world, n, x) for n in query.adjust or ()]
    if kept:
        told = among_kept(world, x, y, [*given, *chosen], moments(world, kept))
        if isinstance(told, NotIdentified) or (told is not None and not query.mediator):
            return told
    if query.adjust is not None:
        return adjustment_verdict(world, x, y, chosen)
    verdict = _conditioned(world, x, y, given)
    if verdict is None and query.estimand in ("pn", "ps", "pns"):
        verdict = NotIdentified(
            "Whether one unit would have answered otherwise is no property of the rows' law.",
            "Assume that the treatment never harms, or log units under both treatments.",
            Cause.WORLDS,
        )
    verdict = verdict or _across(world, query, x, y)
    verdict = verdict or _by_set(world, x, y) or effect_of(world, [x], [y])
    if isinstance(verdict, Identified):
        return verdict
    return _bound(world, schema, query, x, y, verdict)


def _across(
    world: MixedGraph, query: Effect, x: Node, y: Node
) -> Identified | NotIdentified | None:
    """Questions that compare worlds; None where what is done in one world answers."""
    across = {"nde": natural_direct, "nie": natural_indirect, "cde": controlled_direct}
    if query.estimand in across:
        if not query.mediator:
            raise QueryError(
                f"{query.estimand} asks past or through a mediator, and none is named. Give "
                "mediator=."
            )
        between = [_between(world, n, x, y) for n in query.mediator]
        return across[query.estimand](world, x, y, between)
    if query.estimand == "att" and adjustment_set(world, x, y) is None:
        return on_the_treated(world, x, y)
    return None


def _between(world: MixedGraph, name: str, x: Node, y: Node) -> Node:
    """A mediator as a node: over time the latest that the treatment can have moved."""
    if not isinstance(y, tuple):
        return name
    below, above = world.descendants([x]), world.ancestors([y])
    rows = [n for n in world.nodes if isinstance(n, tuple) and n[0] == name]
    within = [n for n in rows if n in below and n in above]
    return min(within or rows, key=lambda n: n[1])


def _by_set(world: MixedGraph, x: Node, y: Node) -> Identified | None:
    """By adjustment or the front door, whose formulas estimators know best."""
    chosen = adjustment_set(world, x, y)
    if chosen is not None:
        own = words(world, chosen) or "nothing"
        formula = adjusted(world, frozenset({x}), frozenset({y}), chosen)
        estimand = Estimand(formula, Way.ADJUSTMENT, chosen)
        return Identified(estimand, (f"Adjusting for {own} closes every path that is no effect.",))
    through = front_door(world, x, y)
    if through is None:
        return None
    formula = front_door_formula(world, x, y, through)
    estimand = Estimand(formula, Way.FRONT_DOOR, mediators=through)
    return Identified(estimand, (f"{words(world, through)} is a front door.",))


def _conditioned(
    world: MixedGraph, x: Node, y: Node, given: Sequence[Node]
) -> Identified | NotIdentified | None:
    """The effect within a part of the population; None where nothing is given."""
    part = [n for n in given if n != x]
    if not part:
        return None
    best = optimal_adjustment(world, x, y) or ()
    for chosen in ({*best, *part}, set(part)):
        if valid_adjustment(world, x, y, chosen):
            z = world.sorted(chosen)
            formula = adjusted(world, frozenset({x}), frozenset({y}), z)
            text = f"Adjusting for {words(world, z)}, among those given."
            return Identified(Estimand(formula, Way.ADJUSTMENT, z), (text,))
    return given_effect_of(world, [x], [y], part)


def _moment(world: MixedGraph, name: str, at: Node) -> Node:
    """A name as a node of the world, in the row of ``at``."""
    return (name, at[1]) if isinstance(at, tuple) else name


def _levels(schema: Schema, node: Node) -> int:
    name = node[0] if isinstance(node, tuple) else node
    return schema[str(name)].levels


def _bound(
    world: MixedGraph, schema: Schema, query: Effect, x: Node, y: Node, verdict: NotIdentified
) -> Bounded | NotIdentified:
    """A program where treatment and outcome are discrete, else the refusal."""
    if not (_levels(schema, x) and _levels(schema, y)):
        helps = next(instruments(world, x, y), None)
        if helps is None:
            return verdict
        more = f" {words(world, [helps.node])} is an instrument: it gives the effect if laws are "
        return NotIdentified(
            verdict.reason,
            verdict.fix + more + "linear.",
            verdict.cause,
            verdict.edge,
            verdict.hedge,
            verdict.steps,
        )
    useful = [i.node for i in islice(instruments(world, x, y), 3) if not i.given]
    named = tuple(n for n in useful if _levels(schema, n))
    levels = tuple((n, _levels(schema, n)) for n in (x, y, *named))
    program = Program(world, x, y, named, levels, query.estimand)
    return Bounded(program, verdict.reason, verdict.fix, verdict.hedge)


def _agreed(
    worlds: Sequence[MixedGraph],
    verdicts: Sequence[Identified | Bounded | NotIdentified],
    query: Effect,
    x: Node,
    y: Node,
) -> Identified | None:
    """One verdict that holds in all worlds: the same formula, or a set valid in all."""
    if not all(isinstance(v, Identified) for v in verdicts):
        return None
    formulas = {str(v.estimand) for v in verdicts if isinstance(v, Identified)}
    first = verdicts[0]
    if len(formulas) == 1 and isinstance(first, Identified):
        return first
    for verdict in verdicts:
        if not isinstance(verdict, Identified) or verdict.estimand.adjustment is None:
            continue
        chosen = verdict.estimand.adjustment
        if all(valid_adjustment(w, x, y, chosen) for w in worlds):
            note = f"Valid in each of the {len(worlds)} graphs that the open edges allow."
            return Identified(verdict.estimand, (*verdict.steps, note))
    return None


def _vague(doubt: Sequence, more: str) -> NotIdentified:
    edge = doubt[0]
    pair = (edge.source, edge.target)
    rest = f" (and {len(doubt) - 1} more open edges)" if len(doubt) > 1 else ""
    return NotIdentified(
        f"The data do not say whether {edge}{rest} is cause, effect or common cause, and the "
        f"effect depends on it. {more}".strip(),
        f"Give prior knowledge (Prior(required=({pair!r},)) or its reverse), or log rows in "
        f"which {pair[0]} is set at random, and learn again.",
        Cause.CUT if more else Cause.OPEN_EDGE,
        str(edge),
    )
