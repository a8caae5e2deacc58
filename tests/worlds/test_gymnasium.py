"""Worlds in Gymnasium: they pass its checks and are read back as they are."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from doworld._core.errors import MissingExtraError, QueryError, SchemaError
from doworld.data import Kind, Role, Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.chemical import Chemical
from doworld.worlds.crafting import Crafting
from doworld.worlds.gymnasium import WorldEnv, chemical
from doworld.worlds.registration import ENVIRONMENTS, register
from doworld.worlds.world import World

register()


class Lever(World):
    """A continuous state pushed by a continuous and a binary action, with a reward of its own."""

    def __init__(self):
        self.schema = Schema(
            (
                Variable("x"),
                Variable("push", Role.ACTION, bounds=(-1, 1)),
                Variable("brake", Role.ACTION, Kind.BINARY),
                Variable("slope", Role.CONTEXT, bounds=(0, 1)),
                Variable("gain", Role.REWARD),
            )
        )
        self.graph = CausalGraph(self.schema.names, (Edge("push", "x"),))
        self.order = (0, 4)

    def start(self, rng, count):
        return np.tile([0.0, 0, 0, 0.5, 0], (count, 1))

    def mechanism(self, variable, row, before, noise):
        if variable == 4:
            return -row[:, 0]
        return before[:, 0] + before[:, 1] * (1 - before[:, 2]) + before[:, 3]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_gymnasium_checks_pass(name):
    check_env(gymnasium.make(name).unwrapped)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_logs_are_read_back_with_the_worlds_names_and_kinds(name):
    log = Trajectories.from_gymnasium(name, episodes=2, seed=0)
    made = gymnasium.make(name).unwrapped
    assert isinstance(made, WorldEnv)
    world = made.world
    assert log.schema.names == world.schema.names
    for mine, its in zip(log.schema.variables, world.schema.variables, strict=True):
        assert (mine.kind, mine.role, mine.bounds) == (its.kind, its.role, its.bounds)
        assert mine.levels == its.levels
    assert [e.steps for e in log] == [50, 50]
    assert log.truncated.all()
    assert not log.terminated.any()


def test_what_happens_is_what_the_world_does():
    log = Trajectories.from_gymnasium("doworld/CraftingRewired-v0", episodes=3, seed=2)
    world = Crafting(rewired=0)
    for episode in log:
        after = world.next(episode.values[:-1], np.zeros((50, 42)))
        np.testing.assert_array_equal(after[:, :-1], episode.values[1:, :-1])
    again = Trajectories.from_gymnasium("doworld/CraftingRewired-v0", episodes=3, seed=2)
    np.testing.assert_array_equal(log.values, again.values)


def test_rewards_are_matches_with_a_reachable_target():
    env = gymnasium.make("doworld/Chemical-full-v0", objects=4, seed=7)
    observation, info = env.reset(seed=0)
    target = info["target"]
    assert set(target) == set(observation)
    env.action_space.seed(0)
    for _ in range(20):
        observation, reward, terminated, _, info = env.step(env.action_space.sample())
        assert info["target"] == target
        assert reward == np.mean([observation[k] == v for k, v in target.items()])
        assert not terminated


def test_any_world_by_name():
    env = WorldEnv(Lever(), steps=2)
    observed, acted = env.observation_space, env.action_space
    assert isinstance(observed, gymnasium.spaces.Dict)
    assert isinstance(acted, gymnasium.spaces.Dict)
    assert list(observed) == ["x", "slope"]
    assert list(acted) == ["push", "brake"]
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(
        {"push": np.array(0.25), "brake": np.int64(0)}
    )
    assert (float(observation["x"]), reward) == (0.75, -0.75)
    assert (terminated, truncated, info) == (False, False, {})
    assert env.step({"push": np.array(0.25), "brake": np.int64(1)})[3]
    log = Trajectories.from_gymnasium(lambda: WorldEnv(Lever()), episodes=1, reward=True)
    assert log.schema.names == ("x", "slope", "push", "brake", "reward")
    assert log.schema["x"].bounds == (-np.inf, np.inf)
    assert log.schema["push"].bounds == (-1, 1)


def test_bad_input():
    env = WorldEnv(Chemical())
    with pytest.raises(QueryError, match=r"before the first reset\. Call reset"):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(QueryError, match=r"action 25 is not in Discrete\(25\)"):
        env.step(25)
    with pytest.raises(QueryError, match="at least 1"):
        WorldEnv(Chemical(), steps=0)
    with pytest.raises(SchemaError, match="Leave dense off"):
        WorldEnv(Lever(), dense=True)


def test_without_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.setitem(sys.modules, "gymnasium.envs.registration", None)
    with pytest.raises(MissingExtraError, match=r"doworld\[envs\]"):
        chemical()
    with pytest.raises(MissingExtraError, match=r"doworld\[envs\]"):
        register()


def test_registering_imports_no_world():
    script = "import doworld.worlds.registration as r, sys; r.register(); "
    script += "print([m for m in sys.modules if m in ('jax', 'scipy', 'doworld.worlds.world')])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
