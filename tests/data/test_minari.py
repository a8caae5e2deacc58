"""Minari datasets become logs and logs datasets, without loss either way."""

import sys

import gymnasium
import minari
import numpy as np
import polars as pl
import pytest
from gymnasium import spaces

from doworld._core.errors import DataError, MissingExtraError, SchemaError, UnknownNameError
from doworld.data import Kind, Role, Trajectories, Variable

# Minari's collector leaves its temporary folder to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def collected(env_id, dataset_id, episodes=3):
    """A dataset as Minari's own collector makes it, with the arrays that went in."""
    env = minari.DataCollector(gymnasium.make(env_id))
    seen = []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        rows, actions, rewards, over = [observation], [], [], (False, False)
        while not any(over):
            actions.append(env.action_space.sample())
            observation, reward, *over, _ = env.step(actions[-1])
            rows.append(observation)
            rewards.append(reward)
        seen.append((np.array(rows), np.array(actions), np.array(rewards), over))
    with pytest.warns(UserWarning, match="is set to None"):
        dataset = env.create_dataset(dataset_id, algorithm_name="random")
    env.close()
    return dataset, seen


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_what_minari_recorded(env_id):
    dataset, seen = collected(env_id, "lab/first-v0")
    log = Trajectories.from_minari(dataset)
    width = len(log.schema.of(Role.STATE))
    assert len(log) == 3
    for episode, (rows, actions, rewards, over) in zip(log, seen, strict=True):
        np.testing.assert_array_equal(episode.values[:, :width], rows)
        np.testing.assert_array_equal(episode.column("action")[:-1], actions.reshape(-1))
        np.testing.assert_array_equal(episode.column("reward")[:-1], rewards)
        assert np.isnan(episode.values[-1, width:]).all()
        assert [episode.terminated, episode.truncated] == list(over)
    assert [label.split()[-1] for label in log.labels] == ["0", "1", "2"]
    assert any("lab/first-v0" in n for n in log.notes)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_dataset_to_log_to_dataset_is_the_same_dataset(env_id):
    first, _ = collected(env_id, "lab/first-v0")
    second = Trajectories.from_minari(first).to_minari("lab/second-v0", like=first)
    assert second.observation_space == first.observation_space
    assert second.env_spec.id == env_id
    pairs = zip(first.iterate_episodes(), second.iterate_episodes(), strict=True)
    for one, two in pairs:
        for name in ("observations", "actions", "rewards", "terminations", "truncations"):
            a, b = getattr(one, name), getattr(two, name)
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    seeds = [m["seed"] for m in second.storage.get_episode_metadata(range(3))]
    assert seeds == [0, 1, 2]
    assert (
        Trajectories.from_minari("lab/second-v0").labels == Trajectories.from_minari(first).labels
    )


def assert_same(one: Trajectories, two: Trajectories):
    assert one.schema == two.schema
    for name in ("values", "starts", "times", "environment", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.labels, one.notes) == (two.labels, two.notes)
    assert (one.propensity is None) == (two.propensity is None)
    if one.propensity is not None and two.propensity is not None:
        np.testing.assert_array_equal(one.propensity, two.propensity)


def test_log_to_dataset_to_log_with_contexts():
    log = Trajectories.from_gymnasium(
        "CartPole-v1", episodes=4, seed=0, reward=True, context={"gravity": [9.8, 5.0]}
    )
    log.to_minari("lab/varied-v0", author="us")
    assert_same(Trajectories.from_minari("lab/varied-v0"), log)
    dataset = log.to_minari("lab/env-v0", env="CartPole-v1")
    assert dataset.env_spec.id == "CartPole-v1"
    assert_same(Trajectories.from_minari(dataset), log)
    some = dataset.filter_episodes(lambda e: e.id in (1, 3))
    assert_same(Trajectories.from_minari(some), log.select([1, 3]))


def test_a_plants_log_with_gaps_and_a_last_action():
    frame = pl.DataFrame(
        {
            "t": [0.0, 0.5, 1.5, 0.0, 0.5],
            "run": ["a", "a", "a", "b", "b"],
            "T/1": [20.5, np.nan, 21.0, 19.0, 20.0],
            "mode": ["eco", "boost", "eco", "eco", "boost"],
            "Q": [1.5, 2.5, 3.5, 4.5, 5.5],
            "valve": [0, 1, 1, 0, 0],
            "cost": [1.0, 2.0, None, 0.5, 7.0],
        }
    )
    log = Trajectories.from_frame(
        frame,
        state=["T/1", "mode"],
        action=["Q", "valve"],
        reward="cost",
        episode="run",
        time="t",
        variables={"T/1": Variable("T/1", unit="°C")},
    )
    log.to_minari("plant-v0")
    assert_same(Trajectories.from_minari("plant-v0"), log)


def test_dict_spaces():
    space = spaces.Dict({"pos": spaces.Box(-1, 1, (2,)), "gear": spaces.Discrete(3)})
    frame = pl.DataFrame(
        {
            "t": [0, 1, 2],
            "g": ["0", "2", "1"],
            "x": [0.5, 0.25, 0],
            "y": [0.0, 1, 1],
            "a": [1, 0, None],
        }
    )
    log = Trajectories.from_frame(frame, state=["g", "x", "y"], action="a", time="t")
    dataset = log.to_minari("dict-v0", observation_space=space)
    episode = next(iter(dataset.iterate_episodes()))
    assert episode.observations["gear"].tolist() == [0, 2, 1]
    assert episode.observations["pos"].tolist() == [[0.5, 0], [0.25, 1], [0, 1]]
    assert_same(Trajectories.from_minari(dataset), log)


def test_what_minari_cannot_hold():
    table = pl.DataFrame({"x": [1.0, 2.0], "a": [0, 1]})
    with pytest.raises(SchemaError, match="CSV or Parquet"):
        Trajectories.from_frame(table, state="x", action="a").to_minari("x-v0")
    with pytest.raises(SchemaError, match="transitions with actions"):
        Trajectories.from_frame(table, state="x", step=1.0).to_minari("x-v0")
    gaps = pl.DataFrame({"x": [1.0, 2, 3], "a": [0, None, 1]})
    log = Trajectories.from_frame(gaps, state="x", action="a", step=1.0)
    assert log.schema["a"].kind is Kind.BINARY
    with pytest.raises(DataError, match="'a' has missing values"):
        log.to_minari("x-v0")
    log = Trajectories.from_gymnasium("CartPole-v1", episodes=1)
    log.to_minari("x-v0")
    with pytest.raises(DataError, match="already exists"):
        log.to_minari("x-v0")
    with pytest.raises(SchemaError, match="4 names are given for the 3"):
        log.to_minari("y-v0", env="Pendulum-v1")
    with pytest.raises(UnknownNameError, match=r"'x-v1'.*'x-v0'"):
        Trajectories.from_minari("x-v1")


@pytest.mark.parametrize(("package", "module"), [("minari", "minari"), ("pillow", "PIL")])
def test_missing_package(monkeypatch, package, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=package):
        Trajectories.from_minari("x-v0")
