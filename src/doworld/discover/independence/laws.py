"""Laws of a column given terms, learned from some rows and judged by others."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln

from doworld.discover.independence.ridge import Ridge
from doworld.discover.independence.scores import FREEDOM

__all__ = ["Law", "LevelLaw", "NumberLaw", "Split"]

SCALE_STEPS = 8
LEVEL_STEPS = 25
FARTHEST = 2.0
"""The logarithm of a scale given its causes lies within this of its mean."""
FINEST = 1e-4
"""What is left of a column counts as at least this share of it: rounding is no noise."""
NORMALISER = float(
    gammaln((FREEDOM + 1) / 2) - gammaln(FREEDOM / 2) - 0.5 * np.log(FREEDOM * np.pi)
)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to learn from and rows held out, as positions, and their terms.

    Attributes:
        train: positions.
        held: positions.
        small: the terms of the smaller law.
        large: the terms of the larger.
    """

    train: Int[np.ndarray, " rows"]
    held: Int[np.ndarray, " held"]
    small: Ridge
    large: Ridge


@runtime_checkable
class Law(Protocol):
    """How a column is distributed given terms."""

    def gain(self, split: Split) -> Float[np.ndarray, " held"]:
        """By how much the larger terms raise the log-likelihood of held-out rows."""
        ...


@dataclass(frozen=True, eq=False)
class NumberLaw:
    r"""y = μ(v) + σ(v) ε with ε of Student's law of ν = 5 degrees of freedom.

    μ is the ridge regression of y and log σ that of Fisher's scoring,

        log σ ← log σ + I⁻¹ f(λ)[s₂],   s₂ = (ν + 1) ε² / (ν + ε²) − 1,   I = 2ν / (ν + 3),

    whose information I is the same in every row, so one decomposition serves all steps. The law of
    the larger terms is learned from what the smaller leave, (y − μ̂)/σ̂, so that nested laws differ
    only by what the new terms add.

    Attributes:
        values: one number a row.
    """

    values: Float[np.ndarray, " all_rows"]

    def gain(self, split: Split) -> np.ndarray:
        """See ``Law``."""
        y = self.values
        inner, outer, _ = _standard(y[split.train], y[split.held], split.small)
        first = _density(outer)
        _, outer, more = _standard(inner, outer, split.large)
        return _density(outer) - more - first


def _standard(
    y: np.ndarray, beyond: np.ndarray, ridge: Ridge
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training and held-out rows of (y − μ)/σ, and log σ of the latter."""
    shrink = ridge.shrinkage(y[:, None])
    weights = shrink * (ridge.basis.T @ y)
    e = y - y.mean() - ridge.basis @ weights
    out = beyond - y.mean() - ridge.beyond @ weights
    floor = np.log(max(FINEST * float(y.std()), 1e-300))
    level = max(0.5 * np.log(max(float((e**2).mean()), 1e-300)), floor)
    log_scale, slope, shrunk = np.full(len(e), level), np.zeros_like(weights), None
    information = 2 * FREEDOM / (FREEDOM + 3)
    for _ in range(SCALE_STEPS):
        square = e**2 * np.exp(-2 * log_scale)
        score = ((FREEDOM + 1) * square / (FREEDOM + square) - 1) / information
        working = score + ridge.basis @ slope
        if shrunk is None:
            shrunk = ridge.shrinkage(working[:, None])
        level = max(level + float(score.mean()), floor)
        slope = shrunk * (ridge.basis.T @ working)
        log_scale = level + np.clip(ridge.basis @ slope, -FARTHEST, FARTHEST)
    size = level + np.clip(ridge.beyond @ slope, -FARTHEST, FARTHEST)
    return e * np.exp(-log_scale), out * np.exp(-size), size


def _density(e: np.ndarray) -> np.ndarray:
    return NORMALISER - (FREEDOM + 1) / 2 * np.log1p(e**2 / FREEDOM)


@dataclass(frozen=True, eq=False)
class LevelLaw:
    r"""P(y = k) ∝ exp(η_k(v)), a multinomial logistic regression with a ridge.

    The Hessian is at least −½ (I − 11ᵀ/L) ⊗ VᵀV whatever the probabilities, so steps of

        η ← η + 2 f(λ)[1(y = k) − p_k]

    never lower the likelihood (Böhning 1992) and need one decomposition. Levels as terms make it a
    smoothed conditional table.

    Attributes:
        codes: the level of each row, 0…L − 1.
    """

    codes: Int[np.ndarray, " all_rows"]

    def gain(self, split: Split) -> np.ndarray:
        """See ``Law``."""
        levels = int(self.codes.max()) + 1
        y = self.codes[split.train]
        # a level that no training row holds still has a probability
        base = np.log(np.bincount(y, minlength=levels) + 0.5)
        inner = np.tile(base, (len(y), 1))
        outer = np.tile(base, (len(split.held), 1))
        inner, outer = _logits(y, inner, outer, split.small)
        at = np.arange(len(outer)), self.codes[split.held]
        first = outer[at]
        _, outer = _logits(y, inner, outer, split.large)
        return outer[at] - first


def _logits(
    y: np.ndarray, inner: np.ndarray, outer: np.ndarray, ridge: Ridge
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised log-probabilities of training and held-out rows once terms are added."""
    start = _normal(inner)
    seen = np.eye(inner.shape[1])[y]
    error = seen - np.exp(start)
    share = np.exp(start).mean(0)
    information = max(float((share * (1 - share)).max()), 1e-3)
    shrink = ridge.shrinkage(error)
    # a least-squares fit under λ is a logistic one under λ times the information p(1 − p)
    odds = shrink / np.maximum(1 - shrink, 1e-12)
    step = odds / (odds + 2 * information)
    level, weights = np.zeros(inner.shape[1]), np.zeros((len(shrink), inner.shape[1]))
    now = start
    for _ in range(LEVEL_STEPS):
        error = seen - np.exp(now)
        level = level + 2 * error.mean(0)
        weights = step[:, None] * (2 * (ridge.basis.T @ error) + weights)
        now = _normal(start + level + ridge.basis @ weights)
    return now, _normal(outer + level + ridge.beyond @ weights)


def _normal(logits: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities that sum to 1."""
    down = logits - logits.max(1, keepdims=True)
    return down - np.log(np.exp(down).sum(1, keepdims=True))
