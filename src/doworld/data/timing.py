"""Time stamps as numbers, and the order, episodes and step of a table's rows."""

import re
import warnings
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from doworld._core.errors import DataError, DoworldWarning
from doworld.data.roles import Roles

__all__ = ["SECONDS", "Arrangement", "arrange", "seconds", "time_unit_in_name"]

_UNIT_IN_NAME = re.compile(
    r"(?:^|[\s_(\[])(ms|s|sec|secs|second|seconds|min|minutes|h|hours|d|days)[)\]]?\s*$", re.I
)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "minutes"), "min"),
    **dict.fromkeys(("h", "hours"), "h"),
    **dict.fromkeys(("d", "days"), "d"),
    "ms": "ms",
}
SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""How many seconds a unit of time has."""

_MONTH_DAY = re.compile(r"^\s*(\d{1,2})/(\d{1,2})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*$")


def time_unit_in_name(name: str) -> str:
    """The unit of time at the end of a column's name, or "".

    >>> time_unit_in_name("Time (sec)"), time_unit_in_name("tempo_ms"), time_unit_in_name("t")
    ('s', 'ms', '')
    """
    found = _UNIT_IN_NAME.search(name)
    return _UNITS[found[1].lower()] if found else ""


@dataclass(frozen=True)
class Arrangement:
    """A table's rows in the order of a log.

    Attributes:
        order: the table's row of each row of the log.
        starts: row of the log where each episode begins, and one past the last.
        labels: the episodes' names.
        times: time of each row of the log.
        step: time between two rows; 0 for a static table.
        time_unit: the unit of ``times`` and ``step``.
        notes: what was decided or noticed.
    """

    order: Int[np.ndarray, " rows"]
    starts: Int[np.ndarray, " episodes_and_end"]
    labels: tuple[str, ...]
    times: Float[np.ndarray, " rows"]
    step: float
    time_unit: str
    notes: tuple[str, ...]


def arrange(table: pl.DataFrame, roles: Roles) -> Arrangement:
    """Groups rows by episode and sorts them by time.

    Without an episode column, rows with a time (or with ``step`` given) are one series, or one
    per run of an environment, and rows without are a static table. Warns when rows were unsorted;
    raises ``DataError`` for missing or duplicated time stamps.
    """
    notes: list[str] = []
    codes, labels = _episodes(table, roles)
    times, unit = _times(table, roles, notes)
    grouped = np.argsort(codes, kind="stable")
    order = grouped if times is None else np.lexsort((times, codes))
    _report_order(codes, grouped, order, notes)
    lengths = np.bincount(codes, minlength=len(labels))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    within = np.arange(len(codes)) - np.repeat(starts[:-1], lengths)
    if times is None:
        static = bool((lengths <= 1).all()) and not roles.step
        step = 0.0 if static else float(roles.step or 1.0)
        stamps = within * step
    else:
        stamps = times[order]
        step = _step(stamps, np.array(labels)[codes[order]], roles, unit, notes)
    return Arrangement(order, starts, labels, stamps, step, unit, tuple(notes))


def _episodes(table: pl.DataFrame, roles: Roles) -> tuple[np.ndarray, tuple[str, ...]]:
    """The episode of each row, numbered by first appearance, and the episodes' names."""
    rows = table.height
    if roles.episode is not None:
        column = table[roles.episode]
        if column.null_count():
            raise DataError(
                f"{column.null_count()} rows name no episode in column {roles.episode!r}. "
                "Fill them in, or drop those rows."
            )
        names = column.cast(pl.String).to_numpy().astype(str)
        _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        return rank[inverse], tuple(str(n) for n in names[np.sort(first)])
    if roles.time is None and not roles.step:
        return np.arange(rows), tuple(str(i) for i in range(rows))
    if roles.environment is not None:
        values = table[roles.environment].cast(pl.String).fill_null("").to_numpy().astype(str)
        runs = np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])
        return runs, tuple(str(i) for i in range(int(runs[-1]) + 1))
    return np.zeros(rows, np.int64), ("0",)


def _report_order(codes: np.ndarray, grouped: np.ndarray, order: np.ndarray, notes: list[str]):
    if (np.diff(codes) < 0).any():
        notes.append("rows of different episodes were interleaved; they are grouped by episode")
    moved = int((order != grouped).sum())
    if moved:
        message = f"{moved} rows were not in the order of time; the log sorts them by time stamp"
        notes.append(message)
        warnings.warn(
            f"{message}. Sort the table by episode and time to read it without this warning.",
            DoworldWarning,
            stacklevel=5,
        )


