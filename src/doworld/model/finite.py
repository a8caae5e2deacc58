"""Structural models with finitely many values: the ground that actual causation is defined on."""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from doworld._core.errors import QueryError, UnknownNameError

__all__ = ["FiniteModel", "Rule", "Value", "World", "rule_of"]

Value = Hashable
World = Mapping[str, Any]
"""A value for each variable."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One structural equation: a function of its parents' values, given in their order.

    >>> Rule.of(lambda lightning, match: lightning or match).parents
    ('lightning', 'match')
    >>> Rule.table(("x",), {(0,): 1, (1,): 0})(0)
    1
    """

    parents: tuple[str, ...]
    function: Callable[..., Any]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Rule":
        """A function whose parameters are called as its parents are.

        Raises ``QueryError`` where a parameter is variadic or keyword-only.
        """
        parameters = inspect.signature(function).parameters.values()
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY) for p in parameters):
            raise QueryError(
                "an equation's parameters name its parents, and *args says no name. Write "
                "Rule(('a', 'b'), function)."
            )
        return cls(tuple(p.name for p in parameters), function)

    @classmethod
    def table(cls, parents: Sequence[str], values: Mapping[tuple, Any]) -> "Rule":
        """A value for each combination of the parents' values."""
        held = dict(values)
        return cls(tuple(parents), lambda *at: held[at])

    def __call__(self, *values: Any) -> Any:
        """The value of the variable, given its parents'."""
        return self.function(*values)


def rule_of(given: Rule | Callable[..., Any]) -> Rule:
    """A rule as it is, a function by its parameters' names."""
    return given if isinstance(given, Rule) else Rule.of(given)


@dataclass(frozen=True, eq=False)
class FiniteModel:
    """Variables with finite ranges, and an equation for each that is not set from outside.

    A variable without an equation takes its value from the context. It counts as endogenous (its
    equation is X = U_X, with U_X in the context) and may be a cause, unless ``background`` names
    it. This is the model M = ((U, V, R), F) of Halpern & Pearl (2005): ``ranges`` is R, ``rules``
    is F, ``background`` and the contexts' values are U.

    Args:
        ranges: the values that each variable can take.
        equations: a ``Rule``, or a function whose parameters are called as its parents.
        background: variables of the context that are never causes.

    Raises:
        UnknownNameError: an equation or its parent is of a variable without a range.
        QueryError: the equations are cyclic, a range is empty, or an equation leaves its range.

    >>> fire = FiniteModel(
    ...     {"lightning": (0, 1), "match": (0, 1), "fire": (0, 1)},
    ...     {"fire": lambda lightning, match: int(lightning or match)},
    ... )
    >>> fire.solve({"lightning": 1, "match": 0})["fire"]
    1
    """

    ranges: Mapping[str, Sequence[Any]]
    equations: Mapping[str, Rule | Callable[..., Any]]
    background: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rules = {name: rule_of(given) for name, given in self.equations.items()}
        object.__setattr__(self, "rules", rules)
        for name in (*rules, *self.background, *(p for r in rules.values() for p in r.parents)):
            self.known(name)
        for name, values in self.ranges.items():
            if not len(values):
                raise QueryError(f"{name!r} has an empty range. Give it the values it can take.")
        for name in self.background:
            if name in rules:
                raise QueryError(
                    f"{name!r} is background and has an equation. Leave one of the two out."
                )
        _ = self.order

    def known(self, name: str) -> None:
        """Raises ``UnknownNameError`` for a variable that the model lacks."""
        if name not in self.ranges:
            raise UnknownNameError("variable of this model", name, self.ranges)

    def parents(self, name: str) -> tuple[str, ...]:
        """The variables that an equation reads."""
        return self.rules[name].parents if name in self.rules else ()

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The variables, parents first."""
        done: dict[str, None] = {}
        left = list(self.ranges)
        while left:
            ready = [n for n in left if all(p in done for p in self.parents(n))]
            if not ready:
                raise QueryError(
                    f"the equations of {', '.join(sorted(left))} depend on each other in a circle. "
                    "Unroll them in time, or drop one."
                )
            done.update(dict.fromkeys(ready))
            left = [n for n in left if n not in done]
        return tuple(done)

    def ancestors(self, names: Sequence[str]) -> frozenset[str]:
        """The given variables and all that act on them."""
        found, frontier = set(names), list(names)
        while frontier:
            new = [p for p in self.parents(frontier.pop()) if p not in found]
            found.update(new)
            frontier += new
        return frozenset(found)

    def descendants(self, names: Sequence[str]) -> frozenset[str]:
        """The given variables and all that they act on."""
        found = set(names)
        for name in self.order:
            if any(p in found for p in self.parents(name)):
                found.add(name)
        return frozenset(found)

    def solve(self, context: World, done: World | None = None) -> dict[str, Any]:
        """The value of every variable in a context, with ``done`` set: (M, u) ⊨ [done] V = v.

        Raises ``QueryError`` where the context lacks a variable without an equation, states one
        that has an equation, or where a value is outside its range.
        """
        done = done or {}
        self._check(context, done)
        values: dict[str, Any] = {}
        for name in self.order:
            if name in done:
                values[name] = done[name]
            elif name in self.rules:
                values[name] = self.evaluate(name, values)
            else:
                values[name] = context[name]
        return values

    def evaluate(self, name: str, values: World) -> Any:
        """One equation at its parents' values; raises ``QueryError`` outside the range."""
        rule = self.rules[name]
        value = rule(*(values[p] for p in rule.parents))
        if value not in self.ranges[name]:
            at = ", ".join(f"{p} = {values[p]}" for p in rule.parents)
            raise QueryError(
                f"the equation of {name!r} gives {value!r} at {at or 'all times'}, which is not "
                f"in its range {tuple(self.ranges[name])}. Widen the range or mend the equation."
            )
        return value

    def _check(self, context: World, done: World) -> None:
        for name, value in (*context.items(), *done.items()):
            self.known(name)
            if value not in self.ranges[name]:
                raise QueryError(
                    f"{name!r} is given {value!r}, which is not in its range "
                    f"{tuple(self.ranges[name])}."
                )
        for name in context:
            if name in self.rules:
                raise QueryError(
                    f"the context states {name!r}, which has an equation. A context gives only "
                    "what has none; use an intervention to set it."
                )
        for name in self.ranges:
            if name not in self.rules and name not in context and name not in done:
                raise QueryError(f"the context lacks {name!r}, which has no equation. Give it.")

    def contexts(self) -> list[dict[str, Any]]:
        """Every context there is."""
        free = [n for n in self.ranges if n not in self.rules]
        return [dict(zip(free, at, strict=True)) for at in product(*(self.ranges[n] for n in free))]
