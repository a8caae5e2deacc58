r"""Tests with holes: parents selected on completed rows, every test on rows complete in its own.

Mean and covariance Σ of rows with holes are those of greatest Gaussian likelihood (EM; Dempster,
Laird and Rubin 1977), right where values are missing at random. Each hole is filled with a draw
given the row's other values (stochastic imputation; Little and Rubin 2019): that serves to select
parents. What counts as evidence is computed anew on the rows in which the two variables and the
selected parents were all observed (test-wise deletion), and says how many these were.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtr

__all__ = ["completed", "enough_pairs", "observed_test"]

ROUNDS, CLOSE = 60, 1e-4
MOST_ROWS = 4000
"""Rows from which the covariance is estimated."""
RIDGE = 1e-6


def enough_pairs(table: Float[np.ndarray, "rows columns"], least: int) -> bool:
    """Whether every two columns are observed together in at least so many rows."""
    seen = np.isfinite(table).astype(float)
    return bool((seen.T @ seen).min(initial=np.inf) >= least)


def completed(
    table: Float[np.ndarray, "rows columns"], rng: np.random.Generator
) -> Float[np.ndarray, "rows columns"]:
    """The table with every hole filled by a draw given what its row holds.

    >>> x = np.random.default_rng(0).standard_normal((400, 1)) * np.ones((1, 2))
    >>> x[:100, 1] = np.nan
    >>> full = completed(x, np.random.default_rng(1))
    >>> bool(np.abs(full[:100, 1] - full[:100, 0]).max() < 0.1)
    True
    """
    centre = np.nanmean(table, 0)
    scale = np.nanstd(table, 0)
    scale = np.where(scale > 0, scale, 1.0)
    z = (table - centre) / scale
    sample = z[:: -(-len(z) // MOST_ROWS)]
    mean, square = _estimated(sample)
    out = z.copy()
    for rows, holes in _patterns(z):
        seen = ~holes
        weight, left = _given(square, seen, holes)
        expected = mean[holes] + (z[np.ix_(rows, seen)] - mean[seen]) @ weight
        root = np.linalg.cholesky(left + RIDGE * np.eye(len(left)))
        noise = rng.standard_normal((len(rows), len(left))) @ root.T
        out[np.ix_(rows, holes)] = expected + noise
    return out * scale + centre


def _patterns(
    z: Float[np.ndarray, "rows columns"],
) -> list[tuple[Int[np.ndarray, " r"], np.ndarray]]:
    """The rows with each pattern of holes, those without left out."""
    holes = ~np.isfinite(z)
    packed = np.packbits(holes, axis=1)
    _, first, code = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(code.ravel(), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(code.ravel()))[:-1])
    return [(p, holes[first[k]]) for k, p in enumerate(parts) if holes[first[k]].any()]


def _given(
    square: np.ndarray, seen: np.ndarray, holes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of what is seen, and the covariance of what is not, given it."""
    among = square[np.ix_(seen, seen)] + RIDGE * np.eye(int(seen.sum()))
    cross = square[np.ix_(seen, holes)]
    weight = np.linalg.solve(among, cross)
    left = square[np.ix_(holes, holes)] - cross.T @ weight
    return weight, (left + left.T) / 2


def _estimated(z: Float[np.ndarray, "rows columns"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance by EM, from columns filled with zeros on."""
    n, d = z.shape
    patterns = _patterns(z)
    filled = np.where(np.isfinite(z), z, 0.0)
    mean, square = np.zeros(d), np.eye(d)
    for _ in range(ROUNDS):
        spread = np.zeros((d, d))
        for rows, holes in patterns:
            seen = ~holes
            weight, left = _given(square, seen, holes)
            filled[np.ix_(rows, holes)] = (
                mean[holes] + (filled[np.ix_(rows, seen)] - mean[seen]) @ weight
            )
            spread[np.ix_(holes, holes)] += len(rows) * left
        mean = filled.mean(0)
        centred = filled - mean
        fresh = (centred.T @ centred + spread) / n
        moved = float(np.abs(fresh - square).max())
        square = fresh
        if moved < CLOSE:
            break
    return mean, square


def observed_test(
    table: Float[np.ndarray, "rows columns"], x: int, y: int, given: Sequence[int], least: int
) -> tuple[float, float, float, int]:
    """Standardised coefficient, t, p-value and rows of column x for y given others, where observed.

    NaN for fewer than ``least`` rows beyond the conditions.
    """
    columns = [x, y, *given]
    part = table[:, columns]
    part = part[np.isfinite(part).all(1)]
    freedom = len(part) - len(given) - 2
    if freedom < least:
        return float("nan"), float("nan"), float("nan"), len(part)
    part = part - part.mean(0)
    scale = part.std(0)
    part = part / np.where(scale > 0, scale, 1.0)
    wide = part[:, 2:]
    left = part[:, :2]
    if len(given):
        left = left - wide @ np.linalg.lstsq(wide, left, rcond=None)[0]
    a, b = float((left[:, 0] ** 2).sum()), float((left[:, 1] ** 2).sum())
    if min(a, b) < 1e-10 * len(part):
        return 0.0, 0.0, 1.0, len(part)
    covariance = float(left[:, 0] @ left[:, 1])
    r = float(np.clip(covariance / np.sqrt(a * b), -1 + 1e-15, 1 - 1e-15))
    t = r * np.sqrt(freedom / (1 - r * r))
    return covariance / a, t, float(2 * stdtr(freedom, -abs(t))), len(part)
