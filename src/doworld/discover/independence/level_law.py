"""The law of a column of levels given terms: a logistic regression."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from doworld.discover.independence.law import Split
from doworld.discover.independence.ridge import Ridge

__all__ = ["LevelLaw"]

STEPS = 25
SETTLED = 1e-3


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
        base = np.log(np.bincount(y, minlength=levels) + 0.5)[:, None]
        inner, outer = (np.repeat(base, len(rows), 1) for rows in (y, split.held))
        inner, outer = _logits(y, inner, outer, split.small)
        at = self.codes[split.held], np.arange(len(split.held))
        first = outer[at]
        _, outer = _logits(y, inner, outer, split.large)
        return outer[at] - first


def _logits(
    y: np.ndarray, inner: np.ndarray, outer: np.ndarray, ridge: Ridge
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised log-probabilities of training and held-out rows once terms are added."""
    start = _normal(inner)
    seen = np.eye(len(inner))[:, y]
    error = seen - np.exp(start)
    share = np.exp(start).mean(1)
    information = max(float((share * (1 - share)).max()), 1e-3)
    shrink = ridge.shrinkage(error.T)
    # a least-squares fit under λ is a logistic one under λ times the information p(1 − p)
    odds = shrink / np.maximum(1 - shrink, 1e-12)
    step = odds / (odds + 2 * information)
    level, weights = np.zeros((len(inner), 1)), np.zeros((len(inner), len(shrink)))
    now = start
    for _ in range(STEPS):
        before = now
        level = level + 2 * error.mean(1, keepdims=True)
        weights = step * (2 * error @ ridge.basis + weights)
        now = _normal(start + level + weights @ ridge.basis.T)
        error = seen - np.exp(now)
        if np.abs(now - before).max() < SETTLED:
            break
    return now, _normal(outer + level + weights @ ridge.beyond.T)


def _normal(logits: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities that sum to 1 over the first axis."""
    down = logits - logits.max(0)
    return down - np.log(np.exp(down).sum(0))
