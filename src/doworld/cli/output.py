"""What commands print: JSON alone, or text that is readable at 60 columns; figures to files."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doworld._core.errors import DoworldError
from doworld.cli.entry import say

__all__ = ["check_page", "emit_answer", "print_json", "show", "table", "write_html"]


def plain(value: Any) -> Any:
    """Plain data for JSON: numbers that JSON lacks become null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    item = getattr(value, "item", None)
    return value if item is None else plain(item())


def print_json(value: Any) -> None:
    """Prints one JSON value to standard output."""
    print(json.dumps(plain(value), ensure_ascii=False))


def show(renderable: Any) -> None:
    """Prints text, a table or an answer to standard output."""
    from rich.console import Console

    Console(soft_wrap=False, highlight=False).print(renderable)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Any:
    """A plain table: the first column is text, the others stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for i, name in enumerate(head):
        out.add_column(Text(name), justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        out.add_row(*(Text(cell) for cell in row))
    return out


def emit_answer(answer: Any, *, as_json: bool, out: str | None) -> None:
    """Prints an answer, and saves its figure where ``out`` names a file."""
    if as_json:
        print_json(answer.to_dict())
    else:
        show(answer)
    if out:
        from doworld.session.report import answer_report

        write_html(out, answer_report(answer).html())


def check_page(path: str | None) -> None:
    """Refuses a figure's name before any work is done; raises ``DoworldError``."""
    if path is not None and Path(path).suffix.lower() not in (".html", ".htm"):
        raise DoworldError(
            f"figures and reports are HTML, not {path!r}. Call it {Path(path).stem}.html."
        )


def write_html(path: str, text: str) -> None:
    """Writes a self-contained HTML file and says so."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    size = len(text.encode()) / 1e3
    say(f"wrote {path} ({size:.0f} kB)" if size < 1000 else f"wrote {path} ({size / 1e3:.1f} MB)")
