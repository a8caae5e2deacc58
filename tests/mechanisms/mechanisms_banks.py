"""One bank of every family, with two variables, three inputs and one padding column."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from doworld._core.devices import prepare
from doworld.mechanisms import (
    AbstractBank,
    CategoricalBank,
    Known,
    KnownBank,
    LawBank,
    LinearBank,
    MonolithBank,
    NeuralBank,
    PolynomialBank,
)
from doworld.mechanisms.noise import GRID
from doworld.mechanisms.polynomial import monomials, place
from doworld.mechanisms.terms import Factor, Operation, encoded

prepare()

N, K, H, C, FLAT = 2, 3, 5, 3, 8
PADDED = 1
"""The variable whose last column is padding."""


def _law(a, b):
    return jnp.tanh(a) + 0.3 * b**2


LAWS = (
    Known("y", (("a", "u", 1), ("b", "w", 1)), _law),
    Known("z", (("a", "u", 1), ("b", "w", 1)), _law),
)


TERMS = (
    [
        (),
        (Factor(0, Operation.IDENTITY), Factor(1, Operation.SINE, 0.7)),
        (Factor(2, Operation.RECIPROCAL, 0.5), Factor(0, Operation.COSINE, 1.3)),
    ],
    [(Factor(1, Operation.ABOVE, -0.2), Factor(0, Operation.STEP, -9.0)), ()],
)
"""The second law is shorter than the first and reads no padding."""


def make(family: str, seed: int = 0) -> AbstractBank:
    """The bank called ``family`` with random parameters."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, spread: float = 0.5):
        return jnp.asarray(rng.normal(size=shape) * spread, jnp.float32)

    def positive(*shape: int):
        return jnp.asarray(rng.uniform(0.3, 1.5, shape), jnp.float32)

    mask = np.ones((N, K), np.float32)
    mask[PADDED, -1] = 0.0
    wiring = {
        "targets": jnp.asarray([0, 2]),
        "columns": jnp.asarray([[1, 4, 6], [0, 3, 7]]),
        "mask": jnp.asarray(mask),
        "residual": jnp.asarray([1.0, 0.0]),
    }
    # strictly increasing and visibly bent
    knots = GRID * np.where(GRID > 0, 1.4, 0.7) + 0.1
    bent = {"knots": jnp.asarray(np.stack([knots, GRID]), jnp.float32), "scale": positive(N)}
    if family in ("linear", "polynomial", "law"):
        return _closed(family, wiring, bent, rng)
    if family == "neural":
        return NeuralBank(
            **wiring,
            **bent,
            chain=jnp.asarray([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
            shift=normal(N, K),
            spread=positive(N, K),
            skip=normal(N, K),
            weight1=normal(N, K, H),
            bias1=normal(N, H),
            weight2=normal(N, H, H),
            bias2=normal(N, H),
            weight3=normal(N, H, 2),
            bias3=normal(N, 2),
        )
    if family == "categorical":
        return CategoricalBank(
            **wiring,
            skip=normal(N, 2, K, C + 1),
            weight1=normal(N, 2, K, H),
            bias1=normal(N, 2, H),
            weight2=normal(N, 2, H, C + 1),
            bias2=normal(N, 2, C + 1),
            # the second variable has one level less
            open=jnp.asarray([[0.0, 0.0, 0.0], [0.0, 0.0, -1e9]]),
            gate=jnp.asarray([[0], [-1]]),
            heard=jnp.ones((N, 2, K)).at[0, 1, K - 1].set(0.0),
            past=jnp.zeros((N, K, C)).at[0, 0, :2].set(jnp.asarray([-1.0, 1.0])),
            base=jnp.zeros((N, C)).at[0, 0].set(1.0),
        )
    if family == "known":
        wiring |= {"columns": jnp.asarray([[1, 4], [0, 3]]), "mask": jnp.ones((N, 2))}
        return KnownBank(
            **wiring,
            sigma=positive(N),
            center_in=normal(N, 2),
            scale_in=positive(N, 2),
            center_out=normal(N),
            scale_out=positive(N),
            known=LAWS,
        )
    assert family == "monolith"
    wiring |= {"columns": jnp.asarray([[1, 4, 6]] * N), "mask": jnp.ones((N, K))}
    return MonolithBank(
        **wiring,
        scale=positive(N),
        weight1=normal(K, H),
        bias1=normal(H),
        weight2=normal(H, H),
        bias2=normal(H),
        weight3=normal(H, N),
        bias3=normal(N),
        sigma=positive(N),
    )


def _closed(family: str, wiring: dict, bent: dict, rng: np.random.Generator) -> AbstractBank:
    def normal(*shape: int, spread: float = 0.5):
        return jnp.asarray(rng.normal(size=shape) * spread, jnp.float32)

    def positive(*shape: int):
        return jnp.asarray(rng.uniform(0.3, 1.5, shape), jnp.float32)

    if family == "linear":
        return LinearBank(**wiring, weight=normal(N, K), bias=normal(N), sigma=positive(N))
    if family == "polynomial":
        terms = monomials(K, 2)
        weight = rng.normal(size=(N, len(terms))) * 0.5
        return PolynomialBank(
            **wiring,
            **bent,
            coefficient=jnp.asarray(place(terms, weight, K, 2), jnp.float32),
            low=jnp.full((N, K), -3.0),
            high=jnp.full((N, K), 3.0),
            sigma=positive(N),
        )
    operation, reads, parameter = encoded(TERMS)
    return LawBank(
        **wiring,
        knots=bent["knots"],
        operation=jnp.asarray(operation),
        reads=jnp.asarray(reads),
        parameter=jnp.asarray(parameter),
        constant=jnp.asarray([[0.5, -1.0, 0.3], [1.2, 0.4, 0.0]]) + normal(N, 3, spread=0.1),
        center_in=normal(N, K),
        scale_in=positive(N, K),
        center_out=normal(N),
        scale_out=positive(N),
        sigma=positive(N),
    )


FAMILIES = ("linear", "polynomial", "law", "neural", "categorical", "known", "monolith")
CONTINUOUS = tuple(f for f in FAMILIES if f != "categorical")
DIFFERENTIABLE = {
    "linear": "weight",
    "polynomial": "coefficient",
    "law": "constant",
    "neural": "weight1",
    "categorical": "weight1",
    "known": "sigma",
    "monolith": "weight1",
}


def situation(seed: int = 1):
    """Features of a window and the values of the row before."""
    rng = np.random.default_rng(seed)
    features = jnp.asarray(rng.normal(size=FLAT), jnp.float32)
    return features, jnp.asarray(rng.normal(size=N), jnp.float32)


def density(bank: AbstractBank, inputs, previous, grid):
    """p(value) of every variable at each point of ``grid``: (points, n)."""
    log_prob = eqx.filter_jit(
        eqx.filter_vmap(lambda v: bank.log_prob(inputs, previous, jnp.full(N, v)))
    )
    return np.exp(np.asarray(log_prob(jnp.asarray(grid, jnp.float32)), np.float64))
