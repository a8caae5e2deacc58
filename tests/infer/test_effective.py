"""A family that can only be sampled is abducted by importance weights, and says by how many."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

import worlds_by_hand as by_hand
from doworld.data import Role, Variable
from doworld.infer import counterfactual
from doworld.mechanisms import WeightedBank
from doworld.mechanisms.bank import gaussian_log_prob
from doworld.query import Counterfactual, Set


class Slopes(WeightedBank):
    """z' = x + e₁ + x·e₂: every row has a slope of its own, so that noise is not unique."""

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    width: Float[Array, " n"]

    def draw_noise(self, key, shape):
        return jax.random.normal(key, (*shape, self.targets.shape[0], 2))

    def sample(self, inputs, previous, noise):
        return inputs[:, 0] * (1 + noise[:, 1]) + noise[:, 0]

    def log_prob(self, inputs, previous, value):
        x = inputs[:, 0]
        return gaussian_log_prob(value - x, jnp.sqrt(1 + x**2))


@pytest.fixture(scope="module")
def model():
    variables = (Variable("Y"), Variable("X", Role.ACTION), Variable("Z"))
    weights = {"Y": {("X", 0): 1.0}, "Z": {("Y", 0): 1.0}}
    plain = by_hand.linear_world(variables, weights, step=0.0)
    rows, both = plain.dynamics.banks[0], jnp.asarray([0])
    assert rows.targets[0].tolist() == [0, 2]
    own = Slopes(
        targets=rows.targets[:, both],
        columns=rows.columns[:, both],
        mask=rows.mask[:, both],
        residual=rows.residual[:, both],
        width=jnp.full((1, 1), 0.1),
    )
    rest = jax.tree.map(lambda leaf: leaf[:, 1:], rows)
    dynamics = plain.dynamics
    banks = (own, rest)
    order = np.asarray(dynamics.order)
    made = type(dynamics).of(
        banks,
        coding=dynamics.coding,
        order=order,
        lower=np.asarray(dynamics.lower),
        upper=np.asarray(dynamics.upper),
        max_lag=dynamics.max_lag,
    )
    return replace(plain, dynamics=made)


def asked(model, y, samples=4000):
    fact = {"X": 0.5, "Y": y, "Z": 1.0}
    return counterfactual(
        model, Counterfactual(episode=fact, interventions=Set("X", 2.0), samples=samples)
    )


def test_weighted_draws_follow_the_posterior(model):
    """(e₁, e₂) | y is normal: the altered value is normal with a mean and variance in closed form.

    With a = (1, x), a' = (1, x'), h the kernel's width: mean x' + a'·a (y − x) / (a·a + h²).
    """
    x, new, y, h = 0.5, 2.0, 1.1, 0.1
    own, mixed = 1 + x * x + h * h, 1 + x * new
    answer = asked(model, y)
    draws = answer.samples()["Y"].reshape(-1)
    assert draws.mean() == pytest.approx(new + mixed * (y - x) / own, abs=0.15)
    assert draws.std() == pytest.approx(np.sqrt(1 + new**2 - mixed**2 / own), abs=0.15)
    # Z = Y + ε moves by exactly as much
    moved = answer.samples()["Z"].reshape(-1) - 1.0
    np.testing.assert_allclose(moved, draws - y, atol=1e-4)
    assert any("drawn by importance weights" in line for line in answer.why.assumptions)


def test_the_fact_stays_the_fact(model):
    fact = {"X": 0.5, "Y": 1.1, "Z": 1.0}
    answer = counterfactual(model, Counterfactual(episode=fact, interventions=Set("X", 0.5)))
    assert answer["Y"].estimate == (1.1,)
    assert answer["Z"].estimate == (1.0,)


def test_few_effective_draws_are_warned_of(model):
    wider = eqx.tree_at(lambda d: d.banks[0].width, model.dynamics, jnp.full((1, 1), 0.3))
    usual = asked(replace(model, dynamics=wider), 0.5, 16)
    assert not any("draws explain" in w for w in usual.why.warnings)
    rare = asked(model, 5.5, 16)
    assert any("draws explain Y at row 0" in w for w in rare.why.warnings)


def test_effective_draws_are_those_of_the_weights(model):
    """One width explains nearly all of the prior: nearly all draws count."""
    wide = eqx.tree_at(lambda d: d.banks[0].width, model.dynamics, jnp.full((1, 1), 1e3))
    answer = asked(replace(model, dynamics=wide), 0.5, 16)
    assert any("at least 256 of 256" in line for line in answer.why.assumptions)
