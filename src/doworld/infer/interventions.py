"""Interventions as arrays: value = gain·natural + offset, row by row, in the variables' units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Kind, Schema, Variable
from doworld.infer.reach import Reach
from doworld.query import Follow, Intervention, Scale, Set, Shift
from doworld.query.words import phrase

__all__ = ["Done", "arrays", "idle"]


@dataclass(frozen=True, eq=False)
class Done:
    """What is done in rows 0…T, in the variables' own units.

    Attributes:
        gain, offset: (1, 0) leaves a value alone, (0, v) sets it, (1, d) shifts, (f, 0) scales it.
    """

    gain: Float[np.ndarray, "rows variables"]
    offset: Float[np.ndarray, "rows variables"]

    @property
    def cut(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a variable is set, so that its mechanism is not asked."""
        return self.gain == 0

    @property
    def touched(self) -> Bool[np.ndarray, "rows variables"]:
        """Where anything is done at all."""
        return (self.gain != 1) | (self.offset != 0)

    def apply(
        self, values: Float[np.ndarray, "some variables"], row: int = 0
    ) -> Float[np.ndarray, "some variables"]:
        """``values`` of rows ``row``, ``row``+1, … after the interventions on them."""
        rows = slice(row, row + len(values))
        return self.gain[rows] * values + self.offset[rows]


def arrays(schema: Schema, interventions: Sequence[Intervention], rows: int) -> Done:
    """The interventions on rows 0…``rows``−1, composed in the order they are listed.

    Raises ``UnknownNameError`` for an unknown variable or category, ``SchemaError`` for a value of
    the wrong kind, and ``QueryError`` for rows outside the question, values outside the bounds,
    arithmetic on categories, and two different values for one variable at one row.
    """
    done = Done(np.ones((rows, len(schema))), np.zeros((rows, len(schema))))
    for each in interventions:
        at = schema.position(each.variable)
        variable = schema.variables[at]
        where = _rows(each, rows)
        if isinstance(each, Set):
            value = _value(variable, each)
            clash = where[(done.gain[where, at] == 0) & (done.offset[where, at] != value)]
            if len(clash):
                raise QueryError(
                    f"{each.variable!r} is set to two values at row {clash[0]}: "
                    f"{variable.label(done.offset[clash[0], at])} and {each.value}. Keep one."
                )
            done.gain[where, at], done.offset[where, at] = 0.0, value
        elif isinstance(each, Follow):
            raise QueryError("a policy cannot be followed here yet. Use Set, Shift or Scale.")
        else:
            factor, by = _arithmetic(variable, each)
            done.gain[where, at] *= factor
            done.offset[where, at] = done.offset[where, at] * factor + by
    return done


def _rows(each: Intervention, rows: int) -> np.ndarray:
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


def _value(variable: Variable, each: Set) -> float:
    value = variable.code(each.value)
    low, high = variable.bounds
    if not np.isfinite(value):
        raise QueryError(f"{each.variable!r} cannot be set to {each.value}. Give a finite number.")
    if not variable.levels and not low <= value <= high:
        unit = f" {variable.unit}" if variable.unit else ""
        raise QueryError(
            f"{each.variable!r} cannot be set to {each.value}{unit}: its bounds are "
            f"{low:g}…{high:g}{unit}. Set it inside them, or widen the bounds in the schema."
        )
    return value


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


def idle(
    schema: Schema,
    interventions: Sequence[Intervention],
    natural: Float[np.ndarray, "rows variables"],
    reach: Reach,
    targets: Sequence[int],
) -> list[str]:
    """One sentence for every intervention that cannot change a target, and why.

    ``natural`` holds what each variable would be, NaN where only a rollout can tell.
    """
    out = []
    for n, each in enumerate(interventions):
        at, where = schema.position(each.variable), _rows(each, len(natural))
        after = arrays(
            schema,
            [
                s
                for s in interventions[n + 1 :]
                if isinstance(s, Set) and s.variable == each.variable
            ],
            len(natural),
        )
        quick = reach.delay[at, list(targets)].min()
        alone = arrays(schema, [each], len(natural))
        if not len(where):
            out.append(f"{phrase(each)} names no row, so it changes nothing.")
        elif not isinstance(each, Set) and after.cut[where, at].all():
            out.append(f"{phrase(each)} changes nothing: a later Set of it takes its place.")
        elif np.array_equal(alone.apply(natural)[where, at], natural[where, at]):
            out.append(f"{phrase(each)} changes nothing: that is what {each.variable} is anyway.")
        elif not np.isfinite(quick):
            names = ", ".join(schema.names[t] for t in targets)
            out.append(f"{phrase(each)} changes nothing here: it has no path to {names}.")
        elif where.min() + quick >= len(natural):
            out.append(
                f"{phrase(each)} changes nothing here: it acts {quick:g} rows later, after the end."
            )
    return out
