"""Evidence in a static table: what a known effect says about its unknown causes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from doworld._core.errors import QueryError
from doworld.infer.engine import Draws
from doworld.infer.setup import Setup
from doworld.model.dynamics import Dynamics

__all__ = ["reweigh"]

FEW = 20
"""Effective draws per member below which the answer says that evidence left few."""


@jax.jit
def _log_weights(
    dynamics: Dynamics,
    rows: Float[Array, "members samples variables"],
    counted: Float[Array, " variables"],
) -> Float[Array, "members samples"]:
    """Σ over the ``counted`` variables of log p(value | parents)."""

    def one(banks, row):
        features = dynamics.coding.encode(row[None]).reshape(-1)
        total = jnp.zeros((), row.dtype)
        for bank in banks:
            value = row[bank.targets]
            own = bank.log_prob(bank.inputs(features), jnp.zeros_like(value), value)
            total += jnp.sum(own * counted[bank.targets])
        return total

    def member(pair):
        banks, own = pair
        return jax.vmap(lambda row: one(banks, row))(own)

    return jax.lax.map(member, (dynamics.banks, rows))


def _open(setup: Setup) -> list[int]:
    """Evidence with a cause that is itself unknown, so that it says something about it."""
    held = setup.evidence & ~setup.done.cut[0]
    fixed = held | setup.done.cut[0] | (np.asarray(setup.model.dynamics.order) < 0)
    return [int(i) for i in np.flatnonzero(held) if not fixed[setup.reach.acts[:, i, 0]].all()]


def reweigh(setup: Setup, draws: Draws, *, seed: int) -> tuple[Draws, list[str]]:
    """Draws given the evidence, by likelihood weighting and resampling within each member.

    w_s = Π_e p(e | its parents in draw s) over evidence e with unknown causes (Fung & Chang 1989);
    other questions pass through. Raises ``QueryError`` for evidence on an effect of an
    intervention, which would describe two worlds at once.
    """
    if not setup.evidence.any():
        return draws, []
    done = np.flatnonzero(setup.done.touched[0])
    held = np.flatnonzero(setup.evidence & ~setup.done.cut[0])
    below = [i for i in held if np.isfinite(setup.reach.delay[done, i]).any()]
    if len(done) and below:
        name = setup.model.schema.names[below[0]]
        raise QueryError(
            f"{name!r} is given and is also an effect of the intervention, so it cannot be both "
            f"seen before and held after it. Leave {name!r} out of given, or ask Counterfactual."
        )
    counted = _open(setup)
    if not counted or draws.whole is None:
        return draws, []
    rows = setup.model.scaled(draws.whole[:, :, 0]).astype(np.float32)
    which = np.isin(np.arange(rows.shape[-1]), counted).astype(np.float32)
    log_weight = np.asarray(_log_weights(setup.model.dynamics, rows, which), np.float64)
    weight = np.exp(log_weight - log_weight.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    chosen = _resample(weight, np.random.default_rng([seed, 23]))
    names = ", ".join(setup.model.schema.names[i] for i in counted)
    notes = [f"Causes of {names} that were not given are inferred from it, by weighting draws."]
    least = (1 / (weight**2).sum(1)).min()
    if least < FEW:
        notes.append(
            f"The evidence is improbable: it leaves {least:.0f} effective draws of "
            f"{weight.shape[1]}. Ask with more samples."
        )
    values = np.take_along_axis(draws.values, chosen[:, :, None, None], 1)
    return replace(draws, values=values), notes


def _resample(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: the numbers of the draws that stay, by member."""
    members, size = weight.shape
    at = (np.arange(size) + rng.random((members, 1))) / size
    edges = np.cumsum(weight, 1)
    return np.stack([np.searchsorted(e[:-1], a) for e, a in zip(edges, at, strict=True)])
