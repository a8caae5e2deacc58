"""The error tree, drawn once: every message says what happened, why, and the exact thing to do.

    DoworldError (ValueError)
    ├── DataError          a log or file that cannot be read as it stands
    ├── SchemaError        roles, kinds or names that do not fit the data
    ├── UnknownNameError   a variable, environment or target that does not exist
    ├── GraphError         a graph or prior knowledge that contradicts itself
    ├── QueryError         a question that is not well formed
    ├── ModelFileError     a saved model that is truncated, tampered with or too new
    └── MissingExtraError  an optional dependency that is not installed

A question that is well formed but cannot be answered is not an error: it is an ``Answer`` whose
status is ``not_identified`` (see ``doworld.query``).
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "DataError",
    "DoworldError",
    "DoworldWarning",
    "GraphError",
    "MissingExtraError",
    "ModelFileError",
    "QueryError",
    "SchemaError",
    "UnknownNameError",
]


class DoworldError(ValueError):
    """Something that the caller can mend; ``str(error)`` is the user's message."""


class DoworldWarning(UserWarning):
    """Something that the caller should know; the work went on."""


class DataError(DoworldError):
    """A log or file that cannot be read as it stands."""


class SchemaError(DoworldError):
    """Roles, kinds or names that do not fit the data."""


class GraphError(DoworldError):
    """A graph or prior knowledge that contradicts itself."""


class QueryError(DoworldError):
    """A question that is not well formed."""


class ModelFileError(DoworldError):
    """A saved model that is truncated, tampered with, or written by a newer version."""


class UnknownNameError(DoworldError):
    """A name that does not exist, with the nearest names that do.

    >>> raise UnknownNameError("variable", "thetta", ["theta", "x"])
    Traceback (most recent call last):
        ...
    doworld._core.errors.UnknownNameError: no variable is called 'thetta'. Did you mean 'theta'? \
Known: theta, x.
    """

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        names = [str(k) for k in known]
        near = get_close_matches(str(name), names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
        super().__init__(f"no {what} is called {name!r}.{hint} Known: {shown or 'none'}.")
        self.name = name
        self.near = near


class MissingExtraError(DoworldError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'doworld[{extra}]'"
        )
