"""Support: 1 inside the data, falling outside, and inherited along causal paths."""

import numpy as np

from doworld.infer import do, predict
from doworld.query import Do, Predict, Set

INSIDE = {"T": 0.0, "D": 0.0, "Q": 0.0, "W": 0.0}


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
