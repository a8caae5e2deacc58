"""The graph of a static table: the best order of its variables, tested and resampled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import GraphError
from doworld.data import Policy, Role, Schema, Trajectories
from doworld.discover.feedback import misfit
from doworld.discover.latent import ancestral
from doworld.discover.latent_marks import marked
from doworld.discover.multiplicity import benjamini_hochberg
from doworld.discover.permutation import Constraints, Ordered, refine, search
from doworld.discover.scores import GaussianScore, Score, Strength, bits
from doworld.discover.table import Table, score_of, table_of
from doworld.graph import Edge, Evidence, Mark, Prior, Reason, Unidentified
from doworld.graph.equivalence import equivalence_class

__all__ = ["StaticGraph", "static_graph"]

KICKS = 2
"""Kicks of the search, for each variable."""
RESAMPLES = 20
DOUBTFUL = 0.05
LIKELY = 0.5
AGREED = 0.75
"""Share of resamples that must point an edge one way."""
FEWEST_ROWS_A_PARENT = 5
NOISE_FREE = 1e-7
LINEAR = "partial correlation given the other parents; effect: standardised coefficient"
MIXED = "partial correlation given the other parents (Wilks); effect: canonical correlation"
LEVELS = "X² within strata of the other parents; effect: share of the strongest there could be"


@dataclass(frozen=True)
class StaticGraph:
    """What a static table shows: edges, doubtful edges, notes, and what it cannot say."""

    edges: tuple[Edge, ...]
    doubtful: tuple[Edge, ...]
    notes: tuple[str, ...]
    unidentified: tuple[Unidentified, ...]


@dataclass(frozen=True, eq=False)
class _Found:
    """A table's search and what its resamples say of it; ``[i, j]`` speaks of i → j.

    ``tests`` are those of the edges that the search took, by (parent, target); ``dag`` are those
    that passed at ``cut``. ``linked`` is the share of resamples with an edge either way, ``points``
    of those with this direction, where an open edge counts half.
    """

    schema: Schema
    table: Table
    score: Score
    limits: Constraints
    ordered: Ordered
    tests: dict[tuple[int, int], Strength]
    cut: float
    dag: Bool[np.ndarray, "nodes nodes"]
    linked: Float[np.ndarray, "nodes nodes"]
    points: Float[np.ndarray, "nodes nodes"]


def static_graph(
    log: Trajectories,
    names: Sequence[str],
    prior: Prior,
    *,
    fdr: float,
    seed: int,
    latent: bool | None = None,
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

    Unobserved common causes: ``latent`` None marks them where the tests demand it, True rules none
    out, False all of them; see ``doworld.discover.latent``.

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
    table = table_of(log, names)
    limits = _constraints(table, log.schema, prior)
    score = score_of(table, fdr)
    rng = np.random.default_rng(seed)
    ordered = search(score, limits, kicks=KICKS, rng=rng)
    tests, cut = _tests(score, limits, ordered, fdr)
    dag = limits.required.copy()
    for (i, j), test in tests.items():
        dag[i, j] |= test.p_value <= cut
    linked, points = _resampled(score, limits, ordered, rng)
    found = _Found(log.schema, table, score, limits, ordered, tests, cut, dag, linked, points)
    edges, doubtful = _edges(found)
    notes, facts = list(_notes(found, fdr)), [*_copies(table), *_determined(found)]
    if latent is not False:
        whole = latent is True
        hidden = ancestral(score, limits, ordered, dag, rate=fdr, whole=whole)
        if hidden is not None:
            kept, said, more = marked(hidden, edges, table.names, log.schema, whole=whole)
            edges, notes, facts = tuple(kept), notes + said, facts + more
    if isinstance(score, GaussianScore) and score.scalar and latent is not True:
        unfit = misfit(table.values, edges, table.names, rate=fdr)
        facts += [unfit] if unfit else []
    return StaticGraph(
        edges=(*edges, *_copy_edges(table, log.schema, prior)),
        doubtful=doubtful,
        notes=tuple(notes),
        unidentified=tuple(facts),
    )


def _allowed(names: Sequence[str], schema: Schema, prior: Prior) -> Bool[np.ndarray, "nodes nodes"]:
    """``[i, j]``: neither roles nor prior rule out i → j."""
    randomised = schema.policy is Policy.RANDOMISED
    exogenous = [
        schema[n].role is Role.CONTEXT or (randomised and schema[n].role is Role.ACTION)
        for n in names
    ]
    last = [schema[n].role is Role.REWARD for n in names]
    allowed = np.array([[prior.allows(a, b, 0) for b in names] for a in names], bool)
    return (
        allowed
        & ~np.array(exogenous)[None]
        & ~np.array(last)[:, None]
        & ~np.eye(len(names), dtype=bool)
    )


def _constraints(table: Table, schema: Schema, prior: Prior) -> Constraints:
    """What roles and prior say of the table's edges.

    Raises ``GraphError`` where a required edge contradicts a role.
    """
    names = (*table.names, *(copy for copy, _ in table.copies))
    allowed = _allowed(names, schema, prior)
    wanted = [[prior.requires(a, b, 0, static=True) for b in names] for a in names]
    required = np.array(wanted, bool)
    for i, j in np.argwhere(required & ~allowed).tolist():
        raise GraphError(
            f"edge {names[i]} → {names[j]} is required within a row, but {names[j]!r} is a context "
            f"or a randomised action, {names[i]!r} is a reward, or the prior rules it out. Drop it "
            "or change the role."
        )
    names = table.names
    kept = slice(len(names))
    allowed, required = allowed[kept, kept], required[kept, kept]
    group = {n: k for k, tier in enumerate(prior.tiers) for n in tier}
    middle = (len(prior.tiers) - 1) / 2
    tier = tuple(
        group.get(n, middle) if a.any() else -1.0 for n, a in zip(names, allowed.T, strict=True)
    )
    most = len(names)
    if not table.discrete:
        most = max(1, min(most, len(table.values) // FEWEST_ROWS_A_PARENT))
    return Constraints(allowed & ~required.T, required, tier, most)


def _tests(
    score: Score, limits: Constraints, ordered: Ordered, fdr: float
) -> tuple[dict[tuple[int, int], Strength], float]:
    """The test of every edge of the order, and the p-value up to which they count."""
    tests = {
        (i, j): score.test(j, mask ^ (1 << i), i)
        for j, mask in enumerate(ordered.parents)
        for i in bits(mask)
    }
    possible = limits.allowed & ~limits.required & ~limits.required.T
    pairs = int(np.triu(possible | possible.T).sum())
    p = [t.p_value for (i, j), t in tests.items() if not limits.required[i, j]]
    return tests, benjamini_hochberg(np.array(p + [1.0] * (pairs - len(p))), fdr)


def _known(limits: Constraints) -> Bool[np.ndarray, "nodes nodes"]:
    """Edges that can only point as they do."""
    return limits.required | ~limits.allowed.T


def _resampled(
    score: Score, limits: Constraints, ordered: Ordered, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"]]:
    """Shares of resamples with a link, and with each direction; see ``_Found``.

    The search goes on from the order found, with parents and their other parents as candidates.
    """
    dag = ordered.dag
    near = dag | dag.T | (dag.astype(int) @ dag.T.astype(int) > 0)
    candidates = [sum(1 << int(i) for i in np.flatnonzero(c)) for c in (near & limits.allowed).T]
    start = replace(ordered, candidates=tuple(candidates))
    linked, points = np.zeros((2, *dag.shape))
    for again in score.resamples(RESAMPLES, rng):
        out = equivalence_class(refine(again, limits, start, rng).dag, _known(limits))
        linked += out | out.T
        points += out * np.where(out.T, 0.5, 1.0)
    return np.divide(linked, RESAMPLES), np.divide(points, RESAMPLES)


def _edges(found: _Found) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """The edges that passed and are likely, and the others that resamples show."""
    open_ends = equivalence_class(found.dag, _known(found.limits))
    sure = open_ends & ~open_ends.T
    agreed = (found.points >= AGREED) | _known(found.limits)
    directed = sure & agreed
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
    return tuple(kept), tuple(doubtful)


def _edge(found: _Found, i: int, j: int, *, directed: bool) -> Edge:
    """The edge of a parent and its target; an open one as the log orders its ends."""
    parents = found.ordered.parents[j] & ~(1 << i)
    test = found.tests.get((i, j)) or found.score.test(j, parents, i)
    note = "" if directed else "direction open: the data cannot tell it"
    source, target = found.table.names[i], found.table.names[j]
    proof = Evidence(_test_name(found), test.statistic, test.p_value, len(found.table.values), note)
    share = found.points[i, j] if directed else found.linked[i, j]
    mark = Mark.DIRECTED if directed else Mark.UNDIRECTED
    if not directed:
        source, target = sorted((source, target), key=found.schema.position)
    return Edge(source, target, 0, mark, float(share), test.effect, proof)


def _test_name(found: _Found) -> str:
    if not isinstance(found.score, GaussianScore):
        return LEVELS
    wide = found.score.correlation.shape[0] > len(found.table.names)
    return MIXED if wide else LINEAR


def _copy_edges(table: Table, schema: Schema, prior: Prior) -> list[Edge]:
    """A copy is linked to what it is a copy of, one way where roles or prior say which."""
    out = []
    for copy, kept in table.copies:
        forward, back = _allowed((kept, copy), schema, prior)[[0, 1], [1, 0]]
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
    if not isinstance(found.score, GaussianScore):
        return []
    out = []
    for j, mask in enumerate(found.ordered.parents):
        if not mask or not found.score.determined(j, mask, NOISE_FREE):
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
