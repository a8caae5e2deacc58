"""Causes of discrete variables in a log whose actions set some of them by force.

Levers (``discover.time.levers``) give an order within the row. Then, for every target j,

1. in the rows where a lever of something above j was pulled, and none of j's own, the parents
   within the row are the smallest set given which nothing else above j matters: grow–shrink
   (Margaritis & Thrun 1999) with the stratified test;
2. in all rows, given those, the parents at earlier rows and the actions, likewise; its own past
   also where nothing above it was set.

In step 1 the action itself is not conditioned on: a lever determines the variable it sets, so that
"the lever moves j" and "what it sets moves j" say the same of the data, and the shorter account,
in which each lever acts on one variable, is taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld.data import Policy, Role, Trajectories
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.stratified import Stratified, joint_code, stratified
from doworld.discover.time.coded import TEST, Coded, Link, code_log, discrete_targets, large
from doworld.discover.time.conflicts import Doubt
from doworld.discover.time.contexts import Context, contexts
from doworld.discover.time.levers import Levers, descent, find_levers
from doworld.discover.time.odds import kept_odds
from doworld.graph import Edge, Evidence, LocalGraph, Mark, Prior

__all__ = ["Discrete", "discrete_edges"]

ROW_TEST = "the same, where a lever of something above was pulled"
GATE = "a context: another cause acts at some of its levels only"


@dataclass(frozen=True, eq=False)
class Discrete:
    """Edges into discrete variables, in words too.

    Attributes:
        targets: the variables whose causes these are.
        edges, doubtful: as in a ``CausalGraph``.
        notes: what was decided.
        local: contexts in which fewer causes act.
        doubts: what the data say of edges that prior knowledge speaks of.
        tests: how many causes were tested.
    """

    targets: tuple[str, ...]
    edges: tuple[Edge, ...]
    doubtful: tuple[Edge, ...]
    notes: tuple[str, ...]
    local: tuple[LocalGraph, ...]
    doubts: tuple[Doubt, ...]
    tests: int


def _free(table: Coded, rate: float) -> bool:
    """Whether every action was chosen without regard to anything logged in its row or before."""
    nothing = np.zeros(len(next(iter(table.columns.values()))), np.int64)
    seen = [link for link in table.columns if link[1] > 0 and link[0] not in table.given]
    p = [
        stratified(table.columns[a, 1], table.columns[link], nothing).p_value
        for a in table.actions
        for link in seen
    ]
    return bool(min(p, default=1.0) > rate / max(len(p), 1))


def _apart(table: Coded, rate: float) -> bool:
    """Whether nothing else in the row follows the discrete states, so that none leaves it out."""
    others = [n for n, lag in table.columns if lag == 0 and n not in table.states]
    p = []
    for s in table.states:
        strata = joint_code(table.columns[s, 1], *(table.columns[a, 1] for a in table.actions))
        p += [stratified(table.columns[s, 0], table.columns[o, 0], strata).p_value for o in others]
    return bool(min(p, default=1.0) > rate / max(len(p), 1))


def _alone(levers: Levers, states: tuple[str, ...]) -> bool:
    """Whether every state has levers, and none is a lever of two: one might act by the other."""
    each = np.array([code >= 0 for code in levers.pulled.values()])
    return set(levers.pulled) == set(states) and bool(each.sum(0).max(initial=0) <= 1)


def _suited(log: Trajectories, names: tuple[str, ...], prior: Prior) -> bool:
    """Whether the schema and the prior leave room for levers at all."""
    levels = [log.schema[n].levels for n in names if log.schema[n].role is Role.ACTION]
    within = any(len(pair) == 3 and pair[2] == 0 for pair in prior.required)
    return len(discrete_targets(log, names)) > 1 and any(levels) and not within


def discrete_edges(
    log: Trajectories,
    names: tuple[str, ...],
    max_lag: int,
    prior: Prior,
    *,
    rate: float,
    budget: Budget = UNLIMITED,
) -> Discrete | None:
    """Edges into the discrete states of ``names``; None where levers do not tell their order.

    That is unless each of at least two such states has levers of its own, the actions follow
    nothing that was logged, and nothing else in the row follows the states. Required edges within
    the row, and causes that are numbers, which tests in bins would confound, are left to the
    general method too, and so is everything where the ``budget`` ends before all is tested.
    """
    read = _experiments(log, names, max_lag, prior, rate)
    if read is None:
        return None
    table, levers = read
    now, before = table.now(), table.before()
    above = descent(levers, table.states, now, before, rate=rate)
    found: list[dict[Link, Stratified]] = []
    for j in range(len(table.states)):
        if budget.over():
            budget.cut("no reading of actions that set levels as experiments")
            return None
        found.append(_parents(table, levers, above, j, prior, rate))
    tests = {(k, s): t for s, own in zip(table.states, found, strict=True) for k, t in own.items()}
    kept, doubtful, cut = _chosen(tests, prior, rate)
    if any(not log.schema[e.source].levels for e in kept):
        return None
    there = contexts(table, levers, above, kept, prior, rate=rate, budget=budget)
    shown = _shown(there, kept, cut)
    taken = {(e.source, e.target, e.lag) for e in shown}
    doubtful = [e for e in doubtful if (e.source, e.target, e.lag) not in taken]
    local = tuple(c.graph for c in there)
    notes = _notes(levers, len(tests), cut) + tuple(map(str, local))
    every = (*kept, *shown)
    doubts = tuple(_doubts(table, levers, every, prior))
    return Discrete(table.states, every, tuple(doubtful), notes, local, doubts, len(tests))


def _experiments(
    log: Trajectories, names: tuple[str, ...], max_lag: int, prior: Prior, rate: float
) -> tuple[Coded, Levers] | None:
    """The codes and the levers of a log whose actions may be read as experiments, else None."""
    if not _suited(log, names, prior):
        return None
    table = code_log(log, names, max_lag)
    if not table.actions or not len(table.columns[table.states[0], 0]):
        return None
    levers = find_levers(
        table.now(), table.before(), {a: table.columns[a, 1] for a in table.actions}
    )
    free = log.schema.policy is Policy.RANDOMISED or _free(table, rate)
    suits = _alone(levers, table.states) and free and _apart(table, rate)
    return (table, levers) if suits else None


def _chosen(
    tests: Mapping[tuple[Link, str], Stratified], prior: Prior, rate: float
) -> tuple[list[Edge], list[Edge], float]:
    """The edges that pass Benjamini–Hochberg, weighed by their odds; doubtful ones; the cut."""
    odds = kept_odds(np.array([prior.odds(k[0], s, k[1]) for k, s in tests], float))
    weights = odds / odds.mean() if len(odds) else odds
    p_values = np.array([t.p_value for t in tests.values()])
    cut = benjamini_hochberg(p_values / weights, rate)
    kept, doubtful = [], []
    for ((link, target), test), weight in zip(tests.items(), weights.tolist(), strict=True):
        wanted = prior.requires(link[0], target, link[1])
        edge = _edge(link, target, test, cut * weight)
        if wanted or (test.p_value <= cut * weight and large(test)):
            kept.append(edge)
        elif edge.probability > 0.05 and large(test):
            doubtful.append(edge)
    return kept, doubtful, cut


def _doubts(table: Coded, levers: Levers, edges: Sequence[Edge], prior: Prior) -> Iterator[Doubt]:
    """The tests of every edge that the prior speaks of, given the target's other causes.

    Of one within the row in the rows in which its source was set and the target was not.
    """
    for target in table.states:
        causes = [(e.source, e.lag) for e in edges if e.target == target]
        for link in table.columns:
            name, lag = link
            stated = prior.requires(name, target, lag) or not prior.allows(name, target, lag)
            inside = lag > 0 or (name in levers.pulled and name != target)
            if not inside or not (stated or prior.odds(name, target, lag) != 1):
                continue
            rows = np.ones(len(table.columns[link]), bool)
            given = [k for k in causes if k != link]
            if lag == 0:
                rows = (levers.pulled[name] >= 0) & (levers.pulled[target] < 0)
                given = [k for k in given if k[1] > 0 and k[0] in table.states]
            test = table.test(link, target, given, rows)
            size = float(np.sqrt(max(test.effect, 0.0)))
            yield Doubt(name, target, lag, test.p_value, size, int(rows.sum()), len(given))


def _shown(found: Sequence[Context], kept: Sequence[Edge], cut: float) -> list[Edge]:
    """The causes that only contexts show: their gates, and what acts in them."""
    out: dict[tuple[Link, str], Edge] = {}
    known = {((e.source, e.lag), e.target) for e in kept}
    nan = float("nan")
    for each in found:
        target, gate = each.graph.target, each.graph.gate
        where = (
            f"seen where {gate[0]} is at level {each.graph.level}, outside the share that is held"
        )
        for link, test in {gate: each.gate, **each.more}.items():
            pair = (link, target)
            if pair in known or pair in out:
                continue
            edge = _edge(link, target, test, cut)
            proof = edge.evidence and replace(edge.evidence, note=where)
            if link == gate:  # the test is that of a cause which acts at its other levels only
                proof, edge = Evidence(GATE, nan, nan, test.rows, where), replace(edge, effect=nan)
            out[pair] = replace(edge, evidence=proof)
    return list(out.values())


def _notes(levers: Levers, tests: int, cut: float) -> tuple[str, ...]:
    return (
        f"actions set {', '.join(levers.pulled)} by force at some levels: these rows were read as "
        "experiments that order the variables within a row, each level acting on one variable "
        "directly.",
        f"{tests} causes of discrete variables tested within strata; p ≤ {cut:.2g} holds the "
        "expected share of false edges as far as the order within the row is right.",
    )


def _edge(link: Link, target: str, test: Stratified, cut: float) -> Edge:
    source, lag = link
    reach = float(stats.norm.isf(max(cut, 1e-300)))
    proof = Evidence(
        test=ROW_TEST if lag == 0 else TEST,
        statistic=test.score,
        p_value=test.p_value,
        rows=test.rows,
        note=("direction by levers; " if lag == 0 else "")
        + "probability: of this test passing again, not resampled",
    )
    chance = float(stats.norm.cdf(test.score - reach))
    return Edge(source, target, lag, Mark.DIRECTED, chance, test.effect, proof)


def _parents(
    table: Coded, levers: Levers, above: Bool[np.ndarray, "s s"], j: int, prior: Prior, rate: float
) -> dict[Link, Stratified]:
    """Every candidate cause of state number j with the test that decided about it."""
    target = table.states[j]
    higher, rows = levers.experiments(table.states, above, j)
    earlier = [link for link in table.columns if link[1] > 0]
    earlier = [(s, lag) for s, lag in earlier if prior.allows(s, target, lag)]
    inside = [(s, 0) for s in higher if prior.allows(s, target, 0)]
    lagged_states = [link for link in earlier if link[0] in table.states]
    within = table.grow_shrink(target, inside + lagged_states, rows, rate=rate)
    now = [link for link in inside if within[link].p_value <= rate and large(within[link])]
    every = np.ones_like(rows)
    out = table.grow_shrink(target, earlier, every, given=now, rate=rate)
    quiet = ~rows & (levers.pulled[target] < 0)
    own = (target, 1)
    if own in out and not (out[own].p_value <= rate and large(out[own])):
        # many causes within the row leave too few rows a stratum to see what is kept from before
        still = table.grow_shrink(target, inside + lagged_states, quiet, rate=rate)[own]
        out[own] = replace(still, p_value=min(1.0, 2 * still.p_value))
    return out | {link: within[link] for link in inside}
