"""Shapley values of a game whose players are switched on and off, with their sampling error."""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Shares", "shapley"]

EXACT = 8
"""Up to so many players, all 2ⁿ coalitions are tried."""


@dataclass(frozen=True, eq=False)
class Shares:
    """What every player adds, on average over the orders in which they join.

    Attributes:
        value: φ; they sum to v(all) − v(none).
        error: standard error, from the draws behind v and from the orders that were tried.
        whole: v(all) − v(none).
        exact: whether all coalitions were tried.
    """

    value: Float[np.ndarray, " players"]
    error: Float[np.ndarray, " players"]
    whole: float
    exact: bool


def shapley(
    game: Callable[[Bool[np.ndarray, "coalitions players"]], Float[np.ndarray, "coalitions draws"]],
    players: int,
    *,
    orders: int = 32,
    seed: int = 0,
) -> Shares:
    """φ_i = Σ_S |S|!(n−|S|−1)!/n! · (v(S ∪ i) − v(S)), S over coalitions without i (Shapley 1953).

    ``game`` gives v of each coalition in every draw; the draws of two coalitions are paired. Exact
    up to 8 players; else the mean over ``orders`` random orders and their reverses (Mitchell et
    al. 2022, "Sampling permutations for Shapley value estimation").

    >>> shares = shapley(lambda on: (on @ np.array([1.0, 2.0]))[:, None], 2)
    >>> shares.value.tolist(), shares.whole
    ([1.0, 2.0], 3.0)
    """
    if not players:
        return Shares(np.zeros(0), np.zeros(0), 0.0, True)
    if players <= EXACT:
        return _exact(game, players)
    return _sampled(game, players, orders, np.random.default_rng(seed))


def _exact(game, players: int) -> Shares:
    codes = np.arange(2**players)
    on = (codes[:, None] >> np.arange(players)) & 1 > 0
    value = np.asarray(game(on), float)
    size = on.sum(1)
    weight = np.array(
        [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)]
    )
    shares = []
    for i in range(players):
        without = codes[~on[:, i]]
        gain = value[without | (1 << i)] - value[without]
        shares.append(weight[size[without]] @ gain)
    by_draw = np.stack(shares)
    whole = float((value[-1] - value[0]).mean())
    return Shares(by_draw.mean(1), _error(by_draw), whole, True)


def _sampled(game, players: int, orders: int, rng: np.random.Generator) -> Shares:
    forward = np.stack([rng.permutation(players) for _ in range(orders)])
    every = np.stack([forward, forward[:, ::-1]], 1).reshape(-1, players)
    rank = np.argsort(every, 1)
    on = rank[:, None, :] < np.arange(players + 1)[None, :, None]
    flat, where = np.unique(on.reshape(-1, players), axis=0, return_inverse=True)
    value = np.asarray(game(flat), float)[where.reshape(-1)]
    value = value.reshape(len(every), players + 1, -1)
    steps = np.diff(value, axis=1)
    gain = np.take_along_axis(steps, rank[:, :, None], 1)
    pairs = gain.reshape(orders, 2, players, -1).mean(1)
    orders_error = _error(pairs.mean(2).T)
    draws_error = _error(pairs.mean(0))
    whole = float((value[0, -1] - value[0, 0]).mean())
    return Shares(pairs.mean((0, 2)), np.hypot(orders_error, draws_error), whole, False)


def _error(rows: Float[np.ndarray, "players draws"]) -> Float[np.ndarray, " players"]:
    count = rows.shape[1]
    return rows.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(len(rows))
