"""Every mistake is one line with the fix, on standard error, with its exit code."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from doworld._core.errors import DoworldWarning
from doworld.cli import entry

GIVEN = ("--given", "T=20")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("do", "MODEL", *GIVEN), "nothing is done"),
        (("do", "MODEL", *GIVEN, "--set", "heatr=60"), "Did you mean 'heater'"),
        (("do", "MODEL", *GIVEN, "--set", "heater"), "name=value"),
        (("do", "MODEL", *GIVEN, "--set", "heater=warm"), "is not a number"),
        (("do", "MODEL", *GIVEN, "--set", "heater=1", "--from", "9", "--to", "3"), "no row"),
        (("do", "MODEL", *GIVEN, "--set", "heater=1", "--horizon", "soon"), "not a time"),
        (("predict", "MODEL", *GIVEN, "--horizon", "5fortnight"), "unit"),
        (("do", "MODEL", *GIVEN, "--set", "heater=1", "--from", "900"), "begin earlier"),
        (("imagine", "MODEL", *GIVEN, "--swap", "T=4"), "Swap one of room, air, or use"),
        (("imagine", "MODEL", *GIVEN, "--turn", "x"), "constant=factor"),
        (("predict", "MODEL", *GIVEN, "--horizon", "0"), "holds no row"),
        (("predict", "MODEL", *GIVEN, "--level", "2"), "level"),
        (("predict", "MODEL", *GIVEN, "--target", "T9"), "no variable is called"),
        (("predict", "MODEL", "--given", "nowhere.csv"), "nowhere.csv"),
        (("predict", "MODEL", "--given", "T"), "neither a file nor"),
        (("predict", "MODEL", "--given", "LOG[5:5]"), "holds no row"),
        (("predict", "MODEL", "--given", "LOG[a:b]"), "whole numbers"),
        (("predict", "MODEL", "--given", "LOG[other]"), "no episode is called"),
        (("predict", "MODEL", *GIVEN, "--out", "picture.png"), "picture.html"),
        (("plan", "MODEL", *GIVEN), "nothing is wanted"),
        (("plan", "MODEL", *GIVEN, "--goal", "T=4", "--keep", "T=5"), "low:high"),
        (("plan", "MODEL", *GIVEN, "--goal", "T=4", "--planner", "icm"), "Did you mean 'icem'"),
        (("show", "nowhere"), "holds no model.json"),
        (("shw", "MODEL"), "No such command"),
        (("predict", "MODEL"), "Missing option"),
        (("learn", "LOG", "--out", "x", "--require", "T"), "not an edge"),
        (("learn", "LOG", "--out", "x", "--graph", "LOG"), "is no graph"),
        (("learn", "LOG", "--out", "x", "--rename", "T"), "old=new"),
        (("data", "summary", "nowhere.csv", "--state", "T"), "nowhere.csv"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_one_line_with_the_fix(command, model, log, words, message):
    given = [str(w).replace("MODEL", model).replace("LOG", log) for w in words]
    printed = command(*given)
    assert printed.code == entry.BAD_INPUT, printed.err
    error = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert message in error[0]
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_truncated_model_is_refused(command, model, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    text = (broken / "model.json").read_text("utf-8")
    (broken / "model.json").write_text(text[: len(text) // 2], "utf-8")
    printed = command("show", broken)
    assert (printed.code, "save the model again" in printed.err) == (2, True)
    shutil.copy(f"{model}/model.json", broken)
    (broken / "reading.json").write_text('{"state": 3, "other": 1}')
    assert "reading.json" in command("predict", broken, "--given", "T=1").err


@pytest.mark.usefixtures("elsewhere")
def test_an_empty_file_of_rules_is_one_line(command, model, tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    printed = command("imagine", model, *GIVEN, "--rules", str(empty))
    assert printed.code == entry.BAD_INPUT
    assert "empty.yaml is empty. Write a list" in printed.err


def test_another_time_step_is_refused_with_the_command_that_mends_it(command, model, tmp_path):
    other = tmp_path / "fast.csv"
    rows = "\n".join(f"{t},{t},{t % 3},20" for t in range(12))
    other.write_text(f'time,T,heater,"room, air"\n{rows}\n')
    printed = command("evaluate", model, other, "--time", "time")
    assert printed.code == entry.BAD_INPUT
    assert "--resample 2" in printed.err


def test_a_defect_asks_for_a_report_and_debug_shows_it(command, monkeypatch, model):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr("doworld.model.store.load", broken)
    printed = command("show", model)
    assert printed.code == entry.UNEXPECTED
    assert "boom" in printed.err
    assert "--debug" in printed.err
    with pytest.raises(RuntimeError, match="boom"):
        command("show", model, "--debug")


def test_warnings_are_notes_and_json_stays_clean(command, monkeypatch, model):
    from doworld.model import store

    real = store.load

    def warned(folder):
        import warnings

        warnings.warn("rows were\nunsorted", DoworldWarning, stacklevel=2)
        return real(folder)

    monkeypatch.setattr("doworld.model.store.load", warned)
    printed = command("show", model, "--json")
    assert json.loads(printed.out)["rows"] >= 0
    assert "note: rows were unsorted" in printed.err


LONG = """
import sys, time
from doworld.cli import entry
import doworld.session.learn as session
def slow(log, *, progress, checkpoint, **how):
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / "half").write_text("done")
    print("ready", flush=True)
    time.sleep(300)
session.learn = slow
sys.exit(entry.run(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_keeps_the_checkpoint_and_says_how_to_go_on(log, tmp_path):
    words = [sys.executable, "-c", LONG, "learn", log, "--out", str(tmp_path / "m")]
    with subprocess.Popen(words, stdout=-1, stderr=-1, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        time.sleep(0.1)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=120)
    assert job.returncode == entry.INTERRUPTED
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert (tmp_path / "m/.checkpoint/half").read_text() == "done"


@pytest.mark.usefixtures("elsewhere")
def test_an_empty_table_is_said_to_be_empty(command, tmp_path):
    (tmp_path / "none.csv").write_text("")
    printed = command("effect", "none.csv", "--treatment", "a", "--outcome", "b")
    assert printed.code == entry.BAD_INPUT
    assert "none.csv is empty" in printed.err
