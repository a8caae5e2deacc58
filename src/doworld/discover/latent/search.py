"""Unobserved common causes in a static table: where a table's own tests demand arrowheads."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Bool
from scipy.special import ndtri

from doworld._core.budget import UNLIMITED, Budget
from doworld.discover.order.permutation import Constraints, Ordered
from doworld.discover.order.scores import GaussianScore, Score, Strength, bits
from doworld.graph.ancestral import End, Ends, oriented
from doworld.graph.equivalence import descendants

__all__ = ["Ancestral", "Denial", "Separation", "ancestral"]

CLEAR = 1e-5
"""Two variables depend on each other beyond doubt at this p-value, whatever was searched."""
SILENT = 0.1
"""Above this p-value nothing speaks for a dependence that another set shows beyond doubt."""
LEVEL = 0.01
MOST_GIVEN = 3
MOST_NEAR = 8
"""Neighbours that separating sets are made of; of more, the strongest ones."""
OPEN = 0.1
"""With a chance up to this that effects cancel, an edge's tail is open."""

Removed = dict[tuple[int, int], "Separation"]


@dataclass(frozen=True)
class Separation:
    """An edge of the order whose ends another set separates.

    Attributes:
        given: that set.
        p_value: of independence given it.
        chance: how likely it is that two effects cancel so well: the error of what should be seen,
            in units of what would be seen without the cancelling effect.
    """

    given: tuple[int, ...]
    p_value: float
    chance: float


@dataclass(frozen=True)
class Denial:
    """Why ``at`` is no cause of ``other``: ``mover`` moves ``at``, and ``other`` does not follow.

    Attributes:
        mover: independent of ``other`` given ``given``, dependent on it given ``at`` too.
        silent: the p-value of the first.
        clear: the p-value of the second.
    """

    at: int
    other: int
    mover: int
    given: tuple[int, ...]
    silent: float
    clear: float


@dataclass(frozen=True, eq=False)
class Ancestral:
    """The marks of a table's edges where no unobserved common cause is ruled out.

    Attributes:
        ends: ``[i, j]``: the ``End`` at j of the edge i – j.
        removed: links of the order that another set separates.
        denials: by (at, other), the reasons why ``at`` is no cause of ``other``, clearest first.
        hidden: the pairs both of whose ends are denied, with the chance that mere cancelling
            effects look so.
        open: pairs of which the same is less sure; ``ends`` still says what the order says.
    """

    ends: Ends
    removed: Removed
    denials: dict[tuple[int, int], tuple[Denial, ...]]
    hidden: dict[tuple[int, int], float]
    open: dict[tuple[int, int], float]


def ancestral(
    score: Score,
    limits: Constraints,
    ordered: Ordered,
    dag: Bool[np.ndarray, "nodes nodes"],
    *,
    rate: float,
    whole: bool,
    budget: Budget = UNLIMITED,
) -> Ancestral | None:
    r"""The partial ancestral graph of a table, started from the graph of its best order.

    With unobserved common causes the best order needs edges too many: Z → X ↔ Y holds Z ⫫ Y | S but
    Z ⫫̸ Y | S ∪ X, and no order without the edge Z – Y says both. Where some S separates the ends of
    an edge of the order, with X as its witness,

        Z ⫫ Y | S   and   Z ⫫̸ Y | S ∪ {X}   ⇒   X is no ancestor of Y

    (Claassen & Heskes 2012, Lemma 1; no assumption on unobserved causes). The edge goes, colliders
    are marked, and Zhang's (2008) rules follow (``graph.ancestral``). Starting from a score's graph
    is GFCI (Ogarrio, Spirtes & Ramsey 2016); sets are made of neighbours of either end, without
    Possible-D-Sep, as in RFCI (Colombo et al. 2012).

    Without unobserved causes the same is seen where Z → Y and Z → X → Y cancel. If the direct
    effect may be anything up to the size of the other, they cancel to within the error of the test
    with a chance of about m / z, z the normal score of the dependence given X and m the sets tried;
    the chances of several edges that must go multiply. That is what ``rate`` bounds.

    Args:
        score: gives the tests.
        limits: what roles and prior say; an edge that may not point at i has no tail there.
        ordered: the best order, whose parents separate what it does not link.
        dag: the edges of the order that passed.
        rate: the largest chance of a coincidence that passes for an unobserved cause.
        whole: remove every edge that some set separates (the full graph), not only those with a
            witness beyond doubt (p ≤ ``CLEAR`` with it, p > ``SILENT`` without).
        budget: when it ends, edges that were not yet put to the question stay.

    Returns:
        The graph, or, where not ``whole``, None if no pair has both its ends denied.
    """
    tests = _Tests(score)
    remove = _separated if whole else _witnessed
    removed = remove(tests, dag, limits, budget)
    if not removed and not whole:
        return None
    marked = _Marking(tests, limits, ordered, dag, whole)
    found = marked(removed)
    if whole:
        return found
    sure = {pair: c for pair, c in found.hidden.items() if c <= rate}
    vague = {pair: c for pair, c in found.hidden.items() if rate < c <= OPEN}
    if sure:
        used = {d for pair in sure for d in _denied(found, pair)}
        found = marked({pair: s for pair, s in removed.items() if pair in used})
        vague = {pair: c for pair, c in vague.items() if pair not in found.removed}
        sure = {pair: sure.get(pair, c) for pair, c in found.hidden.items()}
    vague = {pair: c for pair, c in vague.items() if pair not in sure}
    return replace(found, hidden=sure, open=vague) if sure or vague else None


