"""Frames become logs: episodes, kinds, missing values, and what is wrong with a frame."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import doworld as dw
from doworld._core.errors import DataError, DoworldWarning, SchemaError, UnknownNameError
from doworld.data import Kind, Policy, Role, Trajectories, Variable


def plant(rows: int = 6) -> pl.DataFrame:
    t = np.arange(rows, dtype=float)
    return pl.DataFrame({"t": t, "T1": 20 + np.sin(t), "Q1": [*(t[:-1] * 1.5), None]})


def both(frame: pl.DataFrame):
    """The same table in the two libraries."""
    return [frame, frame.to_pandas()]


@pytest.mark.parametrize("library", [0, 1])
def test_one_series_with_time(library):
    log = Trajectories.from_frame(both(plant())[library], state=["T1"], action=["Q1"], time="t")
    assert (len(log), log.rows, log.transitions) == (1, 6, 5)
    assert log.schema.step == 1.0
    assert not log.schema.static
    assert log.schema.of(Role.ACTION) == ("Q1",)
    assert np.isnan(log.column("Q1")[-1])
    assert not log.missing.any()
    assert log.truncated.all()
    assert not log.terminated.any()
    assert log.notes == ()


@pytest.mark.parametrize("library", [0, 1])
def test_kinds(library):
    frame = pl.DataFrame(
        {
            "flag": [True, False, None, True],
            "zero_one": [0, 1, 1, 0],
            "gapped": [0, None, 1, 1],
            "levels": [0, 3, 2, 3],
            "negative": [-1, 0, 1, 2],
            "real": [0.5, 1.5, 0.25, None],
            "text": ["b", "a", None, "b"],
        }
    )
    log = Trajectories.from_frame(both(frame)[library], state=frame.columns)
    kinds = {v.name: v.kind for v in log.schema.variables}
    assert kinds == {
        "flag": Kind.BINARY,
        "zero_one": Kind.BINARY,
        "gapped": Kind.BINARY,
        "levels": Kind.COUNT,
        "negative": Kind.CONTINUOUS,
        "real": Kind.CONTINUOUS,
        "text": Kind.CATEGORICAL,
    }
    assert log.schema["text"].categories == ("a", "b")
    np.testing.assert_array_equal(log.column("text"), [1, 0, np.nan, 1])
    np.testing.assert_array_equal(log.column("flag"), [1, 0, np.nan, 1])


def test_declared_categories_keep_their_order_and_unused_levels():
    levels = ["low", "mid", "high"]
    pandas = pd.DataFrame({"g": pd.Categorical(["high", "low", None], categories=levels)})
    polars = pl.DataFrame({"g": pl.Series(["high", "low", None], dtype=pl.Enum(levels))})
    for frame in (pandas, polars):
        log = Trajectories.from_frame(frame, state="g")
        assert log.schema["g"].categories == ("low", "mid", "high")
        np.testing.assert_array_equal(log.column("g"), [2, 0, np.nan])


def test_many_whole_numbers_are_continuous():
    log = Trajectories.from_frame(pl.DataFrame({"n": range(30)}), state="n")
    assert log.schema["n"].kind is Kind.CONTINUOUS


def test_variables_decide_kind_unit_and_bounds():
    frame = plant().with_columns(stage=pl.Series([0, 1, 2, 1, 0, 2]))
    stage = Variable("stage", kind=Kind.CATEGORICAL, categories=("0", "1", "2"))
    told = {"T1": Variable("T1", unit="°C", bounds=(0, 100)), "stage": stage}
    log = Trajectories.from_frame(frame, state=["T1"], action=["stage"], time="t", variables=told)
    assert log.schema["T1"].unit == "°C"
    assert log.schema["stage"].kind is Kind.CATEGORICAL
    assert log.schema["stage"].role is Role.ACTION
    with pytest.raises(UnknownNameError, match="'T1'"):
        Trajectories.from_frame(frame, state="T1", variables={"T11": Variable("T11")})
    with pytest.warns(DoworldWarning, match="leaves its bounds"):
        Trajectories.from_frame(
            frame, state="T1", time="t", variables={"T1": Variable("T1", bounds=(0, 20))}
        )


def test_category_that_was_not_declared():
    told = {"g": Variable("g", kind=Kind.CATEGORICAL, categories=("low", "high"))}
    with pytest.raises(UnknownNameError, match=r"'hihg'.*'high'"):
        Trajectories.from_frame(pl.DataFrame({"g": ["low", "hihg"]}), state="g", variables=told)


def test_episodes_keep_the_order_of_first_appearance():
    frame = pl.DataFrame(
        {"ep": ["b", "b", "a", "a", "a"], "t": [0, 1, 0, 1, 2], "x": [1.0, 2, 3, 4, 5.5]}
    )
    log = Trajectories.from_frame(frame, state="x", episode="ep", time="t")
    assert log.labels == ("b", "a")
    assert log.starts.tolist() == [0, 2, 5]
    assert log.transitions == 3
    untimed = Trajectories.from_frame(frame, state="x", episode="ep")
    assert untimed.schema.step == 1.0
    assert untimed.times.tolist() == [0, 1, 0, 1, 2]


def test_interleaved_episodes_are_grouped_and_said():
    frame = pl.DataFrame({"ep": [1, 2, 1, 2], "t": [0, 0, 1, 1], "x": [1.0, 10, 2, 20]})
    log = Trajectories.from_frame(frame, state="x", episode="ep", time="t")
    assert log.column("x").tolist() == [1, 2, 10, 20]
    assert any("interleaved" in n for n in log.notes)


def test_a_table_without_episode_and_time_is_static():
    frame = pl.DataFrame({"dose": [0.5, 1.5, 2.5], "cured": [0, 1, 1]})
    log = Trajectories.from_frame(frame, state="cured", action="dose")
    assert log.schema.static
    assert (len(log), log.transitions) == (3, 0)
    assert any("static table" in n for n in log.notes)
    assert not Trajectories.from_frame(frame, state="cured", step=1.0).schema.static


def test_a_static_table_that_looks_like_a_series_is_flagged():
    walk = np.cumsum(np.random.default_rng(0).normal(size=200))
    with pytest.warns(DoworldWarning, match="time series.*step=1"):
        Trajectories.from_frame(pl.DataFrame({"x": walk}), state="x")


def test_unsorted_rows_are_sorted_with_a_warning():
    frame = plant()[[2, 0, 1, 3, 4, 5]]
    with pytest.warns(DoworldWarning, match="not in the order of time"):
        log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    np.testing.assert_allclose(log.column("T1"), plant()["T1"])
    assert any("order of time" in n for n in log.notes)


def test_duplicated_time_stamps_name_the_first():
    frame = plant().with_columns(t=pl.Series([0.0, 1, 1, 2, 3, 4]))
    with pytest.raises(DataError, match=r"occur twice.*1 in episode '0'.*episode="):
        Trajectories.from_frame(frame, state="T1", time="t")


def test_irregular_times_give_the_median_step_and_a_note():
    frame = plant().with_columns(t=pl.Series([0.0, 1.0, 2.0, 3.5, 4.5, 5.5]))
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    assert log.schema.step == 1.0
    assert any("irregular" in n and "resample(1)" in n for n in log.notes)


def test_episodes_with_very_different_steps_are_flagged():
    frame = pl.DataFrame({"ep": ["a"] * 3 + ["b"] * 3, "t": [0, 1, 2, 0, 1000, 2000]})
    frame = frame.with_columns(x=pl.Series([1.0, 2, 3, 3, 2, 1.5]))
    with pytest.warns(DoworldWarning, match=r"very different steps: 1 in 'a' and 1000 in 'b'"):
        Trajectories.from_frame(frame, state="x", episode="ep", time="t")


@pytest.mark.parametrize("library", [0, 1])
def test_datetimes_become_seconds(library):
    start = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    stamps = [start + dt.timedelta(minutes=5 * i) for i in range(6)]
    frame = both(plant().with_columns(t=pl.Series(stamps)))[library]
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    assert log.schema.step == 300
    assert log.schema.time_unit == "s"
    assert log.times[:2].tolist() == [0, 300]
    assert any("2024-05-01T12:00:00" in n for n in log.notes)


def test_times_as_text_and_units_in_names():
    frame = plant().with_columns(t=pl.Series([f"08/26  23:5{i}:00" for i in range(6)]))
    assert Trajectories.from_frame(frame, state="T1", action="Q1", time="t").schema.step == 60
    frame = plant().rename({"t": "tempo_ms"})
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="tempo_ms")
    assert log.schema.time_unit == "ms"
    frame = plant().with_columns(t=pl.Series(["yesterday"] * 6))
    with pytest.raises(DataError, match=r"yesterday.*datetimes"):
        Trajectories.from_frame(frame, state="T1", time="t")


def test_nan_is_missing_and_inf_is_an_error():
    frame = plant().with_columns(T1=pl.Series([20.0, np.nan, 21, 22, None, 23.5]))
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    assert log.missing[:, 0].tolist() == [False, True, False, False, True, False]
    bad = plant().with_columns(T1=pl.Series([20.0, np.inf, 21, -np.inf, 22, 23]))
    with pytest.raises(DataError, match=r"'T1' holds ±inf in 2 of 6 rows.*replace"):
        Trajectories.from_frame(bad, state="T1", action="Q1", time="t")


def test_missing_time_stamps_are_an_error():
    frame = plant().with_columns(t=pl.Series([0.0, None, 2, 3, 4, 5]))
    with pytest.raises(DataError, match="1 rows have no time stamp"):
        Trajectories.from_frame(frame, state="T1", time="t")


def test_all_missing_column_is_an_error():
    frame = plant().with_columns(T2=pl.lit(None, pl.Float64), T3=pl.lit(np.nan))
    for name in ("T2", "T3"):
        with pytest.raises(DataError, match=f"{name!r} has no value in any of its 6 rows"):
            Trajectories.from_frame(frame, state=["T1", name], time="t")


def test_constant_variable_warns_with_the_fix():
    frame = plant().with_columns(p=pl.lit(1013.0))
    with pytest.warns(DoworldWarning, match="'p' never changes.*Leave it out"):
        log = Trajectories.from_frame(frame, state=["T1", "p"], action="Q1", time="t")
    assert any("'p' never changes" in n for n in log.notes)


def test_unknown_column_lists_near_ones():
    with pytest.raises(UnknownNameError, match=r"'TT1'.*'T1'"):
        Trajectories.from_frame(plant(), state="TT1")


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"state": ["T1"], "action": ["T1"]}, "as state and as action"),
        ({"state": ["T1", "T1"]}, "twice among the state"),
        ({"state": ["t", "T1"], "time": "t"}, "as state and as time"),
        ({"state": []}, "no state column"),
    ],
)
def test_roles_that_contradict_each_other(roles, message):
    with pytest.raises(SchemaError, match=message):
        Trajectories.from_frame(plant(), **roles)


def test_no_rows():
    with pytest.raises(DataError, match="0 rows"):
        Trajectories.from_frame(plant().head(0), state="T1")


def test_names_like_keywords_unicode_and_the_frames_own_columns():
    names = ["class", "lambda", "Temperatur °C", "温度", "time", "episode"]
    frame = pl.DataFrame({n: np.arange(4.0) ** (i + 1) for i, n in enumerate(names)})
    log = Trajectories.from_frame(frame, state=names, step=1.0)
    assert log.schema.names == tuple(names)
    assert log.frame().columns == ["episode_", "time_", "environment", *names]
    assert log.column("lambda").tolist() == [0, 1, 4, 9]


def test_last_action_given_is_kept_and_said():
    frame = plant().with_columns(Q1=pl.Series([0.0, 1.5, 2, 3, 4, 5.0]))
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    assert log.column("Q1")[-1] == 5
    assert any("last row gives a value for the actions" in n for n in log.notes)


def test_environments_and_their_runs():
    frame = pl.DataFrame(
        {"t": [0, 1, 2, 3, 4], "x": [1.0, 2, 3, 4, 5.5], "env": ["a", "a", "b", "b", "a"]}
    )
    log = Trajectories.from_frame(frame, state="x", time="t", environment="env")
    assert [e.environment for e in log] == ["a", "b", "a"]
    assert log.schema.environments == ("a", "b")
    assert log.in_environment("a").rows == 3
    frame = frame.with_columns(ep=pl.lit("only"))
    with pytest.raises(DataError, match="changes its environment from 'a' to 'b'"):
        Trajectories.from_frame(frame, state="x", time="t", environment="env", episode="ep")


def test_terminated_is_not_truncated():
    frame = pl.DataFrame(
        {
            "ep": [0, 0, 1, 1],
            "x": [1.0, 2, 3, 4],
            "done": [False, True, False, False],
            "cut": [False, False, False, True],
        }
    )
    log = Trajectories.from_frame(
        frame, state="x", episode="ep", terminated="done", truncated="cut"
    )
    assert log.terminated.tolist() == [True, False]
    assert log.truncated.tolist() == [False, True]
    only = Trajectories.from_frame(frame, state="x", episode="ep", terminated="done")
    assert only.truncated.tolist() == [False, True]
    early = pl.DataFrame({"t": [0, 1, 2, 3, 4], "x": [1.0, 2, 3, 4, 5], "d": [1, 0, 0, 0, 0]})
    with pytest.raises(DataError, match="goes on after 'd' is true"):
        Trajectories.from_frame(early, state="x", time="t", terminated="d")


def test_propensity():
    frame = pl.DataFrame({"x": [1.0, 2.0], "a": [0, 1], "p": [0.5, 0.25]})
    log = Trajectories.from_frame(frame, state="x", action="a", propensity="p")
    assert log.schema.policy is Policy.KNOWN
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.5, 0.25]
    with pytest.raises(DataError, match="propensities"):
        Trajectories.from_frame(
            frame.with_columns(p=pl.Series([0.0, 1.5])), state="x", propensity="p"
        )


def test_text_among_numbers_is_an_error_with_the_fix():
    cells = [str(i / 10) for i in range(40)]
    cells[7] = "offline"
    with pytest.raises(DataError, match=r"'offline'.*missing=\["):
        Trajectories.from_frame(pl.DataFrame({"x": cells}), state="x")
    cells[7] = "0.7"
    log = Trajectories.from_frame(pl.DataFrame({"x": cells}), state="x", step=1.0)
    assert log.schema["x"].kind is Kind.CONTINUOUS
    assert any("numbers written as text" in n for n in log.notes)


def test_columns_that_are_no_variables():
    days = pl.DataFrame({"d": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)], "l": [[1], [2]]})
    with pytest.raises(SchemaError, match="holds dates"):
        Trajectories.from_frame(days, state="d")
    with pytest.raises(SchemaError, match="List"):
        Trajectories.from_frame(days, state="l")
    mixed = pd.DataFrame({"x": pd.Series([1, "a", 2.5], dtype=object)})
    with pytest.raises(DataError, match="'x' mixes values"):
        Trajectories.from_frame(mixed, state="x")
    with pytest.raises(DataError, match="no table"):
        Trajectories.from_frame(3, state="x")


def test_episodes_in_other_units_are_flagged():
    rng = np.random.default_rng(0)
    x = rng.normal(30, 5, 100)
    frame = pl.DataFrame(
        {"run": np.repeat(["a", "b"], 50), "T": np.where(np.arange(100) < 50, x, x + 273.15)}
    )
    with pytest.warns(DoworldWarning, match="'T' looks as if.*°C and K"):
        log = Trajectories.from_frame(frame, state="T", episode="run")
    assert any("°C and K" in n for n in log.notes)
    metres = frame.with_columns(T=pl.Series(np.where(np.arange(100) < 50, x, x * 1000)))
    with pytest.warns(DoworldWarning, match="factor of about 1"):
        Trajectories.from_frame(metres, state="T", episode="run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trajectories.from_frame(frame.with_columns(T=pl.Series(x)), state="T", episode="run")


def test_pandas_index_and_numbered_columns():
    frame = plant().to_pandas().set_index("t")
    log = Trajectories.from_frame(frame, state="T1", action="Q1", time="t")
    assert log.transitions == 5
    assert Trajectories.from_frame(frame.reset_index(), state="T1", action="Q1", time="t").rows == 6
    numbered = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 2)))
    assert Trajectories.from_frame(numbered, state=["0", "1"]).rows == 5


def test_frame_gives_back_what_came_in():
    log = Trajectories.from_frame(plant(), state="T1", action="Q1", time="t")
    again = dw.Trajectories.from_frame(
        log.frame(), state="T1", action="Q1", time="time", episode="episode"
    )
    np.testing.assert_array_equal(again.values, log.values)


def test_real_table_with_propensities(shared_data):
    frame = pl.read_csv(shared_data("open-bandit/bts/men/men.csv.gz"))
    log = Trajectories.from_frame(
        frame,
        state=["user_feature_0", "user_feature_1"],
        action=["item_id", "position"],
        reward="click",
        propensity="propensity_score",
    )
    assert log.schema.static
    assert log.rows == 10_000
    assert log.schema["click"].kind is Kind.BINARY
    assert log.schema["user_feature_0"].kind is Kind.CATEGORICAL
    assert log.schema.policy is Policy.KNOWN
