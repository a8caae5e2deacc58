"""Progress with time left for long work, quiet where nobody looks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

__all__ = ["Progress", "Quiet", "Track", "terminal"]


@runtime_checkable
class Track(Protocol):
    """One running task: how far it is, and one short line on how it goes."""

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Moves the task on by ``steps`` and shows ``note`` beside the bar."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Opens tracks; ``terminal()`` shows them, ``Quiet()`` does not."""

    def task(self, name: str, total: float) -> Track:
        """Starts a task called ``name`` of ``total`` steps."""
        ...


class _QuietTrack:
    def advance(self, steps: float = 1, note: str = "") -> None:
        pass


class Quiet:
    """Progress that shows nothing: the default inside the library.

    >>> Quiet().task("training", total=10).advance()
    """

    def task(self, name: str, total: float) -> Track:
        """Starts a task that is not shown."""
        return _QuietTrack()


class _RichTrack:
    def __init__(self, bar, task) -> None:
        self._bar, self._task = bar, task
        self._shown, self._pending = 0.0, 0.0

    def advance(self, steps: float = 1, note: str = "") -> None:
        self._pending += steps
        now = time.monotonic()
        if now - self._shown > 0.1:
            self._bar.update(self._task, advance=self._pending, note=note)
            self._shown, self._pending = now, 0.0


class _RichProgress:
    def __init__(self, bar) -> None:
        self._bar = bar

    def task(self, name: str, total: float) -> Track:
        return _RichTrack(self._bar, self._bar.add_task(name, total=total, note=""))


@contextmanager
def terminal() -> Iterator[Progress]:
    """Shows progress bars with time left on standard error; closes them on the way out."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as RichBar,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with RichBar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _RichProgress(bar)
