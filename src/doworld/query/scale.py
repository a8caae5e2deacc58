"""What axes say and show: the part worth its room, where the answer is and not its bound ends."""

from collections.abc import Iterable
from html import escape
from math import isfinite
from typing import TYPE_CHECKING

from doworld._core.palette import GREY
from doworld.query.words import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer, Series

__all__ = ["beyond", "clock", "cut", "future", "narrowed", "show"]

WIDER = 4.0
"""A bound more than so many times as tall as all estimates and facts is cut at the panel's edge."""

PAST = 2.0
"""Rows of the past beside each row of the answer, where there are more."""

Numbers = Iterable[float | None]


def narrowed(seen: Numbers, lower: Numbers, upper: Numbers) -> list[float] | None:
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
    if tall <= 0 or max(*ends, high) - min(*ends, low) <= WIDER * tall:
        return None
    return [low - 0.75 * tall, high + 0.75 * tall]


def cut(answer: "Answer", s: "Series") -> list[float] | None:
    """The range of a variable's panel whose bound would flatten it; None where all is drawn."""
    if answer.status != "bounded" or s.probabilities or s.lower is None or s.upper is None:
        return None
    return narrowed([*(s.estimate or ()), *s.past[-len(s.rows) :]], s.lower, s.upper)


def show(fig: "Figure", key: str, shown: list[float], ends: tuple[Numbers, Numbers], top: float):
    """Cuts the panel of axis ``key`` to a range and says at its ``top`` where the bound lies."""
    fig.update_layout({key: {"range": shown}})
    fig.add_annotation(
        text=escape(beyond(*ends)),
        xref="paper",
        yref="paper",
        x=1,
        y=top,
        yanchor="bottom",
        xanchor="right",
        showarrow=False,
        font={"size": 12, "color": GREY},
    )


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
