"""A screen for relations that a line does not do justice to."""

import numpy as np
from jaxtyping import Float
from scipy import stats

__all__ = ["bent"]

LEVEL = 0.001
"""Chance that a table of lines is taken for one with bends."""
LEAST = 0.03
"""Share of the variance that a line leaves which one bend must explain, to be worth it."""
ROWS_A_COLUMN = 4
FARTHEST = 3.0
MOST_CROSSED = 30
"""Variables up to which products of two are tried as well."""


def bent(values: Float[np.ndarray, "rows variables"]) -> bool:
    """Whether a bent transform of one variable explains what lines leave of another.

    Each variable is regressed on all others, by lines, and what is left is correlated with bent
    transforms of each other variable, and products of two, that are cleared of all lines too. The
    noise may differ from row to row (White 1980); Bonferroni over all transforms holds ``LEVEL``.
    In a linear Gaussian table what is left is independent of the others, so nothing is found.

    >>> rng = np.random.default_rng(0)
    >>> x, e = rng.standard_normal((2, 300))
    >>> bent(np.column_stack([x, x + e])), bent(np.column_stack([x, x**2 + e]))
    (False, True)
    """
    n, d = values.shape
    if d < 2 or n < ROWS_A_COLUMN * d:
        return False
    x = values - values.mean(0)
    x = x / x.std(0)
    whole = np.hstack([np.ones((n, 1)), x])
    curves = _curves(np.clip(x, -FARTHEST, FARTHEST))
    tests = sum(curve.shape[1] for curve, _ in curves) * d
    bar = stats.norm.isf(LEVEL / (2 * tests))
    for target in range(d):
        lines = np.delete(whole, target + 1, 1)
        q, _ = np.linalg.qr(lines)
        left = x[:, target] - q @ (q.T @ x[:, target])
        for curve, of in curves:
            some = curve[:, (of != target).all(1)]
            some = some - q @ (q.T @ some)
            size, cross = (some**2).sum(0), some.T @ left
            noise = np.sqrt((some**2).T @ left**2)
            live = size > 1e-6 * n
            share = cross[live] ** 2 / (size[live] * max(float(left @ left), 1e-300))
            found = np.abs(cross[live]) > bar * np.maximum(noise[live], 1e-300)
            if (found & (share >= LEAST)).any():
                return True
    return False


def _curves(x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tables of transforms, each with the one or two variables that every column is made of."""
    alone = np.arange(x.shape[1])[:, None]
    bends = [x**2, np.abs(x), x**3, np.sin(2 * x), np.cos(2 * x), x * np.exp(-(x**2))]
    out = [(bend, alone) for bend in bends]
    if x.shape[1] <= MOST_CROSSED:
        i, j = np.triu_indices(x.shape[1], 1)
        out.append((x[:, i] * x[:, j], np.column_stack([i, j])))
    return out
