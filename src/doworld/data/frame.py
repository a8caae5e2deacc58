"""Logs from pandas and Polars frames.

Row t holds the state at t and the action taken at t. An episode's last action is empty; where a
log gives one there (a plant's log does), it is kept in the values and a note says that it led to
no logged transition. How rows become episodes:

==============  ==========  ==========================================================
episode column  time column rows are
==============  ==========  ==========================================================
given           given       episodes, each sorted by time
given           none        episodes in the order of the rows; a static table if no
                            episode has two rows
none            given       one series, or one per run of rows in one environment
none            none        a static table, each row a unit of its own; one series
                            when ``step`` is given
==============  ==========  ==========================================================
"""

from typing import Any

import numpy as np
import polars as pl

from doworld._core.errors import DataError
from doworld.data.checks import noticed
from doworld.data.columns import encode
from doworld.data.roles import Roles
from doworld.data.schema import Policy, Schema
from doworld.data.timing import Arrangement, arrange
from doworld.data.trajectories import Trajectories

__all__ = ["as_polars", "from_table"]


def from_table(frame: Any, roles: Roles, *, environments: tuple[str, ...] = ()) -> Trajectories:
    """A log from a pandas or Polars frame; ``Trajectories.from_frame`` says what is decided.

    ``environments`` fixes the order of the environments; others are added behind. Raises
    ``DataError``, ``SchemaError`` or ``UnknownNameError``; warns of constant variables, unsorted
    rows, values out of bounds and units that look mixed.
    """
    table = as_polars(frame, roles)
    if table.height == 0:
        raise DataError("the table has 0 rows. Check the file, or the filter applied before.")
    arrangement = arrange(table, roles)
    table = table[arrangement.order]
    coded = [
        encode(table[name], role, roles.variables.get(name), infer_kind=name in roles.kind_inferred)
        for name, role in roles.role_of.items()
    ]
    names, environment = _environment(table, arrangement, roles, environments)
    terminated, truncated = _ends(table, arrangement, roles)
    known = roles.propensity is not None and roles.policy is Policy.UNKNOWN
    schema = Schema(
        variables=tuple(variable for variable, _, _ in coded),
        step=arrangement.step,
        time_unit=arrangement.time_unit,
        environments=names,
        policy=Policy.KNOWN if known else roles.policy,
        time_column=roles.time or "",
        episode_column=roles.episode or "",
        environment_column=roles.environment or "",
    )
    log = Trajectories(
        schema=schema,
        values=np.column_stack([values for _, values, _ in coded]),
        starts=arrangement.starts.astype(np.int64),
        times=arrangement.times.astype(np.float64),
        environment=environment,
        terminated=terminated,
        truncated=truncated,
        labels=arrangement.labels,
        propensity=_propensity(table, roles),
        notes=(*arrangement.notes, *(note for _, _, notes in coded for note in notes)),
    )
    return noticed(log, read_as_table=roles.episode is None and roles.time is None)


