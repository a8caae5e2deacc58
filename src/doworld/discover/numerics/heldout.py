"""Held-out predictions of nested least-squares models from sums shared by all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from scipy.linalg import cho_factor, cho_solve

from doworld.discover.numerics.units import Units

__all__ = ["HeldOut", "NestedTest", "nested_test"]

RIDGE = 1e-11
NOISE_FREE = 1e-3


class HeldOut:
    """Least squares on any subset of a table's columns, each fold predicted from the others.

    XᵀX and XᵀY are summed once a fold; a subset then costs one factorisation a fold.
    """

    def __init__(
        self,
        table: Float[np.ndarray, "rows terms"],
        outcomes: Float[np.ndarray, "rows outcomes"],
        units: Units,
    ) -> None:
        self.table, self.outcomes = table, outcomes
        self.rows = [np.flatnonzero(units.fold == k) for k in range(units.folds)]
        parts = [(table[r], outcomes[r]) for r in self.rows]
        squares = [x.T @ x for x, _ in parts]
        products = [x.T @ y for x, y in parts]
        self.squares = [sum(squares) - s for s in squares]
        self.products = [sum(products) - c for c in products]

    def predict(
        self, terms: Int[np.ndarray, " terms"], which: slice | list[int] = slice(None)
    ) -> Float[np.ndarray, "rows outcomes"]:
        """Predictions of the outcomes ``which`` from ``terms``, each row from the other folds."""
        out = np.empty_like(self.outcomes[:, which])
        for held, square, product in zip(self.rows, self.squares, self.products, strict=True):
            part = square[np.ix_(terms, terms)]
            part[np.diag_indices_from(part)] += RIDGE * np.trace(part) / len(part)
            factor = cho_factor(part, overwrite_a=True, check_finite=False)
            weights = cho_solve(factor, product[terms][:, which], check_finite=False)
            out[held] = self.table[np.ix_(held, terms)] @ weights
        return out

    def losses(
        self, models: Sequence[Int[np.ndarray, " _"]]
    ) -> Float[np.ndarray, "models outcomes"]:
        """The mean squared error of each model's predictions, all models predicted at once."""
        squares, products = np.stack(self.squares), np.stack(self.products)
        folds, _, width = products.shape
        weights = np.zeros((self.table.shape[1], len(models), folds, width))
        for k, terms in enumerate(models):
            part = squares[:, terms[:, None], terms]
            size = np.trace(part, axis1=1, axis2=2)[:, None, None]
            part += RIDGE * size / len(terms) * np.eye(len(terms))
            weights[terms, k] = np.linalg.solve(part, products[:, terms]).swapaxes(0, 1)
        total = np.zeros((len(models), width))
        for fold, held in enumerate(self.rows):
            of = weights[:, :, fold].reshape(len(weights), -1)
            said = (self.table[held] @ of).reshape(len(held), len(models), width)
            total += ((self.outcomes[held, None] - said) ** 2).sum(0)
        return total / len(self.outcomes)


@dataclass(frozen=True, eq=False)
class NestedTest:
    """Whether a model predicts better than a part of it.

    ``gain`` is the share of the smaller model's held-out loss that the larger one removes;
    ``influence`` each unit's contribution to ``score``.
    """

    score: float
    p_value: float
    gain: float
    influence: Float[np.ndarray, " units"]


def nested_test(
    outcome: Float[np.ndarray, "rows outcomes"],
    larger: Float[np.ndarray, "rows outcomes"],
    smaller: Float[np.ndarray, "rows outcomes"],
    units: Units,
    *,
    terms: int = 1,
    floor: float = 0.0,
    noise_free: bool = False,
) -> NestedTest:
    r"""One-sided test that the larger model's held-out predictions hold more than the smaller's.

    With e the smaller model's held-out error and d the difference of the two predictions, E[e·d]
    is 0 when the extra inputs are no causes, whatever d is, because d comes from other folds
    (the projected covariance measure; Lundborg, Kim, Shah and Samworth 2024). The sum over units
    is divided by the spread of the units' sums of ε·d, with ε the larger model's error: T. (The
    spread of e·d would hold the effect itself, and hide one that acts in bursts.) Unlike a
    difference of squared errors it does not pay for the larger model's variance, which makes it
    about twice as sharp.

    As every fold also trains the others' d, under no effect T is not normal but behaves as
    (c − q)/√c with c ~ χ² on the q = ``terms`` that the larger model adds; the p-value is that of
    c = ((T + √(T² + 4q))/2)², in Fisher's F because the spread itself comes from few units.

    In a noise-free system e ≈ d, the sums are heavy-tailed and few units dominate; there each
    unit's sum is also divided by its own spread, and the better of the two tests counts double.
    """
    # what does not vary but for rounding must not be divided by next to nothing
    rounding = (1e-12 * np.abs(outcome).max(0, initial=0.0)) ** 2
    scale = np.maximum(np.maximum(outcome.var(0), rounding), np.finfo(float).tiny)
    error = outcome - smaller
    product = (error * (larger - smaller) / scale).sum(1)
    sums = np.bincount(units.unit, product, units.count)
    freedom = max(units.count - 1, 1)
    score, share = _studentise(sums)
    p = float(stats.t.sf(score, freedom))
    if not noise_free:
        noise = ((outcome - larger) * (larger - smaller) / scale).sum(1)
        score, share = _studentise(sums, np.bincount(units.unit, noise, units.count))
        p = float(stats.t.sf(score, freedom))
        chi = ((score + np.sqrt(score**2 + 4 * terms)) / 2) ** 2
        p = max(p, float(stats.f.sf(chi / terms, terms, freedom)))
    else:
        spread = np.sqrt(np.bincount(units.unit, product**2, units.count))
        own = np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 0)
        other, other_share = _studentise(own)
        q = float(stats.t.sf(other, freedom))
        if q < p:
            score, share = other, other_share
        p = min(1.0, 2 * min(p, q))
    before = float((error**2 / scale).mean()) + floor
    after = float(((outcome - larger) ** 2 / scale).mean()) + floor
    normal = float(stats.norm.isf(np.clip(p, 1e-300, 1 - 1e-16)))
    ratio = normal / score if score else 1.0
    gain = 1 - after / before if before > 0 else 0.0
    return NestedTest(normal, p, gain, share * ratio)


def _studentise(sums: np.ndarray, noise: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """The total of the units' sums over its standard error, and each unit's part in it."""
    of = sums if noise is None else noise
    count = len(of)
    spread = np.sqrt(((of - of.mean()) ** 2).sum() * count / max(count - 1, 1))
    if spread <= 0:
        return 0.0, np.zeros_like(sums)
    return float(sums.sum() / spread), sums / spread
