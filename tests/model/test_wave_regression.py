"""Regression on waves: the line is exact, bends are found, and intervals of both hold the truth."""

import numpy as np
import pytest

from doworld.model.wave_regression import WAVES, Basis, Posterior, Waves


def _fit(x, y, rng):
    waves = Waves.of(np.ones(x.shape[1], bool), rng)
    free = np.column_stack([np.ones(len(x)), x])
    return waves, Posterior.of(Basis.of(waves.table(x), waves.amplitude, free), y)


def _drawn(waves, posterior, x, rng, count):
    table, out = waves.table(x), []
    for _ in range(count):
        weight, free = posterior.draw(rng)
        out.append(table @ weight + free[0] + x @ free[1:])
    return np.stack(out)


def test_waves_without_parents_say_nothing():
    waves = Waves.of(np.zeros(2, bool), np.random.default_rng(0))
    assert waves.frequency.shape == (2, WAVES)
    assert not waves.amplitude.any()


def test_every_way_has_one_unit_of_variance():
    rng = np.random.default_rng(0)
    for used in ([True], [True, False, True], [True] * 4):
        waves = Waves.of(np.array(used), rng)
        x = rng.normal(size=(4000, len(used)))
        size = ((waves.table(x)[:, None] * waves.amplitude) ** 2).sum(-1).mean(0)
        np.testing.assert_allclose(size, 1.0, atol=0.12)


def test_a_line_is_drawn_as_least_squares_draws_it():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    y = x @ [0.5, -0.2] + rng.normal(size=400)
    _, posterior = _fit(x, y, rng)
    assert posterior.chance[:, 0].sum() > 0.4
    slopes = np.stack([posterior.draw(rng)[1][1:] for _ in range(2000)])
    wanted = np.linalg.lstsq(np.column_stack([np.ones(400), x]), y, rcond=None)[0][1:]
    np.testing.assert_allclose(np.median(slopes, 0), wanted, atol=0.03)
    np.testing.assert_allclose(slopes.std(0), 1 / 20, rtol=0.6)


def test_what_the_free_part_repeats_is_left_out():
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(300, 1)), 2, 1)
    _, posterior = _fit(x, x[:, 0] + 0.1 * rng.normal(size=300), rng)
    assert np.isfinite(posterior.draw(rng)[1]).all()


@pytest.mark.parametrize("bend", [np.abs, np.sin, lambda v: np.maximum(v, 0)])
def test_differences_of_a_bent_function_lie_in_their_intervals(bend):
    hits, rng = [], np.random.default_rng(3)
    for _ in range(6):
        x = rng.normal(size=(600, 2))
        waves, posterior = _fit(x, bend(x[:, 0]) + rng.normal(size=600), rng)
        at = rng.uniform(-1.2, 1.2, (40, 2))
        drawn = _drawn(waves, posterior, at, rng, 60)
        change = np.diff(drawn[:, ::2] - drawn[:, 1::2])
        truth = np.diff(bend(at[::2, 0]) - bend(at[1::2, 0]))
        low, high = np.quantile(change, [0.05, 0.95], axis=0)
        hits.append((low <= truth) & (truth <= high))
    assert 0.8 <= np.mean(hits) <= 1.0
