"""How far a frequency may lie from its probability."""

import numpy as np
from jaxtyping import Float
from scipy.stats import beta

__all__ = ["clopper_pearson"]


def clopper_pearson(
    successes: Float[np.ndarray, "*cells"], trials: Float[np.ndarray, "*cells"], error: float
) -> tuple[Float[np.ndarray, "*cells"], Float[np.ndarray, "*cells"]]:
    """Exact limits of probabilities: each interval misses with chance at most ``error``.

        lower = B⁻¹(ε/2; k, n − k + 1),   upper = B⁻¹(1 − ε/2; k + 1, n − k)

    with B⁻¹ the quantile of the beta distribution (Clopper & Pearson 1934). Without trials the
    limits are 0 and 1.

    >>> low, high = clopper_pearson(np.array([0.0]), np.array([10.0]), 0.05)
    >>> float(low[0]), round(float(high[0]), 3)
    (0.0, 0.308)
    """
    k, n = np.asarray(successes, float), np.asarray(trials, float)
    none, every = k <= 0, k >= n
    low = beta.ppf(error / 2, np.where(none, 1.0, k), np.where(none, 1.0, n - k + 1))
    high = beta.ppf(1 - error / 2, np.where(every, 1.0, k + 1), np.where(every, 1.0, n - k))
    return np.where(none, 0.0, low), np.where(every, 1.0, high)
