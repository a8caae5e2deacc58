"""A model and an objective as a policy: observe, plan ahead, act, and plan again."""

from collections import deque
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from doworld._core.devices import prepare
from doworld._core.errors import DataError, UnknownNameError
from doworld.data import Kind, Role
from doworld.model.world import WorldModel
from doworld.plan.belief import blank, mixing
from doworld.plan.objective import AbstractCost, CallableCost, goal_cost
from doworld.plan.planners import colour_of, planner_of
from doworld.plan.search import AFRESH, SHIFTED, Problem, search
from doworld.plan.setup import world_of
from doworld.plan.space import Actions, actions_of
from doworld.query import CEM, ICEM, MPPI, Enumerate, Goal

__all__ = ["Controller", "controller"]

Observation = np.ndarray | Mapping[str, object]


class Controller:
    """A policy for Gymnasium loops that plans anew at every step (model predictive control).

    Call it with an observation: an array in the order of the schema's state variables, or values
    by name. It returns an int for one discrete action and a float32 array otherwise. Between calls
    it keeps the history that the model looks back on and the last plan, moved on by a step; call
    ``reset()`` when an episode ends. One program is compiled, on the first call.

    Attributes:
        plan: the actions of the last plan by name, from now on, in their own units.
        cost, violation: what the last plan is expected to cost, and by how much (scaled, summed
            over rows) it is expected to break hard limits.
    """

    def __init__(
        self,
        model: WorldModel,
        cost: AbstractCost,
        actions: Actions,
        *,
        planner: CEM | ICEM | MPPI | Enumerate,
        horizon: int,
        seed: int,
        context: Mapping[str, object],
    ) -> None:
        self._model, self._actions, self._horizon = model, actions, horizon
        self._planner, self._settings = planner_of(planner, actions), planner
        self._states = model.schema.of(Role.STATE)
        self._at = np.array(model.schema.positions(Role.STATE))
        self._columns = np.asarray(actions.space.columns)
        self._late = np.asarray(actions.space.late) > 0
        self._context = {
            model.schema.position(n): model.schema[n].code(v) for n, v in context.items()
        }
        self._fixed = jax.device_put(
            (
                model.dynamics,
                actions.space,
                cost,
                jnp.asarray(mixing(horizon, colour_of(planner))),
                jnp.float32(planner.pessimism),
            )
        )
        self._key = jax.random.key(seed)
        self._rows: deque[np.ndarray] = deque(maxlen=max(model.dynamics.max_lag, 1))
        self.reset()

    def reset(self, context: Mapping[str, object] | None = None) -> None:
        """Forgets history and plan; ``context`` replaces values that were given before."""
        for name, value in (context or {}).items():
            variable = _context_of(self._model, name)
            self._context[variable] = self._model.schema[name].code(value)
        self._rows.clear()
        self._begun = np.full(int(self._late.sum()), np.nan)
        self._belief = blank(self._actions.space, self._horizon, self._planner.elites)
        self._mode, self._steps = AFRESH, 0
        self.plan: dict[str, np.ndarray] = {}
        self.cost, self.violation = float("nan"), float("nan")

    def __call__(self, observation: Observation) -> int | Float[np.ndarray, " actions"]:
        """The first action of the best plan from here."""
        self._rows.append(self._row(observation))
        world = world_of(self._model, np.stack(self._rows), self._horizon)
        dynamics, space, cost, mix, pessimism = self._fixed
        problem = Problem(
            dynamics=dynamics,
            world=world,
            space=space,
            cost=cost,
            mix=mix,
            pessimism=pessimism,
        )
        self._belief = search(
            problem,
            self._belief,
            self._mode,
            planner=self._planner,
            draws=self._settings.draws,
            key=_seed(self._key, self._steps),
        )
        self._mode, self._steps = SHIFTED, self._steps + 1
        return self._act()

    def _row(self, observation: Observation) -> np.ndarray:
        schema = self._model.schema
        row = np.full(len(schema), np.nan)
        for at, value in self._context.items():
            row[at] = value
        row[self._columns[self._late]] = self._begun
        if isinstance(observation, Mapping):
            for name, value in observation.items():
                row[schema.position(name)] = schema[name].code(value)
            return row
        flat = np.asarray(observation, float).reshape(-1)
        if len(flat) != len(self._at):
            raise DataError(
                f"the observation has {len(flat)} numbers, but the model has {len(self._at)} "
                f"states: {', '.join(self._states)}. Give them in this order, or a dict by name."
            )
        row[self._at] = flat
        return row

    def _act(self) -> int | Float[np.ndarray, " actions"]:
        schema, names = self._model.schema, self._actions.names
        best, score = jax.device_get((self._belief.best, self._belief.score))
        scale, center = self._model.scale[self._columns], self._model.center[self._columns]
        plan = best.astype(np.float64) * scale + center
        self.plan = {n: plan[:, i] for i, n in enumerate(names)}
        self.cost, self.violation = float(score.cost), float(score.violation)
        # an action that acts within its own row stands in the row that it brings about
        self._rows[-1][self._columns[~self._late]] = plan[0, ~self._late]
        self._begun = plan[0, self._late]
        kinds = [schema[n].kind for n in names]
        if len(names) == 1 and kinds[0] is not Kind.CONTINUOUS:
            return round(plan[0, 0])
        if Kind.CONTINUOUS not in kinds:
            return np.round(plan[0]).astype(np.int64)
        return plan[0].astype(np.float32)


def _seed(key, step: int):
    return jax.random.fold_in(key, step)


def _context_of(model: WorldModel, name: str) -> int:
    known = model.schema.of(Role.CONTEXT)
    if name not in known:
        raise UnknownNameError("context variable", name, known)
    return model.schema.position(name)


def controller(
    model: WorldModel,
    objective: Goal | Callable[[Mapping[str, jax.Array]], jax.Array],
    *,
    planner: CEM | ICEM | MPPI | Enumerate | None = None,
    horizon: int = 30,
    seed: int = 0,
    context: Mapping[str, object] | None = None,
) -> Controller:
    """A policy that plans ``horizon`` steps ahead at every step.

    ``objective`` is a ``Goal``, or a function of rows by name (arrays of shape (horizon,) in the
    variables' own units, an action beside the state that it led to) to a cost per row, written in
    JAX operations. ``context`` gives exogenous values that observations do not hold. Raises
    ``QueryError`` where there is no action to choose.
    """
    prepare()
    for name in context or {}:
        _context_of(model, name)
    limits = objective.limit if isinstance(objective, Goal) else {}
    actions = actions_of(model, fixed=(), hold=model.typical, limits=limits, horizon=horizon)
    if isinstance(objective, Goal):
        cost: AbstractCost = goal_cost(objective, model, horizon, horizon)
    else:
        cost = CallableCost(
            center=jnp.asarray(model.center, jnp.float32),
            scale=jnp.asarray(model.scale, jnp.float32),
            names=model.schema.names,
            function=objective,
        )
    settings = planner or ICEM()
    return Controller(
        model,
        cost,
        actions,
        planner=settings,
        horizon=horizon,
        seed=seed,
        context=context or {},
    )
