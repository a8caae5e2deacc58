"""Where a query starts: a state by name, an episode, or a row range, as plain data."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict

from doworld._core.errors import QueryError

__all__ = ["Given", "Planned", "Rows"]

Cell = float | str | bool | None


class Rows(BaseModel):
    """Consecutive rows of a log by variable; the last row is the query's row 0 in ``given``.

    Missing values are None; categorical values are category names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, tuple[Cell, ...]]
    label: str = ""

    @property
    def length(self) -> int:
        """The number of rows."""
        return max((len(c) for c in self.columns.values()), default=0)


def _rows(value: Any) -> Any:
    """Turns values by name, an episode, a log of one, or a table into ``Rows``."""
    if isinstance(value, Rows):
        return value
    if hasattr(value, "schema") and hasattr(value, "starts"):
        if len(value) != 1:
            raise QueryError(
                f"a log of {len(value)} episodes is given, and a question starts from one. Give "
                "one of them, log[0], or rows of it, log[0][10:50]."
            )
        value = value[0]
    if hasattr(value, "schema") and hasattr(value, "values") and hasattr(value, "times"):
        columns = {}
        for i, variable in enumerate(value.schema.variables):
            column = value.values[:, i]
            columns[variable.name] = tuple(
                None if np.isnan(v) else variable.label(float(v)) for v in column
            )
        return Rows(columns=columns, label=value.label)
    if isinstance(value, Mapping) and isinstance(value.get("columns"), Mapping):
        return value
    columns = _columns(value)
    if columns is None:
        return value
    return Rows(columns={n: tuple(_or_none(c) for c in cells) for n, cells in columns.items()})


def _columns(value: Any) -> dict[str, tuple] | None:
    """The columns of values by name, a pandas or Polars frame, or a pandas row; else None."""
    if isinstance(value, Mapping):
        items = value.items()
    elif hasattr(value, "columns") and hasattr(value, "to_dict"):
        items = ((name, value[name].to_list()) for name in value.columns)
    elif hasattr(value, "index") and hasattr(value, "to_dict"):
        items = value.to_dict().items()
    else:
        return None
    out = {}
    for name, cell in items:
        many = hasattr(cell, "__len__") and not isinstance(cell, str)
        out[str(name)] = tuple(_plain(c) for c in (cell if many else (cell,)))
    return out


def _or_none(cell: Any) -> Any:
    """NaN, which JSON does not know, as None."""
    return None if isinstance(cell, float) and np.isnan(cell) else cell


def _plain(cell: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return cell.item() if isinstance(cell, np.generic) else cell


def _planned(value: Any) -> Any:
    columns = _columns(value)
    return value if columns is None else columns


Given = Annotated[Rows, BeforeValidator(_rows)]
"""Where a question starts."""

Planned = Annotated[dict[str, tuple[float | str | bool, ...]], BeforeValidator(_planned)]
"""Values by name, row by row; a single value needs no list."""
