"""From a question to the world it is asked of: what is given, planned and done, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Role, Schema
from doworld.infer.actions import natural
from doworld.infer.history import Filled, fill, table
from doworld.infer.interventions import check_order, idle
from doworld.infer.reach import Reach
from doworld.model.dynamics import Followed, World
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Intervention, Rows
from doworld.query.done import Done, arrays

__all__ = ["Setup", "prepare", "sweeps", "targets_of"]

ASSUMED = 0.5
"""How far a typical value is trusted that stands in for one nobody gave."""


@dataclass(frozen=True, eq=False)
class Setup:
    """A question as arrays, in the variables' own units.

    Attributes:
        targets: the columns that are asked about.
        first, last: the rows that are generated; a static table generates row 0, else 1…last.
        logged, logged_from: the given rows, rewards aligned, NaN where missing, and the number of
            the first of them.
        window: rows 0, −1, … −(L−1), the newest first, after the interventions on row 0.
        before: row −1 as it was given, or row 0 where it was not.
        exogenous: actions and contexts of rows first…last where nobody intervenes.
        done: the interventions on rows 0…last.
        evidence: a static table's given states, which hold as they are.
        trust: 1 where row 0 was given, less where a typical value stands in.
        assumptions, warnings: what had to be assumed, in words.
    """

    model: WorldModel
    reach: Reach
    targets: tuple[int, ...]
    first: int
    last: int
    logged: Float[np.ndarray, "given variables"]
    window: Float[np.ndarray, "lags variables"]
    before: Float[np.ndarray, " variables"]
    exogenous: Float[np.ndarray, "steps variables"]
    done: Done
    evidence: Bool[np.ndarray, " variables"]
    trust: Float[np.ndarray, " variables"]
    logged_from: int = 0
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """How many rows are generated."""
        return self.last - self.first + 1

    @property
    def names(self) -> tuple[str, ...]:
        """The targets' names."""
        return tuple(self.model.schema.names[t] for t in self.targets)

    def world(self) -> World:
        """The same in scaled units, padded to a bucket of rows so that programs are re-used."""
        model = self.model
        rows = slice(self.first, self.last + 1)
        gain = self.done.gain[rows].copy()
        offset = gain * model.center + self.done.offset[rows] - model.center
        offset = offset / model.scale
        exogenous = model.scaled(self.exogenous)
        held = self.evidence & ~self.done.touched[0]
        gain[0, held], offset[0, held] = 0.0, exogenous[0, held]
        size = 1 if model.schema.static else bucket(self.steps)
        return World(
            window=_single(model.scaled(self.window)),
            exogenous=_padded(exogenous, size, 0.0),
            gain=_padded(gain, size, 1.0),
            offset=_padded(offset, size, 0.0),
            followed=self._followed(size) if self.done.policies else None,
        )

    def _followed(self, size: int) -> Followed:
        """The policies in scaled units, their luck an even half until it is drawn."""
        model, done = self.model, self.done
        policies, on = done.stacked()
        if model.schema.static:  # a table has no row before the one that is generated
            on = np.concatenate([np.zeros_like(on[:1]), on])
        on = _padded(on, size + 1, 0.0)
        offset = done.gain[0] * model.center + done.offset[0] - model.center
        return Followed(
            policies=jax.tree.map(_exact, policies.scaled(model.center, model.scale)),
            on=on,
            luck=jnp.full(on.shape, 0.5),
            before=_single(model.scaled(self.before)),
            gain=_single(done.gain[0]),
            offset=_single(offset / model.scale),
            sweeps=sweeps(self.model, self.reach, self.done),
        )


def sweeps(model: WorldModel, reach: Reach, done: Done) -> int:
    """How often a row is worked through until every policy has seen what it reads."""
    order, now = np.asarray(model.dynamics.order), reach.acts[..., 0]
    followed = [int(p.variable) for p in done.policies]
    for reads, own in zip(done.reads, followed, strict=True):
        heirs = now[own] & ~np.isin(np.arange(len(order)), followed)
        others = reads & (np.arange(len(order)) != own)
        if heirs.any() and others.any() and order[heirs].min() <= order[others].max():
            return len(followed) + 1
    return 1


def _single(array: np.ndarray) -> Array:
    return jnp.asarray(np.asarray(array, np.float32))


def _exact(array: np.ndarray) -> Array:
    """Whole numbers as they are, others in single precision."""
    whole = np.issubdtype(np.asarray(array).dtype, np.integer)
    return jnp.asarray(array, jnp.int32) if whole else _single(array)


def _padded(rows: np.ndarray, size: int, value: float) -> Array:
    pad = np.full((size - len(rows), rows.shape[1]), value)
    return _single(np.concatenate([rows, pad]))


def targets_of(schema: Schema, names: Sequence[str]) -> tuple[int, ...]:
    """The columns of the named targets, all states where none is named."""
    return tuple(schema.position(n) for n in names or schema.of(Role.STATE))


