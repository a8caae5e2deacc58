"""What a log should tell its reader at once: constants, last actions, bounds, mixed units."""

import warnings
from dataclasses import replace

import numpy as np

from doworld._core.errors import DoworldWarning
from doworld.data.schema import Kind, Role
from doworld.data.trajectories import Trajectories

__all__ = ["constants", "noticed", "unit_suspicions"]

_KELVIN = 273.15


def noticed(log: Trajectories, *, read_as_table: bool = False) -> Trajectories:
    """The log with notes on what its reader should know, and warnings for what should be mended.

    ``read_as_table`` says that rows became units because neither episode nor time was named.
    """
    notes = list(log.notes)
    serious: list[str] = []
    fixed = constants(log)
    if fixed:
        one = len(fixed) == 1
        serious.append(
            f"{_several(fixed)} never change{'s' if one else ''}, so the log cannot show what "
            f"{'it does' if one else 'they do'} or what moves {'it' if one else 'them'}. Leave "
            f"{'it' if one else 'them'} out, or log runs in which "
            f"{'it varies' if one else 'they vary'}"
        )
    serious += _out_of_bounds(log)
    serious += unit_suspicions(log)
    if read_as_table and log.schema.static:
        _table_notes(log, notes, serious)
    notes += _last_rows(log)
    for message in serious:
        warnings.warn(f"{message}.", DoworldWarning, stacklevel=4)
    return replace(log, notes=(*notes, *serious))


def constants(log: Trajectories) -> list[str]:
    """The names of the variables that take one value only, in a log of at least two rows."""
    if log.rows < 2:
        return []
    low = np.nanmin(log.values, axis=0)
    high = np.nanmax(log.values, axis=0)
    return [v.name for v, a, b in zip(log.schema.variables, low, high, strict=True) if a == b]


def _several(names: list[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _out_of_bounds(log: Trajectories) -> list[str]:
    found = []
    for i, variable in enumerate(log.schema.variables):
        low, high = variable.bounds
        outside = int(((log.values[:, i] < low) | (log.values[:, i] > high)).sum())
        if outside:
            found.append(
                f"{variable.name!r} leaves its bounds [{low:g}, {high:g}] in {outside} of "
                f"{log.rows} rows. Correct the bounds, or name the values as missing"
            )
    return found


def _last_rows(log: Trajectories) -> list[str]:
    if log.schema.static:
        return []
    last = log.starts[1:] - 1
    notes = []
    for role in (Role.ACTION, Role.REWARD):
        columns = log.schema.positions(role)
        if not columns:
            continue
        filled = int((~np.isnan(log.values[last[:, None], columns])).any(axis=1).sum())
        if filled:
            which = "the last row" if len(log) == 1 else f"the last row of {filled} episodes"
            notes.append(
                f"{which} gives a value for the {role.value}s; it is kept, but led to no logged "
                "transition"
            )
    return notes


def _table_notes(log: Trajectories, notes: list[str], serious: list[str]) -> None:
    notes.append(
        "neither episode nor time was named: every row is a unit of its own (a static table). "
        "If rows follow one another in time, name the time column or pass step=1"
    )
    moving = [
        i
        for i, v in enumerate(log.schema.variables)
        if v.kind in (Kind.CONTINUOUS, Kind.COUNT) and v.role is Role.STATE
    ]
    if log.rows < 50 or not moving:
        return
    x = log.values[:, moving]
    x = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    x = x - x.mean(axis=0)
    size = (x**2).sum(axis=0)
    alike = (x[1:] * x[:-1]).sum(axis=0)[size > 0] / size[size > 0]
    if len(alike) and np.median(alike) > 0.9:
        serious.append(
            "the rows are read as unrelated units, but each is much like the one before "
            f"(autocorrelation {np.median(alike):.2f}), as in a time series. Name the time column "
            "(time=...), or pass step=1 if rows are equally spaced"
        )


def unit_suspicions(log: Trajectories) -> list[str]:
    """Variables whose episodes look as if they were logged in different units.

    Looks for episodes near °C values beside others about 273.15 higher (K), and for episodes that
    differ by a factor of about 1000 in both middle and spread.
    """
    if log.schema.static or len(log) < 2:
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        return _unit_suspicions(log)


def _unit_suspicions(log: Trajectories) -> list[str]:
    found = []
    for i, variable in enumerate(log.schema.variables):
        if variable.kind is not Kind.CONTINUOUS:
            continue
        parts = [log.values[a:b, i] for a, b in zip(log.starts[:-1], log.starts[1:], strict=True)]
        parts = [p[~np.isnan(p)] for p in parts]
        middle = np.array([np.median(p) if len(p) else np.nan for p in parts])
        spread = np.array([np.ptp(p) if len(p) else np.nan for p in parts])
        reason = _kelvin(middle, spread) or _thousand(middle, spread)
        if reason:
            odd = log.labels[int(np.nanargmax(np.abs(middle)))]
            found.append(
                f"{variable.name!r} looks as if its episodes were logged in different units: "
                f"{reason} (episode {odd!r} against others). Convert one of them before reading"
            )
    return found


def _kelvin(middle: np.ndarray, spread: np.ndarray) -> str:
    cold, warm = (middle > -80) & (middle < 170), (middle > 200) & (middle < 443)
    if not (cold.any() and warm.any()) or (cold | warm | np.isnan(middle)).sum() < len(middle):
        return ""
    gap = np.median(middle[warm]) - np.median(middle[cold])
    calm = np.nanmax(spread) < 120
    return (
        f"they differ by {gap:.0f}, about 273.15 (°C and K)"
        if (calm and abs(gap - _KELVIN) < 40)
        else ""
    )


def _thousand(middle: np.ndarray, spread: np.ndarray) -> str:
    known = ~np.isnan(middle) & (middle != 0) & (spread > 0)
    if known.sum() < 2:
        return ""
    size, width = np.log10(np.abs(middle[known])), np.log10(spread[known])
    if np.ptp(size) < 2.3:
        return ""
    large = size > (size.max() + size.min()) / 2
    ratio = np.median(size[large]) - np.median(size[~large])
    widths = np.median(width[large]) - np.median(width[~large])
    tight = all(np.ptp(size[g]) < 0.7 for g in (large, ~large))
    near = abs(ratio - 3) < 0.3 and abs(widths - 3) < 0.3
    return "they differ by a factor of about 1000 (such as m and mm)" if near and tight else ""
