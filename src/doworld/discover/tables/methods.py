"""How the graph of a static table may be found, and which way suits a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from doworld.data import Kind, Trajectories
from doworld.discover.tables.bends import bent
from doworld.discover.tables.search import static_graph
from doworld.discover.tables.table import rows_of
from doworld.discover.tables.task import StaticGraph, StaticTask

__all__ = ["BestOrder", "StaticMethod", "Suited", "suited"]

FEW_ROWS = 60
"""Rows below which lines are all that is fitted."""


@runtime_checkable
class StaticMethod(Protocol):
    """A way to find the graph of a table whose rows are independent units."""

    def graph(self, task: StaticTask) -> StaticGraph:
        """The edges among the names of ``task``, roles and prior honoured."""
        ...


@dataclass(frozen=True)
class BestOrder:
    """The order of the variables that scores best; see ``doworld.discover.tables.search``.

    Attributes:
        smooth: whether numbers are regressed on each other by smooth functions, not by lines.
    """

    smooth: bool = False

    def graph(self, task: StaticTask) -> StaticGraph:
        """See ``StaticMethod``."""
        return static_graph(task, smooth=self.smooth)


@dataclass(frozen=True)
class Suited:
    """The method that suits a table, and why in words; no words where nothing was decided.

    ``bends`` says whether lines leave bends; None where that was not looked for.
    """

    method: StaticMethod
    notes: tuple[str, ...] = ()
    bends: bool | None = None


def suited(log: Trajectories, names: Sequence[str], *, latent: bool | None = None) -> Suited:
    """The method for a table that is not told one: by lines, unless it shows bends.

    Environments are compared by lines, rows with holes are completed by lines, and unobserved
    causes that are not ruled out (``latent`` True) are looked for by lines.
    """
    if latent is True:
        return Suited(BestOrder())
    kinds = [log.schema[n].kind for n in names]
    if Kind.CATEGORICAL in kinds or all(k is Kind.BINARY for k in kinds):
        return Suited(BestOrder())
    rows, holes = rows_of(log, names)
    if len(np.unique(log.environment)) > 1 or holes is not None or len(rows) < FEW_ROWS:
        return Suited(BestOrder())
    if not bent(rows[:, rows.std(0) > 0]):
        return Suited(BestOrder(), bends=False)
    note = (
        "lines leave clear bends between the variables, so smooth functions were fitted; "
        "method=BestOrder() fits lines, and method=PC() asks tests of independence alone."
    )
    return Suited(BestOrder(smooth=True), (note,), bends=True)