def prepare(
    model: WorldModel,
    given: Rows,
    *,
    horizon: int,
    target: Sequence[str] = (),
    planned: Mapping[str, tuple[float | str | bool, ...]] | None = None,
    interventions: Sequence[Intervention] = (),
) -> Setup:
    """The world of a question that starts at the last given row.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a question that is not well
    formed, with the fix.
    """
    schema, lags = model.schema, model.dynamics.max_lag
    if schema.static and given.length > 1:
        raise QueryError(
            "the model is of a static table, whose rows are units without time, and "
            f"{given.length} rows are given. Ask about one row at a time."
        )
    targets = targets_of(schema, target)
    first, last = (0, 0) if schema.static else (1, horizon)
    logged = table(schema, given)
    filled = fill(logged, model.typical)
    values, told = natural(schema, planned or {}, filled.values[-1], last + 1)
    done = arrays(schema, interventions, last + 1)
    own = Reach.of(model)
    check_order(schema, done, own)
    reach = own.following(done)
    window = _window(filled.values, lags)
    before = filled.values[-2:][0]
    if lags:
        window[0] = done.apply(values[:1], before=before)[0]
    would_be = _known(schema, values, ~filled.gap[-1], told.any(0) | ~filled.never)
    relevant = reach.ancestors(list(targets))
    states = set(schema.positions(Role.STATE))
    never = np.array([filled.never[i] and i in states for i in range(len(schema))])
    evidence = np.zeros(len(schema), bool)
    if schema.static:
        evidence[sorted(states)] = ~filled.gap[-1][sorted(states)]
        never[:] = False
    notes = _Notes(model, reach, relevant, filled, told, done)
    return Setup(
        model=model,
        reach=reach,
        targets=targets,
        first=first,
        last=last,
        logged=logged,
        window=window,
        before=before,
        exogenous=values[first:],
        done=done,
        evidence=evidence,
        trust=np.where(never & ~done.cut[0], ASSUMED, 1.0),
        logged_from=1 - len(logged),
        assumptions=(*notes.history(), *notes.exogenous()),
        warnings=(
            *idle(schema, interventions, would_be, reach, targets),
            *notes.absent(),
            *notes.bounds(would_be),
        ),
    )


def _window(values: np.ndarray, lags: int) -> np.ndarray:
    """The last rows, the newest first; the oldest stands in for what lies before it."""
    return values[np.maximum(len(values) - 1 - np.arange(lags), 0)].copy()


def _known(schema: Schema, values: np.ndarray, given: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """What variables would be without interventions; NaN where only a rollout can tell.

    A typical value that stands in for an action or context nobody ``stated`` is not known either.
    """
    known = values.copy()
    known[:, ~stated] = np.nan
    states = schema.positions(Role.STATE, Role.REWARD)
    known[1:, states] = np.nan
    known[0, [i for i in states if not given[i]]] = np.nan
    return known


@dataclass(frozen=True, eq=False)
class _Notes:
    """What had to be assumed about the given rows, among the variables that matter."""

    model: WorldModel
    reach: Reach
    relevant: list[int]
    filled: Filled
    told: Bool[np.ndarray, "rows variables"]
    done: Done

    def _of(self, *roles: Role) -> list[int]:
        return [i for i in self.model.schema.positions(*roles) if i in self.relevant]

    def value(self, column: int, value: float) -> str:
        """A value with its unit, as people write it."""
        variable = self.model.schema.variables[column]
        label = variable.label(value)
        text = f"{label:g}" if isinstance(label, float) else str(label)
        return f"{variable.name} = {text}" + (f" {variable.unit}" if variable.unit else "")

    def history(self) -> list[str]:
        """Rows that mechanisms look back on and nobody gave."""
        if self.model.schema.static:
            return []
        back = [k for k in range(2, self.reach.acts.shape[2]) if self.reach.acts[..., k].any()]
        rows, out = len(self.filled.values), []
        if back and rows < max(back):
            given = "1 row was" if rows == 1 else f"{rows} rows were"
            out.append(
                f"The mechanisms look back {max(back)} rows and only {given} given: "
                "the oldest is taken to hold before it."
            )
        recent = self.filled.gap[-max(self.model.dynamics.max_lag, 1) :]
        gaps = [i for i in self._of(Role.STATE) if recent[:, i].any() and not self.filled.never[i]]
        if gaps:
            out.append(f"Missing in the given rows, nearest known value used: {self._names(gaps)}.")
        return out

    def exogenous(self) -> list[str]:
        """Actions and contexts beyond what was given or planned."""
        typical, held = [], []
        rows = len(self.told)
        for i in self._of(Role.ACTION, Role.CONTEXT):
            lags = np.flatnonzero(self.reach.acts[i].any(0))
            needed = np.zeros(rows, bool)
            if len(lags):
                needed[: max(rows - int(lags.min()), 0)] = True
            open_rows = needed & ~self.told[:, i] & ~self.done.cut[:, i]
            if not open_rows.any():
                continue
            begins = int(np.flatnonzero(open_rows)[0])
            if self.told[:begins, i].any() or not self.filled.never[i]:
                open_rows[0] &= bool(self.filled.gap[-1, i])
                if open_rows.any():
                    held.append(i)
            else:
                typical.append(i)
        out = []
        if typical:
            values = ", ".join(self.value(i, float(self.model.typical[i])) for i in typical)
            out.append(f"Never given, so typical of the log: {values}.")
        if held:
            out.append(f"Held at the last known value where not planned: {self._names(held)}.")
        return out

    def absent(self) -> list[str]:
        """States that nobody gave."""
        if self.model.schema.static:
            return []
        out = []
        for i in self._of(Role.STATE):
            if self.filled.never[i] and not self.done.cut[0, i]:
                typical = self.value(i, float(self.model.typical[i]))
                out.append(f"{self.model.schema.names[i]} was not given: typical {typical} used.")
        return out

    def bounds(self, known: np.ndarray) -> list[str]:
        """Given, planned or shifted values outside a variable's bounds."""
        out = []
        for i, variable in enumerate(self.model.schema.variables):
            low, high = variable.bounds
            values = self.done.apply(known)[:, i]
            if (values < low).any() or (values > high).any():
                worst = values[np.nanargmax(np.maximum(low - values, values - high))]
                out.append(
                    f"{self.value(i, float(worst))} is outside the bounds {low:g}…{high:g} of "
                    f"{variable.name}: the log holds no such value."
                )
        return out

    def _names(self, columns: list[int]) -> str:
        return ", ".join(self.model.schema.names[i] for i in columns)
