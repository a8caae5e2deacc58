"""Benchmarks are found in a checkout, get their arguments, and keep their exit code."""

from pathlib import Path

import pytest

from doworld.cli import bench
from doworld.cli.entry import run

SCRIPT = '"""Adds up.\n\nMore."""\nimport sys\nprint(sys.argv[1:])\nsys.exit(len(sys.argv) - 1)\n'


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "doworld"\n')
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "sum.py").write_text(SCRIPT)
    (folder / "_help.py").write_text("")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")


@pytest.mark.usefixtures("checkout")
def test_without_a_name_the_scripts_are_listed(command):
    printed = command("bench")
    assert printed.code == 0
    assert [line.split() for line in printed.out.splitlines()] == [["sum", "Adds", "up."]]


@pytest.mark.usefixtures("checkout")
def test_arguments_and_exit_code_are_the_script_s(capfd):
    assert run(["bench", "sum", "--quick", "--help"]) == 2
    assert run(["bench", "sum"]) == 0
    assert capfd.readouterr().out.splitlines() == ["['--quick', '--help']", "[]"]


@pytest.mark.usefixtures("checkout")
def test_an_unknown_name_has_near_ones(command):
    printed = command("bench", "sun")
    assert (printed.code, "Did you mean 'sum'" in printed.err) == (2, True)
    assert command("bench", "_help").code == 2


@pytest.mark.usefixtures("elsewhere")
def test_without_a_checkout_the_error_says_what_to_do(command, monkeypatch, tmp_path):
    monkeypatch.setattr("doworld.__file__", str(tmp_path / "site/doworld/__init__.py"))
    printed = command("bench", "sum")
    assert printed.code == 2
    assert printed.err.startswith("error: benchmarks are not part of an installed doworld")
    assert len(printed.err.splitlines()) == 1


def test_this_checkout_s_scripts_are_found():
    folder = Path(__file__).parents[2] / "benchmarks"
    assert {"control", "real_logs", "rollout"} <= set(bench._scripts(folder))
