"""Policies inside rollouts and counterfactuals, against closed forms and true replays."""

import numpy as np
import pytest

import doworld as dw
import worlds_by_hand as by_hand
from doworld._core.errors import QueryError
from doworld.data import Role, Variable
from doworld.infer import counterfactual, do
from doworld.query import Case, Counterfactual, Do, Feedback, Follow, Rules, Set, Shift, Status

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}
LAW = Feedback(weights={"T": -0.4, "D": 0.1}, bias=0.5)


@pytest.fixture(scope="module")
def still():
    """The heater almost without noise, so that means follow the policy's closed form."""
    return by_hand.heater(sigma=1e-5)


def test_an_action_at_row_t_sees_row_t_and_acts_on_the_next(still):
    T, D, expected = 1.0, 0.5, []
    for t in range(8):
        q = -0.4 * T + 0.1 * D + 0.5 if t < 5 else 1.0
        T, D = 0.8 * T + 0.5 * q + 0.1, 0.5 * D + T
        expected.append((T, D))
    asked = Do(
        given=GIVEN, interventions=[Follow("Q", LAW, at=range(5))], horizon=8, target=["T", "D"]
    )
    got = do(still, asked)
    assert got.status is Status.IDENTIFIED
    np.testing.assert_allclose(
        np.stack([got.estimate["T"], got.estimate["D"]], 1), expected, atol=1e-3
    )


def test_what_follows_a_policy_can_be_asked_for(still):
    got = do(still, Do(given=GIVEN, interventions=[Follow("Q", LAW)], target=["Q", "T"], horizon=4))
    T = np.concatenate([[1.0], got.estimate["T"]])
    D = [0.5]
    for t in range(4):
        D.append(0.5 * D[-1] + T[t])
    np.testing.assert_allclose(
        got.estimate["Q"], (-0.4 * T + 0.1 * np.array(D) + 0.5)[1:], atol=1e-3
    )


def test_following_the_value_that_is_held_is_holding_it(heater):
    same = Rules(otherwise=2.0)
    one = do(heater, Do(given=GIVEN, interventions=[Follow("Q", same)], horizon=6), seed=3)
    two = do(heater, Do(given=GIVEN, interventions=[Set("Q", 2.0)], horizon=6), seed=3)
    np.testing.assert_allclose(one.estimate["T"], two.estimate["T"], atol=1e-5)
    np.testing.assert_allclose(one.interval["D"], two.interval["D"], atol=1e-5)


def test_a_state_and_a_context_can_follow_too(still):
    own = Follow("T", Feedback(weights={"T": 1.0}, bias=1.0))
    swing = Follow("W", Rules(cases=(Case(when={"T": (3, None)}, then=-1.0),), otherwise=1.0))
    asked = Do(given=GIVEN, interventions=[own, swing], horizon=4, target=["T", "W", "D"])
    got = do(still, asked)
    np.testing.assert_allclose(got.estimate["T"], [3, 4, 5, 6], atol=1e-4)  # row 0: 1 + 1
    np.testing.assert_allclose(got.estimate["W"], [-1, -1, -1, -1], atol=1e-4)
    np.testing.assert_allclose(got.estimate["D"], [2.25, 4.125, 6.0625, 8.03125], atol=1e-3)


def test_levels_are_drawn_with_their_chances(machine):
    half = Rules(cases=(Case(when={"mode": "fast"}, then=0),), otherwise={"1": 0.25, "0": 0.75})
    given = {"mode": "off", "heat": 0.0, "switch": 0}
    asked = Do(
        given=given,
        interventions=[Follow("switch", half), Set("mode", "off")],
        horizon=3,
        target=["switch"],
        samples=4000,
    )
    chance = np.array(do(machine, asked)["switch"].probabilities)
    np.testing.assert_allclose(chance[:, 1], 0.25, atol=0.03)
    assert do(machine, asked) == do(machine, asked)


def test_a_policy_that_repeats_the_log_returns_the_fact(heater, episode):
    logged = dict(episode, Q=[0.5] * 11 + [None])
    law = Feedback(weights={}, bias=0.5)
    got = counterfactual(
        heater, Counterfactual(episode=logged, interventions=[Follow("Q", law)], target=["T", "D"])
    )
    np.testing.assert_array_equal(got.estimate["T"], logged["T"])
    np.testing.assert_array_equal(got.estimate["D"], logged["D"])


def test_rows_before_the_policy_parts_from_the_log_stay(heater, episode):
    late = Rules(cases=(Case(when={"T": (None, 1e9)}, then=2.0),), otherwise=2.0)
    got = counterfactual(
        heater,
        Counterfactual(
            episode=episode, interventions=[Follow("Q", late, at=range(5, 11))], target="T"
        ),
    )
    np.testing.assert_array_equal(got.estimate["T"][:6], episode["T"][:6])
    assert got.estimate["T"][6] != episode["T"][6]


