"""Answers against closed forms: linear worlds by hand."""

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.infer import counterfactual, do, predict
from doworld.query import Counterfactual, Do, Predict, Scale, Set, Shift, Status

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}


def means(steps, *, q, w=0.5, T=1.0, D=0.5, factor=1.0):
    """The heater's mean path under actions ``q`` of rows 0, 1, …"""
    rows = []
    for t in range(steps):
        T, D = factor * (0.8 * T + 0.5 * q[t] + 0.2 * w), factor * (0.5 * D + T)
        rows.append((T, D))
    return np.array(rows).T


def spread(steps, sigma=0.1):
    """The heater's standard deviation of T at rows 1…"""
    return sigma * np.sqrt(np.cumsum(0.8 ** (2 * np.arange(steps))))


def test_predict_gives_the_closed_form_mean_and_spread():
    model = by_hand.heater()
    answer = predict(model, Predict(given=GIVEN, horizon=12, samples=2000))
    T, D = means(12, q=np.ones(12))
    np.testing.assert_allclose(answer["T"].estimate, T, atol=1e-5)
    np.testing.assert_allclose(answer["D"].estimate, D, atol=1e-5)
    np.testing.assert_allclose(answer["T"].noise, spread(12), rtol=0.1)
    low, high = answer.interval["T"]
    np.testing.assert_allclose(high - low, 2 * 1.645 * spread(12), rtol=0.12)
    assert answer["T"].rows == tuple(range(1, 13))
    assert max(answer["T"].parameters) == 0.0


@pytest.mark.parametrize(("center", "scale"), [(0.0, 1.0), (20.0, 7.0)])
def test_do_sets_shifts_and_scales_in_the_variables_own_units(center, scale):
    model = by_hand.heater(center=center, scale=scale)
    done = [
        Set("Q", 3.0, at=1),
        Shift("Q", 0.5, at=2),
        Scale("Q", 2.0, at=3),
        Shift("T", 1.0, at=4),
    ]
    answer = do(model, Do(given=GIVEN, interventions=done, horizon=8, samples=64))
    q = [1.0, 3.0, 1.5, 2.0, 1.0, 1.0, 1.0, 1.0]
    T, rows = 1.0, []
    for t in range(8):
        T = 0.8 * T + 0.5 * q[t] + 0.1 + (t + 1 == 4)
        rows.append(T)
    np.testing.assert_allclose(answer["T"].estimate, rows, rtol=2e-4)


def test_set_on_a_state_cuts_its_causes_and_only_then():
    model = by_hand.heater()
    answer = do(model, Do(given=GIVEN, interventions=[Set("T", 1.5, at=(2, 3))], horizon=6))
    T = np.array(answer["T"].estimate)
    np.testing.assert_allclose(T[1:3], 1.5)
    assert answer["T"].noise[1] == answer["T"].noise[2] == 0.0
    np.testing.assert_allclose(T[3], 0.8 * 1.5 + 0.5 + 0.1, atol=1e-5)
    assert answer.interval["T"][0][1] == answer.interval["T"][1][1] == 1.5


def test_row_zero_interventions_act_on_the_given_row():
    model = by_hand.heater()
    at_once = do(model, Do(given=GIVEN, interventions=[Set("Q", 2.0, at=0)], horizon=2))
    plain = predict(model, Predict(given={**GIVEN, "Q": 2.0}, planned={"Q": (2.0, 1.0)}, horizon=2))
    np.testing.assert_array_equal(at_once["T"].estimate[0], plain["T"].estimate[0])
    # afterwards the action is what it was, not what it was set to
    np.testing.assert_allclose(
        at_once["T"].estimate[1], 0.8 * at_once["T"].estimate[0] + 0.5 + 0.1, atol=1e-5
    )


def test_planned_values_are_held_where_the_plan_ends():
    model = by_hand.heater()
    answer = predict(model, Predict(given=GIVEN, planned={"Q": (0.0, 2.0)}, horizon=4))
    T, _ = means(4, q=[0.0, 2.0, 2.0, 2.0])
    np.testing.assert_allclose(answer["T"].estimate, T, atol=1e-5)


