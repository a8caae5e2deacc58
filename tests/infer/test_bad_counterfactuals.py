"""A counterfactual that is not well formed is an error with a fix; nothing is computed."""

from dataclasses import replace

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import QueryError, SchemaError, UnknownNameError
from doworld.infer import counterfactual
from doworld.infer.counterfactual.units import units
from doworld.query import Counterfactual, Set, Shift

ROWS = (12, 9)


@pytest.fixture(scope="module")
def log(heater):
    rng = np.random.default_rng(3)
    return by_hand.log_of(heater.schema, [by_hand.heater_rows(rng, n) for n in ROWS])


DONE = [
    ([Set("Q", 1.0, at=50)], QueryError, "row 50 is outside the question, whose rows are 0…11"),
    ([Set("Q", 1.0, at=-1)], QueryError, "row -1 is outside the question"),
    ([Set("q", 1.0)], UnknownNameError, "Known: T, D, Q, W"),
    ([Set("Q", 6.0)], QueryError, "its bounds are -5…5 %"),
    ([Set("Q", float("nan"))], QueryError, "Give a finite number"),
    ([Shift("Q", float("inf"))], QueryError, "Give one"),
    ([Set("Q", "high")], SchemaError, "is not a number"),
    ([Set("Q", 1.0, at=2), Set("Q", 2.0, at=[2, 3])], QueryError, "two values at row 2"),
]


@pytest.mark.parametrize("given", ["episode", "population", "alternatives"])
@pytest.mark.parametrize(("done", "error", "match"), DONE)
def test_what_cannot_be_done(heater, log, given, done, error, match):
    if given == "alternatives":
        asked = Counterfactual(episode=log[0], interventions=done[:1], alternatives=[[], done[1:]])
    else:
        asked = Counterfactual(episode=log[0] if given == "episode" else log, interventions=done)
    with pytest.raises(error, match=match) as raised:
        counterfactual(heater, asked)
    assert "\n" not in str(raised.value)


MODE = {"mode": ["off", "slow", "fast"], "heat": [0.0, 1.0, 2.0], "switch": [0, 1, 0]}
LEVELS = [
    (MODE, Set("mode", "idle"), UnknownNameError, "Known: off, slow, fast"),
    (MODE, Set("mode", 7), UnknownNameError, "Known: off, slow, fast"),
    (MODE, Set("switch", 2), SchemaError, "Use 0 or 1"),
    (MODE, Shift("mode", 1), QueryError, "cannot be shifted"),
    (MODE | {"mode": ["off", "idle", "fast"]}, Set("switch", 1), UnknownNameError, "'idle'"),
]


@pytest.mark.parametrize(("rows", "done", "error", "match"), LEVELS)
def test_levels_that_do_not_exist(machine, rows, done, error, match):
    with pytest.raises(error, match=match):
        counterfactual(machine, Counterfactual(episode=rows, interventions=done))


def _renamed(schema):
    return {"variables": tuple(replace(v, name=v.name + "2") for v in schema.variables)}


def _other_units(schema):
    return {"variables": (replace(schema.variables[0], unit="K"), *schema.variables[1:])}


SCHEMAS = [
    (lambda _: {"step": 0.5}, QueryError, "a step of 0.5 s and the model a step of 1 s"),
    (lambda _: {"time_unit": "h"}, QueryError, "in h and the model's in s"),
    (_other_units, QueryError, "'T' is in K in the episode and in °C in the model"),
    (_renamed, UnknownNameError, "Did you mean 'T'"),
]


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(("change", "error", "match"), SCHEMAS)
def test_episodes_of_another_world(heater, log, single, change, error, match):
    schema = replace(heater.schema, **change(heater.schema))
    other = by_hand.log_of(schema, [e.values for e in log])
    done = [Set("Q", 1.0, at=0)]
    asked = Counterfactual(episode=other[0] if single else other, interventions=done)
    with pytest.raises(error, match=match):
        counterfactual(heater, asked)
    with pytest.raises(error, match=match):
        units(heater, other[0] if single else other, done)


EPISODES = [
    ({}, "gives no rows"),
    ({"T": [], "Q": []}, "gives no rows"),
    ({"T": 1.0, "Q": 0.0}, "has one row and so no transition"),
    ({"T": [1.0, 2.0, 3.0], "Q": [0.0, 1.0]}, "'Q' has 2 rows where other columns have 3"),
    ({"T": [1.0, np.inf, 3.0], "Q": [0.0, 1.0, 2.0]}, "infinite value"),
    ({"Q": [0.0, 1.0, 2.0]}, "no value of T, D, so there is no fact"),
    ({"columns": {"Q": [0.0, 1.0, 2.0, 3.0]}, "lengths": [2, 2]}, "no value of T, D"),
    ({"columns": {"T": [0.0, 1.0, 2.0]}, "lengths": [2, 2]}, "lengths add up to 4"),
    ({"columns": {"T": [0.0, 1.0]}, "lengths": [2, 0]}, "has no row"),
    ({"columns": {"T": [0.0, 1.0, 2.0]}, "lengths": [2, 1]}, "episode 1 has one row"),
]


@pytest.mark.parametrize(("episode", "match"), EPISODES)
def test_episodes_that_hold_no_fact(heater, episode, match):
    with pytest.raises(QueryError, match=match):
        counterfactual(heater, Counterfactual(episode=episode, interventions=Set("Q", 1.0)))


def test_targets_that_do_not_exist(heater, log):
    for given in (log[0], log):
        asked = Counterfactual(episode=given, interventions=Set("Q", 1.0), target="temperature")
        with pytest.raises(UnknownNameError, match="Known: T, D, Q, W"):
            counterfactual(heater, asked)


def test_what_comes_after_the_end_of_some_episodes_is_said(heater, log):
    asked = Counterfactual(episode=log, interventions=Set("Q", 1.0, at=10))
    answer = counterfactual(heater, asked)
    assert "Q set to 1 at row 10 comes after the end of 1 of 2." in answer.why.warnings
