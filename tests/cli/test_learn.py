"""``learn`` passes on what was typed, and remembers how the log was read."""

import json

import pytest


@pytest.fixture
def learned(monkeypatch, model):
    """Puts a saved model in the place of learning, and keeps what learning was called with."""
    from doworld.model import store

    seen = {}

    def learn(log, **how):
        seen.update(how, log=log)
        return store.load(model)

    monkeypatch.setattr("doworld.session.learn.learn", learn)
    return seen


def test_learn_saves_a_model_that_answers_about_another_log(command, learned, log, tmp_path):
    out = tmp_path / "deep/model"
    printed = command(
        "learn", log, "--out", out, "--require", "heater:T@1", "--forbid", "T->room, air",
        "--tier", "heater", "--tier", "T", "--max-lag", 2, "--seed", 5,
    )  # fmt: skip
    assert printed.code == 0, printed.err
    assert learned["prior"].required == (("heater", "T", 1),)
    assert learned["prior"].forbidden == (("T", "room, air"),)
    assert (learned["seed"], learned["max_lag"]) == (5, 2)
    assert learned["checkpoint"] == out / ".checkpoint"
    assert (out / "schema.yaml").is_file()
    question = command("predict", out, "--given", f"{log}[:9]", "--horizon", 4, "--json")
    assert question.code == 0, question.err
    given = json.loads(question.out)["query"]["given"]
    assert len(given["columns"]["room, air"]) == 9


def test_learn_prints_json_alone(command, learned, log, tmp_path):
    printed = command("learn", log, "--out", tmp_path / "m", "--json")
    assert json.loads(printed.out)["graph"]["max_lag"] == 1


def test_roles_as_options(command, learned, log, tmp_path):
    printed = command(
        "learn", log, "--out", tmp_path / "m", "--state", "T", "--action", "heater",
        "--time", "time", "--context", "room\\, air",
    )  # fmt: skip
    assert printed.code == 0, printed.err
    assert learned["log"].schema.names == ("T", "heater", "room, air")


def test_data_convert_and_summary(command, log, tmp_path):
    table = tmp_path / "clean.parquet"
    assert command("data", "convert", log, table, "--resample", 4, "--json").code == 0
    printed = command("data", "summary", table, "--json")
    assert printed.code == 0, printed.err
    assert json.loads(printed.out)
    assert command("data", "summary", log).code == 0
