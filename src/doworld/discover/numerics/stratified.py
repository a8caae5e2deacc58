"""Independence of two discrete variables within strata, exact in its first two moments.

In a stratum of n rows let H_x, H_y be the projections on the centred indicators of x and y. Then

    t = tr(H_x H_y) = Σ n_ij² / (n_i n_j) − 1 = X²/n,

Pearson's statistic over n. Under independence every pairing of the stratum's x and y is equally
likely, and t has the mean and variance of Kazi-Aoual, Hitier, Sabatier & Lebreton (1995),
"Refined approximations to permutation tests for multivariate inference", however few rows a cell
has. X² is summed over strata and compared with the gamma distribution of the same two moments.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import gammaincc, ndtri

__all__ = ["Stratified", "coded", "joint_code", "stratified"]

Codes = Int[np.ndarray, " rows"]

FEWEST = 4
"""Rows below which a stratum says nothing: the variance asks for them."""
ROUNDING = 1e-12
"""A variance that small beside its squared mean is rounding: no pairing differs from another."""
SPREAD = 16
"""Values or cells for each row up to which they are counted, not sorted."""


@dataclass(frozen=True)
class Stratified:
    """What the strata say together.

    Attributes:
        p_value: that the two are independent in every stratum.
        score: the standard normal quantile of that probability; large where dependent.
        effect: dependence beyond what chance gives, as a share of the strongest there could be in
            all rows, those that say nothing included; about 0 where independent.
        rows: rows in strata that say something.
        share: dependence beyond chance as a share of the strongest there could be in the strata
            in which x varies, also where y never does.
        error: standard error of ``share`` where the two are independent, or what one event would
            change, whichever is more.
    """

    p_value: float
    score: float
    effect: float
    rows: int
    share: float = 0.0
    error: float = float("inf")


def joint_code(*columns: Codes) -> Codes:
    """One code a combination of values that occurs; without columns a ``ValueError``.

    >>> joint_code(np.array([0, 0, 1]), np.array([1, 1, 0])).tolist()
    [0, 0, 1]
    """
    if not columns:
        raise ValueError("no column to code. Give at least one.")
    code, _ = coded(columns[0])
    for column in columns[1:]:
        other, levels = coded(column)
        code, _ = coded(code * levels + other)
    return code


def coded(values: Shaped[np.ndarray, " rows"]) -> tuple[Codes, int]:
    """The rank of each value among those that occur, and how many occur.

    >>> coded(np.array([7, -2, 7]))
    (array([1, 0, 1]), 2)
    """
    whole = values
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # what is not finite differs from its integer
            whole = values.astype(np.int64)
    if len(values) and whole.dtype.kind in "iub" and (whole is values or (whole == values).all()):
        whole = whole.astype(np.int64, copy=False)
        low, high = int(whole.min()), int(whole.max())
        if high - low <= SPREAD * len(values):  # counting is quicker than sorting
            whole = whole - low if low else whole
            seen = np.flatnonzero(np.bincount(whole))
            if len(seen) == high - low + 1:
                return whole, len(seen)
            rank = np.empty(high - low + 1, np.int64)
            rank[seen] = np.arange(len(seen))
            return rank.take(whole), len(seen)
    present, code = np.unique(values, return_inverse=True)
    return code, len(present)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The cells of stratum, x and y that occur, in rising order, and the rows in each."""

    home: Codes
    x: Codes
    y: Codes
    rows: Float[np.ndarray, " cells"]

    @classmethod
    def of(cls, x: Codes, y: Codes, strata: Codes, shape: tuple[int, int, int] | None) -> "_Cells":
        if shape is None:
            (strata, count), (x, wide), (y, high) = coded(strata), coded(x), coded(y)
        else:
            count, wide, high = shape
        size = count * wide * high
        joint = (strata * wide + x) * high + y
        if size <= SPREAD * len(x):
            rows = np.bincount(joint, minlength=size)
            joint = np.flatnonzero(rows)
            rows = rows[joint]
        else:
            joint, rows = np.unique(joint, return_counts=True)
        above, y = np.divmod(joint, high)
        home, x = np.divmod(above, wide)
        return cls(home, x, y, rows.astype(float))

    def only(self, kept: np.ndarray) -> "_Cells":
        return _Cells(self.home[kept], self.x[kept], self.y[kept], self.rows[kept])


