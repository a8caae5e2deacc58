"""Means over many episodes are bounded where what is done runs through levels."""

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.data import Kind, Role, Variable
from doworld.infer import counterfactual
from doworld.infer.counterfactual import population_bounds
from doworld.query import Answer, Counterfactual, Set, Status

STEPS = 5


@pytest.fixture(scope="module")
def log(machine):
    """Five episodes of the machine, one of them shorter."""
    rng = np.random.default_rng(0)
    logits = np.array([[-2.0, 0.0, 2.0]])
    episodes = []
    for n in range(5):
        rows = [[rng.integers(3), 0.0, rng.integers(2)]]
        for _ in range(STEPS - (n == 4)):
            mode, heat, switch = rows[-1]
            chance = np.exp(2.0 * np.eye(3)[int(mode)] + logits[0] * switch)
            new = rng.choice(3, p=chance / chance.sum())
            rows.append([new, 0.5 * heat + mode + 0.1 * rng.normal(), rng.integers(2)])
        episodes.append(np.array(rows, float))
    return by_hand.log_of(machine.schema, episodes)


def test_a_mean_lies_between_the_means_of_the_bounds_of_each(machine, log):
    done = [Set("switch", 1, at=[0, 1, 2])]
    answer = counterfactual(machine, Counterfactual(episode=log, interventions=done))
    assert answer.status is Status.BOUNDED
    alone = [counterfactual(machine, Counterfactual(episode=e, interventions=done)) for e in log]
    chances, ends = np.zeros((2, STEPS + 1, 3)), np.zeros((2, STEPS + 1))
    count = np.array([5] * STEPS + [4])
    for episode, each in zip(log, alone, strict=True):
        rows = slice(0, len(episode))
        mode, heat = each["mode"], each["heat"]
        one = np.array([mode.probabilities_lower, mode.probabilities_upper])
        chances[:, rows] += one if one.size else np.array([mode.probabilities] * 2)
        ends[:, rows] += np.array([heat.lower, heat.upper]) - episode.column("heat")
    low, high = answer["mode"].probabilities_lower, answer["mode"].probabilities_upper
    share = np.array(answer["mode"].probabilities)
    np.testing.assert_allclose(low, np.minimum(chances[0] / count[:, None], share), atol=1e-5)
    np.testing.assert_allclose(high, np.maximum(chances[1] / count[:, None], share), atol=1e-5)
    open_rows = np.array(high)[:-1, 0] - np.array(low)[:-1, 0] > 1e-3  # heat is one row behind
    lower, upper = np.array(answer["heat"].lower)[1:], np.array(answer["heat"].upper)[1:]
    expected = (ends / count)[:, 1:]
    assert open_rows.any()
    assert (lower <= expected[0] + 1e-4).all()
    assert (expected[1] <= upper + 1e-4).all()
    widest = (upper - lower)[open_rows]
    assert (widest <= 1.5 * (expected[1] - expected[0])[open_rows] + 0.1).all()
    assert "Gumbel-max" in " ".join(answer.why.assumptions)
    assert answer.details.alternatives[0].bounded
    assert Answer.from_json(answer.to_json()) == answer


def test_what_does_not_run_through_a_level_stays_identified(machine, log):
    stated = Counterfactual(episode=log, interventions=Set("mode", "fast", at=2), target="heat")
    assert counterfactual(machine, stated).status is Status.BOUNDED  # mode follows from itself
    last = Counterfactual(episode=log[:4], interventions=Set("mode", "fast", at=4), target="heat")
    assert counterfactual(machine, last).status is Status.IDENTIFIED


def test_worlds_are_bounded_one_by_one(machine, log):
    worlds = {"on": Set("switch", 1, at=0), "late": Set("mode", "fast", at=4)}
    asked = Counterfactual(episode=log[:4], alternatives=worlds, target="heat")
    answer = counterfactual(machine, asked)
    assert [a.bounded for a in answer.details.alternatives] == [True, False]
    assert answer.status is Status.BOUNDED


def test_too_many_open_episodes_get_no_interval_but_a_warning(machine, log, monkeypatch):
    monkeypatch.setattr(population_bounds, "EACH", 2)
    asked = Counterfactual(episode=log, interventions=Set("switch", 1, at=0), target="heat")
    answer = counterfactual(machine, asked)
    assert answer.status is Status.BOUNDED
    assert answer["heat"].lower is None
    assert any("open in more than 2 episodes" in w for w in answer.why.warnings)


def test_units_of_a_table_are_bounded_by_what_each_shows():
    """P(y' | y) of a binary outcome: a mean effect within the Fréchet bounds of every unit."""
    variables = (
        Variable("Y", kind=Kind.BINARY),
        Variable("X", Role.ACTION, kind=Kind.BINARY),
        Variable("N"),
    )
    logits = np.array([[0.0, 2.0], [0.0, -1.0]])  # P(Y = 1) = σ(2X − 1)
    weights = {"Y": {("X", 0): 0.0}, "N": {("X", 0): 0.0}}
    model = by_hand.linear_world(variables, weights, logits={"Y": logits}, step=0.0)
    rows = {"Y": [0, 1] * 200, "X": [0] * 400, "N": [0.0] * 400}
    answer = counterfactual(
        model, Counterfactual(episode=rows, interventions=Set("X", 1), target="Y")
    )
    off, on = 1 / (1 + np.e), 1 / (1 + np.exp(-1.0))
    # Fréchet: max(0, P(y') + P(y) − 1) ≤ P(y', y) ≤ min(P(y'), P(y)), over P(y)
    low, high = max(0.0, on - off) / (1 - off), min(1.0, on / (1 - off))
    one_low, one_high = max(0.0, on - (1 - off)) / off, min(1.0, on / off)
    expected = np.array([(low + one_low - 1) / 2, (high + one_high - 1) / 2])
    lower, upper = answer["Y"].lower[0], answer["Y"].upper[0]
    assert answer.status is Status.BOUNDED
    assert lower <= expected[0] + 1e-5
    assert upper >= expected[1] - 1e-5
    np.testing.assert_allclose([lower, upper], expected, atol=0.06)
