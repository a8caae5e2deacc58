"""Polynomial classes of rising capacity, all held in one table of Legendre products."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy import special

__all__ = ["Basis", "CapacityClass"]

HIGHEST_DEGREE = 12
LADDER = (
    (1, 1), (2, 1), (3, 1), (5, 1), (8, 1), (2, 2), (3, 2), (4, 2), (3, 3), (4, 3), (4, 4),
    (5, 3), (5, 5), (6, 4), (6, 6), (7, 5), (8, 8), (10, 10), (12, 12),
)  # fmt: skip
LADDER_FOOT: tuple[bool, int, int] = (False, 1, 1)
BOUNDED_LADDER = ((2, 1), (4, 1), (6, 1), (9, 1), (3, 2), (4, 2), (4, 3), (6, 2), (8, 2))
MOST_BOUNDED = 200


@dataclass(frozen=True)
class CapacityClass:
    """All products of total ``degree`` or less of at most ``order`` different inputs.

    ``bounded`` classes use inputs squashed by a sigmoid, beside the inputs themselves.
    """

    degree: int
    order: int
    bounded: bool
    terms: Int[np.ndarray, " terms"]

    def __str__(self) -> str:
        if self.degree == 1:
            return "linear"
        of = "squashed inputs" if self.bounded else "inputs"
        if self.order == 1:
            return f"additive in {of}, degree {self.degree}"
        return f"polynomial of degree {self.degree}, up to {self.order} {of} a term"


@dataclass(frozen=True, eq=False)
class Basis:
    """A table of terms and the classes that are subsets of it.

    ``table`` holds a constant first and then standardised products of Legendre polynomials P_k of
    inputs scaled, or squashed, to [−1, 1]; ``exponents[m, i]`` is the degree of term m in input i.
    """

    table: Float[np.ndarray, "rows terms"]
    exponents: Int[np.ndarray, "terms inputs"]
    classes: tuple[CapacityClass, ...]

    def without(self, which: CapacityClass, inputs: Sequence[int]) -> Int[np.ndarray, " terms"]:
        """The terms of a class that use none of ``inputs``."""
        return which.terms[(self.exponents[which.terms][:, list(inputs)] == 0).all(1)]


@lru_cache(maxsize=512)
def _count(caps: tuple[int, ...], degree: int, order: int) -> int:
    if not caps:
        return 1
    total = _count(caps[1:], degree, order)
    if order:
        for power in range(1, min(caps[0], degree) + 1):
            total += _count(caps[1:], degree - power, order - 1)
    return total


@lru_cache(maxsize=128)
def _exponents(caps: tuple[int, ...], degree: int, order: int) -> tuple[tuple[int, ...], ...]:
    if not caps:
        return ((),)
    out = []
    for power in range(min(caps[0], degree if order else 0) + 1):
        rest = _exponents(caps[1:], degree - power, order - (power > 0))
        out += [(power, *tail) for tail in rest]
    return tuple(out)


def build_basis(
    inputs: Float[np.ndarray, "rows inputs"],
    most_terms: int,
    *,
    like: CapacityClass | None = None,
) -> Basis:
    """The basis of every class of the ladders that has at most ``most_terms`` terms.

    An input with k distinct values gets degrees up to k − 1, so a binary input costs one term. The
    linear class is always there. With ``like`` only the largest class of its kind, degree and
    order or below.
    """
    p = inputs.shape[1]
    caps = tuple(min(HIGHEST_DEGREE, _levels(inputs[:, i]) - 1) for i in range(p))
    place: dict[tuple[int, ...], int] = {(0,) * p: 0}
    soft: dict[tuple[int, ...], int] = {}
    rungs: list[tuple[int, int, bool, list[tuple[bool, int]]]] = []
    known: set[frozenset[tuple[bool, int]]] = set()
    for bounded, degree, most in _rungs(caps, most_terms, like):
        order = min(most, p)
        exponents = _exponents(caps, degree, order)
        if bounded:
            chosen = [(True, soft.setdefault(e, len(soft))) for e in exponents if sum(e) > 0]
            chosen += [(False, place.setdefault(e, len(place))) for e in _exponents(caps, 1, 1)]
        else:
            chosen = [(False, place.setdefault(e, len(place))) for e in exponents]
        if frozenset(chosen) not in known:
            known.add(frozenset(chosen))
            rungs.append((degree, order, bounded, chosen))
    plain = np.array(list(place), dtype=np.int64).reshape(len(place), p)
    gentle = np.array(list(soft), dtype=np.int64).reshape(len(soft), p)
    parts = [_table(_scaled(inputs), plain)]
    if soft:
        parts.append(_table(_squashed(inputs), gentle))
    classes = tuple(
        CapacityClass(degree, order, bounded, _terms(chosen, len(place)))
        for degree, order, bounded, chosen in rungs
    )
    return Basis(np.concatenate(parts, 1), np.concatenate([plain, gentle]), classes)


def _terms(chosen: list[tuple[bool, int]], plain: int) -> np.ndarray:
    return np.array(sorted(i + plain * soft for soft, i in chosen))


def _rungs(
    caps: tuple[int, ...], most_terms: int, like: CapacityClass | None
) -> list[tuple[bool, int, int]]:
    rungs = [(False, d, o) for d, o in LADDER] + [(True, d, o) for d, o in BOUNDED_LADDER]
    fitting = [LADDER_FOOT]
    sizes = {LADDER_FOOT: len(caps)}
    for rung in rungs[1:]:
        bounded, degree, order = rung
        size = _count(caps, degree, min(order, len(caps))) + bounded * len(caps)
        if size <= min(most_terms, MOST_BOUNDED if bounded else most_terms):
            fitting.append(rung)
            sizes[rung] = size
    if like is None:
        return fitting
    below = [
        (b, d, o)
        for b, d, o in fitting
        if b == like.bounded and d <= like.degree and min(o, len(caps)) <= like.order
    ]
    return [max(below or fitting[:1], key=lambda rung: sizes[rung])]


def _levels(values: np.ndarray) -> int:
    some = np.unique(values[: 4 * HIGHEST_DEGREE])
    return len(some if len(some) > HIGHEST_DEGREE else np.unique(values))


def _scaled(inputs: np.ndarray) -> np.ndarray:
    """Inputs to [−1, 1] by their range: exact for polynomial laws."""
    low, high = inputs.min(0), inputs.max(0)
    return (inputs - (low + high) / 2) / np.where(high > low, (high - low) / 2, 1.0)


def _squashed(inputs: np.ndarray) -> np.ndarray:
    """Inputs to [−1, 1] by a sigmoid: fine where the data are, calm at the edges."""
    spread = inputs.std(0)
    return special.erf((inputs - inputs.mean(0)) / np.where(spread > 0, 1.5 * spread, 1.0))


def _table(u: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Standardised products of Legendre polynomials, without centring the constant."""
    powers = [np.ones_like(u), u]
    for k in range(1, int(exponents.max(initial=1))):
        powers.append(((2 * k + 1) * u * powers[k] - k * powers[k - 1]) / (k + 1))
    stack = np.stack(powers)
    table = np.ones((len(u), len(exponents)))
    for i in range(u.shape[1]):
        used = np.flatnonzero(exponents[:, i])
        table[:, used] *= stack[exponents[used, i], :, i].T
    real = exponents.any(1)
    part = table[:, real]
    part -= part.mean(0)
    scale = part.std(0)
    table[:, real] = part / np.where(scale > 1e-12, scale, 1.0)
    return table
