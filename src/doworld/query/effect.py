"""Effects: what a treatment does to an outcome, in a population or part of one."""

from typing import Literal

from pydantic import Field

from doworld.query.goal import Range
from doworld.query.plain import Names
from doworld.query.question import Question

__all__ = ["Effect"]

Value = float | str | bool


class Effect(Question):
    """Rungs 2 and 3: the effect of ``treatment`` on ``outcome``.

    Attributes:
        estimand: ``ate`` E[Y(1) − Y(0)]; ``att`` the same among the treated (ETT); ``cate`` among
            those that ``given`` describes; ``dose`` E[Y(a)] over the values of ``levels``;
            ``nde``, ``nie``, ``cde`` through and past ``mediator``; ``pn``, ``ps``, ``pns`` the
            probabilities of necessity, sufficiency and both.
        levels: the values compared, control first; None takes the two levels, or two quantiles.
        given: levels or ranges of variables that describe a part of the population.
        mediator: on the way from treatment to outcome.
        adjust: the adjustment set; None lets the graph choose.
        lag: rows from treatment to outcome in a log over time.
    """

    kind: Literal["effect"] = "effect"
    treatment: str
    outcome: str
    estimand: Literal["ate", "att", "cate", "dose", "nde", "nie", "cde", "pn", "ps", "pns"] = "ate"
    levels: tuple[Value, ...] | None = None
    given: dict[str, Value | Range] = Field(default_factory=dict)
    mediator: Names = ()
    adjust: Names | None = None
    lag: int | None = Field(default=None, ge=0)
