"""Grow–shrink trees: the parents each variable takes from any set that stands before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np
from jaxtyping import Bool

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import GraphError
from doworld.discover.order.scores import Score, bits

__all__ = ["LEAST_GAIN", "Constraints", "Ordered", "Trees", "mask_of"]

LEAST_GAIN = 1e-6
"""A smaller difference between two scores is rounding."""


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
        return tuple(mask_of(np.flatnonzero(column).tolist()) for column in self.required.T)

    @cached_property
    def children(self) -> tuple[int, ...]:
        """Each variable's required children, as bits."""
        return tuple(mask_of(np.flatnonzero(row).tolist()) for row in self.required)

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


def mask_of(members: Sequence[int]) -> int:
    """The integer in which the bits of the members are set."""
    return sum(1 << i for i in members)


class _Best(dict[int, tuple[float, int]]):
    """The score of a target and its parents, by the candidates that stand before it."""

    def __init__(self, trees: "Trees", target: int) -> None:
        self.trees, self.target = trees, target

    def __missing__(self, available: int) -> tuple[float, int]:
        found = self[available] = self.trees.grow(self.target, available)
        return found


class Trees:
    """Grow–shrink trees: what each variable takes from any set that stands before it.

    Attributes:
        score, constraints, budget: of the search.
        candidates: the candidate parents of each variable, as bits, and ``near``, as lists.
        after: whose candidate each variable is, as bits.
        around: the variables whose places matter to each one's.
        best: what each takes, by what stands before it.
    """

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
        self.around: list[list[int]] = []
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
        limits = zip(self.constraints.parents, self.constraints.children, strict=True)
        wide = zip(candidates, self.after, limits, strict=True)
        self.around = [bits(c | a | p | k) for c, a, (p, k) in wide]
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
                more[target] |= mask_of([others[k] for k in np.flatnonzero(gains > LEAST_GAIN)])
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