def test_uncertainty_splits_into_noise_parameters_and_structure():
    factors = (1.0, 1.1, 0.9, 1.3)
    model = by_hand.heater(members=factors, structural=(False, False, False, True))
    answer = predict(model, Predict(given=GIVEN, horizon=1, samples=512))
    means_ = np.array([means(1, q=[1.0], factor=f)[0, 0] for f in factors])
    series = answer["T"]
    assert series.parameters[0] == pytest.approx(means_[:3].std(), abs=1e-4)
    extra = means_.var() - means_[:3].var()
    assert series.structure[0] == pytest.approx(np.sqrt(extra), abs=1e-4)
    draws = answer.samples()["T"][..., 0]
    total = series.noise[0] ** 2 + series.parameters[0] ** 2 + series.structure[0] ** 2
    assert total == pytest.approx(draws.var(), rel=1e-9)


def test_counterfactual_is_exact_per_member(episode):
    factors = (1.0, 1.05, 0.95)
    model = by_hand.heater(members=factors)
    query = Counterfactual(episode=episode, interventions=[Shift("Q", 1.0, at=3)])
    answer = counterfactual(model, query)
    effect = answer.samples()["T"][:, 0] - np.array(episode["T"])
    for factor, own in zip(factors, effect, strict=True):
        path = [0.5 * factor * (0.8 * factor) ** k for k in range(8)]
        np.testing.assert_allclose(own[4:], path, atol=2e-6)
    assert max(answer["T"].noise) == 0.0


def test_counterfactual_on_context_and_state(episode):
    model = by_hand.heater()
    query = Counterfactual(
        episode=episode, interventions=[Shift("W", 1.0), Set("D", 0.0, at=6)], target=["T", "D"]
    )
    answer = counterfactual(model, query)
    effect = np.array(answer["T"].estimate) - episode["T"]
    np.testing.assert_allclose(effect, 0.2 * (1 - 0.8 ** np.arange(12)) / 0.2, atol=1e-5)
    assert answer["D"].estimate[6] == 0.0


def test_static_tables_predict_intervene_and_look_back():
    model = by_hand.contemporaneous(sigma=0.5)
    given = {"Z": 1.0}
    answer = predict(model, Predict(given=given, samples=4000))
    assert answer["X"].rows == (0,)
    assert answer["Y"].estimate[0] == pytest.approx(7.0, abs=1e-4)
    cut = do(model, Do(given=given, interventions=[Set("X", 0.0)], samples=4000))
    assert cut["Y"].estimate[0] == pytest.approx(1.0, abs=1e-4)
    fact = {"Z": 1.0, "X": 2.3, "Y": 7.5, "S": 0.0}
    otherwise = counterfactual(model, Counterfactual(episode=fact, interventions=[Set("X", 0.0)]))
    assert otherwise["Y"].estimate[0] == pytest.approx(7.5 - 3 * 2.3, abs=1e-5)


def test_evidence_on_an_effect_informs_its_unknown_cause():
    """Y = 3X + Z + ε given Y: the posterior of X is normal in closed form."""
    model = by_hand.contemporaneous(sigma=0.5)
    answer = predict(model, Predict(given={"Z": 0.0, "Y": 2.0}, target="X", samples=8000))
    precision = 1 / 0.25 + 9 / 0.25
    mean = (3 * 2.0 / 0.25) / precision
    assert answer["X"].estimate[0] == pytest.approx(mean, abs=0.02)
    assert answer["X"].noise[0] == pytest.approx(precision**-0.5, rel=0.1)
    assert any("inferred from it" in a for a in answer.why.assumptions)


def test_evidence_on_a_cause_is_just_held():
    model = by_hand.contemporaneous(sigma=0.5)
    answer = predict(model, Predict(given={"Z": 1.0, "X": 1.0}, target="Y", samples=2000))
    assert answer["Y"].estimate[0] == pytest.approx(4.0, abs=1e-4)


def test_levels_have_probabilities_and_the_most_probable_one(machine):
    given = {"mode": "off", "heat": 0.0, "switch": 0}
    answer = predict(machine, Predict(given=given, target="mode", horizon=1, samples=4000))
    logits = np.array([2.5, 0.0, -0.5])
    truth = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(answer["mode"].probabilities[0], truth, atol=0.02)
    assert answer["mode"].estimate == (0.0,)
    on = do(machine, Do(given=given, interventions=[Set("switch", 1)], target="mode", horizon=5))
    assert on["mode"].label(on["mode"].estimate[-1]) == "fast"
    assert on.status is Status.IDENTIFIED
