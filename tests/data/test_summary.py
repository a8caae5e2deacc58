"""The summary tells what is there, and names the questions a log cannot answer."""

import json
from io import StringIO

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from doworld.data import Kind, Trajectories, Variable
from doworld.data.files import read
from doworld.data.freedom import freedom


def shown(item, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(item)
    return out.getvalue()


def acted(policy, rows=400, seed=0, **told) -> Trajectories:
    """A log of an AR(1) state x, noise y, and an action chosen by ``policy(x, y, rng)``."""
    rng = np.random.default_rng(seed)
    x, y = np.zeros(rows), rng.normal(size=rows)
    for t in range(1, rows):
        x[t] = 0.9 * x[t - 1] + rng.normal()
    frame = pl.DataFrame({"t": np.arange(rows), "x": x, "y": y, "u": policy(x, y, rng)})
    return Trajectories.from_frame(frame, state=["x", "y"], action="u", time="t", **told)


def free(policy, **more) -> float:
    return freedom(acted(policy, **more))[0].free


def test_random_actions_are_free():
    assert free(lambda x, y, rng: rng.normal(size=len(x))) > 0.95
    assert free(lambda x, y, rng: rng.integers(0, 2, len(x))) > 0.95


@pytest.mark.parametrize(
    "policy",
    [
        lambda x, y, rng: 2 * x - y,
        lambda x, y, rng: np.clip(-1.5 * x, -2, 2),
        lambda x, y, rng: (x > 0.3).astype(int),
        lambda x, y, rng: (x + 2 * y > 0.5).astype(int),
        lambda x, y, rng: x * y,
        lambda x, y, rng: np.array(["low", "mid", "high"])[np.digitize(x, [-1, 1])],
    ],
)
def test_policies_that_are_functions_of_the_state_are_named(policy):
    log = acted(policy, rows=1500)
    only = freedom(log)[0]
    assert only.free < 0.1
    assert "function of the state" in only.verdict
    assert only.verdict in log.summary().warnings


def test_the_free_share_is_the_share_of_noise():
    share = free(lambda x, y, rng: x / np.std(x) + rng.normal(size=len(x)), rows=2000)
    assert share == pytest.approx(0.5, abs=0.08)


def test_the_row_before_counts():
    def late(x, y, rng):
        return np.concatenate([[0.0], y[:-1]])

    assert free(late, rows=1000) < 0.05


@pytest.mark.filterwarnings("ignore::doworld._core.errors.DoworldWarning")
def test_an_action_that_never_varies():
    log = acted(lambda x, y, rng: np.full(len(x), 40.0))
    only = freedom(log)[0]
    assert not only.varies
    assert "do(u=…)" in only.verdict
    assert "never varies" in shown(log.summary(), 60)


def test_a_static_table_is_not_blamed_for_its_outcome():
    rng = np.random.default_rng(0)
    dose = rng.normal(size=500)
    frame = pl.DataFrame({"dose": dose, "cured": 2 * dose, "age": rng.normal(size=500)})
    log = Trajectories.from_frame(frame, state="cured", action="dose", context="age")
    assert freedom(log)[0].free > 0.95
    chosen = frame.with_columns(dose=pl.col("age") * 3)
    log = Trajectories.from_frame(chosen, state="cured", action="dose", context="age")
    assert freedom(log)[0].free < 0.02


def test_too_few_rows_to_tell():
    log = acted(lambda x, y, rng: rng.normal(size=len(x)), rows=10)
    assert np.isnan(freedom(log)[0].free)
    assert "too few rows" in str(log.summary())
    assert log.summary().to_dict()["actions"][0]["free"] is None


def test_facts():
    frame = pl.DataFrame(
        {
            "ep": ["a", "a", "a", "b", "b"],
            "t": [0, 5, 10, 0, 5],
            "place": ["n", "n", "n", "s", "s"],
            "T": [20.0, None, 22, 30, 31],
            "mode": ["eco", "boost", "eco", "eco", "eco"],
            "Q": [1.5, 2.5, None, 0.5, None],
        }
    )
    log = Trajectories.from_frame(
        frame,
        state=["T", "mode"],
        action="Q",
        episode="ep",
        time="t",
        environment="place",
        time_unit="s",
        variables={"T": Variable("T", unit="°C")},
    )
    about = log.summary()
    assert (about.rows, about.episodes, about.transitions) == (5, 2, 3)
    assert about.lengths == (2, 2, 3)
    assert about.environments == {"n": (1, 3), "s": (1, 2)}
    assert about.missing == pytest.approx(1 / 15)
    temperature, mode, heater = about.variables
    assert (temperature.low, temperature.high, temperature.mean) == (20, 31, 25.75)
    assert temperature.missing == pytest.approx(0.2)
    assert mode.most == (("eco", 0.8), ("boost", 0.2))
    assert mode.kind is Kind.CATEGORICAL
    assert heater.missing == 0
    assert str(about) == GOLDEN.strip()


GOLDEN = """
5 rows in 2 episodes of 2–3 (median 2) rows, 3 transitions
step 5 s, ended: 2 truncated
2 environments (episodes): n (1), s (1)
missing 6.7 % of all values
actions: unknown; they vary given the state: Q too few rows to tell

variable what         range              mean ± sd     miss
T [°C]   state real   20 … 31            25.75 ± 4.815 20 %
mode     state levels eco 80%, boost 20% 2 levels       0 %
Q        action real  0.5 … 2.5          1.5 ± 0.8165   0 %
"""


def test_narrow_terminals_lose_nothing():
    log = Trajectories.from_gymnasium(
        "CartPole-v1", episodes=6, seed=0, context={"gravity": [9.8, 1.0]}
    )
    text = shown(log.summary(), 60)
    assert max(len(line) for line in text.splitlines()) <= 60
    for name in log.schema.names:
        assert name in text
    assert "gravity=9.8 (3)" in text


def test_wide_logs_are_cut_in_the_terminal_and_whole_as_data():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"v{i}": rng.normal(size=60) for i in range(55)})
    log = Trajectories.from_frame(frame, state=frame.columns, step=1.0)
    assert "… and 15 more variables" in shown(log.summary(), 80)
    assert len(log.summary().to_dict()["variables"]) == 55


def test_notebook_and_json():
    frame = pl.DataFrame({"t": [0, 1, 2], "<b>": [1.0, 2, 3], "u": [1.0, 2, None]})
    about = Trajectories.from_frame(frame, state="<b>", action="u", time="t").summary()
    page = about._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>&" not in page
    again = json.loads(json.dumps(about.to_dict(), allow_nan=False))
    assert again["variables"][0]["name"] == "<b>"
    assert again["rows"] == 3


def test_a_thermostat_is_found_out(shared_data):
    log = read(
        shared_data("hvac-hilft-ashp/data/Atlanta__Eff__Default.csv.gz"),
        state=["zn_temp", "sa_temp", "sa_flow", "id_power", "od_power"],
        action="stg",
        context="oa_temp",
        time="date_time",
        missing=[-9999],
    )
    only = freedom(log)[0]
    assert only.free < 0.1
    assert "state" in only.verdict
