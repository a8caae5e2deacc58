"""Linear and polynomial mechanisms by least squares, degree chosen on held-out rows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.mechanisms import LinearBank, PolynomialBank, ensemble
from doworld.mechanisms.noise import fit_knots
from doworld.mechanisms.polynomial import monomials, place
from doworld.model.design import Design, Parents

__all__ = ["Closed", "fit_closed", "fit_linear", "linear_bank", "polynomial_bank", "wiring"]

MOST_ROWS = 40_000
MOST_TERMS = 400
SMALLEST_SIGMA = 1e-7
SMALL = 2_000
"""Rows below which the held-out ones are worth learning from, once families are chosen."""

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


def _solve(gram: np.ndarray, moment: np.ndarray, ridge: float) -> np.ndarray:
    root = np.sqrt(np.maximum(np.diag(gram), 1e-12))
    scaled = gram / root / root[:, None]
    scaled[np.diag_indices_from(scaled)] += ridge
    return (np.linalg.solve(scaled, (moment.T / root).T).T / root).T


def _log_density(error: np.ndarray, sigma: float) -> float:
    if not len(error):
        return -np.inf
    return float(np.mean(-0.5 * (error / sigma) ** 2) - np.log(sigma) - 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class _Data:
    inputs: np.ndarray
    target: np.ndarray
    train: np.ndarray
    judge: np.ndarray  # held-out rows; all where there are none
    small: bool  # whether the last fit is from all rows
    signs: np.ndarray  # members × rows, one of ±1 an episode or block
    mask: np.ndarray  # members × k
    powers: tuple[int, ...]  # highest power that each input's distinct values determine
    scale: float


def _data(design: Design, parents: Parents, i: int, seed: int) -> _Data:
    target, columns = int(parents.targets[i]), parents.columns[i]
    used = parents.mask[:, i].any(0)
    columns = np.where(used, columns, columns[0])
    keep = np.flatnonzero(design.complete(target, columns[used]))
    rng = np.random.default_rng([seed, target])
    if len(keep) > MOST_ROWS:
        keep = np.sort(rng.choice(keep, MOST_ROWS, replace=False))
    at, held, unit = design.rows[keep], design.held[keep], design.unit[keep]
    train = ~held if not held.all() else held
    judge = held if held.any() else train
    small = design.size < SMALL
    if small:  # spared rows count once everything is chosen
        spared = design.kept[design.complete(target, columns[used], design.kept)]
        at = np.concatenate([at, spared])
        train, judge = (np.resize(part, len(at)) for part in (train, judge))
        train[len(keep) :] = judge[len(keep) :] = False
        unit = design.unit_of_row[at]
    inputs = design.gather(columns, at) * used
    y = design.values[at, target]
    if parents.residual[i]:
        y = y - design.values[at - 1, target]
    spread = float(y.std()) if len(y) else 1.0
    scale = spread if spread > 1e-9 else 1.0
    own, unit = np.unique(unit, return_inverse=True)
    signs = rng.choice([-1.0, 1.0], (len(parents.mask), len(own)))[:, unit]
    powers = tuple(max(1, min(5, len(np.unique(inputs[:, k])) - 1)) for k in range(len(columns)))
    mask = parents.mask[:, i]
    return _Data(inputs, y / scale, train, judge, small, signs, mask, powers, scale)


def _fit_degree(data: _Data, degree: int) -> Closed | None:
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
    for ridge in (1e-10, 1e-7, 1e-4, 1e-2):
        weight = _solve(gram, moment, ridge)
        error = data.target[judge] - products[judge] @ weight
        rmse = float(np.sqrt(np.mean(error**2))) if len(error) else 1.0
        if best is None or rmse < 0.999 * best[0]:
            best = (rmse, ridge, error)
    assert best is not None
    rmse, ridge, error = best
    few = degree > 1 and train.sum() < 40 * len(terms)
    sigma = max(rmse, SMALLEST_SIGMA)
    weights = _members(data, products, terms, train, ridge)
    every = np.ones(len(train), bool)
    final = _members(data, products, terms, every, ridge) if data.small else weights
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
        log_likelihood=_log_density(error, sigma) - np.log(data.scale),
        rmse=rmse * data.scale,
        low=low - reach,
        high=high + reach,
    )


def _members(
    data: _Data, products: np.ndarray, terms: np.ndarray, rows: np.ndarray, ridge: float
) -> Float[np.ndarray, "members p"]:
    """Each member's weights from ``rows``: the fit, moved as its errors could have moved it.

    w_m = w + (PᵀP + λ)⁻¹ Pᵀ(η_m e), with one sign η_m = ±1 for all rows of an episode or block
    (the wild cluster bootstrap, Cameron, Gelbach & Miller 2008). The inputs stay as they are, so
    that no member misses the one block in which something moved. Members of one graph are centred
    on its fit, and their spread made up for that; the only member of a graph is its fit.
    """
    P, y = products[rows], data.target[rows]
    out = np.zeros((len(data.mask), len(terms)))
    for mask in np.unique(data.mask, axis=0):
        own = np.concatenate([[True], mask > 0])[terms].all(-1)
        gram = P[:, own].T @ P[:, own]
        weight = _solve(gram, P[:, own].T @ y, ridge)
        alike = np.flatnonzero((data.mask == mask).all(-1))
        error = (y - P[:, own] @ weight)[:, None] * data.signs[alike][:, rows].T
        moved = _solve(gram, P[:, own].T @ error, ridge)
        lost = np.sqrt(len(alike) / max(len(alike) - 1, 1))  # of their spread, by centring
        moved = (moved - moved.mean(1, keepdims=True)) * lost
        out[np.ix_(alike, own)] = (weight[:, None] + moved).T
    return out


def fit_linear(design: Design, parents: Parents, i: int, *, seed: int) -> Closed:
    """Fits target number ``i`` linearly."""
    fitted = _fit_degree(_data(design, parents, i, seed), 1)
    assert fitted is not None
    return fitted


def fit_closed(design: Design, parents: Parents, i: int, *, seed: int) -> dict[int, Closed]:
    """Fits target number ``i`` with every degree that its rows can carry, up to 5; 1 always."""
    data = _data(design, parents, i, seed)
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
