"""How likely people think an edge is, before the data."""

from collections.abc import Mapping
from dataclasses import dataclass

from doworld._core.errors import GraphError

__all__ = ["Chance", "chances_of"]


@dataclass(frozen=True)
class Chance:
    """The probability of one edge, without a lag of each lag; 0 and 1 are not chances.

    Raises ``GraphError`` for a probability that is not inside (0, 1).

    >>> round(Chance("push", "speed", 0.9).odds, 6)
    9.0
    """

    source: str
    target: str
    probability: float
    lag: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise GraphError(
                f"edge {self.source} → {self.target} has probability {self.probability:g}, which "
                "no data could ever change. Give a number between 0 and 1, or say ``required`` or "
                "``forbidden``."
            )

    @property
    def odds(self) -> float:
        """p/(1 − p)."""
        return self.probability / (1 - self.probability)

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "source": self.source,
            "target": self.target,
            "probability": self.probability,
            "lag": self.lag,
        }


def chances_of(stated: Mapping) -> tuple[Chance, ...]:
    """Chances from a mapping of (source, target) or (source, target, lag) to a probability."""
    return tuple(
        Chance(p[0], p[1], float(value), int(p[2]) if len(p) == 3 else None)
        for p, value in stated.items()
    )