def as_polars(frame: Any, roles: Roles) -> pl.DataFrame:
    """The columns that ``roles`` names, as a Polars frame; raises ``UnknownNameError``.

    pandas frames may hold wanted columns in their index. pandas categoricals keep their declared
    categories as a Polars ``Enum``.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if type(frame).__module__.split(".")[0] == "pandas":
        return _from_pandas(frame, roles)
    if not isinstance(frame, pl.DataFrame):
        try:
            frame = pl.DataFrame(frame)
        except (TypeError, ValueError, pl.exceptions.PolarsError):
            raise DataError(
                f"a {type(frame).__name__} is no table. Give a pandas or Polars frame."
            ) from None
    roles.check(frame.columns)
    return pl.DataFrame([frame[name] for name in roles.columns])


def _from_pandas(frame: Any, roles: Roles) -> pl.DataFrame:
    missing = [name for name in roles.columns if name not in frame.columns]
    if any(name in frame.index.names for name in missing):
        frame = frame.reset_index()
    names = [str(c) for c in frame.columns]
    roles.check(names)
    if len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1} & set(roles.columns))
        if twice:
            raise DataError(f"the frame has column {twice[0]!r} more than once. Rename one.")
    columns = {}
    for name in roles.columns:
        source = frame.iloc[:, names.index(name)]
        if hasattr(source, "cat"):
            levels = [str(c) for c in source.cat.categories]
            codes = source.cat.codes.to_numpy()
            cells = [None if c < 0 else levels[c] for c in codes]
            columns[name] = pl.Series(name, cells, dtype=pl.Enum(levels))
            continue
        try:
            columns[name] = pl.from_pandas(source.reset_index(drop=True)).alias(name)
        except Exception as error:
            raise DataError(
                f"column {name!r} mixes values of different types ({error}). "
                "Turn it into numbers or into text: df[name].astype(float) or .astype(str)."
            ) from None
    return pl.DataFrame(columns)


def _environment(
    table: pl.DataFrame, rows: Arrangement, roles: Roles, known: tuple[str, ...]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The environments' names and the environment of each episode."""
    episodes = len(rows.labels)
    if roles.environment is None:
        return known or ("default",), np.zeros(episodes, np.int64)
    column = table[roles.environment]
    if column.null_count():
        raise DataError(
            f"{column.null_count()} rows name no environment in column {roles.environment!r}. "
            "Fill them in, or drop those rows."
        )
    of_row = column.cast(pl.String).to_numpy().astype(str)
    first = of_row[rows.starts[:-1]]
    odd = np.flatnonzero(np.repeat(first, np.diff(rows.starts)) != of_row)
    if len(odd):
        episode = int(np.searchsorted(rows.starts, odd[0], side="right")) - 1
        raise DataError(
            f"episode {rows.labels[episode]!r} changes its environment from "
            f"{str(first[episode])!r} to {str(of_row[odd[0]])!r}. Begin a new episode there, or "
            f"read {roles.environment!r} as a context variable, which may change within one."
        )
    names = tuple(dict.fromkeys([*known, *(str(n) for n in first)]))
    number = {name: i for i, name in enumerate(names)}
    return names, np.array([number[str(n)] for n in first], np.int64)


def _ends(table: pl.DataFrame, rows: Arrangement, roles: Roles) -> tuple[np.ndarray, np.ndarray]:
    """Whether the world, or only the log, ended each episode."""
    terminated = _end(table, rows, roles.terminated)
    if roles.truncated is not None:
        return terminated, _end(table, rows, roles.truncated)
    static = rows.step == 0
    return terminated, np.zeros_like(terminated) if static else ~terminated


def _end(table: pl.DataFrame, rows: Arrangement, name: str | None) -> np.ndarray:
    if name is None:
        return np.zeros(len(rows.labels), bool)
    column = table[name]
    if not (column.dtype == pl.Boolean or column.dtype.is_numeric()):
        raise DataError(f"column {name!r} holds {column.dtype} values. Give true and false.")
    column = column.fill_nan(None) if column.dtype.is_float() else column
    flags = column.cast(pl.Boolean).fill_null(False).to_numpy()
    last = rows.starts[1:] - 1
    before = np.maximum(last - 1, rows.starts[:-1])
    early = flags.copy()
    early[last] = early[before] = False
    if early.any():
        row = int(early.argmax())
        episode = int(np.searchsorted(rows.starts, row, side="right")) - 1
        raise DataError(
            f"episode {rows.labels[episode]!r} goes on after {name!r} is true (row {row} of the "
            "log). Name the column that tells the episodes apart: episode=..."
        )
    return flags[last] | flags[before]


def _propensity(table: pl.DataFrame, roles: Roles) -> np.ndarray | None:
    if roles.propensity is None:
        return None
    column = table[roles.propensity]
    empty = column.null_count() == len(column)  # a CSV without any value shows no type
    if not (column.dtype.is_numeric() or empty):
        raise DataError(
            f"propensity column {roles.propensity!r} holds no numbers. Name the column of the "
            "actions' probabilities, or leave it out."
        )
    values = np.array(column.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)
    wrong = int(((values <= 0) | (values > 1)).sum())
    if wrong:
        raise DataError(
            f"{wrong} propensities in column {roles.propensity!r} lie outside ]0, 1]. They are "
            "probabilities of the action that was taken; correct them or leave the column out."
        )
    return values
