"""What a log cannot say about a variable, as data: the reason, and the words for it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Reason", "Unidentified"]


class Reason(StrEnum):
    """Why the effects of a variable cannot be told from a log.

    ``EMPTY`` and ``CONSTANT`` never show what happens when it changes. ``DETERMINED`` was a
    function of other variables, so that its effects are theirs too; ``NEARLY`` almost was, so that
    few rows tell them apart. ``LAGS``: a longer lag was a function of the shorter ones, so that
    only which of its lags acts is open. ``CONFOUNDED``: something unobserved moves, or may move, it
    and others together. ``FEEDBACK``: it and others act on each other within a row, or something
    else does that no graph without a cycle explains. ``POLICY``: what chose it may have seen more
    than was logged. ``LATE``: it acts after more rows than were allowed.
    """

    EMPTY = "empty"
    CONSTANT = "constant"
    DETERMINED = "determined"
    NEARLY = "nearly determined"
    LAGS = "lags"
    CONFOUNDED = "confounded"
    FEEDBACK = "feedback"
    POLICY = "policy"
    LATE = "late"


@dataclass(frozen=True)
class Unidentified:
    """One thing that a log leaves open, or nearly so, whatever is computed from it.

    Attributes:
        variable: whose effects cannot be told.
        reason: why.
        note: the same in words, with what to log to mend it.
        others: variables that may show its effects as their own, where they are known by name.
    """

    variable: str
    reason: Reason
    note: str
    others: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "variable": self.variable,
            "reason": self.reason.value,
            "note": self.note,
            "others": list(self.others),
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Unidentified":
        """The inverse of ``to_dict``."""
        return cls(data["variable"], Reason(data["reason"]), data["note"], tuple(data["others"]))
