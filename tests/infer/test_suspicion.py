"""A hidden cause of logged actions is suspected where there is one, and not where there is none."""

from dataclasses import replace

import numpy as np
import pytest

import doworld as dw
from doworld.data import Policy
from doworld.infer.suspicion import remembers, suspected
from doworld.worlds.sepsis_simulator import SepsisSimulator


@pytest.fixture(scope="module")
def world():
    return SepsisSimulator()


def test_it_fires_where_the_policy_saw_the_diabetes(world):
    found = suspected(world.collect(1500, world.best(sees_diabetes=True), seed=0))
    assert found.suspected
    assert found.p_value < 1e-4
    assert "do_vasopressors" in found.actions
    assert found.states == ("glucose",)
    assert "unobserved confounder" in found.reason.lower()


def test_it_stays_silent_where_the_policy_saw_the_log_alone(world):
    blind = world.best(sees_diabetes=False)
    found = [suspected(world.collect(600, blind, seed=s)) for s in range(8)]
    assert all(f.tested for f in found)
    assert sum(f.suspected for f in found) <= 1
    assert np.median([f.p_value for f in found]) > 0.1


def test_what_is_hidden_and_lasts_is_found_without_a_confounder(world):
    found = remembers(world.collect(1500, world.uniform(), seed=3))
    assert found.suspected
    assert "glucose" in found.states
    healthy = SepsisSimulator(diabetes=0.0)
    assert not remembers(healthy.collect(1000, healthy.uniform(), seed=3)).suspected


def _hidden(strength: float, seed: int):
    rng = np.random.default_rng(seed)
    rows = []
    for e in range(200):
        u, x = rng.normal(), 0.0
        for t in range(30):
            a = 0.5 * x + strength * u + rng.normal()
            rows.append((e, t, x, a))
            x = 0.3 * x + 0.3 * a + u + 2 * rng.normal()
    columns = dict(zip(("e", "t", "x", "a"), np.array(rows).T, strict=True))
    import polars as pl

    return dw.Trajectories.from_frame(
        pl.DataFrame(columns), state="x", action="a", episode="e", time="t"
    )


def test_numbers_are_tested_too():
    assert suspected(_hidden(2.0, 0)).suspected
    assert sum(suspected(_hidden(0.0, s)).suspected for s in range(1, 5)) <= 1


def test_what_cannot_be_tested_says_why(world):
    log = world.collect(50, world.uniform(), seed=0)
    declared = replace(log, schema=replace(log.schema, policy=Policy.RANDOMISED))
    assert "randomised" in suspected(declared).reason
    few = suspected(log.select([0]))
    assert not few.tested
    assert few.reason
    sure = np.zeros((720, 8))
    sure[:, 3] = 1
    found = suspected(world.collect(300, sure, seed=0))
    assert not found.tested
    assert "without exception" in found.reason
