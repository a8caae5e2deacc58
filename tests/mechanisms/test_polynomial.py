"""Polynomials as bilinear forms give what their terms say."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms_banks import K, N, make

from doworld.mechanisms import renewed
from doworld.mechanisms.polynomial import monomials, place


@pytest.mark.parametrize(("inputs", "degree"), [(1, 1), (3, 2), (2, 5), (4, 3)])
def test_every_product_once(inputs, degree):
    rows = [tuple(r) for r in monomials(inputs, degree).tolist()]
    every = itertools.combinations_with_replacement(range(inputs + 1), degree)
    assert sorted(rows) == sorted(every)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_bank_evaluates_its_terms(low, degree, seed):
    # a fit of a lower degree is written in the highest of its bank
    low, degree = sorted((low, degree))
    rng = np.random.default_rng(seed)
    terms = monomials(K, low)
    weight = rng.normal(size=(N, len(terms)))
    x = rng.uniform(-1, 1, (N, K))
    factors = np.concatenate([np.ones((N, 1)), x], 1)
    wanted = np.array([(w * f[terms].prod(1)).sum() for w, f in zip(weight, factors, strict=True)])
    bank = make("polynomial")
    leaves = {"coefficient": jnp.asarray(place(terms, weight, K, degree), jnp.float32)}
    bank = renewed(bank, {**leaves, "residual": jnp.zeros(N), "sigma": jnp.zeros(N)})
    found = bank.sample(jnp.asarray(x, jnp.float32), jnp.zeros(N), jnp.zeros((N, 1)))
    np.testing.assert_allclose(found, wanted * np.asarray(bank.scale), rtol=1e-4, atol=1e-4)


def test_inputs_far_outside_the_data_are_held():
    bank = make("polynomial")
    at = [bank.sample(jnp.full((N, K), v), jnp.zeros(N), jnp.zeros((N, 1))) for v in (3.0, 1e9)]
    np.testing.assert_array_equal(*at)
