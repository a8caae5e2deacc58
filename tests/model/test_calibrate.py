"""Intervals hold what they promise where the model is right, and widen where it is not."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from model_worlds import CLOSED, XUY_GRAPH, linear_log, log_of

import worlds_by_hand as by_hand
from doworld.data import Kind, Variable
from doworld.graph import CausalGraph, Edge
from doworld.model.calibrate import LEVEL, SAMPLES, calibrate, held_out, quieter, temper, worlds_of
from doworld.model.design import design
from doworld.model.learn import fit
from doworld.model.simulate import simulate


@pytest.fixture(scope="module")
def model():
    return fit(linear_log((50,) * 60), XUY_GRAPH, settings=CLOSED)


def test_inflation_is_near_one_where_the_model_is_right(model):
    found = model.calibration
    inflation = found.inflation[[0, 2]]
    assert inflation.min() > 0.75
    assert inflation.max() < 1.25
    assert found.horizons[0] == 1
    assert (np.diff(found.horizons) > 0).all()
    np.testing.assert_array_equal(found.inflation[1], 1.0)  # an action has no forecast


def test_ninety_percent_intervals_cover_ninety_percent_of_new_episodes(model):
    log = linear_log((34,) * 100, seed=9)
    steps, samples = 32, 200
    values = np.nan_to_num(model.scaled(log.values))
    worlds, truth = worlds_of(values, log.starts[:-1], 1, steps)
    covered = []
    key = jax.random.key(1)
    repeated = jax.tree.map(lambda a: np.repeat(a, samples, 0), worlds)
    repeated = jax.tree.map(jax.numpy.asarray, repeated)
    noise = model.dynamics.draw_noise(key, (100 * samples, steps))
    rows = np.asarray(simulate(model.dynamics, repeated, noise))
    rows = rows.reshape(-1, 100, samples, steps, 3).transpose(1, 0, 2, 3, 4)
    rows = rows.reshape(100, -1, steps, 3)
    low, mid, high = np.quantile(rows, [0.05, 0.5, 0.95], axis=1)
    for i in (0, 2):
        wider = np.interp(
            1 + np.arange(steps), model.calibration.horizons, model.calibration.inflation[i]
        )
        inside = (truth[..., i] >= mid[..., i] - wider * (mid - low)[..., i]) & (
            truth[..., i] <= mid[..., i] + wider * (high - mid)[..., i]
        )
        covered.append(inside.mean())
    assert min(covered) > 0.86
    assert max(covered) < 0.94


@pytest.mark.parametrize(("sigma", "wanted"), [(0.25, 4.0), (2.0, 0.5)])
def test_wrong_sigma_is_corrected(sigma, wanted):
    rng, episodes = np.random.default_rng(0), []
    truth = by_hand.heater()
    for _ in range(40):
        rows = np.zeros((20, 4))
        rows[:, 2:] = rng.normal(size=(20, 2))
        for t in range(1, 20):
            before, noise = rows[t - 1], 0.5 * rng.normal(size=2)
            rows[t, 0] = 0.8 * before[0] + 0.5 * before[2] + 0.2 * before[3] + noise[0]
            rows[t, 1] = 0.5 * before[1] + before[0] + noise[1]
        episodes.append(rows)
    log = log_of(truth.schema.variables, episodes)
    data = design(log, 1, seed=0)
    scale = data.scale.mean()
    data = replace(data, values=(log.values / scale), center=np.zeros(4), scale=np.full(4, scale))
    dynamics = by_hand.heater(sigma=0.5 * sigma, scale=scale).dynamics
    found = calibrate(log, dynamics, held_out(log, data, 2, seed=0))
    np.testing.assert_allclose(np.median(found.inflation[:2]), wanted, rtol=0.3)


def test_enough_futures_for_the_level():
    assert (1 - LEVEL) / 2 * (SAMPLES + 1) >= 1


def sigma_of(dynamics):
    return np.asarray(dynamics.banks[0].sigma)[0]


def test_noise_that_is_the_worlds_own_is_kept(model):
    log = linear_log((50,) * 60)
    data = design(log, 1, seed=0)
    rollouts = held_out(log, data, 1, seed=0)
    np.testing.assert_array_equal(temper(model.dynamics, rollouts), 1.0)


def test_noise_of_measurement_is_turned_down():
    # the state itself is undisturbed; only what is read of it is noisy
    rng = np.random.default_rng(0)
    states = 3 * np.cos(np.arange(60) * 0.1 + rng.uniform(0, 6, (40, 1)))
    log = log_of((Variable("x"),), list((states + 0.3 * rng.normal(size=states.shape))[..., None]))
    graph = CausalGraph(("x",), tuple(Edge("x", "x", k) for k in (1, 2, 3, 4)), max_lag=4)
    data = design(log, 4, seed=0)
    weights = {("x", k): w for k, w in zip((1, 2, 3, 4), (0.9, 0.4, 0.0, -0.3), strict=True)}
    truth = by_hand.linear_world((Variable("x"),), {"x": weights}, sigma=0.4)
    assert truth.graph.parents("x") == graph.parents("x")
    share = temper(truth.dynamics, held_out(log, data, 1, seed=0))
    assert (share < 0.9).all()
    tempered = quieter(truth.dynamics, share)
    np.testing.assert_allclose(sigma_of(tempered), share * sigma_of(truth.dynamics), rtol=1e-5)
    np.testing.assert_array_equal(temper(truth.dynamics, None), 1.0)


def test_too_few_windows_claim_nothing():
    model = fit(linear_log((6,) * 3), XUY_GRAPH, settings=CLOSED)
    np.testing.assert_array_equal(model.calibration.inflation, 1.0)
    assert np.isnan(model.calibration.coverage).all()


def test_rollouts_reach_the_last_rows_of_episodes_and_no_further():
    log = linear_log((12, 40) * 30)
    data = design(log, 1, seed=0)
    found = held_out(log, data, 1, seed=0)
    assert found is not None
    assert not found.seen[:, -1].all()
    assert found.seen[:, 0, 0].all()
    last = np.isin(found.truth[:, 0, 0], data.values[log.starts[1:] - 1, 0])
    assert last.any()  # the row before an episode's last is a start like any other
    assert not found.seen[last, 1:].any()


def test_levels_are_not_widened(model):
    log = linear_log((50,) * 60)
    variables = (replace(log.schema.variables[0], kind=Kind.BINARY), *log.schema.variables[1:])
    binary = replace(log, schema=replace(log.schema, variables=variables))
    data = design(log, 1, seed=0)
    found = calibrate(binary, model.dynamics, held_out(log, data, 2, seed=0))
    np.testing.assert_array_equal(found.inflation[0], 1.0)
    assert np.isnan(found.coverage[0]).all()
    assert np.isfinite(found.coverage[2]).all()


def test_worlds_of_the_log():
    values = np.arange(40.0).reshape(20, 2)
    worlds, truth = worlds_of(values, np.array([4, 9]), 3, 5)
    np.testing.assert_array_equal(worlds.window[0], values[[4, 3, 2]])
    np.testing.assert_array_equal(truth[1], values[10:15])
    np.testing.assert_array_equal(worlds.exogenous, truth)
    np.testing.assert_array_equal(worlds.gain, 1.0)
    np.testing.assert_array_equal(worlds.offset, 0.0)


def test_each_variable_keeps_its_own_share_of_noise():
    # what the model says of x's noise is four times too much, of w's it is right
    rng, episodes = np.random.default_rng(0), []
    for _ in range(40):
        rows = np.zeros((60, 2))
        for t in range(1, 60):
            rows[t] = [0.9, 1.0] * rows[t - 1] + [0.25, 1.0] * rng.normal(size=2)
        episodes.append(rows)
    variables = (Variable("x"), Variable("w"))
    weights = {"x": {("x", 1): 0.9}, "w": {("w", 1): 1.0}}
    truth = by_hand.linear_world(variables, weights, sigma=1.0)
    log = log_of(variables, episodes)
    data = replace(design(log, 1, seed=0), values=log.values, center=np.zeros(2), scale=np.ones(2))
    share = temper(truth.dynamics, held_out(log, data, 1, seed=0))
    np.testing.assert_array_equal(share, [0.25, 1.0])
