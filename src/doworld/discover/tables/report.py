"""The edges, conflicts and notes that come of the search of a static table."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import SchemaError
from doworld.data import Kind, Schema
from doworld.discover.environments.comparable import without
from doworld.discover.facts import Method
from doworld.discover.latent.feedback import misfit
from doworld.discover.latent.marks import marked
from doworld.discover.latent.search import ancestral
from doworld.discover.order.additive import AdditiveScore
from doworld.discover.order.multinomial import MultinomialScore
from doworld.discover.order.permutation import Constraints, Ordered
from doworld.discover.order.scores import GaussianScore, Score, Strength, bits
from doworld.discover.order.shared import SharedScore
from doworld.discover.tables.conflicts import static_conflicts
from doworld.discover.tables.limits import allowed_edges
from doworld.discover.tables.table import Table, score_of
from doworld.discover.tables.task import StaticGraph, StaticTask
from doworld.discover.time.observed import OBSERVED_TEST
from doworld.graph import Edge, Evidence, Mark, Prior, Reason, Unidentified

__all__ = ["Found", "copied", "copy_edges", "pairs", "reported"]

DOUBTFUL = 0.05
LIKELY = 0.5
AGREED = 0.75
"""Share of resamples that must point an edge one way."""
NOISE_FREE = 1e-7
LINEAR = "partial correlation given the other parents; effect: standardised coefficient"
SMOOTH = "nonlinear regression on the other parents (F); effect: share of variance it explains"
MIXED = "partial correlation given the other parents (Wilks); effect: canonical correlation"
SHARED = "likelihood ratio, mechanisms shared between environments or not; effect: variance removed"
LEVELS = "X² within strata of the other parents; effect: share of the strongest there could be"


@dataclass(frozen=True, eq=False)
class Found:
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

    @property
    def known(self) -> Bool[np.ndarray, "nodes nodes"]:
        """Edges that can only point as they do."""
        return self.limits.required | ~self.limits.allowed.T


def pairs(limits: Constraints) -> int:
    """How many pairs of variables may be linked and need not be."""
    possible = limits.allowed & ~limits.required & ~limits.required.T
    return int(np.triu(possible | possible.T).sum())


def reported(found: Found, task: StaticTask) -> StaticGraph:
    """What a search found, for the graph."""
    table, place = found.table, task.place
    edges, doubtful = _edges(found)
    edges, notes, said = _hidden(found, task, edges)
    free = allowed_edges(table.names, found.schema, Prior())
    facts = (*copied(table), *_determined(found), *said)
    conflicts = static_conflicts(
        found.score,
        found.limits,
        free,
        found.ordered,
        table.names,
        rows=len(table.values),
        prior=task.prior,
        rate=task.fdr,
        budget=task.budget,
    )
    return StaticGraph(
        edges=without((*edges, *copy_edges(table, found.schema, task.prior)), place),
        doubtful=without(doubtful, place),
        notes=(*_notes(found, task.fdr), *notes),
        unidentified=(
            *(f for f in facts if place not in (f.variable, *f.others)),
            *_is_place(table, place),
        ),
        conflicts=tuple(c for c in conflicts if place not in (c.source, c.target)),
        tests=pairs(found.limits),
        skipped=int(np.triu(free | free.T, 1).sum()) - pairs(found.limits),
        cut=found.cut,
        method=_method(found),
        compared=bool(place) or isinstance(found.score, SharedScore),
    )


def _method(found: Found) -> Method:
    """What the score of the search is made of."""
    if isinstance(found.score, SharedScore):
        return Method.SHARED
    if isinstance(found.score, AdditiveScore):
        return Method.SMOOTH
    if isinstance(found.score, MultinomialScore):
        return Method.COUNTS
    levels = any(found.schema[n].kind is Kind.CATEGORICAL for n in found.table.names)
    return Method.MIXED if levels else Method.LINES


def _is_place(table: Table, place: str) -> list[Unidentified]:
    """What a variable that says the same as the environment forbids."""
    return [
        Unidentified(
            kept,
            Reason.NEARLY,
            f"{kept!r} says the same as the environment in every row: what is found of it may be "
            "the doing of anything else that differs there. Log environments in which it varies.",
        )
        for copy, kept in table.copies
        if copy == place
    ]


def _hidden(
    found: Found, task: StaticTask, edges: tuple[Edge, ...]
) -> tuple[tuple[Edge, ...], list[str], list[Unidentified]]:
    """The edges with marks of unobserved causes, and what they or cycles forbid.

    Only of one environment and complete rows, by lines or levels: other scores compare more than
    independence. Raises ``SchemaError`` where they are asked for all the same.
    """
    score, names = found.score, found.table.names
    plain = isinstance(score, GaussianScore | MultinomialScore) and not task.place
    if not plain and task.latent is True:
        raise SchemaError(
            "latent=True takes a table of one environment with complete rows, by lines or levels. "
            "Ask of one environment, fill the gaps, or use method=BestOrder()."
        )
    if not plain:
        said = "unobserved common causes were not looked for: the search compares more than "
        return edges, [said + "independence here, or rows have gaps."], []
    notes, facts = list[str](), list[Unidentified]()
    whole = task.latent is True
    if task.latent is not False:
        limits, ordered, dag = found.limits, found.ordered, found.dag
        hidden = ancestral(
            score, limits, ordered, dag, rate=task.fdr, whole=whole, budget=task.budget
        )
        if hidden is not None:
            kept, notes, facts = marked(hidden, edges, names, found.schema, whole=whole)
            edges = tuple(kept)
    if isinstance(score, GaussianScore) and score.scalar and not whole:
        unfit = misfit(found.table.values, edges, names, rate=task.fdr, budget=task.budget)
        facts = [*facts, unfit] if unfit else facts
    return edges, notes, facts


def _edges(found: Found) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """The edges that passed and are likely, and the others that resamples show."""
    agreed = (found.points >= AGREED) | found.known
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


def _unseen(found: Found) -> list[Edge]:
    """Links of variables of so many levels that the score of their table sees none, a test does."""
    if not isinstance(found.score, MultinomialScore):
        return []
    levels, rows = found.score.levels, len(found.table.values)
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


def _edge(found: Found, i: int, j: int, *, directed: bool) -> Edge:
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


def _test_name(found: Found) -> str:
    if isinstance(found.score, SharedScore):
        return SHARED
    if isinstance(found.score, AdditiveScore):
        return SMOOTH
    if found.table.holes is not None:
        return OBSERVED_TEST
    if not isinstance(found.score, GaussianScore):
        return LEVELS
    wide = found.score.correlation.shape[0] > len(found.table.names)
    return MIXED if wide else LINEAR


def copy_edges(table: Table, schema: Schema, prior: Prior) -> list[Edge]:
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


def copied(table: Table) -> list[Unidentified]:
    """What copies forbid."""
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


def _determined(found: Found) -> list[Unidentified]:
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


def _notes(found: Found, fdr: float) -> tuple[str, ...]:
    table = found.table
    model = (
        "tables of conditional probabilities"
        if table.discrete
        else "linear regressions, which do not see relations without a linear trend"
    )
    if isinstance(found.score, SharedScore):
        count = found.score.environments
        model = f"regressions that {count} environments share as far as they can"
    if isinstance(found.score, AdditiveScore):
        model = (
            "nonlinear regressions with additive noise, which also point edges that independence "
            "alone leaves open"
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
