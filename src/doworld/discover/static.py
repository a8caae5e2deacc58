"""The graph of a static table: the best order of its variables, tested and resampled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.progress import Progress, Quiet, Track
from doworld.data import Kind, Schema, Trajectories
from doworld.discover.comparable import acted, with_place, without
from doworld.discover.interventions import Interventions
from doworld.discover.limits import allowed_edges, constraints_of
from doworld.discover.multiplicity import benjamini_hochberg
from doworld.discover.observed import OBSERVED_TEST, Observed
from doworld.discover.odds import WithOdds, odds_table, pair_odds
from doworld.discover.permutation import Constraints, Ordered, refine, search
from doworld.discover.scores import GaussianScore, MultinomialScore, Score, Strength, bits
from doworld.discover.shared import SharedScore
from doworld.discover.static_conflicts import static_conflicts
from doworld.discover.table import Table, score_of, table_of
from doworld.graph import Conflict, Edge, Evidence, Mark, Prior, Reason, Unidentified
from doworld.graph.equivalence import equivalence_class

__all__ = ["StaticGraph", "static_graph"]

QUIET = Quiet()
KICKS = 2
"""Kicks of the search, for each variable."""
RESAMPLES = 20
DOUBTFUL = 0.05
LIKELY = 0.5
AGREED = 0.75
"""Share of resamples that must point an edge one way."""
NOISE_FREE = 1e-7
MOST_SHARED = 8
"""Parents of a variable where environments are compared."""
ROWS_A_BENT_PARENT = 15
CLEAR = 6.0
"""Twice the logarithm of a ratio of evidence from which a direction counts as told."""
LINEAR = "partial correlation given the other parents; effect: standardised coefficient"
MIXED = "partial correlation given the other parents (Wilks); effect: canonical correlation"
SHARED = "likelihood ratio, mechanisms shared between environments or not; effect: variance removed"
LEVELS = "X² within strata of the other parents; effect: share of the strongest there could be"


@dataclass(frozen=True)
class StaticGraph:
    """What a static table shows: edges, doubtful edges, notes, and what it cannot say.

    ``tests``, ``skipped`` and ``cut`` are how many pairs were tested, how many prior knowledge
    rules out, and the p-value up to which a test counts.
    """

    edges: tuple[Edge, ...]
    doubtful: tuple[Edge, ...]
    notes: tuple[str, ...]
    unidentified: tuple[Unidentified, ...]
    conflicts: tuple[Conflict, ...]
    tests: int
    skipped: int
    cut: float


@dataclass(frozen=True, eq=False)
class _Found:
    """A table's search and what its resamples say of it; ``[i, j]`` speaks of i → j.

    ``tests`` are those of the edges that the search took, by (parent, target); ``dag`` are those
    that passed at ``cut``. ``linked`` is the share of resamples with an edge either way, ``points``
    of those with this direction, where an open edge counts half. ``sure`` are the edges of ``dag``
    that no graph nearly as good turns round.
    """

    schema: Schema
    table: Table
    score: Score
    odds: Float[np.ndarray, "nodes nodes"]
    limits: Constraints
    ordered: Ordered
    tests: dict[tuple[int, int], Strength]
    cut: float
    dag: Bool[np.ndarray, "nodes nodes"]
    linked: Float[np.ndarray, "nodes nodes"]
    points: Float[np.ndarray, "nodes nodes"]
    sure: Bool[np.ndarray, "nodes nodes"]


def static_graph(
    log: Trajectories,
    names: Sequence[str],
    prior: Prior,
    *,
    interventions: Interventions | None = None,
    fdr: float,
    seed: int,
    budget: Budget = UNLIMITED,
    progress: Progress = QUIET,
) -> StaticGraph:
    r"""The edges among ``names``, variables of a table whose rows are independent units.

    The order of the variables is searched under which each one, explained by parents from those
    before it, scores best: with multinomial tables (BDeu) where all variables have levels, with
    linear Gaussian regressions (BIC) otherwise, categorical ones as indicators. An edge stays if
    its test given the target's other parents passes Benjamini–Hochberg at ``fdr`` over all pairs of
    variables, those without an edge counted with p = 1. It points one way where all DAGs of the
    Markov equivalence class that agree with roles and ``prior`` do (Meek 1995), and so do three
    in four resamples; else it is open (``---``). An edge's probability is the share of
    resamples that hold it with its mark, where one left open counts half for either direction.

    The tests hold ``fdr`` as far as the order is right: order and parents were chosen on the same
    rows, so a wrong order adds edges that no rate covers, and directions are not covered at all.

    Of several environments the graph along which few mechanisms differ scores best, and what is
    known of ``interventions`` counts (``doworld.discover.shared``); an edge then points one way
    where no order without it scores within 6. Where a variable has levels the environment is a
    context instead (``doworld.discover.comparable``).

    Prior odds add to the score of an order and weigh the tests (``doworld.discover.odds``); they
    direct nothing by themselves. When ``budget`` ends, the best order so far is tested, and
    probabilities without resamples are those of the test passing again.

    Of variables with the same content one takes part, and the copies are linked to it. Raises
    ``GraphError`` where required edges contradict a role or each other.

    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> rain, sprinkler = rng.standard_normal((2, 500))
    >>> frame = pl.DataFrame({
    ...     "rain": rain, "sprinkler": sprinkler,
    ...     "wet": rain + sprinkler + rng.standard_normal(500),
    ... })
    >>> log = Trajectories.from_frame(frame, state=frame.columns)
    >>> sorted(map(str, static_graph(log, frame.columns, Prior(), fdr=0.01, seed=0).edges))
    ['rain(t) --> wet(t)', 'sprinkler(t) --> wet(t)']
    """
    ask = _Ask(prior, interventions, fdr, seed, budget, progress)
    kinds = {log.schema[n].kind for n in names}
    levels = Kind.CATEGORICAL in kinds or kinds <= {Kind.BINARY}
    if len(np.unique(log.environment)) < 2 or not levels:
        return _searched(log, names, ask)
    wider, more, place = with_place(log, prior, interventions)
    ask = replace(ask, prior=more, interventions=None, place=place)
    return _searched(wider, (*names, place), ask)


@dataclass(frozen=True, eq=False)
class _Ask:
    """What is asked of one table; ``place`` is the context that stands for the environment."""

    prior: Prior
    interventions: Interventions | None
    fdr: float
    seed: int
    budget: Budget
    progress: Progress
    place: str = ""


def _searched(log: Trajectories, names: Sequence[str], ask: _Ask) -> StaticGraph:
    """The search of one table."""
    table, prior = table_of(log, names), ask.prior
    score = _score(log, names, table, ask)
    limits = constraints_of(table, log.schema, prior)
    if isinstance(score, SharedScore):
        most = max(1, min(MOST_SHARED, len(table.values) // ROWS_A_BENT_PARENT))
        limits = replace(limits, most=min(limits.most, most))
    rng = np.random.default_rng(ask.seed)
    odds = odds_table(prior, table.names)
    priced = WithOdds.of(score, odds) if prior.chances else score
    track = ask.progress.task("searching the best order", total=1)
    part = ask.budget.part(0.6)
    ordered = search(priced, limits, kicks=KICKS, rng=rng, budget=part, track=track)
    tests, cut, weight = _tests(score, limits, ordered, ask.fdr, odds)
    dag = limits.required.copy()
    for (i, j), test in tests.items():
        dag[i, j] |= test.p_value <= cut * weight[i, j]
    none = np.zeros(dag.shape)
    found = _Found(
        log.schema, table, score, odds, limits, ordered, tests, cut, dag, none, none, none > 0
    )
    track = ask.progress.task("resampling", total=RESAMPLES)
    linked, points = _resampled(priced, found, rng, ask.budget, track)
    found = replace(found, linked=linked, points=points, sure=_sure(priced, found, rng))
    return _reported(found, ask)


def _reported(found: _Found, ask: _Ask) -> StaticGraph:
    """The edges, conflicts, notes and counts of a search."""
    table, place = found.table, ask.place
    edges, doubtful = _edges(found)
    free = allowed_edges(table.names, found.schema, Prior())
    facts = (*_copies(table), *_determined(found))
    conflicts = static_conflicts(
        found.score,
        found.limits,
        free,
        found.ordered,
        table.names,
        rows=len(table.values),
        prior=ask.prior,
        rate=ask.fdr,
        budget=ask.budget,
    )
    return StaticGraph(
        conflicts=tuple(c for c in conflicts if place not in (c.source, c.target)),
        tests=_pairs(found.limits),
        skipped=int(np.triu(free | free.T, 1).sum()) - _pairs(found.limits),
        cut=found.cut,
        edges=without((*edges, *_copy_edges(table, found.schema, ask.prior)), place),
        doubtful=without(doubtful, place),
        notes=_notes(found, ask.fdr),
        unidentified=tuple(f for f in facts if place not in (f.variable, *f.others)),
    )


def _score(log: Trajectories, names: Sequence[str], table: Table, ask: _Ask) -> Score:
    """The score that suits the table: over environments where it has several."""
    if ask.place or len(np.unique(log.environment)) < 2:
        plain = score_of(table, ask.fdr)
        return plain if table.holes is None else Observed(plain, table.holes)
    values = log.values[:, [log.schema.position(n) for n in names]]
    place = log.environment[log.episode_of_row][np.isfinite(values).all(1)]
    hard, soft = acted(log, table.names, ask.interventions)
    code = np.unique(place, return_inverse=True)[1].ravel()
    penalty = float(np.log(len(place)))
    return SharedScore.of(table.values, code, penalty, replaced=hard, altered=soft)


def _pairs(limits: Constraints) -> int:
    """How many pairs of variables may be linked and need not be."""
    possible = limits.allowed & ~limits.required & ~limits.required.T
    return int(np.triu(possible | possible.T).sum())


def _tests(
    score: Score,
    limits: Constraints,
    ordered: Ordered,
    fdr: float,
    odds: Float[np.ndarray, "nodes nodes"],
) -> tuple[dict[tuple[int, int], Strength], float, Float[np.ndarray, "nodes nodes"]]:
    """The test of every edge of the order, the p-value up to which they count, and weights."""
    tests = {
        (i, j): score.test(j, mask ^ (1 << i), i)
        for j, mask in enumerate(ordered.parents)
        for i in bits(mask)
    }
    pairs, weight = _pairs(limits), pair_odds(odds)
    possible = limits.allowed & ~limits.required & ~limits.required.T
    open_pairs = weight[np.triu(possible | possible.T)]
    weight = weight / (float(open_pairs.mean()) if open_pairs.size else 1.0)
    p = [t.p_value / weight[i, j] for (i, j), t in tests.items() if not limits.required[i, j]]
    return tests, benjamini_hochberg(np.array(p + [1.0] * (pairs - len(p))), fdr), weight


def _known(limits: Constraints) -> Bool[np.ndarray, "nodes nodes"]:
    """Edges that can only point as they do."""
    return limits.required | ~limits.allowed.T


def _resampled(
    score: Score, found: _Found, rng: np.random.Generator, budget: Budget, track: Track
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"]]:
    """Shares of resamples with a link, and with each direction; see ``_Found``.

    The search goes on from the order found, with parents and their other parents as candidates.
    """
    ordered, limits = found.ordered, found.limits
    dag = ordered.dag
    near = dag | dag.T | (dag.astype(int) @ dag.T.astype(int) > 0)
    candidates = [sum(1 << int(i) for i in np.flatnonzero(c)) for c in (near & limits.allowed).T]
    start = replace(ordered, candidates=tuple(candidates))
    linked, points = np.zeros(dag.shape), np.zeros(dag.shape)
    made = 0
    for again in score.resamples(RESAMPLES, rng):
        if budget.over():
            budget.cut(f"{made} of {RESAMPLES} resamples, of which probabilities are shares")
            break
        out = refine(again, limits, start, rng).dag
        if not isinstance(found.score, SharedScore):
            out = equivalence_class(out, _known(limits))
        linked += out | out.T
        points += out * np.where(out.T, 0.5, 1.0)
        made += 1
        track.advance(1, budget.words())
    return (linked / made, points / made) if made else _unresampled(found)


def _unresampled(
    found: _Found,
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"]]:
    """The chances that the tests would pass again, in the place of shares of resamples."""
    linked = np.zeros(found.dag.shape)
    bar = float(stats.norm.isf(np.clip(found.cut, 1e-300, 1.0) / 2))
    for (i, j), test in found.tests.items():
        score = float(stats.norm.isf(np.clip(test.p_value, 1e-300, 1.0) / 2))
        linked[i, j] = linked[j, i] = stats.norm.cdf(score - bar)
    out = equivalence_class(found.dag, _known(found.limits))
    return linked, linked * out * np.where(out.T, 0.5, 1.0)


def _sure(score: Score, found: _Found, rng: np.random.Generator) -> Bool[np.ndarray, "nodes nodes"]:
    """The edges that point the same way in every graph that is as good, or nearly as good.

    Scores that tell nothing but independences are as good for a whole Markov equivalence class;
    others are asked for the best order without the edge. ``score`` is the found one's with odds.
    """
    limits, ordered, dag, known = found.limits, found.ordered, found.dag, _known(found.limits)
    if not isinstance(found.score, SharedScore):
        either = equivalence_class(dag, known)
        return either & ~either.T
    sure = dag & known
    for i, j in np.argwhere(dag & ~known).tolist():
        allowed, candidates = limits.allowed.copy(), list(ordered.candidates)
        allowed[i, j] = False
        candidates[j] &= ~(1 << i)
        start = replace(ordered, candidates=tuple(candidates))
        other = refine(score, replace(limits, allowed=allowed), start, rng)
        sure[i, j] = ordered.score - other.score >= CLEAR
    return sure


def _edges(found: _Found) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """The edges that passed and are likely, and the others that resamples show."""
    agreed = (found.points >= AGREED) | _known(found.limits)
    directed = found.sure & agreed
    kept: list[Edge] = []
    doubtful: list[Edge] = []
    required = found.limits.required
    for i, j in np.argwhere(found.dag).tolist():
        edge = _edge(found, i, j, directed=bool(directed[i, j]))
        likely = found.linked[i, j] >= LIKELY or required[i, j]
        (kept if likely else doubtful).append(edge)
    linked = found.dag | found.dag.T
    for i, j in np.argwhere(np.triu(~linked & (found.linked >= DOUBTFUL))).tolist():
        forward, back = found.limits.allowed[i, j], found.limits.allowed[j, i]
        later = found.ordered.order.index(i) > found.ordered.order.index(j)
        a, b = (j, i) if not forward or (back and later) else (i, j)
        doubtful.append(_edge(found, a, b, directed=not (forward and back)))
    return tuple(kept), (*doubtful, *_unseen(found))


def _unseen(found: _Found) -> list[Edge]:
    """Links of variables of so many levels that the score of their table sees none, a test does."""
    if not isinstance(found.score, MultinomialScore):
        return []
    levels, rows = found.score.counts.levels, len(found.table.values)
    linked = found.dag | found.dag.T | (found.linked >= DOUBTFUL)
    free = found.limits.allowed | found.limits.allowed.T
    out = []
    for i, j in np.argwhere(np.triu(free & ~linked, 1)).tolist():
        if levels[i] * levels[j] <= rows:
            continue
        test = found.score.test(j, 0, i)
        if test.p_value > found.cut:
            continue
        a, b = sorted((found.table.names[i], found.table.names[j]), key=found.schema.position)
        note = (
            "its table has more cells than rows, so the search cannot weigh it; merge rare levels"
        )
        proof = Evidence(LEVELS, test.statistic, test.p_value, rows, note)
        out.append(Edge(a, b, 0, Mark.UNDIRECTED, 0.5, test.effect, proof))
    return out


def _edge(found: _Found, i: int, j: int, *, directed: bool) -> Edge:
    """The edge of a parent and its target; an open one as the log orders its ends."""
    parents = found.ordered.parents[j] & ~(1 << i)
    test = found.tests.get((i, j)) or found.score.test(j, parents, i)
    note = "" if directed else "direction open: the data cannot tell it"
    source, target = found.table.names[i], found.table.names[j]
    rows = test.rows or len(found.table.values)
    proof = Evidence(_test_name(found), test.statistic, test.p_value, rows, note)
    share = found.points[i, j] if directed else found.linked[i, j]
    mark = Mark.DIRECTED if directed else Mark.UNDIRECTED
    if not directed:
        source, target = sorted((source, target), key=found.schema.position)
    return Edge(source, target, 0, mark, float(share), test.effect, proof)


def _test_name(found: _Found) -> str:
    if isinstance(found.score, SharedScore):
        return SHARED
    if found.table.holes is not None:
        return OBSERVED_TEST
    if not isinstance(found.score, GaussianScore):
        return LEVELS
    wide = found.score.correlation.shape[0] > len(found.table.names)
    return MIXED if wide else LINEAR


def _copy_edges(table: Table, schema: Schema, prior: Prior) -> list[Edge]:
    """A copy is linked to what it is a copy of, one way where roles or prior say which."""
    out = []
    for copy, kept in table.copies:
        forward, back = allowed_edges((kept, copy), schema, prior)[[0, 1], [1, 0]]
        source, target = (kept, copy) if forward else (copy, kept)
        if not (forward or back):
            continue
        mark = Mark.UNDIRECTED if forward and back else Mark.DIRECTED
        if forward and back:
            source, target = sorted((kept, copy), key=schema.position)
        proof = Evidence("the same content in every row", np.nan, np.nan, len(table.values))
        out.append(Edge(source, target, 0, mark, 1.0, 1.0, proof))
    return out


def _copies(table: Table) -> list[Unidentified]:
    return [
        Unidentified(
            copy,
            Reason.DETERMINED,
            f"{copy!r} is an exact linear function or a relabelling of {kept!r} in this log and "
            f"was left out of the search: an edge found from {kept!r} may be its doing. Drop one "
            "of them, or log situations in which they differ.",
            (kept,),
        )
        for copy, kept in table.copies
    ]


def _determined(found: _Found) -> list[Unidentified]:
    """Numbers that their parents leave no noise of."""
    pooled = found.score
    if isinstance(pooled, SharedScore):
        pooled = score_of(found.table, DOUBTFUL)
    if not isinstance(pooled, GaussianScore):
        return []
    out = []
    for j, mask in enumerate(found.ordered.parents):
        if not mask or not pooled.determined(j, mask, NOISE_FREE):
            continue
        name = found.table.names[j]
        others = tuple(found.table.names[i] for i in bits(mask))
        said = ", ".join(f"{n!r}" for n in others)
        note = (
            f"{name!r} is an exact linear function of {said} in this log: what do({name}) would "
            "change cannot be told from what they change. Log situations in which it differs."
        )
        out.append(Unidentified(name, Reason.DETERMINED, note, others))
    return out


def _notes(found: _Found, fdr: float) -> tuple[str, ...]:
    table = found.table
    model = (
        "tables of conditional probabilities"
        if table.discrete
        else "linear regressions, which do not see relations without a linear trend"
    )
    if isinstance(found.score, SharedScore):
        count = len(found.score.sums.rows)
        model = f"regressions that {count} environments share as far as they can"
    possible = found.limits.allowed | found.limits.allowed.T
    pairs = int(np.triu(possible).sum())
    notes = [
        f"a static table: edges within a row only, by {model}.",
        f"{pairs} pairs of variables; p ≤ {found.cut:.2g} holds the expected share of false edges "
        f"at {fdr:g} as far as the order found is right; directions are not covered.",
    ]
    if table.merged:
        names = ", ".join(table.merged)
        notes.append(f"{names}: rare levels are treated as one beside numbers.")
    return tuple(notes)
