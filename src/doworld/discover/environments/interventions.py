"""What was done in each environment of a log, as far as people know it."""

from collections.abc import Mapping
from dataclasses import dataclass

from doworld._core.errors import SchemaError, UnknownNameError
from doworld.data import Role, Schema

__all__ = ["Altered", "Interventions", "Replaced", "Target"]


@dataclass(frozen=True)
class Replaced:
    """A hard intervention: here the variable no longer listens to its causes (do-like).

    >>> Replaced("valve").variable
    'valve'
    """

    variable: str


@dataclass(frozen=True)
class Altered:
    """A soft intervention: here the variable still listens to its causes, but otherwise.

    >>> Altered("enzyme").variable
    'enzyme'
    """

    variable: str


Target = Replaced | Altered
"""One variable acted on, and how."""


@dataclass(frozen=True)
class Interventions:
    """Which variables each environment is known to act on.

    Environments that are not named may act on anything, which the data then tell; one named with
    nothing was left to itself. That a variable is not named leaves open whether its mechanism
    differs there too: people know what they did, seldom what else they did with it.

    Attributes:
        of: for each environment, by name, what it acts on.

    Raises:
        SchemaError: a variable is named twice for one environment.

    >>> known = Interventions({"placebo": (), "drug": (Altered("pressure"),)})
    >>> known.on("drug")
    (Altered(variable='pressure'),)
    """

    of: Mapping[str, tuple[Target, ...]]

    def __post_init__(self) -> None:
        for place, targets in self.of.items():
            names = [t.variable for t in targets]
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise SchemaError(
                    f"{twice[0]!r} is named twice for environment {place!r}. Say once whether it "
                    "is Replaced or Altered there."
                )

    def on(self, environment: str) -> tuple[Target, ...]:
        """What is known to be acted on in an environment; nothing where it is not named."""
        return tuple(self.of.get(environment, ()))

    def replaced(self, variable: str) -> frozenset[str]:
        """The environments in which ``variable`` does not listen to its causes."""
        return frozenset(e for e, targets in self.of.items() if Replaced(variable) in targets)

    def altered(self, variable: str) -> frozenset[str]:
        """The environments in which ``variable`` listens to its causes otherwise."""
        return frozenset(e for e, targets in self.of.items() if Altered(variable) in targets)

    def check(self, schema: Schema) -> None:
        """Raises ``UnknownNameError`` and ``SchemaError`` where the log knows nothing of it."""
        for place, targets in self.of.items():
            if place not in schema.environments:
                raise UnknownNameError("environment", place, schema.environments)
            for target in targets:
                if schema[target.variable].role is Role.CONTEXT:
                    raise SchemaError(
                        f"{target.variable!r} is said to be acted on in {place!r}, but it is a "
                        "context, which nothing in the log causes. Drop it, or make it a state."
                    )
