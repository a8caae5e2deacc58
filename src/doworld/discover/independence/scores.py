"""What a location–scale law given z leaves of a column, as the scores of a richer law."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from numpy.polynomial.legendre import legvander
from scipy.special import stdtr

from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.smoother import Residuals, Smoother

__all__ = ["FREEDOM", "Part", "Scores", "scores"]

FREEDOM = 5.0
"""Student's degrees of freedom: tails that no single row rules, and near a normal law's middle."""
FARTHEST = 3.0
"""The scale given z may differ from its mean by this much in the logarithm of its square."""
TERMS = (2, 3, 4, 5)
"""Degrees of the terms: the score of the mean holds the first."""
DETERMINED = 1e-4
"""Share of a number's standard deviation below which what z leaves of it is rounding."""
LEAST = 0.05
"""Share of the variance below which a squared residual counts as this share."""


class Part(IntEnum):
    """What a score would move in a law: its mean or a logit, its spread; or a term of the value."""

    SHIFT = 1
    SPREAD = 2
    TERM = 3


@dataclass(frozen=True, eq=False)
class Scores:
    """Functions of a column that have mean 0 given z where z's law of it holds.

    Attributes:
        left: their values less what z still explains of them.
        part: the ``Part`` of each.
    """

    left: Residuals
    part: Int[np.ndarray, " scores"]


def scores(columns: Columns, column: int, rows: Rows, smoother: Smoother) -> Scores:
    r"""The scores of a column at its law given z, which ``smoother`` regresses on.

    A level has 1(x = k) − p̂_k(z), the scores of its logits, and so has a number of two values.
    Another number has ε = (x − μ̂(z))/σ̂(z), with μ̂ and log σ̂² by regression (the latter of the
    logarithms of squared residuals; Harvey 1976), and with Student's law of ν degrees of freedom
    the scores of the mean and of log σ,

        s₁ = (ν + 1) ε / (ν + ε²),   s₂ = (ν + 1) ε² / (ν + ε²) − 1,

    both bounded. Its terms, which another's mean may have, are Legendre polynomials
    P_k(2F(x) − 1), k = 2…5, of its place in that law, less what z explains of them. All have
    variance 1, and what z explains of s₁ and s₂ is taken out once more, so a law that is wrong in
    shape costs power but not validity. A number that z determines has none.
    """
    if columns.has_levels(column):
        left = smoother.residuals(columns.indicators(column, rows))
        return Scores(left, np.full(left.values.shape[1], Part.SHIFT))
    x = columns.scaled(column, rows)
    if len(np.unique(x)) == 2:
        return Scores(smoother.residuals(x[:, None]), np.array([Part.SHIFT]))
    mean = smoother.residuals(x[:, None])
    residual = mean.values[:, 0]
    square = residual**2 + LEAST * residual.var()
    spread = smoother.residuals(np.log(np.maximum(square, 1e-300))[:, None])
    fit = np.log(np.maximum(square, 1e-300)) - spread.values[:, 0]
    fit = np.clip(fit - fit.mean(), -FARTHEST, FARTHEST)
    values = np.hstack([_student(residual / np.exp(fit / 2)), _terms(x)])
    values = values - values.mean(0)
    size = values.std(0)
    shown = (size > 1e-6) & (residual.std() > DETERMINED)
    left = smoother.residuals(values[:, shown] / size[shown])
    # what the first regressions took is gone from the scores, too
    lost = np.hstack([mean.kept, spread.kept, np.ones((len(mean.kept), len(TERMS)))])
    part = np.array([Part.SHIFT, Part.SPREAD] + [Part.TERM] * len(TERMS))
    return Scores(Residuals(left.values, left.kept * lost[:, shown], smoother), part[shown])


def _student(residual: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows 2"]:
    e = residual / max(float(np.sqrt((residual**2).mean())), 1e-300)
    weight = (FREEDOM + 1) / (FREEDOM + e**2)
    return np.column_stack([weight * e, weight * e**2 - 1])


def _terms(x: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows terms"]:
    return legvander(2 * stdtr(FREEDOM, x) - 1, max(TERMS))[:, TERMS]
