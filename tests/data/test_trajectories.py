"""Episodes, rows, masks, and the views of a log that the other layers build on."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, SchemaError, UnknownNameError
from doworld.data import Kind, Policy, Role, Schema, Trajectories, Variable


@pytest.fixture
def log() -> Trajectories:
    """Three episodes of 4, 1 and 3 rows in two environments."""
    frame = pl.DataFrame(
        {
            "ep": ["a"] * 4 + ["b"] + ["c"] * 3,
            "t": [0, 1, 2, 3, 0, 0, 1, 2],
            "site": ["n"] * 5 + ["s"] * 3,
            "x": [0.0, 1, 2, 3, 10, 20, 21, 22.5],
            "u": [5.0, 6, 7, None, None, 8, None, None],
            "r": [0.5, 1.5, 2.5, None, None, 3.5, 4.5, None],
            "end": [0, 0, 0, 1, 0, 0, 0, 0],
        }
    )
    return Trajectories.from_frame(
        frame,
        state="x",
        action="u",
        reward="r",
        episode="ep",
        time="t",
        environment="site",
        terminated="end",
    )


def test_an_episode_has_one_row_more_than_transitions(log):
    assert [len(e) for e in log] == [4, 1, 3]
    assert [e.steps for e in log] == [3, 0, 2]
    assert log.transitions == 5
    assert log.rows == 8
    assert log.episode_of_row.tolist() == [0] * 4 + [1] + [2] * 3


def test_the_last_rows_empty_action_is_not_missing(log):
    assert [tuple(p) for p in np.argwhere(log.missing)] == [(6, 1)]


def test_rewards_arrive_a_row_later(log):
    np.testing.assert_array_equal(
        log.aligned[:, 2], [np.nan, 0.5, 1.5, 2.5, np.nan, np.nan, 3.5, 4.5]
    )
    np.testing.assert_array_equal(log.aligned[:, :2], log.values[:, :2])


def test_windows_lie_inside_one_episode(log):
    assert log.windows(2).tolist() == [0, 1, 2, 5, 6]
    assert log.windows(3, stride=2).tolist() == [0, 5]
    assert log.windows(9).tolist() == []


def test_parts_of_an_episode(log):
    part = log[0][1:3]
    assert part.column("x").tolist() == [1, 2]
    assert (part.terminated, part.truncated) == (False, True)
    assert (log[0][1:].terminated, log[0][1:].truncated) == (True, False)
    with pytest.raises(UnknownNameError, match="variable is called 'y'"):
        part.column("y")


def test_choosing_episodes(log):
    assert log[-1].label == "c"
    assert [e.label for e in log[1:]] == ["b", "c"]
    assert log.select([2, 0]).column("x").tolist() == [20, 21, 22.5, 0, 1, 2, 3]
    assert log.in_environment("s").labels == ("c",)
    with pytest.raises(UnknownNameError, match=r"environment is called 'S'"):
        log.in_environment("S")
    with pytest.raises(UnknownNameError, match="episode is called 3"):
        log.episode(3)


def test_splits_share_no_row(log):
    for seed in range(5):
        train, test = log.split(0.3, seed=seed)
        assert train.rows + test.rows == log.rows
        assert not set(train.labels) & set(test.labels)
    one = log.select([0])
    before, after = one.split(0.5)
    assert before.column("x").tolist() == [0, 1]
    assert after.column("x").tolist() == [2, 3]
    assert after.terminated.all()
    assert before.truncated.all()


def test_values_that_do_not_fit_their_schema(log):
    with pytest.raises(DataError, match="one column a variable"):
        Trajectories(
            schema=Schema((Variable("x"), Variable("y"))),
            values=np.zeros((2, 1)),
            starts=np.array([0, 2]),
            times=np.arange(2.0),
            environment=np.array([0]),
            terminated=np.array([False]),
            truncated=np.array([True]),
            labels=("0",),
        )


def test_schema_as_data_and_back(log):
    schema = Schema(
        (
            Variable("T", unit="°C", bounds=(0, np.inf), description="room", entity="house"),
            Variable("mode", Role.ACTION, Kind.CATEGORICAL, categories=("eco", "boost")),
        ),
        step=60,
        time_unit="s",
        environments=("a", "b"),
        policy=Policy.KNOWN,
    )
    assert Schema.from_dict(schema.to_dict()) == schema
    assert Schema.from_dict(log.schema.to_dict()) == log.schema
    named = replace(schema, time_column="t", episode_column="run")
    assert named == schema
    assert Schema.from_dict(named.to_dict()).episode_column == "run"


def test_values_as_people_write_them():
    mode = Variable("mode", kind=Kind.CATEGORICAL, categories=("eco", "boost"))
    assert [mode.code("boost"), mode.code(0), mode.label(1.0)] == [1, 0, "boost"]
    with pytest.raises(UnknownNameError, match=r"'bost'.*'boost'"):
        mode.code("bost")
    with pytest.raises(SchemaError, match=r"not a number.*°C"):
        Variable("T", unit="°C").code("warm")
    with pytest.raises(SchemaError, match="binary and cannot be 2"):
        Variable("on", kind=Kind.BINARY).code(2)


def test_mistakes_in_a_schema():
    with pytest.raises(SchemaError, match="empty name"):
        Variable("")
    with pytest.raises(SchemaError, match="lower above upper"):
        Variable("x", bounds=(1, 0))
    with pytest.raises(SchemaError, match="names no categories"):
        Variable("x", kind=Kind.CATEGORICAL)
    with pytest.raises(SchemaError, match="named more than once"):
        Schema((Variable("x"), Variable("x")))
    schema = Schema((Variable("x"), Variable("y")))
    assert schema.with_variable(Variable("y", unit="m"))["y"].unit == "m"
    with pytest.raises(UnknownNameError, match="Did you mean 'x'"):
        schema["xx"]
