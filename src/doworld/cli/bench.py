"""``doworld bench``: the benchmarks of a source checkout."""

from pathlib import Path
from typing import Annotated

import typer

from doworld._core.errors import DoworldError, UnknownNameError

__all__ = ["register"]

Name = Annotated[
    str | None, typer.Argument(help="Which benchmark; without it, all are listed.", metavar="NAME")
]
Words = Annotated[list[str] | None, typer.Argument(help="Arguments of the script.", metavar="ARGS")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    # everything after NAME, --help too, belongs to the script
    after = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("bench", context_settings=after)(bench)


def bench(name: Name = None, arguments: Words = None) -> None:
    """Run a benchmark of a source checkout.

    What follows NAME goes to the script. A benchmark prints what was asked beside
    what was reached and the baselines, and takes minutes to hours.

    \b
      doworld bench
      doworld bench rollout
      doworld bench control --quick --json control.json
    """
    import subprocess
    import sys

    scripts = _scripts(_folder())
    if name is None:
        for known, script in scripts.items():
            print(f"{known:<12}{_first_line(script)}")
        return
    if name not in scripts:
        raise UnknownNameError("benchmark", name, scripts)
    code = subprocess.call([sys.executable, str(scripts[name]), *(arguments or ())])
    if code:
        raise typer.Exit(code if code > 0 else 128 - code)


def _folder() -> Path:
    """The benchmarks of the checkout we stand in, or of the one doworld is installed from."""
    import doworld

    here, package = Path.cwd(), Path(doworld.__file__).resolve()
    for root in (here, *here.parents, *package.parents):
        if (root / "benchmarks").is_dir() and _is_ours(root / "pyproject.toml"):
            return root / "benchmarks"
    raise DoworldError(
        "benchmarks are not part of an installed doworld, and there is no source checkout here. "
        "Run this in a clone of doworld's repository, installed with: pip install -e '.[dev,bench]'"
    )


def _is_ours(project: Path) -> bool:
    import tomllib

    try:
        return tomllib.loads(project.read_text("utf-8"))["project"]["name"] == "doworld"
    except (OSError, ValueError, KeyError):
        return False


def _scripts(folder: Path) -> dict[str, Path]:
    return {p.stem: p for p in sorted(folder.glob("*.py")) if not p.stem.startswith("_")}


def _first_line(script: Path) -> str:
    import ast

    text = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    return text.partition("\n")[0]
