"""Rung 2: which actions reach the objective under constraints."""

from collections.abc import Mapping
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from doworld._core.devices import prepare as set_up
from doworld.infer import do
from doworld.infer.setup import Setup, prepare
from doworld.model.world import WorldModel
from doworld.plan.belief import Belief, blank, mixing
from doworld.plan.explain import compared, limits_of, terms_of
from doworld.plan.judge import Verdict, judge
from doworld.plan.objective import goal_cost
from doworld.plan.planners import colour_of, planner_of
from doworld.plan.search import AFRESH, AROUND, Problem, search
from doworld.plan.space import Actions, actions_of
from doworld.query import Answer, Do, Intervention, Plan, Set, Status

__all__ = ["plan"]

FUTURES = 40
"""Futures in which the finished plan is judged."""
OTHERS = 30
"""Random plans that it is compared with."""


def plan(model: WorldModel, query: Plan, *, seed: int = 0) -> Answer:
    """The actions of least expected cost, what follows from them, and how sure that is.

    ``answer.actions[name][t]`` is the action at row t (t+1 where it acts within its own row) and
    ``answer.objective`` the plan's expected cost. The series are those of ``Do`` with these
    actions. A plan that breaks a hard limit is returned only where none was found that keeps it;
    then ``fix`` says so, and the first warning too.

    Raises ``QueryError`` where there is no action to choose, and ``UnknownNameError`` or
    ``SchemaError`` for a goal about variables or categories that do not exist.
    """
    set_up()
    setup = prepare(model, query.given, horizon=query.horizon, planned=query.planned)
    problem, actions = _problem(model, query, setup)
    planner = planner_of(query.planner, actions)
    carried = blank(actions.space, problem.mix.shape[0], planner.elites)
    if query.warm_start:
        carried = _warm(carried, actions, model, query.warm_start)
    search_key, judge_key, random_key = jax.random.split(jax.random.key(seed), 3)
    found = search(
        problem,
        carried,
        AROUND if query.warm_start else AFRESH,
        planner=planner,
        draws=query.planner.draws,
        key=search_key,
    )
    others = _random(actions, problem, random_key)
    plans = np.concatenate([np.asarray(found.best)[None], np.asarray(carried.mean)[None], others])
    if query.warm_start:
        plans[1] = np.asarray(actions.space.hold)
    verdict = judge(problem, jnp.asarray(plans), judge_key, FUTURES)
    verdict = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), verdict)
    return _answer(query, setup, actions, found, verdict, seed=seed)


def _problem(model: WorldModel, query: Plan, setup: Setup) -> tuple[Problem, Actions]:
    horizon = setup.steps
    last = setup.window[0] if len(setup.window) else setup.exogenous[0]
    actions = actions_of(
        model,
        fixed=query.planned,
        hold=last,
        limits=query.objective.limit,
        horizon=horizon,
    )
    world = setup.world()
    steps = world.exogenous.shape[0]
    problem = Problem(
        dynamics=model.dynamics,
        world=world,
        space=actions.space,
        cost=goal_cost(query.objective, model, horizon, steps),
        mix=jnp.asarray(mixing(steps, colour_of(query.planner))),
        pessimism=jnp.float32(query.planner.pessimism),
    )
    return problem, actions


def _warm(
    carried: Belief, actions: Actions, model: WorldModel, plan: Mapping[str, tuple]
) -> Belief:
    """The earlier plan as the best so far; where it ends, its last action is held."""
    best = np.array(carried.best)
    for name, values in plan.items():
        at, variable = model.schema.position(name), model.schema[name]
        if name in actions.names and values:
            codes = (np.array([variable.code(v) for v in values]) - model.center[at]) / (
                model.scale[at]
            )
            rows = np.minimum(np.arange(len(best)), len(codes) - 1)
            best[:, actions.names.index(name)] = codes[rows]
    return Belief(**{**vars(carried), "best": jnp.asarray(best)})


