"""Objectives as data: what is wanted of which variable, and what must never happen."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from doworld.query.plain import Names, Plain

__all__ = ["Band", "Goal"]


def _band(value: object) -> object:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"a range is (low, high), and {value!r} has {len(value)} entries")
        return {"low": value[0], "high": value[1]}
    return value


class Band(BaseModel):
    """Values from ``low`` to ``high``; None leaves a side open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float | None = None
    high: float | None = None


Range = Annotated[Band, BeforeValidator(_band)]


class Goal(Plain):
    """An objective over the rows 1…horizon of a plan, as data.

    cost = Σ_t γᵗ [ Σ_v w_v ((z_v − target_v)/s_v)² + Σ_v w_v·(distance to band_v / s_v)²
                   − Σ_v w_v z_v for maximise + Σ_v w_v z_v for minimise ]

    where s_v is the variable's standard deviation in the log and w_v its weight (1 unless given).

    Attributes:
        target: value that each variable should have; a category by its name.
        keep: range that each variable should stay in; leaving it costs, softly.
        limit: range that it must never leave; a plan that leaves it is infeasible.
        maximise, minimise: variables to make large or small, in their own units.
        weight: importance by variable name; actions may be named here to make effort cost.
        discount: γ per step.
        final: how many times more the last row counts than the others.

    >>> Goal(target={"T1": 45.0}, limit={"T1": (None, 60.0)}).limit["T1"].high
    60.0
    """

    target: dict[str, float | str | bool] = Field(default_factory=dict)
    keep: dict[str, Range] = Field(default_factory=dict)
    limit: dict[str, Range] = Field(default_factory=dict)
    maximise: Names = ()
    minimise: Names = ()
    weight: dict[str, float] = Field(default_factory=dict)
    discount: float = Field(default=1.0, gt=0, le=1)
    final: float = Field(default=1.0, ge=0)