@dataclass(frozen=True, eq=False)
class _Marking:
    """Marks of the edges that are left when some are removed."""

    tests: "_Tests"
    limits: Constraints
    ordered: Ordered
    dag: Bool[np.ndarray, "nodes nodes"]
    whole: bool

    def __call__(self, removed: Removed) -> Ancestral:
        linked = self.dag | self.dag.T
        for i, j in removed:
            linked[i, j] = linked[j, i] = False
        separator = _separators(self.ordered, removed)
        denials = _denials(self.tests, linked, separator)
        ends = _start(linked, self.limits)
        for i, k, j in _unshielded(linked):
            if k not in separator(i, j):
                clear = (k, i) in denials and (k, j) in denials
                given = (*separator(i, j), k)
                if clear or not self.whole or self.tests(i, j, given) <= LEVEL:
                    ends[i, k] = ends[j, k] = End.ARROW
        ends[self.limits.required.T & linked] = End.TAIL
        ends[self.limits.required & linked] = End.ARROW
        ends = oriented(ends, lambda i, k, j: k in separator(i, j))
        hidden = {}
        for i, j in combinations(range(len(ends)), 2):
            both = {(i, j), (j, i)} <= denials.keys()
            if both and ends[i, j] == ends[j, i] == End.ARROW:
                hidden[i, j] = _chance((*denials[i, j], *denials[j, i]), removed)
        return Ancestral(ends, removed, denials, hidden, {})


def _denied(found: Ancestral, pair: tuple[int, int]) -> set[tuple[int, int]]:
    """The unlinked pairs that deny both ends of ``pair``."""
    every = (*found.denials[pair], *found.denials[pair[1], pair[0]])
    return {(min(d.mover, d.other), max(d.mover, d.other)) for d in every}


def _chance(denials: Iterable[Denial], removed: Removed) -> float:
    """How likely it is that cancelling effects alone deny both ends of a pair."""
    pairs = {(min(d.mover, d.other), max(d.mover, d.other)) for d in denials}
    return float(np.prod([removed[pair].chance for pair in pairs if pair in removed]))


