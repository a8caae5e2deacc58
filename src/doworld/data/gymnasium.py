"""Logs collected from Gymnasium environments.

Every episode is reset with a seed of its own, drawn from ``seed`` and written in its label, and
its random actions come from the same seed, so that any one episode can be collected again alone.
Environments are stepped one by one and reset by us, never by themselves: a reset's observation is
row 0 of a new episode and never the result of a transition.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from doworld._core.errors import DataError, MissingExtraError
from doworld._core.progress import Progress, Quiet
from doworld.data.known_spaces import known_state, rederive, unit_of
from doworld.data.schema import Kind, Policy, Role, Schema, Variable
from doworld.data.spaces import FlatSpace, flat_space
from doworld.data.trajectories import Trajectories

__all__ = ["collect"]

_UNLIMITED = 10_000


@dataclass(frozen=True)
class _World:
    """One environment to collect from: how to make it, its context and its name."""

    make: Callable[[], Any]
    context: Mapping[str, Any]
    name: str


@dataclass
class _Running:
    """An episode under way."""

    number: int
    world: int
    seed: int
    env: Any
    observation: Any
    states: list[np.ndarray]
    actions: list[np.ndarray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False


def collect(
    env: Any,
    *,
    policy: Any = "random",
    episodes: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    num_envs: int = 1,
    max_steps: int | None = None,
    reward: bool = False,
    names: Sequence[str] | None = None,
    action_names: Sequence[str] | None = None,
    context: Mapping[str, Any] | None = None,
    apply: Callable[[Any, Mapping[str, Any]], None] | None = None,
    chosen: Policy | None = None,
    progress: Progress | None = None,
) -> Trajectories:
    """A log of episodes from a Gymnasium environment.

    Args:
        env: a registered id, or a function without arguments that makes an environment.
        policy: "random" (Policy.RANDOMISED, propensities recorded for discrete actions), or a
            function of the observation that returns the action. With ``num_envs`` > 1 it gets the
            observations of all running environments stacked along a leading axis (Dict and Tuple
            entry by entry) and returns as many actions.
        episodes: how many episodes in all, spread evenly over the environments; 10 where neither
            this nor ``steps`` is given.
        steps: stop after so many transitions in all; the episode under way is truncated.
        seed: from which each episode's own seed is drawn.
        num_envs: how many environments are stepped side by side; random collection by episodes
            gives the same log for every value.
        max_steps: truncate an episode after so many transitions (default: the environment's own
            limit, or 10,000).
        reward: log the reward as a variable, in the row of the action that earned it.
        names, action_names: the variables' names, in the order of the flattened space.
        context: attribute of the unwrapped environment → value or list of values, set before each
            reset; each combination is an environment of its own and the values context variables.
        apply: called with the unwrapped environment and the context after these attributes are
            set, for attributes that depend on them (done already for CartPole).
        chosen: how actions were chosen, where ``policy`` is a function (default: unknown).

    Raises ``MissingExtraError`` without Gymnasium, ``DataError`` for an id that is not registered
    and for attributes that do not exist, ``SchemaError`` for spaces that hold no variables.

    >>> log = collect("CartPole-v1", episodes=4, context={"gravity": [9.8, 5.0]}, seed=1)
    >>> log.schema.environments, log.labels[0]
    (('gravity=9.8', 'gravity=5.0'), '0 seed 1641411168')
    """
    worlds = _worlds(env, context or {}, apply)
    if episodes is None and steps is None:
        episodes = 10
    progress = progress or Quiet()
    plan = _Plan(policy, episodes, steps, seed, num_envs, max_steps)
    plan.check()
    spaces, done = _run(worlds, plan, names, action_names, progress)
    return _log(worlds, spaces, done, plan, reward=reward, chosen=chosen)


@dataclass(frozen=True)
class _Plan:
    policy: Any
    episodes: int | None
    steps: int | None
    seed: int
    num_envs: int
    max_steps: int | None

    def check(self) -> None:
        for name in ("episodes", "steps", "num_envs", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} is {value}. Give a whole number of at least 1.")
        if self.policy != "random" and not callable(self.policy):
            raise DataError(
                f"policy is {self.policy!r}. Give 'random' or a function observation → action."
            )


def _worlds(
    env: Any, context: Mapping[str, Any], apply: Callable[[Any, Mapping[str, Any]], None] | None
) -> list[_World]:
    make = _maker(env)
    values = {
        name: list(v) if isinstance(v, list | tuple | np.ndarray | range) else [v]
        for name, v in context.items()
    }
    worlds = []
    for combination in itertools.product(*values.values()):
        setting = dict(zip(values, combination, strict=True))

        def build(setting: Mapping[str, Any] = setting) -> Any:
            made = make()
            _set(made.unwrapped, setting, apply)
            return made

        name = ", ".join(f"{k}={v}" for k, v in setting.items()) or "default"
        worlds.append(_World(build, setting, name))
    if not worlds:
        raise DataError("a context variable has no values. Give at least one value for each.")
    return worlds


def _maker(env: Any) -> Callable[[], Any]:
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "collecting from Gymnasium") from None
    if isinstance(env, str):
        name = env
        try:
            gymnasium.spec(name)
        except gymnasium.error.Error as error:
            near = get_close_matches(name, list(gymnasium.registry), n=3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise DataError(f"Gymnasium knows no environment {name!r}: {error}{hint}") from None
        return lambda: gymnasium.make(name)
    if isinstance(env, gymnasium.Env):
        raise DataError(
            "env is an environment that exists already; every run needs its own. "
            "Give its id, or a function that makes it: lambda: gymnasium.make(...)."
        )
    if not callable(env):
        raise DataError(
            f"env is a {type(env).__name__}. Give a registered id or a function that makes one."
        )
    return env


def _set(
    env: Any,
    setting: Mapping[str, Any],
    apply: Callable[[Any, Mapping[str, Any]], None] | None,
) -> None:
    for name, value in setting.items():
        if not hasattr(env, name):
            known = sorted(k for k, v in vars(env).items() if isinstance(v, int | float))
            near = get_close_matches(name, known, n=3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise DataError(
                f"{type(env).__name__} has no attribute {name!r} to set as context.{hint} "
                f"Numbers it has: {', '.join(known[:12])}."
            )
        setattr(env, name, value)
    if setting:
        rederive(env)
    if apply is not None:
        apply(env, setting)


def _run(
    worlds: list[_World],
    plan: _Plan,
    names: Sequence[str] | None,
    action_names: Sequence[str] | None,
    progress: Progress,
) -> tuple[tuple[FlatSpace, FlatSpace], list[_Running]]:
    """Collects the episodes; returns the flattened spaces and the episodes by number."""
    first = worlds[0].make()
    flat = _flat(first, names, action_names)
    track = progress.task("collecting", float(plan.episodes or plan.steps or 1))
    source = np.random.SeedSequence(plan.seed)
    idle: dict[int, list[Any]] = {0: [first]}
    everything = [first]
    running: list[_Running] = []
    done: list[_Running] = []
    begun = taken = 0
    try:
        while True:
            while len(running) < plan.num_envs and (plan.episodes is None or begun < plan.episodes):
                world = begun % len(worlds)
                if not idle.get(world):
                    idle.setdefault(world, []).append(worlds[world].make())
                    everything.append(idle[world][-1])
                episode_seed = int(source.spawn(1)[0].generate_state(1)[0])
                running.append(_begin(begun, world, episode_seed, idle[world].pop(), flat))
                begun += 1
            if not running:
                break
            left = None if plan.steps is None else plan.steps - taken
            active = running if left is None else running[:left]
            for episode, action in zip(active, _actions(active, plan, flat), strict=True):
                _step(episode, action, flat, plan)
                taken += 1
            for episode in [e for e in active if e.terminated or e.truncated]:
                running.remove(episode)
                done.append(episode)
                idle[episode.world].append(episode.env)
                track.advance(1 if plan.episodes else len(episode.actions), f"{taken} steps")
            if plan.steps is not None and taken >= plan.steps:
                done += [replace(e, truncated=True) for e in running if e.actions]
                break
    finally:
        for each in everything:
            each.close()
    return flat, sorted(done, key=lambda e: e.number)


def _flat(
    env: Any, names: Sequence[str] | None, action_names: Sequence[str] | None
) -> tuple[FlatSpace, FlatSpace]:
    kind = env.spec.id if env.spec is not None else ""
    known = known_state(kind) if names is None else None
    state = flat_space(env.observation_space, Role.STATE, names or known, prefix="obs")
    action = flat_space(env.action_space, Role.ACTION, action_names, prefix="action")
    return state, action


def _begin(
    number: int, world: int, seed: int, env: Any, flat: tuple[FlatSpace, FlatSpace]
) -> _Running:
    observation, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    return _Running(number, world, seed, env, observation, [flat[0].flatten(observation)])


def _actions(active: list[_Running], plan: _Plan, flat: tuple[FlatSpace, FlatSpace]) -> list[Any]:
    if plan.policy == "random":
        return [e.env.action_space.sample() for e in active]
    if plan.num_envs == 1:
        return [plan.policy(active[0].observation)]
    chosen = plan.policy(_stack([e.observation for e in active]))
    split = _split(chosen, len(active))
    if split is None:
        raise DataError(
            f"the policy returned {chosen!r} for {len(active)} observations. With num_envs > 1 it "
            "gets stacked observations and must return as many actions."
        )
    return split


def _stack(observations: list[Any]) -> Any:
    if isinstance(observations[0], dict):
        return {k: _stack([o[k] for o in observations]) for k in observations[0]}
    if isinstance(observations[0], tuple):
        return tuple(_stack(list(parts)) for parts in zip(*observations, strict=True))
    return np.stack([np.asarray(o) for o in observations])


def _split(actions: Any, count: int) -> list[Any] | None:
    if isinstance(actions, dict):
        parts = {k: _split(v, count) for k, v in actions.items()}
        return [{k: v[i] for k, v in parts.items() if v is not None} for i in range(count)]
    if isinstance(actions, tuple) and len(actions) != count:
        return None
    return list(actions) if hasattr(actions, "__len__") and len(actions) == count else None


def _step(episode: _Running, action: Any, flat: tuple[FlatSpace, FlatSpace], plan: _Plan) -> None:
    observation, reward, terminated, truncated, _ = episode.env.step(action)
    episode.actions.append(flat[1].flatten(action))
    episode.states.append(flat[0].flatten(observation))
    episode.rewards.append(float(reward))
    episode.observation = observation
    episode.terminated = bool(terminated)
    spec = episode.env.spec
    own = spec is not None and spec.max_episode_steps is not None
    limit = plan.max_steps or (math.inf if own or plan.steps is not None else _UNLIMITED)
    episode.truncated = bool(truncated) or (
        len(episode.actions) >= limit and not episode.terminated
    )


def _log(
    worlds: list[_World],
    spaces: tuple[FlatSpace, FlatSpace],
    done: list[_Running],
    plan: _Plan,
    *,
    reward: bool,
    chosen: Policy | None,
) -> Trajectories:
    kind = done[0].env.spec.id if done[0].env.spec is not None else ""
    variables = [
        *spaces[0].variables,
        *spaces[1].variables,
        *_contexts(worlds),
        *([Variable("reward", Role.REWARD)] if reward else []),
    ]
    variables = [replace(v, unit=unit_of(kind, v.name)) for v in variables]
    random = plan.policy == "random"
    schema = Schema(
        variables=tuple(variables),
        environments=tuple(w.name for w in worlds),
        policy=Policy.RANDOMISED if random else (chosen or Policy.UNKNOWN),
    )
    context = {w.name: _context_values(w, schema) for w in worlds}
    blocks = [_rows(e, context[worlds[e.world].name], reward) for e in done]
    lengths = [len(b) for b in blocks]
    policy = "random actions" if random else "actions of a given policy"
    note = f"collected from {kind or 'an environment'} with {policy}; seed {plan.seed}, and each "
    return Trajectories(
        schema=schema,
        values=np.concatenate(blocks),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(n, dtype=np.float64) for n in lengths]),
        environment=np.array([e.world for e in done], np.int64),
        terminated=np.array([e.terminated for e in done]),
        truncated=np.array([e.truncated for e in done]),
        labels=tuple(f"{e.number} seed {e.seed}" for e in done),
        propensity=_propensities(spaces[1], lengths) if random else None,
        notes=(note + "episode's own seed is in its label",),
    )


def _contexts(worlds: list[_World]) -> list[Variable]:
    found = []
    for name in worlds[0].context:
        values = [w.context[name] for w in worlds]
        if all(isinstance(v, bool | np.bool_) for v in values):
            found.append(Variable(name, Role.CONTEXT, Kind.BINARY))
        elif all(isinstance(v, int | float | np.number) for v in values):
            found.append(Variable(name, Role.CONTEXT))
        else:
            levels = tuple(dict.fromkeys(str(v) for v in values))
            found.append(Variable(name, Role.CONTEXT, Kind.CATEGORICAL, categories=levels))
    return found


def _context_values(world: _World, schema: Schema) -> list[float]:
    return [
        schema[k].code(str(v) if schema[k].kind is Kind.CATEGORICAL else v)
        for k, v in world.context.items()
    ]


def _rows(episode: _Running, context: list[float], reward: bool) -> np.ndarray:
    """The episode's T+1 rows; the last has neither action nor reward."""
    states = np.array(episode.states)
    actions = np.full((len(states), len(episode.actions[0])), np.nan)
    actions[:-1] = episode.actions
    parts = [states, actions, np.tile(context, (len(states), 1))]
    if reward:
        parts.append(np.append(episode.rewards, np.nan)[:, None])
    return np.concatenate(parts, axis=1)


def _propensities(action: FlatSpace, lengths: list[int]) -> np.ndarray | None:
    """The probability of each uniformly drawn action; None where actions are continuous."""
    levels = [v.levels for v in action.variables]
    if not all(levels):
        return None
    each = 1 / math.prod(levels)
    return np.concatenate([np.append(np.full(n - 1, each), np.nan) for n in lengths])
