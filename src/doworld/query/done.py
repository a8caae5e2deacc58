"""Interventions as arrays: value = gain·natural + offset, row by row, in the variables' units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Kind, Schema, Variable
from doworld.query.intervention import Follow, Intervention, Scale, Set, Shift
from doworld.query.policy_arrays import PolicyArrays, compiled, decide, padded, value_of
from doworld.query.words import phrase

__all__ = ["Done", "arrays", "rows_of"]


@dataclass(frozen=True, eq=False)
class Done:
    """What is done in rows 0…T, in the variables' own units.

    Attributes:
        gain, offset: (1, 0) leaves a value alone, (0, v) sets it, (1, d) shifts, (f, 0) scales it.
        policies: what is followed, each after those whose choices it reads.
        on: where which policy is followed; its choice then takes the place of the natural value.
    """

    gain: Float[np.ndarray, "rows variables"]
    offset: Float[np.ndarray, "rows variables"]
    policies: tuple[PolicyArrays, ...] = ()
    on: Bool[np.ndarray, "rows policies"] = field(default_factory=lambda: np.zeros((0, 0), bool))

    @property
    def held(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a variable is set, so that its value is known beforehand."""
        return self.gain == 0

    @cached_property
    def followed(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a variable follows a policy."""
        out = np.zeros(self.gain.shape, bool)
        for number, policy in enumerate(self.policies):
            out[:, policy.variable] |= self.on[:, number]
        return out

    @property
    def cut(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a variable is set or follows a policy, so that its mechanism is not asked."""
        return self.held | self.followed

    @property
    def touched(self) -> Bool[np.ndarray, "rows variables"]:
        """Where anything is done at all."""
        return (self.gain != 1) | (self.offset != 0) | self.followed

    @cached_property
    def reads(self) -> Bool[np.ndarray, "policies variables"]:
        """Which variables each policy looks at."""
        seen = [
            (np.isfinite(p.low) | np.isfinite(p.high) | (p.weights != 0)).any(0)
            for p in self.policies
        ]
        return np.array(seen, bool).reshape(len(self.policies), self.gain.shape[1])

    @property
    def chance(self) -> bool:
        """Whether a policy draws what it does."""
        return any((p.drawn > 0).any() for p in self.policies)

    def stacked(self) -> tuple[PolicyArrays, Bool[np.ndarray, "rows p"]]:
        """All policies as one, and where each is on; their number is padded to a power of two."""
        size = 1 << (len(self.policies) - 1).bit_length()
        spare = size - len(self.policies)
        every = padded((*self.policies, *self.policies[:1] * spare))
        return every, np.pad(self.on, ((0, 0), (0, spare)))

    def apply(
        self,
        values: Float[np.ndarray, "some variables"],
        row: int = 0,
        *,
        before: Float[np.ndarray, " variables"] | None = None,
        luck: Float[np.ndarray, "some policies"] | None = None,
    ) -> Float[np.ndarray, "some variables"]:
        """``values`` of rows ``row``, ``row``+1, … after the interventions on them.

        Every row is taken as it is: a policy sees ``values``, not what follows from its choices.
        ``before`` is the row before the first, which else stands in for it; ``luck`` in [0, 1)
        picks what is drawn, a half where it is not given. NaN where a policy reads NaN.
        """
        rows = slice(row, row + len(values))
        gain, offset = self.gain[rows], self.offset[rows]
        out = gain * values + offset
        previous = np.concatenate([values[:1] if before is None else before[None], values[:-1]])
        for number, policy in enumerate(self.policies):
            at, on = int(policy.variable), self.on[rows, number]
            own = np.full(len(values), 0.5) if luck is None else luck[:, number]
            chosen = self.choice(number, out, previous, own)
            out[:, at] = np.where(on, gain[:, at] * chosen + offset[:, at], out[:, at])
        return out

    def choice(
        self,
        number: int,
        rows: Float[np.ndarray, "some variables"],
        before: Float[np.ndarray, "some variables"],
        luck: Float[np.ndarray, " some"],
    ) -> Float[np.ndarray, " some"]:
        """What policy ``number`` makes of rows, of its own variable of the rows ``before`` them."""
        policy = self.policies[number]
        seen = rows.copy()
        seen[:, policy.variable] = before[:, policy.variable]
        unknown = np.isnan(seen[:, self.reads[number]]).any(1)
        return np.where(unknown, np.nan, decide(policy, seen, luck))

    def differs(
        self, logged: Float[np.ndarray, "rows variables"]
    ) -> Bool[np.ndarray, "rows variables"]:
        """Where what is done would not be what was logged; a drawn choice always may."""
        done = self.apply(logged)
        out = self.touched & ~np.isclose(done, logged, rtol=1e-9, atol=0.0)
        for number, policy in enumerate(self.policies):
            if (policy.drawn > 0).any():
                out[:, policy.variable] |= self.on[:, number]
        return out


def arrays(schema: Schema, interventions: Sequence[Intervention], rows: int) -> Done:
    """The interventions on rows 0…``rows``−1, composed in the order they are listed.

    Raises ``UnknownNameError`` for an unknown variable or category, ``SchemaError`` for a value of
    the wrong kind, and ``QueryError`` for rows outside the question, values outside the bounds,
    arithmetic on categories, two different values or policies for one variable at one row, and
    policies that wait for each other's choice.
    """
    gain, offset = np.ones((rows, len(schema))), np.zeros((rows, len(schema)))
    follows: list[tuple[Follow, np.ndarray]] = []
    for each in interventions:
        at = schema.position(each.variable)
        variable = schema.variables[at]
        where = rows_of(each, rows)
        if isinstance(each, Follow):
            _only(each, where, follows, where[gain[where, at] == 0])
            follows.append((each, where))
            gain[where, at], offset[where, at] = 1.0, 0.0
        elif isinstance(each, Set):
            value = value_of(variable, each.value)
            clash = where[(gain[where, at] == 0) & (offset[where, at] != value)]
            if len(clash):
                raise QueryError(
                    f"{each.variable!r} is set to two values at row {clash[0]}: "
                    f"{variable.label(offset[clash[0], at])} and {each.value}. Keep one."
                )
            _only(each, where, follows, where[:0])
            gain[where, at], offset[where, at] = 0.0, value
        else:
            factor, by = _arithmetic(variable, each)
            gain[where, at] *= factor
            offset[where, at] = offset[where, at] * factor + by
    policies, on = _ordered(schema, follows, rows)
    return Done(gain, offset, policies, on)


def rows_of(each: Intervention, rows: int) -> np.ndarray:
    """The rows of 0…``rows``−1 in which an intervention acts; raises ``QueryError`` for others."""
    if each.at is None:
        return np.arange(rows)
    outside = [r for r in each.at if not 0 <= r < rows]
    if outside:
        raise QueryError(
            f"{phrase(each)} is outside the question, whose rows are 0…{rows - 1} "
            "(row 0 is the last given row, or an episode's first). "
            "Change its rows or the horizon."
        )
    return np.unique(np.array(each.at, int))


def _only(
    each: Set | Follow,
    where: np.ndarray,
    follows: Sequence[tuple[Follow, np.ndarray]],
    held: np.ndarray,
) -> None:
    """Raises where a variable is set and follows a policy, or follows two, at one row."""
    for other, rows in follows:
        both = np.intersect1d(where, rows)
        if other.variable != each.variable or not len(both):
            continue
        if isinstance(each, Set):
            held = both
        elif other.policy != each.policy:
            raise QueryError(f"{each.variable!r} follows two policies at row {both[0]}. Keep one.")
    if len(held):
        raise QueryError(
            f"{each.variable!r} is set and follows a policy at row {held[0]}. Keep one."
        )


def _ordered(
    schema: Schema, follows: Sequence[tuple[Follow, np.ndarray]], rows: int
) -> tuple[tuple[PolicyArrays, ...], np.ndarray]:
    """The policies, each after those whose choices it reads, and where each is on."""
    waiting, ordered = list(follows), []
    while waiting:
        open_names = {f.variable for f, _ in waiting}
        ready = [w for w in waiting if not open_names & (set(w[0].policy.reads) - {w[0].variable})]
        if not ready:
            names = " and ".join(sorted(open_names))
            raise QueryError(
                f"the policies of {names} read each other's choice in the same row, so neither "
                "comes first. Let one of them read something else."
            )
        ordered += ready
        waiting = [w for w in waiting if not any(w is r for r in ready)]
    on = np.zeros((rows, len(ordered)), bool)
    for number, (_, where) in enumerate(ordered):
        on[where, number] = True
    for each, _ in ordered:
        if schema.static and each.variable in each.policy.reads:
            raise QueryError(
                f"the policy of {each.variable!r} reads its own last value, and a table has no "
                "row before. Let it read other variables."
            )
    return tuple(compiled(schema, f.variable, f.policy) for f, _ in ordered), on


def _arithmetic(variable: Variable, each: Shift | Scale) -> tuple[float, float]:
    number = each.by if isinstance(each, Shift) else each.factor
    if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
        levels = ", ".join(variable.categories) or "0, 1"
        raise QueryError(
            f"{variable.name!r} is {variable.kind.value}, and levels cannot be shifted or scaled. "
            f"Use Set with one of: {levels}."
        )
    if not np.isfinite(number):
        raise QueryError(f"{phrase(each)} is not a finite number. Give one.")
    return (1.0, each.by) if isinstance(each, Shift) else (each.factor, 0.0)
