"""Causes of discrete variables in a log whose actions set some of them by force.

Levers (``discover.levers``) give an order within the row. Then, for every target j,

1. in the rows where a lever of something above j was pulled, and none of j's own, the parents
   within the row are the smallest set given which nothing else above j matters: grow–shrink
   (Margaritis & Thrun 1999) with the stratified test;
2. in all rows, given those, the parents at earlier rows and the actions, likewise.

In step 1 the action itself is not conditioned on: a lever determines the variable it sets, so that
"the lever moves j" and "what it sets moves j" say the same of the data, and the shorter account,
in which each lever acts on one variable, is taken.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Int
from scipy import stats

from doworld.data import Kind, Policy, Role, Trajectories
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.stratified import Stratified, joint_code, stratified
from doworld.discover.time.levers import Levers, descent, find_levers
from doworld.graph import Edge, Evidence, LocalGraph, Mark, Prior

__all__ = ["Discrete", "discrete_edges", "discrete_targets", "grow_shrink"]

Codes = Int[np.ndarray, " rows"]
Link = tuple[str, int]
_Item = TypeVar("_Item")

LEAST_EFFECT = 0.003
"""Share of the strongest possible dependence below which an edge is not worth having."""

SILENT = 0.25
"""Share of a cause's dependence overall below which it is silent in a context."""

FEWEST_HERE = 200
"""Rows below which a context is not judged."""

BINS = 5
"""Quantile bins of a continuous cause, for tests."""

MOST_LEVELS = 64
"""Levels above which a variable is not explained this way."""

TEST = "independence within strata of the other parents; effect: share of perfect dependence"
ROW_TEST = "the same, where a lever of something above was pulled"


@dataclass(frozen=True, eq=False)
class Discrete:
    """Edges into discrete variables, in words too.

    Attributes:
        targets: the variables whose causes these are.
        edges, doubtful: as in a ``CausalGraph``.
        notes: what was decided.
        local: contexts in which fewer causes act.
    """

    targets: tuple[str, ...]
    edges: tuple[Edge, ...]
    doubtful: tuple[Edge, ...]
    notes: tuple[str, ...]
    local: tuple[LocalGraph, ...]


@dataclass(frozen=True, eq=False)
class _Table:
    """Codes of every variable at every lag, one row a transition."""

    columns: Mapping[Link, Codes]
    states: tuple[str, ...]
    actions: tuple[str, ...]
    given: frozenset[str]

    def now(self) -> dict[str, Codes]:
        return {n: self.columns[n, 0] for n in self.states}

    def before(self) -> dict[str, Codes]:
        return {n: self.columns[n, 1] for n in self.states}


def discrete_targets(log: Trajectories, names: Iterable[str]) -> tuple[str, ...]:
    """The discrete states of a log over time with at most ``MOST_LEVELS`` levels."""
    if log.schema.static:
        return ()
    return tuple(
        n
        for n in names
        if log.schema[n].role is Role.STATE and 2 <= log.schema[n].levels <= MOST_LEVELS
    )


def _codes(column: np.ndarray, levels: int) -> Codes:
    """Level codes; quantile bins where there are no levels."""
    if levels or not len(column):
        return column.astype(np.int64)
    cuts = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(cuts, column, side="right")


def _table(log: Trajectories, names: tuple[str, ...], max_lag: int) -> _Table:
    schema, values = log.schema, log.aligned
    rows = log.windows(max_lag + 1) + max_lag
    states = discrete_targets(log, names)
    read = [(n, 0) for n in names if schema[n].role in (Role.STATE, Role.REWARD)]
    read += [
        (n, lag)
        for n in names
        for lag in range(1, max_lag + 1)
        if schema[n].role is not Role.REWARD
    ]
    raw = {(n, lag): values[rows - lag, schema.position(n)] for n, lag in read}
    whole = np.all([~np.isnan(c) for c in raw.values()], axis=0)
    columns = {link: _codes(c[whole], schema[link[0]].levels) for link, c in raw.items()}
    discrete = (Kind.CATEGORICAL, Kind.BINARY)
    actions = tuple(
        n for n in names if schema[n].role is Role.ACTION and schema[n].kind in discrete
    )
    return _Table(columns, states, actions, frozenset(schema.of(Role.ACTION)))


