"""The questions, as plain data."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from doworld.query.blame import Blame
from doworld.query.counterfactual import Counterfactual
from doworld.query.effect import Effect
from doworld.query.given import Given, Planned
from doworld.query.goal import Goal
from doworld.query.imagine import Imagine
from doworld.query.intervention import Interventions
from doworld.query.plain import Plain, mistake
from doworld.query.policy_value import PolicyValue
from doworld.query.question import Question

__all__ = ["Do", "Plan", "Predict", "Query"]


class Predict(Question):
    """Rung 1: what follows from this state, and these planned values of actions and context.

    ``planned[name][t]`` is the value at row t; where it ends, the last value is held.
    """

    kind: Literal["predict"] = "predict"
    given: Given
    planned: Planned = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)


class Do(Question):
    """Rung 2: what follows if we intervene."""

    kind: Literal["do"] = "do"
    given: Given
    interventions: Interventions
    planned: Planned = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)


class _Search(Plain):
    """What planners share; a search runs on the model's ensemble, so its size is its cost.

    Attributes:
        draws: futures that every plan is judged by, spread over the ensemble's members.
        pessimism: κ in mean + κ·standard deviation of the members' expected costs.
    """

    draws: int = Field(default=5, ge=1, le=10_000)
    pessimism: float = Field(default=0.0, ge=0)


class _Sampler(_Search):
    """What planners that sample share.

    Attributes:
        population: plans per iteration; iterations: how often the distribution is refitted.
        spread: standard deviation of first draws, as a share of the action's range.
        forget: share of the uniform distribution mixed into level chances between two steps.
    """

    population: int = Field(default=256, ge=8)
    iterations: int = Field(default=4, ge=1)
    spread: float = Field(default=0.3, gt=0)
    forget: float = Field(default=0.3, ge=0, le=1)


class _EliteSampler(_Sampler):
    elites: int = Field(default=16, ge=2)

    @model_validator(mode="after")
    def _fits(self):
        if self.elites > self.population // 2:
            raise ValueError(
                f"{self.elites} elites of {self.population} plans leave nothing to choose. "
                "Use at most half of the population."
            )
        return self


class CEM(_EliteSampler):
    """Cross-entropy method: refit a sampling distribution to its best plans (Rubinstein 1999)."""

    kind: Literal["cem"] = "cem"
    elites: int = Field(default=32, ge=2)


class ICEM(_EliteSampler):
    """Improved CEM: coloured noise, elites kept and shifted between steps (Pinneri et al. 2020).

    The defaults are for a controller that plans again at every step: larger ones won nothing on
    CartPole and Pendulum (returns 500 and −100 with 32 plans × 2 futures and with 64 × 5).
    """

    kind: Literal["icem"] = "icem"
    population: int = Field(default=32, ge=8)
    elites: int = Field(default=4, ge=2)
    iterations: int = Field(default=3, ge=1)
    draws: int = Field(default=2, ge=1, le=10_000)
    colour: float = Field(default=2.0, ge=0, description="β of the noise spectrum 1/f^β")
    kept: float = Field(default=0.3, ge=0, le=1, description="share of elites that is kept")
    momentum: float = Field(default=0.1, ge=0, lt=1, description="share of the old distribution")


class MPPI(_Sampler):
    """Path-integral control: average plans by exp(−cost/temperature) (Williams et al. 2017)."""

    kind: Literal["mppi"] = "mppi"
    temperature: float = Field(default=0.1, gt=0, description="in standard deviations of cost")
    colour: float = Field(default=1.0, ge=0, description="β of the noise spectrum 1/f^β")
    floor: float = Field(default=0.1, ge=0, le=1, description="uniform share of level chances")


class Enumerate(_Search):
    """Exact search over all action sequences of a small discrete problem."""

    kind: Literal["enumerate"] = "enumerate"
    most: int = Field(default=65_536, ge=2, le=2**24, description="refuse above this many")


Planner = Annotated[CEM | ICEM | MPPI | Enumerate, Field(discriminator="kind")]


class Plan(Question):
    """Rung 2: which actions reach the objective under constraints.

    ``objective`` is a ``Goal`` as data. ``warm_start`` is an earlier plan's actions to begin from.
    The planner searches longer than a controller's default, since it is asked once.
    """

    kind: Literal["plan"] = "plan"
    given: Given
    objective: Goal
    horizon: int = Field(default=30, ge=1, le=10_000)
    planner: Planner = Field(
        default_factory=lambda: ICEM(population=512, elites=32, iterations=16, draws=8)
    )
    planned: Planned = Field(default_factory=dict)
    warm_start: Planned | None = None


Query = Annotated[
    Predict | Do | Counterfactual | Plan | Effect | PolicyValue | Blame | Imagine,
    Field(discriminator="kind"),
]


def parse(data: Any) -> Any:
    """A query from plain data, by its ``kind``; raises ``QueryError``.

    >>> parse({"kind": "predict", "given": {"x": 1.0}}).horizon
    20
    """
    try:
        return TypeAdapter(Query).validate_python(data)
    except ValidationError as error:
        raise mistake("the question", error) from None
