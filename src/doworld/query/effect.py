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
            those that ``given`` describes, or in the strata of each variable adjusted for;
            ``dose`` E[Y(a)] over the values of ``levels``; ``nde`` E[Y(1, M(0)) − Y(0)] and
            ``nie`` E[Y(0, M(1)) − Y(0)], past and through ``mediator`` (Pearl 2001), ``cde`` with
            it held; ``pn``, ``ps``, ``pns`` the probabilities of necessity,
            sufficiency and both.
        levels: the values compared, control first; None takes the two levels, or the quartiles of
            a number.
        event: the level of a categorical outcome whose probability is meant.
        given: levels or ranges of variables that describe a part of the population; for ``cde``
            also the level that the mediator is held at.
        mediator: on the way from treatment to outcome.
        adjust: the adjustment set; None lets the graph choose.
        instrument: moves the treatment and the outcome only by it; none lets the graph choose.
        negative_controls: what the treatment cannot move, for refutation, beside the graph's own.
        population: ``all`` rows, or those with ``overlap``, whose treatment could have been other.
        lag: rows from treatment to outcome in a log over time; None takes the graph's shortest.
        error: standard deviation of the outcome's error where the logged outcome is itself a
            prediction; predictions shrink towards the mean, and so do effects on them.

    >>> Effect(treatment="drug", outcome="pressure", level=0.95).estimand
    'ate'
    """

    kind: Literal["effect"] = "effect"
    treatment: str
    outcome: str
    estimand: Literal["ate", "att", "cate", "dose", "nde", "nie", "cde", "pn", "ps", "pns"] = "ate"
    levels: tuple[Value, ...] | None = None
    event: Value | None = None
    given: dict[str, Value | Range] = Field(default_factory=dict)
    mediator: Names = ()
    adjust: Names | None = None
    instrument: Names = ()
    negative_controls: Names = ()
    population: Literal["all", "overlap"] = "all"
    lag: int | None = Field(default=None, ge=0)
    error: float | None = Field(default=None, gt=0)
