"""Support: 1 inside the data, falling outside, and inherited along causal paths."""

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.graph import Reason, Unidentified
from doworld.infer import do, predict
from doworld.query import Do, Predict, Set

INSIDE = {"T": 0.0, "D": 0.0, "Q": 0.0, "W": 0.0}


@pytest.fixture(scope="module")
def heater():
    """A log that spanned −2 … 2."""
    return by_hand.heater(members=(1.0, 1.02, 0.98), inside=2.0)


def test_inside_the_data_support_is_whole(heater):
    answer = predict(heater, Predict(given=INSIDE, horizon=10))
    assert min(answer["T"].support) > 0.95
    assert answer.why.outside is None
    assert answer.why.support == "Inside the data throughout."


def test_support_falls_with_the_distance_outside(heater):
    levels = [1.9, 2.5, 3.5, 5.0]
    found = [
        do(heater, Do(given=INSIDE, interventions=[Set("Q", v, at=0)], target="T", horizon=2))
        for v in levels
    ]
    support = [a["T"].support[0] for a in found]
    assert support[0] > 0.9
    assert all(np.diff(support) < 0)
    assert support[-1] < 0.05
    assert found[-1].why.outside == 1
    assert "Q leaves first: 5 % at row 0 is outside -2…2 %" in found[-1].why.support


def test_no_effect_is_better_supported_than_its_cause_the_row_before(heater):
    answer = do(heater, Do(given=INSIDE, interventions=[Set("Q", 4.0, at=2)], horizon=12))
    T, D = (np.array(answer[n].support) for n in ("T", "D"))
    # D(t) inherits from T(t−1), and log support fades by a twentieth a row
    assert (D[1:] <= T[:-1] ** 0.95 + 1e-9).all()
    assert T[2] < 0.5 < T[1]
    assert T[-1] > T[2]


def test_what_is_not_reached_keeps_its_support(heater):
    answer = do(heater, Do(given=INSIDE, interventions=[Set("D", 9.0, at=1)], horizon=4))
    assert min(answer["T"].support) > 0.95
    assert answer["D"].support[0] < 0.05


def test_a_value_that_is_set_is_judged_by_its_range_alone(heater):
    given = {**INSIDE, "Q": 4.0}
    answer = do(heater, Do(given=given, interventions=[Set("T", 0.0)], target=["T"], horizon=3))
    assert answer["T"].support == (1.0, 1.0, 1.0)


def test_outside_the_data_the_interval_is_a_bound(heater):
    answer = do(heater, Do(given=INSIDE, interventions=[Set("Q", 5.0, at=0)], horizon=3))
    assert answer.status == "bounded"
    T = answer["T"]
    assert T.lower is not None
    assert T.upper is not None
    assert T.estimate is not None
    assert T.support[0] < 0.05
    assert (T.lower[0], T.upper[0]) == (-14.0, 14.0)  # three ranges of 4 beyond −2 … 2
    assert any("is a bound" in a for a in answer.why.assumptions)
    # D follows a row later, and its first row is inside
    D = answer["D"]
    assert D.lower is not None
    assert D.lower[0] > -1.0
    assert D.lower[1] == -14.0


@pytest.mark.parametrize("reason", [Reason.POLICY, Reason.LATE])
def test_a_doubtful_action_s_effects_are_bounded(reason):
    fact = Unidentified("Q", reason, "Q may be moved by something else.", ("T",))
    model = by_hand.heater(unidentified=(fact,))
    answer = do(model, Do(given=INSIDE, interventions=[Set("Q", 1.0, at=2)], horizon=5))
    assert answer.status == "bounded"
    assert fact.note in answer.why.warnings
    assert answer["T"].lower is not None
    assert [low < -10 for low in answer["T"].lower] == [False, False, True, True, True]
    assert do(model, Do(given=INSIDE, interventions=[Set("W", 1.0)])).status == "identified"
    assert predict(model, Predict(given=INSIDE, horizon=5)).status == "identified"
