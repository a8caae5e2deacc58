"""Whether the residuals of two sets of features are uncorrelated, whatever their noise."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from doworld.discover.independence.smoother import Residuals

__all__ = ["products", "tail", "weighted_products"]

STRAIGHT = 1e-3
"""Skewness below which a law counts as normal."""


def products(a: Residuals, b: Residuals) -> tuple[float, float, float]:
    r"""The statistic, p-value and effect of ‖Σ_i a_i b_iᵀ‖² for residuals given the same z.

    Under independence given z the products m_i = vec(a_i b_iᵀ) have mean 0 and independent signs
    would do as well as the ones they have: T* = ‖Σ_i ε_i m_i‖², ε_i = ±1 (the wild bootstrap; Wu
    1986). With H the matrix of m_iᵀm_j, its diagonal δ set to 0, T* has exactly

        κ₁ = Σ δ_i,   κ₂ = 2 tr H²,   κ₃ = 8 tr H³

    and the p-value is that of the gamma distribution with these three (Hall 1983; Buckley and
    Eagleson 1988, for the weighted sums of χ² that T tends to; Zhang et al. 2011). No draw is made.

    Smoothers that left (I − S_x)α and (I − S_y)β of noise α, β leave products of the variance
    tr (I − S_x)²(I − S_y)², but with squares of Σ_i [(I − S_x)²]_ii [(I − S_y)²]_ii: m is widened
    by their ratio, which is HC2's correction (MacKinnon and White 1985) where S is a projection.
    With one product alone t = Σ m_i / (Σ m_i²)^½ is read in Student's law.

    The effect is the root of the RV coefficient, ‖AᵀB‖² / (‖AᵀA‖ ‖BᵀB‖) (Escoufier 1973).
    """
    x, y = a.values, b.values
    cross = x.T @ y
    each = (x[:, :, None] * y[:, None, :] * _widening(a, b)).reshape(len(x), -1)
    total = float((cross**2).sum())
    norm = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    effect = float(np.sqrt(min(total / max(norm, 1e-300), 1.0)))
    return total / len(x), _p_value(total, each, a), effect


def weighted_products(
    a: Residuals,
    b: Residuals,
    pairs: Bool[np.ndarray, "outputs others"],
    weights: Float[np.ndarray, "rows weights"],
) -> float:
    """The p-value of Σ ‖Σ_i a_ik b_il w_i‖² over the pairs (k, l) that are asked for.

    ``weights`` are functions of z, so each product has mean 0 under independence given z, as in
    ``products``.
    """
    k, j = np.nonzero(pairs)
    each = a.values[:, k] * b.values[:, j]
    each = (each[:, :, None] * weights[:, None, :]).reshape(len(each), -1)
    total = float((each.sum(0) ** 2).sum())
    wide = np.repeat(_widening(a, b)[k, j], weights.shape[1])
    return _p_value(total, each * wide, a)


def _widening(a: Residuals, b: Residuals) -> Float[np.ndarray, "outputs others"]:
    left = len(a.values) - 1 - len(a.kept) + (a.kept**2).T @ b.kept**2
    return np.sqrt(np.maximum(left / (a.variance.T @ b.variance), 1e-6))


def _p_value(total: float, each: Float[np.ndarray, "rows products"], of: Residuals) -> float:
    if each.shape[1] == 1:
        t = np.sqrt(total) / max(float(np.linalg.norm(each)), 1e-300)
        return float(2 * stats.t.sf(t, max(len(each) - 1 - len(of.kept), 1)))
    return tail(total, *cumulants(each))


def cumulants(each: Float[np.ndarray, "rows products"]) -> tuple[float, float, float]:
    """The first three cumulants of ‖Σ_i ε_i m_i‖² over independent signs ε_i."""
    own = (each**2).sum(1)
    square = each.T @ each if each.shape[1] <= len(each) else each @ each.T
    through = (each @ square * each).sum(1) if each.shape[1] <= len(each) else (square**2).sum(1)
    twice = square @ square
    second = 2 * (float((square**2).sum()) - float((own**2).sum()))
    third = (
        float((twice * square).sum()) - 3 * float((own * through).sum()) + 2 * float((own**3).sum())
    )
    return float(own.sum()), max(second, 0.0), 8 * third


def tail(value: float, mean: float, second: float, third: float) -> float:
    """P(X ≥ value) of the shifted gamma distribution with these three cumulants.

    Below the mean no larger than that of the gamma distribution with the first two: the shifted one
    starts above values that T takes.

    >>> round(tail(3.841, 1.0, 2.0, 8.0), 3)
    0.05
    """
    if second <= 0:
        return 1.0
    z = (value - mean) / np.sqrt(second)
    shape = mean**2 / second
    body = float(stats.gamma.sf(value, shape, scale=second / mean))
    skew = third / second**1.5
    if skew < STRAIGHT:
        return float(stats.norm.sf(z))
    freedom = 8 / skew**2
    upper = float(stats.chi2.sf(freedom + z * np.sqrt(2 * freedom), freedom))
    return upper if z > 0 else min(upper, body)
