"""Many episodes in one call, several worlds in one call, nested worlds."""

import importlib

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import QueryError
from doworld.infer import counterfactual
from doworld.infer.counterfactual.nested import nested
from doworld.query import Answer, Case, Counterfactual, Feedback, Follow, Rules, Set, Shift


@pytest.fixture(scope="module")
def log(heater):
    rng = np.random.default_rng(3)
    return by_hand.log_of(heater.schema, [by_hand.heater_rows(rng, n) for n in (12, 9, 15)])


def test_a_log_is_answered_episode_by_episode(heater, log):
    done = [Shift("Q", 1.0, at=3)]
    answer = counterfactual(heater, Counterfactual(episode=log, interventions=done))
    own = answer.samples()["T"]
    assert own.shape == (3, 3, 15)
    for n, episode in enumerate(log):
        alone = counterfactual(heater, Counterfactual(episode=episode, interventions=done))
        values = alone.samples()["T"][:, 0]
        np.testing.assert_allclose(own[:, n, : len(episode)], values, atol=2e-6)
        assert np.isnan(own[:, n, len(episode) :]).all()
    effect = np.array(answer["T"].estimate)
    np.testing.assert_allclose(effect[:4], 0.0, atol=1e-7)
    assert effect[4] == pytest.approx(0.5, abs=1e-5)
    assert answer.interval["T"][0][5] < effect[5] < answer.interval["T"][1][5]
    assert "3 episodes" in answer.why.summary
    assert "Mean effect over 3 episodes" in str(answer)
    again = Answer.from_json(answer.to_json())
    assert again == answer
    answer.figure()


def test_a_table_of_units_is_a_population(table):
    rows = {"Z": [0.0, 1.0], "X": [0.1, 2.3], "Y": [0.5, 7.5], "S": [0.0, 0.0]}
    asked = Counterfactual(episode=rows, interventions=[Set("X", 0.0)], target="Y")
    answer = counterfactual(table, asked)
    np.testing.assert_allclose(answer.samples()["Y"][0, :, 0], [0.5 - 0.3, 7.5 - 6.9], atol=1e-6)
    assert answer["Y"].estimate[0] == pytest.approx(-3.6, abs=1e-5)


def test_alternatives_share_the_noise_and_stand_side_by_side(heater, episode):
    worlds = {"none": [], "more": Shift("Q", 1.0, at=3), "less": [Shift("Q", -1.0, at=3)]}
    answer = counterfactual(heater, Counterfactual(episode=episode, alternatives=worlds))
    assert [a.name for a in answer.details.alternatives] == ["none", "more", "less"]
    assert answer["T"].estimate == tuple(episode["T"])
    for name in ("more", "less"):
        alone = counterfactual(heater, Counterfactual(episode=episode, interventions=worlds[name]))
        np.testing.assert_allclose(
            answer.details[name].paths[0].estimate, alone["T"].estimate, atol=1e-6
        )
    more, less = (np.array(answer.details[n].paths[0].effect) for n in ("more", "less"))
    np.testing.assert_allclose(more, -less, atol=1e-5)
    assert "more" in str(answer)
    assert Answer.from_json(answer.to_json()) == answer
    answer.figure()


def test_what_is_done_in_all_alternatives_is_done_in_each(heater, episode):
    asked = Counterfactual(
        episode=episode,
        interventions=Shift("W", 1.0),
        alternatives=[[Shift("Q", 1.0, at=3)], []],
    )
    assert list(asked.worlds) == ["Q shifted by 1 at row 3", "alternative 2"]
    answer = counterfactual(heater, asked)
    alone = counterfactual(heater, Counterfactual(episode=episode, interventions=Shift("W", 1.0)))
    np.testing.assert_allclose(
        answer.details["alternative 2"].paths[0].estimate, alone["T"].estimate, atol=1e-6
    )


def test_nested_worlds_give_natural_effects_by_unit(table):
    """Y = 3X + Z + ε, X = 2Z + ε: from Z = 0 to 1, direct 1, through X 6."""
    rows = {"Z": [0.0, 1.0], "X": [0.1, 2.3], "Y": [0.5, 7.5], "S": [0.0, 0.0]}
    on, off = [Set("Z", 1.0)], [Set("Z", 0.0)]

    def value(outer, inner):
        asked = Counterfactual(episode=rows, interventions=on).episode
        out = nested(table, asked, outer=outer, inner=inner, through=["X"], target=["Y"])
        return out[0, :, 0, 0]

    low = value(off, off)
    np.testing.assert_allclose(value(on, off) - low, 1.0, atol=1e-5)
    np.testing.assert_allclose(value(off, on) - low, 6.0, atol=1e-5)
    np.testing.assert_allclose(value(on, on) - low, 7.0, atol=1e-5)


def test_nested_worlds_follow_the_mediator_row_by_row(heater, episode):
    """D(t) = .5 D + T(t−1): with T as it was, Q moves D not at all; with T of Q + 1, all of it."""
    more = [Shift("Q", 1.0, at=3)]
    asked = Counterfactual(episode=episode, interventions=more).episode
    through = {"through": ["T"], "target": ["D"]}
    none = nested(heater, asked, outer=more, inner=[], **through)[:, 0, :, 0]
    np.testing.assert_allclose(none, np.tile(episode["D"], (3, 1)), atol=1e-6)
    every = nested(heater, asked, outer=[], inner=more, **through)[:, 0, :, 0]
    alone = counterfactual(heater, Counterfactual(episode=episode, interventions=more))
    np.testing.assert_allclose(every, alone.samples()["D"][:, 0], atol=1e-5)


