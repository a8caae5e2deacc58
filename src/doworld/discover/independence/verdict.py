"""What every test of conditional independence offers, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from doworld.discover.independence.columns import Columns

__all__ = ["IndependenceTest", "TableTest", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """One test of x ⫫ y given z.

    Attributes:
        statistic: of the test, in its own units; larger in size is stronger dependence.
        p_value: the probability of a statistic as large where the two are independent given z.
        rows: complete rows that were used.
        dropped: rows left out because one of the variables is missing in them.
        effect: strength of the dependence that z leaves, 0 for none and 1 for the strongest, or as
            many nats as the test's name says.
    """

    statistic: float
    p_value: float
    rows: int
    dropped: int = 0
    effect: float = float("nan")


@runtime_checkable
class TableTest(Protocol):
    """A test bound to a table; it may keep what several of its answers share."""

    def test(self, x: int, y: int, z: Sequence[int]) -> Verdict:
        """Tests whether columns x and y are independent given the columns z.

        Raises ``DataError`` where a column never varies or too few complete rows are left.
        """
        ...


@runtime_checkable
class IndependenceTest(Protocol):
    """A test with its settings."""

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        ...

    def on(self, columns: Columns) -> TableTest:
        """The test on a table; raises ``DataError`` where a kind of column is none it can take."""
        ...
