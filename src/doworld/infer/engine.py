"""The shared engine: samples × members rollouts of one world, in pieces that fit in memory."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from doworld._core.devices import prepare as prepare_devices
from doworld.infer.setup import Setup
from doworld.mechanisms import InvertibleBank
from doworld.model.dynamics import Dynamics, Noise, World
from doworld.model.simulate import bucket, simulate

__all__ = ["Draws", "draw", "key_of", "lucky", "mirrored_noise", "repeated", "settled"]

MOST = 2**25
"""Numbers that one call may hold at once; more samples than fit are drawn call by call."""

LUCK = 101
"""The number of a key's stream that policies draw from."""

PATHS = 8
"""Whole trajectories that are kept, for support."""

FAR = 1e4
"""Rollouts that leave this many standard deviations behind have diverged and are cut there."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What the rollouts gave, in the variables' own units.

    Attributes:
        values: of the targets only.
        paths: a few whole trajectories, spread over the members.
        diverged: share of the draws that ran away to infinity.
        whole: all variables, of a static table only.
    """

    values: Float[np.ndarray, "members samples rows targets"]
    paths: Float[np.ndarray, "paths rows variables"]
    diverged: float = 0.0
    whole: Float[np.ndarray, "members samples rows variables"] | None = None


def key_of(seed: int) -> PRNGKeyArray:
    """The key of a seed; sets JAX up on the first call."""
    prepare_devices()
    return jax.random.key(seed)


@partial(jax.jit, static_argnames=("worlds", "samples", "steps"))
def mirrored_noise(
    dynamics: Dynamics, key: PRNGKeyArray, *, worlds: int, samples: int, steps: int
) -> Noise:
    """Noise for ``worlds`` times ``samples`` draws, a leading axis of both.

    Of families with symmetric noise every other draw is the mirror image of one before, so that
    the noise of a sample's mean cancels to first order; each draw alone is distributed as it was.
    """
    half = -(-samples // 2)
    first, second = jax.random.split(key)
    draws = dynamics.draw_noise(first, (worlds * half, steps))
    more = dynamics.draw_noise(second, (worlds * half, steps))
    out = []
    for bank, own, other in zip(dynamics.banks, draws, more, strict=True):
        mirror = -own if isinstance(bank, InvertibleBank) else other
        pairs = jnp.stack([own, mirror], 1).reshape(worlds, 2 * half, *own.shape[1:])
        out.append(pairs[:, :samples].reshape(worlds * samples, *own.shape[1:]))
    return tuple(out)


def draw(setup: Setup, samples: int, key: PRNGKeyArray) -> Draws:
    """Rows first…last of the setup's world, ``samples`` under every member.

    Shapes are bucketed, so a second question of the same shape compiles nothing; the same key
    gives every member, and every question of that shape, the same noise.
    """
    model = setup.model
    world = setup.world()
    steps, size = world.exogenous.shape
    batch = bucket(samples)
    while batch > 64 and batch * steps * size * (model.dynamics.members + 3) > MOST:
        batch //= 2
    worlds = repeated(world, batch)
    targets = list(setup.targets)
    values, whole, paths, lost = [], [], None, 0
    for number in range(-(-samples // batch)):
        own = jax.random.fold_in(key, number)
        worlds = lucky(worlds, own)
        noise = mirrored_noise(model.dynamics, own, worlds=1, samples=batch, steps=steps)
        rows = np.asarray(simulate(model.dynamics, worlds, noise))[:, :, : setup.steps]
        rows = rows[:, : samples - number * batch]
        rows, bad = settled(rows)
        lost += bad
        raw = model.unscaled(rows)
        values.append(raw[..., targets])
        if model.schema.static:
            whole.append(raw)
        paths = _paths(rows) if paths is None else paths
    assert paths is not None
    return Draws(
        values=np.concatenate(values, 1),
        paths=model.unscaled(paths),
        diverged=lost / (samples * model.dynamics.members),
        whole=np.concatenate(whole, 1) if whole else None,
    )


def lucky(worlds: World, key: PRNGKeyArray) -> World:
    """The worlds with their policies' luck drawn, which is no mechanism's noise."""
    if worlds.followed is None:
        return worlds
    luck = jax.random.uniform(jax.random.fold_in(key, LUCK), worlds.followed.luck.shape)
    return replace(worlds, followed=replace(worlds.followed, luck=luck))


def repeated(world: World, times: int) -> World:
    """The same world ``times`` over, along a leading axis."""
    return jax.tree.map(lambda a: jnp.asarray(np.broadcast_to(a, (times, *a.shape))), world)


def settled(rows: Float[np.ndarray, "*draws rows variables"]):
    """Rows without NaN or infinity, and how many draws had diverged; the last good value stays."""
    good = np.abs(rows) <= FAR
    if good.all():
        return rows, 0
    bad = int((~good).any((-1, -2)).sum())
    at = np.arange(rows.shape[-2])[:, None]
    last = np.maximum.accumulate(np.where(good, at, 0), axis=-2)
    kept = np.take_along_axis(rows, last, -2)
    return np.clip(np.nan_to_num(kept, nan=0.0, posinf=FAR, neginf=-FAR), -FAR, FAR), bad


def _paths(rows: np.ndarray) -> np.ndarray:
    """Some of the trajectories, taken in turn from the members."""
    members, samples = rows.shape[:2]
    count = min(PATHS, members * samples)
    number = np.arange(count)
    return rows[number % members, (number // members) % samples]
