"""Discrete logs whose actions set variables by force: order, parents, and their limits."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld._core.budget import Seconds
from doworld.discover.time.levers import find_levers
from doworld.graph import Disagreement
from doworld.worlds.chemical import Chemical


def _pairs(graph: dw.CausalGraph) -> set[tuple[str, str]]:
    objects = [e for e in graph.edges() if "action" not in (e.source, e.target)]
    return {(e.source, e.target) for e in objects if e.source != e.target}


@pytest.mark.parametrize("name", ["chain", "collider", "full", "jungle"])
def test_objects_that_colour_each_other(name):
    world = Chemical(name, seed=5)
    found = dw.discover(world.collect(200, 50, seed=6))
    assert _pairs(found) == _pairs(world.graph)
    assert all(e.lag == 0 for e in found.edges() if (e.source, e.target) in _pairs(found))
    assert "by force" in " ".join(found.notes)


def test_nuisance_moves_nothing():
    world = Chemical("chain", nuisance=True, seed=1)
    found = dw.discover(world.collect(100, 50, seed=2))
    assert _pairs(found) == _pairs(world.graph)


def test_the_prior_is_kept():
    log = Chemical("chain", seed=5).collect(100, 50, seed=6)
    prior = dw.Prior(forbidden=(("object0", "object1"),), required=(("object4", "object3", 1),))
    pairs = _pairs(dw.discover(log, prior=prior, max_lag=1))
    assert ("object0", "object1") not in pairs
    assert ("object4", "object3") in pairs


def test_actions_that_follow_the_state_are_no_experiments():
    world = Chemical("chain", seed=5)
    log = world.collect(100, 50, seed=6)
    values = log.values.copy()
    values[:, world.action] = values[:, 0] + 5 * (values[:, 1] % 5)  # paint what is seen
    values[log.starts[1:] - 1, world.action] = np.nan
    schema = replace(log.schema, policy=dw.Policy.UNKNOWN)
    with pytest.warns(dw.DoworldWarning, match="function"):
        found = dw.discover(replace(log, values=values, schema=schema), max_lag=1)
    assert "by force" not in " ".join(found.notes)


def test_a_level_that_only_seems_to_set_a_variable():
    rng = np.random.default_rng(0)
    before = rng.integers(3, size=4000)
    after = np.where(rng.uniform(size=4000) < 0.9, before, rng.integers(3, size=4000))
    action = rng.integers(4, size=4000)
    assert not find_levers({"x": after}, {"x": before}, {"a": action}).pulled
    forced = np.where(action < 2, action, after)
    pulled = find_levers({"x": forced}, {"x": before}, {"a": action}).pulled["x"]
    np.testing.assert_array_equal(pulled, np.where(action < 2, action, -1))


def test_contexts_in_which_fewer_causes_act():
    world = Chemical("full", local="fork", objects=4, seed=0)
    found = dw.discover(world.collect(400, 50, seed=1), max_lag=1)
    at_zero = {c.target: c.parents for c in found.local if c.level == 0}
    assert at_zero == {"object2": (), "object3": ()}
    assert {c.gate for c in found.local} == {("object0", 0)}
    assert dw.CausalGraph.from_dict(found.to_dict()).local == found.local


def test_no_contexts_where_one_graph_holds_throughout():
    found = dw.discover(Chemical("full", objects=4, seed=0).collect(200, 50, seed=1), max_lag=1)
    assert not [c for c in found.local if c.level == 0]


def _painted(rows: int, rng: np.random.Generator, painted: int) -> dict[str, np.ndarray]:
    """x0 → x1 → x2 of three levels within the row; the action sets one of the first ``painted``."""
    x = rng.integers(3, size=(rows, 3))
    action = rng.integers(3 * painted, size=rows)
    for t in range(1, rows):
        target, value = divmod(int(action[t - 1]), 3)
        order = (0, 2) if painted == 2 else (0, 1, 2)
        row = x[t - 1].copy()
        row[order[target]] = value
        for i in (1, 2):
            if order[target] < i and rng.uniform() < 0.9:
                row[i] = row[i - 1]
        x[t] = row
    names = {f"x{i}": x[:, i] for i in range(3)}
    return {**names, "a": action}


def _log(columns: dict[str, np.ndarray], **roles) -> dw.Trajectories:
    levels = {"x0", "x1", "x2", "a"}
    data = {n: [f"v{v}" for v in c] if n in levels else c for n, c in columns.items()}
    frame = pl.DataFrame({"t": np.arange(len(columns["a"])), **data})
    return dw.Trajectories.from_frame(frame, action=["a"], time="t", **roles)


def test_what_follows_a_level_within_the_row_is_still_found():
    rng = np.random.default_rng(0)
    columns = _painted(4000, rng, 3)
    columns["flow"] = 2.0 * (columns["x1"] > 1) + 0.1 * rng.normal(size=4000)
    found = dw.discover(_log(columns, state=["x0", "x1", "x2", "flow"]), max_lag=1)
    pairs = {frozenset((e.source, e.target)) for e in found.edges() if e.lag == 0}
    assert frozenset(("x1", "flow")) in pairs


def test_a_state_without_levers_is_no_silent_mediator():
    columns = _painted(4000, np.random.default_rng(0), 2)
    found = dw.discover(_log(columns, state=["x0", "x1", "x2"]), max_lag=1)
    assert "by force" not in " ".join(found.notes)


def test_an_action_that_follows_a_number_is_no_experiment():
    rng = np.random.default_rng(0)
    columns = _painted(4000, rng, 3)
    columns["h"] = columns["a"] + rng.normal(size=4000)
    log = _log(columns, state=["x0", "x1", "x2", "h"])
    assert "by force" not in " ".join(dw.discover(log, max_lag=1).notes)


def test_required_edges_within_the_row_close_no_cycle_with_levers():
    columns = _painted(2000, np.random.default_rng(0), 3)
    prior = dw.Prior(required=(("x2", "x0", 0),))
    found = dw.discover(_log(columns, state=["x0", "x1", "x2"]), prior=prior, max_lag=1)
    assert ("x2", "x0") in {(e.source, e.target) for e in found.edges() if e.lag == 0}


def test_too_short_episodes_are_named():
    log = Chemical("chain").collect(30, 2, seed=0)
    with pytest.raises(dw.DoworldError, match="transitions are left"):
        dw.discover(log, max_lag=4)


def joint_log(rows, seed):
    """s3 follows s0 XOR s1 where s2 is set and s0 OR s1 where it is not; actions set s0 … s3."""
    rng = np.random.default_rng(seed)
    state, out = np.zeros(4, int), []
    for _ in range(rows):
        action = int(rng.integers(8))
        out.append([*state, action])
        which, value = divmod(action, 2)
        new = np.where(rng.random(4) < 0.2, state, rng.integers(2, size=4))
        if which < 3:
            new[which] = value
        wanted = (new[0] ^ new[1]) if new[2] else (new[0] | new[1])
        new[3] = wanted if rng.random() < 0.9 else rng.integers(2)
        if which == 3:
            new[3] = value
        state = new
    columns = {f"s{j}": [f"c{r[j]}" for r in out] for j in range(4)}
    frame = pl.DataFrame(columns | {"a": [f"k{r[4]}" for r in out], "ep": [0] * rows})
    states = [f"s{j}" for j in range(4)]
    return dw.Trajectories.from_frame(frame, state=states, action=["a"], episode="ep")


@pytest.fixture(scope="module")
def joint():
    return joint_log(4000, 0)


def test_causes_that_act_jointly_are_not_silent(joint):
    """Neither input of an exclusive or shows itself alone, yet both act where s2 is set."""
    graph = dw.discover(joint, max_lag=1)
    edges = {(e.source, e.lag) for e in graph.edges() if e.target == "s3"}
    assert {("s0", 0), ("s1", 0), ("s2", 0)} <= edges
    assert not [c for c in graph.local if c.gate[0] == "s2" and c.target == "s3"]


def test_knowledge_is_put_to_experiments_too(joint):
    barred = dw.discover(joint, max_lag=1, prior=dw.Prior(forbidden=(("s2", "s3", 0),)))
    told = {(k.source, k.target, k.lag): k.kind for k in barred.conflicts}
    assert told == {("s2", "s3", 0): Disagreement.SEEN}
    needed = dw.discover(joint, max_lag=1, prior=dw.Prior(required=(("s3", "s0", 1),)))
    told = {(k.source, k.target, k.lag): k.kind for k in needed.conflicts}
    assert told == {("s3", "s0", 1): Disagreement.UNSEEN}
    assert dw.discover(joint, max_lag=1, prior=dw.Prior(forbidden=(("s3", "s0"),))).conflicts == ()


def test_a_budget_ends_the_reading_of_experiments(joint):
    budget = Seconds(1e-9)
    graph = dw.discover(joint, max_lag=1, budget=budget)
    assert graph.links
    assert budget.cuts
