"""Tables with columns of mean 0 and standard deviation 1, without a copy where they are large."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from doworld.discover.numerics.threads import all_threads

__all__ = ["Standardised", "Table", "pieces", "standardise"]


@runtime_checkable
class Table(Protocol):
    """Rows and columns that are read by runs of rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        ...

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """These rows."""
        ...


CELLS = 1_000_000
"""How many numbers of a table are worked on at once."""


def standardise(table: Float[np.ndarray, "rows columns"]) -> tuple[np.ndarray, np.ndarray]:
    """Columns with mean 0 and standard deviation 1, and the standard deviations."""
    centred = table - table.mean(0)
    scale = centred.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    return centred / scale, scale


def pieces(rows: int, columns: int) -> list[slice]:
    """Runs of rows that are small enough to make a copy of."""
    size = max(1024, CELLS // max(columns, 1))
    return [slice(a, min(a + size, rows)) for a in range(0, rows, size)]


class Standardised:
    """A table's standardised columns, piece by piece, without a copy of the whole."""

    def __init__(self, table: Table) -> None:
        rows, columns = table.shape
        self.table, self.pieces = table, pieces(rows, columns)
        self.mean = sum((table[r].sum(0) for r in self.pieces), np.zeros(columns)) / rows
        squares = np.zeros(columns)
        for r in self.pieces:
            squares += ((table[r] - self.mean) ** 2).sum(0)
        scale = np.sqrt(squares / rows)
        self.scale = np.where(scale > 0, scale, 1.0)
        self._kept: np.ndarray | None = None
        self._square: np.ndarray | None = None

    def part(self, rows: slice) -> Float[np.ndarray, "part columns"]:
        """These rows; not to be written to."""
        if len(self.pieces) == 1:
            kept = self._kept
            if kept is None:
                kept = self._kept = (self.table[:] - self.mean) / self.scale
            return kept[rows]
        out = self.table[rows] - self.mean
        out /= self.scale
        return out

    def square(self) -> Float[np.ndarray, "columns columns"]:
        """XᵀX of the standardised columns X; not to be written to."""
        if self._square is not None:
            return self._square
        rows, columns = self.table.shape
        out = np.zeros((columns, columns))
        with all_threads(rows * columns**2):
            for r in self.pieces:
                part = self.part(r)
                out += part.T @ part
        self._square = out
        return out
