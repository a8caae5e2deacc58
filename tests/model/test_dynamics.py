"""Rollouts, interventions and abduction against linear worlds that a pencil solves."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.mechanisms import AbstractBank
from doworld.model.dynamics import Dynamics, World, abduct
from doworld.model.simulate import _simulate, bucket, simulate

T, D, Q, W = range(4)
STEPS = 6


@pytest.fixture(scope="module")
def heater():
    return by_hand.heater(members=(1.0, 0.9)).dynamics


@pytest.fixture(scope="module")
def table():
    return by_hand.contemporaneous().dynamics


def world(exogenous, window, *, gain=None, offset=None, batch=1) -> World:
    one, zero = np.ones_like(exogenous), np.zeros_like(exogenous)
    parts = (window, exogenous, one if gain is None else gain, zero if offset is None else offset)
    return World(*(jnp.asarray(np.broadcast_to(p, (batch, *p.shape)), jnp.float32) for p in parts))


@pytest.fixture(scope="module")
def logged():
    """Window and exogenous rows of the heater."""
    rng = np.random.default_rng(0)
    window, exogenous = rng.normal(size=(1, 4)), rng.normal(size=(STEPS, 4))
    return window, exogenous


def by_pencil(window, exogenous, noise, factor, *, gain=None, offset=None):
    """The heater's equations, row by row, in NumPy."""
    gain = np.ones_like(exogenous) if gain is None else gain
    offset = np.zeros_like(exogenous) if offset is None else offset
    rows, before = [], window[0]
    for t in range(len(exogenous)):
        row = exogenous[t].copy()
        row[T] = factor * (0.8 * before[T] + 0.5 * before[Q] + 0.2 * before[W]) + 0.1 * noise[t, 0]
        row[D] = factor * (0.5 * before[D] + before[T]) + 0.1 * noise[t, 1]
        row = gain[t] * row + offset[t]
        rows.append(row)
        before = row
    return np.array(rows)


def noise_of(dynamics, batch=1, steps=STEPS, seed=3):
    return dynamics.draw_noise(jax.random.key(seed), (batch, steps))


def test_rollout_is_the_closed_form(heater, logged):
    noise = noise_of(heater)
    rows = simulate(heater, world(logged[1], logged[0]), noise)
    assert rows.shape == (2, 1, STEPS, 4)
    for member, factor in enumerate((1.0, 0.9)):
        wanted = by_pencil(*logged, np.asarray(noise[0])[0, :, :, 0], factor)
        np.testing.assert_allclose(rows[member, 0], wanted, atol=1e-5)


@pytest.mark.parametrize("variable", [T, D, Q, W])
@pytest.mark.parametrize(("gain", "offset"), [(0.0, 2.5), (1.0, -0.7), (1.5, 0.0)])
def test_set_shift_scale(heater, logged, variable, gain, offset):
    gains, offsets = np.ones((STEPS, 4)), np.zeros((STEPS, 4))
    gains[2:4, variable], offsets[2:4, variable] = gain, offset
    noise = noise_of(heater)
    rows = np.asarray(
        simulate(heater, world(logged[1], logged[0], gain=gains, offset=offsets), noise)
    )
    wanted = by_pencil(*logged, np.asarray(noise[0])[0, :, :, 0], 1.0, gain=gains, offset=offsets)
    np.testing.assert_allclose(rows[0, 0], wanted, atol=1e-5)
    if gain == 0.0:
        np.testing.assert_array_equal(rows[0, 0, 2:4, variable], np.float32(offset))


def test_what_is_not_a_descendant_is_bit_identical(heater, logged):
    noise = noise_of(heater)
    gain, offset = np.ones((STEPS, 4)), np.zeros((STEPS, 4))
    gain[:, D], offset[:, D] = 0.0, 3.0  # nothing follows D but itself
    plain = np.asarray(simulate(heater, world(logged[1], logged[0]), noise))
    done = np.asarray(
        simulate(heater, world(logged[1], logged[0], gain=gain, offset=offset), noise)
    )
    others = [T, Q, W]
    np.testing.assert_array_equal(done[..., others], plain[..., others])
    gain, offset = np.ones((STEPS, 4)), np.zeros((STEPS, 4))
    gain[3:, Q], offset[3:, Q] = 0.0, 9.0
    late = np.asarray(
        simulate(heater, world(logged[1], logged[0], gain=gain, offset=offset), noise)
    )
    np.testing.assert_array_equal(late[:, :, :4, [T, D, W]], plain[:, :, :4, [T, D, W]])
    assert (late[:, :, 4, T] != plain[:, :, 4, T]).all()


def test_contemporaneous_order(table):
    # Y stands before its causes X and Z in column order
    exogenous = np.array([[0.0, 0.0, 2.0, 0.0]])
    window = np.zeros((0, 4))
    noise = noise_of(table, steps=1)
    e = dict(zip(table.banks[0].targets[0].tolist(), noise[0][0, 0, :, 0].tolist(), strict=True))
    rows = np.asarray(simulate(table, world(exogenous, window), noise))[0, 0, 0]
    x = 2.0 * 2.0 + 0.1 * e[1]
    np.testing.assert_allclose(rows[1], x, atol=1e-5)
    np.testing.assert_allclose(rows[0], 3.0 * x + 2.0 + 0.1 * e[0], atol=1e-5)
    gain, offset = np.ones((1, 4)), np.zeros((1, 4))
    gain[0, 1], offset[0, 1] = 0.0, -1.0
    done = np.asarray(simulate(table, world(exogenous, window, gain=gain, offset=offset), noise))
    np.testing.assert_allclose(done[0, 0, 0, 0], -3.0 + 2.0 + 0.1 * e[0], atol=1e-5)
    np.testing.assert_array_equal(done[0, 0, 0, [2, 3]], rows[[2, 3]])


