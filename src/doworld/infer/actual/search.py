r"""The search for actual causes, smallest sets first.

X = x is an actual cause of φ in (M, u) by the modified Halpern–Pearl definition (Halpern 2015) if

    AC1   (M, u) ⊨ X = x ∧ φ
    AC2   some W and x' exist with (M, u) ⊨ W = w* and (M, u) ⊨ [X ← x', W ← w*] ¬φ
    AC3   no proper subset of X satisfies AC1 and AC2.

What is left out cannot matter. Only ancestors of φ can be in a minimal X; all of x' differ from x,
since an unchanged one could move to W. Only descendants of X that are ancestors of φ can be of use
in W, and a W grown in causal order need only take in variables that stand at another value than
their actual one: holding the others changes nothing, and what comes later in the order cannot
change what came before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from doworld.model.finite import FiniteModel, Rule, World

__all__ = ["Budget", "Found", "Situation", "minimal", "witnesses"]


class Budget:
    """Solutions of the model that a search may still ask for."""

    def __init__(self, solutions: int) -> None:
        self.solutions = self.left = solutions

    def take(self) -> bool:
        """One solution; False when none is left."""
        self.left -= 1
        return self.left >= 0

    @property
    def cut(self) -> bool:
        """Whether more was asked for than there was."""
        return self.left < 0


@dataclass(frozen=True, eq=False)
class Situation:
    """A model in a context, and the outcome that happened there.

    Attributes:
        actual: the value of each variable.
        outcome: φ, a rule of the variables it reads.
        candidates: what may be in a cause, in causal order.
        relevant: φ's variables and their ancestors.
    """

    model: FiniteModel
    context: World
    actual: Mapping[str, Any]
    outcome: Rule
    candidates: tuple[str, ...]
    relevant: frozenset[str]

    @classmethod
    def of(
        cls, model: FiniteModel, context: World, outcome: Rule, among: Sequence[str] | None = None
    ) -> "Situation":
        """The situation, with the candidates that can be causes at all."""
        relevant = model.ancestors(outcome.parents)
        never = {*model.background, *outcome.parents}
        candidates = tuple(
            n
            for n in model.order
            if n in relevant and n not in never and (among is None or n in among)
        )
        return cls(model, context, model.solve(context), outcome, candidates, relevant)

    def happens(self, world: World) -> bool:
        """Whether φ holds in a world."""
        return bool(self.outcome(*(world[p] for p in self.outcome.parents)))

    def changed(self, done: World) -> dict[str, Any]:
        """The relevant variables after ``done``; what it does not reach stays actual."""
        values = dict(self.actual)
        reached = set(done)
        for name in self.model.order:
            if name in done:
                values[name] = done[name]
            elif name in self.relevant and any(p in reached for p in self.model.parents(name)):
                values[name] = self.model.evaluate(name, values)
                reached.add(name)
        return values


@dataclass(frozen=True, eq=False)
class Found:
    """A witness: W and x' of AC2, and the world [X ← x', W ← w*]."""

    alternative: Mapping[str, Any]
    held: tuple[str, ...]
    world: Mapping[str, Any]


def witnesses(
    at: Situation, cause: Sequence[str], budget: Budget, *, every: bool = False
) -> Iterator[Found]:
    """The witnesses of AC2 for a set of variables, those with the smallest W first.

    Without ``every`` it stops at the size of the first; with it, each world is given once.
    """
    options = [[v for v in at.model.ranges[n] if v != at.actual[n]] for n in cause]
    reach = at.model.descendants(cause) & at.relevant
    fixed = set(cause) | (set(at.outcome.parents) if len(at.outcome.parents) == 1 else set())
    order = [n for n in at.model.order if n in reach and n not in fixed]
    level = [(dict(zip(cause, a, strict=True)), (), 0) for a in product(*options)]
    while level:
        following, succeeded = [], False
        for alternative, held, start in level:
            if not budget.take():
                return
            world = at.changed({**alternative, **{n: at.actual[n] for n in held}})
            if not at.happens(world):
                yield Found(alternative, held, world)
                succeeded = True
            following += [
                (alternative, (*held, order[k]), k + 1)
                for k in range(start, len(order))
                if world[order[k]] != at.actual[order[k]]
            ]
        if succeeded and not every:
            return
        level = following


def minimal(
    at: Situation,
    budget: Budget,
    largest: int,
    each: Callable[[tuple[str, ...]], bool],
) -> int:
    """Gives every set to ``each`` by size, none that holds a set that succeeded.

    Returns the size up to which the search is complete.
    """
    succeeded: list[frozenset[str]] = []
    for size in range(1, min(largest, len(at.candidates)) + 1):
        # a set that holds a cause is no minimal one: only variables outside single causes remain
        single = {n for s in succeeded if len(s) == 1 for n in s}
        left = [n for n in at.candidates if n not in single]
        for names in combinations(left, size):
            if budget.left <= 0:
                budget.left = -1
                return size - 1
            if any(s <= set(names) for s in succeeded):
                continue
            if each(names):
                succeeded.append(frozenset(names))
            if budget.cut:
                return size - 1
    return min(largest, len(at.candidates))
