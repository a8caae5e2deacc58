"""The mean effect of one more unit of a dose, where the dose adds and the causes may bend."""

import numpy as np

from doworld.infer.effects.discrete import Estimate
from doworld.infer.effects.learners import Features, folds, ridge
from doworld.infer.effects.sample import Sample

__all__ = ["partially_linear"]

FOLDS = 5
ROWS_PER_SLOPE = 30
"""Rows for every column of X that the effect may vary with."""


def partially_linear(sample: Sample, *, seed: int) -> Estimate:
    r"""E[θ(X)] of Y = θ(X) A + g(X) + ε by cross-fitted residuals, θ linear in the columns of X.

    (θ̄, β) = argmin Σ (Ỹ − (θ̄ + βᵀ(X − X̄)) Ã)², Ã and Ỹ what regressions on X by other units leave
    of A and Y (Robinson 1988; Chernozhukov et al. 2018; θ(X) as by Nie and Wager 2021). One θ for
    all would be the mean effect weighted by how far the dose varies at each X. Where rows are too
    few for β it is one θ.
    """
    features = Features.of(sample.covariates)
    fold = folds(sample.unit, FOLDS, np.random.default_rng([seed, 5]))
    rest = np.zeros((2, len(sample)))
    for k in range(FOLDS):
        held, train = fold == k, fold != k
        for row, values in zip(rest, (sample.treatment, sample.outcome), strict=True):
            row[held] = values[held] - ridge(
                features.table[train], values[train], features.table[held]
            )
    a, y = rest
    x = features.plain
    if len(a) < ROWS_PER_SLOPE * x.shape[1]:
        x = x[:, :0]
    table = a[:, None] * np.column_stack([np.ones(len(a)), x])
    inverse = np.linalg.pinv(table.T @ table)
    weights = inverse @ table.T @ y
    at = np.unique(sample.unit, return_inverse=True)[1]
    total = np.zeros((at.max() + 1, table.shape[1]))
    # a row counts by its own residual, and as one of the rows that θ is averaged over
    np.add.at(total, at, table * (y - table @ weights)[:, None] @ inverse)
    whole = total[:, 0] + np.bincount(at, weights=x @ weights[1:]) / len(a)
    error = np.sqrt((whole**2).sum() * len(total) / max(len(total) - 1, 1))
    return Estimate(float(weights[0]), float(error))
