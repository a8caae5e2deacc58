"""Directions from two rows in each of many environments."""

from dataclasses import replace

import numpy as np
import pytest

from doworld._core.errors import DataError, UnknownNameError
from doworld.discover.environments.exchangeable import exchangeable_pair
from doworld.worlds.finetti import DeFinetti

NULLS = 300


def cause(verdict):
    return None if verdict.edge is None else "xy".index(verdict.edge.source)


def test_p_values_of_the_truth_are_uniform():
    true, independent = [], []
    for seed in range(NULLS):
        world = DeFinetti.drawn(seed)
        verdict = exchangeable_pair(world.collect(150, seed=seed), "x", "y")
        if world.cause is None:
            independent.append(verdict.independent)
        true.append(verdict.backward if world.cause == 1 else verdict.forward)
    assert np.mean(np.array(true) < 0.05) < 0.09
    assert np.mean(np.array(true) < 0.2) == pytest.approx(0.2, abs=0.07)
    assert np.mean(np.array(independent) < 0.05) < 0.12


def test_the_structure_is_found():
    right = 0
    for seed in range(60):
        world = DeFinetti.drawn(1000 + seed)
        right += cause(exchangeable_pair(world.collect(500, seed=seed), "x", "y")) == world.cause
    assert right >= 55


def test_gaussian_environments_of_another_kind():
    """Means of the cause and slopes of the effect that vary, more than two rows in each."""
    right = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        log = DeFinetti(0).collect(200, samples=4, seed=seed)
        x = rng.standard_normal((200, 1)) + rng.standard_normal((200, 4))
        y = rng.uniform(0.5, 2, (200, 1)) * x + rng.standard_normal((200, 1))
        y = y + 0.5 * rng.standard_normal((200, 4))
        log = replace(log, values=np.c_[y.ravel(), x.ravel()])
        right += cause(exchangeable_pair(log, "x", "y")) == 1
    assert right >= 18


def test_units_order_and_names_change_nothing():
    log = DeFinetti(1, 2, 3, 4).collect(200, seed=3)
    plain = exchangeable_pair(log, "x", "y")
    scaled = exchangeable_pair(replace(log, values=log.values * [1e6, -1e-3] + 5), "x", "y")
    assert scaled.forward == pytest.approx(plain.forward, rel=1e-6)
    assert scaled.backward == pytest.approx(plain.backward, rel=1e-6)
    mirror = exchangeable_pair(log, "y", "x")
    assert (mirror.forward, mirror.backward) == pytest.approx((plain.backward, plain.forward))
    assert mirror.edge is not None
    assert plain.edge is not None
    assert mirror.edge.source == plain.edge.source
    back = log.select(np.arange(len(log))[::-1])
    again = exchangeable_pair(back, "x", "y")
    # the rows of an environment change places, which takes part in no p-value
    assert again.backward == pytest.approx(plain.backward, rel=1e-6)


def test_a_common_cause_is_told():
    rng = np.random.default_rng(0)
    log = DeFinetti(None).collect(400, seed=0)
    both = np.repeat(rng.standard_normal((400, 1)), 2, 0)
    verdict = exchangeable_pair(replace(log, values=both + log.values / 4), "x", "y")
    assert "Both directions are refuted" in verdict.note


def test_too_few_environments():
    with pytest.raises(DataError, match="only 20 of 20 environments have two complete rows"):
        exchangeable_pair(DeFinetti().collect(20), "x", "y")
    with pytest.raises(DataError, match="Log two rows in each of more"):
        exchangeable_pair(DeFinetti().collect(300, samples=1), "x", "y")
    with pytest.raises(UnknownNameError, match="'z'"):
        exchangeable_pair(DeFinetti().collect(50), "x", "z")


def test_missing_rows_and_levels():
    log = DeFinetti(0, 3, 1, 2).collect(300, seed=1)
    values = log.values.copy()
    values[::5, 0] = np.nan
    verdict = exchangeable_pair(replace(log, values=values), "x", "y")
    assert verdict.environments < 300
    assert cause(verdict) == 0
    values = np.c_[log.values[:, 0] > 0, log.values[:, 1]].astype(float)
    assert exchangeable_pair(replace(log, values=values), "x", "y").independent < 1e-6
    constant = replace(log, values=np.c_[np.ones(log.rows), log.values[:, 1]])
    assert exchangeable_pair(constant, "x", "y").edge is None
