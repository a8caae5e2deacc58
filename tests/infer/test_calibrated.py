"""The correction from held-out episodes reaches every kind of question."""

from dataclasses import replace

import numpy as np
import pytest

import doworld as dw
from doworld.worlds.random import RandomWorld


@pytest.fixture(scope="module")
def world():
    return RandomWorld(3, parents=1, actions=1, seed=4)


@pytest.fixture(scope="module")
def model(world):
    light = dw.Settings(members=3, structures=0, neural=None, laws=False)
    return dw.learn(world.collect(20, 50, seed=0), graph=world.graph, settings=light)


def _times(model, factor):
    own = model.calibration
    flat = replace(own, inflation=np.full_like(own.inflation, factor))
    return replace(model, calibration=flat)


def _widths(model, query):
    lower, upper = zip(*dw.ask(model, query, seed=0).interval.values(), strict=True)
    return np.concatenate(upper) - np.concatenate(lower)


def _questions(world):
    episode = world.collect(1, 6, seed=3)[0]
    done = [dw.Set("a0", 0.1, at=1)]
    planned = {"a0": [float(v) for v in episode.column("a0")[:5]]}
    start = {"given": episode[:1], "planned": planned, "horizon": 5}
    return (
        dw.Predict(**start),
        dw.Do(**start, interventions=done),
        dw.Counterfactual(episode=episode, interventions=done),
    )


def test_intervals_of_every_question_are_widened_by_the_correction(world, model):
    for query in _questions(world):
        once, thrice = (_widths(_times(model, f), query) for f in (1.0, 3.0))
        assert once.max() > 0
        np.testing.assert_allclose(thrice, 3 * once, rtol=0.05, atol=1e-3)


def test_forecasts_are_narrowed_by_the_correction_and_counterfactuals_are_not(world, model):
    for query in _questions(world):
        once, half = (_widths(_times(model, f), query) for f in (1.0, 0.5))
        factor = 1.0 if query.kind == "counterfactual" else 0.5
        np.testing.assert_allclose(half, factor * once, rtol=0.05, atol=1e-3)
