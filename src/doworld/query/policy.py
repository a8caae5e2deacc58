"""Policies as data: which action follows from what is seen."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from doworld.query.goal import Range
from doworld.query.plain import Plain

__all__ = ["Case", "Feedback", "Rules", "Strategy"]

Value = float | str | bool


class Case(Plain):
    """Where every variable of ``when`` is as said, the action is ``then``.

    ``when[name]`` is a level or a range (low, high). ``then`` is a value, or the probability of
    each level.
    """

    when: dict[str, Value | Range] = Field(default_factory=dict)
    then: Value | dict[str, float]

    @model_validator(mode="after")
    def _sums(self):
        if isinstance(self.then, Mapping):
            total = sum(self.then.values())
            if min(self.then.values(), default=-1) < 0 or abs(total - 1) > 1e-6:
                raise ValueError(
                    f"the probabilities of a case sum to {total:g}. Give numbers of at least 0 "
                    "that sum to 1."
                )
        return self


class Rules(Plain):
    """The action of the first case that applies, else ``otherwise``.

    >>> cool = Case(when={"T": (50, None)}, then=0.0)
    >>> Rules(cases=(cool,), otherwise=60.0).otherwise
    60.0
    """

    kind: Literal["rules"] = "rules"
    cases: tuple[Case, ...] = ()
    otherwise: Value | dict[str, float]


class Feedback(Plain):
    """Linear state feedback: a = clip(bias + Σ_v weights_v · z_v, low, high).

    >>> Feedback(weights={"theta": 10.0}, low=-1.0, high=1.0).bias
    0.0
    """

    kind: Literal["feedback"] = "feedback"
    weights: dict[str, float]
    bias: float = 0.0
    low: float | None = None
    high: float | None = None


Strategy = Annotated[Rules | Feedback, Field(discriminator="kind")]
"""A policy as data."""
