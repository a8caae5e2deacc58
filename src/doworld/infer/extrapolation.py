"""Who answers outside the data: a law, which may be extrapolated, or a fit, which may not."""

from collections.abc import Sequence

import numpy as np

from doworld.infer.support import OUTSIDE, Support
from doworld.mechanisms import AbstractBank, KnownBank, LawBank, LinearBank, PolynomialBank, plain
from doworld.mechanisms.doubt import DoubtBank
from doworld.model.laws import laws
from doworld.model.world import WorldModel

__all__ = ["extrapolated"]

MOST = 6
"""Variables that are named."""


def extrapolated(
    model: WorldModel, found: Support, *, relevant: Sequence[int], first: int
) -> tuple[list[str], list[str]]:
    """(assumptions, warnings): which laws, and which other fits, are asked outside their data.

    ``relevant`` are the columns that the answer depends on, ``first`` the number of the first row
    of ``found``. A mechanism counts as asked outside where what acts on it is unlike the log.
    """
    bank_of = {
        int(target): _learned(bank)
        for bank in model.dynamics.banks
        for target in np.asarray(bank.targets)[0]
    }
    asked = {}
    for i in relevant:
        low = np.flatnonzero(found.local[:, i] < OUTSIDE)
        if i in bank_of and len(low):
            asked[i] = first + int(low[0])
    names = model.schema.names
    by_law = [i for i in asked if isinstance(bank_of[i], LawBank | LinearBank | KnownBank)]
    equation = {law.target: law.equation(intervals=False) for law in laws(model)} if by_law else {}
    assumed = [
        f"From row {asked[i]} on, {names[i]} is extrapolated by the law "
        f"{equation.get(names[i], f'that was {_origin(bank_of[i])} for it')}."
        for i in by_law
    ]
    blind = [
        f"From row {asked[i]} on, {names[i]} is asked outside its data, and {_kind(bank_of[i])} "
        "cannot tell what happens there. Log such rows, or give its law (Known)."
        for i in asked
        if i not in by_law
    ]
    return _cut(assumed), _cut(blind)


def _learned(bank: AbstractBank) -> AbstractBank:
    """The learned mechanisms behind altered and doubted ones."""
    bank = plain(bank)
    return plain(bank.inner) if isinstance(bank, DoubtBank) else bank


def _origin(bank: AbstractBank) -> str:
    return "given" if isinstance(bank, KnownBank) else "learned"


def _kind(bank: AbstractBank) -> str:
    return "a polynomial" if isinstance(bank, PolynomialBank) else "a network"


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    return [*lines[:MOST], f"So it is with {len(lines) - MOST} further variables."]
