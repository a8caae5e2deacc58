"""Questions take what is unambiguous, and say in one line what is not."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import QueryError
from doworld.query import Blame, Counterfactual, Do, Goal, Plan, Predict, Set, Shift
from doworld.query.queries import parse

T = {"T": 1.0}


def test_a_single_intervention_needs_no_list():
    done = Set("Q", 2.0, at=1)
    assert Do(given=T, interventions=done).interventions == (done,)
    assert Do(given=T, interventions=done.model_dump()).interventions == (done,)
    assert Counterfactual(episode={"T": [1, 2]}, interventions=Shift("Q", 1.0)).interventions


def test_a_single_name_and_a_single_planned_value_need_no_list():
    asked = Predict(given=T, target="T", planned={"Q": 3.0, "mode": "on", "W": np.arange(2.0)})
    assert asked.target == ("T",)
    assert asked.planned == {"Q": (3.0,), "mode": ("on",), "W": (0.0, 1.0)}
    assert Goal(maximise="T").maximise == ("T",)


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_a_frame_is_rows(make):
    frame = make({"T": [1.0, float("nan")], "mode": ["a", "b"]})
    rows = Predict(given=frame).given
    assert rows.columns == {"T": (1.0, None), "mode": ("a", "b")}
    assert Predict(given=T, planned=make({"Q": [1, 2]})).planned == {"Q": (1, 2)}


def test_a_row_of_a_frame_is_a_state():
    row = pd.DataFrame({"T": [1.0, 2.0], "Q": [3.0, 4.0]}).iloc[-1]
    assert Predict(given=row).given.columns == {"T": (2.0,), "Q": (4.0,)}


def test_a_log_of_one_episode_is_that_episode():
    rows = by_hand.heater_rows(np.random.default_rng(0), 5)
    schema = by_hand.heater().schema
    assert Predict(given=by_hand.log_of(schema, [rows])).given.length == 5
    with pytest.raises(QueryError, match=r"a log of 2 episodes .* log\[0\]"):
        Predict(given=by_hand.log_of(schema, [rows, rows]))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: Do(given=T, interventions="Q"), r"interventions: .*'Q' is given.*Set\("),
        (lambda: Do(given=T, interventions=[3]), r"interventions\.0.*Set\("),
        (lambda: Do(given=T), "Do lacks 'interventions'"),
        (
            lambda: Do(given=T, interventions=[{"kind": "set", "variable": "Q"}]),
            "Set lacks 'value'",
        ),
        (lambda: Predict(given=np.zeros(3)), "given: .*state by name"),
        (lambda: Predict(given="T"), "given: .*state by name"),
        (lambda: Predict(given=T, target=3), r"target: .*\['T1', 'T2'\]"),
        (lambda: Predict(given=T, horizon=0), "horizon: .*greater than or equal to 1, and 0"),
        (lambda: Predict(given=T, horizn=3), "no field 'horizn'. Write 'horizon'"),
        (lambda: Plan(given=T, objective="T"), "objective: .*Give a Goal"),
        (lambda: Goal(keep={"T": (1, 2, 3)}), "keep.T: a range is"),
        (lambda: parse({"kind": "predict"}), "Predict lacks 'given'"),
        (lambda: parse({"kind": "predict", "given": T, "horizon": "soon"}), "horizon: .*'soon'"),
    ],
)
def test_a_malformed_question_is_one_line_with_the_fix(ask, message):
    with pytest.raises(QueryError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("tolerance", [-1.0, {"T": -0.5}, {"T": float("nan")}])
def test_a_tolerance_has_some_width(tolerance):
    with pytest.raises(QueryError, match=r"cannot be met within .*Give 0 or more\."):
        Blame(episode={"T": [1.0, 2.0]}, success=Goal(target={"T": 1.0}), tolerance=tolerance)
