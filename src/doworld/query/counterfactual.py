"""Counterfactual: what would have happened in this episode, or in each of many, had it been so."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from doworld._core.errors import QueryError
from doworld.query.given import Past
from doworld.query.intervention import Interventions, _several
from doworld.query.question import Question
from doworld.query.words import phrase

__all__ = ["Counterfactual"]


def _named(value: Any) -> Any:
    """Alternatives by name; a list of them is named by what is done in each."""
    if not isinstance(value, list | tuple):
        return value
    out: dict[str, Any] = {}
    for number, each in enumerate(value, 1):
        done: Any = _several(each)
        words = [phrase(d) for d in done if not isinstance(d, Mapping)]
        name = "; ".join(words) or f"alternative {number}"
        out[name if name not in out else f"{name} ({number})"] = done
    return out


Alternatives = Annotated[dict[str, Interventions], BeforeValidator(_named)]


class Counterfactual(Question):
    """Rung 3: what would have happened in THIS episode, had the interventions been made.

    Rows count from the episode's first row; the answer covers all its rows. Every world shares the
    episode's own noise. A log of several episodes, or a table of several units, asks it of each:
    the answer then is the mean effect over them, and ``samples()`` has every one's own.

    Attributes:
        episode: an episode, rows of one, a table of its rows, or a log of many.
        interventions: what is done, in every alternative.
        alternatives: further worlds by name, each with what is done in it beside; the answer's
            series are the first one's, its details set all side by side.

    >>> from doworld.query import Set
    >>> asked = Counterfactual(
    ...     episode={"T": [1, 2]}, alternatives={"off": Set("Q", 0), "on": Set("Q", 1)}
    ... )
    >>> [len(done) for done in asked.worlds.values()]
    [1, 1]
    """

    kind: Literal["counterfactual"] = "counterfactual"
    episode: Past
    interventions: Interventions = ()
    alternatives: Alternatives = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something(self):
        if "interventions" not in self.model_fields_set and not self.alternatives:
            raise QueryError(
                "Counterfactual lacks 'interventions'. Give some, as in [Set('heater', 60)], or "
                "several worlds, as in alternatives={'off': [Set('heater', 0)]}."
            )
        return self

    @property
    def worlds(self) -> dict[str, Interventions]:
        """What is done in each world, by its name; the name of a single one is empty."""
        if not self.alternatives:
            return {"": self.interventions}
        return {n: (*self.interventions, *done) for n, done in self.alternatives.items()}
