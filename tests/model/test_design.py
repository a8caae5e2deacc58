"""From a log to the arrays that mechanisms are fitted on."""

import jax.numpy as jnp
import numpy as np
import pytest
from model_worlds import XUY_GRAPH, linear_log, log_of

from doworld.data import Kind, Role, Variable
from doworld.graph import CausalGraph, Edge
from doworld.mechanisms import Coding
from doworld.model.baseline import LinearBaseline
from doworld.model.continuous import rollouts
from doworld.model.design import design, encoded, member_graphs, parents, remember
from doworld.model.memory import choose_memory
from doworld.model.neural_fit import NeuralSettings, _bootstrap
from doworld.model.regression import regression


def numbered(lengths, columns=2):
    """Episodes whose values tell episode and row: 100·episode + row."""
    return [np.repeat(100.0 * e + np.arange(n)[:, None], columns, 1) for e, n in enumerate(lengths)]


TWO = (Variable("a"), Variable("b", Role.ACTION))


@pytest.mark.parametrize("lags", [1, 2, 4])
def test_no_window_reaches_into_another_episode(lags):
    lengths = (3, 7, 1, 5, 2)
    log = log_of(TWO, numbered(lengths))
    data = design(log, lags, seed=0)
    episode = log.episode_of_row
    assert len(data.rows) == sum(max(0, n - lags) for n in lengths)
    for k in range(lags + 1):
        assert (episode[data.rows - k] == episode[data.rows]).all()
    raw = data.values * data.scale + data.center
    np.testing.assert_allclose(raw[data.rows, 0] - raw[data.rows - lags, 0], lags)


def test_rollouts_stay_in_their_episode_and_train_never_meets_held_out():
    log = linear_log((30, 12, 45, 8) * 6)
    data = design(log, 2, seed=0)
    starts = rollouts(log, data, NeuralSettings(horizon=10))
    episode = log.episode_of_row
    held = np.zeros(log.rows, bool)
    held[data.rows[data.held]] = True
    for steps, first in starts.train.items():
        assert (episode[first - 1] == episode[first + steps]).all()
        reached = first[:, None] + 1 + np.arange(steps)
        assert not held[reached].any()
    assert held[starts.held + 1].all()
    longest = max(starts.train)
    assert (episode[starts.held] == episode[starts.held + longest]).all()


@pytest.mark.parametrize("lengths", [(2,), (3,), (11,), (2, 2), (2,) * 30, (1, 1, 2)])
def test_rollouts_of_tiny_logs(lengths):
    log = log_of(TWO, numbered(lengths))
    data = design(log, 1, seed=0)
    starts = rollouts(log, data, NeuralSettings())
    assert len(starts.held) > 0
    assert all(first.min(initial=0) >= 0 for first in starts.train.values())


def test_rollouts_of_a_static_table():
    log = log_of(TWO, numbered((1,) * 60), step=0.0)
    data = design(log, 0, seed=0)
    starts = rollouts(log, data, NeuralSettings())
    assert set(starts.train) == {1}
    every = np.concatenate([starts.train[1], starts.held, data.kept - 1])
    assert (np.sort(every) == np.arange(-1, 59)).all()


def test_missing_values_are_never_targets_and_never_parents():
    episodes = numbered((6, 6))
    episodes[0][3, 0] = np.nan
    episodes[1][2, 1] = np.nan
    log = log_of(TWO, episodes)
    data = design(log, 1, seed=0)
    assert not np.isnan(data.values).any()
    coding = data.coding
    columns = np.array([*coding.columns(0, 1), *coding.columns(1, 1)])
    kept = data.rows[data.complete(0, columns)]
    # row 3 has no target and row 4 no parent a; row 6 + 3 has no parent b
    assert kept.tolist() == [1, 2, 5, 7, 8, 10, 11]
    assert data.rows[data.complete(0, columns[:1])].tolist() == [1, 2, 5, 7, 8, 9, 10, 11]
    # gaps are filled by the last value of the same episode
    raw = data.values * data.scale + data.center
    assert raw[3, 0] == pytest.approx(2.0)


