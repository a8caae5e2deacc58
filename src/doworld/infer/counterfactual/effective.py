"""How many draws an importance-weighted abduction rests on, in numbers and words."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from doworld.infer.engine import key_of
from doworld.mechanisms.weighted import DRAWS, WeightedBank
from doworld.model.dynamics import Dynamics, histories
from doworld.model.world import WorldModel

__all__ = ["FEW", "effective", "words_of"]

FEW = 20
"""Effective draws below which an answer warns."""


@jax.jit
def _effective(
    dynamics: Dynamics,
    window: Float[Array, "units lags variables"],
    rows: Float[Array, "units steps variables"],
    key: PRNGKeyArray,
) -> Float[Array, "members units steps variables"]:
    def one(banks, window, rows):
        features, before = histories(dynamics, window, rows)
        out = jnp.full(rows.shape, jnp.nan)
        for number, bank in enumerate(banks):
            if not isinstance(bank, WeightedBank):
                continue
            keys = jax.random.split(jax.random.fold_in(key, number), len(rows))
            inputs, at = jax.vmap(bank.inputs)(features), bank.targets
            own = jax.vmap(bank.effective)(inputs, before[:, at], rows[:, at], keys)
            out = out.at[:, at].set(own)
        return out

    return jax.lax.map(
        lambda banks: jax.vmap(lambda w, r: one(banks, w, r))(window, rows), dynamics.banks
    )


def effective(
    model: WorldModel,
    window: Float[np.ndarray, "units lags variables"],
    rows: Float[np.ndarray, "units steps variables"],
    *,
    seed: int,
) -> Float[np.ndarray, "steps variables"] | None:
    """The fewest effective draws of any member and unit, by row; None without such a family.

    ``window`` and ``rows`` are scaled.
    """
    if not any(isinstance(b, WeightedBank) for b in model.dynamics.banks):
        return None
    single = (jnp.asarray(each, jnp.float32) for each in (window, rows))
    every = _effective(model.dynamics, *single, key_of(seed))
    return np.asarray(every).min((0, 1))


def words_of(
    model: WorldModel, fewest: Float[np.ndarray, "steps variables"] | None, relevant: Sequence[int]
) -> tuple[list[str], list[str]]:
    """(assumptions, warnings) of an importance-weighted abduction."""
    if fewest is None:
        return [], []
    said, warned = [], []
    for i in relevant:
        if np.isnan(fewest[:, i]).all():
            continue
        name, least = model.schema.names[i], float(np.nanmin(fewest[:, i]))
        said.append(
            f"The noise of {name} is drawn by importance weights: at least {least:.0f} of {DRAWS} "
            "draws count in every row."
        )
        if least < FEW:
            row = int(np.nanargmin(fewest[:, i])) + (not model.schema.static)
            warned.append(
                f"Only {least:.1f} draws explain {name} at row {row}: its noise is hardly known, "
                "as the model finds that value unlikely. Check the value, or learn the model anew."
            )
    return said, warned
