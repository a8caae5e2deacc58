"""What every benchmark prints: what was asked, what was reached, and the baselines beside it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One number of a benchmark; ``part`` and ``code`` say which part of which code printed it."""

    what: str
    asked: str
    reached: str
    passed: bool
    beside: dict[str, str] = field(default_factory=dict)
    seeds: int = 1
    note: str = ""
    part: str = ""
    code: str = ""


def data_folder() -> Path:
    """The folder of development data; the environment variable DOWORLD_DATA overrides it."""
    chosen = os.environ.get("DOWORLD_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        raise SystemExit(f"no data in {folder}. Set DOWORLD_DATA to the folder that holds it.")
    return folder


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval over seeds (Student's t)."""
    from scipy.stats import t

    array = np.asarray(list(values), float)
    if len(array) < 2:
        return float(array.mean()), float("nan")
    half = t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return float(array.mean()), float(half)


def parts(
    title: str,
    every: Mapping[str, Callable[[], list[Row]]],
    wanted: Sequence[str],
    json_file: Path,
    *,
    settings: str = "",
    resume: bool = False,
) -> None:
    """Runs the wanted parts, or all, and after each prints and stores the whole table.

    With some wanted, the stored rows of the others stay; with ``resume`` also those of parts that
    this very code has run with the same settings.
    """
    code = f"{_commit()} {settings}".strip()
    stored = load(json_file) if wanted or resume else []
    done = {r.part for r in stored if r.code == code} if resume and "dirty" not in code else set()
    rows = [r for r in stored if r.part in done or (wanted and r.part not in wanted)]
    for name in wanted or every:
        if name in done:
            continue
        new = [replace(r, part=name, code=code) for r in every[name]()]
        again = {r.what for r in new}
        rows = [*(r for r in rows if r.what not in again), *new]
        order = list(every)
        rows.sort(key=lambda r: order.index(r.part) if r.part in order else len(order))
        show(title, rows, json_file)


def _commit() -> str:
    """The commit of the code, with a mark where it was changed since."""
    here = str(Path(__file__).parent)
    command = ["git", "-C", here, "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "dirty"


def load(json_file: Path) -> list[Row]:
    """The rows of a stored table; none where there is no such file."""
    if not json_file.is_file():
        return []
    return [Row(**row) for row in json.loads(json_file.read_text())]


def show(title: str, rows: list[Row], json_file: Path | None = None) -> None:
    """Prints the table and stores it as JSON."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_lines=True)
    for name in ("what", "asked", "reached", "", "beside it"):
        table.add_column(name, overflow="fold")
    for row in rows:
        mark = "[green]yes[/]" if row.passed else "[red]no[/]"
        beside = ", ".join(f"{k} {v}" for k, v in row.beside.items())
        beside = "\n".join(filter(None, (beside, row.note)))
        table.add_row(row.what, row.asked, row.reached, mark, beside)
    Console(width=max(100, Console().width)).print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(r) for r in rows], indent=1, ensure_ascii=False))
