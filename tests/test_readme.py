"""The README's code runs, its commands exist, and the files around it keep their promises."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of one language."""
    parts = README.split("```")[1::2]
    return [text.partition("\n")[2] for text in parts if text.partition("\n")[0] == language]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run_with_small_arguments(code):
    small = re.sub(r"episodes=\d+", "episodes=16", code)
    small = small.replace("learn(log)", "learn(log, settings=dw.Settings(members=2, structures=1))")
    assert small.count("episodes=16") == small.count("settings=") == 1
    done = subprocess.run(
        [sys.executable, "-c", small], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "theta(t-1) --> theta_dot(t)" in done.stdout


def test_commands_use_options_that_exist(monkeypatch):
    import typer

    from doworld.cli.app import app

    root = typer.main.get_command(app)
    seen = 0
    for line in "".join(blocks("")).splitlines():
        if not line.startswith("doworld "):
            continue
        words = shlex.split(line)[1:]
        command = root
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        known = {option for p in command.params for option in p.opts}
        assert {w for w in words if w.startswith("--")} <= known, line
        seen += 1
    assert seen == 11


def test_ci_runs_exactly_the_readme_s_test_command():
    commands = [b.strip() for b in blocks("") if b.startswith("python3 -m venv")]
    assert len(commands) == 2
    pattern = re.search(r"grep -m1 -E '(.*?)' README\.md", (ROOT / ".ci/run").read_text("utf-8"))
    assert pattern is not None
    assert [c for c in commands if re.search(pattern[1], c)] == [commands[1]]


def test_pins_hold_versions_and_no_addresses():
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    lines = [line for line in pins.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    assert not any(line.lower().startswith("torch") for line in lines)


def test_links_lead_somewhere():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
