"""Questions as people type them reach the model as they were meant."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from doworld.model.store import load

START = ("--given", "T=20,heater=0", "--given", "room, air=20")


def asked(printed):
    assert printed.code == 0, printed.err
    return json.loads(printed.out)


def test_do_with_times_in_seconds(command, model):
    printed = command(
        "do",
        model,
        *START,
        "--set",
        "heater=60",
        "--from",
        0,
        "--to",
        10,
        "--horizon",
        30,
        "--json",
    )
    answer = asked(printed)
    done = answer["query"]["interventions"][0]
    assert (done["variable"], done["value"], done["at"]) == ("heater", 60.0, [0, 1, 2, 3, 4])
    assert answer["query"]["horizon"] == 15
    # row 1: 0.9·20 + 0.2·60 + 0.1·20
    assert answer["series"][0]["estimate"][0] == pytest.approx(32.0, abs=0.1)


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("heater=60", None),
        ("heater=60@4:8", [2, 3]),
        ("heater=60@0.1min:", [3, 4, 5]),
        ("heater=60@2rows", [2]),
    ],
)
def test_times_of_one_intervention(command, model, typed, at):
    printed = command("do", model, *START, "--set", typed, "--horizon", "5rows", "--json")
    assert asked(printed)["query"]["interventions"][0]["at"] == at


def test_given_rows_of_a_log_with_a_value_changed(command, model, log):
    printed = command("predict", model, "--given", f"{log}[10:20]", "--given", "T=99", "--json")
    columns = asked(printed)["query"]["given"]["columns"]
    assert len(columns["T"]) == 10
    assert columns["T"][-1] == 99.0


def test_planned_actions_from_a_file(command, model, tmp_path):
    file = tmp_path / "next.csv"
    file.write_text("heater,other\n10,1\n20,1\n")
    printed = command("predict", model, *START, "--planned", file, "--json")
    assert asked(printed)["query"]["planned"] == {"heater": [10.0, 20.0]}
    assert "not used: other" in printed.err


def test_counterfactual_of_what_was_done_is_what_happened(command, model, log, tmp_path):
    page = tmp_path / "figure.html"
    printed = command(
        "counterfactual", model, "--episode", f"{log}[0:30]",
        "--shift", "heater=0", "--from", 10, "--json", "--out", page,
    )  # fmt: skip
    series = asked(printed)["series"][0]
    assert series["estimate"] == pytest.approx(series["past"], abs=1e-3)
    assert "<svg" in page.read_text("utf-8")


def test_plan_reaches_a_goal_and_fits_sixty_columns(command, model):
    words = ("plan", model, *START, "--goal", "T=60", "--limit", "T=:90", "--horizon", "12rows")
    printed = command(*words)
    assert printed.code == 0, printed.err
    assert max(map(len, printed.out.splitlines())) <= 60
    again = asked(command(*words, "--json"))
    assert len(again["actions"]["heater"]) == 12
    assert again["query"]["objective"]["limit"] == {"T": {"low": None, "high": 90.0}}


def test_blame_names_the_row_and_fits_sixty_columns(command, model, log, tmp_path):
    """More than 25 °C in row 4, by heating that was too strong."""
    page = tmp_path / "why.html"
    words = ("blame", model, "--episode", f"{log}[0:5]", "--keep", "T=:25", "--samples", 4)
    printed = command(*words, "--out", page)
    assert printed.code == 0, printed.err
    assert max(map(len, printed.out.splitlines())) <= 60
    details = asked(command(*words, "--json"))["details"]
    assert details["best"]["variable"] == "heater"
    assert f"row {details['best']['row']}" in printed.out
    assert "P(success)" in page.read_text("utf-8")
    missing = command("blame", model, "--episode", log)
    assert missing.code
    assert "--limit" in missing.err


def test_the_same_seed_gives_the_same_answer(command, model):
    words = ("predict", model, *START, "--horizon", 8, "--json", "--seed", 3)
    assert command(*words).out == command(*words).out


def test_show_and_evaluate(command, model, log, tmp_path):
    assert "heater → T" in command("show", model).out
    printed = command(
        "evaluate", model, log, "--time", "time", "--horizon", "20rows", "--stride", 20, "--json"
    )
    assert asked(printed)["rows"][0]["nrmse"] < 0.2
    page = tmp_path / "report.html"
    printed = command("show", model, "--json", "--out", page)
    assert asked(printed)["graph"]["names"] == ["T", "heater", "room, air"]
    assert "<script" not in page.read_text("utf-8")


def test_the_command_that_mends_another_step_does(command, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{t},{t},{t % 3},20" for t in range(12))
    (tmp_path / "fast.csv").write_text(f't,T,heater,"room, air"\n{rows}\n')
    (tmp_path / "fast.schema.yaml").write_text(
        "variables: {T: {}, heater: {role: action, kind: continuous},"
        " 'room, air': {role: context, kind: continuous}}\ncolumns: {time: t}\n"
    )
    ask = ("predict", model, "--horizon", "4rows", "--given")
    said = command(*ask, "fast.csv").err
    words = said.partition("doworld data convert ")[2].split()
    assert command("data", "convert", *words).code == 0, said
    answer = command(*ask, "new.csv")
    assert answer.code == 0, answer.err


@pytest.fixture
def bare(log, tmp_path):
    """The log's table with nothing beside it."""
    table = pl.read_csv(log)
    table.write_csv(tmp_path / "run7.csv")
    return table, tmp_path / "run7.csv"


