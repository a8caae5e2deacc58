"""The table that tests of independence read: complete rows of a few columns, scaled once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld._core.errors import DataError, UnknownNameError
from doworld.data import Kind, Trajectories

__all__ = ["Columns", "Rows"]

FEWEST = 8
"""Complete rows below which no test says anything."""
LEVELS = (Kind.CATEGORICAL,)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows in which certain columns are complete; rows with the same ``key`` are the same."""

    kept: Bool[np.ndarray, " rows"]
    count: int
    key: bytes

    @property
    def dropped(self) -> int:
        """How many rows were left out."""
        return len(self.kept) - self.count


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of numbers and of codes of levels; a missing value is NaN.

    Attributes:
        values: one row a unit, one column a variable.
        kinds: what the columns are.
        names: what messages call them.

    >>> table = Columns.numbers(np.array([[0.0, 1.0], [2.0, np.nan]] * 8))
    >>> table.rows((0,)).count, table.rows((0,)).dropped
    (16, 0)
    """

    values: Float[np.ndarray, "rows columns"]
    kinds: tuple[Kind, ...]
    names: tuple[str, ...]
    _scaled: dict[tuple[int, bytes], np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.values.shape[1] == len(self.kinds) == len(self.names):
            raise DataError(
                f"{self.values.shape[1]} columns came with {len(self.kinds)} kinds and "
                f"{len(self.names)} names. Give one of each for every column."
            )

    @classmethod
    def of(cls, log: Trajectories, names: Sequence[str]) -> "Columns":
        """The columns ``names`` of a static log, missing values kept as NaN."""
        for name in names:
            if name not in log.schema.names:
                raise UnknownNameError("variable", name, log.schema.names)
        values = log.values[:, [log.schema.position(n) for n in names]]
        return cls(values, tuple(log.schema[n].kind for n in names), tuple(names))

    @classmethod
    def numbers(cls, values: Float[np.ndarray, "rows columns"]) -> "Columns":
        """Continuous columns named x0, x1, …"""
        d = values.shape[1]
        return cls(values, (Kind.CONTINUOUS,) * d, tuple(f"x{i}" for i in range(d)))

    @cached_property
    def _finite(self) -> Bool[np.ndarray, "rows columns"]:
        return np.isfinite(self.values)

    @cached_property
    def ranks(self) -> tuple[int, ...]:
        """A place for each column that neither its name, scale nor the order of rows changes."""
        marks = []
        for k in range(self.values.shape[1]):
            x = self.values[self._finite[:, k], k]
            spread = max(float(x.var()), 1e-300) if len(x) else 1.0
            fourth = float(((x - x.mean()) ** 4).mean()) / spread**2 if len(x) else 0.0
            marks.append((round(fourth, 9), k))
        order = sorted(range(len(marks)), key=marks.__getitem__)
        place = [0] * len(marks)
        for position, k in enumerate(order):
            place[k] = position
        return tuple(place)

    def sorted(self, members: Sequence[int]) -> tuple[int, ...]:
        """Columns in an order that their content decides."""
        return tuple(sorted(members, key=self.ranks.__getitem__))

    def has_levels(self, column: int) -> bool:
        """Whether a column holds codes without distances."""
        return self.kinds[column] in LEVELS

    def rows(self, members: Sequence[int]) -> Rows:
        """The rows in which all of ``members`` are known.

        Raises ``DataError`` where too few are left or one of them never varies there.
        """
        kept = np.asarray(self._finite[:, list(members)].all(1))
        count = int(kept.sum())
        names = ", ".join(repr(self.names[k]) for k in members)
        if count < FEWEST:
            raise DataError(
                f"only {count} rows hold values of all of {names}, and {FEWEST} is the least to "
                "test independence. Log more rows, or drop the variable that is missing most."
            )
        for k in members:
            column = self.values[kept, k]
            if column.max() - column.min() <= 1e-12 * max(abs(column[0]), 1e-300):
                raise DataError(
                    f"{self.names[k]!r} is the same in all {count} complete rows of {names}, so "
                    "no test of it says anything. Drop it, or log rows in which it varies."
                )
        return Rows(kept, count, b"" if count == len(kept) else np.packbits(kept).tobytes())

    def scaled(self, column: int, rows: Rows) -> Float[np.ndarray, " kept"]:
        """A column at mean 0 and variance 1, turned so that its third moment is not negative."""
        known = self._scaled.get((column, rows.key))
        if known is None:
            x = self.values[rows.kept, column]
            x = x - x.mean()
            x = x / x.std()
            known = -x if (x**3).mean() < -1e-9 else x
            self._scaled[column, rows.key] = known
        return known

    def codes(self, column: int, rows: Rows) -> Int[np.ndarray, " kept"]:
        """The levels of a column, numbered from 0."""
        return np.unique(self.values[rows.kept, column], return_inverse=True)[1]

    def indicators(self, column: int, rows: Rows) -> Float[np.ndarray, "kept levels"]:
        """A column of levels as centred indicators of all levels but the most frequent."""
        codes = self.codes(column, rows)
        count = np.bincount(codes)
        shown = np.argsort(-count, kind="stable")[1:]
        table = (codes[:, None] == shown).astype(float)
        return table - table.mean(0)

    def features(self, column: int, rows: Rows) -> Float[np.ndarray, "kept features"]:
        """A column as numbers: itself, scaled, or the indicators of its levels."""
        if self.has_levels(column):
            return self.indicators(column, rows)
        return self.scaled(column, rows)[:, None]
