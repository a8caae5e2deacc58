"""What one observed level says about the level under other causes, over all compatible models."""

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["coupled", "extreme"]

LEAST = 1e-12
"""A level less probable than this is taken to be impossible under the model."""


def coupled(
    fact: Float[np.ndarray, "*b levels"],
    otherwise: Float[np.ndarray, "*b levels"],
    observed: Int[np.ndarray, "*b"],
    same: Bool[np.ndarray, "*b"],
) -> tuple[Float[np.ndarray, "*b levels"], Float[np.ndarray, "*b levels"]]:
    """Tight bounds of P(Y_q = y' | Y_p = y): the level under causes q, given y under causes p.

    A model that is compatible with both distributions is a coupling of Cat(``fact``) and
    Cat(``otherwise``), and every coupling is compatible (Fréchet 1935). With a = P_p(y),

        max(0, (P_q(y') + a − 1)/a)  ≤  P(Y_q = y' | Y_p = y)  ≤  min(1, P_q(y')/a),

    and Y_q = y where q = p (``same``). Every distribution within the upper ends is attained: the
    rest of Cat(q), P_q − a·v ≥ 0, may be coupled with the other levels of p as one likes. Couplings
    of several q with one p can be glued together, so the bounds of all q hold at once. These are
    the closed forms of Lally, Kazemi & Paoletti (2025, arXiv 2502.13731) without their further
    assumptions (monotonicity, counterfactual stability); p is their (s, a), q their (s̃, ã).

    An observed level that the model holds impossible says nothing: [0, 1].

    >>> p, q = np.array([0.8, 0.2]), np.array([0.5, 0.5])
    >>> low, high = coupled(p, q, np.array(0), np.array(False))
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([0.375, 0.375], [0.625, 0.625])
    """
    a = np.take_along_axis(fact, observed[..., None], -1)
    known = a > LEAST
    safe = np.where(known, a, 1.0)
    high = np.where(known, np.minimum(otherwise / safe, 1.0), 1.0)
    low = np.where(known, np.maximum((otherwise + a - 1.0) / safe, 0.0), 0.0)
    kept = np.arange(fact.shape[-1]) == observed[..., None]
    low, high = (np.where(same[..., None], kept, bound) for bound in (low, high))
    return low.astype(float), np.maximum(high, low).astype(float)


def extreme(
    low: Float[np.ndarray, "*b cells"],
    high: Float[np.ndarray, "*b cells"],
    value: Float[np.ndarray, "*more cells"],
) -> Float[np.ndarray, "*most"]:
    """max Σ v·value over distributions v with low ≤ v ≤ high: the most valuable cells first.

    Leading axes are broadcast.

    >>> float(extreme(np.array([0.1, 0.0]), np.array([0.4, 0.9]), np.array([1.0, 0.0])))
    0.4
    """
    shape = np.broadcast_shapes(low.shape, high.shape, value.shape)
    low, high, value = (np.broadcast_to(a, shape) for a in (low, high, value))
    order = np.argsort(-value, -1)
    floor, room, worth = (np.take_along_axis(a, order, -1) for a in (low, high - low, value))
    spare = np.maximum(1.0 - floor.sum(-1, keepdims=True), 0.0)
    before = np.cumsum(room, -1) - room
    given = np.clip(spare - before, 0.0, room)
    return np.asarray(((floor + given) * worth).sum(-1))
