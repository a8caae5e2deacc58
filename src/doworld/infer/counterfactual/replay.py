"""Abduction and replay: the same noise, member by member, in the world as it was and otherwise."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from doworld.infer.engine import MOST, repeated, settled
from doworld.mechanisms import StochasticBank
from doworld.model.dynamics import Dynamics, Followed, Noise, World, abduct, rollout
from doworld.model.simulate import bucket, simulate

__all__ = ["alike", "complete", "replay", "stacked"]


@partial(jax.jit, static_argnames="shared")
def _replay(
    dynamics: Dynamics,
    window: Float[Array, "*episodes lags variables"],
    rows: Float[Array, "members units steps variables"],
    worlds: World,
    anew: Bool[Array, "worlds steps variables"],
    through: Bool[Array, "nested variables"],
    luck: Float[Array, "units rows p"] | None,
    *,
    key: PRNGKeyArray,
    shared: bool,
) -> Float[Array, "members units worlds steps variables"]:
    def one(banks, window, own, worlds, fortune, number, member):
        posterior_key, fresh_key = jax.random.split(jax.random.fold_in(key, number))
        # a member's posterior draws are its own, fresh draws are shared by all members
        recovered = abduct(dynamics, banks, window, own, jax.random.fold_in(posterior_key, member))
        fresh = dynamics.draw_noise(fresh_key, (own.shape[0],))

        def world(which, redrawn):
            noise = _mixed(banks, recovered, fresh, redrawn)
            if which.followed is not None and fortune is not None:
                which = replace(which, followed=replace(which.followed, luck=fortune))
            return rollout(dynamics, banks, which, noise)

        def nested(which, redrawn, held):
            # the world that ``held`` variables are taken from is the first one
            gain = jnp.where(held, 0.0, which.gain)
            offset = jnp.where(held, first, which.offset)
            return world(replace(which, gain=gain, offset=offset), redrawn)

        if through.shape[0] == 0:
            return jax.vmap(world)(worlds, anew)
        first = world(jax.tree.map(lambda leaf: leaf[0], worlds), anew[0])
        return jax.vmap(nested)(worlds, anew, through)

    def member(inputs):
        banks, own, number = inputs
        each = jnp.arange(own.shape[0])
        drawn = None if luck is None else 0
        axes = (None, None, 0, None) if shared else (None, 0, 0, 1)
        every = jax.vmap(one, in_axes=(*axes, drawn, 0, None))
        return every(banks, window, own, worlds, luck, each, number)

    return jax.lax.map(member, (dynamics.banks, rows, jnp.arange(rows.shape[0])))


def _mixed(banks, recovered: Noise, fresh: Noise, anew: Bool[Array, "steps variables"]) -> Noise:
    """Recovered noise, but drawn anew where a stochastic family's rows say so."""
    out = []
    for bank, own, new in zip(banks, recovered, fresh, strict=True):
        if isinstance(bank, StochasticBank):
            out.append(jnp.where(anew[:, bank.targets][..., None], new, own))
        else:
            out.append(own)
    return tuple(out)


def stacked(worlds: list[World], axis: int = 0) -> World:
    """Worlds of one shape as one with an axis of them, filled up to 2, 4, 8 … with the first."""
    size = bucket(len(worlds), 2)
    worlds = alike(worlds)
    return jax.tree.map(
        lambda *leaves: jnp.stack([*leaves, *leaves[:1] * (size - len(worlds))], axis), *worlds
    )


def alike(worlds: list[World]) -> list[World]:
    """The worlds with policies of one shape each, off where a world has none."""
    every = [w.followed for w in worlds if w.followed is not None]
    if not every:
        return worlds
    count = max(f.on.shape[-1] for f in every)
    cases = max(f.policies.bias.shape[-1] for f in every)
    sweeps = max(f.sweeps for f in every)

    def wide(followed: Followed) -> Followed:
        spare = count - followed.on.shape[-1]
        more = cases - followed.policies.bias.shape[-1]

        def leaf(array: Array) -> Array:
            shape = ((0, spare), (0, more), (0, 0))[: array.ndim]
            return jnp.pad(array, shape, mode="edge")

        return replace(
            followed,
            policies=jax.tree.map(leaf, followed.policies),
            on=jnp.pad(followed.on, ((0, 0), (0, spare))),
            luck=jnp.pad(followed.luck, ((0, 0), (0, spare)), mode="edge"),
            sweeps=sweeps,
        )

    first = wide(every[0])
    none = replace(first, on=jnp.zeros_like(first.on))
    return [replace(w, followed=none if w.followed is None else wide(w.followed)) for w in worlds]


