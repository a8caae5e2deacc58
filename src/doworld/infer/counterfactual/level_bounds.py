"""Bounds on the probability of every level at every row of an altered episode."""

import itertools
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from doworld.infer.counterfactual.coupling import coupled, extreme
from doworld.infer.counterfactual.fact import Otherwise
from doworld.mechanisms import StochasticBank
from doworld.model.dynamics import Dynamics
from doworld.model.simulate import bucket

__all__ = ["LevelBounds", "level_bounds"]

MOST = 1024
"""Configurations of a level's open causes that are looked at; with more, its bounds are [0, 1]."""


@dataclass(frozen=True, eq=False)
class LevelBounds:
    """lower ≤ P(level) ≤ upper by member, row and variable; [0, 1] where nothing can be said.

    Attributes:
        lower, upper: NaN where a variable is no level or not open.
        sharp: open levels whose bounds are attained by some model.
    """

    lower: Float[np.ndarray, "members rows variables levels"]
    upper: Float[np.ndarray, "members rows variables levels"]
    sharp: Bool[np.ndarray, "rows variables"]

    def possible(self, row: int, variable: int, least: float = 1e-6) -> np.ndarray:
        """The levels that some compatible model gives a chance, under any member."""
        return np.flatnonzero(np.nan_to_num(self.upper[:, row, variable]).max(0) > least)


@partial(jax.jit, static_argnames="levels")
def _probabilities(
    dynamics: Dynamics, rows: Float[Array, "members batch history variables"], levels: int
) -> Float[Array, "members batch variables levels"]:
    """P(level | causes) of every level variable, in histories with the newest row first."""

    def one(banks, history):
        features = dynamics.coding.encode(history).reshape(-1)
        out = jnp.zeros((history.shape[1], levels))
        for bank in banks:
            if not isinstance(bank, StochasticBank):
                continue
            inputs = bank.inputs(features)
            before = history[1] if history.shape[0] > 1 else jnp.zeros(history.shape[1])
            previous = before[bank.targets]
            each = [
                bank.log_prob(inputs, previous, jnp.full(len(bank.targets), float(level)))
                for level in range(levels)
            ]
            out = out.at[bank.targets].set(jnp.exp(jnp.stack(each, -1)))
        return out

    def member(pair):
        banks, own = pair
        return jax.vmap(lambda history: one(banks, history))(own)

    return jax.lax.map(member, (dynamics.banks, rows))


@dataclass(frozen=True, eq=False)
class _Walk:
    """What the propagation reads.

    Attributes:
        before, after: rows −L…T of the fact and of the altered replay, by member, scaled.
        open_rows: rows 0…T where the altered world is not determined.
        vague: of these, numbers, and values that were drawn because something is missing.
        levels: of every variable; 0 for numbers.
    """

    world: Otherwise
    before: Float[np.ndarray, "members all_rows variables"]
    after: Float[np.ndarray, "members all_rows variables"]
    open_rows: Bool[np.ndarray, "rows variables"]
    vague: Bool[np.ndarray, "rows variables"]
    levels: np.ndarray

    @property
    def lags(self) -> int:
        """Rows before row 0 in ``before`` and ``after``."""
        return self.before.shape[1] - len(self.open_rows)

    def history(self, rows: np.ndarray, t: int) -> np.ndarray:
        """Rows t, t−1, …, t−L of a replay, the newest first."""
        depth = self.world.fact.model.dynamics.max_lag
        at = self.lags + t - np.arange(depth + 1)
        return rows[:, np.maximum(at, 0)]

    def causes(self, variable: int) -> list[tuple[int, int]]:
        """(column, lag) of what acts on a variable."""
        return [(int(i), int(k)) for i, k in np.argwhere(self.world.fact.reach.acts[:, variable])]

    def probabilities(self, histories: np.ndarray, variable: int) -> np.ndarray:
        """(members, batch, levels) of P(level | causes)."""
        size, most = histories.shape[1], int(self.levels.max())
        at = np.minimum(np.arange(bucket(size)), size - 1)
        dynamics = self.world.fact.model.dynamics
        rows = jnp.asarray(histories[:, at], jnp.float32)
        out = np.asarray(_probabilities(dynamics, rows, most), np.float64)
        return out[:, :size, variable]


def level_bounds(
    world: Otherwise,
    before: Float[np.ndarray, "members all_rows variables"],
    after: Float[np.ndarray, "members all_rows variables"],
    open_rows: Bool[np.ndarray, "rows variables"],
    drawn: Bool[np.ndarray, "rows variables"],
    levels: np.ndarray,
) -> LevelBounds:
    """Bounds on P(level) at every open row, over all models compatible with the mechanisms.

    Row by row, the probability that the causes have a configuration c lies between bounds that
    follow from those of the causes' own levels, and given c the level's probability lies in the
    closed form of ``coupling.coupled``: the noise of one variable at one row is its own, so the two
    combine as in an interval Markov chain,

        max / min  Σ_c P(c) · P(Y_c = y' | Y_p = y)   within both sets of bounds.

    Sharp (attained, if the coupling may differ from row to row) where a level's only open cause is
    its own last value: then bounds come from robust dynamic programming over the chain. With
    several open causes what they have in common is forgotten: still valid, but wider than need be.
    Levels with an open number, or a value that is missing, among their causes get [0, 1].
    """
    vague = (open_rows & (levels == 0)) | drawn
    walk = _Walk(world, before, after, open_rows, vague, levels)
    members, (rows, size) = len(before), open_rows.shape
    shape = (members, rows, size, int(levels.max()))
    lower, upper = np.full(shape, np.nan), np.full(shape, np.nan)
    order = np.asarray(world.fact.model.dynamics.order)
    steps: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
    for t in range(rows):
        now = list(np.flatnonzero(open_rows[t] & (levels > 0)))
        for j in sorted(now, key=lambda j: order[j]):
            lower[:, t, j], upper[:, t, j] = _spread(walk, t, int(j), lower, upper, steps)
    sharp = np.zeros(open_rows.shape, bool)
    for j in {j for _, j in steps}:
        own = [t for t in range(rows) if open_rows[t, j]]
        chain = [t for t in own if (t, j) in steps]
        if chain != own or any(b - a != 1 for a, b in itertools.pairwise(own)):
            continue
        low, high = _chain([steps[t, j] for t in own])
        lower[:, own, j], upper[:, own, j] = low, high
        sharp[own, j] = True
    return LevelBounds(lower, upper, sharp)


