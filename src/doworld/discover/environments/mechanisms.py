r"""Which mechanisms differ between environments, and what that says of directions.

A mechanism P(variable | its causes) that is nobody's doing changes by itself: where the
environments differ, few mechanisms do, and each independently of the others (Schölkopf et al. 2021,
"Toward causal representation learning"; Huang et al. 2020, "Causal discovery from heterogeneous/
nonstationary data", CD-NOD). A factorisation along a wrong edge mixes mechanisms, so that a change
of one shows in two factors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld.data import Role, Trajectories
from doworld.discover.environments.invariance import Invariance, invariance
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.samples import Cause, columns_of, sample_of, several_environments
from doworld.graph import CausalGraph, Edge, Evidence, Mark
from doworld.graph.equivalence import implied

__all__ = [
    "MechanismChange",
    "changed_mechanisms",
    "check_environments",
    "orient_by_changes",
    "weakest_change",
]

MOST_OPEN = 6
SURE = 4.0
CLEAREST = 10.0
STILL = 0.2
OPEN = (Mark.UNDIRECTED, Mark.CIRCLE)
CHANGE_TEST = "P(effect | cause) alike in all environments, P(cause | effect) not"


@dataclass(frozen=True)
class MechanismChange:
    """Whether the mechanism of one variable differs between environments.

    Attributes:
        variable: whose mechanism.
        changed: whether it is among the discoveries.
        p_value: of the hypothesis that it is the same everywhere; NaN where that cannot be tested.
        effect: share of the variance left by one answer for all environments that an answer for
            each removes.
        spread: largest over smallest noise scale of an environment.
        environments: where it is not as in the others; all where none is usual, none where it is
            not ``changed``.
        parents: (name, lag) of its causes in the graph, open edges left out.
        rows: how many the test rests on.
        note: what was left out or why it could not be tested, in words; "" where nothing was.
    """

    variable: str
    changed: bool
    p_value: float
    effect: float
    spread: float
    environments: tuple[str, ...]
    parents: tuple[Cause, ...]
    rows: int
    note: str = ""


def changed_mechanisms(
    log: Trajectories, graph: CausalGraph, *, fdr: float = 0.01, seed: int = 0
) -> tuple[MechanismChange, ...]:
    """Tests for each state, reward and action whether its mechanism differs between environments.

    The hypothesis is P_e(v | pa(v)) = P(v | pa(v)) for all e, in the answer or in the noise; see
    ``environments.invariance`` for the tests. Discoveries are those of Benjamini and Hochberg
    (1995) over variables. Where the graph leaves edges open, the p-value is the largest over the
    sets of causes they allow, so that a change is one whichever way they point.

    Args:
        log: a log of two or more environments.
        graph: which variables act on which; its variables must be the log's.
        fdr: the expected share of false ones among the changes found.
        seed: of the folds that choose capacities.

    Returns:
        One result a variable, in the order of the log; contexts, which are given, have none.

    Raises:
        DataError: the log has one environment only.
        UnknownNameError: the graph has a variable that the log does not have.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(4, changes=1, seed=3)
    >>> found = changed_mechanisms(world.collect(400), world.graph)
    >>> world.changed, [c.variable for c in found if c.changed]
    (('z0',), ['z0'])
    """
    check_environments(log, graph)
    names = [v.name for v in log.schema.variables if v.role is not Role.CONTEXT]
    tested = [weakest_change(log, graph, name, seed) for name in names if name in graph.names]
    cut = benjamini_hochberg(np.array([t.p_value for t in tested]), fdr)
    return tuple(_placed(log, t, seed) if t.p_value <= cut else t for t in tested)


def check_environments(log: Trajectories, graph: CausalGraph) -> None:
    """Raises where a graph does not fit a log, or the log has one environment only."""
    for name in graph.names:
        log.schema.position(name)
    several_environments(log)


def weakest_change(log: Trajectories, graph: CausalGraph, name: str, seed: int) -> MechanismChange:
    """The test of one variable, the weakest over what its open edges allow."""
    parents, maybe = graph.parents(name), _open_causes(graph, name)
    nothing = MechanismChange(name, False, float("nan"), 0.0, 1.0, (), parents, 0)
    if len(maybe) > MOST_OPEN:
        note = (
            f"{name!r} has {len(maybe)} edges of open direction, and {MOST_OPEN} are the most for "
            "which every possible set of causes is tried. Direct some by prior knowledge."
        )
        return replace(nothing, note=note)
    weakest = nothing
    for chosen in _subsets(maybe):
        sample, note = sample_of(log, name, (*parents, *chosen))
        if sample is None:
            return replace(nothing, note=note)
        found = invariance(sample, seed=seed)
        rows = len(sample.place)
        if np.isnan(found.p_value):
            twins = ", ".join(repr(p) for p, _ in (*parents, *chosen))
            note = (
                f"{name!r} cannot be compared: its causes {twins} tell the environments apart by "
                "themselves. Log environments that share their values."
            )
            return replace(nothing, rows=rows, note=note)
        if np.isnan(weakest.p_value) or found.p_value > weakest.p_value:
            used = MechanismChange(
                name, False, found.p_value, found.effect, found.spread, (), parents, rows, note
            )
            weakest = used
    return weakest


def _open_causes(graph: CausalGraph, name: str) -> tuple[Cause, ...]:
    """What may be a cause of a variable by edges whose direction is open."""
    out = []
    for e in graph.edges():
        if e.target == name and (e.mark in OPEN or e.mark is Mark.PARTIAL):
            out.append((e.source, e.lag))
        elif e.source == name and e.mark in OPEN and e.lag == 0:
            out.append((e.target, 0))
    return tuple(out)


def _subsets(causes: Sequence[Cause]) -> Iterable[tuple[Cause, ...]]:
    return (s for size in range(len(causes) + 1) for s in combinations(causes, size))


def _placed(log: Trajectories, found: MechanismChange, seed: int) -> MechanismChange:
    """The same with the environments in which the mechanism is not as in the others."""
    sample, _ = sample_of(log, found.variable, found.parents)
    if sample is None:
        return replace(found, changed=True)
    differing = invariance(sample, name_places=True, seed=seed).differing
    where = tuple(log.schema.environments[e] for e in differing)
    return replace(found, changed=True, environments=where)


def orient_by_changes(
    graph: CausalGraph,
    log: Trajectories,
    *,
    fdr: float = 0.01,
    seed: int = 0,
    budget: Budget = UNLIMITED,
) -> CausalGraph:
    r"""Directs open edges within a row by which factor keeps still while the other changes.

    Of an open edge a — b, with all else that acts on either given throughout,

        P(b | a) alike in all environments and P(a | b) not   ⇒   a → b

    (the independent change of modules; Huang et al. 2020). Each p-value is the largest over what
    further open edges allow. "Alike" is p > 0.2; "not" is a discovery at ``fdr`` over all factors
    of open edges (the rate is that of changed factors), so clear that the change would show in the
    other factor too if the edge pointed the other way: with r the partial correlation of a and b
    and z the normal score, min(z, 10) · r ≥ 4. What follows from a new direction is taken from
    Meek's rules (Meek 1995); a step that closes a cycle is not taken. Two mechanisms whose changes
    happen to cancel in the wrong factor mislead it, which two environments allow and many do not.

    Args:
        graph: with edges ``---`` at lag 0; all others stay as they are.
        log: of two or more environments.
        fdr: see above.
        seed: of the folds that choose capacities.
        budget: when it ends, the edges directed so far are.

    Returns:
        The graph with these edges directed and the reason in their evidence and the notes.

    Raises:
        DataError: the log has one environment only.
        UnknownNameError: the graph has a variable that the log does not have.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(2, changes=1, degree=1, seed=8)
    >>> (edge,) = world.graph.links
    >>> vague = replace(world.graph, links=(replace(edge, mark=Mark.UNDIRECTED),))
    >>> str(edge), [str(e) for e in orient_by_changes(vague, world.collect(500)).edges()]
    ('z1(t) --> z0(t)', ['z1(t) --> z0(t)'])
    """
    check_environments(log, graph)
    known = _Factors(log, seed)
    ends = [(e.source, e.target) for e in graph.edges() if _is_open(e)]
    every = [known.largest(graph, a, b) for ab in ends for a, b in (ab, ab[::-1])]
    cut = benjamini_hochberg(np.array(every), fdr)
    said: list[str] = []
    while True:
        if budget.over():
            budget.cut("not every open edge was compared between environments")
            break
        steps = [s for e in graph.edges() if (s := _step(known, graph, e, cut)) is not None]
        steps = [s for s in steps if not _closes(graph, s)]
        if not steps:
            break
        best = max(steps, key=lambda s: s.evidence.statistic if s.evidence else 0.0)
        said.append(best.evidence.note if best.evidence else str(best))
        graph = _followed(_pointed(graph, best))
    if not said:
        return graph
    words = "; ".join(said)
    return replace(graph, notes=(*graph.notes, f"directed by what environments change: {words}."))


def _is_open(edge: Edge) -> bool:
    return edge.lag == 0 and edge.mark is Mark.UNDIRECTED


class _Factors:
    """The p-values of factors of an open edge, each tested once."""

    def __init__(self, log: Trajectories, seed: int) -> None:
        self.log, self.seed = log, seed
        self.known: dict[tuple[str, frozenset[Cause]], float] = {}

    def largest(self, graph: CausalGraph, cause: str, effect: str) -> float:
        """Of P(effect | cause, …) over the sets of causes that are open; NaN where untestable."""
        maybe = [c for c in _open_causes(graph, effect) if c != (cause, 0)]
        if len(maybe) > MOST_OPEN:
            return float("nan")
        sure = (*graph.parents(effect), (cause, 0))
        return float(np.max([self.one(effect, (*sure, *s)) for s in _subsets(maybe)]))

    def one(self, effect: str, causes: Sequence[Cause]) -> float:
        key = effect, frozenset(causes)
        if key not in self.known:
            sample, _ = sample_of(self.log, effect, sorted(key[1]))
            found: Invariance | None = sample and invariance(sample, seed=self.seed)
            self.known[key] = found.p_value if found else float("nan")
        return self.known[key]


def _step(known: _Factors, graph: CausalGraph, edge: Edge, cut: float) -> Edge | None:
    """The edge directed, where its two factors tell it, and tell it clearly enough."""
    if not _is_open(edge):
        return None
    ends = edge.source, edge.target
    for a, b in (ends, ends[::-1]):
        still, moves = known.largest(graph, a, b), known.largest(graph, b, a)
        if not (moves <= cut and still > STILL):
            continue
        clear = float(stats.norm.isf(np.clip(moves, 1e-300, 1.0)))
        if min(clear, CLEAREST) * _linked(known.log, graph, a, b) < SURE:
            continue
        note = (
            f"{a} → {b}, as P({b} | {a}) is alike in all environments (p = {still:.2g}) and "
            f"P({a} | {b}) is not (p = {moves:.2g})"
        )
        rows = edge.evidence.rows if edge.evidence else known.log.rows
        proof = Evidence(CHANGE_TEST, clear, moves, rows, note)
        return replace(edge, source=a, target=b, mark=Mark.DIRECTED, evidence=proof)
    return None


def _linked(log: Trajectories, graph: CausalGraph, source: str, target: str) -> float:
    """The partial correlation of two variables given the causes of both; the largest column's."""
    causes = dict.fromkeys((*graph.parents(source), *graph.parents(target)))
    causes = [c for c in causes if c not in ((source, 0), (target, 0))]
    sample, _ = sample_of(log, target, [(source, 0), *causes])
    if sample is None:
        return 0.0
    wide = columns_of(log, source).shape[1]
    given = np.concatenate([np.ones((len(sample.place), 1)), sample.inputs[:, wide:]], 1)
    both = np.concatenate([sample.inputs[:, :wide], sample.outcome], 1)
    left = both - given @ np.linalg.lstsq(given, both, rcond=None)[0]
    size = np.maximum(np.linalg.norm(left, axis=0), np.finfo(float).tiny)
    return float(np.abs((left / size).T @ (left / size))[:wide, wide:].max(initial=0.0))


