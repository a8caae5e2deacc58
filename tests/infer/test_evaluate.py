"""Open-loop error: the model, persistence and the linear model on the same windows."""

from dataclasses import replace

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import DataError, SchemaError, UnknownNameError
from doworld.data import Schema
from doworld.infer import evaluate
from doworld.model.baseline import LinearBaseline


@pytest.fixture(scope="module")
def model(heater):
    rng = np.random.default_rng(1)
    log = by_hand.log_of(heater.schema, [by_hand.heater_rows(rng, 400) for _ in range(3)])
    return replace(heater, baseline=LinearBaseline.fit(log, 1))


@pytest.fixture(scope="module")
def held(model):
    rng = np.random.default_rng(2)
    return by_hand.log_of(model.schema, [by_hand.heater_rows(rng, n) for n in (300, 250, 40)])


@pytest.fixture(scope="module")
def result(model, held):
    return evaluate(model, held, horizon=50, stride=10)


def test_the_true_world_reaches_the_noise_floor_and_covers(result, held):
    T = result["T"]
    floor = 0.1 * np.sqrt(1 / (1 - 0.64)) / held.values[:, 0].std()
    assert T.nrmse == pytest.approx(floor, rel=0.1)
    assert T.linear == pytest.approx(T.nrmse, rel=0.05)
    assert T.persistence > 3 * T.nrmse
    assert 0.85 < T.coverage < 0.95
    assert T.curve[0] < T.final


def test_windows_and_short_episodes_are_counted(result):
    assert result.windows == 25 + 20 + 1
    assert result.notes == (
        "1 of 3 episodes are shorter than the horizon of 50 rows and are predicted to "
        "their end (39–50 rows).",
    )
    assert result["T"].rows == 45 * 50 + 39


def test_frame_curves_and_plain_data(result):
    frame = result.frame()
    assert frame.columns[:6] == [
        "variable",
        "nrmse",
        "nrmse_persistence",
        "nrmse_linear",
        "coverage",
        "windows",
    ]
    assert frame["variable"].to_list() == ["T", "D"]
    assert result.curves().height == 100
    assert result.to_dict()["windows"] == 46
    assert "persist." in str(result)
    with pytest.raises(UnknownNameError):
        result["Q"]


def test_errors_by_hand_on_one_window(model):
    """Two rows ahead of a noise-free world: every number can be computed on paper."""
    rng = np.random.default_rng(5)
    quiet = by_hand.heater(sigma=1e-6)
    rows = by_hand.heater_rows(rng, 3, sigma=0.0)
    rows[2, 0] += 0.5  # the model is wrong by 0.5 at the last row
    scored = evaluate(
        replace(quiet, baseline=model.baseline), by_hand.log_of(quiet.schema, [rows]), horizon=2
    )
    spread = rows[:, 0].std()
    assert scored["T"].nrmse == pytest.approx(np.sqrt(0.25 / 2) / spread, rel=1e-3)
    still = np.sqrt(np.mean((rows[1:, 0] - rows[0, 0]) ** 2)) / spread
    assert scored["T"].persistence == pytest.approx(still)


def test_missing_values_are_not_scored(model, held):
    values = held.values.copy()
    values[5:15, 0] = np.nan
    gaps = replace(held, values=values)
    scored = evaluate(model, gaps, horizon=50, stride=10)
    assert scored["T"].rows < 45 * 50 + 39
    assert scored["D"].rows == 45 * 50 + 39
    assert np.isfinite(scored["T"].nrmse)


def test_levels_are_scored_by_the_share_of_wrong_ones(machine):
    rng = np.random.default_rng(0)
    rows = np.zeros((120, 3))
    rows[:, 2] = (np.arange(120) // 10) % 2
    logits = np.concatenate([2.0 * np.eye(3), [[-3.0, 0.0, 3.0]], [[0.5, 0.0, -0.5]]])
    for t in range(119):
        code = int(rows[t, 0])
        score = logits[code] + logits[3] * rows[t, 2] + logits[4] + rng.gumbel(size=3)
        rows[t + 1, 0] = score.argmax()
        rows[t + 1, 1] = 0.5 * rows[t, 1] + rows[t, 0] + 0.1 * rng.normal()
    log = by_hand.log_of(machine.schema, [rows])
    fitted = replace(machine, baseline=LinearBaseline.fit(log, 1))
    scored = evaluate(fitted, log, horizon=10, stride=5)
    mode = scored["mode"]
    assert mode.levels
    assert mode.nrmse < 0.4 < mode.persistence
    assert 0 <= mode.linear <= 1
    assert np.isnan(mode.coverage)
    assert scored.frame()["coverage"].to_list()[0] is None


def test_a_static_table_is_evaluated_row_by_row(table):
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    x = 2 * z + 0.1 * rng.normal(size=300)
    y = 3 * x + z + 0.1 * rng.normal(size=300)
    rows = np.stack([y, x, z, 0.1 * rng.normal(size=300)], 1)
    log = by_hand.log_of(table.schema, list(rows[:, None]))
    scored = evaluate(replace(table, baseline=LinearBaseline.fit(log, 0)), log)
    assert scored.windows == 300
    assert scored["Y"].nrmse == pytest.approx(np.sqrt(0.01 * 10) / y.std(), rel=0.15)
    assert scored["Y"].linear == pytest.approx(scored["Y"].nrmse, rel=0.1)
    assert scored["Y"].persistence == pytest.approx(1.0, rel=0.05)
    assert 0.84 < scored["Y"].coverage < 0.96


def test_columns_are_matched_by_name(model, held, result):
    order = [3, 1, 0, 2]
    schema = Schema(tuple(held.schema.variables[i] for i in order), step=1.0, time_unit="s")
    turned = replace(held, schema=schema, values=held.values[:, order])
    assert evaluate(model, turned, horizon=50, stride=10)["T"].nrmse == result["T"].nrmse


def test_bad_logs(model, held):
    fewer = replace(
        held,
        schema=replace(held.schema, variables=held.schema.variables[:3]),
        values=held.values[:, :3],
    )
    with pytest.raises(SchemaError, match="has no 'W'"):
        evaluate(model, fewer)
    with pytest.raises(DataError, match="longer than the 1 rows"):
        evaluate(model, by_hand.log_of(model.schema, [np.zeros((1, 4))]))
    with pytest.raises(DataError, match="at least 1"):
        evaluate(model, held, horizon=0)
