"""Rule changes as plain data: what makes an imagined world another one."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from doworld._core.errors import QueryError
from doworld.query.intervention import Follow, _several
from doworld.query.plain import Plain
from doworld.query.policy import Feedback, Rules, Strategy, policy_words

__all__ = ["Alter", "Cut", "Link", "Replace", "Rule", "RuleChanges", "Swap", "Turn", "rule_words"]


class _Change(Plain):
    """Fields may be given in their order, without their names."""

    def __init__(self, *values: Any, **fields: Any) -> None:
        names = [f for f in type(self).model_fields if f != "kind"]
        if len(values) > len(names):
            raise QueryError(
                f"{type(self).__name__} takes {', '.join(names)}, and {len(values)} values are "
                "given. Drop what is too many."
            )
        given = dict(zip(names, values, strict=False))
        if twice := sorted(given.keys() & fields.keys()):
            raise QueryError(f"{type(self).__name__} has {twice[0]!r} twice. Give it once.")
        super().__init__(**given, **fields)


class Turn(_Change):
    """A constant of a law times ``factor``, or set to ``value``: gravity × 0.17.

    >>> Turn("theta_dot.c1", 0.17) == Turn(constant="theta_dot.c1", factor=0.17)
    True
    """

    kind: Literal["turn"] = "turn"
    constant: str
    factor: float | None = None
    value: float | None = None


class Alter(_Change):
    """z' = factor·f(parents, noise·u) + shift: a mechanism's output and noise scaled or moved."""

    kind: Literal["alter"] = "alter"
    variable: str
    factor: float = 1.0
    shift: float = 0.0
    noise: float = Field(default=1.0, ge=0)


class Replace(_Change):
    """The mechanism of ``variable`` gives way to a constant, a feedback or rules.

    They read the row that they make, and of the variable itself the row before.
    """

    kind: Literal["replace"] = "replace"
    variable: str
    by: float | str | bool | Strategy


class Cut(_Change):
    """No edge from ``source`` to ``target``, in whose mechanism it stands at ``hold``.

    Without ``hold`` that is the typical value of the log. ``lag`` None cuts the edge at every lag.
    """

    kind: Literal["cut"] = "cut"
    source: str
    target: str
    lag: int | None = Field(default=None, ge=0)
    hold: float | str | bool | None = None


class Link(_Change):
    """A new edge: ``coefficient``·source(t − lag) is added to the target, in their own units."""

    kind: Literal["link"] = "link"
    source: str
    target: str
    coefficient: float
    lag: int = Field(default=1, ge=0)


class Swap(_Change):
    """A context has another value than it was given, throughout."""

    kind: Literal["swap"] = "swap"
    context: str
    value: float | str | bool


Rule = Annotated[
    Turn | Alter | Replace | Cut | Link | Swap | Follow,
    Field(discriminator="kind"),
]


RuleChanges = Annotated[
    tuple[Rule, ...], BeforeValidator(lambda v: (v,) if isinstance(v, Plain) else _several(v))
]
"""Rule changes; a single one needs no list. ``Follow`` is an agent with another policy."""


def rule_words(rule: Rule) -> str:
    """A rule change in words.

    >>> rule_words(Turn(constant="v.c1", factor=0.17)), rule_words(Cut(source="a", target="v"))
    ('v.c1 × 0.17', 'a no longer acts on v')
    """
    if isinstance(rule, Turn):
        words = f"{rule.constant} × {rule.factor}" if rule.value is None else ""
        words = words or f"{rule.constant} = {rule.value:g}"
    elif isinstance(rule, Alter):
        parts = [f"{rule.variable} × {rule.factor:g}"] if rule.factor != 1 else []
        parts += [f"{rule.variable} {rule.shift:+g}"] if rule.shift else []
        parts += [f"noise of {rule.variable} × {rule.noise:g}"] if rule.noise != 1 else []
        words = ", ".join(parts) or f"{rule.variable} × 1"
    elif isinstance(rule, Replace):
        by = rule.by
        shown = policy_words(by) if isinstance(by, Rules | Feedback) else by
        words = f"{rule.variable} follows {shown} instead of its mechanism"
    elif isinstance(rule, Cut):
        at = "" if rule.lag is None else f" at lag {rule.lag}"
        words = f"{rule.source} no longer acts on {rule.target}{at}"
    elif isinstance(rule, Link):
        words = f"{rule.source} acts on {rule.target} by {rule.coefficient:g} at lag {rule.lag}"
    elif isinstance(rule, Swap):
        shown = f"{rule.value:g}" if type(rule.value) is float else rule.value
        words = f"{rule.context} is {shown}"
    else:
        words = f"{rule.variable} follows {policy_words(rule.policy)}"
    return words
