"""Linear and polynomial mechanisms by least squares, degree chosen on held-out rows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.mechanisms import LinearBank, PolynomialBank, ensemble
from doworld.mechanisms.noise import fit_knots
from doworld.mechanisms.polynomial import monomials, place
from doworld.model.design import Design, Parents
from doworld.model.regression import (
    Regression,
    log_density,
    members_of,
    normal_equations,
    regression,
    ridge,
)

__all__ = ["Closed", "fit_closed", "fit_linear", "linear_bank", "polynomial_bank", "wiring"]

MOST_TERMS = 400
SMALLEST_SIGMA = 1e-7

CLEAR = 0.1
"""Unexplained share of the spread below which a polynomial needs 8 rows a coefficient, not 40."""

EXACT = 1e-3
"""Unexplained share of the spread at which a higher degree is not worth its cost."""


@dataclass(frozen=True, eq=False)
class Closed:
    """One target's closed-form fit.

    Attributes:
        degree: 1 is linear.
        risky: whether so few rows a coefficient would rather fit noise, and leave the data in
            rollouts.
        terms: products of inputs, see ``mechanisms.polynomial.monomials``.
        weight: per member, from training rows; in units of ``scale``.
        final: the same from all rows where the log is small, for use once families are chosen.
        scale: spread of the target (of its increments where residual), scaled units.
        sigma: held-out standard deviation of the error over ``scale``.
        knots: shape of the noise.
        log_likelihood: mean over held-out rows, scaled units.
        rmse: held-out, scaled units.
        low, high: range of the inputs, half a range wider on both sides.
    """

    degree: int
    risky: bool
    terms: Int[np.ndarray, "p d"]
    weight: Float[np.ndarray, "members p"]
    final: Float[np.ndarray, "members p"]
    scale: float
    sigma: float
    knots: Float[np.ndarray, " knots"]
    log_likelihood: float
    rmse: float
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]


def _products(inputs: np.ndarray, terms: np.ndarray) -> Float[np.ndarray, "rows p"]:
    factors = np.concatenate([np.ones((len(inputs), 1)), inputs], axis=1)
    out = np.ones((len(inputs), len(terms)))
    for d in range(terms.shape[1]):
        out *= factors[:, terms[:, d]]
    return out


def _fit_degree(data: Regression, degree: int) -> Closed | None:
    terms = monomials(data.inputs.shape[1], degree, most=data.powers)
    used = data.mask.any(0)
    inside = np.concatenate([[True], used])[terms].all(-1)
    terms = terms[inside]
    train, judge = data.train, data.judge
    if degree > 1 and len(terms) > min(MOST_TERMS, train.sum() / 8):
        return None
    products = _products(data.inputs, terms)
    gram = products[train].T @ products[train]
    moment = products[train].T @ data.target[train]
    best = None
    for amount in (1e-10, 1e-7, 1e-4, 1e-2):
        weight = normal_equations(gram, moment, amount)
        error = data.target[judge] - products[judge] @ weight
        rmse = float(np.sqrt(np.mean(error**2))) if len(error) else 1.0
        if best is None or rmse < 0.999 * best[0]:
            best = (rmse, amount, error)
    assert best is not None
    rmse, amount, error = best
    few = degree > 1 and train.sum() < 40 * len(terms)
    sigma = max(rmse, SMALLEST_SIGMA)
    reads = (terms[:, :, None] == np.arange(1, data.inputs.shape[1] + 1)).any(1)
    solve, every = ridge(amount), np.ones(len(train), bool)
    weights = members_of(data, products, reads, train, solve)
    final = members_of(data, products, reads, every, solve) if data.small else weights
    low, high = data.inputs.min(0, initial=0), data.inputs.max(0, initial=0)
    reach = 0.5 * (high - low)
    return Closed(
        degree=degree,
        risky=bool(few and rmse > CLEAR),
        terms=terms,
        weight=weights,
        final=final,
        scale=data.scale,
        sigma=sigma,
        knots=fit_knots(error / sigma),
        log_likelihood=log_density(error, sigma) - np.log(data.scale),
        rmse=rmse * data.scale,
        low=low - reach,
        high=high + reach,
    )


def fit_linear(design: Design, parents: Parents, i: int, *, seed: int) -> Closed:
    """Fits target number ``i`` linearly."""
    fitted = _fit_degree(regression(design, parents, i, seed), 1)
    assert fitted is not None
    return fitted


def fit_closed(design: Design, parents: Parents, i: int, *, seed: int) -> dict[int, Closed]:
    """Fits target number ``i`` with every degree that its rows can carry, up to 5; 1 always."""
    data = regression(design, parents, i, seed)
    out: dict[int, Closed] = {}
    for degree in range(1, 6):
        fitted = _fit_degree(data, degree)
        if fitted is None:
            break
        out[degree] = fitted
        worse = degree > 2 and fitted.rmse > 0.999 * out[degree - 1].rmse
        if worse or fitted.sigma <= EXACT:
            break
    return {degree: fitted for degree, fitted in out.items() if not fitted.risky}


def linear_bank(fits: list[Closed], parents: Parents) -> LinearBank:
    """The bank of the targets' linear fits, one row of ``parents`` a fit."""
    members, n, k = parents.mask.shape
    weight, bias = np.zeros((members, n, k)), np.zeros((members, n))
    for i, fit in enumerate(fits):
        for term, w in zip(fit.terms[:, 0], fit.weight.T, strict=True):
            if term:
                weight[:, i, term - 1] = w * fit.scale
            else:
                bias[:, i] = w * fit.scale
    sigma = np.array([fit.sigma * fit.scale for fit in fits])
    own = {"weight": weight, "bias": bias, **_arrays(members, sigma=sigma)}
    return ensemble(LinearBank, {**wiring(parents), **own})


def polynomial_bank(fits: list[Closed], parents: Parents) -> PolynomialBank:
    """The bank of the targets' polynomial fits, all written in the highest of their degrees."""
    members, _, k = parents.mask.shape
    degree = max(f.degree for f in fits)
    shared = _arrays(
        members,
        scale=np.array([f.scale for f in fits]),
        sigma=np.array([f.sigma for f in fits]),
        knots=np.array([f.knots for f in fits]),
        low=np.array([f.low[:k] for f in fits]),
        high=np.array([f.high[:k] for f in fits]),
    )
    placed = np.stack([place(f.terms, f.weight, k, degree) for f in fits], axis=1)
    leaves = {**wiring(parents), **shared, "coefficient": placed.astype(np.float32)}
    return ensemble(PolynomialBank, leaves)


def _arrays(members: int, **shared: np.ndarray) -> dict[str, np.ndarray]:
    return {
        name: np.broadcast_to(a.astype(np.float32), (members, *a.shape))
        for name, a in shared.items()
    }


def wiring(parents: Parents) -> dict:
    """Targets, columns, mask and residual with a leading member axis."""
    members = len(parents.mask)

    def repeat(a: np.ndarray) -> np.ndarray:
        return np.broadcast_to(a, (members, *a.shape))

    return {
        "targets": repeat(parents.targets),
        "columns": repeat(parents.columns),
        "mask": parents.mask.astype(np.float32),
        "residual": repeat(parents.residual),
    }
