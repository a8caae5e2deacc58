"""The best order of a table's variables, and the parents each takes from those before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import GraphError
from doworld._core.progress import Quiet, Track
from doworld.discover.order.scores import Score, bits

__all__ = ["Constraints", "Ordered", "refine", "search"]

LEAST_GAIN = 1e-6
"""A smaller difference between two scores is rounding."""
ROUNDS = 4
STRONGEST = 8
FEW = 48
"""Allowed parents of a variable up to which all of them are tried."""
NOBODY = Quiet().task("", 1)
KICKED = 3
"""At most so many neighbours are thrown to a random place with a variable."""


@dataclass(frozen=True, eq=False)
class Constraints:
    """What is known of the edges: ``[i, j]`` speaks of i → j.

    Attributes:
        allowed: edges that may be there.
        required: edges that must.
        tier: variables of a lower tier stand first in the first order tried.
        most: the largest number of parents beyond the required ones.
    """

    allowed: Bool[np.ndarray, "nodes nodes"]
    required: Bool[np.ndarray, "nodes nodes"]
    tier: tuple[float, ...]
    most: int

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Each variable's required parents, as bits."""
        return tuple(_mask(np.flatnonzero(column).tolist()) for column in self.required.T)

    @cached_property
    def children(self) -> tuple[int, ...]:
        """Each variable's required children, as bits."""
        return tuple(_mask(np.flatnonzero(row).tolist()) for row in self.required)

    def order(self, priority: Sequence[float]) -> list[int]:
        """The variables by ``priority``, required parents before their children.

        Raises ``GraphError`` where the required edges form a cycle.
        """
        waiting = self.required.sum(0)
        ready = [(priority[i], i) for i in np.flatnonzero(waiting == 0).tolist()]
        heapify(ready)
        out: list[int] = []
        while ready:
            i = heappop(ready)[1]
            out.append(i)
            for j in bits(self.children[i]):
                waiting[j] -= 1
                if not waiting[j]:
                    heappush(ready, (priority[j], j))
        if len(out) < len(waiting):
            raise GraphError("the required edges form a cycle within a row. Drop one of them.")
        return out


@dataclass(frozen=True, eq=False)
class Ordered:
    """An order, the parents found in it (as bits), the score, and who was a candidate of whom."""

    order: tuple[int, ...]
    parents: tuple[int, ...]
    score: float
    candidates: tuple[int, ...]

    @property
    def dag(self) -> Bool[np.ndarray, "nodes nodes"]:
        """``[i, j]``: i is a parent of j."""
        out = np.zeros((len(self.parents), len(self.parents)), bool)
        for j, mask in enumerate(self.parents):
            out[bits(mask), j] = True
        return out


