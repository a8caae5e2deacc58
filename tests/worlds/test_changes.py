"""Worlds of several environments: their truth is what they say it is."""

import numpy as np
import pytest

from doworld._core.errors import DataError, SchemaError
from doworld.worlds.changes import ChangingWorld
from doworld.worlds.finetti import DeFinetti


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("nonlinear", [True, False])
def test_only_what_is_said_to_change_does(static, nonlinear):
    for seed in range(10):
        world = ChangingWorld(
            5, environments=3, changes=2, static=static, nonlinear=nonlinear, seed=seed
        )
        assert len(world.changed) == 2
        first = world.rules[0].coefficients
        for rules, place in zip(world.rules, world.schema.environments, strict=True):
            own = rules.coefficients
            for i, name in enumerate(world.schema.names):
                same = bool(
                    own.offset[i] == first.offset[i]
                    and own.scale[i] == first.scale[i]
                    and np.array_equal(own.within[:, i], first.within[:, i])
                    and np.array_equal(own.lagged[:, i], first.lagged[:, i])
                )
                assert same is (place not in world.where.get(name, ()))
            # a weight that changes never vanishes, so the graph is that of every environment
            assert rules.graph.links == world.graph.links


def test_logs_have_the_rows_asked_for():
    world = ChangingWorld(3, environments=2, seed=1)
    log = world.collect([30, 50], seed=2)
    assert log.schema.static
    assert log.rows == 80
    assert len(log.in_environment("environment1")) == 50
    assert np.array_equal(log.values, world.collect([30, 50], seed=2).values)
    assert not np.array_equal(log.values, world.collect([30, 50], seed=3).values)
    over_time = ChangingWorld(3, static=False, seed=1).collect(2, 40)
    assert over_time.rows == 2 * 2 * 41
    assert len(set(over_time.labels)) == 4


def test_worlds_over_time_stay_bounded():
    for seed in range(4):
        world = ChangingWorld(6, static=False, nonlinear=seed % 2 == 1, changes=3, seed=seed)
        values = world.collect(2, 200, seed=seed).values
        assert np.abs(values).max() < 1000


def test_what_does_not_fit_is_refused():
    with pytest.raises(SchemaError, match="Use two environments or more"):
        ChangingWorld(3, environments=1)
    with pytest.raises(SchemaError, match="at most as many changes"):
        ChangingWorld(3, changes=4)
    with pytest.raises(SchemaError, match="static world of 2 environments"):
        ChangingWorld(3).collect(10, 5)
    with pytest.raises(SchemaError, match="world over time"):
        ChangingWorld(3, static=False).collect(10)
    with pytest.raises(DataError, match="at least two environments"):
        DeFinetti().collect(1)


def test_finetti_is_its_definition():
    world = DeFinetti(cause=1, slope=3, own=1, bend=2)
    log = world.collect(2000, seed=0)
    pairs = log.values.reshape(2000, 2, 2)
    cause, effect = pairs[..., 1], pairs[..., 0]
    # U(−1, 1) plus Laplace(0, 1): variances 1/3 and 2
    assert cause.var() == pytest.approx(7 / 3, rel=0.1)
    assert np.mean(cause[:, 0] * cause[:, 1]) == pytest.approx(1 / 3, abs=0.12)
    rest = effect - 3 * cause
    bent = rest - 6 * cause**2
    # own = 1 leaves no square of the effect's noise: one of the two is that noise, in each half
    noise = np.minimum(np.abs(rest), np.abs(bent))
    assert np.median(noise) < 1.0
    assert np.mean(np.median(np.abs(bent), axis=1) < np.median(np.abs(rest), axis=1)) > 0.3
    assert DeFinetti(None).graph.links == ()
    kinds = [DeFinetti.drawn(seed).cause for seed in range(300)]
    assert all(80 < kinds.count(c) < 120 for c in (0, 1, None))
