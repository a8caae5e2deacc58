"""Where prior knowledge and data contradict each other: reported, not resolved in silence."""

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Conflict", "Disagreement"]


class Disagreement(StrEnum):
    """How data speak against what was stated.

    ``UNSEEN``: an edge was required, and a test strong enough to see a small one finds nothing.
    ``SEEN``: an edge was ruled out, by itself or by a tier, and the data clearly show one.
    ``TURNED``: the direction that was ruled out is the one that the data ask for.
    ``UNLIKELY``: an edge was called likely, and such a test finds nothing, or the reverse.
    """

    UNSEEN = "required, but not seen"
    SEEN = "ruled out, but seen"
    TURNED = "ruled out, but the data point so"
    UNLIKELY = "called likely or unlikely, but the data say the opposite"


@dataclass(frozen=True)
class Conflict:
    """One edge on which prior knowledge and the data disagree; the graph follows the prior.

    Attributes:
        source, target, lag: the edge.
        kind: how they disagree.
        p_value: of the test that there is no such edge; NaN where scores were compared.
        effect: its partial correlation, or the effect of the test.
        power: the chance of seeing a partial correlation of 0.1 with these rows.
        note: the same in words, with what to do.
    """

    source: str
    target: str
    lag: int
    kind: Disagreement
    p_value: float
    effect: float
    power: float
    note: str

    def to_dict(self) -> dict:
        """Plain data for JSON; what is not a number is null."""
        numbers = {"p_value": self.p_value, "effect": self.effect, "power": self.power}
        return {
            "source": self.source,
            "target": self.target,
            "lag": self.lag,
            "kind": self.kind.value,
            **{k: None if math.isnan(v) else v for k, v in numbers.items()},
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Conflict":
        """The inverse of ``to_dict``."""
        numbers = [
            float("nan") if data[k] is None else float(data[k])
            for k in ("p_value", "effect", "power")
        ]
        kind = Disagreement(data["kind"])
        return cls(
            data["source"], data["target"], int(data["lag"]), kind, *numbers, note=data["note"]
        )
