"""What is wanted, as arrays: the cost of a row sequence and how far it breaks hard limits."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from doworld._core.errors import QueryError, SchemaError
from doworld.data import Kind, Role
from doworld.model.world import WorldModel
from doworld.query import Band, Goal

__all__ = ["AbstractCost", "CallableCost", "GoalCost", "Score", "goal_cost"]

OPEN = 1e30
"""Stands in for an open side of a band: infinite in effect, and no NaN when multiplied by 0."""


class Score(eqx.Module):
    """How good plans are: ``violation`` of hard limits counts first, ``cost`` among equals."""

    cost: Float[Array, "*plans"]
    violation: Float[Array, "*plans"]

    def better(self, other: "Score") -> Array:
        """Where this score comes before ``other``."""
        tie = self.violation == other.violation
        return (self.violation < other.violation) | (tie & (self.cost < other.cost))


class AbstractCost(eqx.Module):
    """The cost of rows 1…T in scaled units; an action stands in the row that it first acts on."""

    @abstractmethod
    def __call__(self, rows: Float[Array, "steps variables"]) -> Score:
        """Cost and violation of one row sequence."""


class GoalCost(AbstractCost):
    """A ``Goal`` as arrays, so that a second goal of the same shape compiles nothing.

    cost = Σ_t r_t Σ_v [ a_v e_v(t)² + k_v d_v(t)² + m_v z_v(t) ],  violation = Σ_t Σ_v h_v(t)

    with e the scaled distance to the target (0 or 1 for a nominal variable), d and h the scaled
    distances to the soft and hard band, and z in the variable's own unit.

    Attributes:
        row: r_t, the discount times the weight of the last row; 0 in rows that pad the horizon.
        active: 1 in rows that count, 0 in padding.
        target, target_weight: scaled target and a_v.
        keep_low, keep_high, keep_weight: scaled soft band and k_v.
        limit_low, limit_high: scaled hard band.
        slope: m_v times the variable's scale, negative to maximise.
        origin: m_v times the variable's center.
        nominal: 1 where values are names and distance means nothing.
    """

    row: Float[Array, " steps"]
    active: Float[Array, " steps"]
    target: Float[Array, " variables"]
    target_weight: Float[Array, " variables"]
    keep_low: Float[Array, " variables"]
    keep_high: Float[Array, " variables"]
    keep_weight: Float[Array, " variables"]
    limit_low: Float[Array, " variables"]
    limit_high: Float[Array, " variables"]
    slope: Float[Array, " variables"]
    origin: Float[Array, " variables"]
    nominal: Float[Array, " variables"]

    def parts(self, rows: Float[Array, "steps variables"]) -> Float[Array, "3 variables"]:
        """The cost by kind of term (target, keep, slope) and variable; its sum is the cost."""
        error = rows - self.target
        error = jnp.where(self.nominal > 0, (jnp.abs(error) > 0.5).astype(rows.dtype), error)
        outside = _outside(rows, self.keep_low, self.keep_high)
        terms = jnp.stack(
            [
                self.target_weight * error**2,
                self.keep_weight * outside**2,
                self.slope * rows + self.origin,
            ]
        )
        return jnp.einsum("t,ktv->kv", self.row, terms)

    def excess(self, rows: Float[Array, "steps variables"]) -> Float[Array, " variables"]:
        """Σ_t of the scaled distance beyond each variable's hard limit."""
        return self.active @ _outside(rows, self.limit_low, self.limit_high)

    def __call__(self, rows: Float[Array, "steps variables"]) -> Score:
        """Cost and violation of one row sequence; what is not a number is worse than any number."""
        finite = jnp.isfinite(rows)
        safe = jnp.clip(jnp.where(finite, rows, 0.0), -1e6, 1e6)
        broken = jnp.sum(~finite * self.active[:, None])
        return Score(jnp.sum(self.parts(safe)), jnp.sum(self.excess(safe)) + 1e6 * broken)


class CallableCost(AbstractCost):
    """A user's own cost in JAX operations: ``function(rows by name, raw units) -> cost per row``.

    Each array of ``rows`` has shape (T,): states and rewards of rows 1…T, and each action in the
    row that it first acts on, so that ``rows["x"][t]`` is what ``rows["force"][t]`` led to.
    """

    center: Float[Array, " variables"]
    scale: Float[Array, " variables"]
    names: tuple[str, ...] = eqx.field(static=True)
    function: Callable[[Mapping[str, Array]], Array] = eqx.field(static=True)

    def __call__(self, rows: Float[Array, "steps variables"]) -> Score:
        """Σ_t of the function's cost; what is not a number is worse than any number."""
        raw = rows * self.scale + self.center
        cost = jnp.asarray(self.function({n: raw[:, i] for i, n in enumerate(self.names)}))
        if cost.ndim > 1 or cost.shape not in ((), (rows.shape[0],)):
            raise QueryError(
                f"the objective returned an array of shape {cost.shape}. Return one cost a row, "
                f"shape ({rows.shape[0]},), or their sum."
            )
        total = jnp.sum(cost).astype(rows.dtype)
        finite = jnp.isfinite(total) & jnp.all(jnp.isfinite(rows))
        return Score(jnp.where(finite, total, 0.0), jnp.where(finite, 0.0, 1e6))


