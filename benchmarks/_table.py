"""What every benchmark prints: what was asked, what was reached, and the baselines beside it."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One number of a benchmark."""

    what: str
    asked: str
    reached: str
    passed: bool
    beside: dict[str, str] = field(default_factory=dict)
    seeds: int = 1
    note: str = ""


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
        table.add_row(row.what, row.asked, row.reached, mark, beside)
    Console(width=max(100, Console().width)).print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(r) for r in rows], indent=1, ensure_ascii=False))