def _step(
    stamps: np.ndarray, name_of_row: np.ndarray, roles: Roles, unit: str, notes: list[str]
) -> float:
    """The median time between rows of one episode."""
    inside = name_of_row[1:] == name_of_row[:-1]
    gaps = np.diff(stamps)[inside]
    if not len(gaps):
        if roles.step is not None:
            return float(roles.step)
        notes.append("every episode has one row: a static table without transitions")
        return 0.0
    again = np.flatnonzero((np.diff(stamps) == 0) & inside)
    if len(again):
        shown = ", ".join(f"{stamps[i]:g} in episode {str(name_of_row[i])!r}" for i in again[:3])
        raise DataError(
            f"{len(again)} time stamps in column {roles.time!r} occur twice within an episode: "
            f"{shown}. Name the column that tells the episodes apart (episode=...), leave the time "
            "out where rows are units without an order, or drop the duplicates: "
            "df.unique(subset=[...], keep='first')."
        )
    step = float(roles.step or np.median(gaps))
    odd = np.abs(gaps / step - 1) > 0.01
    if odd.any():
        notes.append(
            f"time stamps are irregular: {odd.sum()} of {len(odd)} gaps differ from the median "
            f"step of {step:.6g} {unit}".rstrip()
            + f" by more than 1 % ({gaps.min():.6g} to {gaps.max():.6g}); rows are taken as one "
            f"step apart. log.resample({step:.6g}), or doworld data convert with --resample "
            f"{step:.6g}, puts them on a common grid"
        )
    _report_steps(gaps, name_of_row[1:][inside], unit, notes)
    return step


def _report_steps(gaps: np.ndarray, names: np.ndarray, unit: str, notes: list[str]) -> None:
    """Warns when episodes were sampled at very different steps, or count time differently."""
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    # the mean is enough to find factors, and needs no loop over episodes
    means = np.add.reduceat(gaps, starts) / np.diff(np.append(starts, len(gaps)))
    slow, fast = int(means.argmax()), int(means.argmin())
    if means[slow] < 5 * means[fast]:
        return
    message = (
        f"episodes have very different steps: {means[fast]:.4g} {unit}".rstrip()
        + f" in {str(names[starts[fast]])!r} and {means[slow]:.4g} in {str(names[starts[slow]])!r}."
        " If they count time in different units, convert one; else bring them to one step with "
        "log.resample(...), or doworld data convert with --resample"
    )
    notes.append(message)
    warnings.warn(f"{message}.", DoworldWarning, stacklevel=6)


def _times(
    table: pl.DataFrame, roles: Roles, notes: list[str]
) -> tuple[Float[np.ndarray, " rows"] | None, str]:
    if roles.time is None:
        unit = "" if roles.step else "steps"
        return None, roles.time_unit if roles.time_unit is not None else unit
    column = table[roles.time]
    times, origin = seconds(column)
    if origin:
        written = "".join(column.head(1).to_list()) if column.dtype == pl.String else origin
        notes.append(f"times are seconds since {origin if origin[:4] in written else origin[5:]}")
    unit = "s" if origin is not None else time_unit_in_name(roles.time)
    return times, roles.time_unit if roles.time_unit is not None else unit


def seconds(column: pl.Series) -> tuple[Float[np.ndarray, " rows"], str | None]:
    """A time column as numbers, and for dates the origin from which the seconds count.

    Numbers stay as they are (origin None). Dates, datetimes, durations and text such as
    "2024-05-01 12:00:00" or "08/26 00:01:00" become seconds since the first one. Raises
    ``DataError`` for missing or unreadable time stamps.

    >>> seconds(pl.Series("t", ["2024-05-01 12:00:05", "2024-05-01 12:00:00"]))
    (array([5., 0.]), '2024-05-01T12:00:00')
    """
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.null_count():
        raise DataError(
            f"{column.null_count()} rows have no time stamp in column {column.name!r}. "
            "Fill them in, or drop those rows."
        )
    if column.dtype == pl.String:
        column = _read_text(column)
    if isinstance(column.dtype, pl.Duration):
        return _numpy(column.dt.total_microseconds()) / 1e6, ""
    if column.dtype.is_temporal():
        if column.dtype == pl.Time:
            return _numpy(column.to_physical()) / 1e9, "midnight"
        micro = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None)))
        first = micro.min()
        count = _numpy(micro.to_physical() - micro.to_physical().min())
        return count / 1e6, first.isoformat()  # type: ignore[union-attr]
    if not column.dtype.is_numeric():
        raise DataError(
            f"time column {column.name!r} holds {column.dtype} values. Give numbers or datetimes."
        )
    times = _numpy(column)
    if np.isinf(times).any():
        raise DataError(f"time column {column.name!r} holds ±inf. Correct or drop those rows.")
    return times, None


def _read_text(column: pl.Series) -> pl.Series:
    text = column.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        return numbers
    parts = [_MONTH_DAY.match(v) for v in text.to_list()]
    if all(parts):
        # a year is not written; 2000 is a leap year, so that every day exists
        days = [f"2000-{int(p[1]):02d}-{int(p[2]):02d}" for p in parts if p]
        clock = [int(p[3]) * 3600 + int(p[4]) * 60 + int(p[5] or 0) for p in parts if p]
        date = pl.Series(column.name, days).str.to_datetime("%Y-%m-%d", time_unit="us")
        return date + (pl.Series(clock, dtype=pl.Int64) * 1_000_000).cast(pl.Duration("us"))
    try:
        return text.str.to_datetime(time_unit="us")
    except pl.exceptions.PolarsError:
        bad = text[0]
        raise DataError(
            f"time column {column.name!r} holds text that is no time stamp, {bad!r} first. Turn "
            "it into datetimes before: df.with_columns(pl.col(...).str.to_datetime('%d.%m.%Y'))."
        ) from None


def _numpy(column: pl.Series) -> Float[np.ndarray, " rows"]:
    return np.array(column.cast(pl.Float64).to_numpy(), np.float64)
