"""Counterfactual quantities as data: Σ c · P(Y_x = y, X = x', … | evidence)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doworld._core.errors import QueryError

__all__ = ["Decision", "Expression", "Outcome", "Potential", "Term", "contrast", "expectation"]


@dataclass(frozen=True)
class Decision:
    """A rule in place of a cause: the level that follows from what is seen.

    Attributes:
        seen: variables, as they are in the same world.
        table: from the levels seen to the level chosen.
    """

    seen: tuple[str, ...]
    table: Mapping[tuple[int, ...], int]


@dataclass(frozen=True)
class Potential:
    """V_x: what ``variable`` would be under interventions, nested ones included.

    ``under[name]`` is a level, another ``Potential`` (the value that it has in its own world), or
    a ``Decision``. Nothing under: the variable as it is.

    >>> nested = Potential("Y", {"X": 1, "M": Potential("M", {"X": 0})})
    >>> sorted(nested.changed())
    ['M', 'X']
    """

    variable: str
    under: Mapping[str, "int | Potential | Decision"] = field(default_factory=dict)

    def changed(self) -> frozenset[str]:
        """All variables that are intervened on, those in nested worlds included."""
        nested = [p.changed() for p in self.under.values() if isinstance(p, Potential)]
        return frozenset(self.under).union(*nested)

    def named(self) -> frozenset[str]:
        """All variables that the quantity speaks of."""
        out = {self.variable, *self.under}
        for each in self.under.values():
            if isinstance(each, Potential):
                out |= each.named()
            elif isinstance(each, Decision):
                out |= set(each.seen)
        return frozenset(out)


@dataclass(frozen=True)
class Outcome:
    """The event V_x = level."""

    potential: Potential
    level: int


@dataclass(frozen=True)
class Term:
    """coefficient · P(all of the events)."""

    coefficient: float
    events: tuple[Outcome, ...]


@dataclass(frozen=True)
class Expression:
    """Σ coefficient · P(events | given).

    >>> y1, y0 = (Outcome(Potential("Y", {"X": x}), x) for x in (1, 0))
    >>> pns = Expression((Term(1.0, (y1, y0)),))
    >>> sorted(pns.named())
    ['X', 'Y']
    """

    terms: tuple[Term, ...]
    given: tuple[Outcome, ...] = ()

    def __post_init__(self) -> None:
        if not self.terms:
            raise QueryError("an expression without a term asks nothing. Give it one.")

    def events(self) -> tuple[Outcome, ...]:
        """Every event of the expression."""
        return (*(e for t in self.terms for e in t.events), *self.given)

    def single_worlds(self) -> bool:
        """Whether every term is about one world alone, without evidence and without nesting."""
        nested = [
            isinstance(v, Potential) for e in self.events() for v in e.potential.under.values()
        ]
        alone = all(len({repr(e.potential.under) for e in t.events}) == 1 for t in self.terms)
        return alone and not any(nested) and not self.given

    def range(self) -> tuple[float, float]:
        """The least and greatest value that it can have whatever the world.

        Terms of one event about the same counterfactual variable exclude one another.
        """
        groups: dict[str, list[float]] = {}
        for n, term in enumerate(self.terms):
            alone = len(term.events) == 1
            groups.setdefault(repr(term.events[0].potential) if alone else f"{n}", []).append(
                term.coefficient
            )
        least = sum(min(0.0, *values) for values in groups.values())
        most = sum(max(0.0, *values) for values in groups.values())
        return float(least), float(most)

    def named(self) -> frozenset[str]:
        """All variables that the expression speaks of."""
        return frozenset().union(*(e.potential.named() for e in self.events()))

    def changed(self) -> frozenset[str]:
        """All variables that are intervened on."""
        return frozenset().union(*(e.potential.changed() for e in self.events()))


def expectation(
    variable: str,
    under: Mapping[str, "int | Potential | Decision"],
    values: Sequence[float],
    *,
    given: Sequence[Outcome] = (),
    sign: float = 1.0,
) -> Expression:
    """E[Y_x | given] of an outcome whose levels are worth ``values``."""
    terms = (
        Term(sign * v, (Outcome(Potential(variable, under), k),)) for k, v in enumerate(values) if v
    )
    nothing = (Term(0.0, (Outcome(Potential(variable, under), 0),)),)
    return Expression(tuple(terms) or nothing, tuple(given))


def contrast(
    variable: str,
    treated: Mapping[str, "int | Potential | Decision"],
    control: Mapping[str, "int | Potential | Decision"],
    values: Sequence[float],
    *,
    given: Sequence[Outcome] = (),
) -> Expression:
    """E[Y_treated − Y_control | given]."""
    up = expectation(variable, treated, values)
    down = expectation(variable, control, values, sign=-1.0)
    return Expression((*up.terms, *down.terms), tuple(given))
