"""Every family of mechanisms keeps the same promises."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mechanisms_banks import (
    CONTINUOUS,
    DIFFERENTIABLE,
    FAMILIES,
    K,
    N,
    density,
    make,
    situation,
)
from scipy.integrate import trapezoid

from doworld.mechanisms import InvertibleBank, StochasticBank, ensemble, renewed

DRAWS = 20_000
GRID = np.linspace(-60.0, 60.0, 400_001)


def drawn(bank, inputs, previous, count=DRAWS, seed=0):
    noise = bank.draw_noise(jax.random.key(seed), (count,))
    sample = eqx.filter_jit(jax.vmap(lambda e: bank.sample(inputs, previous, e)))
    return noise, np.asarray(sample(noise))


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def case(family):
    bank = make(family)
    features, previous = situation()
    return bank, bank.inputs(features), previous


def test_shapes(case):
    bank, inputs, previous = case
    assert inputs.shape == bank.columns.shape
    noise = bank.draw_noise(jax.random.key(0), (4, 3))
    assert noise.shape[:3] == (4, 3, N)
    value = bank.sample(inputs, previous, noise[0, 0])
    assert value.shape == (N,)
    assert bank.log_prob(inputs, previous, value).shape == (N,)


def test_wrong_shape_is_refused(case):
    bank, inputs, previous = case
    with pytest.raises(TypeError):
        bank.sample(inputs[:1], previous, bank.draw_noise(jax.random.key(0), ()))


def test_noise_reproduces_the_value(case):
    bank, inputs, previous = case
    noise, values = drawn(bank, inputs, previous, 500)
    if isinstance(bank, InvertibleBank):
        abduct = jax.jit(jax.vmap(lambda v: bank.abduct(inputs, previous, v)))
        found = abduct(jnp.asarray(values))
        np.testing.assert_allclose(found, noise, atol=2e-4)
    else:
        assert isinstance(bank, StochasticBank)
        keys = jax.random.split(jax.random.key(3), len(values))
        posterior = jax.jit(jax.vmap(lambda v, k: bank.posterior(inputs, previous, v, k)))
        found = posterior(jnp.asarray(values), keys)
    again = jax.jit(jax.vmap(lambda e: bank.sample(inputs, previous, e)))(found)
    np.testing.assert_allclose(again, values, atol=1e-5)


def test_density_integrates_to_one(family, case):
    bank, inputs, previous = case
    if family in CONTINUOUS:
        total = trapezoid(density(bank, inputs, previous, GRID), GRID, axis=0)
    else:
        total = density(bank, inputs, previous, np.arange(3)).sum(0)
    np.testing.assert_allclose(total, 1.0, atol=2e-3)


def test_density_is_that_of_the_samples(family, case):
    bank, inputs, previous = case
    _, values = drawn(bank, inputs, previous)
    grid = GRID if family in CONTINUOUS else np.arange(3.0)
    p = density(bank, inputs, previous, grid)
    mass = p * (grid[1] - grid[0] if family in CONTINUOUS else 1.0)
    ours = np.cumsum(mass, 0)
    for i in range(N):
        drawn_share = np.searchsorted(np.sort(values[:, i]), grid, "right") / DRAWS
        assert np.abs(ours[:, i] - drawn_share).max() < 0.015


def test_members_are_independent_of_each_other(family):
    one, two = make(family, 0), make(family, 1)
    names = [f for f in vars(one) if f != "known"]
    leaves = {f: np.stack([getattr(one, f), getattr(two, f)]) for f in names}
    static = {"known": one.known} if family == "known" else {}
    both = ensemble(type(one), leaves, **static)
    features, previous = situation()
    noise = one.draw_noise(jax.random.key(0), ())
    sample = jax.vmap(lambda b: b.sample(b.inputs(features), previous, noise))
    each = [b.sample(b.inputs(features), previous, noise) for b in (one, two)]
    np.testing.assert_allclose(sample(both), jnp.stack(each), rtol=1e-5, atol=1e-6)


def test_padding_has_no_influence(family, case):
    bank, inputs, previous = case
    features, _ = situation()
    unread = features.at[7].add(100.0).at[2].add(100.0)  # column 7 is only padding
    again = bank.inputs(unread)
    np.testing.assert_array_equal(again, inputs)
    noise = bank.draw_noise(jax.random.key(0), ())
    np.testing.assert_array_equal(
        bank.sample(again, previous, noise), bank.sample(inputs, previous, noise)
    )


def test_columns_read_the_named_features(family, case):
    bank, inputs, _ = case
    features, _ = situation()
    for i in range(N):
        for k in range(bank.columns.shape[1]):
            wanted = features[bank.columns[i, k]] * bank.mask[i, k]
            assert inputs[i, k] == wanted


def test_gradient_of_the_likelihood(family, case):
    bank, inputs, previous = case
    name = DIFFERENTIABLE[family]
    value = jnp.asarray([1.0, 0.0])

    def total(leaf):
        return jnp.sum(renewed(bank, {name: leaf}).log_prob(inputs, previous, value))

    slope = jax.jit(jax.grad(total))(getattr(bank, name))
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.mark.parametrize("family", CONTINUOUS)
def test_gradient_of_the_sample_reaches_the_inputs(family):
    bank = make(family)
    features, previous = situation()
    inputs = bank.inputs(features)
    noise = bank.draw_noise(jax.random.key(0), ())
    slope = jax.jit(jax.grad(lambda x: jnp.sum(bank.sample(x, previous, noise))))(inputs)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


def test_ensemble_checks_every_member():
    bank = make("linear")
    leaves = {f: np.stack([getattr(bank, f)] * 2) for f in vars(bank)}
    leaves["weight"] = np.zeros((2, N, K + 1), np.float32)
    with pytest.raises(TypeError):
        ensemble(type(bank), leaves)