def _free(table: _Table, rate: float) -> bool:
    """Whether every action was chosen without regard to anything logged in its row or before."""
    nothing = np.zeros(len(next(iter(table.columns.values()))), np.int64)
    seen = [link for link in table.columns if link[1] > 0 and link[0] not in table.given]
    p = [
        stratified(table.columns[a, 1], table.columns[link], nothing).p_value
        for a in table.actions
        for link in seen
    ]
    return bool(min(p, default=1.0) > rate / max(len(p), 1))


def _apart(table: _Table, rate: float) -> bool:
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
) -> Discrete | None:
    """Edges into the discrete states of ``names``; None where levers do not tell their order.

    That is unless each of at least two such states has levers of its own, the actions follow
    nothing that was logged, and nothing else in the row follows the states. Required edges within
    the row, and causes that are numbers, which tests in bins would confound, are left to the
    general method too.
    """
    schema = log.schema
    if not _suited(log, names, prior):
        return None
    table = _table(log, names, max_lag)
    if not table.actions or not len(table.columns[table.states[0], 0]):
        return None
    now, before = table.now(), table.before()
    levers = find_levers(now, before, {a: table.columns[a, 1] for a in table.actions})
    randomised = schema.policy is Policy.RANDOMISED
    if not (_alone(levers, table.states) and (randomised or _free(table, rate))):
        return None
    if not _apart(table, rate):
        return None
    above = descent(levers, table.states, now, before, rate=rate)
    found = [_parents(table, levers, above, j, prior, rate) for j in range(len(table.states))]
    tried = np.array([t.p_value for own in found for t in own.values()])
    cut = benjamini_hochberg(tried, rate)
    kept, doubtful = [], []
    for target, own in zip(table.states, found, strict=True):
        for link, test in own.items():
            wanted = prior.requires(link[0], target, link[1])
            passed = test.p_value <= cut and test.effect >= LEAST_EFFECT
            edge = _edge(link, target, test, cut)
            if passed or wanted:
                kept.append(edge)
            elif edge.probability > 0.05 and test.effect >= LEAST_EFFECT:
                doubtful.append(edge)
    if any(not schema[e.source].levels for e in kept):
        return None
    local = contexts(table, levers, above, found, kept, rate)
    notes = _notes(levers, tried, cut) + tuple(map(str, local))
    return Discrete(table.states, tuple(kept), tuple(doubtful), notes, local)


def _notes(levers: Levers, tried: np.ndarray, cut: float) -> tuple[str, ...]:
    return (
        f"actions set {', '.join(levers.pulled)} by force at some levels: these rows were read as "
        "experiments that order the variables within a row, each level acting on one variable "
        "directly.",
        f"{len(tried)} causes of discrete variables tested within strata; p ≤ {cut:.2g} holds the "
        "expected share of false edges.",
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
    table: _Table, levers: Levers, above: Bool[np.ndarray, "s s"], j: int, prior: Prior, rate: float
) -> dict[Link, Stratified]:
    """Every candidate cause of state number j with the test that decided about it."""
    target = table.states[j]
    higher, rows = _experiments(table, levers, above, j)
    earlier = [link for link in table.columns if link[1] > 0]
    earlier = [(s, lag) for s, lag in earlier if prior.allows(s, target, lag)]
    inside = [(s, 0) for s in higher if prior.allows(s, target, 0)]
    lagged_states = [link for link in earlier if link[0] in table.states]
    within = _grow_shrink(table, target, inside + lagged_states, rows, rate=rate)
    now = [link for link in inside if within[link].p_value <= rate and _large(within[link])]
    every = np.ones_like(rows)
    out = _grow_shrink(table, target, earlier, every, given=now, rate=rate)
    return out | {link: within[link] for link in inside}


def _experiments(
    table: _Table, levers: Levers, above: Bool[np.ndarray, "s s"], j: int
) -> tuple[tuple[str, ...], Bool[np.ndarray, " rows"]]:
    """What stands above state number j, and the rows in which a lever of that was pulled alone."""
    higher = tuple(table.states[i] for i in np.flatnonzero(above[:, j]))
    return higher, levers.rows_of(higher) & (levers.pulled[table.states[j]] < 0)


