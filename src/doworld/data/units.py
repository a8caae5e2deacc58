"""Units that differ between the files of one log: seen, said, never converted silently."""

import warnings
from collections.abc import Iterable, Mapping

from doworld._core.errors import DoworldWarning

__all__ = ["agreed_units", "same_unit"]

_SAME = {
    "°c": ("degc", "deg_c", "c", "celsius", "deg c"),
    "°f": ("degf", "deg_f", "f", "fahrenheit", "deg f"),
    "k": ("kelvin",),
    "s": ("sec", "secs", "second", "seconds"),
    "%": ("pct", "percent"),
    "°": ("deg", "degree", "degrees"),
}
_COMMON = {alias: unit for unit, aliases in _SAME.items() for alias in aliases}

_FORMULA = {
    ("°c", "k"): "°C = K − 273.15",
    ("°c", "°f"): "°C = (°F − 32) / 1.8",
    ("k", "°f"): "K = (°F + 459.67) / 1.8",
}


def _common(unit: str) -> str:
    low = " ".join(unit.lower().split())
    return _COMMON.get(low, low)


def same_unit(one: str, other: str) -> bool:
    """Whether two spellings mean one unit.

    >>> same_unit("degC", "°C"), same_unit("K", "°C")
    (True, False)
    """
    return _common(one) == _common(other)


def agreed_units(found: Iterable[tuple[str, Mapping[str, str]]]) -> tuple[dict[str, str], list]:
    """One unit a variable from several sources, and messages where they disagree.

    ``found`` holds a source's name and its units by variable. Warns (``DoworldWarning``) of each
    variable with mixed units; such a variable keeps the first unit.

    >>> units, said = agreed_units([("a.csv", {"T": "degC"}), ("b.csv", {"T": "°C"})])
    >>> units, said
    ({'T': 'degC'}, [])
    """
    units: dict[str, str] = {}
    origin: dict[str, str] = {}
    messages: dict[str, str] = {}
    for source, named in found:
        for name, unit in named.items():
            if not unit:
                continue
            if name not in units:
                units[name], origin[name] = unit, source
            elif not same_unit(unit, units[name]) and name not in messages:
                one, two = _common(unit), _common(units[name])
                formula = _FORMULA.get((one, two)) or _FORMULA.get((two, one))
                messages[name] = (
                    f"{name!r} has mixed units: {units[name]} in {origin[name]} and {unit} in "
                    f"{source}. Convert one of them before reading"
                    + (f" ({formula})" if formula else "")
                )
    for message in messages.values():
        warnings.warn(f"{message}.", DoworldWarning, stacklevel=3)
    return units, list(messages.values())