def _random(actions: Actions, problem: Problem, key) -> Float[np.ndarray, "n steps actions"]:
    """Uniform actions, as a yardstick."""
    space, steps = actions.space, problem.mix.shape[0]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    size = (OTHERS, steps, len(actions.names))
    level = rng.integers(0, np.asarray(space.levels), size)
    chosen = np.asarray(space.values)[np.arange(size[2]), level]
    free = np.asarray(space.low) + rng.random(size) * np.asarray(space.high - space.low)
    return np.where(np.asarray(space.discrete) > 0, chosen, free).astype(np.float32)


def _answer(
    query: Plan, setup: Setup, actions: Actions, found: Belief, verdict: Verdict, *, seed: int
) -> Answer:
    model = setup.model
    values = _values(model, actions, np.asarray(found.best), setup.steps)
    asked = Do(
        given=query.given,
        interventions=_interventions(model, actions, values),
        planned=query.planned,
        horizon=query.horizon,
        target=query.target,
        level=query.level,
        samples=query.samples,
    )
    follows = do(model, asked, seed=seed)
    if follows.status is Status.NOT_IDENTIFIED:
        return follows.model_copy(update={"query": query})
    warnings, fix = _worries(model, query, found, verdict)
    if follows.why.outside is not None:
        warnings += (
            f"The plan leaves the data at row {follows.why.outside}: try it with care, or limit "
            "the actions to the logged range.",
        )
    summary = (
        f"Plan: {compared(verdict)}",
        f"its cost is made of {terms_of(model, query.objective, np.asarray(verdict.parts[0]))}",
        *limits_of(model, query.objective, verdict, actions.names),
    )
    why = follows.why.model_copy(
        update={"summary": "; ".join(summary), "warnings": (*warnings, *follows.why.warnings)}
    )
    return follows.model_copy(
        update={
            "query": query,
            "why": why,
            "fix": fix or follows.fix,
            "actions": {n: _labels(model, n, v) for n, v in values.items()},
            "objective": float(verdict.parts[0].sum()),
        }
    )


def _worries(
    model: WorldModel, query: Plan, found: Belief, verdict: Verdict
) -> tuple[tuple[str, ...], str]:
    """A warning and the fix where no plan was found that keeps the limits."""
    broken = float(found.score.violation)
    if broken <= 0:
        return (), ""
    kept = verdict.kept[0]
    worst = min(query.objective.limit, key=lambda n: kept[model.schema.position(n)], default="")
    if not worst:
        return ("Every plan runs away: the model is asked far outside what it knows.",), (
            "Shorten the horizon, or limit the actions to the logged range."
        )
    warning = (
        "No plan was found that keeps the limits; this one breaks them least "
        f"(by {broken:.3g} standard deviations, summed over rows)."
    )
    return (warning,), (
        f"Widen the limit of {worst!r}, give the actions wider bounds, or search longer: "
        "a larger population or more iterations of the planner."
    )


def _values(
    model: WorldModel, actions: Actions, best: np.ndarray, steps: int
) -> dict[str, Float[np.ndarray, " steps"]]:
    """The plan in own units, inside the bounds in spite of rounding to single precision."""
    out = {}
    for i, name in enumerate(actions.names):
        at = model.schema.position(name)
        values = best[:steps, i].astype(np.float64) * model.scale[at] + model.center[at]
        if actions.space.discrete[i] or actions.space.unit[i]:
            values = np.round(values)
        out[name] = np.clip(values, *model.schema[name].bounds)
    return out


def _interventions(
    model: WorldModel, actions: Actions, values: Mapping[str, np.ndarray]
) -> tuple[Intervention, ...]:
    """The plan as ``Set``, one for every run of equal values."""
    out = []
    for i, (name, plan_) in enumerate(values.items()):
        first = 0 if model.schema.static else int(actions.space.late[i])
        cuts = [0, *(np.flatnonzero(np.diff(plan_)) + 1).tolist(), len(plan_)]
        for a, b in pairwise(cuts):
            value = model.schema[name].label(float(plan_[a]))
            out.append(Set(name, value, at=range(a + first, b + first)))  # type: ignore[arg-type]
    return tuple(out)


def _labels(model: WorldModel, name: str, values: np.ndarray) -> tuple:
    return tuple(model.schema[name].label(float(v)) for v in values)
