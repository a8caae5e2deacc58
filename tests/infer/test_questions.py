"""Malformed questions, and what a well-formed one assumes and warns of."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import DoworldWarning, QueryError, SchemaError, UnknownNameError
from doworld.data import Policy, Trajectories
from doworld.discover import discover
from doworld.graph import Edge, Mark, Reason, Unidentified
from doworld.infer import counterfactual, do, predict
from doworld.model.learn import Settings, fit
from doworld.query import Counterfactual, Do, Predict, Scale, Set, Shift, Status

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}


def ask(model, *done, given=GIVEN, horizon=4, **options):
    return do(model, Do(given=given, interventions=done, horizon=horizon, **options))


@pytest.mark.parametrize(
    ("done", "error", "words"),
    [
        ([Set("Qq", 1.0)], UnknownNameError, "Did you mean 'Q'"),
        ([Set("Q", 9.0)], QueryError, "bounds are -5…5 %"),
        ([Set("Q", "high")], SchemaError, "not a number"),
        ([Set("Q", float("inf"))], QueryError, "finite"),
        ([Shift("Q", float("nan"))], QueryError, "finite"),
        ([Set("Q", 1.0, at=9)], QueryError, "rows are 0…4"),
        ([Set("Q", 1.0, at=-1)], QueryError, "rows are 0…4"),
        ([Set("Q", 1.0, at=(1, 2)), Set("Q", 2.0, at=2)], QueryError, "two values at row 2"),
    ],
)
def test_a_malformed_intervention_says_what_why_and_the_fix(heater, done, error, words):
    with pytest.raises(error, match=words):
        ask(heater, *done)


def test_the_same_value_twice_is_no_contradiction(heater):
    both = ask(heater, Set("Q", 2.0, at=(1, 2)), Set("Q", 2.0, at=2))
    assert both["T"].estimate == ask(heater, Set("Q", 2.0, at=(1, 2)))["T"].estimate


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"Tt": 1.0}, UnknownNameError, "Did you mean 'T'"),
        ({"T": [1.0, 2.0], "D": [1.0, 2.0, 3.0]}, QueryError, "rows where other columns have 3"),
        ({}, QueryError, "no rows"),
        ({"T": float("inf")}, QueryError, "infinite"),
        ({"T": "warm"}, SchemaError, "not a number"),
    ],
)
def test_a_malformed_start(heater, given, error, words):
    with pytest.raises(error, match=words):
        predict(heater, Predict(given=given))


@pytest.mark.parametrize(
    ("planned", "words"),
    [
        ({"T": (1.0,)}, "Set\\('T'"),
        ({"Q": ()}, "empty"),
        ({"Q": (1.0,) * 9}, "ends after 5"),
        ({"Q": (float("nan"),)}, "finite"),
    ],
)
def test_a_malformed_plan(heater, planned, words):
    with pytest.raises(QueryError, match=words):
        predict(heater, Predict(given=GIVEN, planned=planned, horizon=4))


def test_unknown_target(heater):
    with pytest.raises(UnknownNameError, match="Did you mean 'D'"):
        predict(heater, Predict(given=GIVEN, target="DD"))


@pytest.mark.parametrize("done", [Shift("mode", 1.0), Scale("switch", 2.0)])
def test_levels_cannot_be_shifted_or_scaled(machine, done):
    with pytest.raises(QueryError, match="Use Set with one of"):
        ask(machine, done, given={"mode": "off"})


def test_a_category_is_set_by_name_and_checked(machine):
    answer = ask(machine, Set("mode", "fast"), given={"mode": "off", "heat": 0.0, "switch": 0})
    assert set(answer["mode"].estimate) == {2.0}
    with pytest.raises(UnknownNameError, match="category of 'mode'"):
        ask(machine, Set("mode", "fst"), given={"mode": "off"})


def test_an_episode_of_one_row_has_no_counterfactual(heater):
    with pytest.raises(QueryError, match="no transition"):
        counterfactual(heater, Counterfactual(episode=GIVEN, interventions=[Set("Q", 0.0)]))


def test_a_static_table_takes_one_unit(table):
    with pytest.raises(QueryError, match="one row at a time"):
        predict(table, Predict(given={"Z": [1.0, 2.0]}))


def test_evidence_on_an_effect_of_the_intervention_is_refused(table):
    with pytest.raises(QueryError, match="effect of the intervention"):
        do(table, Do(given={"Z": 1.0, "Y": 2.0}, interventions=[Set("X", 0.0)]))


def test_what_was_not_given_is_assumed_and_said(heater):
    answer = predict(heater, Predict(given={"T": 1.0}, horizon=3))
    assert any(w.startswith("D was not given") for w in answer.why.warnings)
    assert any("typical of the log: Q = 0 %, W = 0" in a for a in answer.why.assumptions)
    assert answer["D"].support[0] < 1.0
    only_T = predict(heater, Predict(given={"T": 1.0}, target="T", horizon=3))
    assert only_T.why.warnings == ()


def test_held_actions_are_said_only_where_they_matter(heater):
    held = predict(heater, Predict(given=GIVEN, horizon=3))
    assert any("Held at the last known value" in a for a in held.why.assumptions)
    told = {"Q": (1.0, 1.0, 1.0), "W": (0.5, 0.5, 0.5)}
    planned = predict(heater, Predict(given=GIVEN, planned=told, horizon=3))
    assert not any("Held" in a for a in planned.why.assumptions)
    set_ = ask(heater, Set("Q", 1.0), Set("W", 0.5))
    assert not any("Held" in a for a in set_.why.assumptions)


def test_the_last_rows_missing_action_is_the_one_before(heater):
    given = {"T": [0.0, 1.0], "D": [0.0, 0.5], "Q": [2.0, None], "W": [0.5, 0.5]}
    answer = predict(heater, Predict(given=given, horizon=1))
    assert answer["T"].estimate[0] == pytest.approx(0.8 + 1.0 + 0.1, abs=1e-5)


def test_interventions_that_change_nothing_are_reported(heater):
    warned = [
        ask(heater, Shift("Q", 0.0)),
        ask(heater, Scale("Q", 1.0)),
        ask(heater, Set("Q", 1.0, at=())),
        ask(heater, Set("Q", 2.0, at=4)),
        ask(heater, Set("T", 1.0, at=0)),
        ask(heater, Set("D", 1.0), target="T"),
        ask(heater, Shift("Q", 1.0, at=1), Set("Q", 2.0, at=(1, 2))),
    ]
    assert [
        any("changes nothing" in w or "so it changes" in w for w in a.why.warnings) for a in warned
    ] == [True] * 7
    assert not ask(heater, Set("Q", 2.0, at=3)).why.warnings


def test_shifting_out_of_the_bounds_is_warned_of(heater):
    answer = ask(heater, Shift("Q", 5.0))
    assert any("outside the bounds -5…5" in w for w in answer.why.warnings)


def test_short_history_is_repeated_and_said():
    weights = {"T": {("T", 1): 0.5, ("T", 3): 0.2}, "D": {("D", 1): 0.5}}
    model = by_hand.linear_world(by_hand.HEATER, weights)
    answer = predict(model, Predict(given={"T": 1.0}, target="T", horizon=1))
    assert answer["T"].estimate[0] == pytest.approx(0.7, abs=1e-6)
    assert any("look back 3 rows and only 1 row" in a for a in answer.why.assumptions)
    given = {"T": [3.0, 2.0, 1.0]}
    whole = predict(model, Predict(given=given, target="T", horizon=1))
    assert whole["T"].estimate[0] == pytest.approx(0.5 + 0.6, abs=1e-6)
    assert not any("look back" in a for a in whole.why.assumptions)


def test_how_actions_were_chosen_is_an_assumption():
    unknown = by_hand.heater(policy=Policy.UNKNOWN)
    assert any(
        "How Q was chosen is unknown" in a for a in ask(unknown, Set("Q", 2.0)).why.assumptions
    )
    fact = Unidentified("D", Reason.DETERMINED, "D shows what Q does.", others=("Q",))
    told = by_hand.heater(policy=Policy.UNKNOWN, unidentified=(fact,))
    assert fact.note in ask(told, Set("Q", 2.0)).why.warnings
    assert fact.note not in ask(told, Set("W", 1.0)).why.warnings


def test_an_action_that_follows_the_state_exactly_gives_no_number():
    fact = Unidentified("Q", Reason.DETERMINED, "whatever the words")
    model = by_hand.heater(unidentified=(fact,))
    answer = ask(model, Set("Q", 2.0))
    assert answer.status is Status.NOT_IDENTIFIED
    assert "varied at random" in answer.fix
    assert ask(model, Set("W", 1.0)).status is Status.IDENTIFIED
    assert predict(model, Predict(given=GIVEN)).status is Status.IDENTIFIED
    # words alone decide nothing
    worded = by_hand.heater(notes=("action 'Q' is a function of the state in this log.",))
    assert ask(worded, Set("Q", 2.0)).status is Status.IDENTIFIED


@pytest.mark.parametrize(
    "policy",
    [lambda x: -0.5 * x, lambda x: 0.05 * x**2 - 0.5 * x, lambda x: np.clip(-x, -1, 1)],
    ids=["linear", "bent", "saturated"],
)
def test_what_discovery_says_of_such_an_action_reaches_the_answer(policy):
    """Discovery words an exactly linear policy otherwise than another; all give no number."""
    rng, rows = np.random.default_rng(0), np.zeros((300, 2))
    for t in range(300):
        rows[t, 1] = policy(rows[t, 0])
        if t < 299:
            rows[t + 1, 0] = 0.8 * rows[t, 0] + 0.3 * rows[t, 1] + rng.normal()
    frame = pl.DataFrame({"t": np.arange(300.0), "T": rows[:, 0], "Q": rows[:, 1]})
    log = Trajectories.from_frame(frame, state="T", action="Q", time="t")
    with pytest.warns(DoworldWarning, match="'Q'"):
        graph = discover(log)
    model = fit(log, graph, settings=Settings(members=2, structures=0, neural=None))
    answer = do(model, Do(given={"T": 0.0}, interventions=[Set("Q", 2.0)], horizon=3))
    assert answer.status is Status.NOT_IDENTIFIED
    assert answer.estimate["T"] is None
    assert answer.why.warnings


def test_an_action_that_almost_follows_the_state_is_warned_of():
    fact = Unidentified("Q", Reason.NEARLY, "Q is almost a function of T. Vary it at random.")
    model = by_hand.heater(unidentified=(fact,))
    answer = ask(model, Set("Q", 2.0))
    assert answer.status is Status.IDENTIFIED
    assert fact.note in answer.why.warnings
    assert fact.note not in predict(model, Predict(given=GIVEN)).why.warnings


def test_what_nobody_gave_is_not_what_a_variable_is_anyway(heater):
    typical = float(heater.typical[heater.schema.position("Q")])
    silent = ask(heater, Set("Q", typical), given={"T": 1.0}, target="T")
    assert not any("changes nothing" in w for w in silent.why.warnings)
    stated = ask(heater, Set("Q", 1.0), target="T")
    assert any("that is what Q is anyway" in w for w in stated.why.warnings)


def test_a_counterfactual_says_that_policies_do_not_react(episode):
    asked = Counterfactual(episode=episode, interventions=[Shift("Q", 1.0, at=2)])
    said = "stays as logged"
    found = {
        policy: any(
            said in a for a in counterfactual(by_hand.heater(policy=policy), asked).why.assumptions
        )
        for policy in (Policy.UNKNOWN, Policy.RANDOMISED)
    }
    assert found == {Policy.UNKNOWN: True, Policy.RANDOMISED: False}


def test_an_action_that_never_varied_gives_no_number(heater, episode):
    low, high = heater.reference.low.copy(), heater.reference.high.copy()
    low[2] = high[2] = 1.0
    model = replace(heater, reference=replace(heater.reference, low=low, high=high))
    answer = ask(model, Set("Q", 2.0))
    assert answer.status is Status.NOT_IDENTIFIED
    assert "Q is 1.0 in every row" in answer.why.warnings[0]
    assert ask(model, Set("Q", 1.0)).status is Status.IDENTIFIED
    otherwise = Counterfactual(episode=episode, interventions=[Shift("Q", 1.0)])
    assert counterfactual(model, otherwise).status is Status.NOT_IDENTIFIED


def test_an_edge_that_nobody_can_orient_gives_no_number():
    open_edge = Edge("D", "T", lag=0, mark=Mark.UNDIRECTED)
    model = by_hand.heater(extra_edges=(open_edge,))
    answer = ask(model, Set("D", 1.0), target="T")
    assert answer.status is Status.NOT_IDENTIFIED
    assert answer.estimate["T"] is None
    assert "Prior(required=" in answer.fix
    assert "set at random" in answer.fix
    hidden = by_hand.heater(extra_edges=(Edge("D", "T", lag=0, mark=Mark.BIDIRECTED),))
    assert ask(hidden, Set("T", 1.0), target="D").status is Status.NOT_IDENTIFIED
    assert ask(hidden, Set("D", 1.0), target="T").status is Status.IDENTIFIED
    elsewhere = ask(hidden, Set("Q", 1.0), target="D")
    assert elsewhere.status is Status.IDENTIFIED
    assert any("leave" in w and "open" in w for w in elsewhere.why.warnings)


def test_edges_relied_on_lead_from_what_is_done_to_what_is_asked(heater):
    answer = ask(heater, Set("Q", 2.0), target="D")
    assert [e.split(",")[0] for e in answer.why.edges] == ["Q(t-1) --> T(t)", "T(t-1) --> D(t)"]
    assert answer.why.rows == 1000


def test_an_unstable_world_is_cut_off_and_said():
    weights = {"T": {("T", 1): 5.0}, "D": {("D", 1): 0.5}}
    model = by_hand.linear_world(by_hand.HEATER, weights)
    answer = predict(model, Predict(given={"T": 1.0}, target="T", horizon=60))
    assert np.isfinite(answer["T"].estimate).all()
    assert any("ran away" in w for w in answer.why.warnings)
    assert answer["T"].support[-1] < 0.01
