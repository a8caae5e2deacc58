"""Abduction and replay: the same noise, member by member, in the world as it was and otherwise."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from doworld.infer.engine import MOST, repeated, settled
from doworld.mechanisms import StochasticBank
from doworld.model.dynamics import Dynamics, Noise, World, abduct, rollout
from doworld.model.simulate import bucket, simulate

__all__ = ["complete", "replay"]


@jax.jit
def _replay(
    dynamics: Dynamics,
    window: Float[Array, "lags variables"],
    rows: Float[Array, "members samples steps variables"],
    worlds: World,
    anew: Bool[Array, "worlds steps variables"],
    luck: Float[Array, "samples rows p"] | None,
    *,
    key: PRNGKeyArray,
) -> Float[Array, "members samples worlds steps variables"]:
    def one(banks, own, fortune, number, member):
        posterior_key, fresh_key = jax.random.split(jax.random.fold_in(key, number))
        # a member's posterior draws are its own, fresh draws are shared by all members
        recovered = abduct(dynamics, banks, window, own, jax.random.fold_in(posterior_key, member))
        fresh = dynamics.draw_noise(fresh_key, (own.shape[0],))

        def world(which, redrawn):
            noise = _mixed(banks, recovered, fresh, redrawn)
            if which.followed is not None:
                which = replace(which, followed=replace(which.followed, luck=fortune))
            return rollout(dynamics, banks, which, noise)

        return jax.vmap(world)(worlds, anew)

    def member(inputs):
        banks, own, number = inputs
        each = jnp.arange(own.shape[0])
        return jax.vmap(lambda r, u, s: one(banks, r, u, s, number))(own, luck, each)

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


def replay(
    dynamics: Dynamics,
    window: Float[Array, "lags variables"],
    rows: Float[np.ndarray, "members samples steps variables"],
    worlds: World,
    *,
    anew: Bool[np.ndarray, "worlds steps variables"],
    luck: Float[np.ndarray, "samples rows p"] | None = None,
    key: PRNGKeyArray,
) -> Float[np.ndarray, "members samples worlds steps variables"]:
    """Recovers the noise of ``rows`` and rolls every world out with it, in scaled units.

    ``window`` is the logged history; ``worlds`` have a leading axis, and their own windows.
    ``anew`` marks rows of stochastic mechanisms whose noise is drawn rather than recovered.
    Families whose noise is not unique draw it from its posterior, once a sample. ``luck`` is what
    policies draw by, in every world and member the same.
    """
    members, samples, steps, size = rows.shape
    count = anew.shape[0]
    piece = samples
    while piece > 8 and members * piece * count * steps * size > MOST:
        piece = -(-piece // 2)
    parts = []
    for number, begin in enumerate(range(0, samples, piece)):
        some = rows[:, begin : begin + piece]
        short = piece - some.shape[1]
        padded = np.pad(some, ((0, 0), (0, short), (0, 0), (0, 0)), mode="edge")
        own, fortune = jax.random.fold_in(key, number), None
        if luck is not None:
            mine = luck[begin : begin + piece]
            fortune = jnp.asarray(np.pad(mine, ((0, short), (0, 0), (0, 0)), mode="edge"))
        args = (worlds, jnp.asarray(anew), fortune)
        out = _replay(dynamics, window, jnp.asarray(padded), *args, key=own)
        parts.append(np.asarray(out)[:, : piece - short])
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
