"""Which column of a table plays which part: the roles that every reader takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from doworld._core.errors import SchemaError, UnknownNameError
from doworld.data.schema import Policy, Role, Variable

__all__ = ["Roles", "as_names"]


def as_names(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """One name, several names or none as a tuple.

    >>> as_names("x"), as_names(["x", "y"]), as_names(None)
    (('x',), ('x', 'y'), ())
    """
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


@dataclass(frozen=True)
class Roles:
    """The part each column of a table plays.

    Attributes:
        state, action, context, reward: the variables' columns.
        episode: column that names a row's episode; None: see ``doworld.data.frame``.
        time: column of time stamps: numbers, datetimes, or text that can be read as such.
        environment: column that names the environment, constant within an episode.
        propensity: column with the probability of the logged action under the logging policy.
        terminated, truncated: boolean columns, true on an episode's last row.
        policy: how the logged actions were chosen.
        step: time between two rows where no column tells; also makes rows without episode and
            time one long series.
        time_unit: unit of a numeric time column; None: read off its name, "s" for datetimes.
        variables: kind, unit, bounds, categories and words of single variables, by name; the role
            still comes from the lists above.
        kind_inferred: names in ``variables`` whose kind and categories are left to the data.

    >>> Roles(state=("T1",), action=("Q1",), time="t").columns
    ('T1', 'Q1', 't')
    """

    state: tuple[str, ...]
    action: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    reward: tuple[str, ...] = ()
    episode: str | None = None
    time: str | None = None
    environment: str | None = None
    propensity: str | None = None
    terminated: str | None = None
    truncated: str | None = None
    policy: Policy = Policy.UNKNOWN
    step: float | None = None
    time_unit: str | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)
    kind_inferred: frozenset[str] = frozenset()

    @property
    def role_of(self) -> dict[str, Role]:
        """The role of every variable, in column order; raises ``SchemaError`` for two roles."""
        lists = {
            Role.STATE: self.state,
            Role.ACTION: self.action,
            Role.CONTEXT: self.context,
            Role.REWARD: self.reward,
        }
        found: dict[str, Role] = {}
        for role, names in lists.items():
            for name in names:
                if name in found:
                    where = (
                        f"twice among the {role.value} columns"
                        if found[name] is role
                        else f"as {found[name].value} and as {role.value}"
                    )
                    raise SchemaError(f"column {name!r} is named {where}. Give it one role.")
                found[name] = role
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is needed, each once."""
        index = (
            self.episode,
            self.time,
            self.environment,
            self.propensity,
            self.terminated,
            self.truncated,
        )
        return tuple(dict.fromkeys([*self.role_of, *(name for name in index if name is not None)]))

    def check(self, available: Sequence[str]) -> None:
        """Raises ``UnknownNameError`` or ``SchemaError`` where these roles do not fit a table."""
        role_of = self.role_of
        if not self.state:
            raise SchemaError(
                "no state column is named, so there is nothing to model. "
                "Name at least one: state=['temperature']."
            )
        for name in self.columns:
            if name not in available:
                raise UnknownNameError("column", name, available)
        for name in self.variables:
            if name not in role_of:
                raise UnknownNameError("variable with a role", name, role_of)
        single = {
            "episode": self.episode,
            "time": self.time,
            "propensity": self.propensity,
            "terminated": self.terminated,
            "truncated": self.truncated,
        }
        for part, name in single.items():
            if name is not None and name in role_of and not self._may_share(part, name):
                raise SchemaError(
                    f"column {name!r} is named as {role_of[name].value} and as {part}. "
                    "Give it one role."
                )
        if self.step is not None and not self.step >= 0:
            raise SchemaError(f"step is {self.step}. Give a positive number, or 0 for a table.")

    def _may_share(self, part: str, name: str) -> bool:
        return part == "time" and name in self.context
