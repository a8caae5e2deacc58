"""What one column adds to the held-out likelihood of another's mechanism, in nats a row."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.law import Law, Split
from doworld.discover.independence.level_law import LevelLaw
from doworld.discover.independence.number_law import NumberLaw
from doworld.discover.independence.ridge import Ridge
from doworld.discover.numerics.basis import build_basis
from doworld.discover.numerics.stratified import joint_code

__all__ = ["information", "inputs_of"]

MOST_TERMS = 24
ROWS_A_TERM = 6
ROWS_A_CELL = 4


def information(
    columns: Columns,
    pair: tuple[int, int],
    given: tuple[int, ...],
    rows: Rows,
    folds: int,
    seed: int,
) -> float:
    """The larger of the held-out gains of y by x and of x by y, given the columns ``given``."""
    x, y = pair
    parts = _folds(columns, (x, y, *given), rows, folds, seed)
    small = _terms(inputs_of(columns, given, rows))
    bases = [Ridge.of(small[train], small[held]) for train, held in parts]
    found = []
    for one, other in ((x, y), (y, x)):
        large = _terms(inputs_of(columns, (*given, other), rows))
        law = _law(columns, one, rows)
        gains = [
            law.gain(Split(train, held, base, Ridge.of(large[train], large[held])))
            for (train, held), base in zip(parts, bases, strict=True)
        ]
        found.append(float(np.concatenate(gains).mean()))
    return max(found)


def inputs_of(
    columns: Columns, members: Sequence[int], rows: Rows
) -> Float[np.ndarray, "rows inputs"]:
    """Numbers as they are; levels by the cells they make together, or one by one in few rows."""
    numbers = [columns.features(k, rows) for k in members if not columns.has_levels(k)]
    levels = [k for k in members if columns.has_levels(k)]
    if len(levels) > 1:
        cells = joint_code(*(columns.codes(k, rows) for k in levels))
        count = np.bincount(cells)
        if len(count) * ROWS_A_CELL <= rows.count:
            shown = np.argsort(-count, kind="stable")[1:]
            return np.hstack([*numbers, (cells[:, None] == shown).astype(float)])
    parts = numbers + [columns.features(k, rows) for k in levels]
    return np.hstack(parts) if parts else np.zeros((rows.count, 0))


def _terms(inputs: np.ndarray) -> Float[np.ndarray, "rows terms"]:
    """Terms of the inputs, the higher ones smaller so that a ridge holds them back first."""
    if not inputs.shape[1]:
        return inputs
    basis = build_basis(inputs, min(MOST_TERMS, len(inputs) // ROWS_A_TERM))
    return basis.table[:, 1:] / basis.exponents[1:].sum(1)


def _law(columns: Columns, column: int, rows: Rows) -> Law:
    codes = columns.codes(column, rows)
    if columns.has_levels(column) or codes.max() == 1:
        return LevelLaw(codes)
    return NumberLaw(columns.scaled(column, rows))


def _folds(
    columns: Columns, members: Sequence[int], rows: Rows, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows learned from and rows held out, by seeded folds that no order of either changes.

    Rows are put in the order of what they hold, and every run of ``folds`` of them is dealt out.
    """
    keys = [_place(columns, k, rows) for k in columns.sorted(members)]
    order = np.lexsort(keys[::-1])
    deals = np.random.default_rng(seed).random((-(-rows.count // folds), folds)).argsort(1)
    fold = np.empty(rows.count, np.int64)
    fold[order] = deals.ravel()[: rows.count]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def _place(columns: Columns, column: int, rows: Rows) -> Float[np.ndarray, " rows"]:
    if not columns.has_levels(column):
        return np.round(columns.scaled(column, rows), 8)
    codes: Int[np.ndarray, " rows"] = columns.codes(column, rows)
    return np.argsort(np.argsort(-np.bincount(codes), kind="stable"))[codes].astype(float)
