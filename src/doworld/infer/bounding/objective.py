"""What a counterfactual quantity is worth for each response type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from doworld.infer.bounding.districts import District
from doworld.infer.bounding.potential import Expression, Outcome, Potential
from doworld.infer.bounding.types import Handle, TooManyTypesError, Types

__all__ = ["Objective", "objective"]

ASSIGNMENTS = 20_000
"""Combinations of levels outside the free district that are summed over at most."""

Ends = tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]


@dataclass(frozen=True, eq=False)
class Objective:
    """Coefficients of every type: to minimise and to maximise.

    Attributes:
        middle: at the observed frequencies of what the data give.
        limits: at their limits; the first of a pair is for the minimum.
        evidence: (at the frequencies, at the limits) of the evidence's probability, or None.
        trivial: what holds without any data.
    """

    middle: Ends
    limits: Ends
    evidence: tuple[Ends, Ends] | None
    trivial: tuple[float, float]

    def stacked(self) -> Float[np.ndarray, "types coefficients"]:
        """All coefficients side by side."""
        more = [] if self.evidence is None else [*self.evidence[0], *self.evidence[1]]
        return np.stack([*self.middle, *self.limits, *more], 1)

    def of(self, types: Int[np.ndarray, " kept"]) -> "Objective":
        """The coefficients of some types."""

        def part(ends: Ends) -> Ends:
            return ends[0][types], ends[1][types]

        evidence = self.evidence
        return Objective(
            part(self.middle),
            part(self.limits),
            None if evidence is None else (part(evidence[0]), part(evidence[1])),
            self.trivial,
        )


@dataclass(frozen=True)
class _Piece:
    """The part of a quantity that belongs to one world and one assignment of what is given."""

    weights: tuple[tuple[District, tuple[Handle, ...]], ...]
    terms: tuple[tuple[float, tuple[tuple[Handle, int], ...]], ...]
    given: tuple[tuple[Handle, int], ...]
    first: bool


def objective(
    types: Types, known: Sequence[District], expression: Expression
) -> Callable[[], Objective]:
    """Opens what the quantity looks at; the function returned reads it once all is opened.

    What the data give of other districts weighs each of their levels k:

        c(r) = Σ_k Σ_j Π_D Q[D](k_D | causes, as r has them) · c_j 1[r, k have the events of j].

    The causes of a district below an intervention are those in the world of term j.
    Raises ``TooManyTypesError``.
    """
    names = [n for d in known for n in d.members]
    levels = [range(types.levels[n]) for n in names]
    if np.prod([len(v) for v in levels], dtype=float) > ASSIGNMENTS:
        raise TooManyTypesError
    later = set(types.diagram.descendants(expression.changed()))
    worlds: dict[str, list] = {}
    for term in expression.terms:
        worlds.setdefault(repr(term.events[0].potential.under), []).append(term)
    pieces = []
    for combination in product(*levels):
        given = dict(zip(names, combination, strict=True))
        memories: dict[str, dict] = {}

        def ask(potential: Potential, given=given, memories=memories) -> Handle:
            seen = memories.setdefault(repr(potential.under), {})
            return types.ask(potential, given, seen)

        def events(every: Sequence[Outcome], ask=ask) -> tuple[tuple[Handle, int], ...]:
            return tuple((ask(e.potential), e.level) for e in every)

        for number, terms in enumerate(worlds.values()):
            under = terms[0].events[0].potential.under
            weights = tuple(
                (
                    d,
                    tuple(
                        ask(Potential(n, under if later & set(d.members) else {})) for n in d.names
                    ),
                )
                for d in known
            )
            asked = tuple((t.coefficient, events(t.events)) for t in terms)
            pieces.append(_Piece(weights, asked, events(expression.given), number == 0))
    return lambda: _read(types, pieces, expression)


def _read(types: Types, pieces: Sequence[_Piece], expression: Expression) -> Objective:
    size = len(types.columns)
    middle, least, most, chance, rare, likely = (np.zeros(size) for _ in range(6))
    for piece in pieces:
        value, low, high = np.ones(size), np.ones(size), np.ones(size)
        for part, handles in piece.weights:
            at = tuple(types.value(h) for h in handles)
            value, low, high = value * part.value[at], low * part.low[at], high * part.high[at]
        holds = _holds(types, piece.given, size)
        sums = sum((c * _holds(types, e, size) for c, e in piece.terms), np.zeros(size)) * holds
        middle += value * sums
        least += np.where(sums > 0, low, high) * sums
        most += np.where(sums > 0, high, low) * sums
        if piece.first:
            chance, rare, likely = chance + value * holds, rare + low * holds, likely + high * holds
    evidence = ((chance, chance), (rare, likely)) if expression.given else None
    return Objective((middle, middle), (least, most), evidence, expression.range())


def _holds(types: Types, events: Sequence[tuple[Handle, int]], size: int) -> np.ndarray:
    out = np.ones(size)
    for handle, level in events:
        out = out * (types.value(handle) == level)
    return out