def _margins(
    cells: _Cells, value: Codes, home: Codes, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the stratum and value of each cell; by stratum how many values, and Σ A_ii²."""
    margin, count = coded(home * (int(value.max()) + 1) + value)
    rows = np.bincount(margin, cells.rows, minlength=count)
    of = np.zeros(count, np.int64)
    of[margin] = home
    diagonal = rows * (1 / rows - 1 / size[of]) ** 2
    levels = np.bincount(of, minlength=len(size))
    return rows[margin], levels, np.bincount(of, diagonal, minlength=len(size))


def _moments(n: np.ndarray, a: np.ndarray, sa: np.ndarray, b: np.ndarray, sb: np.ndarray):
    """Mean and variance over pairings of tr(AB), A and B projections of rank a and b."""
    mean = a * b / (n - 1)
    first = 2 * ((n - 1) * a - a**2) * ((n - 1) * b - b**2)
    second = (n * (n + 1) * sa - (n - 1) * (a**2 + 2 * a)) * (
        n * (n + 1) * sb - (n - 1) * (b**2 + 2 * b)
    )
    variance = first / ((n - 1) ** 2 * (n + 1) * (n - 2))
    variance += second / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return mean, np.maximum(variance, 0.0)


def stratified(
    x: Codes, y: Codes, strata: Codes, shape: tuple[int, int, int] | None = None
) -> Stratified:
    """Tests whether two discrete variables are independent within every stratum.

    ``shape`` is given where all three are codes from 0: how many strata there may be, x and y.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(3, size=900)
    >>> x, y = (z + rng.integers(2, size=900)) % 3, (z + rng.integers(2, size=900)) % 3
    >>> stratified(x, y, np.zeros(900, int)).p_value < 1e-9, stratified(x, y, z).p_value > 0.05
    (True, True)
    """
    cells = _Cells.of(x, y, strata, shape)
    steps = coded(cells.y)[1] - 1
    every = len(y) * max(min(coded(cells.x)[1] - 1, steps), 1)
    enough = np.bincount(cells.home, cells.rows)[cells.home] >= FEWEST
    if not enough.any():
        return Stratified(1.0, 0.0, 0.0, 0)
    cells = cells if enough.all() else cells.only(enough)
    home, count = coded(cells.home)
    n = np.bincount(home, cells.rows, minlength=count)
    of_x, a, sa = _margins(cells, cells.x, home, n)
    of_y, b, sb = _margins(cells, cells.y, home, n)
    t = np.bincount(home, cells.rows**2 / (of_x * of_y), minlength=count) - 1
    a, b = a - 1.0, b - 1.0
    live = (a > 0) & (b > 0)
    mean, variance = _moments(n, a, sa, b, sb)
    total = float((n * t)[live].sum())
    expected, spread = float((n * mean)[live].sum()), float((n**2 * variance)[live].sum())
    room = float((n * np.minimum(a, max(steps, 1))).sum()) - expected
    error = float(np.sqrt(max(spread, 1.0))) / room if room > 0 else float("inf")
    if expected <= 0 or spread <= ROUNDING * expected**2:
        return Stratified(1.0, 0.0, 0.0, 0, 0.0, error)
    tail = float(gammaincc(expected**2 / spread, max(total, 0.0) * expected / spread))
    effect = (total - expected) / every
    score = float(-ndtri(max(tail, 1e-300)))
    rows, gain = int(n[live].sum()), float(np.clip(effect, 0, 1))
    share = float(np.clip((total - expected) / max(room, 1e-12), 0, 1))
    return Stratified(tail, score, gain, rows, share, error)