def test_a_model_saved_from_python_reads_logs_by_its_own_schema(command, model, bare):
    assert not (Path(model) / "reading.json").exists()
    _, file = bare
    answer = asked(command("predict", model, "--given", f"{file}[10:20]", "--json"))
    assert len(answer["query"]["given"]["columns"]["T"]) == 10
    found = command("evaluate", model, file, "--horizon", "20rows", "--stride", "20rows", "--json")
    assert asked(found)["rows"][0]["nrmse"] < 0.2


def test_it_knows_what_its_own_log_called_time_and_episode(command, model, bare, tmp_path):
    world, (table, file) = load(model), bare
    own = replace(world.schema, time_column="clock", episode_column="run")
    replace(world, schema=own).save(tmp_path / "m")
    runs = pl.concat(
        [table.rename({"time": "clock"}).with_columns(run=pl.lit(n)) for n in ("a", "b")]
    )
    runs.write_csv(tmp_path / "runs.csv")
    ask = ("predict", tmp_path / "m", "--json", "--given")
    answer = asked(command(*ask, f"{tmp_path / 'runs.csv'}[b]"))
    assert answer["query"]["given"]["label"] == "b"
    assert "Say which" in command(*ask, tmp_path / "runs.csv").err
    # a single run without an episode's name, and one whose column of time has another name
    runs.head(len(table)).drop("run").write_csv(file)
    assert command(*ask, file).code == 0
    table.write_csv(file)
    printed = command(*ask, file)
    assert printed.code == 0
    assert "--rename COLUMN=clock" in printed.err
    assert "--rename" not in command(*ask, file, "--rename", "time=clock").err


def test_a_log_learned_without_its_column_of_time_is_read_without_it(tmp_path, command):
    rows = ["time,T,Q"]
    level = 0.0
    for i in range(200):
        push = (i * 7919) % 13 - 6
        rows.append(f"{0.5 * i},{level:.4f},{push}")
        level = 0.8 * level + push + 0.1 * ((i * 31) % 7 - 3)
    log, model = tmp_path / "run.csv", tmp_path / "model"
    log.write_text("\n".join(rows))
    learned = command("learn", log, "--state", "T", "--action", "Q", "--step", "1", "--out", model)
    assert learned.code == 0, learned.err
    answer = command("predict", model, "--given", log, "--horizon", "3", "--json")
    assert answer.code == 0, answer.err


def test_alternatives_as_typed_stand_side_by_side(command, model, log):
    printed = command(
        "counterfactual", model, "--episode", f"{log}[0:30]",
        "--alternative", "off: heater=0@10:20",
        "--alternative", "more: heater+=5@10:; room, air*=2",
        "--json",
    )  # fmt: skip
    answer = asked(printed)
    worlds = answer["query"]["alternatives"]
    assert [d["kind"] for d in worlds["more"]] == ["shift", "scale"]
    assert worlds["off"][0]["at"] == [5, 6, 7, 8, 9]
    assert [a["name"] for a in answer["details"]["alternatives"]] == ["off", "more"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("heater=0", "is no alternative"),
        ("off:", "is no alternative"),
        ("off: heter=0", "Did you mean 'heater'"),
    ],
)
def test_a_malformed_alternative_is_one_line(command, model, log, typed, said):
    printed = command("counterfactual", model, "--episode", f"{log}[0:30]", "--alternative", typed)
    assert printed.code != 0
    assert said in printed.err


def test_units_ask_every_episode(command, model, log):
    printed = command(
        "counterfactual", model, "--episode", log, "--units", "--set", "heater=0@10:20", "--json"
    )
    assert asked(printed)["why"]["summary"]
    refused = command(
        "counterfactual", model, "--episode", f"{log}[0:9]", "--units", "--set", "heater=0"
    )
    assert "names a part" in refused.err
