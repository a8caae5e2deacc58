"""Resampling keeps episodes apart, sums of rewards, and what came before an action before it."""

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, SchemaError, UnknownNameError
from doworld.data import Trajectories
from doworld.data.files import read
from doworld.data.resample import How


def log_of(**columns) -> Trajectories:
    roles = {"state": [n for n in columns if n[0] in "xm"], "time": "t"}
    roles |= {"action": "u"} if "u" in columns else {}
    roles |= {"reward": "r"} if "r" in columns else {}
    roles |= {"episode": "ep"} if "ep" in columns else {}
    return Trajectories.from_frame(pl.DataFrame(columns), **roles)


def test_same_step_changes_nothing():
    rng = np.random.default_rng(0)
    log = log_of(t=np.arange(9) * 0.1, x=rng.normal(size=9), u=[*rng.normal(size=8), None])
    again = log.resample(0.1)
    np.testing.assert_allclose(again.values, log.values)
    np.testing.assert_allclose(again.times, log.times)


def test_coarser_means_look_back_and_actions_are_held():
    x = np.arange(9.0) ** 2
    u = [1.0, 1, 2, 2, 3, 3, 4, 4, None]
    log = log_of(t=np.arange(9), x=x, u=u).resample(4)
    np.testing.assert_allclose(log.column("x"), [0, x[1:5].mean(), x[5:9].mean()])
    np.testing.assert_array_equal(log.column("u"), [1, 3, np.nan])
    assert log.schema.step == 4
    assert any("changes of an action fall between" in n for n in log.notes)


def test_finer_interpolates_states_and_holds_actions():
    log = log_of(t=[0, 1, 2], x=[0.0, 1, 3], u=[1.0, 2, None]).resample(0.5)
    np.testing.assert_allclose(log.column("x"), [0, 0.5, 1, 2, 3])
    np.testing.assert_array_equal(log.column("u"), [1, 1, 2, 2, np.nan])


def test_episodes_are_never_glued():
    log = log_of(ep=["a"] * 4 + ["b"] * 3, t=[0, 1, 2, 3, 0, 1, 2], x=[0.0, 1, 2, 3, 50.5, 51, 52])
    again = log.resample(2)
    assert np.diff(again.starts).tolist() == [2, 2]
    np.testing.assert_allclose(again.column("x"), [0, 1.5, 50.5, 51.5])
    assert again.labels == ("a", "b")


def test_gaps_are_not_made_up():
    x = np.arange(21.0)
    x[5:16] = np.nan
    log = log_of(t=np.arange(21), x=x).resample(1)
    assert np.isnan(log.column("x")[5:16]).all()
    assert not np.isnan(log.column("x")[:5]).any()
    assert not np.isnan(log_of(t=np.arange(21), x=x).resample(1, gap=20).column("x")).any()
    holes = log_of(t=[0, 1, 2, 12, 13], x=[0.0, 1, 2, 3, 4]).resample(1)
    assert np.isnan(holes.column("x")[3:12]).all()


def test_discrete_states_keep_their_levels():
    log = log_of(t=[0, 1, 2, 3], mode=["a", "b", "b", "a"], x=[0.0, 1, 2, 3])
    again = log.resample(1.5)
    assert [log.schema["mode"].label(c) for c in again.column("mode")] == ["a", "b", "a"]


@pytest.mark.parametrize("step", [0.5, 1, 2, 3])
def test_rewards_keep_their_sum(step):
    log = log_of(t=np.arange(7), x=np.arange(7.0), r=[1.5, 2, 3, 4, 5, 6, None]).resample(step)
    assert np.nansum(log.column("r")) == pytest.approx(21.5)
    assert np.isnan(log.column("r")[-1])


def test_chosen_ways_and_mistakes():
    log = log_of(t=[0, 1, 2, 3, 4], x=[0.0, 2, 4, 6, 8])
    assert log.resample(2, how={"x": How.LAST}).column("x").tolist() == [0, 4, 8]
    with pytest.raises(UnknownNameError, match="'y'"):
        log.resample(2, how={"y": How.LAST})
    with pytest.raises(DataError, match="positive"):
        log.resample(0)
    with pytest.raises(DataError, match="50 million"):
        log.resample(1e-12)
    with pytest.raises(SchemaError, match="static"):
        Trajectories.from_frame(pl.DataFrame({"x": [1.0, 2]}), state="x").resample(1)


def test_irregular_rig_log(shared_data):
    log = read(
        shared_data("quarter-drone/dados_14_drone.csv"),
        state="angulo_deg",
        action="u_pct",
        context="referencia",
        time="tempo_ms",
    )
    assert any("irregular" in n for n in log.notes)
    even = log.resample(10)
    assert np.allclose(np.diff(even.times), 10)
    assert even.rows == pytest.approx((log.times[-1] - log.times[0]) / 10, abs=1.01)
    assert even.column("angulo_deg").std() == pytest.approx(
        log.column("angulo_deg").std(), rel=0.01
    )
