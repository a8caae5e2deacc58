"""What people type, as values: assignments, ranges, times and row ranges.

Names come from logs and may hold commas, equals signs and brackets: a text is split at the last
place that makes sense, and a whole text that is a known name is never split.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from doworld._core.errors import QueryError, UnknownNameError

__all__ = ["Clock", "Source", "assignments", "cell", "names", "number", "span", "split_spec"]

_UNITS = {
    name: seconds
    for names, seconds in (
        ("ms", 1e-3),
        ("s sec second seconds", 1.0),
        ("min minute minutes", 60.0),
        ("h hour hours", 3600.0),
        ("d day days", 86400.0),
    )
    for name in names.split()
}
_TIME = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-z]*)\s*")
_SOURCE = re.compile(
    r"(?P<path>.+?)(?:\[(?P<episode>[^:\[\]]+)\])?(?:\[(?P<rows>[^\[\]]*:[^\[\]]*)\])?"
)


@dataclass(frozen=True)
class Source:
    """A log as typed: ``run.csv``, ``run.csv[100:200]``, ``runs/[ep3]``, ``runs/[ep3][:50]``."""

    path: str
    episode: str | None = None
    first: int | None = None
    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Source":
        """The parts of a typed source; raises ``QueryError`` for rows that are not numbers.

        >>> Source.parse("run.csv[100:200]")
        Source(path='run.csv', episode=None, first=100, last=200)
        """
        found = _SOURCE.fullmatch(text)
        if found is None:
            return cls(text)
        sides = (found["rows"] or ":").split(":")
        try:
            first, last = (int(s) if s.strip() else None for s in sides)
        except ValueError:
            raise QueryError(
                f"{text!r} has the rows {found['rows']!r}. Write two whole numbers, as in "
                "run.csv[100:200]."
            ) from None
        return cls(found["path"], found["episode"], first, last)


@dataclass(frozen=True)
class Clock:
    """Times as people type them, in rows of a log.

    >>> Clock(step=2.0, unit="s").rows("1min"), Clock(step=2.0, unit="s").rows("10")
    (30, 5)
    """

    step: float
    unit: str

    def rows(self, text: str) -> int:
        """The number of rows in a time such as ``90``, ``1.5min`` or ``12rows``."""
        found = _TIME.fullmatch(text)
        if found is None:
            raise QueryError(f"{text!r} is not a time. Write a number, as in 120, 2min or 50rows.")
        try:
            amount = float(found[1])
        except ValueError:
            raise QueryError(f"{text!r} is not a time. Write a number, as in 120.") from None
        unit = found[2] or self.unit
        if unit in ("row", "rows", "step", "steps"):
            return round(amount if found[2] or self.step == 0 else amount / self.step)
        if found[2] and unit != self.unit:
            if unit not in _UNITS or self.unit not in _UNITS:
                known = self.unit in _UNITS
                raise QueryError(
                    f"{text!r} has the unit {unit!r}, and the log counts time in "
                    f"{self.unit or 'a unit that it does not name'}. Write a number "
                    f"{'of ms, s, min, h or d' if known else 'in that unit'}, or rows as in 50rows."
                )
            amount *= _UNITS[unit] / _UNITS[self.unit]
        if self.step == 0:
            raise QueryError("the model is about a table without time. Leave times out.")
        return round(amount / self.step)

    def between(self, first: str | None, last: str | None, end: int) -> tuple[int, ...] | None:
        """The rows from one time until just before another; None where neither is given."""
        if not first and not last:
            return None
        start = self.rows(first) if first else 0
        stop = self.rows(last) if last else end + 1
        if start < 0 or stop <= start:
            fix = "Give a later end" if last else f"It ends at {end * self.step:g}: begin earlier"
            raise QueryError(
                f"the time from {first or 0} to {last or 'the end'} holds no row at a step of "
                f"{self.step:g} {self.unit}. {fix}; time 0 is the last given row, or an episode's "
                "first."
            )
        return tuple(range(start, stop))


def number(text: str, what: str) -> float:
    """A number as typed; raises ``QueryError`` that says ``what`` it is for."""
    try:
        return float(text)
    except ValueError:
        raise QueryError(f"{text!r} is not a number, and {what} needs one.") from None


def cell(text: str) -> float | str | bool:
    """A typed value: a number, true or false, or a category's name.

    >>> cell("60"), cell("true"), cell("on")
    (60.0, True, 'on')
    """
    try:
        return float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text.lower(), text)


def names(texts: Iterable[str], known: Collection[str], what: str = "variable") -> tuple[str, ...]:
    """Comma-separated names; a comma inside a known name does not split it.

    >>> names(["T1,T2"], ["T1", "T2"]), names(["a,b"], ["a,b"])
    (('T1', 'T2'), ('a,b',))
    """
    out: list[str] = []
    for text in texts:
        parts = text.split(",")
        while parts:
            taken = next(
                (n for n in range(len(parts), 0, -1) if ",".join(parts[:n]).strip() in known), 0
            )
            if not taken:
                raise UnknownNameError(what, parts[0].strip(), known)
            out.append(",".join(parts[:taken]).strip())
            parts = parts[taken:]
    return tuple(dict.fromkeys(out))


def split_spec(text: str, known: Collection[str]) -> tuple[str, str]:
    """Name and value of ``name=value``; raises ``QueryError`` or ``UnknownNameError``."""
    name, sign, value = text.rpartition("=")
    if not sign or not name.strip() or not value.strip():
        raise QueryError(f"{text!r} is not of the form name=value. Write, say, heater1=60.")
    name = name.strip()
    if name not in known:
        raise UnknownNameError("variable", name, known)
    return name, value.strip()


def assignments(text: str, known: Collection[str]) -> dict[str, str]:
    """Comma-separated ``name=value`` pairs, values as typed.

    >>> assignments("T1=40, T2=35", ["T1", "T2"])
    {'T1': '40', 'T2': '35'}
    """
    out: dict[str, str] = {}
    pending = ""
    for part in text.split(","):
        pending = f"{pending},{part}" if pending else part
        name, sign, _ = pending.rpartition("=")
        if sign and name.strip() in known:
            key, value = split_spec(pending, known)
            out[key], pending = value, ""
    if pending:
        split_spec(pending, known)
    return out


def span(text: str, what: str) -> tuple[float | None, float | None]:
    """Two ends with a colon; an empty end is open.

    >>> span("30:50", "--keep"), span(":60", "--limit")
    ((30.0, 50.0), (None, 60.0))
    """
    low, sign, high = text.partition(":")
    if not sign:
        raise QueryError(f"{text!r} is no range. Write low:high, as in {what} T1=30:50 or T1=:60.")
    return (
        number(low, what) if low.strip() else None,
        number(high, what) if high.strip() else None,
    )