class _Tests:
    """p-values of independence, each computed once."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self._known: dict[tuple[int, int, int], Strength] = {}

    def _of(self, i: int, j: int, given: tuple[int, ...]) -> Strength:
        mask = sum(1 << k for k in given)
        key = (min(i, j), max(i, j), mask)
        if key not in self._known:
            self._known[key] = self.score.test(key[1], mask, key[0])
        return self._known[key]

    def __call__(self, i: int, j: int, given: tuple[int, ...]) -> float:
        return self._of(i, j, given).p_value

    def strength(self, i: int, j: int, given: tuple[int, ...]) -> float:
        """The normal score of the dependence, or the root of a statistic too large for one."""
        test = self._of(i, j, given)
        if test.p_value > 1e-290:
            return float(-ndtri(test.p_value / 2))
        square = isinstance(self.score, GaussianScore) and not self.score.scalar
        return max(abs(test.statistic) ** (0.5 if square else 1.0), 36.0)


def _subsets(tests: _Tests, linked: np.ndarray, i: int, j: int) -> Iterator[tuple[int, ...]]:
    """Sets of neighbours of i, then of j, smaller ones first."""
    pools = []
    for a, b in ((i, j), (j, i)):
        near = [k for k in np.flatnonzero(linked[a]).tolist() if k != b]
        pools.append(sorted(sorted(near, key=lambda k: tests(a, k, ()))[:MOST_NEAR]))
    seen: set[tuple[int, ...]] = set()
    for size in range(MOST_GIVEN + 1):
        for pool in pools:
            for chosen in combinations(pool, size):
                if chosen not in seen:
                    seen.add(chosen)
                    yield chosen


def _separated(
    tests: "_Tests", dag: Bool[np.ndarray, "nodes nodes"], limits: Constraints, budget: Budget
) -> Removed:
    """Links that a set of neighbours separates; all are tested before any is taken away."""
    linked, out = dag | dag.T, {}
    for i, j in _asked(linked, limits, budget):
        for given in _subsets(tests, linked, i, j):
            p = tests(i, j, given)
            if p > LEVEL:
                out[i, j] = Separation(given, p, 1.0)
                break
    return out


def _asked(
    linked: Bool[np.ndarray, "nodes nodes"], limits: Constraints, budget: Budget
) -> Iterator[tuple[int, int]]:
    """The links that are not required, while there is time."""
    left = np.argwhere(np.triu(linked & ~limits.required & ~limits.required.T)).tolist()
    for made, (i, j) in enumerate(left):
        if budget.over():
            budget.cut(f"no look for an unobserved cause behind {len(left) - made} links")
            return
        yield i, j


def _witnessed(
    tests: _Tests, dag: Bool[np.ndarray, "nodes nodes"], limits: Constraints, budget: Budget
) -> Removed:
    """Links of which a witness says beyond doubt that they stand for an unobserved cause.

    The more sets were tried, the likelier is one that finds effects that cancel by chance.
    """
    linked, below = dag | dag.T, descendants(dag)
    out: Removed = {}
    for i, j in _asked(linked, limits, budget):
        witnesses = np.flatnonzero(linked[i] & linked[j]).tolist()
        if not witnesses:
            continue
        for tried, given in enumerate(_likely(tests, dag, below, i, j), 1):
            p = tests(i, j, given)
            if p <= SILENT:
                continue
            found = [k for k in witnesses if _witness(tests, i, k, j, given)]
            if found:
                z = max(tests.strength(i, j, (*given, k)) for k in found)
                out[i, j] = Separation(given, p, min(1.0, tried / z))
                break
    return out


def _likely(
    tests: _Tests, dag: Bool[np.ndarray, "nodes nodes"], below: np.ndarray, i: int, j: int
) -> Iterator[tuple[int, ...]]:
    """Sets that may separate: what both ends' parents would be but for a witness; then any."""
    linked = dag | dag.T
    seen = set()
    for k in np.flatnonzero(linked[i] & linked[j]).tolist():
        near = (dag[:, i] | dag[:, j]) & ~below[k]
        near[[i, j, k]] = False
        given = tuple(np.flatnonzero(near).tolist())
        if given not in seen:
            seen.add(given)
            yield given
    for given in _subsets(tests, linked, i, j):
        if given not in seen:
            yield given


def _witness(tests: _Tests, i: int, k: int, j: int, given: tuple[int, ...]) -> bool:
    """Whether i and j depend on k, and on each other given k, beyond doubt."""
    if k in given:
        return False
    return (
        tests(i, k, given) <= CLEAR
        and tests(k, j, given) <= CLEAR
        and tests(i, j, (*given, k)) <= CLEAR
    )


def _separators(ordered: Ordered, removed: Removed) -> Callable[[int, int], tuple[int, ...]]:
    """What separates two variables that are not linked: the set found, or the later one's parents.

    The order's parents are sure to separate it from all that come earlier.
    """
    place = {v: k for k, v in enumerate(ordered.order)}

    def separator(i: int, j: int) -> tuple[int, ...]:
        known = removed.get((min(i, j), max(i, j)))
        if known is not None:
            return known.given
        first, last = sorted((i, j), key=place.__getitem__)
        return tuple(bits(ordered.parents[last] & ~(1 << first)))

    return separator


def _unshielded(linked: Bool[np.ndarray, "nodes nodes"]) -> list[tuple[int, int, int]]:
    """(i, k, j) with i – k – j linked and i, j not."""
    out = []
    for k in range(len(linked)):
        for i, j in combinations(np.flatnonzero(linked[k]).tolist(), 2):
            if not linked[i, j]:
                out.append((i, k, j))
    return out


def _denials(
    tests: _Tests,
    linked: Bool[np.ndarray, "nodes nodes"],
    separator: Callable[[int, int], tuple[int, ...]],
) -> dict[tuple[int, int], tuple[Denial, ...]]:
    """The denials of each link that has any, the clearest first."""
    out: dict[tuple[int, int], list[Denial]] = {}
    for i, k, j in _unshielded(linked):
        given = separator(i, j)
        if not _witness(tests, i, k, j, given):
            continue
        silent, clear = tests(i, j, given), tests(i, j, (*given, k))
        if silent <= SILENT:
            continue
        for mover, other in ((i, j), (j, i)):
            out.setdefault((k, other), []).append(Denial(k, other, mover, given, silent, clear))
    return {pair: tuple(sorted(every, key=lambda d: d.clear)) for pair, every in out.items()}


def _start(linked: Bool[np.ndarray, "nodes nodes"], limits: Constraints) -> Ends:
    """Circles, and arrowheads at what the other end may not be caused by."""
    ends = np.where(linked, End.CIRCLE, End.NONE).astype(int)
    ends[linked & ~limits.allowed.T & ~limits.required.T] = End.ARROW
    return ends
