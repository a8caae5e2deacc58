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
from jaxtyping import Int
from scipy import stats

__all__ = ["Stratified", "joint_code", "stratified"]

Codes = Int[np.ndarray, " rows"]

FEWEST = 4
"""Rows below which a stratum says nothing: the variance asks for them."""


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
    code = np.unique(columns[0], return_inverse=True)[1]
    for column in columns[1:]:
        other = np.unique(column, return_inverse=True)[1]
        code = np.unique(code * (other.max(initial=0) + 1) + other, return_inverse=True)[1]
    return code


def _margins(stratum: Codes, value: Codes, strata: int) -> tuple[np.ndarray, ...]:
    """Count of each cell of a stratum, its stratum, the cell of each row; levels and Σ A_ii²."""
    cell = joint_code(stratum, value)
    count = np.bincount(cell).astype(float)
    home = np.zeros(len(count), np.int64)
    home[cell] = stratum
    size = np.bincount(stratum, minlength=strata).astype(float)
    levels = np.bincount(home, minlength=strata)
    diagonal = count * (1 / count - 1 / size[home]) ** 2
    return cell, count, levels, np.bincount(home, diagonal, minlength=strata)


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


def stratified(x: Codes, y: Codes, strata: Codes) -> Stratified:
    """Tests whether two discrete variables are independent within every stratum.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(3, size=900)
    >>> x, y = (z + rng.integers(2, size=900)) % 3, (z + rng.integers(2, size=900)) % 3
    >>> stratified(x, y, np.zeros(900, int)).p_value < 1e-9, stratified(x, y, z).p_value > 0.05
    (True, True)
    """
    strata = np.unique(strata, return_inverse=True)[1]
    steps = len(np.unique(y)) - 1
    every = len(y) * max(min(len(np.unique(x)) - 1, steps), 1)
    kept = np.bincount(strata)[strata] >= FEWEST
    x, y, strata = x[kept], y[kept], np.unique(strata[kept], return_inverse=True)[1]
    if not len(x):
        return Stratified(1.0, 0.0, 0.0, 0)
    count = int(strata.max()) + 1
    n = np.bincount(strata).astype(float)
    x_cell, x_count, a, sa = _margins(strata, x, count)
    y_cell, y_count, b, sb = _margins(strata, y, count)
    both = joint_code(x_cell, y_cell)
    pairs = np.bincount(both).astype(float)
    x_of, y_of, home = (np.zeros(len(pairs), np.int64) for _ in range(3))
    x_of[both], y_of[both], home[both] = x_cell, y_cell, strata
    t = np.bincount(home, pairs**2 / (x_count[x_of] * y_count[y_of]), minlength=count) - 1
    a, b = a - 1.0, b - 1.0
    live = (a > 0) & (b > 0)
    mean, variance = _moments(n, a, sa, b, sb)
    total = float((n * t)[live].sum())
    expected, spread = float((n * mean)[live].sum()), float((n**2 * variance)[live].sum())
    room = float((n * np.minimum(a, max(steps, 1))).sum()) - expected
    error = float(np.sqrt(max(spread, 1.0))) / room if room > 0 else float("inf")
    if expected <= 0 or spread <= 0:
        return Stratified(1.0, 0.0, 0.0, 0, 0.0, error)
    tail = float(stats.gamma.sf(total, expected**2 / spread, scale=spread / expected))
    effect = (total - expected) / every
    score = float(stats.norm.isf(max(tail, 1e-300)))
    rows, gain = int(n[live].sum()), float(np.clip(effect, 0, 1))
    share = float(np.clip((total - expected) / max(room, 1e-12), 0, 1))
    return Stratified(tail, score, gain, rows, share, error)
