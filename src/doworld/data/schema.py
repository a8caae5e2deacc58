"""What the columns of a log mean: variables with their roles and kinds, and the schema."""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from doworld._core.errors import SchemaError, UnknownNameError

__all__ = ["Kind", "Policy", "Role", "Schema", "Variable"]


class Role(StrEnum):
    """What a variable is in the world: what is, what is done, what is given, what is gained."""

    STATE = "state"
    ACTION = "action"
    CONTEXT = "context"
    REWARD = "reward"


class Kind(StrEnum):
    """What values a variable takes."""

    CONTINUOUS = "continuous"
    BINARY = "binary"
    CATEGORICAL = "categorical"
    COUNT = "count"


class Policy(StrEnum):
    """How the logged actions were chosen, which decides what the log can tell apart."""

    RANDOMISED = "randomised"
    KNOWN = "known"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Variable:
    """One column of a log.

    A categorical variable stores level codes 0…C−1 in a log's values; ``categories`` names them.
    A binary variable stores 0 and 1.

    >>> Variable("T1", unit="°C", bounds=(0, 100)).role
    <Role.STATE: 'state'>
    """

    name: str
    role: Role = Role.STATE
    kind: Kind = Kind.CONTINUOUS
    unit: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    categories: tuple[str, ...] = ()
    description: str = ""
    entity: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise SchemaError("a variable has an empty name. Give every column a name.")
        if self.bounds[0] > self.bounds[1]:
            raise SchemaError(
                f"variable {self.name!r} has bounds {self.bounds}, lower above upper. Swap them."
            )
        if self.kind is Kind.CATEGORICAL and not self.categories:
            raise SchemaError(
                f"categorical variable {self.name!r} names no categories. List them in the schema."
            )

    @property
    def levels(self) -> int:
        """How many levels a discrete variable has; 0 for a continuous one or a count."""
        if self.kind is Kind.CATEGORICAL:
            return len(self.categories)
        return 2 if self.kind is Kind.BINARY else 0

    def code(self, value: object) -> float:
        """The stored number of a value as people write it: a category's name becomes its code.

        Raises ``UnknownNameError`` for a category that does not exist and ``SchemaError`` for text
        where a number is meant.
        """
        if self.kind is Kind.CATEGORICAL:
            if str(value) in self.categories:
                return float(self.categories.index(str(value)))
            if isinstance(value, int | float) and value in range(len(self.categories)):
                return float(value)
            raise UnknownNameError(f"category of {self.name!r}", value, self.categories)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise SchemaError(
                f"{value!r} is not a number, and {self.name!r} is {self.kind.value}. "
                "Write a number" + (f" in {self.unit}." if self.unit else ".")
            ) from None
        if self.kind is Kind.BINARY and number not in (0.0, 1.0):
            raise SchemaError(f"{self.name!r} is binary and cannot be {value!r}. Use 0 or 1.")
        return number

    def label(self, code: float) -> object:
        """The value as people write it of a stored number; the inverse of ``code``."""
        if self.kind is Kind.CATEGORICAL and not math.isnan(code):
            return self.categories[int(code)]
        return code


@dataclass(frozen=True)
class Schema:
    """The variables of a log, its time step and its environments.

    ``step`` is the time between two rows in ``time_unit``; 0 marks a static table, whose rows are
    episodes of length one with contemporaneous edges only. ``time_column``, ``episode_column`` and
    ``environment_column`` are what the log's table called them, "" where it had none; another log
    of the same variables may call them otherwise, so they do not count in comparisons.
    """

    variables: tuple[Variable, ...]
    step: float = 1.0
    time_unit: str = "steps"
    environments: tuple[str, ...] = ("default",)
    policy: Policy = Policy.UNKNOWN
    time_column: str = field(default="", compare=False)
    episode_column: str = field(default="", compare=False)
    environment_column: str = field(default="", compare=False)
    index: dict[str, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        index = {v.name: i for i, v in enumerate(self.variables)}
        if len(index) < len(self.variables):
            names = [v.name for v in self.variables]
            twice = sorted({n for n in names if names.count(n) > 1})
            raise SchemaError(
                f"{', '.join(map(repr, twice))} is named more than once among the roles. "
                "Give each column exactly one role."
            )
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.variables)

    def __getitem__(self, name: str) -> Variable:
        """The variable called ``name``; raises ``UnknownNameError`` with near matches."""
        return self.variables[self.position(name)]

    def position(self, name: str) -> int:
        """The column of the variable called ``name``; raises ``UnknownNameError``."""
        if name not in self.index:
            raise UnknownNameError("variable", name, self.index)
        return self.index[name]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables' names in column order."""
        return tuple(v.name for v in self.variables)

    def of(self, *roles: Role) -> tuple[str, ...]:
        """The names of the variables with one of ``roles``, in column order."""
        return tuple(v.name for v in self.variables if v.role in roles)

    def positions(self, *roles: Role) -> list[int]:
        """The columns of the variables with one of ``roles``."""
        return [i for i, v in enumerate(self.variables) if v.role in roles]

    @property
    def static(self) -> bool:
        """Whether rows are independent units without time."""
        return self.step == 0

    def with_variable(self, variable: Variable) -> "Schema":
        """The same schema with the variable of that name replaced."""
        at = self.position(variable.name)
        parts = (*self.variables[:at], variable, *self.variables[at + 1 :])
        return replace(self, variables=parts)

    def to_dict(self) -> dict:
        """Plain data for JSON; unbounded sides become null."""
        return {
            "variables": [
                {
                    "name": v.name,
                    "role": v.role.value,
                    "kind": v.kind.value,
                    "unit": v.unit,
                    "bounds": [b if math.isfinite(b) else None for b in v.bounds],
                    "categories": list(v.categories),
                    "description": v.description,
                    "entity": v.entity,
                }
                for v in self.variables
            ],
            "step": self.step,
            "time_unit": self.time_unit,
            "environments": list(self.environments),
            "policy": self.policy.value,
            "time_column": self.time_column,
            "episode_column": self.episode_column,
            "environment_column": self.environment_column,
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Schema":
        """The inverse of ``to_dict``."""

        def variable(v: dict) -> Variable:
            low, high = v["bounds"]
            return Variable(
                name=v["name"],
                role=Role(v["role"]),
                kind=Kind(v["kind"]),
                unit=v["unit"],
                bounds=(
                    -math.inf if low is None else float(low),
                    math.inf if high is None else float(high),
                ),
                categories=tuple(v["categories"]),
                description=v["description"],
                entity=v["entity"],
            )

        return cls(
            variables=tuple(variable(v) for v in data["variables"]),
            step=float(data["step"]),
            time_unit=data["time_unit"],
            environments=tuple(data["environments"]),
            policy=Policy(data["policy"]),
            time_column=data.get("time_column", ""),
            episode_column=data.get("episode_column", ""),
            environment_column=data.get("environment_column", ""),
        )