def test_a_question_without_anything_done_says_so(episode):
    with pytest.raises(QueryError, match="lacks 'interventions'"):
        Counterfactual(episode=episode)


def test_units_are_the_numbers_of_an_answer(table):

    from doworld.infer.counterfactual.units import units

    rows = {"Z": [0.0, 1.0], "X": [0.1, 2.3], "Y": [0.5, 7.5], "S": [0.0, 0.0]}
    asked = Counterfactual(episode=rows, interventions=[Set("X", 0.0)])
    answer = counterfactual(table, asked)
    found = units(table, rows, [Set("X", 0.0)])
    one = units(table, {n: v[0] for n, v in rows.items()}, [Shift("X", 1.0)], target=["Y"])
    for name, own in answer.samples().items():
        np.testing.assert_array_equal(found[name], own)
    assert one["Y"][0, 0, 0] == pytest.approx(0.5 + 3.0, abs=1e-6)


def test_the_linear_short_cut_says_what_the_replay_says(table, monkeypatch):
    module = importlib.import_module("doworld.infer.counterfactual.single")
    fact = {"Z": 1.0, "X": 2.3, "Y": 7.5, "S": 0.0}
    done = [Shift("Z", 0.5), Set("X", 1.0)]
    asked = Counterfactual(episode=fact, interventions=done)
    quick = counterfactual(table, asked)
    monkeypatch.setattr(module, "linear_of", lambda model: None)
    slow = counterfactual(table, asked)
    for name in quick.names:
        np.testing.assert_allclose(quick[name].estimate, slow[name].estimate, atol=1e-5)
        np.testing.assert_allclose(quick[name].support, slow[name].support, atol=1e-6)


def test_members_share_the_row_of_a_value_that_is_held():
    model = by_hand.contemporaneous(members=(1.0, 0.9, 1.1))
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=7).tolist() for name in ("Z", "X", "Y", "S")}
    held = [Set("X", 1.0)]
    many = counterfactual(model, Counterfactual(episode=columns, interventions=held))
    each = [
        counterfactual(
            model,
            Counterfactual(episode={k: v[n] for k, v in columns.items()}, interventions=held),
        )["Y"]
        for n in range(7)
    ]
    effect = np.mean([e.estimate[0] - e.past[-1] for e in each])
    assert many["Y"].estimate[0] == pytest.approx(effect, abs=1e-5)


@pytest.mark.parametrize("at", [range(2, 8), None])
def test_many_episodes_follow_a_policy_as_each_one_does(heater, log, at):
    cool = Follow("Q", Feedback(weights={"T": -0.5}, bias=0.2), at=at)
    worlds = {"none": [], "policy": [cool], "less": [cool, Shift("W", -0.1)]}
    answer = counterfactual(heater, Counterfactual(episode=log, alternatives=worlds))
    assert [a.bounded for a in answer.details.alternatives] == [False] * 3
    np.testing.assert_allclose(answer.details["none"].paths[0].estimate, 0.0, atol=1e-6)
    every = counterfactual(heater, Counterfactual(episode=log, interventions=cool))
    np.testing.assert_allclose(
        answer.details["policy"].paths[0].estimate, every["T"].estimate, atol=1e-6
    )
    for n, episode in enumerate(log):
        alone = counterfactual(heater, Counterfactual(episode=episode, interventions=cool))
        for name in ("T", "D"):
            own = every.samples()[name][:, n, : len(episode)]
            np.testing.assert_allclose(own, alone.samples()[name][:, 0], atol=2e-5)
    assert Answer.from_json(every.to_json()) == every


def test_units_of_a_table_follow_a_policy(table):
    """X = 2 − Z whatever it was: Y = 3X + Z + ε moves by three times the change."""
    rows = {"Z": [0.0, 1.0], "X": [0.1, 2.3], "Y": [0.5, 7.5], "S": [0.0, 0.0]}
    follow = Follow("X", Feedback(weights={"Z": -1.0}, bias=2.0))
    answer = counterfactual(table, Counterfactual(episode=rows, interventions=follow, target="Y"))
    moved = [0.5 + 3 * (2.0 - 0.1), 7.5 + 3 * (1.0 - 2.3)]
    np.testing.assert_allclose(answer.samples()["Y"][0, :, 0], moved, atol=1e-5)


def test_a_policy_that_reads_open_levels_leaves_no_bound(machine):
    rows = np.array([[0, 0.0, 0], [0, 0.1, 0], [1, 0.2, 0], [1, 1.0, 0], [1, 1.5, 0]], float)
    log = by_hand.log_of(machine.schema, [rows, rows])
    on = Rules(cases=[Case(when={"mode": "off"}, then=True)], otherwise=False)
    for episode in (log, log[0]):
        answer = counterfactual(
            machine, Counterfactual(episode=episode, interventions=[Follow("switch", on)])
        )
        assert answer.status == "bounded"
        assert answer["heat"].lower is None
        assert any("No bound is known for" in w and "heat" in w for w in answer.why.warnings)


def test_what_a_policy_draws_is_noise_of_its_own(machine):
    rows = np.array([[0, 0.0, 0], [0, 0.1, 0], [1, 0.2, 0]], float)
    log = by_hand.log_of(machine.schema, [rows] * 40)
    coin = Follow("switch", Rules(otherwise={"0": 0.5, "1": 0.5}), at=1)
    asked = Counterfactual(episode=log, interventions=coin, target="mode")
    one, two = counterfactual(machine, asked), counterfactual(machine, asked, seed=0)
    assert one == two
    levels = one.samples()["mode"][:, :, 2]
    assert len(np.unique(levels)) > 1