def _closes(graph: CausalGraph, edge: Edge) -> bool:
    """Whether the edge would close a cycle within a row."""
    seen, frontier = {edge.target}, [edge.target]
    while frontier:
        for child, lag in graph.children(frontier.pop()):
            if lag == 0 and child not in seen:
                seen.add(child)
                frontier.append(child)
    return edge.source in seen


def _pointed(graph: CausalGraph, edge: Edge) -> CausalGraph:
    """The graph with one open edge directed as ``edge`` says."""
    ends = {edge.source, edge.target}
    same = (e if e.lag or {e.source, e.target} != ends else edge for e in graph.links)
    return replace(graph, links=tuple(same))


def _followed(graph: CausalGraph) -> CausalGraph:
    """The graph with every open edge directed that Meek's rules direct."""
    at = {n: i for i, n in enumerate(graph.names)}
    while True:
        out = np.zeros((len(at), len(at)), bool)
        for e in graph.links:
            if e.lag == 0 and e.mark in (Mark.DIRECTED, Mark.UNDIRECTED):
                out[at[e.source], at[e.target]] = True
                out[at[e.target], at[e.source]] |= e.mark is Mark.UNDIRECTED
        more = np.argwhere(implied(out))
        if not len(more):
            return graph
        source, target = (graph.names[i] for i in more[0])
        old = next(e for e in graph.links if not e.lag and {e.source, e.target} == {source, target})
        step = replace(old, source=source, target=target, mark=Mark.DIRECTED)
        if _closes(graph, step):
            return graph
        graph = _pointed(graph, step)
