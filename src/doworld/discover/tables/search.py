"""The graph of a static table: the best order of its variables, tested and resampled."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from doworld._core.budget import Budget
from doworld._core.progress import Track
from doworld.data import Kind, Trajectories
from doworld.discover.environments.comparable import acted, with_place
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.order.additive import AdditiveScore
from doworld.discover.order.permutation import Constraints, Ordered, refine, search
from doworld.discover.order.scores import Score, Strength, bits
from doworld.discover.order.shared import SharedScore
from doworld.discover.tables.limits import constraints_of
from doworld.discover.tables.report import Found, pairs, reported
from doworld.discover.tables.table import Table, score_of, smooth_score, table_of
from doworld.discover.tables.task import StaticGraph, StaticTask
from doworld.discover.time.observed import Observed
from doworld.discover.time.odds import WithOdds, odds_table, pair_odds
from doworld.graph.equivalence import equivalence_class

__all__ = ["static_graph"]

KICKS = 2
"""Kicks of the search, for each variable."""
RESAMPLES = 20
MOST_SHARED = 8
"""Parents of a variable where environments are compared."""
ROWS_A_BENT_PARENT = 15
CERTAIN = 0.95
"""Share of resamples that must agree where only the form of the noise tells the way."""
CLEAR = 6.0
"""Twice the logarithm of a ratio of evidence from which a direction counts as told."""


def static_graph(task: StaticTask, *, smooth: bool = False) -> StaticGraph:
    r"""The edges among the names of ``task``.

    The order of the variables is searched under which each one, explained by parents from those
    before it, scores best: with multinomial tables (BDeu) where all variables have levels, with
    linear Gaussian regressions (BIC) otherwise, categorical ones as indicators. An edge stays if
    its test given the target's other parents passes Benjamini–Hochberg at ``fdr`` over all pairs of
    variables, those without an edge counted with p = 1. It points one way where all DAGs of the
    Markov equivalence class that agree with roles and prior do (Meek 1995), and so do three
    in four resamples; else it is open (``---``). An edge's probability is the share of
    resamples that hold it with its mark, where one left open counts half for either direction.

    The tests hold ``fdr`` as far as the order is right: order and parents were chosen on the same
    rows, so a wrong order adds edges that no rate covers, and directions are not covered at all.

    Of several environments the graph along which few mechanisms differ scores best, and what is
    known of interventions counts (``doworld.discover.order.shared``); an edge then points one way
    where no order without it scores within 6. Where a variable has levels the environment is a
    context instead (``doworld.discover.environments.comparable``).

    Prior odds add to the score of an order and weigh the tests (``discover.time.odds``); they
    direct nothing by themselves. When the budget ends, the best order so far is tested, and
    probabilities without resamples are those of the test passing again.

    A ``smooth`` search regresses numbers on each other by smooth functions with additive noise
    (``discover.order.additive``), which also points edges that independence leaves open, where
    nineteen in twenty resamples agree.

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
    >>> sorted(map(str, static_graph(StaticTask(log, frame.columns)).edges))
    ['rain(t) --> wet(t)', 'sprinkler(t) --> wet(t)']
    """
    log, names = task.log, task.names
    kinds = {log.schema[n].kind for n in names}
    levels = Kind.CATEGORICAL in kinds or kinds <= {Kind.BINARY}
    if len(np.unique(log.environment)) >= 2 and levels:
        log, more, place = with_place(log, task.prior, task.interventions)
        names = (*names, place)
        task = replace(task, log=log, names=names, prior=more, interventions=None, place=place)
    table, prior = table_of(log, names, last=task.place), task.prior
    score = _score(log, table, task, smooth=smooth)
    limits = constraints_of(table, log.schema, prior)
    if isinstance(score, SharedScore):
        most = max(1, min(MOST_SHARED, len(table.values) // ROWS_A_BENT_PARENT))
        limits = replace(limits, most=min(limits.most, most))
    rng = np.random.default_rng(task.seed)
    odds = odds_table(prior, table.names)
    score, ordered = _ordered(score, odds, limits, task, rng)
    tests, cut, weight = _tests(score, limits, ordered, task.fdr, odds)
    dag = limits.required.copy()
    for (i, j), test in tests.items():
        dag[i, j] |= test.p_value <= cut * weight[i, j]
    none = np.zeros(dag.shape)
    found = Found(
        log.schema, table, score, odds, limits, ordered, tests, cut, dag, none, none, none > 0
    )
    priced = _priced(score, odds)
    track = task.progress.task("resampling", total=RESAMPLES)
    linked, points = _resampled(priced, found, rng, task.budget, track)
    found = replace(found, linked=linked, points=points)
    return reported(replace(found, sure=_sure(priced, found, rng, task.budget)), task)


def _priced(score: Score, odds: Float[np.ndarray, "nodes nodes"]) -> Score:
    """The score with prior odds, where there are any.

    A score that tells directions by itself gets the stronger odds of both: a belief links there,
    and directs nothing.
    """
    if (odds == 1).all():
        return score
    if isinstance(score, SharedScore | AdditiveScore):
        odds = np.where(np.abs(np.log(odds)) >= np.abs(np.log(odds.T)), odds, odds.T)
    return WithOdds.of(score, odds)


def _ordered(
    score: Score,
    odds: Float[np.ndarray, "nodes nodes"],
    limits: Constraints,
    task: StaticTask,
    rng: np.random.Generator,
) -> tuple[Score, Ordered]:
    """The best order; of smooth regressions searched again where their noise has another form."""
    track = task.progress.task("searching the best order", total=1)
    part = task.budget.part(0.6)
    priced = _priced(score, odds)
    ordered = search(priced, limits, kicks=KICKS, rng=rng, budget=part, track=track)
    if not isinstance(score, AdditiveScore):
        return score, ordered
    other = score.for_noise(ordered.parents)
    if other is score:
        return score, ordered
    priced = _priced(other, odds)
    return other, search(priced, limits, kicks=KICKS, rng=rng, budget=part, track=track)


def _score(log: Trajectories, table: Table, task: StaticTask, *, smooth: bool) -> Score:
    """The score that suits the table: over environments where it has several."""
    if task.place or len(np.unique(log.environment)) < 2:
        if table.holes is not None:
            return Observed(score_of(table, task.fdr), table.holes)
        return smooth_score(table, task.fdr) if smooth else score_of(table, task.fdr)
    values = log.values[:, [log.schema.position(n) for n in task.names]]
    place = log.environment[log.episode_of_row][np.isfinite(values).all(1)]
    hard, soft = acted(log, table.names, task.interventions)
    code = np.unique(place, return_inverse=True)[1].ravel()
    penalty = float(np.log(len(place)))
    return SharedScore.of(table.values, code, penalty, replaced=hard, altered=soft)


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
    weight = pair_odds(odds)
    possible = limits.allowed & ~limits.required & ~limits.required.T
    open_pairs = weight[np.triu(possible | possible.T)]
    weight = weight / (float(open_pairs.mean()) if open_pairs.size else 1.0)
    p = [t.p_value / weight[i, j] for (i, j), t in tests.items() if not limits.required[i, j]]
    return tests, benjamini_hochberg(np.array(p + [1.0] * (pairs(limits) - len(p))), fdr), weight


def _resampled(
    score: Score, found: Found, rng: np.random.Generator, budget: Budget, track: Track
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"]]:
    """Shares of resamples with a link, and with each direction; see ``Found``.

    The search goes on from the order found, with parents and their other parents as candidates.
    """
    ordered, limits = found.ordered, found.limits
    dag = ordered.dag
    near = dag | dag.T | (dag.astype(int) @ dag.T.astype(int) > 0)
    candidates = [sum(1 << int(i) for i in np.flatnonzero(c)) for c in (near & limits.allowed).T]
    start = replace(ordered, candidates=tuple(candidates))
    linked, points = np.zeros(dag.shape), np.zeros(dag.shape)
    classes: dict[bytes, np.ndarray] = {}
    made = 0
    for again in score.resamples(RESAMPLES, rng):
        if budget.over():
            budget.cut(f"{made} of {RESAMPLES} resamples, of which probabilities are shares")
            break
        out = refine(again, limits, start, rng).dag
        if not isinstance(found.score, SharedScore | AdditiveScore):
            key = out.tobytes()
            if key not in classes:
                classes[key] = equivalence_class(out, found.known)
            out = classes[key]
        linked += out | out.T
        points += out * np.where(out.T, 0.5, 1.0)
        made += 1
        track.advance(1, budget.words())
    return (linked / made, points / made) if made else _unresampled(found)


def _unresampled(
    found: Found,
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"]]:
    """The chances that the tests would pass again, in the place of shares of resamples."""
    linked = np.zeros(found.dag.shape)
    bar = float(stats.norm.isf(np.clip(found.cut, 1e-300, 1.0) / 2))
    for (i, j), test in found.tests.items():
        score = float(stats.norm.isf(np.clip(test.p_value, 1e-300, 1.0) / 2))
        linked[i, j] = linked[j, i] = stats.norm.cdf(score - bar)
    out = equivalence_class(found.dag, found.known)
    return linked, linked * out * np.where(out.T, 0.5, 1.0)


def _sure(
    score: Score, found: Found, rng: np.random.Generator, budget: Budget
) -> Bool[np.ndarray, "nodes nodes"]:
    """The edges that point the same way in every graph that is as good, or nearly as good.

    Scores that tell nothing but independences are as good for a whole Markov equivalence class;
    others are asked for the best order without the edge, which must be worse by ``CLEAR``. Smooth
    regressions may go beyond the class where nineteen in twenty resamples agree, too: what is
    linear and Gaussian fits either way, and only chance tells them apart. ``score`` is the found
    one's with odds.
    """
    dag, known = found.dag, found.known
    either = equivalence_class(dag, known)
    by_class = either & ~either.T
    if isinstance(found.score, SharedScore):
        return (dag & known) | _clear(score, found, dag & ~known, rng, budget)
    if isinstance(found.score, AdditiveScore):
        open_ends = dag & ~by_class & (found.points >= CERTAIN)
        return by_class | _clear(score, found, open_ends, rng, budget)
    return by_class


def _clear(
    score: Score,
    found: Found,
    asked: Bool[np.ndarray, "nodes nodes"],
    rng: np.random.Generator,
    budget: Budget,
) -> Bool[np.ndarray, "nodes nodes"]:
    """The edges of ``asked`` without which the best order scores clearly worse."""
    limits, ordered = found.limits, found.ordered
    out = np.zeros_like(asked)
    edges = np.argwhere(asked).tolist()
    for made, (i, j) in enumerate(edges):
        if budget.over():
            budget.cut(f"no search for the direction of {len(edges) - made} edges, left open")
            break
        allowed, candidates = limits.allowed.copy(), list(ordered.candidates)
        allowed[i, j] = False
        candidates[j] &= ~(1 << i)
        start = replace(ordered, candidates=tuple(candidates))
        other = refine(score, replace(limits, allowed=allowed), start, rng)
        out[i, j] = ordered.score - other.score >= CLEAR
    return out
