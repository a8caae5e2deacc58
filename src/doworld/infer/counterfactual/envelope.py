"""Bounds of numbers that open levels act on: every course of the levels, or interval arithmetic."""

import itertools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.counterfactual.fact import Otherwise, luck_of
from doworld.infer.counterfactual.level_bounds import LevelBounds
from doworld.infer.counterfactual.replay import replay
from doworld.mechanisms import LinearBank
from doworld.model.dynamics import World
from doworld.model.simulate import bucket

__all__ = ["Envelope", "envelope"]

COURSES = 256
"""Courses of the open levels that are replayed one by one; of more, intervals are propagated."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """lower ≤ value ≤ upper in the variables' own units; infinite where nothing can be said."""

    lower: Float[np.ndarray, "rows variables"]
    upper: Float[np.ndarray, "rows variables"]


def envelope(
    world: Otherwise,
    rows: Float[np.ndarray, "members samples steps variables"],
    factual: Float[np.ndarray, "members samples steps variables"],
    values: Float[np.ndarray, "members samples rows variables"],
    open_rows: Bool[np.ndarray, "rows variables"],
    found: LevelBounds,
    key: jax.Array,
) -> Envelope:
    """Bounds of the open numbers, over all levels that ``found`` leaves possible.

    Where few courses of the open levels are possible, each is replayed with the episode's noise:
    sharp. Else the ends of each cause are carried through the mechanisms row by row; that forgets
    what causes have in common, so it is valid and wider than need be. Mechanisms that are neither
    give no bound.
    """
    levels = np.array([v.levels for v in world.fact.model.schema.variables])
    cells = [(int(t), int(j)) for t, j in np.argwhere(open_rows & (levels > 0))]
    possible = [found.possible(t, j) for t, j in cells]
    if np.prod([len(p) for p in possible], dtype=float) <= COURSES:
        return _courses(world, rows, factual, cells, possible, key)
    return _intervals(world, values, open_rows, dict(zip(cells, possible, strict=True)))


def _courses(world: Otherwise, rows, factual, cells, possible, key) -> Envelope:
    base, fact = world.world, world.fact
    courses = list(itertools.product(*possible))
    gain = np.repeat(np.array(base.gain)[None], len(courses), 0)
    offset = np.repeat(np.array(base.offset)[None], len(courses), 0)
    for n, (t, j) in enumerate(cells):
        gain[:, t - fact.first, j] = 0.0
        offset[:, t - fact.first, j] = [course[n] for course in courses]
    at = np.minimum(np.arange(bucket(len(courses))), len(courses) - 1)
    many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(at), *leaf.shape)), base)
    many: World = replace(many, gain=jnp.asarray(gain[at]), offset=jnp.asarray(offset[at]))
    luck = luck_of(fact, many, rows[:, :8].shape[1])
    out = replay(fact.model.dynamics, fact.window, rows[:, :8], many, luck=luck, key=key)
    each = [world.values(rows[:, :8], out[:, :, n], factual[:, :8]) for n in range(len(courses))]
    every = np.stack(each)
    return Envelope(every.min((0, 1, 2)), every.max((0, 1, 2)))


def _intervals(world: Otherwise, values, open_rows, possible) -> Envelope:
    """The hull over members of interval arithmetic through linear mechanisms."""
    model = world.fact.model
    lower, upper = values.min((0, 1)), values.max((0, 1))
    for member in range(values.shape[0]):
        low, high = _propagated(world, member, open_rows, possible)
        lower = np.minimum(lower, model.unscaled(low))
        upper = np.maximum(upper, model.unscaled(high))
    bounds = np.array([v.bounds for v in model.schema.variables]).T
    cut = world.setup.done.cut
    inside = open_rows & ~cut
    lower = np.where(inside, np.maximum(lower, bounds[0]), lower)
    upper = np.where(inside, np.minimum(upper, bounds[1]), upper)
    return Envelope(lower, upper)


def _propagated(world: Otherwise, member: int, open_rows, possible):
    """Scaled ends of every value of one member's altered world, rows 0…T."""
    fact, model = world.fact, world.fact.model
    logged = model.scaled(fact.filled.values)
    moved = model.scaled(world.setup.done.apply(fact.filled.values))
    low, high = moved.copy(), moved.copy()
    laws = _linear(model.dynamics, member)
    order = np.asarray(model.dynamics.order)
    gain = world.setup.done.gain
    shift = (gain * model.center + world.setup.done.offset - model.center) / model.scale
    for t in range(fact.first, fact.count):
        moving = np.flatnonzero(world.reached[t] & (order >= 0)).tolist()
        for i in sorted(moving, key=lambda i: order[i]):
            if gain[t, i] == 0:
                continue
            if (t, i) in possible:
                low[t, i], high[t, i] = possible[t, i].min(), possible[t, i].max()
            elif model.schema.variables[i].levels:
                low[t, i] = high[t, i] = logged[t, i]
            elif i not in laws:
                low[t, i], high[t, i] = (-np.inf, np.inf)
            else:
                change = _change(laws[i], logged, (low, high), t, possible)
                ends = logged[t, i] + np.array(change)
                ends = np.sort(gain[t, i] * ends + shift[t, i])
                low[t, i], high[t, i] = ends
    return low, high


@dataclass(frozen=True)
class _Law:
    """Of a linear mechanism: the weight of each number, and of each level, by (column, lag)."""

    numbers: dict[tuple[int, int], float]
    levels: dict[tuple[int, int], dict[int, float]]


def _linear(dynamics, member: int) -> dict[int, _Law]:
    variable, level = np.asarray(dynamics.coding.variable), np.asarray(dynamics.coding.level)
    out = {}
    for bank in dynamics.banks:
        if not isinstance(bank, LinearBank):
            continue
        columns, mask = np.asarray(bank.columns)[member], np.asarray(bank.mask)[member]
        weight = np.asarray(bank.weight, np.float64)[member]
        for n, target in enumerate(np.asarray(bank.targets)[member]):
            numbers: dict[tuple[int, int], float] = {}
            levels: dict[tuple[int, int], dict[int, float]] = {}
            residual = float(np.asarray(bank.residual)[member, n])
            if residual:
                numbers[int(target), 1] = residual
            for column, used, w in zip(columns[n], mask[n], weight[n], strict=True):
                if not used:
                    continue
                lag, feature = divmod(int(column), len(variable))
                at = (int(variable[feature]), lag)
                if level[feature] >= 0:
                    levels.setdefault(at, {})[int(level[feature])] = float(w)
                else:
                    numbers[at] = numbers.get(at, 0.0) + float(w)
            out[int(target)] = _Law(numbers, levels)
    return out


def _change(law: _Law, logged, ends, t: int, possible) -> tuple[float, float]:
    """The ends of what the mechanism's value differs by from the fact's."""
    low, high = ends
    total = [0.0, 0.0]
    for (i, k), w in law.numbers.items():
        back = max(t - k, 0)
        edge = sorted((w * (low[back, i] - logged[back, i]), w * (high[back, i] - logged[back, i])))
        total[0] += edge[0]
        total[1] += edge[1]
    for (i, k), weights in law.levels.items():
        back = max(t - k, 0)
        was = weights.get(int(logged[back, i]), 0.0)
        now = possible.get((back, i), np.array([low[back, i]]))
        each = [weights.get(int(level), 0.0) - was for level in now]
        total[0] += min(each)
        total[1] += max(each)
    return total[0], total[1]
