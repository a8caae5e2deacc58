"""How normal a world is: a ranking for graded causation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Defaults"]


@dataclass(frozen=True)
class Defaults:
    """Worlds ranked by minus the weight of the defaults that they violate.

        rank(s) = − Σ_{X : s(X) ≠ default(X)} weight(X)

    A total order in place of the partial preorder ⪰ of Halpern & Hitchcock ("Graded causation and
    defaults", 2015).

    >>> usual = Defaults({"takes_pen": 0})
    >>> usual({"takes_pen": 1}), usual({"takes_pen": 0})
    (-1.0, 0.0)
    """

    values: Mapping[str, Any]
    weights: Mapping[str, float] | None = None

    def __call__(self, world: Mapping[str, Any]) -> float:
        """The rank of a world."""
        weights = self.weights or {}
        broken = [n for n, v in self.values.items() if n in world and world[n] != v]
        return -float(sum(weights.get(n, 1.0) for n in broken)) + 0.0
