"""Independence of two variables with levels within strata, also where most cells are empty."""

import numpy as np
from jaxtyping import Integer
from scipy import stats

__all__ = ["stratified_test"]


def stratified_test(
    stratum: Integer[np.ndarray, " rows"],
    x: Integer[np.ndarray, " rows"],
    y: Integer[np.ndarray, " rows"],
) -> tuple[float, float]:
    r"""Pearson's X² of x and y, summed over strata, and its p-value.

    X² = Σ_s n_s (Σ_ij N_ij² / (a_i b_j) − 1), with a and b the margins of a stratum. Given the
    margins, a stratum with r and c levels present has exactly

        E X² = n (r−1)(c−1)/(n−1),
        Var X² = 2n/(n−3) (v_r − w_r)(v_c − w_c) + n²/(n−1) w_r w_c,
        v_r = (r−1)(n−r)/(n−1),   w_r = (n Σ_i 1/a_i − r²)/(n−2)

    (Haldane 1940; Lewis, Saunders and Westcott 1984). A gamma distribution with the summed moments
    gives the p-value: χ² where all cells are filled, and still right where few are, which the usual
    degrees of freedom are not. Strata of fewer than four rows say nothing.

    >>> x = np.array([0, 0, 1, 1] * 25)
    >>> stratified_test(np.zeros(100, int), x, np.array([0, 1, 0, 1] * 25))
    (0.0, 1.0)
    >>> stratified_test(np.zeros(100, int), x, x)[1] < 1e-9
    True
    """
    levels = int(x.max(initial=0)) + 1, int(y.max(initial=0)) + 1
    _, stratum = np.unique(stratum, return_inverse=True)
    rows = np.bincount(stratum).astype(float)
    sides = [_margins(stratum, v, m) for v, m in zip((x, y), levels, strict=True)]
    (cell_x, a), (cell_y, b) = sides
    _, first, count = np.unique(cell_x * len(b) + cell_y, return_index=True, return_counts=True)
    share = count.astype(float) ** 2 / (a[cell_x[first]] * b[cell_y[first]])
    spread = np.bincount(stratum[first], share, minlength=len(rows)) - 1
    present = [_present(stratum, cell, margin, rows) for cell, margin in sides]
    (r, v_r, w_r), (c, v_c, w_c) = present
    use = (rows > 3) & (r > 1) & (c > 1)
    if not use.any():
        return 0.0, 1.0
    n = np.where(use, rows, 4.0)
    mean = n * (r - 1) * (c - 1) / (n - 1)
    variance = 2 * n / (n - 3) * (v_r - w_r) * (v_c - w_c) + n**2 / (n - 1) * w_r * w_c
    statistic, mean, variance = (
        float(part[use].sum()) for part in (n * spread, mean, np.maximum(variance, 0))
    )
    if variance <= 1e-9 * mean:
        return max(statistic, 0.0), 1.0
    p_value = stats.gamma.sf(statistic, mean**2 / variance, scale=variance / mean)
    return max(statistic, 0.0), float(p_value)


def _margins(stratum: np.ndarray, values: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Each row's level within its stratum, numbered, and how many rows have it."""
    joint = stratum * levels + values
    _, cell, count = np.unique(joint, return_inverse=True, return_counts=True)
    return cell, count.astype(float)


def _present(
    stratum: np.ndarray, cell: np.ndarray, margin: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels present in each stratum, and v and w of ``stratified_test``."""
    home = np.zeros(len(margin), np.int64)
    home[cell] = stratum
    r = np.bincount(home, minlength=len(rows)).astype(float)
    inverse = np.bincount(home, 1 / margin, minlength=len(rows))
    n = np.maximum(rows, 4.0)
    return r, (r - 1) * (n - r) / (n - 1), (n * inverse - r**2) / (n - 2)
