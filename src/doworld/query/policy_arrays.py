"""Policies as arrays: one table of cases a policy, evaluated alike by NumPy and JAX."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doworld._core.errors import QueryError
from doworld.data import Kind, Schema, Variable
from doworld.query.goal import Band
from doworld.query.policy import Feedback, Rules

__all__ = ["PolicyArrays", "compiled", "decide", "padded", "value_of"]

MOST = 4096
"""Cases that a policy may have once its sets of levels are written out."""

SLACK = 1e-6
"""How far below or above a limit still counts as on it, so that rounding decides nothing."""


class PolicyArrays(NamedTuple):
    """P policies of at most C cases over V variables; the first case that fits decides.

    a = clip(bias_c + Σ_v weights_cv z_v, least_c, most_c), or a drawn level where ``drawn``, with
    c the first case whose ranges low ≤ z ≤ high all hold; the last case always fits.

    Attributes:
        variable: the column that follows.
        low, high: the range of every variable in every case.
        weights, bias, least, most: the affine outcome of every case and its clip.
        chance: cumulative probability of the levels.
        drawn: 1 where the case draws a level.
        whole: 1 where the outcome is 0 or 1 (a binary variable).
    """

    variable: Int[Any, "*p"]
    low: Float[Any, "*p cases variables"]
    high: Float[Any, "*p cases variables"]
    weights: Float[Any, "*p cases variables"]
    bias: Float[Any, "*p cases"]
    least: Float[Any, "*p cases"]
    most: Float[Any, "*p cases"]
    chance: Float[Any, "*p cases levels"]
    drawn: Float[Any, "*p cases"]
    whole: Float[Any, "*p"]

    def one(self, number: int) -> "PolicyArrays":
        """The policy ``number`` alone."""
        return PolicyArrays(*(leaf[number] for leaf in self))

    def scaled(
        self, center: Float[np.ndarray, " variables"], scale: Float[np.ndarray, " variables"]
    ) -> "PolicyArrays":
        """The same policies over scaled values (z − center)/scale."""
        own, unit = center[self.variable][:, None], scale[self.variable][:, None]
        low, high = (self.low - center) / scale, (self.high - center) / scale
        return self._replace(
            low=low - SLACK * (1 + np.abs(np.nan_to_num(low, posinf=0, neginf=0))),
            high=high + SLACK * (1 + np.abs(np.nan_to_num(high, posinf=0, neginf=0))),
            weights=self.weights * scale / unit[..., None],
            bias=(self.bias + (self.weights * center).sum(-1) - own) / unit,
            least=(self.least - own) / unit,
            most=(self.most - own) / unit,
        )


def decide(
    policy: PolicyArrays, row: Float[Any, "*batch variables"], luck: Float[Any, "*batch"]
) -> Float[Any, "*batch"]:
    """What one policy makes of ``row``; ``luck`` in [0, 1) picks the level where one is drawn.

    NumPy and JAX arrays alike. A NaN that the policy does not read does not matter.
    """
    xp = row.__array_namespace__()
    outside = (row[..., None, :] < policy.low) | (row[..., None, :] > policy.high)
    case = xp.argmax(~xp.any(outside, axis=-1), axis=-1)
    weights = policy.weights[case]
    told = xp.sum(xp.where(weights != 0, weights * row, 0.0), axis=-1) + policy.bias[case]
    value = xp.clip(told, policy.least[case], policy.most[case])
    value = xp.where(policy.whole > 0, xp.floor(value + 0.5), value)
    level = xp.sum(policy.chance[case][..., :-1] <= luck[..., None], axis=-1)
    return xp.where(policy.drawn[case] > 0, level.astype(value.dtype), value)


def padded(policies: Sequence[PolicyArrays]) -> PolicyArrays:
    """Several policies as one, cases padded to a power of two, so that programs are re-used.

    What is padded comes after the case that always fits, and is never reached.
    """
    cases = max(4, 1 << (max(len(p.bias) for p in policies) - 1).bit_length())

    def stacked(name: str) -> np.ndarray:
        leaves = [np.asarray(getattr(p, name)) for p in policies]
        if name in ("variable", "whole"):
            return np.stack(leaves)
        wide = [((0, cases - len(leaf)), *((0, 0),) * (leaf.ndim - 1)) for leaf in leaves]
        return np.stack([np.pad(a, w, mode="edge") for a, w in zip(leaves, wide, strict=True)])

    return PolicyArrays(*map(stacked, PolicyArrays._fields))


def compiled(schema: Schema, name: str, policy: Rules | Feedback) -> PolicyArrays:
    """The policy that ``name`` follows, as arrays in the variables' own units.

    Raises ``UnknownNameError`` for an unknown variable or level, ``SchemaError`` for a value of the
    wrong kind, and ``QueryError`` for empty ranges, values outside the bounds, and arithmetic on
    levels.
    """
    table = _Table(schema, schema[name])
    if isinstance(policy, Rules):
        for case in policy.cases:
            table.add(case.when, case.then)
        table.add({}, policy.otherwise)
    else:
        table.add({}, policy)
    return table.arrays()


@dataclass
class _Table:
    """The cases of one policy while they are collected."""

    schema: Schema
    own: Variable
    rows: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add(self, when: dict, then: Any) -> None:
        """One case, written out where it names sets of levels."""
        sides = {self.schema.position(n): self._ranges(n, said) for n, said in when.items()}
        size = len(self.schema)
        outcome = self._outcome(then)
        for ends in product(*sides.values()):
            low, high = np.full(size, -np.inf), np.full(size, np.inf)
            for at, (a, b) in zip(sides, ends, strict=True):
                low[at], high[at] = a, b
            self.rows.append((low, high, *outcome))
            if len(self.rows) > MOST:
                raise QueryError(
                    f"the policy of {self.own.name!r} has more than {MOST} cases once its sets of "
                    "levels are written out. Give ranges or fewer cases."
                )

    def _ranges(self, name: str, said: Any) -> list[tuple[float, float]]:
        variable = self.schema[name]
        if not isinstance(said, Band):
            levels = said if isinstance(said, tuple) else (said,)
            if not levels:
                raise QueryError(
                    f"a case of {self.own.name!r} names no level of {name!r}. Name one."
                )
            codes = [variable.code(level) for level in levels]
            return [(code, code) for code in codes]
        if variable.kind is Kind.CATEGORICAL:
            raise QueryError(
                f"{name!r} is categorical, and a case of {self.own.name!r} gives a range of it. "
                f"Name levels: {', '.join(variable.categories)}."
            )
        low = -np.inf if said.low is None else said.low
        high = np.inf if said.high is None else said.high
        if not low <= high:
            raise QueryError(
                f"a case of {self.own.name!r} asks for {name!r} in {low:g}…{high:g}, which is "
                "empty. Swap the ends."
            )
        return [(low, high)]

    def _outcome(self, then: Any) -> tuple[np.ndarray, ...]:
        """weights, bias, least, most, cumulative chance, drawn."""
        own, zeros = self.own, np.zeros(len(self.schema))
        sure = np.ones(_levels(self.schema))
        if isinstance(then, Feedback):
            return (*self._feedback(then), sure, np.zeros(1))
        if isinstance(then, dict):
            chance = self._chances(then)
            if chance.max() < 1:
                end = np.minimum(np.cumsum(chance), 1.0)
                end[np.flatnonzero(chance)[-1] :] = 1.0  # rounding leaves no chance to the rest
                return (zeros, *np.zeros((3, 1)), end, np.ones(1))
            then = own.label(float(chance.argmax()))
        value = np.array([value_of(own, then)])
        return zeros, value, value, value, sure, np.zeros(1)

    def _feedback(self, law: Feedback) -> tuple[np.ndarray, ...]:
        own, weights = self.own, np.zeros(len(self.schema))
        if own.kind is Kind.CATEGORICAL:
            raise QueryError(
                f"{own.name!r} is categorical, and a feedback gives numbers. Use Rules with its "
                f"levels: {', '.join(own.categories)}."
            )
        for name, weight in law.weights.items():
            if self.schema[name].kind is Kind.CATEGORICAL:
                raise QueryError(
                    f"{name!r} is categorical and cannot be weighed in a feedback. Use Rules with "
                    f"cases of its levels: {', '.join(self.schema[name].categories)}."
                )
            weights[self.schema.position(name)] = weight
        numbers = [law.bias, *law.weights.values()]
        if not np.isfinite(numbers).all():
            raise QueryError(f"the feedback of {own.name!r} holds no finite number. Give one.")
        least, most = (0.0, 1.0) if own.kind is Kind.BINARY else own.bounds
        low = least if law.low is None else max(least, law.low)
        high = most if law.high is None else min(most, law.high)
        if low > high:
            raise QueryError(
                f"the feedback of {own.name!r} lies in {law.low}…{law.high}, outside its bounds "
                f"{least:g}…{most:g}. Give limits inside them."
            )
        return weights, np.array([law.bias]), np.array([low]), np.array([high])

    def _chances(self, then: dict[str, float]) -> np.ndarray:
        own = self.own
        if not own.levels:
            raise QueryError(
                f"{own.name!r} is {own.kind.value}, and probabilities need levels. Give it a value "
                "or a Feedback."
            )
        chance = np.zeros(_levels(self.schema))
        for level, probability in then.items():
            chance[int(own.code(level))] += probability
        return chance

    def arrays(self) -> PolicyArrays:
        """The collected cases."""
        low, high, weights, *numbers = (np.stack(c) for c in zip(*self.rows, strict=True))
        bias, least, most, chance, drawn = numbers
        return PolicyArrays(
            variable=np.asarray(self.schema.position(self.own.name)),
            low=low,
            high=high,
            weights=weights,
            bias=bias[:, 0],
            least=least[:, 0],
            most=most[:, 0],
            chance=chance,
            drawn=drawn[:, 0],
            whole=np.asarray(float(self.own.kind is Kind.BINARY)),
        )


def _levels(schema: Schema) -> int:
    """Levels of the widest variable, so that all policies of a schema have one shape."""
    return max([2, *(v.levels for v in schema.variables)])


def value_of(variable: Variable, value: Any, *, what: str = "set to") -> float:
    """The stored number of a value that a variable is given, checked against its bounds."""
    code = variable.code(value)
    low, high = variable.bounds
    if not np.isfinite(code):
        raise QueryError(f"{variable.name!r} cannot be {what} {value}. Give a finite number.")
    if not variable.levels and not low <= code <= high:
        unit = f" {variable.unit}" if variable.unit else ""
        raise QueryError(
            f"{variable.name!r} cannot be {what} {value}{unit}: its bounds are "
            f"{low:g}…{high:g}{unit}. Set it inside them, or widen the bounds in the schema."
        )
    return code
