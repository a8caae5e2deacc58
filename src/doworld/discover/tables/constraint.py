"""A graph from tests of independence alone: PC-stable with any test."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import combinations

import numpy as np
from jaxtyping import Bool

from doworld._core.budget import Budget
from doworld._core.errors import SchemaError
from doworld.data import Schema
from doworld.discover.facts import Method
from doworld.discover.independence import Columns, IndependenceTest, RandomFeatures, Verdict
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.order.permutation import Constraints
from doworld.discover.tables.limits import constraints_of
from doworld.discover.tables.report import copied, copy_edges, pairs
from doworld.discover.tables.skeleton import Asked, Skeleton, separating, skeleton
from doworld.discover.tables.table import table_of
from doworld.discover.tables.task import StaticGraph, StaticTask
from doworld.graph import Edge, Evidence, Mark
from doworld.graph.equivalence import descendants, implied

__all__ = ["PC", "Colliders"]

Matrix = Bool[np.ndarray, "nodes nodes"]


class Colliders(Enum):
    """When i – k – j, with i and j not linked, is a collider i → k ← j.

    ``MAJORITY``: fewer than half of the sets that separate i and j hold k (Colombo & Maathuis
    2014). ``CONSERVATIVE``: none does (Ramsey, Spirtes and Zhang 2006). ``LARGEST``: the set with
    the largest p-value does not (Ramsey 2016).
    """

    MAJORITY = auto()
    CONSERVATIVE = auto()
    LARGEST = auto()


@dataclass(frozen=True)
class PC:
    """PC-stable: links that no set separates, colliders, and what follows (Meek 1995).

    The result does not depend on the order of the variables (Colombo and Maathuis 2014). Links are
    tested at ``level`` while they are searched; of those left, only those whose largest p-value
    passes Benjamini–Hochberg at the caller's rate over all pairs stay (Li and Wang 2009), the
    others are doubtful. Colliders that contradict each other leave their edges open.

    Attributes:
        test: of independence.
        level: p-value above which two variables count as independent.
        colliders: when an unlinked pair's common neighbour is an effect of both.
        most_given: the largest set conditioned on.

    >>> import polars as pl
    >>> from doworld.data import Trajectories
    >>> rng = np.random.default_rng(1)
    >>> a, b = rng.standard_normal((2, 400))
    >>> c = np.cos(2 * a) + b + 0.3 * rng.standard_normal(400)
    >>> frame = pl.DataFrame({"a": a, "b": b, "c": c})
    >>> log = Trajectories.from_frame(frame, state=frame.columns)
    >>> found = PC().graph(StaticTask(log, frame.columns))
    >>> sorted(map(str, found.edges))
    ['a(t) --> c(t)', 'b(t) --> c(t)']
    """

    test: IndependenceTest = field(default_factory=RandomFeatures)
    level: float = 0.05
    colliders: Colliders = Colliders.MAJORITY
    most_given: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise SchemaError(f"level is {self.level}, but a p-value lies between 0 and 1.")
        if self.most_given < 0:
            raise SchemaError(f"most_given is {self.most_given}. Use 0 or more.")

    def graph(self, task: StaticTask) -> StaticGraph:
        """The edges among the names of a static table; its seed and odds are not used.

        Raises ``GraphError`` where required edges contradict a role or each other, ``SchemaError``
        where interventions are known, and ``DataError`` where the test cannot take a kind of
        column.
        """
        if task.interventions is not None:
            raise SchemaError(
                "PC asks for independence alone and has no use for interventions. Leave them out, "
                "or leave method out."
            )
        if task.latent is True:
            raise SchemaError(
                "PC takes all common causes as logged, so latent=True does not go with it. Leave "
                "method out, or use method=BestOrder()."
            )
        log, prior, fdr = task.log, task.prior, task.fdr
        table = table_of(log, task.names)
        limits = constraints_of(table, log.schema, prior)
        limits.order(limits.tier)
        asked = Asked(self.test.on(Columns.of(log, table.names)))
        found = skeleton(asked, limits, self.level, self.most_given, task.budget)
        heads = self._colliders(asked, found, limits, task.budget)
        out, conflicts = _directed(found.linked, heads, limits)
        listed = _Listed(self.test.name, log.schema, table.names, limits, found, out)
        kept, doubtful, cut = listed.edges(fdr)
        return StaticGraph(
            edges=(*kept, *copy_edges(table, log.schema, prior)),
            doubtful=doubtful,
            notes=(*_notes(self, asked, conflicts, cut, fdr), *_unused(task)),
            unidentified=tuple(copied(table)),
            tests=pairs(limits),
            cut=cut,
            method=Method.INDEPENDENCE,
            test=self.test.name.partition(";")[0],
        )

    def _colliders(
        self, asked: Asked, found: Skeleton, limits: Constraints, budget: Budget
    ) -> Matrix:
        """``[i, k]``: an arrowhead at k of the link of i and k; none where the budget ended."""
        linked = found.linked
        heads = np.zeros_like(linked)
        for i, j in combinations(range(len(linked)), 2):
            middle = np.flatnonzero(linked[i] & linked[j]) if not linked[i, j] else []
            if not len(middle):
                continue
            if budget.over():
                budget.cut("no look for colliders: edges are left open")
                return np.zeros_like(linked)
            sets = list(separating(asked, found, limits, i, j, self.most_given))
            for k in middle:
                if self._is_collider(int(k), sets):
                    heads[i, k] = heads[j, k] = True
        return heads

    def _is_collider(self, k: int, sets: Sequence[tuple[tuple[int, ...], float]]) -> bool:
        apart = [(given, p) for given, p in sets if p > self.level]
        if not apart:
            return False
        if self.colliders is Colliders.LARGEST:
            return k not in max(apart, key=lambda s: s[1])[0]
        share = sum(k in given for given, _ in apart) / len(apart)
        return share < 0.5 if self.colliders is Colliders.MAJORITY else share == 0


def _directed(linked: Matrix, heads: Matrix, limits: Constraints) -> tuple[Matrix, int]:
    """``[i, j]``: i may cause j, after colliders, knowledge and Meek's rules; and conflicts."""
    may = limits.allowed | limits.required
    known = linked & may & ~may.T | limits.required
    wanted = heads & ~known.T
    clash = wanted & wanted.T
    out = linked & may & ~(wanted & ~clash).T & ~limits.required.T
    clash |= _in_cycle(out, known)
    out = out | (clash & linked & may) | (clash.T & linked & may)
    while (more := _safe(out)).any():
        out = out & ~more.T
    return out, int(np.triu(clash | clash.T).sum())