def test_a_gap_at_the_start_of_an_episode_is_not_filled_from_the_one_before():
    episodes = numbered((4, 4))
    episodes[1][0, 0] = np.nan
    data = design(log_of(TWO, episodes), 1, seed=0)
    assert data.values[4, 0] == 0.0  # the mean
    assert not data.observed[4, 0]


def test_rollouts_leave_out_starts_with_gaps():
    log = linear_log((20,) * 30)
    log.values[::7, 0] = np.nan
    data = design(log, 1, seed=0)
    starts = rollouts(log, data, NeuralSettings(horizon=4))
    for first in (*starts.train.values(), starts.held):
        assert data.observed[first].all()


def test_rewards_stand_in_the_row_they_arrive_in():
    variables = (*TWO, Variable("r", Role.REWARD))
    episodes = numbered((4, 3), 3)
    for episode in episodes:
        episode[-1, 2] = np.nan
    log = log_of(variables, episodes)
    data = design(log, 1, seed=0)
    raw = data.values * data.scale + data.center
    np.testing.assert_allclose(raw[data.rows, 2], raw[data.rows - 1, 0])
    assert data.observed[data.rows, 2].all()
    assert not data.observed[[0, 4], 2].any()


@pytest.mark.parametrize("lengths", [(9,) * 40, (5, 20) * 25])
def test_hold_out_and_bootstrap_take_whole_episodes(lengths):
    log = log_of(TWO, numbered(lengths))
    data = design(log, 1, seed=0)
    episode = log.episode_of_row[data.rows]
    assert {len(set(data.held[episode == e])) for e in np.unique(episode)} == {1}
    assert 0.1 < len(np.unique(episode[data.held])) / len(lengths) < 0.3
    graph = CausalGraph(("a", "b"), (Edge("a", "a"),))
    plan = parents(log, data.coding, [{"a": list(graph.parents("a"))}] * 3, ["a"])
    own = regression(data, plan, 0, 0)
    for signs in own.signs[:, : len(episode)]:
        assert {len(set(signs[episode == e])) for e in np.unique(episode)} == {1}
    assert (own.judge[: len(episode)] == data.held).all()
    assert not (own.train & own.judge).any()
    spared = log.episode_of_row[data.kept]
    assert 0.05 < len(np.unique(spared)) / len(lengths) < 0.2
    assert not np.isin(spared, episode).any()
    drawn = _bootstrap(data, data.rows[~data.held] - 1, np.random.default_rng(0))
    rows, times = np.unique(drawn, return_counts=True)
    for e in np.unique(log.episode_of_row[rows]):
        inside = log.episode_of_row[rows] == e
        assert len(set(times[inside])) == 1
        assert inside.sum() == (episode[~data.held] == e).sum()


def test_one_episode_is_held_out_in_blocks():
    data = design(log_of(TWO, numbered((1001,))), 1, seed=0)
    assert 0.13 < data.held.sum() / data.size < 0.17
    assert 10 <= np.abs(np.diff(data.held.astype(int))).sum() < 60


@pytest.mark.parametrize("rows", [2, 3, 6, 11, 30])
def test_tiny_logs_still_have_units_to_resample(rows):
    data = design(log_of(TWO, numbered((rows,))), 1, seed=0)
    assert len(np.unique(data.unit)) >= min(rows - 1, 5)
    assert rows == 2 or 0 < data.held.sum() < len(data.rows)