def search(
    score: Score,
    constraints: Constraints,
    *,
    kicks: int,
    rng: np.random.Generator,
    budget: Budget = UNLIMITED,
    track: Track = NOBODY,
) -> Ordered:
    r"""The order whose greedily chosen parents score best.

    Each variable j takes parents from those before it by grow–shrink: add the one that raises
    s(j | P) most until none does, then drop those without which it is higher. One variable after
    the other moves to the place where Σ_j s(j | P_j) is highest, until none gains (best order score
    search; Andrews et al. 2023, after Teyssier and Koller 2005 and Lam, Andrews and Ramsey 2022).
    Then a variable and some neighbours are thrown to random places and the search goes on, again
    and again; the best order stays (iterated local search; Lourenço, Martin and Stützle 2003). Only
    candidates that forward selection shows are tried as parents, so a move concerns few variables;
    the final order is searched again with whatever it shows was missed.

    Args:
        score: of one variable given others.
        constraints: what is known of the edges.
        kicks: how often variables are thrown to random places, for each variable.
        rng: of the order in which variables move, and of the kicks.
        budget: when it ends, the best order so far is taken.
        track: advanced by one in all.

    Raises ``GraphError`` where the required edges form a cycle.

    >>> from doworld.discover.order.multinomial import MultinomialScore
    >>> codes = np.array([[0, 0, 1, 1] * 20, [0, 0, 1, 1] * 20, [0, 1, 0, 1] * 20])
    >>> free = Constraints(~np.eye(3, dtype=bool), np.zeros((3, 3), bool), (0.0,) * 3, 2)
    >>> score = MultinomialScore.of(codes, [2, 2, 2])
    >>> found = search(score, free, kicks=1, rng=np.random.default_rng(0)).dag
    >>> (found | found.T).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    first = constraints.order(constraints.tier)
    trees = _Trees(score, constraints, _candidates(score, constraints, budget), budget)
    best = _climb(first, range(len(constraints.tier)), trees, rng)
    best = _widened(best, trees, rng)
    track.advance(0.3, budget.words())
    best = _kicked(best, kicks, trees, rng, track=track)
    return trees.ordered(_widened(best, trees, rng))


def _widened(order: list[int], trees: "_Trees", rng: np.random.Generator) -> list[int]:
    """Searches again with the candidates that the order shows were missed, until there are none."""
    for _ in range(ROUNDS):
        if trees.budget.over() or not trees.widen(order):
            break
        order = _climb(order, order, trees, rng)
    return order


def _kicked(
    best: list[int], kicks: int, trees: "_Trees", rng: np.random.Generator, *, track: Track
) -> list[int]:
    """Throws a variable and some neighbours to random places and climbs again, time after time."""
    highest, linked = trees.total(best), trees.linked(best)
    movable = [v for v, near in enumerate(trees.near) if near]
    count = kicks * len(movable)
    for made in range(count):
        if trees.budget.over():
            trees.budget.cut(f"{made} of {count} new starts of the search for the best order")
            break
        track.advance(0.7 / count, trees.budget.words())
        v = movable[int(rng.integers(len(movable)))]
        near = trees.near[v]
        beside = [u for u in rng.permutation(near).tolist() if trees.near[u]]
        thrown = [v, *beside[: rng.integers(1, KICKED + 1)]]
        place = np.argsort(best).astype(float)
        place[thrown] = rng.uniform(0, len(best), len(thrown))
        order = trees.constraints.order(place.tolist())
        order = _climb(order, {*thrown, *(u for t in thrown for u in bits(linked[t]))}, trees, rng)
        total = trees.total(order)
        if total > highest + LEAST_GAIN:
            best, highest, linked = order, total, trees.linked(order)
    return best


def refine(
    score: Score, constraints: Constraints, start: Ordered, rng: np.random.Generator
) -> Ordered:
    """The search continued from an order and its candidates under another score."""
    trees = _Trees(score, constraints, list(start.candidates))
    return trees.ordered(_climb(list(start.order), start.order, trees, rng))


def _mask(members: Sequence[int]) -> int:
    return sum(1 << i for i in members)


def _candidates(score: Score, constraints: Constraints, budget: Budget = UNLIMITED) -> list[int]:
    """Candidate parents: the strongest alone, and the Markov blanket by forward selection.

    What is related neither to the target nor to one of those taken cannot be in the blanket. One of
    two variables that sees the other is enough.
    """
    d = len(constraints.tier)
    either = constraints.allowed | constraints.allowed.T
    alone = np.full((d, d), -np.inf)
    for target in range(d):
        others = np.flatnonzero(either[:, target])
        alone[others, target] = score.gains(target, 0, others.tolist())
    related = alone > LEAST_GAIN
    near = np.zeros((d, d), bool)
    for target in range(d):
        first = np.argsort(-alone[:, target], kind="stable")[:STRONGEST]
        near[first, target] = related[first, target]
        if budget.over():
            budget.cut("only the strongest relations were tried as edges")
            continue
        blanket = _blanket(score, target, constraints.most, alone[:, target], related, either)
        near[blanket, target] = True
    near |= near.T
    return [_mask(np.flatnonzero(c).tolist()) for c in (near & constraints.allowed).T]


def _blanket(
    score: Score,
    target: int,
    most: int,
    alone: Float[np.ndarray, " nodes"],
    related: Bool[np.ndarray, "nodes nodes"],
    either: Bool[np.ndarray, "nodes nodes"],
) -> list[int]:
    """What forward selection takes for ``target``, from all variables in either direction."""
    best, gain = int(alone.argmax()), float(alone.max())
    out: list[int] = []
    while gain > LEAST_GAIN and len(out) < most:
        out.append(best)
        reached = related[:, [target, *out]].any(1) & either[:, target]
        reached[out] = False
        others = np.flatnonzero(reached).tolist()
        if not others:
            break
        gains = score.gains(target, _mask(out), others)
        best, gain = others[int(gains.argmax())], float(gains.max())
    return out


class _Best(dict[int, tuple[float, int]]):
    """The score of a target and its parents, by the candidates that stand before it."""

    def __init__(self, trees: "_Trees", target: int) -> None:
        self.trees, self.target = trees, target

    def __missing__(self, available: int) -> tuple[float, int]:
        found = self[available] = self.trees.grow(self.target, available)
        return found


class _Trees:
    """Grow–shrink trees: what each variable takes from any set that stands before it."""

    def __init__(
        self,
        score: Score,
        constraints: Constraints,
        candidates: list[int],
        budget: Budget = UNLIMITED,
    ) -> None:
        self.score, self.constraints, self.budget = score, constraints, budget
        self.candidates: list[int] = []
        self.near: list[list[int]] = []
        self.after: list[int] = []
        self.best: list[_Best] = []
        self._ranked: dict[tuple[int, int], list[int]] = {}
        self._shrunk: dict[tuple[int, int], tuple[float, int]] = {}
        self._consider([c | r for c, r in zip(candidates, constraints.parents, strict=True)])

    def _consider(self, candidates: list[int]) -> None:
        changed = [
            t for t, c in enumerate(candidates) if not self.candidates or c != self.candidates[t]
        ]
        self.candidates = candidates
        self.near = [bits(mask) for mask in candidates]
        self.after = [0] * len(candidates)
        for t, before in enumerate(self.near):
            for c in before:
                self.after[c] |= 1 << t
        again = set(changed)
        every = range(len(candidates))
        self.best = [_Best(self, t) if t in again else self.best[t] for t in every]
        self._ranked = {k: v for k, v in self._ranked.items() if k[0] not in again}

    def grow(self, target: int, available: int) -> tuple[float, int]:
        """The score of ``target`` and its parents out of ``available`` candidates."""
        taken, most, ranked = self.constraints.parents[target], self.constraints.most, self._ranked
        while taken.bit_count() < most:
            known = ranked.get((target, taken))
            if known is None:
                known = ranked[target, taken] = self._rank(target, taken)
            for step in known:
                if available >> step & 1:
                    taken |= 1 << step
                    break
            else:
                break
        return self._shrunk.get((target, taken)) or self._shrink(target, taken)

    def _rank(self, target: int, taken: int) -> list[int]:
        """The candidates that would raise the score, the best first."""
        others = [c for c in self.near[target] if not taken >> c & 1]
        gains = self.score.gains(target, taken, others).tolist()
        some = [k for k, gain in enumerate(gains) if gain > LEAST_GAIN]
        return [others[k] for k in sorted(some, key=lambda k: -gains[k])]

    def _shrink(self, target: int, taken: int) -> tuple[float, int]:
        known = self.score.local(target, taken), taken
        free = bits(taken & ~self.constraints.parents[target])
        if taken.bit_count() > 1 and free:
            fewer = [taken ^ (1 << c) for c in free]
            value, rest = max((self.score.local(target, m), m) for m in fewer)
            if value > known[0] + LEAST_GAIN:
                known = self._shrunk.get((target, rest)) or self._shrink(target, rest)
        self._shrunk[target, taken] = known
        return known

    def widen(self, order: list[int]) -> bool:
        """Takes in candidates that would raise the score in this order; whether there were any."""
        more = list(self.candidates)
        before: list[int] = []
        allowed = self.constraints.allowed
        parents = self.ordered(order).parents
        for target in order:
            others = [c for c in before if allowed[c, target] and not more[target] >> c & 1]
            before.append(target)
            if others and parents[target].bit_count() < self.constraints.most:
                gains = self.score.gains(target, parents[target], others)
                more[target] |= _mask([others[k] for k in np.flatnonzero(gains > LEAST_GAIN)])
        found = more != self.candidates
        if found:
            self._consider(more)
        return found

    def _each(self, order: Sequence[int]) -> list[tuple[float, int]]:
        seen, out = 0, [(0.0, 0)] * len(order)
        for target in order:
            out[target] = self.best[target][seen & self.candidates[target]]
            seen |= 1 << target
        return out

    def total(self, order: Sequence[int]) -> float:
        """The score of an order."""
        return sum(value for value, _ in self._each(order))

    def linked(self, order: Sequence[int]) -> list[int]:
        """The parents and children of each variable in an order, as bits."""
        out = [mask for _, mask in self._each(order)]
        for target, mask in enumerate(tuple(out)):
            for parent in bits(mask):
                out[parent] |= 1 << target
        return out

    def ordered(self, order: Sequence[int]) -> Ordered:
        """The order with the parents found in it."""
        each = self._each(order)
        masks = tuple(mask for _, mask in each)
        return Ordered(tuple(order), masks, sum(v for v, _ in each), tuple(self.candidates))


def _climb(
    order: list[int], first: Iterable[int], trees: _Trees, rng: np.random.Generator
) -> list[int]:
    """Moves one variable after the other to its best place until none gains.

    The variables ``first`` are tried, then the neighbours of every one that moved.
    """
    waiting, stand = set(first), _Stand.of(order)
    while waiting:
        turn = rng.permutation(sorted(waiting)).tolist()
        waiting = set()
        for v in turn:
            if trees.budget.over():
                trees.budget.cut("the search for the best order ended before it stood still")
                return order
            gap = _best_gap(v, stand, trees)
            if gap is not None:
                order.remove(v)
                order.insert(gap, v)
                stand = _Stand.of(order)
                waiting.update(trees.near[v], bits(trees.after[v]))
    return order


class _Stand(NamedTuple):
    """The place of each variable in an order, and the variables before it (as bits)."""

    place: list[int]
    before: list[int]

    @classmethod
    def of(cls, order: Sequence[int]) -> "_Stand":
        place, before, seen = [0] * len(order), [0] * len(order), 0
        for k, v in enumerate(order):
            place[v], before[v] = k, seen
            seen |= 1 << v
        return cls(place, before)


def _best_gap(v: int, stand: _Stand, trees: _Trees) -> int | None:
    """Where ``v`` should go among the other variables; None where it stands best already.

    One walk along those that v may be linked to sums what it costs each of them to stand before v,
    and what v gains from standing behind them. Between two of them the score stays the same.
    """
    best, candidates, place = trees.best, trees.candidates, stand.place
    own, touched, me, here = candidates[v], trees.after[v], 1 << v, place[v]
    parents, children = trees.constraints.parents[v], trees.constraints.children[v]
    first, last, lost = 0, len(place) - 1, 0.0
    mine = best[v]
    value = now = mine[0][0]
    steps = [(0, value)]
    for u in sorted(bits(own | touched | parents | children), key=place.__getitem__):
        before, gap = stand.before[u] & ~me, place[u] + (place[u] < here)
        if touched >> u & 1:
            some = before & candidates[u]
            lost += best[u][some][0] - best[u][some | me][0]
        if parents >> u & 1:
            first = gap
        if children >> u & 1:
            last = min(last, gap - 1)
        if own >> u & 1:
            value = mine[(before | 1 << u) & own][0]
        steps.append((gap, value + lost))
        if gap <= here:
            now = value + lost
    there, highest = None, now + LEAST_GAIN
    ends = [gap - 1 for gap, _ in steps[1:]] + [len(place) - 1]
    for (start, total), end in zip(steps, ends, strict=True):
        if total > highest and max(start, first) <= min(end, last):
            there, highest = max(start, first), total
    return there
