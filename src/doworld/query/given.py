"""Where a query starts: a state by name, an episode, or a row range, as plain data."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict

__all__ = ["Given", "Rows"]

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
    """Turns a mapping of names to numbers, or an episode, into ``Rows``."""
    if isinstance(value, Rows):
        return value
    if hasattr(value, "schema") and hasattr(value, "values") and hasattr(value, "times"):
        columns = {}
        for i, variable in enumerate(value.schema.variables):
            column = value.values[:, i]
            columns[variable.name] = tuple(
                None if np.isnan(v) else variable.label(float(v)) for v in column
            )
        return Rows(columns=columns, label=value.label)
    if isinstance(value, Mapping) and not isinstance(value.get("columns"), Mapping):
        columns = {}
        for name, cell in value.items():
            many = hasattr(cell, "__len__") and not isinstance(cell, str)
            columns[str(name)] = tuple(_plain(c) for c in (cell if many else (cell,)))
        return Rows(columns=columns)
    return value


def _plain(cell: Any) -> Any:
    """A NumPy scalar as Python's own; NaN, which JSON does not know, as None."""
    cell = cell.item() if isinstance(cell, np.generic) else cell
    return None if isinstance(cell, float) and np.isnan(cell) else cell


Given = Annotated[Rows, BeforeValidator(_rows)]