def _in_cycle(out: Matrix, known: Matrix) -> Matrix:
    """Directed edges, not known ones, that lie on a directed cycle."""
    directed = out & ~out.T
    return directed & descendants(directed).T & ~known


def _safe(out: Matrix) -> Matrix:
    """What Meek's rules imply, but neither both ways nor closing a cycle."""
    more = implied(out)
    more &= ~more.T
    return more & ~descendants((out & ~out.T) | more).T


@dataclass(frozen=True, eq=False)
class _Listed:
    """Links as edges with what speaks for them."""

    test: str
    schema: Schema
    names: tuple[str, ...]
    limits: Constraints
    found: Skeleton
    out: Matrix

    def edges(self, fdr: float) -> tuple[tuple[Edge, ...], tuple[Edge, ...], float]:
        """Those that pass Benjamini–Hochberg over all pairs, the others, and the cut."""
        possible = self.limits.allowed & ~self.limits.required & ~self.limits.required.T
        pairs = int(np.triu(possible | possible.T).sum())
        p = [v.p_value for v in self.found.weakest.values()]
        cut = benjamini_hochberg(np.array(p + [1.0] * (pairs - len(p))), fdr)
        kept: list[Edge] = []
        doubtful: list[Edge] = []
        for i, j in np.argwhere(np.triu(self.found.linked)).tolist():
            verdict = self.found.weakest.get((i, j))
            edge = self._edge(i, j, verdict)
            sure = self.limits.required[i, j] or self.limits.required[j, i]
            passed = verdict is not None and verdict.p_value <= cut
            (kept if sure or passed else doubtful).append(edge)
        return tuple(kept), tuple(doubtful), cut

    def _edge(self, i: int, j: int, verdict: Verdict | None) -> Edge:
        forward, back = self.out[i, j], self.out[j, i]
        a, b = (j, i) if back and not forward else (i, j)
        source, target = self.names[a], self.names[b]
        is_open = bool(forward and back)
        if is_open:
            source, target = sorted((source, target), key=self.schema.position)
        mark = Mark.UNDIRECTED if is_open else Mark.DIRECTED
        if verdict is None:
            proof = Evidence("prior knowledge or no test", np.nan, np.nan, 0)
            chance = 1.0 if self.limits.required[a, b] else 0.5
            return Edge(source, target, 0, mark, chance, evidence=proof)
        note = "the test that speaks most against it"
        note += "; direction open: independence cannot tell it" if is_open else ""
        proof = Evidence(self.test, verdict.statistic, verdict.p_value, verdict.rows, note)
        return Edge(source, target, 0, mark, likely(verdict.p_value), verdict.effect, proof)


def likely(p: float) -> float:
    """The largest probability of dependence that a p-value allows where both were as likely before.

    1 / (1 − e p log p) for p < 1/e, else ½ (Sellke, Bayarri and Berger 2001).

    >>> round(likely(0.05), 2)
    0.71
    """
    if p >= np.exp(-1):
        return 0.5
    return 1.0 if p <= 0 else float(1 / (1 - np.e * p * np.log(p)))


def _unused(task: StaticTask) -> list[str]:
    """What PC was told and has no use for."""
    notes = []
    if len(np.unique(task.log.environment)) > 1:
        notes.append("PC took the rows of all environments as of one; what they share may link.")
    if task.prior.chances:
        notes.append("PC has no use for the probabilities of the prior, which were left aside.")
    return notes


def _notes(method: PC, asked: Asked, conflicts: int, cut: float, fdr: float) -> tuple[str, ...]:
    blind = sum(v is None for v in asked.answers.values())
    notes = [
        f"a static table: {len(asked.answers)} tests of independence ({method.test.name}) at "
        f"level {method.level:g}, given at most {method.most_given} others; the result does not "
        "depend on the order of the variables.",
        f"p ≤ {cut:.2g} holds the expected share of false links near {fdr:g}; directions are not "
        "covered. A probability is the largest that the p-value allows, without resampling.",
    ]
    if conflicts:
        notes.append(f"{conflicts} edges were left open because colliders contradict each other.")
    if blind:
        notes.append(f"{blind} tests could not be made: too few rows hold all their variables.")
    return tuple(notes)
