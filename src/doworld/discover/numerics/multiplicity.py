"""Benjamini–Hochberg: which of many tests to believe at a stated false-discovery rate."""

import numpy as np
from jaxtyping import Float

__all__ = ["benjamini_hochberg"]


def benjamini_hochberg(p_values: Float[np.ndarray, " tests"], rate: float) -> float:
    """The p-value up to which a test is a discovery when ``rate`` of these may be false.

    With the p-values sorted, p₍₁₎ ≤ … ≤ p₍ₘ₎, the cut is k·rate/m for the largest k with
    p₍ₖ₎ ≤ k·rate/m (Benjamini and Hochberg 1995), or rate/m where there is none. NaN stands for a
    test that was not made and does not count.

    >>> float(benjamini_hochberg(np.array([0.001, 0.009, 0.04, 0.8]), 0.05))
    0.025
    """
    p = np.sort(p_values[np.isfinite(p_values)])
    if not p.size:
        return 0.0
    passed = np.flatnonzero(p <= rate * np.arange(1, p.size + 1) / p.size)
    return rate * (int(passed[-1]) + 1 if passed.size else 1) / p.size
