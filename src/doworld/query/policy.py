"""Policies as data: which action follows from what is seen."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from doworld._core.errors import QueryError
from doworld.query.goal import Range
from doworld.query.plain import Plain

__all__ = ["Case", "Chances", "Feedback", "Outcome", "Rules", "Strategy", "policy_words"]

Value = float | str | bool


def _no_function(value: Any) -> Any:
    if callable(value):
        raise QueryError(
            "a policy is plain data, and a function is given, which neither compiles into a "
            "rollout nor can be written down. Use Rules, Feedback, or a Case whose 'then' is one."
        )
    return value


def _chances(value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" not in value and "weights" not in value:
        total = sum(value.values()) if all(_is_number(v) for v in value.values()) else float("nan")
        if min(value.values(), default=-1) < 0 or not abs(total - 1) <= 1e-6:
            raise QueryError(
                f"the probabilities {dict(value)} sum to {total:g}. Give each level a number of at "
                "least 0, together 1."
            )
        return {str(level): chance for level, chance in value.items()}
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


Chances = dict[str, float]
"""The probability of each level; levels that are left out never come."""


class Feedback(Plain):
    """Linear state feedback: a = clip(bias + Σ_v weights_v · z_v, low, high).

    Of a binary variable it is 1 where the clipped number is at least ½. No action ever leaves its
    variable's bounds.

    >>> Feedback(weights={"theta": 10.0}, low=-1.0, high=1.0).bias
    0.0
    """

    kind: Literal["feedback"] = "feedback"
    weights: dict[str, float]
    bias: float = 0.0
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self):
        if self.low is not None and self.high is not None and self.low > self.high:
            raise QueryError(
                f"a feedback's low {self.low:g} is above its high {self.high:g}. Swap them."
            )
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """The variables that it looks at."""
        return tuple(self.weights)


Outcome = Annotated[Feedback | Value | Chances, BeforeValidator(_chances)]
"""What a case says: a value, the probability of each level, or a feedback law."""


class Case(Plain):
    """Where every variable of ``when`` is as said, the action is ``then``.

    ``when[name]`` is a level, several levels, or a range (low, high). ``then`` is a value, the
    probability of each level, or a ``Feedback``.

    >>> Case(when={"mode": ("off", "slow"), "T": (50, None)}, then=0.0).when["mode"]
    ('off', 'slow')
    """

    when: dict[str, Value | Range | tuple[str, ...]] = Field(default_factory=dict)
    then: Outcome


class Rules(Plain):
    """The action of the first case that applies, else ``otherwise``.

    >>> cool = Case(when={"T": (50, None)}, then=0.0)
    >>> Rules(cases=(cool,), otherwise=60.0).reads
    ('T',)
    """

    kind: Literal["rules"] = "rules"
    cases: tuple[Case, ...] = ()
    otherwise: Outcome

    @property
    def reads(self) -> tuple[str, ...]:
        """The variables that it looks at."""
        names = [n for case in self.cases for n in case.when]
        for outcome in (*(case.then for case in self.cases), self.otherwise):
            names += outcome.reads if isinstance(outcome, Feedback) else ()
        return tuple(dict.fromkeys(names))


Strategy = Annotated[
    Annotated[Rules | Feedback, Field(discriminator="kind")], BeforeValidator(_no_function)
]
"""A policy as data. It reads the row in which it acts, and of the variable itself the row before.

At row t a policy sees what the variables are at row t; what it makes of them acts from then on.
Where it reads the variable that follows it, it reads that variable's last value, at row t − 1.
"""


def policy_words(policy: Rules | Feedback) -> str:
    """A policy in a few words.

    >>> policy_words(Feedback(weights={"theta": 10.0, "omega": -1.0}, bias=0.5))
    '0.5 + 10 theta − 1 omega'
    """
    if isinstance(policy, Rules):
        count = len(policy.cases)
        seen = ", ".join(policy.reads) or "nothing"
        return f"{count} rule{'' if count == 1 else 's'} on {seen}"
    parts = [] if policy.bias == 0 and policy.weights else [f"{policy.bias:g}"]
    for name, weight in policy.weights.items():
        sign = "− " if weight < 0 else "+ " if parts else ""
        parts.append(f"{sign}{abs(weight):g} {name}")
    return " ".join(parts)
