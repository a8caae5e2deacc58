"""Means given what was seen, each from the other groups of episodes."""

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["ridge_means", "stratum_means"]

PENALTY = 1e-2
FEATURES = 60


def stratum_means(
    code: Int[np.ndarray, " n"], values: Float[np.ndarray, "n k"], fold: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, " n"]]:
    """E[values | code] from the other folds, and from how many rows."""
    size, folds = int(code.max()) + 1, int(fold.max()) + 1
    cell = fold * size + code
    count = np.bincount(cell, minlength=folds * size).reshape(folds, size)
    others = (count.sum(0) - count)[fold, code]
    out = np.zeros(values.shape)
    for k in range(values.shape[1]):
        total = np.bincount(cell, weights=values[:, k], minlength=folds * size)
        total = total.reshape(folds, size)
        out[:, k] = (total.sum(0) - total)[fold, code] / np.maximum(others, 1)
    return out, others.astype(np.int64)


def ridge_means(
    seen: Float[np.ndarray, "n s"], values: Float[np.ndarray, "n k"], fold: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k"], Bool[np.ndarray, " n"]]:
    """E[values | seen] from the other folds, by ridge on a smooth basis; and where it is told.

    The basis holds the columns, their squares and products, and cosines of random directions
    (Rahimi & Recht 2007).
    """
    spread = seen.std(0)
    z = (seen - seen.mean(0)) / np.where(spread > 0, spread, 1.0)
    z = np.clip(z, -4, 4)
    rng = np.random.default_rng(0)
    width = np.sqrt(max(z.shape[1], 1))
    waves = np.cos(
        z @ rng.normal(size=(z.shape[1], FEATURES)) / width + rng.uniform(0, 2 * np.pi, FEATURES)
    )
    parts = [np.ones((len(z), 1)), z, z**2, waves]
    if z.shape[1] <= 10:
        i, j = np.triu_indices(z.shape[1], 1)
        parts.append(z[:, i] * z[:, j])
    basis = np.concatenate(parts, 1)
    out = np.zeros(values.shape)
    for k in range(int(fold.max()) + 1):
        mine = fold == k
        a, b = basis[~mine], values[~mine]
        gram = a.T @ a + PENALTY * len(a) * 1e-2 * np.eye(a.shape[1])
        out[mine] = basis[mine] @ np.linalg.solve(gram, a.T @ b)
    return out, np.ones(len(z), bool)
