import pytest

import doworld as dw
import worlds_by_hand as by_hand
from doworld._core.errors import QueryError

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}


@pytest.fixture(scope="module")
def model():
    return by_hand.heater()


def test_ask_answers_each_rung_and_plain_data(model):
    seen = dw.ask(model, dw.Predict(given=GIVEN, horizon=5))
    plain = dw.ask(model, {"kind": "predict", "given": GIVEN, "horizon": 5})
    assert seen == plain
    done = dw.ask(model, dw.Do(given=GIVEN, interventions=[dw.Set("Q", 2.0)], horizon=5), seed=1)
    assert done["T"].estimate[-1] > seen["T"].estimate[-1]
    episode = {"T": [1.0, 1.4], "D": [0.5, 1.25], "Q": [1.0, None], "W": [0.5, 0.5]}
    query = dw.Counterfactual(episode=episode, interventions=[dw.Set("Q", 2.0, at=0)])
    assert dw.ask(model, query)["T"].estimate[1] == pytest.approx(1.9, abs=1e-5)


def test_an_answer_can_be_asked_again_from_its_own_query(model):
    first = dw.ask(model, dw.Predict(given=GIVEN, horizon=5), seed=4)
    again = dw.ask(model, dw.Answer.from_json(first.to_json()).query, seed=4)
    assert again == first


def test_an_episode_or_a_range_of_it_is_given(model):
    import numpy as np

    rows = by_hand.heater_rows(np.random.default_rng(0), 30)
    log = by_hand.log_of(model.schema, [rows])
    whole = dw.ask(model, dw.Predict(given=log[0], horizon=5))
    part = dw.ask(model, dw.Predict(given=log[0][20:30], horizon=5))
    assert whole["T"].estimate == part["T"].estimate
    assert len(whole["T"].past) == 30


@pytest.mark.parametrize("query", ["what if", {"kind": "predict"}, {"kind": "ask", "given": GIVEN}])
def test_what_is_not_a_question(model, query):
    with pytest.raises(QueryError):
        dw.ask(model, query)
