"""How long a piece of work may take: one small object that its long loops ask."""

import math
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from doworld._core.errors import SchemaError

__all__ = ["UNLIMITED", "Budget", "Seconds", "Unlimited"]


@runtime_checkable
class Budget(Protocol):
    """Asked by loops that can stop early with what they have."""

    def over(self) -> bool:
        """Whether the time is up: stop, and say what was left out by ``cut``."""
        ...

    def cut(self, what: str) -> None:
        """Takes down a step that was shortened or left out."""
        ...

    def part(self, share: float) -> "Budget":
        """The budget of a step that may use up to ``share`` of the time that is left."""
        ...

    def words(self) -> str:
        """What is left, for the line beside a progress bar."""
        ...


class Unlimited:
    """Time without end.

    >>> Unlimited().over()
    False
    """

    def over(self) -> bool:
        """Never."""
        return False

    def cut(self, what: str) -> None:
        """Nothing is ever left out for want of time."""

    def part(self, share: float) -> Budget:
        """As long as the whole."""
        return self

    def words(self) -> str:
        """Nothing to say."""
        return ""


UNLIMITED = Unlimited()


class Seconds:
    """A number of seconds from now on; ``stop`` ends it at once, as Ctrl-C may.

    Raises ``SchemaError`` unless ``seconds`` is a positive number.

    >>> budget = Seconds(60)
    >>> budget.over()
    False
    >>> budget.stop()
    >>> budget.over()
    True
    >>> budget.cut("fewer resamples")
    >>> budget.cuts
    ('fewer resamples',)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not seconds > 0:
            raise SchemaError(
                f"a budget of {seconds} seconds leaves no time at all. Give a positive number of "
                "seconds, or None for as long as it takes."
            )
        self.seconds, self._clock = float(seconds), clock
        self._begun = clock()
        self._stopped = False
        self._cuts: list[str] = []

    @property
    def left(self) -> float:
        """Seconds left, 0 when it is over."""
        spent = self._clock() - self._begun
        return 0.0 if self._stopped else max(self.seconds - spent, 0.0)

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._begun

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` ended it, and not the clock."""
        return self._stopped

    @property
    def cuts(self) -> tuple[str, ...]:
        """What was left out or shortened, in the order of the steps, each once."""
        return tuple(dict.fromkeys(self._cuts))

    def over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def stop(self) -> None:
        """Ends it now: the work comes back with what it has."""
        self._stopped = True

    def cut(self, what: str) -> None:
        """Takes down a step that was shortened or left out."""
        self._cuts.append(what)

    def part(self, share: float) -> Budget:
        """The budget of a step that may use up to ``share`` of what is left."""
        return _Part(self, share * self.left)

    def words(self) -> str:
        """What is left, for the line beside a progress bar."""
        return f"{self.left:.0f} s of the budget left" if math.isfinite(self.seconds) else ""


class _Part:
    """A share of a budget: over when its time is up or the whole is."""

    def __init__(self, whole: Seconds, seconds: float) -> None:
        # without an end there are no parts: the whole alone can be stopped
        self._whole = whole
        self._least = whole.left - seconds if math.isfinite(seconds) else -math.inf

    def over(self) -> bool:
        return self._whole.over() or self._whole.left <= self._least

    def cut(self, what: str) -> None:
        self._whole.cut(what)

    def part(self, share: float) -> Budget:
        floor = max(self._least, 0.0)
        return _Part(self._whole, share * max(self._whole.left - floor, 0.0))

    def words(self) -> str:
        return self._whole.words()
