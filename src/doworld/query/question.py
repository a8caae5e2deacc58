"""What every question says: about what, how sure, by how many draws."""

from pydantic import Field

from doworld.query.plain import Names, Plain

__all__ = ["Question"]


class Question(Plain):
    """The fields that all questions share.

    Attributes:
        target: the variables asked about; none means all states.
        level: of the intervals.
        samples: draws by member.
    """

    target: Names = ()
    level: float = Field(default=0.9, gt=0, lt=1)
    samples: int = Field(default=256, ge=1, le=100_000)
