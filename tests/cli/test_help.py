"""Help is fast, complete and as it was: run with DOWORLD_GOLDEN=write to renew the texts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = {
    "doworld": [],
    **{
        name.replace(" ", "-"): name.split()
        for name in (
            "discover",
            "learn",
            "evaluate",
            "show",
            "predict",
            "do",
            "counterfactual",
            "rootcause",
            "effect",
            "blame",
            "imagine",
            "plan",
            "value",
            "data",
            "data summary",
            "data convert",
            "tour",
            "bench",
        )
    },
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_as_it_was(command, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    printed = command(*COMMANDS[name], "--help")
    assert printed.code == 0, printed.err
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("DOWORLD_GOLDEN") == "write":
        path.write_text(printed.out, "utf-8")
    assert printed.out == path.read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name):
    if name in ("data", "tour"):
        return
    assert "\n  doworld " in "\n" + (GOLDEN / f"{name}.txt").read_text("utf-8").replace(
        "    ", "  "
    )


def test_help_starts_fast_and_loads_nothing_heavy():
    code = (
        "import sys, time; from doworld.cli.entry import run; run(['--help']); "
        "print([m for m in ('jax', 'plotly', 'polars', 'pydantic') if m in sys.modules]); "
        "print(time.process_time() < 1)"  # CPU time: others may use the machine too
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "True"]


def test_version(command):
    assert command("--version").out.startswith("doworld ")
