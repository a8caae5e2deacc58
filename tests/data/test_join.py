"""Logs of the same variables become one, and what differs is said."""

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DoworldWarning, SchemaError
from doworld.data import Kind, Policy, Trajectories, Variable
from doworld.data.join import join


def log_of(unit="", **columns) -> Trajectories:
    told = {"x": Variable("x", unit=unit)} if unit else {}
    names = [n for n in columns if n != "t"]
    return Trajectories.from_frame(pl.DataFrame(columns), state=names, time="t", variables=told)


def test_episodes_in_order_and_categories_united():
    one = log_of(t=[0, 1], x=[1.5, 2.0], g=["a", "b"])
    two = log_of(t=[0, 1, 2], g=["c", "a", "c"], x=[3.0, 4, 5])
    both = join([one, two])
    assert both.starts.tolist() == [0, 2, 5]
    assert both.schema["g"].categories == ("a", "b", "c")
    assert both.frame()["g"].to_list() == ["a", "b", "c", "a", "c"]
    assert both.column("x").tolist() == [1.5, 2, 3, 4, 5]


def test_environments_kinds_policies_and_propensities():
    one = Trajectories.from_gymnasium("CartPole-v1", episodes=2, context={"gravity": [9.8, 5.0]})
    two = Trajectories.from_gymnasium(
        "CartPole-v1", episodes=2, context={"gravity": [5.0, 1.0]}, policy=lambda o: 1
    )
    both = join([one, two])
    assert both.schema.environments == ("gravity=9.8", "gravity=5.0", "gravity=1.0")
    assert both.environment.tolist() == [0, 1, 1, 2]
    assert both.schema.policy is Policy.UNKNOWN
    assert both.propensity is not None
    assert np.isnan(both.propensity[one.rows :]).all()
    count = join([log_of(t=[0, 1, 2], x=[0, 1, 0]), log_of(t=[0, 1, 2], x=[0, 2, 5])])
    assert count.schema["x"].kind is Kind.COUNT


def test_mixed_units_and_steps_are_flagged():
    with pytest.warns(DoworldWarning, match=r"mixed units: °C in log 0 and K in log 1.*K − 273"):
        join([log_of("°C", t=[0, 1], x=[20.5, 21]), log_of("K", t=[0, 1], x=[293.5, 294])])
    with pytest.warns(DoworldWarning, match=r"different steps.*resample\(1\)"):
        join([log_of(t=[0, 1], x=[1.5, 2]), log_of(t=[0, 2], x=[1.5, 2])])


def test_logs_that_do_not_fit():
    log = log_of(t=[0, 1], x=[1.5, 2])
    with pytest.raises(SchemaError, match="no variable 'y'"):
        join([log_of(t=[0, 1], x=[1.5, 2], y=[0.5, 1]), log])
    with pytest.raises(SchemaError, match="categorical in one log"):
        join([log, log_of(t=[0, 1], x=["a", "b"])])
    with pytest.raises(SchemaError, match="static"):
        join([log, Trajectories.from_frame(pl.DataFrame({"x": [1.5, 2]}), state="x")])
    with pytest.raises(SchemaError, match="no log"):
        join([])
