"""Where a query starts: a state by name, an episode, or a row range, as plain data."""

from collections.abc import Mapping
from math import isnan
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, model_validator

from doworld._core.errors import QueryError

__all__ = ["Given", "Past", "Planned", "Population", "Rows", "past"]

Cell = float | str | bool | None


class Rows(BaseModel):
    """Consecutive rows of a log by variable; the last row is the query's row 0 in ``given``.

    Missing values are None; categorical values are category names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, tuple[Cell, ...]]
    label: str = ""

    _source: Any = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Equal rows; what they were read from does not count."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def source(self) -> Any:
        """The episode that these rows were read from, which has them as numbers; else None."""
        return _unchanged(self)

    @property
    def length(self) -> int:
        """The number of rows."""
        return max((len(c) for c in self.columns.values()), default=0)


class Population(BaseModel):
    """Episodes one after another, rows by variable; ``lengths`` says how many rows each has.

    >>> Population(columns={"T": (1.0, 2.0, 5.0)}, lengths=(2, 1)).count
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, tuple[Cell, ...]]
    lengths: tuple[int, ...]
    labels: tuple[str, ...] = ()

    _source: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits(self):
        total = sum(self.lengths)
        for name, cells in self.columns.items():
            if len(cells) != total:
                raise QueryError(
                    f"{name!r} has {len(cells)} rows where the episodes' lengths add up to "
                    f"{total}. Give every variable that many."
                )
        if min(self.lengths, default=0) < 1:
            raise QueryError("an episode of the population has no row. Leave it out.")
        return self

    def __eq__(self, other: object) -> bool:
        """Equal rows; what they were read from does not count."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def source(self) -> Any:
        """The log that these episodes were read from, which has them as numbers; else None."""
        return _unchanged(self)

    @property
    def count(self) -> int:
        """The number of episodes."""
        return len(self.lengths)

    def __getitem__(self, number: int) -> Rows:
        """One of the episodes."""
        begin = sum(self.lengths[:number])
        rows = slice(begin, begin + self.lengths[number])
        label = self.labels[number] if self.labels else ""
        return Rows(columns={n: c[rows] for n, c in self.columns.items()}, label=label)


def _unchanged(rows: Any) -> Any:
    """What the rows were read from, unless a copy was given other columns since."""
    if rows._source is None or rows._source[0] is not rows.columns:
        return None
    return rows._source[1]


def _read(made: Any, source: Any) -> Any:
    """``made`` with a note of where its columns came from."""
    made._source = (made.columns, source)
    return made


def _cells(schema: Any, values: np.ndarray) -> dict[str, tuple[Cell, ...]]:
    """Columns of level codes and numbers as people write them; NaN as None."""
    columns = {}
    for i, variable in enumerate(schema.variables):
        column = values[:, i].tolist()
        if variable.kind == "categorical":
            column = [None if isnan(v) else variable.label(v) for v in column]
        elif np.isnan(values[:, i]).any():
            column = [None if isnan(v) else v for v in column]
        columns[variable.name] = tuple(column)
    return columns


def past(value: Any) -> Any:
    """One episode as ``Rows``, a log of several as ``Population``."""
    if isinstance(value, Population):
        return value
    if isinstance(value, Mapping):
        whole = "lengths" in value and "columns" in value
        return Population.model_validate(value) if whole else _rows(value)
    if hasattr(value, "schema") and hasattr(value, "starts") and len(value) != 1:
        if not len(value):
            raise QueryError("the log holds no episode. Give a log of at least one.")
        made = Population.model_construct(
            columns=_cells(value.schema, value.values),
            lengths=tuple(np.diff(value.starts).tolist()),
            labels=tuple(value.labels),
        )
        return _read(made, value)
    return _rows(value)


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
        made = Rows.model_construct(columns=_cells(value.schema, value.values), label=value.label)
        return _read(made, value)
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

Past = Annotated[Rows | Population, BeforeValidator(past)]
"""What happened: an episode, or a log of several."""

Planned = Annotated[dict[str, tuple[float | str | bool, ...]], BeforeValidator(_planned)]
"""Values by name, row by row; a single value needs no list."""