def _outside(rows: Array, low: Array, high: Array) -> Array:
    return jnp.maximum(low - rows, 0.0) + jnp.maximum(rows - high, 0.0)


def goal_cost(goal: Goal, model: WorldModel, horizon: int, padded: int) -> GoalCost:
    """The goal compiled for ``horizon`` rows in arrays of ``padded`` rows.

    Raises ``UnknownNameError`` for a variable that does not exist and ``QueryError`` for a goal
    that asks for nothing or weighs a variable that it does not name.
    """
    schema, size = model.schema, len(model.schema)
    _check(goal, model)
    arrays = {name: np.zeros(size) for name in ("target", "target_weight", "keep_weight", "slope")}
    origin = np.zeros(size)
    for name, wanted in _targets(goal, model).items():
        at = schema.position(name)
        arrays["target"][at] = (wanted - model.center[at]) / model.scale[at]
        arrays["target_weight"][at] = goal.weight.get(name, 1.0)
    for name in goal.keep:
        arrays["keep_weight"][schema.position(name)] = goal.weight.get(name, 1.0)
    for names, sign in ((goal.minimise, 1.0), (goal.maximise, -1.0)):
        for name in names:
            at, weight = schema.position(name), sign * goal.weight.get(name, 1.0)
            arrays["slope"][at] += weight * model.scale[at]
            origin[at] += weight * model.center[at]
    hard = {n: b for n, b in goal.limit.items() if schema[n].role is not Role.ACTION}
    keep_low, keep_high = _bands(goal.keep, model)
    limit_low, limit_high = _bands(hard, model)
    active = (np.arange(padded) < horizon).astype(float)
    row = active * goal.discount ** np.arange(padded)
    row[horizon - 1] *= goal.final
    nominal = np.array([v.kind is Kind.CATEGORICAL for v in schema.variables], float)
    return GoalCost(
        row=_single(row),
        active=_single(active),
        keep_low=keep_low,
        keep_high=keep_high,
        limit_low=limit_low,
        limit_high=limit_high,
        origin=_single(origin),
        nominal=_single(nominal),
        **{name: _single(array) for name, array in arrays.items()},
    )


def _single(array: np.ndarray) -> Float[Array, "..."]:
    return jnp.asarray(array, jnp.float32)


def _targets(goal: Goal, model: WorldModel) -> dict[str, float]:
    """Targets as stored numbers; an action that is only weighed should be 0: its effort costs."""
    named = {*goal.target, *goal.keep, *goal.maximise, *goal.minimise}
    effort = {n: 0.0 for n in goal.weight if n not in named}
    return {**effort, **{n: model.schema[n].code(v) for n, v in goal.target.items()}}


def _bands(bands: Mapping[str, Band], model: WorldModel):
    low, high = np.full(len(model.schema), -OPEN), np.full(len(model.schema), OPEN)
    for name, band in bands.items():
        at = model.schema.position(name)
        if band.low is not None:
            low[at] = (band.low - model.center[at]) / model.scale[at]
        if band.high is not None:
            high[at] = (band.high - model.center[at]) / model.scale[at]
    return _single(low), _single(high)


def _check(goal: Goal, model: WorldModel) -> None:
    schema = model.schema
    wanted = (*goal.target, *goal.keep, *goal.maximise, *goal.minimise)
    for name in (*wanted, *goal.limit, *goal.weight):
        variable = schema[name]
        nominal = variable.kind is Kind.CATEGORICAL
        if nominal and name not in goal.target:
            raise SchemaError(
                f"{name!r} is categorical, so more or less of it means nothing. "
                f"Name the category it should have: target={{{name!r}: ...}}."
            )
    for name, band in (*goal.keep.items(), *goal.limit.items()):
        if band.low is not None and band.high is not None and band.low > band.high:
            raise QueryError(f"the range of {name!r} has its lower end above its upper. Swap them.")
    if not (wanted or goal.limit or goal.weight):
        raise QueryError(
            "the goal asks for nothing. Give it target, keep, limit, maximise or minimise."
        )
    for name in goal.weight:
        if name not in wanted and schema[name].role is not Role.ACTION:
            raise QueryError(
                f"the goal weighs {name!r} but does not say what it should be. "
                "Name it in target, keep, maximise or minimise too."
            )
