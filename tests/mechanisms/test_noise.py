"""The monotone map from normal noise to a mechanism's own."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from doworld.mechanisms.noise import GRID, fit_knots, inverse, log_slope, warp

POINTS = np.linspace(-6, 6, 301)

gaps = hnp.arrays(np.float64, len(GRID) - 1, elements=st.floats(0.05, 5.0))
residuals = st.one_of(
    hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(-1e3, 1e3)),
    st.builds(
        lambda seed, size, power: np.random.default_rng(seed).standard_t(2, size) * 10.0**power,
        st.integers(0, 10_000),
        st.integers(20, 400),
        st.integers(-6, 6),
    ),
    st.builds(lambda value: np.full(50, value), st.floats(-1e6, 1e6)),
)


def rows(knots):
    return jnp.broadcast_to(jnp.asarray(knots, jnp.float32), (len(POINTS), len(GRID)))


def test_standard_grid_is_the_identity():
    u = jnp.asarray(POINTS, jnp.float32)
    np.testing.assert_allclose(warp(u, rows(GRID)), POINTS, atol=1e-5)
    np.testing.assert_allclose(inverse(u, rows(GRID)), POINTS, atol=1e-5)
    np.testing.assert_allclose(log_slope(u, rows(GRID)), 0.0, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(gaps, st.floats(-3, 3))
def test_warp_and_inverse_undo_each_other(steps, middle):
    knots = middle + np.concatenate([[0.0], np.cumsum(steps)]) - steps.sum() / 2
    u = jnp.asarray(POINTS, jnp.float32)
    e = warp(u, rows(knots))
    assert (np.diff(e) > 0).all()
    np.testing.assert_allclose(inverse(e, rows(knots)), POINTS, atol=1e-3)
    np.testing.assert_allclose(warp(inverse(u, rows(knots)), rows(knots)), POINTS, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(residuals)
def test_fitted_knots_increase_in_float32(values):
    knots = fit_knots(values)
    assert knots.shape == GRID.shape
    assert np.isfinite(knots).all()
    assert (np.diff(knots.astype(np.float32)) > 0).all()


@pytest.mark.parametrize("shape", ["normal", "skewed", "two-sided"])
def test_fitted_knots_give_the_quantiles_of_the_residuals(shape):
    rng = np.random.default_rng(0)
    draws = {
        "normal": rng.normal(size=20_000) * 2 + 1,
        "skewed": rng.exponential(size=20_000) - 1,
        "two-sided": rng.choice([-1, 1], 20_000) + 0.1 * rng.normal(size=20_000),
    }[shape]
    knots = fit_knots(draws)
    u = jnp.asarray(rng.normal(size=20_000), jnp.float32)
    e = np.asarray(warp(u, jnp.broadcast_to(jnp.asarray(knots, jnp.float32), (20_000, len(GRID)))))
    wanted = np.quantile(draws, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(np.quantile(e, [0.1, 0.25, 0.5, 0.75, 0.9]), wanted, atol=0.12)


def test_few_residuals_say_nothing():
    np.testing.assert_array_equal(fit_knots(np.array([5.0, -3.0])), GRID)


def test_slope_is_the_derivative():
    knots = rows(GRID * np.where(GRID > 0, 2.0, 0.5))
    u = jnp.asarray(POINTS, jnp.float32) + 0.0123
    step = 1e-2
    e = warp(u, knots)
    slope = (warp(u + step, knots) - e) / step
    inside = np.abs(POINTS[:, None] - GRID).min(1) > 0.05
    np.testing.assert_allclose(np.exp(log_slope(e, knots))[inside], slope[inside], rtol=1e-2)
