"""Every world as a Gymnasium environment."""

from typing import TYPE_CHECKING, Any

import numpy as np

from doworld._core.errors import MissingExtraError, QueryError, SchemaError
from doworld.data import Kind, Role, Variable
from doworld.worlds.chemical import Chemical
from doworld.worlds.crafting import Crafting
from doworld.worlds.magnetic import Magnetic
from doworld.worlds.world import World

if TYPE_CHECKING:
    from gymnasium import Env
    from gymnasium.spaces import Space
else:
    # a base class is needed when the class is defined; making one without Gymnasium says so
    try:
        from gymnasium import Env
    except ImportError:
        Env = object

__all__ = ["WorldEnv", "chemical", "crafting"]


class WorldEnv(Env):
    """A world to act in, one step a row.

    The observation is a Dict with an entry for each state and context by its name: Discrete for
    categories (a category's code; with two of them it is read back as binary) and binaries, a
    whole-number Box for counts, a Box of float64 else. The action is the space of the action where
    the world has one of that name, else a Dict by name. Episodes never terminate.

    The reward is the sum of the world's own rewards, and where ``dense`` also the share of states
    that match a target, continuous ones apart:

        r(t) = (1/n) Σ_i [z_i(t+1) = g_i],    g: the start after 10 random actions on a copy

    (Ke et al. 2021). ``info["target"]`` holds g by name; it is no part of the observation.

    Args:
        world: the world.
        steps: an episode is truncated after so many.
        dense: rewards matches with a target.
        changes: how many random actions make the target.
        render_mode: must be None; there is nothing to see.

    Raises:
        MissingExtraError: Gymnasium is not installed.
        SchemaError: ``dense`` in a world whose states are all continuous.
        QueryError: fewer than one step; a step before the first reset; an action outside the space.

    >>> env = WorldEnv(Crafting())
    >>> start, _ = env.reset(seed=0)
    >>> after, *_ = env.step(0)
    >>> int(start["log"]), int(after["log"])
    (0, 1)
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  Gymnasium's own convention

    def __init__(
        self,
        world: World,
        *,
        steps: int = 50,
        dense: bool = False,
        changes: int = 10,
        render_mode: str | None = None,
    ) -> None:
        if steps < 1:
            raise QueryError(f"an episode of {steps} steps is none. Give at least 1.")
        self.world, self.steps, self.dense, self.changes = world, steps, dense, changes
        self.render_mode = render_mode
        schema = world.schema
        self._seen = schema.positions(Role.STATE, Role.CONTEXT)
        self._done = schema.positions(Role.ACTION)
        self._gains = schema.positions(Role.REWARD)
        self._matched = [
            i
            for i in schema.positions(Role.STATE)
            if schema.variables[i].kind is not Kind.CONTINUOUS
        ]
        if dense and not self._matched:
            raise SchemaError(
                "a dense reward counts states that match a target, and all states of this world "
                "are continuous. Leave dense off, or wrap the environment with a reward."
            )
        variables = schema.variables
        self.observation_space = _by_name([variables[i] for i in self._seen])
        self._single = [variables[i].name for i in self._done] == ["action"]
        acted = [variables[i] for i in self._done]
        self.action_space = _space(acted[0]) if self._single else _by_name(acted)
        self._row: np.ndarray | None = None
        self._target = np.zeros((1, len(schema)))
        self._taken = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new episode; ``options`` are not read."""
        super().reset(seed=seed)
        self._row = self.world.start(self.np_random, 1)
        self._taken = 0
        if self.dense:
            self._target = self._row
            for _ in range(self.changes):
                acted = self.world.act(self.np_random, self._target)
                self._target = self._after(acted)
        return self._observation(self._row), self._info()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """The row after an action, its reward, never terminated, truncated at the last step."""
        if self._row is None:
            raise QueryError("a step was taken before the first reset. Call reset() first.")
        if not self.action_space.contains(action):
            raise QueryError(f"action {action!r} is not in {self.action_space}. Take one from it.")
        before = self._row.copy()
        names = self.world.schema.names
        before[0, self._done] = [action if self._single else action[names[i]] for i in self._done]
        self._row = self._after(before)
        self._taken += 1
        over = self._taken >= self.steps
        return self._observation(self._row), self._reward(self._row), False, over, self._info()

    def _after(self, before: np.ndarray) -> np.ndarray:
        return self.world.next(before, self.np_random.uniform(size=before.shape))

    def _reward(self, row: np.ndarray) -> float:
        own = float(row[0, self._gains].sum())
        if not self.dense:
            return own
        return own + float((row == self._target)[0, self._matched].mean())

    def _observation(self, row: np.ndarray) -> dict[str, Any]:
        variables = self.world.schema.variables
        return {variables[i].name: _written(variables[i], row[0, i]) for i in self._seen}

    def _info(self) -> dict[str, Any]:
        if not self.dense:
            return {}
        names = self.world.schema.names
        return {"target": {names[i]: float(self._target[0, i]) for i in self._matched}}


def _space(variable: Variable) -> "Space":
    """The space that ``Trajectories.from_gymnasium`` reads back as this variable."""
    try:
        from gymnasium import spaces
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "acting in a world") from None
    if variable.levels:
        return spaces.Discrete(variable.levels)
    low, high = variable.bounds
    if variable.kind is Kind.COUNT:
        return spaces.Box(max(low, 0), high, (), np.int64)
    # "unbounded", as Gymnasium's own environments write it
    most = float(np.finfo(np.float32).max)
    return spaces.Box(max(low, -most), min(high, most), (), np.float64)


def _by_name(variables: list[Variable]) -> "Space":
    # pairs, which keep the schema's order where a mapping would be sorted
    parts = [(v.name, _space(v)) for v in variables]
    from gymnasium import spaces

    return spaces.Dict(parts)


def _written(variable: Variable, value: float) -> Any:
    if variable.levels:
        return np.int64(value)
    return np.array(value, np.int64 if variable.kind is Kind.COUNT else np.float64)


def chemical(
    graph: str = "chain",
    *,
    local: str | None = None,
    objects: int = 5,
    colours: int = 5,
    nuisance: bool = False,
    seed: int = 0,
    steps: int = 50,
    dense: bool = True,
    render_mode: str | None = None,
) -> WorldEnv:
    """The chemical world, rewarded for matches with a target; ``seed`` is of its mechanisms.

    >>> env = chemical("jungle", objects=4)
    >>> env.action_space.n
    np.int64(20)
    """
    world = Chemical(
        graph, local=local, objects=objects, colours=colours, nuisance=nuisance, seed=seed
    )
    return WorldEnv(world, steps=steps, dense=dense, render_mode=render_mode)


def magnetic(
    *,
    red: float = 0.5,
    box: float = 1.0,
    steps: int = 50,
    dense: bool = False,
    render_mode: str | None = None,
) -> WorldEnv:
    """The ball and the box that draws it where both are red.

    >>> list(magnetic().action_space)
    ['push_x', 'push_y']
    """
    return WorldEnv(Magnetic(red=red, box=box), steps=steps, dense=dense, render_mode=render_mode)


def crafting(
    *,
    rewired: int | None = None,
    stocked: bool = False,
    steps: int = 50,
    dense: bool = False,
    render_mode: str | None = None,
) -> WorldEnv:
    """The crafting tree; ``rewired`` is the seed of other recipes.

    >>> len(crafting(rewired=3).observation_space)
    41
    """
    world = Crafting(rewired=rewired, stocked=stocked)
    return WorldEnv(world, steps=steps, dense=dense, render_mode=render_mode)
