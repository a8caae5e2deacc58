"""Interventions, rows and numbers in words."""

from collections.abc import Sequence

from doworld.query.intervention import Intervention, Scale, Set, Shift
from doworld.query.policy import policy_words

__all__ = ["number", "phrase", "spans"]


def phrase(each: Intervention) -> str:
    """An intervention in words.

    >>> phrase(Set("heater", 60, at=range(3, 9)))
    'heater set to 60 at rows 3–8'
    """
    if isinstance(each, Set):
        number = isinstance(each.value, float) and not isinstance(each.value, bool)
        what = f"set to {each.value:g}" if number else f"set to {each.value}"
    elif isinstance(each, Shift):
        what = f"shifted by {each.by:g}"
    elif isinstance(each, Scale):
        what = f"scaled by {each.factor:g}"
    else:
        what = f"following {policy_words(each.policy)}"
    if each.at is None:
        return f"{each.variable} {what} throughout"
    return f"{each.variable} {what} at {spans(each.at)}"


def spans(rows: Sequence[int]) -> str:
    """Rows in words, runs as ranges.

    >>> spans([7]), spans([0, 1, 2, 5])
    ('row 7', 'rows 0–2, 5')
    """
    ordered = sorted(set(rows))
    if not ordered:
        return "no row"
    parts, first = [], ordered[0]
    for row, following in zip(ordered, [*ordered[1:], None], strict=True):
        if following != row + 1:
            parts.append(f"{first}" if first == row else f"{first}–{row}")
            first = following
    return f"row{'s' if len(ordered) > 1 else ''} {', '.join(parts)}"


def number(value: float) -> str:
    """A number at four significant digits, without noise behind them.

    >>> number(45.21234), number(-0.0000001), number(1234567.0), number(3.0)
    ('45.21', '-1e-07', '1234567', '3')
    """
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}"