def test_the_new_controller_had_run_that_day():
    world = by_hand.heater(sigma=0.1)
    rng = np.random.default_rng(3)
    rows = by_hand.heater_rows(rng, 30)
    noise = np.zeros((30, 2))
    for t in range(29):
        noise[t + 1, 0] = rows[t + 1, 0] - (0.8 * rows[t, 0] + 0.5 * rows[t, 2] + 0.1)
        noise[t + 1, 1] = rows[t + 1, 1] - (0.5 * rows[t, 1] + rows[t, 0])
    truth = rows.copy()
    for t in range(30):
        if t:
            truth[t, 0] = 0.8 * truth[t - 1, 0] + 0.5 * truth[t - 1, 2] + 0.1 + noise[t, 0]
            truth[t, 1] = 0.5 * truth[t - 1, 1] + truth[t - 1, 0] + noise[t, 1]
        truth[t, 2] = np.clip(-0.4 * truth[t, 0] + 0.1 * truth[t, 1] + 0.5, -5, 5) + 0.25
    logged = {n: rows[:, i].tolist() for i, n in enumerate("TDQW")}
    asked = Counterfactual(
        episode=logged, interventions=[Follow("Q", LAW), Shift("Q", 0.25)], target=list("TDQ")
    )
    got = counterfactual(world, asked)
    for i, name in enumerate("TDQ"):
        np.testing.assert_allclose(got.estimate[name], truth[:, i], atol=2e-4)


def test_a_drawn_policy_in_a_counterfactual_is_spread_and_says_so(machine):
    rng = np.random.default_rng(0)
    logged = {
        "mode": rng.choice(["off", "slow", "fast"], 8).tolist(),
        "heat": rng.normal(size=8).tolist(),
        "switch": [0] * 8,
    }
    toss = Rules(otherwise={"0": 0.5, "1": 0.5})
    got = counterfactual(
        machine,
        Counterfactual(episode=logged, interventions=[Follow("switch", toss)], target=["switch"]),
    )
    np.testing.assert_allclose(np.array(got["switch"].probabilities)[:, 1], 0.5, atol=0.12)
    assert any("its noise is its own" in a for a in got.why.assumptions)


def test_a_table_follows_a_policy_within_the_row():
    variables = (
        Variable("dose", Role.ACTION, bounds=(0.0, 10.0)),
        Variable("cure"),
        Variable("age", Role.CONTEXT),
        Variable("weight"),
    )
    weights = {
        "weight": {("age", 0): 2.0},
        "cure": {("dose", 0): 3.0},  # on the same level as weight, which the policy reads
    }
    model = by_hand.linear_world(variables, weights, step=0.0, sigma=1e-4)
    asked = Do(
        given={"age": 1.5},
        interventions=[Follow("dose", Feedback(weights={"weight": 0.5}))],
        target=["cure", "dose"],
    )
    got = do(model, asked)
    assert got.estimate["dose"][0] == pytest.approx(1.5, abs=1e-3)
    assert got.estimate["cure"][0] == pytest.approx(4.5, abs=3e-3)
    with pytest.raises(QueryError, match="neither comes first"):
        do(
            model,
            Do(given={"age": 1.0}, interventions=[Follow("dose", Feedback(weights={"cure": 1.0}))]),
        )
    with pytest.raises(QueryError, match="no row before"):
        do(
            model,
            Do(given={"age": 1.0}, interventions=[Follow("dose", Feedback(weights={"dose": 1.0}))]),
        )


def test_a_policy_that_does_nothing_is_reported(heater):
    held = Do(given=GIVEN, interventions=[Follow("Q", Rules(otherwise=1.0))], horizon=3)
    assert any("that is what Q is anyway" in w for w in do(heater, held).why.warnings)
    blind = Do(given=GIVEN, interventions=[Follow("D", LAW)], horizon=3, target="T")
    assert any("no path to T" in w for w in do(heater, blind).why.warnings)
    pair = [Shift("Q", 1.0), Follow("Q", LAW)]
    warned = do(heater, Do(given=GIVEN, interventions=pair, horizon=3)).why.warnings
    assert any("a later Follow of it takes its place" in w for w in warned)


def test_a_world_replays_under_a_policy_with_the_noise_kept():
    from doworld.worlds.random import RandomWorld

    world = RandomWorld(3, parents=1, actions=1, seed=2)
    recording = world.record(2, 30, seed=0)
    law = Feedback(weights={"z0": 0.5, "z1": -0.2}, low=-0.5, high=0.8)
    again = world.replay(recording, [dw.Follow("a0", law)]).values.reshape(2, 31, -1)
    expected = np.clip(0.5 * again[:, :-1, 0] - 0.2 * again[:, :-1, 1], -0.5, 0.8)
    np.testing.assert_allclose(again[:, :-1, 3], expected)
    np.testing.assert_array_equal(
        again[:, 0, :3], recording.log.values.reshape(2, 31, -1)[:, 0, :3]
    )
    logged = recording.log.values.reshape(2, 31, -1)
    kept = [dw.Set("a0", float(logged[0, t, 3]), at=t) for t in range(30)]
    one = world.replay(recording, kept).values.reshape(2, 31, -1)
    np.testing.assert_array_equal(one[0], logged[0])
