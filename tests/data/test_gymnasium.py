"""Collection: what is logged is what the environment did, and every episode can be replayed."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from doworld._core.errors import DataError, MissingExtraError, SchemaError
from doworld.data import Kind, Policy, Role, Trajectories
from doworld.data.spaces import flat_space


class Parts(gymnasium.Env):
    """Counts its steps in a Dict and Tuple observation; ends by itself after ``life`` steps."""

    observation_space = spaces.Dict(
        {
            "clock": spaces.Box(0, 100, (1,), np.float32),
            "pair": spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiBinary(2))),
            "grid": spaces.Box(-1, 1, (2, 2), np.float64),
            "count": spaces.Box(0, 9, (), np.int64),
        }
    )
    action_space = spaces.MultiDiscrete([2, 4])

    def __init__(self, life=3, terminates=True):
        self.life, self.terminates = life, terminates

    def _see(self):
        t = self.t
        return {
            "clock": np.array([t], np.float32),
            "pair": (5 + t % 3, np.array([t % 2, 1], np.int8)),
            "grid": np.full((2, 2), 0.1 * t),
            "count": np.array(t, np.int64),
        }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._see(), {}

    def step(self, action):
        assert self.action_space.contains(np.asarray(action))
        self.t += 1
        over = self.t >= self.life
        return (
            self._see(),
            float(self.t),
            over and self.terminates,
            over and not self.terminates,
            {},
        )


def replay(env_id, episode, setting=()):
    """The observations of an episode's actions in a fresh environment with its own seed."""
    env = gymnasium.make(env_id)
    for name, value in setting:
        setattr(env.unwrapped, name, value)
    rows = [env.reset(seed=int(episode.label.split()[-1]))[0]]
    for action in episode.column("action")[:-1]:
        discrete = isinstance(env.action_space, spaces.Discrete)
        given = int(action) if discrete else np.array([action], np.float32)
        rows.append(env.step(given)[0])
    env.close()
    return np.array(rows)


@pytest.mark.parametrize(("env_id", "width"), [("CartPole-v1", 4), ("Pendulum-v1", 3)])
def test_every_episode_can_be_replayed_from_its_label(env_id, width):
    log = Trajectories.from_gymnasium(env_id, episodes=3, seed=4)
    for episode in log:
        np.testing.assert_array_equal(replay(env_id, episode), episode.values[:, :width])


def test_cartpole_names_units_kinds_and_ends():
    log = Trajectories.from_gymnasium("CartPole-v1", episodes=20, seed=0, reward=True)
    assert log.schema.names == ("x", "x_dot", "theta", "theta_dot", "action", "reward")
    assert log.schema["theta_dot"].unit == "rad/s"
    assert log.schema["x"].bounds == pytest.approx((-4.8, 4.8))
    assert log.schema["x_dot"].bounds == (-np.inf, np.inf)
    assert log.schema["action"].kind is Kind.BINARY
    assert log.schema["reward"].role is Role.REWARD
    assert log.schema.policy is Policy.RANDOMISED
    assert log.terminated.all()
    assert not log.truncated.any()
    assert log.propensity is not None
    last = log.starts[1:] - 1
    assert np.isnan(log.column("action")[last]).all()
    assert np.isnan(log.column("reward")[last]).all()
    assert not log.missing.any()
    np.testing.assert_array_equal(np.isnan(log.propensity), np.isnan(log.column("action")))
    # the fallen state is logged, and no reset state stands behind it
    fallen = np.abs(log.column("theta")[last]) > 0.2095
    assert (fallen | (np.abs(log.column("x")[last]) > 2.4)).all()
    assert (np.abs(log.values[log.starts[:-1], :4]) < 0.05).all()


def test_truncation_is_not_termination():
    log = Trajectories.from_gymnasium("Pendulum-v1", episodes=2, seed=0)
    assert log.schema.names == ("cos", "sin", "thetadot", "action")
    assert log.truncated.all()
    assert not log.terminated.any()
    assert [e.steps for e in log] == [200, 200]
    assert log.propensity is None
    short = Trajectories.from_gymnasium("Pendulum-v1", episodes=2, max_steps=7)
    assert [e.steps for e in short] == [7, 7]
    assert short.truncated.all()


@pytest.mark.parametrize("count", [2, 3, 7])
def test_side_by_side_gives_the_same_log(count):
    one = Trajectories.from_gymnasium("CartPole-v1", episodes=7, seed=3)
    many = Trajectories.from_gymnasium("CartPole-v1", episodes=7, seed=3, num_envs=count)
    np.testing.assert_array_equal(one.values, many.values)
    assert one.labels == many.labels


def test_contexts_are_environments_and_variables():
    log = Trajectories.from_gymnasium(
        "CartPole-v1", episodes=12, seed=0, context={"gravity": [9.8, 3.0], "length": [0.5, 1.5]}
    )
    assert log.schema.of(Role.CONTEXT) == ("gravity", "length")
    assert log.schema.environments[1] == "gravity=9.8, length=1.5"
    assert np.bincount(log.environment).tolist() == [3, 3, 3, 3]
    assert log.schema["gravity"].unit == "m/s²"
    episode = log[3]
    assert set(episode.column("length")) == {1.5}
    setting = [("gravity", 3.0), ("length", 1.5), ("polemass_length", 0.15)]
    np.testing.assert_array_equal(replay("CartPole-v1", episode, setting), episode.values[:, :4])


