"""Imagine: the world with other rules."""

from typing import Literal

from pydantic import Field

from doworld.query.given import Given, Planned
from doworld.query.intervention import Interventions
from doworld.query.question import Question

__all__ = ["Imagine"]


class Imagine(Question):
    """Rung 2: what follows in a world with other rules."""

    kind: Literal["imagine"] = "imagine"
    given: Given
    interventions: Interventions = ()
    planned: Planned = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)
