"""Imagine: the world with other rules."""

from typing import Literal

from pydantic import Field

from doworld.query.given import Given, Planned
from doworld.query.intervention import Interventions
from doworld.query.question import Question
from doworld.query.rule import RuleChanges

__all__ = ["Imagine"]


class Imagine(Question):
    """Rung 2: what follows in a world with other rules.

    Interventions, planned actions and contexts are the same in the old world and the new one.
    """

    kind: Literal["imagine"] = "imagine"
    given: Given
    rules: RuleChanges = ()
    interventions: Interventions = ()
    planned: Planned = Field(default_factory=dict)
    horizon: int = Field(default=20, ge=1, le=100_000)
