"""A bound with what it rests on and how far sampling may move it."""

from dataclasses import dataclass, field

__all__ = ["Bound"]


@dataclass(frozen=True)
class Bound:
    """What the data and the assumptions leave open: lower ≤ truth ≤ upper.

    Attributes:
        lower, upper: the bound if the observed frequencies were the true ones.
        low, high: a range that covers the bound, sampling error included, at ``level``.
        level: of the range.
        method: whose bound it is.
        assumptions: what it rests on, in words.
        notes: where it is coarser than it could be, in words.
        refuted: the data contradict the assumptions at ``level``; the numbers are the nearest
            that fit and must not be used.
    """

    lower: float
    upper: float
    low: float
    high: float
    level: float
    method: str
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    refuted: bool = False

    @property
    def width(self) -> float:
        """upper − lower."""
        return self.upper - self.lower

    def holds(self, truth: float, *, tolerance: float = 1e-7) -> bool:
        """Whether ``truth`` lies in the range."""
        return self.low - tolerance <= truth <= self.high + tolerance
