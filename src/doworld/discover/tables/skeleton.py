"""Which pairs no set of others separates, whatever the order of the variables (PC-stable)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Bool

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import DataError
from doworld.discover.independence import TableTest, Verdict
from doworld.discover.order.permutation import Constraints

__all__ = ["Asked", "Skeleton", "separating", "skeleton"]

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Asked:
    """A tester that remembers its answers, symmetric in the pair.

    Attributes:
        tester: the test.
        answers: by pair and the set conditioned on; None where the rows could not be tested.
    """

    tester: TableTest
    answers: dict[tuple[Pair, tuple[int, ...]], Verdict | None] = field(default_factory=dict)

    def test(self, x: int, y: int, z: Sequence[int]) -> Verdict | None:
        """The verdict on x ⫫ y given z; None where too few rows hold all of them."""
        key = (min(x, y), max(x, y)), tuple(sorted(z))
        if key not in self.answers:
            try:
                self.answers[key] = self.tester.test(*key[0], key[1])
            except DataError:
                self.answers[key] = None
        return self.answers[key]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The links left, and for each pair the verdict that speaks most against the link.

    Attributes:
        linked: pairs that no set separated, symmetric.
        weakest: the verdict with the largest p-value of all made of a linked pair.
    """

    linked: Bool[np.ndarray, "nodes nodes"]
    weakest: dict[Pair, Verdict]


def skeleton(
    asked: Asked, limits: Constraints, level: float, most: int, budget: Budget = UNLIMITED
) -> Skeleton:
    """Removes every link whose ends are independent given some of the causes either may have.

    Sets of 0, 1, … ``most`` variables linked to one end are tried; those linked are taken down
    before each size, so that the order of the variables does not matter (PC-stable; Colombo and
    Maathuis 2014, after Spirtes, Glymour and Scheines 2000). Only what roles and prior let be a
    cause of an end is conditioned on for it; required links stay. When the ``budget`` ends, so do
    links that larger sets might have separated.
    """
    d = len(limits.tier)
    sure = limits.required | limits.required.T
    linked = limits.allowed | limits.allowed.T | sure
    for size in range(most + 1):
        before = linked.copy()
        pairs = [(i, j) for i, j in combinations(range(d), 2) if linked[i, j] and not sure[i, j]]
        tried = False
        for made, (i, j) in enumerate(pairs):
            if budget.over():
                of = f"{len(pairs) - made} of {len(pairs)} links"
                budget.cut(f"no tests of {of} given {size} others, and none given more")
                break
            for given in _sets(before, limits, i, j, size):
                tried = True
                verdict = asked.test(i, j, given)
                if verdict is not None and verdict.p_value > level:
                    linked[i, j] = linked[j, i] = False
                    break
        if not tried:
            break
    weakest: dict[Pair, Verdict] = {}
    for (pair, _), verdict in asked.answers.items():
        if verdict is None or not linked[pair]:
            continue
        known = weakest.get(pair)
        if known is None or verdict.p_value > known.p_value:
            weakest[pair] = verdict
    return Skeleton(linked, weakest)


def _sets(
    linked: Bool[np.ndarray, "nodes nodes"], limits: Constraints, i: int, j: int, size: int
) -> Iterator[tuple[int, ...]]:
    """Sets of possible causes of one end, each once."""
    seen: set[tuple[int, ...]] = set()
    may = limits.allowed | limits.required
    for end, other in ((i, j), (j, i)):
        near = [k for k in np.flatnonzero(linked[end] & may[:, end]).tolist() if k != other]
        for given in combinations(near, size):
            if given not in seen:
                seen.add(given)
                yield given


def separating(
    asked: Asked, found: Skeleton, limits: Constraints, i: int, j: int, most: int
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every set of up to ``most`` possible causes of an end, with the p-value given it."""
    for size in range(most + 1):
        for given in _sets(found.linked, limits, i, j, size):
            verdict = asked.test(i, j, given)
            if verdict is not None:
                yield given, verdict.p_value
