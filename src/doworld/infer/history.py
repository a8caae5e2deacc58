"""From the rows that a question gives to an array of values, and from gaps to what fills them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Role, Schema, Variable
from doworld.data.gaps import carried
from doworld.query import Rows

__all__ = ["Filled", "fill", "table"]


def table(schema: Schema, given: Rows) -> Float[np.ndarray, "rows variables"]:
    """The given rows in the schema's columns, NaN where nothing was given, rewards aligned.

    A single value beside longer columns stands for the last row. Raises ``UnknownNameError`` for
    a variable that does not exist and ``QueryError`` for columns of different lengths, no rows or
    infinite values.
    """
    if not given.length:
        raise QueryError("the question gives no rows. Give a state by name, an episode or rows.")
    source = given.source
    if source is not None and source.schema.variables == schema.variables:
        values = source.values.copy()
    else:
        values = _typed(schema, given)
    rewards = schema.positions(Role.REWARD)
    if rewards and not schema.static:
        values[1:, rewards] = values[:-1, rewards]
        values[0, rewards] = np.nan
    return values


def _typed(schema: Schema, given: Rows) -> Float[np.ndarray, "rows variables"]:
    """The columns as numbers, one by one."""
    count = given.length
    values = np.full((count, len(schema)), np.nan)
    for name, cells in given.columns.items():
        at = schema.position(name)
        if len(cells) not in (1, count):
            raise QueryError(
                f"{name!r} has {len(cells)} rows where other columns have {count}. "
                "Give every variable the same number of rows, or one value."
            )
        values[count - len(cells) :, at] = _column(schema.variables[at], cells)
    return values


def _column(variable: Variable, cells: tuple) -> list[float]:
    out = [np.nan if cell is None else variable.code(cell) for cell in cells]
    if np.isinf(out).any():
        raise QueryError(
            f"{variable.name!r} is given an infinite value. Give a number, or leave it out."
        )
    return out


@dataclass(frozen=True, eq=False)
class Filled:
    """Rows without gaps, and where each value came from.

    Attributes:
        values: no NaN.
        gap: where nothing was given.
        never: variables that were given nowhere and stand at their typical value.
    """

    values: Float[np.ndarray, "rows variables"]
    gap: Bool[np.ndarray, "rows variables"]
    never: Bool[np.ndarray, " variables"]


def fill(
    values: Float[np.ndarray, "rows variables"], typical: Float[np.ndarray, " variables"]
) -> Filled:
    """Fills gaps by the last value before, else the first after, else the typical value.

    >>> fill(np.array([[np.nan, np.nan], [2.0, np.nan]]), np.array([0.0, 5.0])).values.tolist()
    [[2.0, 5.0], [2.0, 5.0]]
    """
    gap = np.isnan(values)
    before, after = carried(values), carried(values[::-1])[::-1]
    filled = np.where(np.isnan(before), after, before)
    return Filled(np.where(np.isnan(filled), typical, filled), gap, np.asarray(gap.all(0)))
