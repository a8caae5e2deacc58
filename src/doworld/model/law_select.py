"""Few terms out of many: best subsets by forward steps and exchanges."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

__all__ = ["subsets"]

DEPENDENT = 1e-6
"""Share of its length below which a term counts as made of those already taken."""

CHEAPER = 1.01
"""A cheaper term is taken where no more than this share of squared error is left over."""

BETTER = 0.97
"""Share of the squared error that an exchange must leave at most."""

SHORTLIST = 12
"""Terms that each forward step puts on the list of what may be exchanged."""

SWEEPS = 2


def subsets(
    X: Float[np.ndarray, "rows p"],
    y: Float[np.ndarray, " rows"],
    costs: Int[np.ndarray, " p"],
    *,
    most: int,
) -> Iterator[list[int]]:
    """Subsets of the columns of ``X`` of size 1, 2, …, each close to the best of its size.

    Forward: the term that explains most of what is left (orthogonal least squares; Chen, Billings
    & Luo 1989). After each, every term of the subset is exchanged against any term of a shortlist
    that explains clearly more, or costs less and explains as much.
    """
    length = np.sqrt((X**2).sum(0))
    usable = np.isfinite(length) & (length > 0)
    X = np.where(usable, X, 0.0) / np.where(usable, length, 1.0)
    chosen: list[int] = []
    shortlist: dict[int, None] = {}
    while len(chosen) < min(most, len(y) // 4):
        gain, left = _gains(X, y, chosen)
        if not (gain > 0).any():
            return
        shortlist |= dict.fromkeys(np.argsort(-gain, kind="stable")[:SHORTLIST].tolist())
        chosen = [*chosen, _pick(gain, left, costs)]
        listed = np.array([*dict.fromkeys([*chosen, *shortlist])])
        chosen = _exchanged(X[:, listed], y, costs[listed], len(chosen))
        chosen = listed[chosen].tolist()
        yield list(chosen)


def _gains(X: np.ndarray, y: np.ndarray, chosen: list[int]) -> tuple[np.ndarray, float]:
    """How much squared error each column would take away beside the chosen, and what is left."""
    if chosen:
        Q = np.linalg.qr(X[:, chosen])[0]
        r = y - Q @ (Q.T @ y)
        r = r - Q @ (Q.T @ r)
        rest = X - Q @ (Q.T @ X)
    else:
        r, rest = y, X
    size = (rest**2).sum(0)
    fresh = size > DEPENDENT**2
    gain = np.where(fresh, (r @ rest) ** 2 / np.where(fresh, size, 1.0), 0.0)
    gain[chosen] = 0.0
    return gain, float(r @ r)


def _pick(gain: np.ndarray, left: float, costs: np.ndarray) -> int:
    """The cheapest column that leaves hardly more error than the best; the best among equals."""
    after = np.maximum(left - gain, 0.0)
    close = np.flatnonzero(after <= CHEAPER * after.min() + 1e-15 * left)
    close = close[gain[close] > 0]
    return int(close[np.lexsort((-gain[close], costs[close]))[0]])


def _exchanged(X: np.ndarray, y: np.ndarray, costs: np.ndarray, size: int) -> list[int]:
    """The first ``size`` columns, after exchanges with the others."""
    chosen = list(range(size))
    for _ in range(SWEEPS):
        moved = False
        for at in range(size):
            others = chosen[:at] + chosen[at + 1 :]
            gain, left = _gains(X, y, others)
            now = max(left - gain[chosen[at]], 0.0)
            new = _pick(gain, left, costs)
            then = max(left - gain[new], 0.0)
            cheaper = costs[new] < costs[chosen[at]] and then <= CHEAPER * now
            if new != chosen[at] and (then < BETTER * now or cheaper):
                chosen[at], moved = new, True
        if not moved:
            break
    return chosen