@pytest.mark.parametrize("name", ["heater", "table", "machine"])
def test_recovered_noise_replays_the_log(name, logged):
    make = {"heater": by_hand.heater, "table": by_hand.contemporaneous, "machine": by_hand.machine}
    dynamics = make[name](members=(1.0, 0.8)).dynamics
    size, rng = len(dynamics.order), np.random.default_rng(1)
    window = rng.normal(size=(dynamics.max_lag, size))
    exogenous = rng.normal(size=(1 if name == "table" else 12, size))
    if name == "machine":
        window[:, 0], window[:, 2] = 1, 0
        exogenous[:, 2] = rng.integers(0, 2, len(exogenous))
    steps = len(exogenous)
    start = world(exogenous, window)
    rows = np.asarray(simulate(dynamics, start, noise_of(dynamics, steps=steps)))[0, 0]
    arrays = jnp.asarray(window, jnp.float32), jnp.asarray(rows)
    for member in range(2):
        banks = jax.tree.map(lambda leaf, m=member: leaf[m], dynamics.banks)
        found = eqx.filter_jit(abduct)(dynamics, banks, *arrays, jax.random.key(5))
        own = jax.tree.map(lambda leaf: leaf[None], found)
        again = np.asarray(simulate(dynamics, start, own))[member, 0]
        np.testing.assert_allclose(again, rows, atol=1e-5)


@pytest.mark.parametrize(("size", "wanted"), [(0, 8), (1, 8), (8, 8), (9, 16), (64, 64), (65, 128)])
def test_bucket(size, wanted):
    assert bucket(size) == wanted


def test_a_second_question_of_the_same_shape_compiles_nothing(heater, logged):
    noise = noise_of(heater, batch=8)
    simulate(heater, world(logged[1], logged[0], batch=8), noise)
    before = _simulate._cache_size()
    gain, offset = np.full((STEPS, 4), 0.5), np.full((STEPS, 4), 2.0)
    simulate(heater, world(logged[1] + 1, logged[0] * 2, gain=gain, offset=offset, batch=8), noise)
    other = by_hand.heater(members=(0.5, 0.7), sigma=0.3).dynamics
    simulate(other, world(logged[1], logged[0], batch=8), noise)
    assert _simulate._cache_size() == before


@pytest.mark.skipif(jax.local_device_count() < 2, reason="one core, one device")
def test_result_does_not_depend_on_the_number_of_devices(heater, logged):
    batch = 64
    noise = noise_of(heater, batch=batch)
    worlds = world(logged[1], logged[0], batch=batch)
    one, two = (np.asarray(_simulate(heater, worlds, noise, n)) for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(simulate(heater, worlds, noise), one, rtol=1e-6, atol=1e-6)


def test_bounds_hold_natural_values_and_not_interventions(logged):
    dynamics = by_hand.heater().dynamics
    dynamics = eqx.tree_at(lambda d: d.upper, dynamics, jnp.full(4, 0.5))
    gain, offset = np.ones((STEPS, 4)), np.zeros((STEPS, 4))
    gain[2, T], offset[2, T] = 0.0, 4.0
    worlds = world(logged[1] + 2, logged[0], gain=gain, offset=offset)
    rows = np.asarray(simulate(dynamics, worlds, noise_of(dynamics)))[0, 0]
    assert rows[2, T] == 4.0
    assert np.delete(rows[:, T], 2).max() <= 0.5


def test_a_bank_that_can_neither_abduct_nor_sample_noise_is_refused(heater):
    class Mute(AbstractBank):
        targets: jax.Array
        columns: jax.Array
        mask: jax.Array
        residual: jax.Array

        def draw_noise(self, key, shape):
            raise NotImplementedError

        def sample(self, inputs, previous, noise):
            raise NotImplementedError

        def log_prob(self, inputs, previous, value):
            raise NotImplementedError

    own = heater.banks[0]
    mute = Mute(own.targets, own.columns, own.mask, own.residual)
    parts = {k: v for k, v in vars(heater).items() if k != "banks"}
    with pytest.raises(TypeError, match="InvertibleBank"):
        partial(Dynamics, **parts)(banks=(mute,))


def test_mechanisms_are_evaluated_at_their_own_level_only(table):
    order = np.asarray(table.order)
    (bank,) = table.banks
    targets = np.asarray(bank.targets)[0]
    for level, ((start, stop),) in enumerate(table.spans):
        assert set(np.flatnonzero(order == level)) <= set(targets[start:stop])
    assert table.levels == order.max() + 1


def test_the_order_of_a_banks_targets_does_not_matter(table):
    turned = np.arange(np.asarray(table.banks[0].targets).shape[1])[::-1]
    bank = jax.tree.map(lambda leaf: leaf[:, turned], table.banks[0])
    other = Dynamics.of(
        (bank,),
        coding=table.coding,
        order=np.asarray(table.order),
        lower=np.asarray(table.lower),
        upper=np.asarray(table.upper),
        max_lag=table.max_lag,
    )
    size = len(table.order)
    given = world(np.ones((1, size)), np.zeros((table.max_lag, size)))
    noise = noise_of(table, steps=1)
    same = tuple(n[..., turned, :] for n in noise)
    np.testing.assert_allclose(
        np.asarray(simulate(other, given, same)), np.asarray(simulate(table, given, noise)), 1e-6
    )