def test_scaling():
    rng = np.random.default_rng(0)
    variables = (
        Variable("n"),
        Variable("constant"),
        Variable("huge"),
        Variable("flag", kind=Kind.BINARY),
        Variable("level", kind=Kind.CATEGORICAL, categories=("p", "q", "r")),
        Variable("count", kind=Kind.COUNT),
        Variable("absent"),
    )
    n = 200
    values = np.stack(
        [
            rng.normal(5, 2, n),
            np.full(n, 7.0),
            1e8 + rng.normal(size=n),
            rng.integers(0, 2, n),
            rng.integers(0, 3, n),
            rng.poisson(4, n),
            np.full(n, np.nan),
        ],
        1,
    )
    data = design(log_of(variables, [values]), 1, seed=0)
    spread = data.values.std(0)
    np.testing.assert_allclose(spread[[0, 2, 5]], 1.0, rtol=1e-6)
    np.testing.assert_allclose(data.values[:, 1], 0.0)
    assert data.scale[1] == data.scale[3] == data.scale[4] == data.scale[6] == 1.0
    assert data.center[1] == 7.0
    assert data.center[3] == data.center[4] == 0.0
    np.testing.assert_array_equal(data.values[:, 4], values[:, 4])
    # one feature a level of the category
    assert data.features.shape[1] == 9
    np.testing.assert_array_equal(data.features[:, 4:7].argmax(1), values[:, 4])
    np.testing.assert_array_equal(data.features[:, 4:7].sum(1), 1.0)


def test_gather_reads_lag_and_feature():
    log = log_of(TWO, numbered((8,)))
    data = design(log, 3, seed=0)
    columns = np.array([*data.coding.columns(1, 3), *data.coding.columns(0, 1)])
    found = data.gather(columns, np.array([5, 7]))
    wanted = np.stack([data.values[[2, 4], 1], data.values[[4, 6], 0]], 1)
    np.testing.assert_array_equal(found, wanted)


def test_remember():
    links = [("a", 1), ("b", 0), ("c", 2)]
    assert remember(links, 1) == links
    more = remember(links, 4)
    assert {lag for s, lag in more if s == "a"} == {1, 2, 3, 4}
    assert {lag for s, lag in more if s == "c"} == {1, 2, 3, 4}
    assert [(s, lag) for s, lag in more if s == "b"] == [("b", 0)]
    assert len(set(more)) == len(more)
    # a parent's own lag stays, on the ladder or not
    assert ("a", 5) in remember([("a", 5)], 4)


def graphs(graph, structures=8, **more):
    return member_graphs(graph, ["x", "y"], 1, members=2, structures=structures, seed=0, **more)


def test_members_of_structure_exist_only_where_edges_are_open():
    every, structural = graphs(XUY_GRAPH)
    assert structural == (False, False)
    assert every[0] == {"x": [("x", 1), ("u", 1)], "y": [("x", 1), ("y", 1)]}


def test_members_of_structure_draw_open_edges():
    links = XUY_GRAPH.links
    graph = CausalGraph(
        XUY_GRAPH.names,
        (*links[:2], Edge("x", "y", probability=0.5), Edge("y", "y", probability=0.5)),
        doubtful=(Edge("u", "y", probability=0.3), Edge("y", "x", probability=0.01)),
    )
    every, structural = graphs(graph, structures=200)
    assert structural == (False,) * 2 + (True,) * 200
    sampled = every[2:]
    share = np.mean([("x", 1) in g["y"] for g in sampled])
    assert 0.35 < share < 0.65
    assert 0.2 < np.mean([("u", 1) in g["y"] for g in sampled]) < 0.4
    # a variable's own past stays, sure edges stay, all but impossible ones stay out
    assert all(("y", 1) in g["y"] for g in sampled)
    assert all({("x", 1), ("u", 1)} <= set(g["x"]) for g in sampled)
    assert not any(("y", 1) in g["x"] for g in sampled)
    # the likeliest graph is untouched by the draws
    assert set(every[0]["y"]) == {("x", 1), ("y", 1)}


