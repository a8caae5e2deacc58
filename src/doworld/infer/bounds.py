"""Bounds for counterfactuals that run through levels, whose noise the log cannot give back."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.setup import Setup
from doworld.model.dynamics import World
from doworld.model.world import WorldModel
from doworld.query import Answer, Series, Status

__all__ = ["ambiguous", "bounded", "forced"]


def ambiguous(
    setup: Setup,
    reached: Bool[np.ndarray, "rows variables"],
    stochastic: Sequence[int],
    changed: Bool[np.ndarray, "rows variables"],
) -> Bool[np.ndarray, "rows variables"]:
    """Where the altered world is not determined by the recovered noise.

    A level is open as soon as one of its causes changed or is itself open: many noises explain the
    logged level, and they part ways under other causes. What has an open cause is open too, also
    where a policy reads it; what is set is not.
    """
    acts, cut = setup.reach.acts, setup.done.held
    level = np.isin(np.arange(reached.shape[1]), stochastic)
    out = np.zeros_like(reached)
    for t in range(len(out)):
        for _ in range(setup.model.dynamics.levels):
            for k in range(min(acts.shape[2], t + 1)):
                from_open = out[t - k] @ acts[..., k]
                from_changed = (changed[t - k] @ acts[..., k]) & level
                out[t] |= (from_open | from_changed) & ~cut[t] & reached[t]
    return out


def forced(
    world: World,
    open_rows: Bool[np.ndarray, "made variables"],
    stochastic: Sequence[int],
    model: WorldModel,
) -> tuple[World, Bool[np.ndarray, "worlds steps variables"]]:
    """Worlds that span what may have happened: open levels drawn anew, and each level held.

    Returns the worlds with a leading axis and where their noise is drawn anew.
    """
    steps = world.exogenous.shape[0]
    mask = np.zeros((steps, open_rows.shape[1]), bool)
    mask[: len(open_rows)] = open_rows
    worlds = [world]
    for i in stochastic:
        levels = range(model.schema.variables[i].levels if mask[:, i].any() else 0)
        for level in levels:
            gain, offset = np.array(world.gain), np.array(world.offset)
            gain[mask[:, i], i], offset[mask[:, i], i] = 0.0, level
            worlds.append(replace(world, gain=jnp.asarray(gain), offset=jnp.asarray(offset)))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    return stacked, np.broadcast_to(mask, (len(worlds), *mask.shape))


def bounded(
    answer: Answer,
    setup: Setup,
    values: Float[np.ndarray, "members samples rows variables"],
    open_rows: Bool[np.ndarray, "rows variables"],
    names: Sequence[str],
) -> Answer:
    """The answer with status ``bounded``: at open rows, the interval spans all of ``values``."""
    low, high = values.min((0, 1)), values.max((0, 1))
    series = tuple(
        _widened(s, low[:, i], high[:, i], open_rows[:, i])
        for s, i in zip(answer.series, setup.targets, strict=True)
    )
    levels = ", ".join(names)
    assumed = (
        f"What {levels} would have been cannot be known from what it was. The estimate assumes "
        "Gumbel-max mechanisms (Oberst & Sontag 2019).",
        f"The interval is a bound: it spans worlds with {levels} drawn anew and held at each of "
        "its levels.",
    )
    why = answer.why.model_copy(update={"assumptions": (*assumed, *answer.why.assumptions)})
    update = {"series": series, "why": why, "status": Status.BOUNDED}
    return answer.model_copy(update=update)


def _widened(series: Series, low: np.ndarray, high: np.ndarray, where: np.ndarray) -> Series:
    if series.lower is None or series.upper is None or not where.any():
        return series
    lower = np.where(where, np.minimum(low, series.lower), series.lower)
    upper = np.where(where, np.maximum(high, series.upper), series.upper)
    return series.model_copy(
        update={"lower": tuple(lower.tolist()), "upper": tuple(upper.tolist())}
    )
