"""Forecasts many rows ahead judge mechanisms and sampled structures."""

import equinox as eqx
import numpy as np
import pytest
from model_worlds import CLOSED, XUY_GRAPH, linear_log

from doworld.model.choose import likelihood_of, open_loop_rmse, refuted
from doworld.model.continuous import rollouts
from doworld.model.design import design
from doworld.model.learn import fit
from doworld.model.neural_fit import NeuralSettings

STEPS = 4


@pytest.fixture(scope="module")
def world():
    """A learned linear world with two members, its rows, and where held-out forecasts start."""
    log = linear_log((30,) * 8)
    data = design(log, 1, seed=0)
    dynamics = fit(log, XUY_GRAPH, settings=CLOSED).dynamics
    starts = rollouts(log, data, NeuralSettings(horizon=STEPS))
    return data, dynamics, starts.held


def spoilt(dynamics):
    """The same with the second member's weights at a tenth."""
    weight = dynamics.banks[0].weight
    return eqx.tree_at(lambda d: d.banks[0].weight, dynamics, weight.at[1].multiply(0.1))


def test_a_sampled_structure_that_forecasts_worse_is_refuted(world):
    data, dynamics, starts = world
    ask = {"starts": starts, "steps": STEPS}
    assert refuted(data, spoilt(dynamics), (False, True), **ask) == (False, True)
    assert refuted(data, dynamics, (False, True), **ask) == (False, False)


def test_the_most_likely_graph_is_never_refuted(world):
    data, dynamics, starts = world
    assert refuted(data, spoilt(dynamics), (False, False), starts, STEPS) == (False, False)
    # judged by the least likely of its members
    assert refuted(data, spoilt(dynamics), (True, False), starts, STEPS) == (False, False)


def test_errors_by_rows_ahead_and_their_likelihood(world):
    data, dynamics, starts = world
    rmse = open_loop_rmse(data, spoilt(dynamics), starts, STEPS)
    assert rmse.shape == (3, STEPS, 3)  # the mean, two members; u is read from the log
    x = rmse[:, :, 0]
    assert (x[1] < x[0]).all()
    assert (x[0] < x[2]).all()
    # σ of x is .3, and its spread scales it
    np.testing.assert_allclose(x[1, 0] * data.scale[0], 0.3, rtol=0.25)
    one = np.full((1, 3, 1), np.exp(-0.5 * np.log(2 * np.pi * np.e)))
    np.testing.assert_allclose(likelihood_of(one), 0.0, atol=1e-12)
