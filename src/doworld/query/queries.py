"""The questions, as plain data."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from doworld.query.given import Given
from doworld.query.goal import Goal
from doworld.query.intervention import Intervention

__all__ = ["Counterfactual", "Do", "Plan", "Predict", "Query"]


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class _Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Names = ()
    level: float = Field(default=0.9, gt=0, lt=1)
    samples: int = Field(default=256, ge=1, le=100_000)


class Predict(_Question):
    """Rung 1: what follows from this state, and these planned values of actions and context.

    ``planned[name][t]`` is the value at row t; where it ends, the last value is held.
    """

    kind: Literal["predict"] = "predict"
    given: Given
    planned: dict[str, tuple[float | str | bool, ...]] = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)


class Do(_Question):
    """Rung 2: what follows if we intervene."""

    kind: Literal["do"] = "do"
    given: Given
    interventions: tuple[Intervention, ...]
    planned: dict[str, tuple[float | str | bool, ...]] = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)


class Counterfactual(_Question):
    """Rung 3: what would have happened in THIS episode, had the interventions been made.

    Rows count from the episode's first row; the answer covers all its rows.
    """

    kind: Literal["counterfactual"] = "counterfactual"
    episode: Given
    interventions: tuple[Intervention, ...]


class CEM(BaseModel):
    """Cross-entropy method: refit a sampling distribution to its best plans (Rubinstein 1999)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cem"] = "cem"
    population: int = Field(default=256, ge=4)
    elites: int = Field(default=32, ge=2)
    iterations: int = Field(default=4, ge=1)


class ICEM(BaseModel):
    """Improved CEM: coloured noise, elites kept and shifted between steps (Pinneri et al. 2020)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["icem"] = "icem"
    population: int = Field(default=128, ge=4)
    elites: int = Field(default=16, ge=2)
    iterations: int = Field(default=3, ge=1)
    colour: float = Field(default=2.0, ge=0, description="β of the noise spectrum 1/f^β")
    kept: float = Field(default=0.3, ge=0, le=1, description="share of elites that is kept")


class MPPI(BaseModel):
    """Path-integral control: average plans by exp(−cost/temperature) (Williams et al. 2017)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mppi"] = "mppi"
    population: int = Field(default=256, ge=4)
    iterations: int = Field(default=3, ge=1)
    temperature: float = Field(default=0.1, gt=0, description="in standard deviations of cost")
    spread: float = Field(default=0.5, gt=0, description="noise, as a share of the action's range")


class Enumerate(BaseModel):
    """Exact search over all action sequences of a small discrete problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["enumerate"] = "enumerate"
    most: int = Field(default=65_536, ge=2, description="refuse above this many sequences")


Planner = Annotated[CEM | ICEM | MPPI | Enumerate, Field(discriminator="kind")]


class Plan(_Question):
    """Rung 2: which actions reach the objective under constraints.

    ``objective`` is a ``Goal`` as data. ``warm_start`` is an earlier plan's actions to begin from.
    """

    kind: Literal["plan"] = "plan"
    given: Given
    objective: Goal
    horizon: int = Field(default=30, ge=1, le=10_000)
    planner: Planner = Field(default_factory=ICEM)
    planned: dict[str, tuple[float | str | bool, ...]] = Field(default_factory=dict)
    warm_start: dict[str, tuple[float | str | bool, ...]] | None = None


Query = Annotated[Predict | Do | Counterfactual | Plan, Field(discriminator="kind")]


def parse(data: Any) -> Predict | Do | Counterfactual | Plan:
    """A query from plain data, by its ``kind``; raises pydantic's ``ValidationError``.

    >>> parse({"kind": "predict", "given": {"x": 1.0}}).horizon
    20
    """
    from pydantic import TypeAdapter

    return TypeAdapter(Query).validate_python(data)