def contexts(
    table: _Table,
    levers: Levers,
    above: Bool[np.ndarray, "s s"],
    found: list[dict[Link, Stratified]],
    edges: list[Edge],
    rate: float,
) -> tuple[LocalGraph, ...]:
    """Levels of a cause within the row at which other causes no longer act (context-specific
    independence; Boutilier, Friedman, Goldszmidt & Koller 1996).

    At each level of each cause g of a target, its other causes are searched anew among those it has
    at all, given its causes at earlier rows. A cause is silent there if it is not found and the
    dependence on it, two standard errors added, lies below ``SILENT`` of what it is overall; one
    that is neither found nor silent is taken to act. The gate that silences most causes is kept.
    """
    out: list[LocalGraph] = []
    for j, target in enumerate(table.states):
        own = [e for e in edges if e.target == target]
        now = [e.source for e in own if e.lag == 0]
        past = [(e.source, e.lag) for e in own if e.lag > 0]
        rows = _experiments(table, levers, above, j)[1]
        best: list[LocalGraph] = []
        for gate in now if len(now) > 1 else ():
            others = {s: found[j][s, 0].share for s in now if s != gate}
            code = table.columns[gate, 0]
            own_contexts = []
            for v in np.unique(code[rows]).tolist():
                here = rows & (code == v)
                if here.sum() < FEWEST_HERE:
                    continue
                left = _left(table, target, others, here, past=past, rate=rate)
                if left is not None:
                    own_contexts.append(LocalGraph(target, (gate, 0), v, left))
            best = max(best, own_contexts, key=lambda c: sum(len(now) - len(g.parents) for g in c))
        out += best
    return tuple(out)


def _left(
    table: _Table,
    target: str,
    others: Mapping[str, float],
    here: Bool[np.ndarray, " rows"],
    *,
    past: list[Link],
    rate: float,
) -> tuple[str, ...] | None:
    """The causes that may act in the rows ``here``; None where none is clearly silent.

    The causes at earlier rows, ``past``, are given: which of a row's causes act may hang on what
    was done, and what was not moved is as it was.
    """
    links = [(s, 0) for s in others]
    tests = _grow_shrink(table, target, links, here, given=past, rate=rate / len(links))
    silent = [
        s
        for s, share in others.items()
        if tests[s, 0].p_value > rate and tests[s, 0].share + 2 * tests[s, 0].error < SILENT * share
    ]
    return tuple(s for s in others if s not in silent) if silent else None


def _large(test: Stratified) -> bool:
    return test.effect >= LEAST_EFFECT


def _grow_shrink(
    table: _Table,
    target: str,
    candidates: list[Link],
    rows: Bool[np.ndarray, " rows"],
    *,
    given: Iterable[Link] = (),
    rate: float,
) -> dict[Link, Stratified]:
    """Each candidate's test given the others that were kept; those left out fail theirs."""
    fixed = list(given)
    y = table.columns[target, 0][rows]

    def test(link: Link, others: list[Link]) -> Stratified:
        code = [table.columns[other][rows] for other in (*fixed, *others)]
        strata = joint_code(*code) if code else np.zeros(len(y), np.int64)
        return stratified(table.columns[link][rows], y, strata)

    return grow_shrink(candidates, test, rate)


def grow_shrink(
    candidates: list[_Item],
    test: Callable[[_Item, list[_Item]], Stratified],
    rate: float,
) -> dict[_Item, Stratified]:
    """Each candidate's test given the others that were kept; those left out fail theirs."""
    kept: list[_Item] = []

    def good(result: Stratified) -> bool:
        return result.p_value <= rate and _large(result)

    while rest := [link for link in candidates if link not in kept]:
        results = {link: test(link, kept) for link in rest}
        best = max(rest, key=lambda link: results[link].effect * good(results[link]))
        if not good(results[best]):
            break
        kept.append(best)
    for link in tuple(kept):
        if not good(test(link, [k for k in kept if k != link])):
            kept.remove(link)
    return {link: test(link, [k for k in kept if k != link]) for link in candidates}
