"""A hand-made heater, saved once, and a way to run commands as people do."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from doworld.cli.entry import run
from doworld.data import Role, Variable
from worlds_by_hand import linear_world


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys, monkeypatch):
    """Runs one command line in this process: exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*words: object) -> Printed:
        code = run([str(w) for w in words])
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return call


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Works in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """The folder of a saved model: T(t) = 0.9 T(t−1) + 0.2 heater(t−1) + mode(t−1), every 2 s."""
    variables = (
        Variable("T", unit="°C"),
        Variable("heater", Role.ACTION, unit="%", bounds=(0, 100)),
        Variable("room, air", Role.CONTEXT),
    )
    world = linear_world(
        variables,
        {"T": {("T", 1): 0.9, ("heater", 1): 0.2, ("room, air", 1): 0.1}},
        sigma=0.05,
        step=2.0,
    )
    folder = tmp_path_factory.mktemp("model")
    world.save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def log(tmp_path_factory) -> str:
    """A log of the same heater, with a schema file beside it."""
    rng = np.random.default_rng(0)
    rows, heater = 120, rng.choice([0.0, 30.0, 60.0], 120)
    state = np.zeros(rows)
    for t in range(rows - 1):
        state[t + 1] = 0.9 * state[t] + 0.2 * heater[t] + 2.0 + 0.05 * rng.normal()
    folder = tmp_path_factory.mktemp("log")
    table = {
        "time": 2.0 * np.arange(rows),
        "T": state,
        "heater": heater,
        "room, air": 20.0 + 0 * state,
    }
    pl.DataFrame(table).write_csv(folder / "run7.csv")
    (folder / "schema.yaml").write_text(
        "variables:\n"
        "  T: {role: state, unit: °C}\n"
        "  heater: {role: action, kind: continuous}\n"
        "  'room, air': {role: context, kind: continuous}\n"
        "columns: {time: time}\n"
        "time_unit: s\n",
        encoding="utf-8",
    )
    return str(folder / "run7.csv")
