"""What can be done: the planned actions with their bounds and levels, as arrays."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from doworld._core.errors import QueryError
from doworld.data import Kind, Role, Variable
from doworld.model.dynamics import World
from doworld.model.world import WorldModel
from doworld.query import Band

__all__ = ["Actions", "Space", "actions_of"]

FEW = 16
"""A count of at most this many levels is searched level by level, above it as a rounded number."""


class Space(eqx.Module):
    """The actions to choose: A variables over T steps, in scaled units.

    Step t of an action stands in row t, from where it acts on row t+1; an action that acts within
    its own row (lag 0) stands in row t+1 instead, since row 0 has already happened.

    Attributes:
        columns: each action's column.
        late: 1 where step t stands in row t+1.
        low, high: bounds.
        discrete: 1 where the action has levels.
        values: each level's value; padding repeats the last level.
        levels: how many levels the action has; 1 where it is continuous.
        unit, zero: size of one whole number and where 0 is, for rounded counts; unit 0 elsewhere.
        hold: the last known value, which doing nothing keeps.
        horizon: how many of the T steps count; the others pad.
    """

    columns: Int[Array, " actions"]
    late: Int[Array, " actions"]
    low: Float[Array, " actions"]
    high: Float[Array, " actions"]
    discrete: Float[Array, " actions"]
    values: Float[Array, "actions choices"]
    levels: Int[Array, " actions"]
    unit: Float[Array, " actions"]
    zero: Float[Array, " actions"]
    hold: Float[Array, " actions"]
    horizon: Int[Array, ""]

    def uniform(self) -> Float[Array, "actions choices"]:
        """Equal chances for every level."""
        open_ = jnp.arange(self.values.shape[1]) < self.levels[:, None]
        return open_ / self.levels[:, None]

    def within(self, values: Float[Array, "*batch actions"]) -> Float[Array, "*batch actions"]:
        """Continuous values moved to the nearest allowed one."""
        whole = self.unit > 0
        unit = jnp.where(whole, self.unit, 1.0)
        rounded = jnp.round((values - self.zero) / unit) * unit + self.zero
        return jnp.clip(jnp.where(whole, rounded, values), self.low, self.high)

    def lay(self, world: World, plan: Float[Array, "steps actions"]) -> World:
        """The world in which ``plan`` is carried out."""
        steps = plan.shape[0]
        row = jnp.clip(jnp.arange(steps + 1)[:, None] - self.late, 0, steps - 1)
        rows = jnp.take_along_axis(plan, row, axis=0)
        exogenous = world.exogenous.at[:, self.columns].set(rows[1:])
        window = world.window
        if window.shape[0]:
            first = jnp.where(self.late > 0, window[0, self.columns], rows[0])
            window = window.at[0, self.columns].set(first)
        return World(window=window, exogenous=exogenous, gain=world.gain, offset=world.offset)

    def judged(self, rows: Float[Array, "steps variables"], plan: Float[Array, "steps actions"]):
        """The rows with each action in the row that it first acts on."""
        return rows.at[:, self.columns].set(plan)


@dataclass(frozen=True)
class Actions:
    """The planned actions by name, beside their arrays."""

    names: tuple[str, ...]
    space: Space


def actions_of(
    model: WorldModel,
    *,
    fixed: Collection[str],
    hold: Float[np.ndarray, " variables"],
    limits: Mapping[str, Band],
    horizon: int,
) -> Actions:
    """The action variables that are not ``fixed``, with bounds from the schema, else the log.

    ``hold`` is the last known value of every variable in its own unit. Raises ``QueryError`` where
    nothing is left to choose or the limits leave no value.
    """
    schema = model.schema
    names = tuple(n for n in schema.of(Role.ACTION) if n not in fixed)
    if not names:
        raise QueryError(
            "there is no action to plan: the model has no action variable that is not already "
            "in 'planned'. Give the log's actions the role 'action', or plan fewer of them."
        )
    choices = [_choices(model, n, limits.get(n, Band())) for n in names]
    widest = 1 << max(max(len(c) for c in choices) - 1, 0).bit_length()
    at = [schema.position(n) for n in names]
    center, scale = model.center[at], model.scale[at]
    low, high = zip(*(_range(model, n, limits.get(n, Band())) for n in names), strict=True)
    padded = [
        np.pad(c, (0, widest - len(c)), mode="edge") if len(c) else [0.0] * widest for c in choices
    ]
    rounded = [
        schema[n].kind is Kind.COUNT and not len(c) for n, c in zip(names, choices, strict=True)
    ]

    def single(array) -> Float[Array, "..."]:
        return jnp.asarray(array, jnp.float32)

    space = Space(
        columns=jnp.array(at, jnp.int32),
        late=jnp.array([_acts_at_once(model, n) for n in names], jnp.int32),
        low=single((np.array(low) - center) / scale),
        high=single((np.array(high) - center) / scale),
        discrete=single([len(c) > 0 for c in choices]),
        values=single((np.array(padded) - center[:, None]) / scale[:, None]),
        levels=jnp.array([max(len(c), 1) for c in choices], jnp.int32),
        unit=single(np.where(rounded, 1 / scale, 0.0)),
        zero=single(-center / scale),
        hold=single((_nearest(hold[at], choices, low, high) - center) / scale),
        horizon=jnp.int32(horizon),
    )
    return Actions(names, space)


def _acts_at_once(model: WorldModel, name: str) -> bool:
    return any(lag == 0 for _, lag in model.graph.children(name))


def _range(model: WorldModel, name: str, limit: Band) -> tuple[float, float]:
    """Bounds from the schema, else the log's range, narrowed by a hard limit."""
    variable, at = model.schema[name], model.schema.position(name)
    low, high = variable.bounds
    if variable.levels:
        low, high = 0.0, variable.levels - 1.0
    low = low if np.isfinite(low) else float(model.reference.low[at])
    high = high if np.isfinite(high) else float(model.reference.high[at])
    low = low if limit.low is None else max(low, limit.low)
    high = high if limit.high is None else min(high, limit.high)
    if not low <= high:
        raise QueryError(
            f"the limit of {name!r} leaves no value: its bounds are "
            f"{model.schema[name].bounds}. Widen the limit or the variable's bounds."
        )
    return low, high


def _choices(model: WorldModel, name: str, limit: Band) -> np.ndarray:
    """The levels of a discrete action or a small count; none where it is continuous."""
    variable: Variable = model.schema[name]
    low, high = _range(model, name, limit)
    if not variable.levels and variable.kind is not Kind.COUNT:
        return np.zeros(0)
    levels = np.arange(np.ceil(low), np.floor(high) + 1)
    if variable.kind is Kind.COUNT and len(levels) > FEW:
        return np.zeros(0)
    if not len(levels):
        raise QueryError(f"the limit of {name!r} leaves no level. Widen it.")
    return levels


def _nearest(hold: np.ndarray, choices, low, high) -> np.ndarray:
    out = np.clip(hold, low, high)
    for i, levels in enumerate(choices):
        if len(levels):
            out[i] = levels[np.argmin(np.abs(levels - hold[i]))]
    return out
