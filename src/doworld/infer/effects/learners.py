"""Regressions that effects are computed with: features, ridge, logistic; fitted here, asked there.

A learner takes the training rows and the rows asked about, and gives only predictions: that is all
that cross-fitting needs, and nothing fitted survives it.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from doworld.discover.independence.ridge import Ridge

__all__ = ["Features", "folds", "logistic", "odds", "ridge"]

KNOTS = (0.01, 0.35, 0.65, 0.99)
"""Quantiles at which a number's curve may bend."""
FEWEST_VALUES = 8
"""Different values below which a number gets no curve."""
ROWS_PER_TERM = 15
"""Rows for every product of two columns; with fewer rows there are no products."""
PENALTIES = np.array([1e-4, 1e-2, 1e-1, 1.0, 10.0, 100.0])
"""Ridge penalties of logistic regression on standardised columns, in rows."""
STEPS = 25


@dataclass(frozen=True, eq=False)
class Features:
    """Columns as regressions read them.

    Attributes:
        plain: standardised columns, one each.
        table: the same, with the curves of numbers and, where rows allow, products of columns.
    """

    plain: Float[np.ndarray, "rows columns"]
    table: Float[np.ndarray, "rows terms"]

    @classmethod
    def of(cls, columns: Float[np.ndarray, "rows columns"]) -> "Features":
        """Curves are natural cubic splines with knots at quantiles (Hastie et al. 2009, 5.2.1).

        >>> Features.of(np.linspace(0, 1, 100)[:, None]).table.shape
        (100, 4)
        """
        plain = _standard(columns)
        plain = plain[:, plain.std(0) > 0]
        curves = [c for i in range(plain.shape[1]) for c in _curve(plain[:, i])]
        pairs = list(combinations(range(plain.shape[1]), 2))
        if len(plain) < ROWS_PER_TERM * (len(pairs) + len(curves) + plain.shape[1]):
            pairs = []
        products = [plain[:, i] * plain[:, j] for i, j in pairs]
        table = np.column_stack([plain, *curves, *products])
        table = _standard(table)
        return cls(plain, table[:, table.std(0) > 0])

    def with_treatment(self, basis: Float[np.ndarray, "rows k"]) -> Float[np.ndarray, "rows terms"]:
        """The table beside a basis of the treatment and its products with the columns."""
        inner = [basis[:, [k]] * self.plain for k in range(min(basis.shape[1], 1))]
        return np.column_stack([basis, self.table, *inner])


def _standard(columns: np.ndarray) -> np.ndarray:
    spread = columns.std(0)
    real = spread > 1e-9 * np.maximum(np.abs(columns).max(0, initial=0.0), 1e-30)
    return np.where(real, (columns - columns.mean(0)) / np.where(real, spread, 1.0), 0.0)


def _curve(column: np.ndarray) -> list[np.ndarray]:
    """The square, and the bent terms of a natural cubic spline, beside the straight one."""
    if len(np.unique(column)) < FEWEST_VALUES:
        return []
    knots = np.unique(np.quantile(column, KNOTS))
    if len(knots) < 3:
        return []
    last, before = knots[-1], knots[-2]

    def part(k: float) -> np.ndarray:
        cube = np.maximum(column - k, 0) ** 3 - np.maximum(column - last, 0) ** 3
        return cube / (last - k)

    end = part(before)
    return [column**2, *(part(k) - end for k in knots[:-2])]


