"""The law of a number given terms: location, scale and the shape of the noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss, legvander
from scipy.special import gammaln, stdtr

from doworld.discover.independence.law import Split
from doworld.discover.independence.ridge import Ridge
from doworld.discover.independence.scores import FREEDOM

__all__ = ["FINEST", "NumberLaw"]

STEPS = 8
SETTLED = 1e-2
FARTHEST = 2.0
"""The logarithm of a scale given its causes lies within this of its mean."""
FINEST = 1e-4
"""What is left of a number counts as at least this share of it: rounding is no noise."""
BUMPS = 8
"""Degree of the polynomial that corrects the noise's density, and the least that it may be."""
THINNEST = 0.05
AT, SHARE = leggauss(64)
NODES = legvander(AT, BUMPS)[:, 1:]
NORMALISER = float(
    gammaln((FREEDOM + 1) / 2) - gammaln(FREEDOM / 2) - 0.5 * np.log(FREEDOM * np.pi)
)


@dataclass(frozen=True, eq=False)
class NumberLaw:
    r"""y = μ(v) + σ(v) ε with ε near Student's law of ν = 5 degrees of freedom, of density t_ν c.

    μ is the ridge regression of y and log σ that of Fisher's scoring,

        log σ ← log σ + I⁻¹ f(λ)[s₂],   s₂ = (ν + 1) ε² / (ν + ε²) − 1,   I = 2ν / (ν + 3),

    whose information I is the same in every row, so one decomposition serves all steps. The shape
    is c = 1 + Σ_k a_k √(2k + 1) P_k(2F(ε) − 1), k ≤ 8, each a_k the training rows' mean, shrunk as
    far as it may be chance: without it a noise that x sets, mixed, would be charged to the smaller
    law as a wrong shape and so credited to x. The law of the larger terms is learned from what the
    smaller leave, (y − μ̂)/σ̂, so nested laws differ only by what the new terms add.

    Attributes:
        values: one number a row.
    """

    values: Float[np.ndarray, " all_rows"]

    def gain(self, split: Split) -> np.ndarray:
        """See ``Law``."""
        y = self.values
        floor = float(np.log(max(FINEST * float(y[split.train].std()), 1e-300)))
        small = _fit(y[split.train], y[split.held], split.small, floor)
        large = _fit(small.inner, small.outer, split.large, floor - small.level)
        return large.density - large.size - small.density


@dataclass(frozen=True, eq=False)
class _Fit:
    """(y − μ)/σ in the rows learned from and held out; the latter's log σ; the mean of log σ."""

    inner: Float[np.ndarray, " rows"]
    outer: Float[np.ndarray, " held"]
    size: Float[np.ndarray, " held"]
    level: float
    exact: bool

    @property
    def density(self) -> Float[np.ndarray, " held"]:
        """log density of the held-out rows of (y − μ)/σ."""
        student = NORMALISER - (FREEDOM + 1) / 2 * np.log1p(self.outer**2 / FREEDOM)
        return student if self.exact else student + _shape(self.inner, self.outer)


def _fit(y: np.ndarray, beyond: np.ndarray, ridge: Ridge, floor: float) -> _Fit:
    shrink = ridge.shrinkage(y[:, None])
    weights = shrink * (ridge.basis.T @ y)
    e = y - y.mean() - ridge.basis @ weights
    out = beyond - y.mean() - ridge.beyond @ weights
    level = max(0.5 * float(np.log(max(float((e**2).mean()), 1e-300))), floor)
    log_scale, slope, shrunk = np.full(len(e), level), np.zeros_like(weights), None
    information = 2 * FREEDOM / (FREEDOM + 3)
    for _ in range(STEPS):
        square = e**2 * np.exp(-2 * log_scale)
        score = ((FREEDOM + 1) * square / (FREEDOM + square) - 1) / information
        working = score + ridge.basis @ slope
        if shrunk is None:
            shrunk = ridge.shrinkage(working[:, None])
        level = max(level + float(score.mean()), floor)
        slope = shrunk * (ridge.basis.T @ working)
        before = log_scale
        log_scale = level + np.clip(ridge.basis @ slope, -FARTHEST, FARTHEST)
        if np.abs(log_scale - before).max() < SETTLED:
            break
    size = level + np.clip(ridge.beyond @ slope, -FARTHEST, FARTHEST)
    return _Fit(e * np.exp(-log_scale), out * np.exp(-size), size, level, bool(level <= floor))


def _shape(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """log c of held-out noise, learned from the rest (Neyman's smooth densities, 1937)."""
    root = np.sqrt(2 * np.arange(1, BUMPS + 1) + 1)
    seen = legvander(2 * stdtr(FREEDOM, inner) - 1, BUMPS)[:, 1:] * root
    mean = seen.mean(0)
    chance = seen.var(0) / len(seen)
    mean = mean * np.maximum(1 - chance / np.maximum(mean**2, 1e-300), 0.0)
    whole = np.maximum(1 + NODES @ (root * mean), THINNEST) @ SHARE / 2
    u = legvander(2 * stdtr(FREEDOM, outer) - 1, BUMPS)[:, 1:]
    return np.log(np.maximum(1 + u @ (root * mean), THINNEST) / whole)
