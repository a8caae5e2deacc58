"""How the graph of a static table may be found, and which way suits a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from doworld.data import Trajectories
from doworld.discover.static import StaticGraph, static_graph
from doworld.graph import Prior

__all__ = ["BestOrder", "StaticMethod", "suited"]


@runtime_checkable
class StaticMethod(Protocol):
    """A way to find the graph of a table whose rows are independent units."""

    def graph(
        self, log: Trajectories, names: Sequence[str], prior: Prior, *, fdr: float, seed: int
    ) -> StaticGraph:
        """The edges among ``names``, roles and ``prior`` honoured."""
        ...


@dataclass(frozen=True)
class BestOrder:
    """The order of the variables that scores best; see ``doworld.discover.static``.

    Attributes:
        smooth: whether numbers are regressed on each other by smooth functions, not by lines.
    """

    smooth: bool = False

    def graph(
        self, log: Trajectories, names: Sequence[str], prior: Prior, *, fdr: float, seed: int
    ) -> StaticGraph:
        """See ``StaticMethod``."""
        return static_graph(log, names, prior, fdr=fdr, seed=seed, smooth=self.smooth)


def suited(log: Trajectories, names: Sequence[str]) -> StaticMethod:
    """The method for a table that is not told one."""
    return BestOrder()
