"""Graphs that hold only in some states: contexts in which fewer causes act."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

__all__ = ["LocalGraph", "silenced"]

Link = tuple[str, int]


@dataclass(frozen=True)
class LocalGraph:
    """Where ``gate`` has ``level``, only ``parents`` of ``target`` within the row still act.

    The global graph is the union over all contexts: it holds every parent that acts somewhere.
    Causes at earlier rows are not restricted.

    Attributes:
        target: whose causes these are.
        gate: the variable and lag that decide; a cause of ``target`` itself.
        level: the code of the gate's level.
        parents: the causes within the row that are left, the gate not counted.
    """

    target: str
    gate: Link
    level: int
    parents: tuple[str, ...]

    def __str__(self) -> str:
        left = ", ".join(self.parents) or "nothing else in the row"
        return f"where {self.gate[0]} is at level {self.level}, {left} acts on {self.target}"

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "target": self.target,
            "gate": list(self.gate),
            "level": self.level,
            "parents": list(self.parents),
        }

    @classmethod
    def from_dict(cls, data: dict) -> "LocalGraph":
        """The inverse of ``to_dict``."""
        gate = (str(data["gate"][0]), int(data["gate"][1]))
        return cls(data["target"], gate, int(data["level"]), tuple(data["parents"]))


def silenced(
    contexts: Iterable[LocalGraph], state: Mapping[str, float]
) -> Callable[[str, str], bool]:
    """Whether an edge source → target within the row is silent in this state."""
    here = [c for c in contexts if c.gate[0] in state and state[c.gate[0]] == c.level]

    def silent(source: str, target: str) -> bool:
        return any(
            c.target == target and source != c.gate[0] and source not in c.parents for c in here
        )

    return silent
