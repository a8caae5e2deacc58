"""How two graphs differ, edge by edge."""

from dataclasses import dataclass

from doworld._core.errors import GraphError
from doworld.graph.graph import CausalGraph, Edge, Mark

__all__ = ["Difference", "difference"]


@dataclass(frozen=True)
class Difference:
    """What one graph says that another does not.

    Attributes:
        shared: edges of the first that the second holds with the same mark.
        added: edges of the second between variables and lags that the first does not link.
        removed: edges of the first that the second does not link.
        turned: pairs of edges (first, second) of the same variables and lag with other ends.
    """

    shared: tuple[Edge, ...]
    added: tuple[Edge, ...]
    removed: tuple[Edge, ...]
    turned: tuple[tuple[Edge, Edge], ...]

    @property
    def distance(self) -> int:
        """The structural Hamming distance: edges to add, remove or turn."""
        return len(self.added) + len(self.removed) + len(self.turned)

    @property
    def f1(self) -> float:
        """F1 of the second graph's edges, ends included, with the first as truth; 1 if both empty.

        F1 = 2·shared / (edges of the first + edges of the second).
        """
        both = 2 * len(self.shared)
        total = both + len(self.added) + len(self.removed) + 2 * len(self.turned)
        return both / total if total else 1.0

    def __str__(self) -> str:
        lines = [f"{len(self.shared)} edges alike, distance {self.distance}, F1 {self.f1:.2f}"]
        lines += [f"+ {e}" for e in self.added]
        lines += [f"- {e}" for e in self.removed]
        lines += [f"~ {a}  is now  {b}" for a, b in self.turned]
        return "\n".join(lines)


def _key(edge: Edge) -> tuple:
    """What an edge links, whichever way it points: within a row both ends stand alike.

    A hidden common cause may stand beside an edge of the same two variables.
    """
    ends = (edge.source, edge.target)
    hidden = edge.mark is Mark.BIDIRECTED
    return (*(sorted(ends) if edge.lag == 0 else ends), edge.lag, hidden)


def _same(one: Edge, other: Edge) -> bool:
    if one.mark is not other.mark:
        return False
    mutual = one.mark in (Mark.UNDIRECTED, Mark.BIDIRECTED, Mark.CIRCLE)
    return (mutual and one.lag == 0) or one.source == other.source


def difference(one: CausalGraph, other: CausalGraph) -> Difference:
    """What ``other`` has more, less and otherwise than ``one``.

    Raises ``GraphError`` where they are about different variables.

    >>> a = CausalGraph(("x", "y"), (Edge("x", "y", 0), Edge("x", "x")))
    >>> b = CausalGraph(("y", "x"), (Edge("y", "x", 0),))
    >>> print(difference(a, b))
    0 edges alike, distance 2, F1 0.00
    - x(t-1) --> x(t)
    ~ x(t) --> y(t)  is now  y(t) --> x(t)
    """
    if set(one.names) != set(other.names):
        odd = sorted(set(one.names) ^ set(other.names))
        raise GraphError(
            f"{', '.join(odd)}: only one of the two graphs knows them. Compare graphs of the same "
            "variables."
        )
    first, second = ({_key(e): e for e in g.edges()} for g in (one, other))
    both = [(first[k], second[k]) for k in first if k in second]
    return Difference(
        shared=tuple(a for a, b in both if _same(a, b)),
        added=tuple(e for k, e in second.items() if k not in first),
        removed=tuple(e for k, e in first.items() if k not in second),
        turned=tuple((a, b) for a, b in both if not _same(a, b)),
    )