def folds(unit: Int[np.ndarray, " rows"], count: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of every row; rows of one unit share it.

    >>> f = folds(np.array([0, 0, 1, 1, 2, 2]), 3, np.random.default_rng(0))
    >>> bool((f[::2] == f[1::2]).all()), sorted(set(f.tolist()))
    (True, [0, 1, 2])
    """
    numbers, at = np.unique(unit, return_inverse=True)
    return rng.permutation(np.arange(len(numbers)) % count)[at]


def ridge(
    train: Float[np.ndarray, "rows terms"],
    target: Float[np.ndarray, " rows"],
    asked: Float[np.ndarray, "asked terms"],
) -> Float[np.ndarray, " asked"]:
    """Predictions of a ridge regression at the penalty that predicts left-out rows best.

    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> bool(np.allclose(ridge(x, 3 * x[:, 0] + 1, np.array([[0.5]])), 2.5, atol=1e-3))
    True
    """
    mean = float(target.mean())
    if train.shape[1] == 0 or len(target) < 4:
        return np.full(len(asked), mean)
    fit = Ridge.of(train, asked)
    if not fit.basis.shape[1]:
        return np.full(len(asked), mean)
    weights = fit.shrinkage(target[:, None]) * (fit.basis.T @ (target - mean))
    return mean + fit.beyond @ weights


def logistic(
    train: Float[np.ndarray, "rows terms"],
    target: Bool[np.ndarray, " rows"],
    asked: Float[np.ndarray, "asked terms"],
) -> Float[np.ndarray, " asked"]:
    r"""Probabilities of a ridge-penalised logistic regression, penalty by Akaike's criterion.

        max_β Σ_i log p(t_i | x_i'β) − λ/2 |β|²,  AIC(λ) = −2 log-likelihood + 2 tr[(H + λI)⁻¹ H]

    with H the Hessian and a constant that is not penalised (Gray 1992 for the degrees of freedom).

    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> bool(logistic(x, x[:, 0] > 0.2, np.array([[3.0]]))[0] > 0.9)
    True
    """
    y = target.astype(float)
    share = float(y.mean())
    if share in (0.0, 1.0) or train.shape[1] == 0:
        return np.full(len(asked), share)
    inner = np.column_stack([np.ones(len(train)), train])
    beta = np.zeros(inner.shape[1])
    beta[0] = np.log(share / (1 - share))
    best, chosen = np.inf, beta
    for penalty in PENALTIES[::-1]:  # from the stiffest, each the start of the next
        beta, criterion = _newton(inner, y, beta, penalty)
        if criterion > best + 10:
            break
        if criterion < best:
            best, chosen = criterion, beta
    return expit(chosen[0] + asked @ chosen[1:])


def _newton(
    inner: np.ndarray, y: np.ndarray, beta: np.ndarray, penalty: float
) -> tuple[np.ndarray, float]:
    ridge_of = np.full(inner.shape[1], penalty)
    ridge_of[0] = 1e-9
    value = _loss(inner, y, beta, ridge_of)
    for _ in range(STEPS):
        p = expit(inner @ beta)
        hessian = (inner * (p * (1 - p))[:, None]).T @ inner
        step = np.linalg.solve(
            hessian + np.diag(ridge_of + 1e-9),
            inner.T @ (y - p) - ridge_of * beta,
        )
        size = 1.0
        while (new := _loss(inner, y, beta + size * step, ridge_of)) > value and size > 1e-3:
            size /= 2
        if size <= 1e-3:
            break
        beta, gain, value = beta + size * step, value - new, new
        if gain < 1e-6 * (1 + abs(value)):
            break
    p = expit(inner @ beta)
    hessian = (inner * (p * (1 - p))[:, None]).T @ inner
    free = np.trace(np.linalg.solve(hessian + np.diag(ridge_of + 1e-9), hessian))
    fit = 2 * (value - 0.5 * float(ridge_of @ beta**2))
    return beta, float(fit + 2 * free)


def _loss(inner: np.ndarray, y: np.ndarray, beta: np.ndarray, ridge_of: np.ndarray) -> float:
    eta = inner @ beta
    return float(np.logaddexp(0, eta).sum() - y @ eta + 0.5 * ridge_of @ beta**2)


def odds(
    train: Float[np.ndarray, "rows terms"],
    target: Int[np.ndarray, " rows"],
    asked: Float[np.ndarray, "asked terms"],
    levels: int,
) -> Float[np.ndarray, "asked levels"]:
    """Probabilities of levels: each against the most frequent one (Begg and Gray 1984).

    >>> odds(np.zeros((4, 0)), np.array([0, 0, 0, 1]), np.zeros((1, 0)), 2).tolist()
    [[0.75, 0.25]]
    """
    counts = np.bincount(target, minlength=levels)
    base = int(counts.argmax())
    ratio = np.ones((len(asked), levels))
    for level in range(levels):
        if level == base:
            continue
        both = (target == base) | (target == level)
        p = logistic(train[both], target[both] == level, asked)
        ratio[:, level] = p / np.maximum(1 - p, 1e-12)
    return ratio / ratio.sum(1, keepdims=True)
