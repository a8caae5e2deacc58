"""Levels by Gumbel-max: extreme logits, padded levels and the posterior of the noise."""

import jax
import jax.numpy as jnp
import numpy as np
from mechanisms_banks import make, situation

from doworld.mechanisms import renewed


def with_logits(logits):
    """A bank whose first variable has these logits whatever its parents are."""
    bank = make("categorical")
    zero = {n: jnp.zeros_like(getattr(bank, n)) for n in ("skip", "weight1", "weight2", "past")}
    bias = jnp.zeros_like(bank.bias2).at[0, :, :-1].set(jnp.asarray(logits))
    return renewed(bank, {**zero, "bias2": bias, "open": jnp.zeros_like(bank.open)})


def sampled(bank, noise):
    features, previous = situation()
    inputs = bank.inputs(features)
    return np.asarray(jax.jit(jax.vmap(lambda e: bank.sample(inputs, previous, e)))(noise))


def posterior(bank, value, count=20_000):
    features, previous = situation()
    inputs = bank.inputs(features)
    keys = jax.random.split(jax.random.key(0), count)
    value = jnp.asarray(value, jnp.float32)
    noise = jax.jit(jax.vmap(lambda k: bank.posterior(inputs, previous, value, k)))(keys)
    return np.asarray(noise), sampled(bank, noise)


def test_padded_level_never_comes():
    bank = make("categorical")
    values = sampled(bank, bank.draw_noise(jax.random.key(0), (5000,)))
    assert set(np.unique(values[:, 1])) == {0.0, 1.0}


def test_posterior_is_the_prior_given_the_level():
    bank = with_logits([0.5, 0.0, -1.0])
    prior = bank.draw_noise(jax.random.key(7), (60_000,))
    kept = np.asarray(prior)[sampled(bank, prior)[:, 0] == 1.0][:, 0]
    noise, again = posterior(bank, [1.0, 0.0])
    assert (again == [1.0, 0.0]).all()
    np.testing.assert_allclose(noise[:, 0].mean(0), kept.mean(0), atol=0.04)
    np.testing.assert_allclose(noise[:, 0].std(0), kept.std(0), atol=0.04)


def test_a_level_that_was_impossible_may_come_in_another_world():
    # exp(200) overflows float32: the noise of such a level must stay finite all the same
    noise, again = posterior(with_logits([0.0, -200.0, 0.0]), [0.0, 0.0])
    assert np.isfinite(noise).all()
    assert (again == 0.0).all()
    other = sampled(with_logits([0.0, 200.0, 0.0]), jnp.asarray(noise))
    assert (other[:, 0] == 1.0).all()


def test_an_observed_level_of_probability_zero_is_reproduced():
    noise, again = posterior(with_logits([0.0, -200.0, 0.0]), [1.0, 0.0])
    assert np.isfinite(noise).all()
    assert (again[:, 0] == 1.0).all()


def test_a_variable_keeps_its_level_as_often_as_it_should():
    # p(stay) = σ(k) + (1 − σ(k)) softmax(r) at the last level, (1 − σ(k)) softmax(r) elsewhere
    bank = make("categorical")
    zero = {n: jnp.zeros_like(getattr(bank, n)) for n in ("skip", "weight1", "weight2")}
    bias = jnp.zeros_like(bank.bias2).at[0, :, -1].set(jnp.log(3.0))
    bank = renewed(bank, {**zero, "bias2": bias})
    inputs = jnp.zeros((2, bank.mask.shape[-1])).at[0, 0].set(1.0) * bank.mask
    share = np.exp(np.asarray(bank.logits(inputs)))[0]
    np.testing.assert_allclose(share, [0.25 / 3, 0.75 + 0.25 / 3, 0.25 / 3], rtol=1e-5)


def test_a_context_has_a_network_of_its_own():
    bank = make("categorical")
    closed = jnp.zeros((2, bank.mask.shape[-1]))
    np.testing.assert_array_equal(bank.speaking(closed), [[1.0, 0.0], [1.0, 0.0]])
    opened = closed.at[:, 0].set(1.0)
    np.testing.assert_array_equal(bank.speaking(opened), [[0.0, 1.0], [1.0, 0.0]])