def _spread(walk: _Walk, t: int, j: int, lower, upper, steps) -> tuple[np.ndarray, np.ndarray]:
    """(members, levels) bounds of one level at one row."""
    members, most = len(walk.before), lower.shape[-1]
    known = np.arange(most) < walk.levels[j]
    nothing = np.zeros((members, most)), np.broadcast_to(known * 1.0, (members, most))
    causes = walk.causes(j)
    opened = [(i, k) for i, k in causes if t >= k and walk.open_rows[t - k, i]]
    unknown = any(t >= k and walk.vague[t - k, i] for i, k in causes)
    if unknown or walk.vague[t, j] or not walk.world.fact.certain[t, j]:
        return nothing
    choices = [np.flatnonzero(upper[:, t - k, i].max(0) > 0) for i, k in opened]
    if np.prod([len(c) for c in choices], dtype=float) > MOST:
        return nothing
    configurations = list(itertools.product(*choices))
    base, fact = walk.history(walk.after, t), walk.history(walk.before, t)
    histories = np.repeat(base[:, None], len(configurations), 1)
    for b, levels in enumerate(configurations):
        for (i, k), level in zip(opened, levels, strict=True):
            histories[:, b, k, i] = level
    other = walk.probabilities(histories, j)
    own = np.repeat(walk.probabilities(fact[:, None], j), len(configurations), 1)
    column, lag = np.array(causes, int).T
    gap = np.abs(histories[:, :, lag, column] - fact[:, None][:, :, lag, column])
    observed = fact[:, 0, j].round().astype(int)
    seen = np.repeat(observed[:, None], len(configurations), 1)
    low, high = coupled(own, other, seen, np.asarray((gap < 1e-6).all(-1)))
    chances = _chances(t, opened, configurations, lower, upper)
    if opened in ([], [(j, 1)]):
        steps[t, j] = _square(low, high, [c[0] for c in configurations] if opened else None)
    best = extreme(chances[0][:, None], chances[1][:, None], np.swapaxes(high, 1, 2))
    worst = -extreme(chances[0][:, None], chances[1][:, None], -np.swapaxes(low, 1, 2))
    best, worst = np.clip(best, 0, 1), np.clip(worst, 0, 1)
    rest_high, rest_low = (a.sum(-1, keepdims=True) - a for a in (best, worst))
    return np.maximum(worst, 1 - rest_high), np.minimum(best, 1 - rest_low)


def _chances(t, opened, configurations, lower, upper) -> tuple[np.ndarray, np.ndarray]:
    """(members, configurations) bounds of the causes' joint levels, by Fréchet from each one's."""
    members = len(lower)
    low = np.full((members, len(configurations)), 1.0 - len(opened))
    high = np.ones((members, len(configurations)))
    for n, (i, k) in enumerate(opened):
        at = np.array([c[n] for c in configurations])
        low += lower[:, t - k, i][:, at]
        high = np.minimum(high, upper[:, t - k, i][:, at])
    return (np.ones_like(low), high) if not opened else (np.clip(low, 0, 1), high)


def _square(low: np.ndarray, high: np.ndarray, before: list | None):
    """(members, last level, level) bounds of a chain's step; rows for levels before that are open.

    Levels that the chain cannot come from stand at [0, 1]; they are never weighed.
    """
    members, _, most = low.shape
    if before is None:
        shape = (members, most, most)
        return np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    wide = np.zeros((members, most, most)), np.ones((members, most, most))
    wide[0][:, before], wide[1][:, before] = low, high
    return wide


def _chain(steps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """(members, rows, levels) sharp bounds of a chain, by robust dynamic programming backwards.

    V_t(s) = max_v Σ v(s')·V_{t+1}(s') for the value "is at level y' in row n", all n and y' at
    once; the first step is the same from every level.
    """
    members, most, _ = steps[0][0].shape
    rows = len(steps)
    best = np.zeros((members, rows, most, most))  # row n, level y', from level s
    worst = np.zeros_like(best)
    for t in range(rows - 1, -1, -1):
        low, high = (a[:, None, None] for a in steps[t])
        best[:, t], worst[:, t] = np.eye(most), -np.eye(most)
        part = best[:, t:, :, None], worst[:, t:, :, None]
        best[:, t:] = extreme(low, high, part[0])
        worst[:, t:] = extreme(low, high, part[1])
    return np.clip(-worst[..., 0], 0, 1), np.clip(best[..., 0], 0, 1)
