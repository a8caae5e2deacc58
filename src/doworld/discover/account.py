"""What a run of discovery says of itself: choices, conflicts, what a budget cut, in words too."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from doworld._core.budget import Budget, Seconds
from doworld._core.errors import GraphError
from doworld.data import Policy, Role, Trajectories
from doworld.discover.facts import Seen, facts_of
from doworld.discover.numerics.samples import columns_of
from doworld.discover.rule_table import choices
from doworld.graph import CausalGraph, Choice, Mark, Prior
from doworld.graph.choice import explained
from doworld.graph.prior import Pair

__all__ = ["accounted", "required_anew", "show"]


def accounted(
    graph: CausalGraph,
    log: Trajectories,
    names: Sequence[str],
    seen: Seen,
    prior: Prior,
    *,
    fdr: float,
    budget: Budget,
) -> CausalGraph:
    """The graph with the rule table as it was applied, and first of its notes what that says."""
    facts = facts_of(log, names, seen, fdr=fdr, chances=len(prior.chances))
    table = choices(facts)
    out = replace(graph, choices=table)
    notes = [out.summary, *graph.notes]
    notes += [f"prior knowledge and data disagree: {c.note}" for c in graph.conflicts]
    notes += _cut_note(budget)
    return replace(out, notes=tuple(notes))


def _cut_note(budget: Budget) -> list[str]:
    if not isinstance(budget, Seconds) or not budget.cuts:
        return []
    ended = f"the budget of {budget.seconds:g} s ended"
    if budget.stopped:
        ended = "the search was stopped"
    return [
        f"{ended} ({budget.spent:.1f} s were used), and this is the best graph so far; cut: "
        f"{'; '.join(budget.cuts)}. Give more time for the rest."
    ]


def required_anew(graph: CausalGraph, log: Trajectories, prior: Prior) -> Prior | None:
    """The prior with an edge required of each set of which the graph holds none; None if all hold.

    The edge is the one whose two ends are correlated most.
    """
    held = {(e.source, e.target, e.lag) for e in graph.links if e.mark is Mark.DIRECTED}
    static = log.schema.static
    more: list[Pair] = []
    for pairs in prior.either:
        lags = [({p[2]} if len(p) == 3 else set(range(graph.max_lag + 1))) for p in pairs]
        if any((p[0], p[1], k) in held for p, own in zip(pairs, lags, strict=True) for k in own):
            continue
        default = 0 if static else 1
        full = [(p[0], p[1], p[2] if len(p) == 3 else default) for p in pairs]
        free = [p for p in full if _possible(p, log, prior) and p not in prior.required]
        if free:
            more.append(max(free, key=lambda p: _correlation(log, *p)))
    return prior.with_required(more) if more else None


def _possible(pair: tuple[str, str, int], log: Trajectories, prior: Prior) -> bool:
    """Whether roles, the prior and the edges that it requires leave room for an edge."""
    source, target, lag = pair
    schema = log.schema
    given = schema[target].role is Role.CONTEXT or (
        schema[target].role is Role.ACTION and schema.policy is Policy.RANDOMISED
    )
    last = lag == 0 and schema[source].role is Role.REWARD
    if given or last or not prior.allows(*pair):
        return False
    try:
        prior.with_required([pair]).check(schema.names, static=schema.static)
    except GraphError:
        return False
    return True


def _correlation(log: Trajectories, source: str, target: str, lag: int) -> float:
    """The largest correlation of columns of the two at this lag, inside episodes."""
    rows = log.windows(lag + 1) + lag
    x, y = columns_of(log, source)[rows - lag], columns_of(log, target)[rows]
    whole = np.isfinite(x).all(1) & np.isfinite(y).all(1)
    x, y = x[whole], y[whole]
    if not len(x):
        return 0.0
    x, y = x - x.mean(0), y - y.mean(0)
    size = np.outer(np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0))
    return float(np.abs(np.divide(x.T @ y, size, where=size > 0, out=np.zeros_like(size))).max())


def show(choices: Sequence[Choice]) -> None:
    """Prints the rule table as it was applied."""
    from rich.console import Console

    Console(highlight=False).print(explained(choices))
