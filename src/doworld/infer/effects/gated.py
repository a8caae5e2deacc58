"""The one way from a question about an effect to its route: the gate's verdict."""

from dataclasses import replace

import numpy as np

from doworld.data import Trajectories
from doworld.graph import CausalGraph, Mark, Reason, Unidentified
from doworld.identify.effect import effect_verdict
from doworld.identify.facts import Facts
from doworld.identify.mixed import mixed
from doworld.identify.selection import kept_by, later_kept, moments, refused_of_kept, spoils
from doworld.identify.verdict import Bounded, Cause, NotIdentified
from doworld.infer.effects.asked import Asked, UnanswerableError
from doworld.infer.effects.paths import Paths, acting
from doworld.infer.effects.route import Route, mediated, named, route
from doworld.query import Effect

__all__ = ["route_of", "unvaried"]

SUSPECTED = (Reason.POLICY, Reason.LATE)
"""What makes every formula for the effects of a variable doubtful."""


def unvaried(log: Trajectories) -> tuple[str, ...]:
    """The variables that have one value in all rows of the log."""
    return tuple(
        n for n in log.schema.names if len(np.unique(v := log.column(n)[~np.isnan(log.column(n))]))
        == 1 and len(v) > 1
    )  # fmt: skip


def route_of(log: Trajectories, graph: CausalGraph, paths: Paths, question: Asked) -> Route:
    """How the effect is computed.

    Raises ``UnanswerableError`` where the log or the open edges leave the answer open.
    """
    query = question.query
    facts = Facts(unvaried=unvaried(log))
    doubt = _suspected(graph, query)
    if doubt is not None and not (query.instrument and doubt.reason is Reason.POLICY):
        return Route(
            "bounded",
            words="Bounded without any assumption on how the treatment was chosen.",
            reason=doubt.note,
            fix=f"Log what {query.treatment} was chosen by, or rows in which it is random."
            if doubt.reason is Reason.POLICY
            else "Raise max_lag, or leave it out so that the data decide, and learn again.",
        )
    if query.instrument:
        fixed = tuple((n, 0) for n in query.adjust or ())
        nodes = tuple((n, 0) for n in query.instrument)
        return Route(
            "instrument",
            adjust=fixed,
            instrument=nodes,
            words=f"By the instrument {named(nodes)} at equal {named(fixed)}, as asked.",
        )
    if query.adjust is not None:
        return _by_hand(log, graph, paths, question, facts)
    return _gated(log, graph, paths, question, facts)


def _suspected(graph: CausalGraph, query: Effect) -> Unidentified | None:
    """Why nothing that the graph says of the treatment's effects can be relied on; or None."""
    mine = (f for f in graph.unidentified if f.variable == query.treatment)
    return next((f for f in mine if f.reason in SUSPECTED), None)


def _by_hand(
    log: Trajectories, graph: CausalGraph, paths: Paths, question: Asked, facts: Facts
) -> Route:
    """The set that the user answers for, but for what the treatment moves, and selected rows."""
    query, lag = question.query, question.lag
    moved = paths.below([paths.treatment])
    for name in query.adjust or ():
        if (name, lag) in moved:
            raise UnanswerableError(
                f"{query.treatment} moves {name} by the graph: holding {name} fixed would take a "
                "part of the effect away, or open a path that is none.",
                f"Leave {name} out of adjust; where the graph is wrong about it, say so "
                f"(Prior(forbidden=(({query.treatment!r}, {name!r}),))).",
            )
    kept = kept_by(graph, facts, (query.treatment, query.outcome))
    if kept:
        _unspoiled(log, graph, question, kept)
    nodes = tuple((n, 0) for n in query.adjust or ())
    return Route(
        "adjustment",
        adjust=nodes,
        words=f"Compared at equal {named(nodes)}, as asked.",
        assumptions=(f"That {named(nodes)} is enough is your assumption, not the graph's.",),
    )


def _unspoiled(log: Trajectories, graph: CausalGraph, question: Asked, kept: tuple) -> None:
    """Raises where rows were kept by what makes the user's set wrong."""
    query, lag = question.query, question.lag
    known = acting(graph, log.schema, query.treatment)
    later = None if log.schema.static else later_kept(known, query.outcome, kept)
    if log.schema.static:
        x, y, given = query.treatment, query.outcome, tuple(query.adjust or ())
    else:
        x, y = (query.treatment, lag), (query.outcome, 0)
        given = tuple((n, lag) for n in query.adjust or ())
    world = mixed(known, (x, y))
    if later is None and spoils(world, x, y, given, moments(world, kept)):
        later = refused_of_kept(kept, query.outcome)
    if later is not None:
        raise UnanswerableError(later.reason, later.fix)


def _gated(
    log: Trajectories, graph: CausalGraph, paths: Paths, question: Asked, facts: Facts
) -> Route:
    query, schema = question.query, log.schema
    loose = tuple(e for e in graph.edges() if e.mark not in (Mark.DIRECTED, Mark.BIDIRECTED))
    known = acting(graph, schema, query.treatment)
    whole = replace(known, links=(*known.links, *loose))
    update = {"lag": None if schema.static else question.lag, "estimand": "ate"}
    if query.estimand == "att":
        update["estimand"] = "att"
    if query.estimand == "cde":
        update["given"] = {}
    verdict = effect_verdict(whole, schema, query.model_copy(update=update), facts)
    barred = isinstance(verdict, NotIdentified) and verdict.cause is not Cause.HIDDEN
    if query.mediator and not barred:
        after = [_nearest(paths, n) for n in query.mediator]
        part = [(n, paths.treatment[1]) for n in query.given if n not in query.mediator]
        return mediated(paths, after, part)
    if isinstance(verdict, Bounded):
        verdict = replace(verdict, program=replace(verdict.program, estimand=query.estimand))
    found = route(verdict, paths, schema)
    ends = schema[query.outcome].bounds
    if (
        found.kind == "refused"
        and barred is False
        and question.discrete
        and np.isfinite(ends).all()
    ):
        return replace(found, kind="bounded", words="Bounded by what the outcome can be at all.")
    if found.kind == "refused":
        late = "No overlap: " if getattr(verdict, "cause", None) is Cause.DETERMINED else ""
        raise UnanswerableError(late + found.reason, found.fix)
    return found


def _nearest(paths: Paths, name: str) -> tuple[str, int]:
    """The node of a mediator: the last row of it that lies between treatment and outcome."""
    rows = [k for n, k in paths.between() if n == name]
    return name, min(rows, default=paths.treatment[1])
