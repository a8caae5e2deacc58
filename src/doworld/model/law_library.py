"""The terms that a law may be made of: products of simple functions of the parents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Schema
from doworld.mechanisms import Coding
from doworld.mechanisms.terms import Factor, Operation, Term

__all__ = ["Input", "inputs_of", "library"]

MOST = 1_000
"""Terms of a library."""

HIGHEST = 7
"""Factors of a term at most."""

TURN = 4 * np.pi
"""Largest value of what may be an angle in radians."""

LIKELY = 1.2
"""Smallest reach of what may be an angle where no unit says so: below, sin x and x look alike."""


ANGLE = 3
"""What an angle itself costs: laws hold the sine, which reads the same after a turn."""

MAYBE = 2
"""What a size costs, and the sine of what may be an angle or not."""

PAIRS = 6
"""Pairs of inputs of which the norm is offered at most."""


@dataclass(frozen=True)
class Input:
    """One parent feature as the library sees it, in its own unit.

    Attributes:
        low, high: its range in the log.
        quartiles: of its values.
        levels: how many distinct values it has, at most 6.
        turns: what makes radians of it; 0 where it is no angle.
        sure: whether its unit says that it is an angle.
        unit: its unit; "" where nobody said.
    """

    low: float
    high: float
    quartiles: tuple[float, float, float]
    levels: int
    turns: float
    sure: bool = False
    unit: str = ""


def inputs_of(
    schema: Schema,
    coding: Coding,
    columns: Sequence[int],
    raw: Float[np.ndarray, "rows k"],
) -> list[Input]:
    """What the library needs to know of every input."""
    variable = np.asarray(coding.variable)
    out = []
    for column, values in zip(columns, raw.T, strict=True):
        of = schema.variables[int(variable[int(column) % len(variable)])]
        number = of.kind in (Kind.CONTINUOUS, Kind.COUNT)
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        far = max(abs(low), abs(high))
        turns = 0.0
        if number and of.unit in ("deg", "°"):
            turns = np.pi / 180
        elif number and (of.unit == "rad" or (of.unit == "" and far > LIKELY)) and far <= TURN:
            turns = 1.0
        a, b, c = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if len(values) else (0.0,) * 3
        levels = len(np.unique(values[:5000]))
        turns = turns if levels > 5 else 0.0
        sure = turns > 0 and of.unit != ""
        out.append(Input(low, high, (a, b, c), min(levels, 6), turns, sure, of.unit))
    return out


def _generators(k: int, one: Input) -> Iterator[tuple[Factor, int, int]]:
    """Factors of input k, what each costs, and how often a term may hold it."""
    if one.levels < 2:
        return
    yield Factor(k, Operation.IDENTITY), ANGLE if one.sure else 1, one.levels - 1
    if one.low * one.high > 0 and one.levels > 2 and abs(np.log(one.high / one.low)) > 0.1:
        least = min(abs(one.low), abs(one.high)) * np.sign(one.low)
        yield Factor(k, Operation.RECIPROCAL, float(0.1 * least)), 1, 1
    if one.turns:
        cost = 1 if one.sure else MAYBE
        yield Factor(k, Operation.SINE, one.turns), cost, 3
        yield Factor(k, Operation.COSINE, one.turns), cost, 1  # cos² is 1 − sin²
    if one.levels > 5 and one.low >= 0:
        yield Factor(k, Operation.ROOT), 1, 1
    elif one.levels > 5 and one.high > 0:
        yield Factor(k, Operation.SIZE), MAYBE, 1  # |x|² is x²
    if one.levels > 5:
        knots = [*one.quartiles, *([0.0] if one.low < 0 < one.high else [])]
        for knot in dict.fromkeys(knots):
            if one.low < knot < one.high:
                yield Factor(k, Operation.ABOVE, knot), 3, 1


def _norms(inputs: Sequence[Input]) -> list[tuple[Factor, int, int]]:
    """The lengths of pairs of inputs that have one unit, vary freely and go both ways."""
    free = [k for k, one in enumerate(inputs) if one.levels > 5 and one.low < 0 < one.high]
    pairs = [
        (a, b)
        for n, a in enumerate(free)
        for b in free[n + 1 :]
        if inputs[a].unit == inputs[b].unit and not inputs[a].sure
    ]
    norm = Operation.NORM
    return [(Factor(a, norm, float(b)), 1, 1) for a, b in pairs] if len(pairs) <= PAIRS else []


def _products(
    generators: list[tuple[Factor, int, int]], cost: int, begin: int = 0
) -> Iterator[Term]:
    """The products of generators, from number ``begin`` on, that cost exactly so much."""
    if cost == 0:
        yield ()
        return
    for g in range(begin, len(generators)):
        factor, each, most = generators[g]
        for times in range(1, min(most, cost // each) + 1):
            for rest in _products(generators, cost - times * each, g + 1):
                yield (factor,) * times + rest


def library(inputs: Sequence[Input], *, most: int = MOST) -> tuple[list[Term], list[int]]:
    """All terms up to the cost that ``most`` of them allow, cheapest first, and their costs.

    A power costs its exponent; a reciprocal, a root or a norm 1; a size 2; a sine or a cosine 1,
    or 2 where nothing says that it is of an angle; a positive part or an angle 3.
    The constant and what is linear are always there.

    >>> terms, costs = library([Input(-1.0, 1.0, (-0.5, 0.0, 0.5), 3, 0.0)])
    >>> [len(t) for t in terms], costs
    ([0, 1, 2], [0, 1, 2])
    """
    generators = [g for k, one in enumerate(inputs) for g in _generators(k, one)]
    generators += _norms(inputs)
    always: list[tuple[Term, int]] = [((), 0)]
    always += [((f,), cost) for f, cost, _ in generators if f.operation is Operation.IDENTITY]
    further: list[tuple[Term, int]] = []
    for cost in range(1, HIGHEST + 1):
        more: list[tuple[Term, int]] = []
        for term in _products(generators, cost):
            if (term, cost) not in always:
                more.append((term, cost))
            if len(always) + len(further) + len(more) > most:
                return _by_cost(always + further)
        further += more
    return _by_cost(always + further)


def _by_cost(terms: list[tuple[Term, int]]) -> tuple[list[Term], list[int]]:
    terms = sorted(terms, key=lambda each: each[1])
    return [t for t, _ in terms], [c for _, c in terms]
