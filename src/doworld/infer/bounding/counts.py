"""A table of counts of discrete variables, what bounds are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Trajectories

__all__ = ["Counts"]

CELLS = 2**22


@dataclass(frozen=True, eq=False)
class Counts:
    """How many rows have each combination of levels: n(v₁, …, v_d).

    Attributes:
        names: the variables, one an axis.
        table: counts; whole numbers, or weights where rows stand for several units.

    Raises ``QueryError`` for a table that does not fit the names or holds negative numbers.

    >>> Counts(("X", "Y"), np.array([[40.0, 10], [20, 30]])).marginal(["Y"]).table
    array([60., 40.])
    """

    names: tuple[str, ...]
    table: Float[np.ndarray, "..."]

    def __post_init__(self) -> None:
        if self.table.ndim != len(self.names) or len(set(self.names)) < len(self.names):
            raise QueryError(
                f"a table of {self.table.ndim} axes cannot be of the variables "
                f"{', '.join(self.names)}. Give each axis a name of its own."
            )
        if not np.isfinite(self.table).all() or (self.table < 0).any() or self.table.sum() <= 0:
            raise QueryError(
                "a table of counts holds negative or missing numbers, or no row at all. "
                "Give how many rows have each combination of levels."
            )

    @classmethod
    def of(cls, log: Trajectories, names: Sequence[str]) -> "Counts":
        """The counts of a log's rows; rows with a missing value among ``names`` are left out.

        Raises ``UnknownNameError``, and ``QueryError`` for a variable without levels or for more
        combinations than a table can hold.
        """
        levels = [log.schema[n].levels for n in names]
        for name, count in zip(names, levels, strict=True):
            if not count:
                raise QueryError(
                    f"{name!r} is {log.schema[name].kind.value} and has no levels to count. "
                    "Bounds need discrete variables: cut it into levels first."
                )
        if np.prod(levels, dtype=float) > CELLS:
            raise QueryError(
                f"{', '.join(names)} have {np.prod(levels, dtype=float):.2g} combinations of "
                f"levels, more than {CELLS:,}. Name fewer variables or merge levels."
            )
        values = np.stack([log.column(n) for n in names], 1)
        codes = values[~np.isnan(values).any(1)].astype(np.int64)
        if not len(codes):
            raise QueryError(f"no row of the log holds all of {', '.join(names)}.")
        flat = np.ravel_multi_index(tuple(codes.T), tuple(levels))
        table = np.bincount(flat, minlength=int(np.prod(levels))).astype(float)
        return cls(tuple(names), table.reshape(levels))

    @property
    def total(self) -> float:
        """The number of rows."""
        return float(self.table.sum())

    def levels(self, name: str) -> int:
        """How many levels a variable has; raises ``UnknownNameError``."""
        return self.table.shape[self.axis(name)]

    def axis(self, name: str) -> int:
        """The axis of a variable; raises ``UnknownNameError``."""
        if name not in self.names:
            raise UnknownNameError("variable of the table", name, self.names)
        return self.names.index(name)

    def marginal(self, names: Sequence[str]) -> "Counts":
        """The counts of ``names`` alone, axes in that order."""
        kept = [self.axis(n) for n in names]
        others = tuple(i for i in range(len(self.names)) if i not in kept)
        summed = self.table.sum(axis=others)
        order = np.argsort(np.argsort(kept))
        return Counts(tuple(names), np.transpose(summed, order))
