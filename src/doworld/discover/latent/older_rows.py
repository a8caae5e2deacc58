"""Rows of a log with rows before and after them, and what the rows before still tell.

A test asks whether some columns U tell Y anything beyond X. What X says of both is taken off, by
the means of every combination of levels where there are few of them, else by a regression with
bends; what is left, r of Y and z of U, is uncorrelated where U tells nothing:

    D_i = r_i z_i,     n D̄ᵀ V⁻¹ D̄ ~ Hotelling's T²,

the generalised covariance measure (Shah & Peters 2020), V the covariance of D_i. It asks no equal
spread of r, which levels do not have.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import f as f_law

from doworld.data import Kind, Trajectories

__all__ = ["Bends", "Rows", "Strata", "bends_of", "more", "surprise", "told_by"]

MOST_ROWS, STRETCH = 20_000, 100
"""Rows that are looked at, in stretches of so many where there are more."""

MOST_VARIABLES, MOST_PRODUCTS = 30, 8
ROWS_A_COLUMN = 20
HINGES = (0.2, 0.4, 0.6, 0.8)
FEW, MOST_SHARE = 12, 0.5
"""Values up to which a column is one of levels, and combinations of levels a row, at most."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows t with ``back`` rows before and one after them in the same episode.

    Attributes:
        at: the rows.
        stretch: a number for rows of one episode that follow each other.
    """

    log: Trajectories
    at: Int[np.ndarray, " rows"]
    stretch: Int[np.ndarray, " rows"]

    @classmethod
    def of(
        cls,
        log: Trajectories,
        names: tuple[str, ...],
        back: int,
        after: tuple[str, ...],
    ) -> "Rows | None":
        """Rows in which ``names`` and, one row on, ``after`` were logged; None where too few."""
        if len(names) > MOST_VARIABLES:
            return None
        ends = zip(log.starts[:-1], log.starts[1:], strict=True)
        at = np.concatenate([np.arange(s + back, e - 1) for s, e in ends] or [np.zeros(0)])
        at = at.astype(np.int64)
        columns = [log.schema.position(n) for n in names]
        later = [log.schema.position(n) for n in after]
        known = np.asarray(~np.isnan(log.values[:, columns]).any(1))
        window = known[at[:, None] - np.arange(back + 1)].all(1)
        at = at[window & ~np.isnan(log.values[at + 1][:, later]).any(1)]
        if len(at) < ROWS_A_COLUMN * len(names) * (back + 2):
            return None
        owner = log.episode_of_row[at]
        stretch = np.cumsum((np.diff(at, prepend=-9) != 1) | (np.diff(owner, prepend=-1) != 0))
        return cls(log, at, stretch)._fewer()

    def _fewer(self) -> "Rows":
        count = len(self.at)
        if count <= MOST_ROWS:
            return self
        block = np.arange(count) // STRETCH
        kept = np.linspace(0, block[-1], MOST_ROWS // STRETCH).astype(np.int64)
        mine = np.isin(block, kept)
        return replace(
            self, at=self.at[mine], stretch=(self.stretch * (block[-1] + 1) + block)[mine]
        )

    def block(self, names, lags) -> Float[np.ndarray, "rows columns"]:
        """Columns of ``names`` so many rows before, levels as indicators."""
        parts = [self._column(n, self.at - lag) for lag in lags for n in names]
        return np.hstack(parts) if parts else np.zeros((len(self.at), 0))

    def now(self, name: str) -> Float[np.ndarray, "rows columns"]:
        """The variable at row t."""
        return self._column(name, self.at)

    def after(self, name: str) -> Float[np.ndarray, "rows columns"]:
        """The variable at row t + 1."""
        return self._column(name, self.at + 1)

    def moved(self, name: str) -> Float[np.ndarray, "rows 1"]:
        """How far the variable goes from row t to t + 1; of levels, whether it changes."""
        at = self.log.schema.position(name)
        gap = self.log.values[self.at + 1, at] - self.log.values[self.at, at]
        levels = self.log.schema[name].kind in (Kind.CATEGORICAL, Kind.BINARY)
        return ((gap != 0) if levels else np.abs(gap)).astype(float)[:, None]

    def codes(self, names) -> Int[np.ndarray, " rows"] | None:
        """A number for every combination of values at row t; None where there are too many."""
        values = self.log.values[self.at][:, [self.log.schema.position(n) for n in names]]
        if any(len(np.unique(column)) > FEW for column in values.T):
            return None
        distinct, code = np.unique(values, axis=0, return_inverse=True)
        return code.reshape(-1) if len(distinct) <= MOST_SHARE * len(values) else None

    def so_far(
        self, values: Float[np.ndarray, "rows columns"]
    ) -> Float[np.ndarray, "rows columns"]:
        """The sum of ``values`` over the rows before t of its stretch, over their number + 3."""
        first = np.flatnonzero(np.diff(self.stretch, prepend=self.stretch[0] - 1))
        lengths = np.diff(np.append(first, len(self.at)))
        before = np.cumsum(values, 0) - values
        before -= np.repeat(before[first], lengths, 0)
        elapsed = np.arange(len(self.at)) - np.repeat(first, lengths)
        return before / (elapsed + 3.0)[:, None]

    def _column(self, name: str, at: np.ndarray) -> Float[np.ndarray, "rows columns"]:
        variable = self.log.schema[name]
        column = self.log.values[at, self.log.schema.position(name)]
        if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
            return (column[:, None] == np.arange(1, max(variable.levels, 2))).astype(float)
        return column[:, None]


@dataclass(frozen=True, eq=False)
class Bends:
    """A regression on columns, hinges and products: an orthonormal basis of them."""

    basis: Float[np.ndarray, "rows features"]

    @property
    def size(self) -> int:
        """How many numbers it fits."""
        return self.basis.shape[1]

    def rest(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
        """What it leaves of each column."""
        return values - self.basis @ (self.basis.T @ values)


@dataclass(frozen=True, eq=False)
class Strata:
    """A mean for every combination of levels."""

    code: Int[np.ndarray, " rows"]

    @property
    def size(self) -> int:
        """How many numbers it fits."""
        return int(self.code.max()) + 1

    def rest(self, values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
        """What it leaves of each column."""
        count = np.bincount(self.code)
        totals = [np.bincount(self.code, column)[self.code] for column in values.T]
        return values - np.stack(totals, 1) / count[self.code][:, None] if totals else values


def told_by(rows: Rows, names) -> Bends | Strata:
    """What the row itself says: by combination of levels where there are few, else with bends."""
    code = rows.codes(names)
    return bends_of(rows.block(names, [0])) if code is None else Strata(code)


def bends_of(columns: Float[np.ndarray, "rows columns"], *, bent: bool = True) -> Bends:
    """The regression on ``columns``, as they are or with hinges and, of a few, products."""
    shown = _bent(columns) if bent else columns
    return Bends(_orthonormal(np.hstack([np.ones((len(columns), 1)), shown])))


def _bent(columns: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows features"]:
    parts = [columns]
    for column in columns.T:
        if len(np.unique(column[:200])) > len(HINGES):
            knots = np.quantile(column, HINGES)
            parts.append(np.maximum(column[:, None] - knots, 0.0))
    if columns.shape[1] <= MOST_PRODUCTS:
        first, second = np.triu_indices(columns.shape[1])
        parts.append(columns[:, first] * columns[:, second])
    return np.hstack(parts)


def surprise(
    values: Float[np.ndarray, "rows columns"], known: Bends | Strata
) -> Float[np.ndarray, "rows columns"]:
    """What ``known`` leaves of the values, each in units of its spread."""
    left = known.rest(values)
    return left / np.maximum(left.std(0), 1e-12) * (left.std(0) > 1e-6 * values.std(0))


def more(
    outcomes: Float[np.ndarray, "rows outcomes"],
    known: Bends | Strata,
    columns: Float[np.ndarray, "rows more"],
) -> tuple[float, float] | None:
    """(p, share of the unexplained variance) of what ``columns`` add to ``known``.

    Of the clearest outcome, p by Bonferroni over outcomes. None where ``known`` leaves nothing of
    the outcomes, or nothing of the columns.
    """
    left, own = known.rest(outcomes), known.rest(columns)
    extra = _orthonormal(own, columns.std(0))
    open_ = (left**2).sum(0) > 1e-9 * np.maximum(outcomes.var(0) * len(outcomes), 1e-300)
    free = len(left) - known.size - extra.shape[1]
    if free < 1 or not extra.shape[1] or not open_.any():
        return None
    left = left[:, open_]
    share = ((extra.T @ left) ** 2).sum(0) / (left**2).sum(0)
    p = np.array([_p_value(column[:, None] * extra, known.size) for column in left.T])
    best = int(np.argmin(p))
    return float(min(1.0, p[best] * len(p))), float(share[best])


def _p_value(scores: Float[np.ndarray, "rows k"], fitted: int) -> float:
    """The chance of a mean as far from 0 if there is nothing; ``fitted`` numbers cost rows."""
    count, k = scores.shape
    rows = count - fitted
    mean = scores.mean(0) * np.sqrt(count)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(scores.T)))
    fine = values > 1e-9 * max(values[-1], 1e-300)
    k = int(fine.sum())
    if not k or rows <= k:
        return 1.0
    square = float(((vectors[:, fine].T @ mean) ** 2 / values[fine]).sum()) * rows / count
    return float(f_law.sf(square * (rows - k) / (k * (rows - 1)), k, rows - k))


def _orthonormal(columns: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """An orthonormal basis of the columns' span, near repetitions left out."""
    size = columns.std(0) if scale is None else scale
    size = np.where(size > 0, size, np.maximum(np.abs(columns).max(0, initial=0.0), 1e-12))
    u, s, _ = np.linalg.svd(columns / size / np.sqrt(max(len(columns), 1)), full_matrices=False)
    return u[:, s > 1e-6]
