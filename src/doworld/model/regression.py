"""What least-squares mechanisms share: their rows, their solution, and its bootstrap members."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.model.design import Design, Parents

__all__ = [
    "Regression",
    "Solve",
    "log_density",
    "members_of",
    "normal_equations",
    "regression",
    "ridge",
]

MOST_ROWS = 40_000
SMALL = 2_000
"""Rows below which the held-out ones are worth learning from, once families are chosen."""

Solve = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]
"""From P, the function from Y to the weights W that bring P W closest to Y."""


def normal_equations(
    gram: Float[np.ndarray, "p p"], moment: Float[np.ndarray, "p *y"], amount: float
) -> Float[np.ndarray, "p *y"]:
    """W with (PᵀP + λD) W = Pᵀ Y, D the diagonal of PᵀP and λ ``amount``."""
    root = np.sqrt(np.maximum(np.diag(gram), 1e-12))
    scaled = gram / root / root[:, None]
    scaled[np.diag_indices_from(scaled)] += amount
    return (np.linalg.solve(scaled, (moment.T / root).T).T / root).T


def ridge(amount: float) -> Solve:
    """Least squares with a penalty, by ``normal_equations``."""

    def prepare(P: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        gram = P.T @ P
        return lambda Y: normal_equations(gram, P.T @ Y, amount)

    return prepare


def log_density(error: np.ndarray, sigma: float) -> float:
    """The mean normal log density of the errors; −∞ where there are none."""
    if not len(error):
        return -np.inf
    return float(np.mean(-0.5 * (error / sigma) ** 2) - np.log(sigma) - 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Regression:
    """The rows that one target's mechanism is fitted on, with all its parents logged.

    Attributes:
        inputs: parents' features, scaled units, 0 where no member reads one.
        target: its values, or increments where residual, over ``scale``.
        at: the log's row of each.
        train: what is learned from.
        judge: held-out rows; all where there are none.
        small: whether the last fit is from all rows.
        signs: one of ±1 an episode or block.
        mask: 1 where a member reads the input.
        powers: highest power that each input's distinct values determine.
        scale: spread of the target (of its increments where residual), scaled units.
    """

    inputs: Float[np.ndarray, "rows k"]
    target: Float[np.ndarray, " rows"]
    at: Int[np.ndarray, " rows"]
    train: Bool[np.ndarray, " rows"]
    judge: Bool[np.ndarray, " rows"]
    small: bool
    signs: Float[np.ndarray, "members rows"]
    mask: Float[np.ndarray, "members k"]
    powers: tuple[int, ...]
    scale: float


def regression(design: Design, parents: Parents, i: int, seed: int) -> Regression:
    """The rows of target number ``i``."""
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
    return Regression(inputs, y / scale, at, train, judge, small, signs, mask, powers, scale)


def members_of(
    data: Regression,
    products: Float[np.ndarray, "rows p"],
    reads: Bool[np.ndarray, "p k"],
    rows: Bool[np.ndarray, " rows"],
    solve: Solve,
) -> Float[np.ndarray, "members p"]:
    """Each member's weights from ``rows``: the fit, moved as its errors could have moved it.

    w_m = w + (PᵀP + λ)⁻¹ Pᵀ(η_m e), with one sign η_m = ±1 for all rows of an episode or block
    (the wild cluster bootstrap, Cameron, Gelbach & Miller 2008). The inputs stay as they are, so
    that no member misses the one block in which something moved. Members of one graph are centred
    on its fit, and their spread made up for that; the only member of a graph is its fit.
    ``reads`` says which inputs each product is made of: a member without one has no such product.
    """
    P, y = products[rows], data.target[rows]
    out = np.zeros((len(data.mask), products.shape[1]))
    for mask in np.unique(data.mask, axis=0):
        own = ~(reads & (mask == 0)).any(1)
        if not own.any():
            continue
        solved = solve(P[:, own])
        weight = solved(y)
        alike = np.flatnonzero((data.mask == mask).all(-1))
        error = (y - P[:, own] @ weight)[:, None] * data.signs[alike][:, rows].T
        moved = solved(error)
        lost = np.sqrt(len(alike) / max(len(alike) - 1, 1))  # of their spread, by centring
        moved = (moved - moved.mean(1, keepdims=True)) * lost
        out[np.ix_(alike, own)] = (weight[:, None] + moved).T
    return out
