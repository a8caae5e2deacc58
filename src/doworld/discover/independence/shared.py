"""What the tests of one table share: smoothers of z, and what they leave of each column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.products import products
from doworld.discover.independence.smoother import Residuals, Smoother
from doworld.discover.independence.verdict import Verdict

__all__ = ["Bound", "Memory"]

Own = Callable[[int, Rows], np.ndarray]
Given = Callable[[tuple[int, ...], Rows], np.ndarray]


@dataclass(frozen=True, eq=False)
class Memory:
    """Residuals of columns' features given the features of others, each computed once.

    Attributes:
        columns: the table.
        own: the features of a tested column.
        given: the features of the columns that are conditioned on.
    """

    columns: Columns
    own: Own
    given: Given
    _features: dict[tuple[int, bytes], np.ndarray] = field(default_factory=dict, repr=False)
    _smoothers: dict[tuple[tuple[int, ...], bytes], Smoother] = field(
        default_factory=dict, repr=False
    )
    _left: dict[tuple[int, tuple[int, ...], bytes], Residuals] = field(
        default_factory=dict, repr=False
    )

    def residuals(self, column: int, z: tuple[int, ...], rows: Rows) -> Residuals:
        """What ``z``, in the table's own order, leaves of a column's features."""
        key = (column, z, rows.key)
        known = self._left.get(key)
        if known is None:
            known = self._left[key] = self._smoother(z, rows).residuals(self._own(column, rows))
        return known

    def _own(self, column: int, rows: Rows) -> np.ndarray:
        known = self._features.get((column, rows.key))
        if known is None:
            known = self._features[column, rows.key] = self.own(column, rows)
        return known

    def _smoother(self, z: tuple[int, ...], rows: Rows) -> Smoother:
        known = self._smoothers.get((z, rows.key))
        if known is None:
            known = self._smoothers[z, rows.key] = Smoother.of(self.given(z, rows))
        return known


@dataclass(frozen=True, eq=False)
class Bound:
    """A test of what is left on one table (see ``products``)."""

    memory: Memory

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        columns = self.memory.columns
        rows = columns.rows((x, y, *z))
        given = columns.sorted(z)
        a, b = (self.memory.residuals(k, given, rows) for k in (x, y))
        statistic, p, effect = products(a, b)
        return Verdict(statistic, p, rows.count, rows.dropped, effect)