def replay(
    dynamics: Dynamics,
    window: Float[Array, "*episodes lags variables"],
    rows: Float[np.ndarray, "members units steps variables"],
    worlds: World,
    *,
    key: PRNGKeyArray,
    anew: Bool[np.ndarray, "worlds steps variables"] | None = None,
    through: Bool[np.ndarray, "nested variables"] | None = None,
    luck: Float[np.ndarray, "units rows p"] | None = None,
) -> Float[np.ndarray, "members units worlds steps variables"]:
    """Recovers the noise of ``rows`` and rolls every world out with it, in scaled units.

    The units are samples of one episode, which share ``window``, the logged history, and the
    ``worlds`` with their leading axis; or, where ``window`` has an axis of units, episodes of
    their own, and ``worlds`` have the axes (worlds, units). ``anew`` marks rows of stochastic
    mechanisms whose noise is drawn rather than recovered. Where ``through`` is given, its variables
    take the values that they have in the first world: nested counterfactuals. ``luck`` is
    what policies draw by, in every world the same. Families whose noise is not unique draw it from
    its posterior, once a unit.
    """
    members, units, steps, size = rows.shape
    shared = window.ndim == 2
    count = worlds.exogenous.shape[0]
    anew = np.zeros((count, steps, size), bool) if anew is None else anew
    through = np.zeros((0, size), bool) if through is None else through
    piece = bucket(units, 1)
    while piece > 8 and members * piece * count * steps * size > MOST:
        piece //= 2
    parts = []
    for number, begin in enumerate(range(0, units, piece)):
        at = np.minimum(np.arange(begin, begin + piece), units - 1)
        kept = min(piece, units - begin)
        own = jax.random.fold_in(key, number)
        some = worlds if shared else jax.tree.map(lambda leaf, at=at: leaf[:, at], worlds)
        out = _replay(
            dynamics,
            window if shared else window[at],
            jnp.asarray(rows[:, at]),
            some,
            jnp.asarray(anew),
            jnp.asarray(through),
            None if luck is None else jnp.asarray(luck[at]),
            key=own,
            shared=shared,
        )
        parts.append(np.asarray(out)[:, :kept])
    return settled(np.concatenate(parts, 1))[0]


@partial(jax.jit, static_argnames="shape")
def _fresh(dynamics: Dynamics, key: PRNGKeyArray, shape: tuple[int, int]) -> Noise:
    return dynamics.draw_noise(key, shape)


def complete(
    dynamics: Dynamics,
    window: Float[Array, "lags variables"],
    rows: Float[np.ndarray, "steps variables"],
    missing: Bool[np.ndarray, "steps variables"],
    *,
    samples: int,
    key: PRNGKeyArray,
) -> Float[np.ndarray, "members samples steps variables"]:
    """The logged rows under every member, missing values drawn forward given what came before.

    Known values hold as they are, so a value that follows a missing one still is what was logged.
    """
    if not missing.any():
        return np.broadcast_to(rows, (dynamics.members, samples, *rows.shape))
    batch = bucket(samples)

    world = World(
        window=window,
        exogenous=jnp.asarray(rows),
        gain=jnp.asarray(missing, jnp.float32),
        offset=jnp.asarray(np.where(missing, 0.0, rows), jnp.float32),
    )
    worlds = repeated(world, batch)
    noise = _fresh(dynamics, key, (batch, len(rows)))
    return settled(np.asarray(simulate(dynamics, worlds, noise))[:, :samples])[0]