def test_parents_mask_what_a_member_does_not_have():
    log = linear_log((5, 5))
    coding = Coding.of(log.schema)
    some = [{"y": [("y", 1), ("x", 1)]}, {"y": [("y", 1)]}, {"y": [("y", 1), ("u", 1)]}]
    plan = parents(log, coding, some, ["y"])
    names = [log.schema.names[c % 3] for c in plan.columns[0]]
    assert names == ["x", "u", "y"]
    np.testing.assert_array_equal(plan.mask[:, 0], [[1, 0, 1], [0, 0, 1], [0, 1, 1]])
    assert plan.residual[0] == 1.0


def test_parents_of_some_targets_keep_their_order():
    log = linear_log((5, 5))
    coding = Coding.of(log.schema)
    full = {"x": [("x", 1)], "y": [("x", 1), ("u", 1), ("y", 1)]}
    plan = parents(log, coding, [full], ["x", "y"])
    own = plan.of([0])
    assert own.columns.shape == (1, 1)
    assert own.columns[0, 0] == plan.columns[0, 0]
    np.testing.assert_array_equal(plan.of([1]).columns, plan.columns[[1]])


def test_discrete_targets_and_rewards_are_not_increments():
    variables = (
        Variable("f", kind=Kind.BINARY),
        Variable("r", Role.REWARD),
        Variable("n", kind=Kind.COUNT),
    )
    log = log_of(variables, [np.zeros((4, 3))])
    every = [{v.name: [(v.name, 1)] for v in variables}]
    plan = parents(log, Coding.of(log.schema), every, ["f", "r", "n"])
    assert plan.residual.tolist() == [0.0, 0.0, 1.0]


def oscillator(hidden: bool):
    """A damped spring driven by noise, with or without its velocity in the log."""
    rng, episodes = np.random.default_rng(0), []
    for _ in range(6):
        rows, p, v = [], rng.normal(), rng.normal()
        for _ in range(300):
            rows.append([p, v])
            p, v = p + 0.1 * v, v - 0.1 * p - 0.02 * v + 0.05 * rng.normal()
        episodes.append(np.array(rows))
    episodes = [e + 0.01 * rng.normal(size=e.shape) for e in episodes]
    if hidden:
        return log_of((Variable("p"),), [e[:, :1] for e in episodes])
    return log_of((Variable("p"), Variable("v")), episodes)


def test_memory_of_a_markov_world_is_one_row():
    names = ("p", "v")
    links = tuple(Edge(s, t) for s in names for t in names)
    assert choose_memory(oscillator(False), CausalGraph(names, links), seed=0) == 1


def test_memory_grows_where_a_velocity_is_hidden():
    graph = CausalGraph(("p",), (Edge("p", "p", 1), Edge("p", "p", 2)), max_lag=2)
    assert choose_memory(oscillator(True), graph, seed=0) > 2


def test_features_in_numpy_are_those_of_the_coding():
    log = log_of(
        (
            Variable("m", kind=Kind.CATEGORICAL, categories=("a", "b", "c")),
            Variable("x"),
            Variable("on", kind=Kind.BINARY),
        ),
        [np.array([[0, 1.5, 1], [2, -0.5, 0]])],
    )
    coding = Coding.of(log.schema)
    variable, level = np.asarray(coding.variable), np.asarray(coding.level)
    read = coding.encode(jnp.asarray(log.values))
    np.testing.assert_array_equal(encoded(log.values, variable, level), read)
    gap = encoded(np.array([[np.nan, np.nan, 1.0]]), variable, level)
    assert np.isnan(gap).tolist() == [[True, True, True, True, False]]
    # the linear baseline reads rows in the same way, and answers in levels
    fitted = LinearBaseline.fit(log, 1)
    assert fitted.level.tolist() == level.tolist()
    out = fitted.rollout(log.values[None, :1], log.values[None, 1:])
    assert out[0, 0, 0] in (0, 1, 2)
    assert out[0, 0, 2] in (0, 1)
