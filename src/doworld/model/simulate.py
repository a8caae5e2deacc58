"""Many worlds at once: batched rollouts over members and cores, compiled once per shape."""

from functools import partial

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from doworld._core.devices import over_devices
from doworld.model.dynamics import Dynamics, Noise, World, rollout

__all__ = ["bucket", "simulate"]


AT_ONCE = 256
"""Worlds that a core steps together: more of them no longer fit its cache."""


def bucket(size: int, smallest: int = 8) -> int:
    """The next power of two: shapes come in few sizes, so new questions do not recompile.

    >>> [bucket(n) for n in (1, 8, 9, 300)]
    [8, 8, 16, 512]
    """
    return max(smallest, 1 << max(size - 1, 0).bit_length())


@partial(jax.jit, static_argnames="devices")
def _simulate(
    dynamics: Dynamics, worlds: World, noise: Noise, devices: int
) -> Float[Array, "members batch steps variables"]:
    def batch(dynamics: Dynamics, worlds: World, noise: Noise):
        def member(banks):
            def run(own: tuple[World, Noise]):
                return rollout(dynamics, banks, *own)

            if worlds.exogenous.shape[0] <= AT_ONCE or jax.default_backend() != "cpu":
                return jax.vmap(run)((worlds, noise))
            return jax.lax.map(run, (worlds, noise), batch_size=AT_ONCE)

        return jax.lax.map(member, dynamics.banks)

    if devices == 1:
        return batch(dynamics, worlds, noise)
    whole, split = PartitionSpec(), PartitionSpec("batch")
    out = PartitionSpec(None, "batch")
    shard = over_devices(batch, devices, split=(whole, split, split), out=out)
    return shard(dynamics, worlds, noise)


def simulate(
    dynamics: Dynamics, worlds: World, noise: Noise
) -> Float[Array, "members batch steps variables"]:
    """Rows 1…T of every world in the batch under every member, in scaled units.

    ``worlds`` and ``noise`` have a leading batch axis; the batch is spread over the host's devices
    where it divides by them and is large enough to gain.
    """
    devices, size = jax.local_device_count(), worlds.exogenous.shape[0]
    return _simulate(dynamics, worlds, noise, devices if size % devices == 0 and size >= 64 else 1)
