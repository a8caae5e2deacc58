"""The world that a controller plans in, from the rows that it has seen."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from doworld.infer.history import fill
from doworld.model.dynamics import World
from doworld.model.world import WorldModel

__all__ = ["world_of"]


def world_of(model: WorldModel, rows: Float[np.ndarray, "rows variables"], steps: int) -> World:
    """The world of ``steps`` rows after ``rows``, with contexts held.

    ``rows`` are in the variables' own units, NaN where unknown. Where they are fewer than the model
    looks back, the oldest stands in for what lies before it.
    """
    lags = model.dynamics.max_lag
    values = fill(rows[-max(lags, 1) :], model.typical).values
    newest = values[np.maximum(len(values) - 1 - np.arange(lags), 0)]
    held = np.broadcast_to(model.scaled(values[-1]), (steps, len(model.schema)))
    gain, offset = _untouched(steps, len(model.schema))
    return World(
        window=jnp.asarray(model.scaled(newest), jnp.float32),
        exogenous=jnp.asarray(held, jnp.float32),
        gain=gain,
        offset=offset,
    )


@cache
def _untouched(steps: int, size: int) -> tuple[Float[Array, "steps n"], Float[Array, "steps n"]]:
    return jnp.ones((steps, size)), jnp.zeros((steps, size))
