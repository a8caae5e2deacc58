"""What axes say and show: the part worth its room, where the answer is and not its bound ends."""

from collections.abc import Iterable
from math import isfinite

from doworld.query.words import number

__all__ = ["beyond", "clock", "future", "narrowed"]

WIDER = 4.0
"""A bound more than so many times as tall as all estimates and facts is cut at the panel's edge."""

PAST = 2.0
"""Rows of the past beside each row of the answer, where there are more."""

Numbers = Iterable[float | None]


def narrowed(
    seen: Numbers, lower: Numbers, upper: Numbers, *, wider: float = WIDER
) -> list[float] | None:
    """The range that estimates and facts need, where the bound would flatten them; else None.

    >>> narrowed([1.0, 2.0], [-90.0], [90.0])
    [0.25, 2.75]
    >>> narrowed([1.0, 2.0], [0.0], [3.0])
    """
    own, ends = _finite(seen), _finite([*lower, *upper])
    if not own or not ends:
        return None
    low, high = min(own), max(own)
    tall = high - low
    if tall <= 0 or max(*ends, high) - min(*ends, low) <= wider * tall:
        return None
    return [low - 0.75 * tall, high + 0.75 * tall]


def beyond(lower: Numbers, upper: Numbers) -> str:
    """What a cut panel says of the bound.

    >>> beyond([-90.0, -80.0], [90.0, None])
    'bound -90 … 90, beyond the panel'
    """
    return f"bound {number(min(_finite(lower)))} … {number(max(_finite(upper)))}, beyond the panel"


def future(past: Iterable[int], rows: Iterable[int]) -> list[int] | None:
    """First and last row that are shown at first, where a long past would squeeze the answer.

    >>> future(range(-200, 0), range(0, 11))
    [-22, 10]
    >>> future(range(-5, 0), range(0, 11))
    """
    before, after = list(past), list(rows)
    if not before or not after:
        return None
    first = after[0] - round(PAST * len(after))
    return [first, after[-1]] if before[0] < first and before[0] < after[0] else None


def clock(step: float, unit: str) -> str:
    """The title of an axis of time: rows where there is no clock.

    >>> clock(0.5, "s"), clock(1.0, "steps"), clock(1.0, "")
    ('time [s]', 'row', 'time')
    """
    if step == 0 or unit == "steps":
        return "row"
    return f"time [{unit}]" if unit else "time"


def _finite(values: Numbers) -> list[float]:
    return [float(v) for v in values if v is not None and isfinite(v)]
