"""A value at its bound only says that the noise was at least so large."""

import numpy as np
import pytest
from scipy.stats import truncnorm

import worlds_by_hand as by_hand
from doworld.data import Role, Variable
from doworld.infer import counterfactual
from doworld.query import Counterfactual, Set, Status

SIGMA = 0.5


def tank(bounds, **options):
    """Y = 2X − 1 + ε, kept within bounds; with ``step`` 1 of the row before."""
    variables = (Variable("Y", unit="L", bounds=bounds), Variable("X", Role.ACTION), Variable("Z"))
    lag = 1 if options.get("step") else 0
    weights = {"Y": {("X", lag): 2.0}, "Z": {("Y", lag): 1.0}}
    return by_hand.linear_world(variables, weights, bias={"Y": -1.0}, sigma=SIGMA, **options)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_noise_beyond_the_bound_is_drawn_from_its_tail(side):
    """Y was 0 where 2·0 − 1 + σe ≤ 0, so e ≤ 2; had X been 1: max(0, 1 + σe)."""
    lower = side == "lower"
    model = tank((0.0, np.inf) if lower else (-np.inf, -1.5), step=0.0)
    fact = {"Y": 0.0 if lower else -1.5, "X": 0.0, "Z": 0.3}
    asked = Counterfactual(episode=fact, interventions=Set("X", 1.0), samples=4000, target="Y")
    answer = counterfactual(model, asked)
    edge = 2.0 if lower else -1.0
    ends = (-np.inf, edge) if lower else (edge, np.inf)
    noise = truncnorm(*ends).rvs(400_000, random_state=0)
    truth = np.clip(1.0 + SIGMA * noise, *((0.0, None) if lower else (None, -1.5)))
    draws = answer.samples()["Y"].reshape(-1)
    assert len(draws) == 4000
    assert draws.mean() == pytest.approx(truth.mean(), abs=0.03)
    assert draws.std() == pytest.approx(truth.std(), abs=0.03)
    assert answer.status is Status.IDENTIFIED
    assert any("Logged at a bound: Y (1 rows)" in a for a in answer.why.assumptions)


def test_the_fact_is_reproduced_exactly():
    model = tank((0.0, np.inf), step=1.0)
    fact = {"Y": [0.0, 0.0, 1.2, 0.0], "X": [0.1, 1.0, 0.2, 0.0], "Z": [0.0, 0.1, 0.2, 1.3]}
    same = [Set("X", 0.1, at=0), Set("X", 0.2, at=2)]
    answer = counterfactual(model, Counterfactual(episode=fact, interventions=same))
    for name in ("Y", "Z"):
        np.testing.assert_array_equal(answer[name].estimate, fact[name])
        np.testing.assert_array_equal(answer[name].lower, fact[name])


def test_what_the_bound_hides_spreads_downstream_and_nowhere_else():
    model = tank((0.0, np.inf), step=1.0)
    fact = {"Y": [0.0, 0.0, 1.2, 0.0], "X": [0.1, 1.0, 0.2, 0.0], "Z": [0.0, 0.1, 0.2, 1.3]}
    asked = Counterfactual(episode=fact, interventions=Set("X", 1.5, at=[0, 1]))
    answer = counterfactual(model, asked)
    lower, upper = answer.interval["Y"]
    assert upper[1] - lower[1] > 0.3  # Y was at its bound
    assert upper[2] - lower[2] == pytest.approx(0.0, abs=1e-6)  # it was not
    below, above = answer.interval["Z"]
    assert above[2] - below[2] == pytest.approx(upper[1] - lower[1], abs=1e-4)
    effect = np.array(answer["Y"].estimate) - fact["Y"]
    assert effect[2] == pytest.approx(2.0 * 0.5, abs=1e-5)


def test_a_population_says_so_too_and_agrees():
    model = tank((0.0, np.inf), step=0.0)
    many = 2000
    rows = {"Y": [0.0] * many, "X": [0.0] * many, "Z": [0.3] * many}
    asked = Counterfactual(episode=rows, interventions=Set("X", 1.0), target="Y")
    answer = counterfactual(model, asked)
    truth = np.clip(1.0 + SIGMA * truncnorm(-np.inf, 2.0).rvs(400_000, random_state=0), 0.0, None)
    assert answer["Y"].estimate[0] == pytest.approx(truth.mean(), abs=0.04)
    assert any("Logged at a bound: Y (2,000 rows)" in a for a in answer.why.assumptions)
