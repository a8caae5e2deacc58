"""A log on a common time grid, each episode by itself.

Grid row k of an episode stands at t₀ + k·step. What it holds:

- states (continuous, count): the mean of the rows in (t − step, t] when the grid is coarser than
  the log, the straight line between the neighbours when it is not. The mean looks back only, so
  that no row holds what an action at or after it has done;
- binary and categorical states: the last known value at or before t;
- actions and contexts: the last known value at or before t, as a controller holds it. The last
  row's action stays empty where the log's is;
- rewards: what is gained in [t, t + step), so that sums are kept.

States are not made up: where known rows lie further apart than ``gap``, grid rows between them are
missing. Propensities belong to single decisions and are dropped.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from doworld._core.errors import DataError, SchemaError
from doworld.data.schema import Kind, Role, Variable
from doworld.data.trajectories import Episode, Trajectories

__all__ = ["How", "resample"]

_MOST_ROWS = 50_000_000
_SLACK = 1e-9

Grid = Float[np.ndarray, " grid"]
Column = Float[np.ndarray, " rows"]


class How(StrEnum):
    """How a variable gets its value at a grid row."""

    MEAN = "mean"
    LINEAR = "linear"
    LAST = "last"
    SUM = "sum"


def resample(
    log: Trajectories,
    step: float,
    *,
    how: Mapping[str, How] | None = None,
    gap: float | None = None,
) -> Trajectories:
    """The log with rows ``step`` apart, in the log's time unit.

    Args:
        log: a log with time.
        step: time between two rows of the result.
        how: by variable, instead of the rules above.
        gap: the longest time between known rows that is bridged for states (default: three times
            the larger of ``step`` and the log's own step).

    Raises ``SchemaError`` for a static table, ``DataError`` for a step that is not positive or
    gives more than 50 million rows, ``UnknownNameError`` for a name in ``how``.

    >>> import polars as pl
    >>> columns = {"t": range(5), "x": [0.0, 2, 4, 6, 8], "u": [1, 1, 0, 0, None]}
    >>> frame = pl.DataFrame(columns)
    >>> log = Trajectories.from_frame(frame, state="x", action="u", time="t")
    >>> resample(log, 2).values
    array([[ 0.,  1.],
           [ 3.,  0.],
           [ 7., nan]])
    >>> resample(log, 0.5).column("x")[:3]
    array([0., 1., 2.])
    """
    if log.schema.static:
        raise SchemaError("a static table has no time and cannot be resampled. Use it as it is.")
    if not (step > 0 and np.isfinite(step)):
        raise DataError(f"step is {step}. Give a positive number of {log.schema.time_unit}.")
    span = sum(float(e.times[-1] - e.times[0]) for e in log)
    if span / step > _MOST_ROWS:
        raise DataError(
            f"a step of {step:g} gives {span / step:.3g} rows, more than 50 million. "
            "Give a longer step."
        )
    told = dict(how or {})
    for name in told:
        log.schema.position(name)
    ways = [told.get(v.name) or _usual(v, log.schema.step, step) for v in log.schema.variables]
    gap = gap if gap is not None else 3 * max(step, log.schema.step)
    blocks = [_episode(e, step, ways, gap) for e in log]
    lengths = [len(times) for times, _ in blocks]
    return replace(
        log,
        schema=replace(log.schema, step=float(step)),
        values=np.concatenate([values for _, values in blocks]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([times for times, _ in blocks]),
        propensity=None,
        notes=(*log.notes, *_notes(log, step)),
    )


def _usual(variable: Variable, old: float, new: float) -> How:
    if variable.role is Role.REWARD:
        return How.SUM
    if variable.role is not Role.STATE or variable.kind in (Kind.BINARY, Kind.CATEGORICAL):
        return How.LAST
    return How.MEAN if new > 1.5 * old else How.LINEAR


def _notes(log: Trajectories, step: float) -> list[str]:
    unit = f" {log.schema.time_unit}" if log.schema.time_unit else ""
    notes = [f"resampled from a step of {log.schema.step:g}{unit} to {step:g}{unit}"]
    if log.propensity is not None:
        notes.append("propensities were dropped: they belong to the decisions as they were logged")
    actions = log.schema.positions(Role.ACTION)
    if actions and step > log.schema.step:
        inside = np.diff(log.episode_of_row) == 0
        cell = np.floor(
            (log.times - np.repeat(log.times[log.starts[:-1]], np.diff(log.starts))) / step + _SLACK
        )
        within = inside & (np.diff(cell) == 0)
        a = log.values[:, actions]
        change = (a[1:] != a[:-1]) & ~np.isnan(a[1:]) & ~np.isnan(a[:-1])
        lost = int((change.any(axis=1) & within).sum())
        if lost:
            notes.append(
                f"{lost} changes of an action fall between grid rows; the row before holds the "
                "action that was set at its own time"
            )
    return notes


def _episode(
    episode: Episode, step: float, ways: list[How], gap: float
) -> tuple[Grid, Float[np.ndarray, "grid variables"]]:
    """The grid's times and values of one episode."""
    times = episode.times
    count = int(np.floor((times[-1] - times[0]) / step + _SLACK)) + 1
    grid = times[0] + step * np.arange(count)
    values = np.full((count, len(episode.schema)), np.nan)
    for i, (variable, way) in enumerate(zip(episode.schema.variables, ways, strict=True)):
        column = episode.values[:, i]
        if way is How.SUM:
            values[:, i] = _sum(grid, step, times, column)
            continue
        known = ~np.isnan(column)
        if not known.any():
            continue
        bridge = gap if variable.role is Role.STATE else np.inf
        values[:, i] = _value(way, grid, step, times[known], column[known], gap=bridge)
        if variable.role is Role.ACTION and np.isnan(column[-1]):
            values[-1, i] = np.nan
    return grid, values


def _value(way: How, grid: Grid, step: float, times: Column, column: Column, *, gap: float) -> Grid:
    if way is How.LAST:
        before = np.searchsorted(times, grid + step * _SLACK, side="right") - 1
        held = column[np.maximum(before, 0)]
        known = (before >= 0) & (grid - times[np.maximum(before, 0)] <= gap + step * _SLACK)
        return np.where(known, held, np.nan)
    line = _line(grid, step, times, column, gap)
    if way is How.LINEAR:
        return line
    cell = np.ceil((times - grid[0]) / step - _SLACK).astype(np.int64)
    inside = (cell >= 0) & (cell < len(grid))
    count = np.bincount(cell[inside], minlength=len(grid))
    total = np.bincount(cell[inside], weights=column[inside], minlength=len(grid))
    return np.where(count > 0, total / np.maximum(count, 1), line)


def _line(grid: Grid, step: float, times: Column, column: Column, gap: float) -> Grid:
    line = np.interp(grid, times, column, left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(times, grid - step * _SLACK), 0, len(times) - 1)
    before = np.clip(np.searchsorted(times, grid + step * _SLACK, side="right") - 1, 0, None)
    return np.where(times[after] - times[before] > gap, np.nan, line)


def _sum(grid: Grid, step: float, times: Column, column: Column) -> Grid:
    """What is gained between grid rows; a missing reward leaves its grid rows missing."""
    result = np.full(len(grid), np.nan)
    if len(times) < 2:
        return result
    gained = np.concatenate([[0.0], np.cumsum(np.nan_to_num(column[:-1]))])
    unknown = np.concatenate([[0.0], np.cumsum(np.isnan(column[:-1]))])
    ends = np.append(grid, grid[-1] + step)
    result[:] = np.diff(np.interp(ends, times, gained))
    result[np.diff(np.interp(ends, times, unknown)) > _SLACK] = np.nan
    result[-1] = np.nan
    return result