def test_apply_sets_what_depends_on_the_context():
    seen = []
    Trajectories.from_gymnasium(
        "Pendulum-v1",
        episodes=2,
        max_steps=3,
        context={"g": [10.0, 5.0]},
        apply=lambda env, setting: seen.append((env.g, dict(setting))),
    )
    assert seen == [(10.0, {"g": 10.0}), (5.0, {"g": 5.0})]


def test_steps_are_a_budget():
    log = Trajectories.from_gymnasium("CartPole-v1", steps=100, seed=0)
    assert log.transitions == 100
    assert log.truncated[-1]
    assert not log.truncated[:-1].any()
    many = Trajectories.from_gymnasium("CartPole-v1", steps=101, seed=0, num_envs=4)
    assert many.transitions == 101


def test_policies():
    log = Trajectories.from_gymnasium(
        "CartPole-v1", policy=lambda obs: int(obs[2] > 0), episodes=3, seed=0
    )
    assert log.schema.policy is Policy.UNKNOWN
    assert log.propensity is None
    inside = ~np.isnan(log.column("action"))
    expected = (log.column("theta") > 0)[inside]
    np.testing.assert_array_equal(log.column("action")[inside], expected)
    batched = Trajectories.from_gymnasium(
        "CartPole-v1",
        policy=lambda obs: (obs[:, 2] > 0).astype(int),
        episodes=3,
        seed=0,
        num_envs=3,
        chosen=Policy.KNOWN,
    )
    np.testing.assert_array_equal(batched.values, log.values)
    assert batched.schema.policy is Policy.KNOWN
    with pytest.raises(DataError, match="as many actions"):
        Trajectories.from_gymnasium("CartPole-v1", policy=lambda obs: 1, num_envs=2)
    with pytest.raises(DataError, match="'greedy'"):
        Trajectories.from_gymnasium("CartPole-v1", policy="greedy")


def test_dict_and_tuple_spaces_are_flattened_by_key():
    log = Trajectories.from_gymnasium(Parts, episodes=4, seed=0, num_envs=2, reward=True)
    assert log.schema.names == (
        "clock",
        "count",
        "grid_0_0",
        "grid_0_1",
        "grid_1_0",
        "grid_1_1",
        "pair_0",
        "pair_1_0",
        "pair_1_1",
        "action_0",
        "action_1",
        "reward",
    )
    kinds = {v.name: v.kind for v in log.schema.variables}
    assert kinds["count"] is Kind.COUNT
    assert kinds["pair_0"] is Kind.CATEGORICAL
    assert log.schema["pair_0"].categories == ("5", "6", "7")
    assert kinds["pair_1_0"] is Kind.BINARY
    assert kinds["action_0"] is Kind.BINARY
    assert log.schema["action_1"].levels == 4
    first = log[0]
    assert isinstance(first.values, np.ndarray)
    assert first.column("clock").tolist() == [0, 1, 2, 3]
    assert first.column("pair_0").tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(first.column("reward"), [1, 2, 3, np.nan])
    assert log.propensity is not None
    assert log.propensity[0] == 1 / 8
    assert log.terminated.all()
    endless = Trajectories.from_gymnasium(lambda: Parts(terminates=False), episodes=1)
    assert endless.truncated.all()
    assert not endless.terminated.any()


def test_flat_spaces_come_back():
    space = Parts.observation_space
    space.seed(0)
    flat = flat_space(space, Role.STATE, prefix="obs")
    for _ in range(10):
        value = space.sample()
        again = flat.unflatten(flat.flatten(value))
        assert space.contains(again)
        np.testing.assert_array_equal(flat.flatten(again), flat.flatten(value))


def test_given_names():
    log = Trajectories.from_gymnasium(
        "CartPole-v1", episodes=1, names=["s", "v", "Winkel", "ω"], action_names=["force"]
    )
    assert log.schema.names == ("s", "v", "Winkel", "ω", "force")
    with pytest.raises(SchemaError, match="2 names are given for the 4"):
        Trajectories.from_gymnasium("CartPole-v1", names=["a", "b"])


def test_what_cannot_be_collected():
    with pytest.raises(DataError, match=r"'CartPol-v1'.*'CartPole-v1'"):
        Trajectories.from_gymnasium("CartPol-v1")
    with pytest.raises(DataError, match=r"'gravty'.*'gravity'"):
        Trajectories.from_gymnasium("CartPole-v1", context={"gravty": 9.8})
    with pytest.raises(DataError, match="has no values"):
        Trajectories.from_gymnasium("CartPole-v1", context={"gravity": []})
    with pytest.raises(DataError, match=r"lambda: gymnasium\.make"):
        Trajectories.from_gymnasium(gymnasium.make("CartPole-v1"))
    with pytest.raises(DataError, match="episodes is 0"):
        Trajectories.from_gymnasium("CartPole-v1", episodes=0)
    with pytest.raises(SchemaError, match="image"):
        flat_space(spaces.Box(0, 255, (64, 64, 3), np.uint8), Role.STATE, prefix="obs")
    with pytest.raises(SchemaError, match="no fixed number"):
        flat_space(spaces.Sequence(spaces.Discrete(2)), Role.STATE, prefix="obs")


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtraError, match=r"doworld\[envs\]"):
        Trajectories.from_gymnasium("CartPole-v1")
