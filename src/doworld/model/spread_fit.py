"""The noise of neural mechanisms: σ as a function of the parents, and the shape of ε."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from doworld.mechanisms import NeuralBank, renewed
from doworld.mechanisms.noise import fit_knots
from doworld.model.design import Design, Parents

__all__ = ["fit_spread"]

ROWS = 4096
UPDATES = 300


@eqx.filter_jit
def _errors(bank: NeuralBank, inputs: Float[Array, "n b k"], change: Float[Array, "n b"]):
    """Standardised one-step errors (m, b, n) and last hidden layers (m, b, n, h) of all members."""

    def member(own: NeuralBank):
        def row(x, y):
            location, _ = own.heads(x * own.mask)
            return (y - location) / own.scale, own.hidden(own.standardised(x * own.mask))

        return jax.vmap(row, in_axes=(1, 1))(inputs, change)

    return jax.lax.map(member, bank)


@eqx.filter_jit
def _fit_log_sigma(
    error: Float[Array, "m b n"], hidden: Float[Array, "m b n h"]
) -> dict[str, Array]:
    """The last layer of log σ by maximum likelihood, from the constant that fits best."""
    level = 0.5 * jnp.log(jnp.mean(error**2, 1) + 1e-12)
    params = {
        "weight": jnp.zeros((error.shape[0], error.shape[2], hidden.shape[-1])),
        "bias": level,
    }
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, UPDATES))

    def loss(p):
        log_sigma = jnp.einsum("mbnh,mnh->mbn", hidden, p["weight"]) + p["bias"][:, None]
        likely = log_sigma + 0.5 * (error * jnp.exp(-log_sigma)) ** 2
        return jnp.mean(likely, 1).sum() + 1e-3 * jnp.sum(p["weight"] ** 2)

    def step(carry, _):
        p, state = carry
        updates, state = optimiser.update(jax.grad(loss)(p), state)
        return (optax.apply_updates(p, updates), state), None

    fitted: Any = jax.lax.scan(step, (params, optimiser.init(params)), length=UPDATES)[0][0]
    return fitted


def _rows(design: Design, parents: Parents, held: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Parent features (n, b, k) and changes (n, b) of ``ROWS`` rows a target."""
    rng = np.random.default_rng([seed, 31, held])
    n, k = parents.columns.shape
    inputs, change = np.zeros((n, ROWS, k), np.float32), np.zeros((n, ROWS), np.float32)
    for i, target in enumerate(parents.targets):
        used = parents.mask[:, i].any(0)
        whole = design.complete(int(target), parents.columns[i][used])
        rows = design.rows[whole & (design.held == held)]
        rows = rows if len(rows) else design.rows
        at = rng.choice(rows, ROWS, replace=len(rows) < ROWS)
        inputs[i] = design.gather(parents.columns[i], at) * used
        change[i] = design.values[at, target]
        if parents.residual[i]:
            change[i] -= design.values[at - 1, target]
    return inputs, change


def fit_spread(design: Design, parents: Parents, bank: NeuralBank, *, seed: int) -> NeuralBank:
    """``bank`` with its σ head fitted on training rows, and level and shape on held-out ones."""
    inputs, change = _rows(design, parents, False, seed)
    head = _fit_log_sigma(*_errors(bank, jnp.asarray(inputs), jnp.asarray(change)))
    inputs, change = _rows(design, parents, True, seed)
    error, hidden = _errors(bank, jnp.asarray(inputs), jnp.asarray(change))
    log_sigma = jnp.einsum("mbnh,mnh->mbn", hidden, head["weight"]) + head["bias"][:, None]
    unit = np.asarray(error * jnp.exp(-log_sigma))
    wider = np.sqrt(np.mean(unit**2, axis=1)) + 1e-6
    knots = np.stack(
        [fit_knots((unit / wider[:, None])[..., i].ravel()) for i in range(unit.shape[2])]
    )
    weight3 = bank.weight3.at[..., 1].set(head["weight"])
    bias3 = bank.bias3.at[..., 1].set(head["bias"] + jnp.log(wider))
    members = unit.shape[0]
    shaped = jnp.asarray(np.broadcast_to(knots, (members, *knots.shape)), jnp.float32)
    return renewed(bank, {"weight3": weight3, "bias3": bias3, "knots": shaped})
