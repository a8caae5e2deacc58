"""What people know of interventions, and what the data tell of unknown ones."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, DoworldWarning, SchemaError, UnknownNameError
from doworld.data import Trajectories
from doworld.discover import (
    Altered,
    Interventions,
    Replaced,
    acted_on,
    as_interventions,
    discover,
)
from doworld.graph import CausalGraph, Edge, Mark, Reason
from doworld.worlds.changes import ChangingWorld


def table(columns, place, context=()):
    frame = pl.DataFrame({**columns, "place": [f"e{p}" for p in place]})
    state = [n for n in columns if n not in context]
    return Trajectories.from_frame(frame, state=state, context=list(context), environment="place")


def marks(graph):
    return {(e.source, e.target, e.mark) for e in graph.edges()}


def pair(rng, rows=400, *, act=None):
    """a → b, Gaussian, which nothing but an intervention tells from b → a."""
    a = rng.standard_normal(rows)
    b = a + rng.standard_normal(rows)
    return (a, b) if act is None else act(a, b)


def test_a_hard_intervention_directs_an_edge():
    rng = np.random.default_rng(0)
    a0, b0 = pair(rng)
    a1, _ = pair(rng)
    b1 = np.sqrt(2.0) * rng.standard_normal(400)  # set at random, with the spread that it has
    place = np.repeat([0, 1], 400)
    log = table({"a": np.r_[a0, a1], "b": np.r_[b0, b1]}, place)
    known = Interventions({"e0": (), "e1": (Replaced("b"),)})
    assert marks(discover(log, interventions=known)) == {("a", "b", Mark.DIRECTED)}
    alone = log.in_environment("e0")
    assert marks(discover(alone)) == {("a", "b", Mark.UNDIRECTED)}


def test_rows_of_a_hard_intervention_say_nothing_of_causes():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(800)
    b = np.where(np.arange(800) < 400, rng.standard_normal(800), 2 * a)  # a person copied a
    log = table({"a": a, "b": b}, np.repeat([0, 1], 400))
    known = Interventions({"e1": (Replaced("b"), Replaced("a"))})
    assert discover(log, interventions=known).links == ()
    assert len(discover(log).links) == 1


@pytest.mark.parametrize("known", [False, True])
def test_graphs_of_worlds_with_soft_interventions(known):
    right = found = true = pointed = said_wrong = 0
    for seed in range(5):
        world = ChangingWorld(5, changes=2, environments=3, nonlinear=seed % 2 == 1, seed=seed)
        log = world.collect(200, seed=seed)
        said = {p: [] for p in world.schema.environments}
        for name, places in world.where.items():
            for p in places:
                said[p].append(Altered(name))
        told = Interventions({p: tuple(t) for p, t in said.items()}) if known else None
        graph = discover(log, interventions=told, seed=seed)
        edges = {(e.source, e.target) for e in world.graph.links}
        links = {frozenset(e) for e in edges}
        of = {frozenset((e.source, e.target)) for e in graph.links}
        directed = {(e.source, e.target) for e in graph.links if e.mark is Mark.DIRECTED}
        right, found, true = right + len(of & links), found + len(of), true + len(links)
        pointed += len(directed & edges)
        said_wrong += len(directed - edges)
    assert right >= 0.9 * found
    assert right >= 0.9 * true
    assert said_wrong <= 0.2 * (pointed + said_wrong), (pointed, said_wrong, true)
    assert pointed >= 0.6 * true, (pointed, true)


def test_two_mechanisms_that_change_together_are_no_edge():
    false = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        place = np.repeat([0, 1, 2], 100)
        level = rng.normal(size=(2, 3))[:, place]
        spread = rng.uniform(0.5, 2.0, (2, 3))[:, place]
        a, b = level + spread * rng.standard_normal((2, 300))
        false += len(discover(table({"a": a, "b": b}, place), seed=seed).links)
    assert false <= 2


def test_contexts_explain_before_environments_do():
    rng = np.random.default_rng(0)
    place = np.repeat([0, 1], 200)
    gravity = np.where(place, 9.8, 3.7)
    fall = gravity + rng.standard_normal(400)
    log = table({"gravity": gravity, "fall": fall}, place, context=["gravity"])
    assert marks(discover(log)) == {("gravity", "fall", Mark.DIRECTED)}


def test_tables_with_levels_take_the_environment_as_a_context():
    rng = np.random.default_rng(0)
    place = np.repeat([0, 1], 1500)
    weather = rng.integers(3, size=3000)
    mood = (rng.uniform(size=3000) < np.where(weather == 1, 0.8, 0.3)).astype(int)
    mood = np.where(place, rng.integers(2, size=3000), mood)
    size = rng.standard_normal(3000) + mood
    columns = {"weather": [f"w{k}" for k in weather], "mood": [f"m{k}" for k in mood], "size": size}
    known = Interventions({"e1": (Replaced("mood"),)})
    for told in (None, known):
        graph = discover(table(columns, place), interventions=told)
        links = {frozenset((e.source, e.target)) for e in graph.links}
        assert links == {frozenset(("weather", "mood")), frozenset(("mood", "size"))}
        assert graph.names == ("weather", "mood", "size")


def test_an_environment_of_three_rows_is_left_out():
    rng = np.random.default_rng(0)
    a, b = pair(rng, 403)
    place = np.repeat([0, 1, 2], [200, 200, 3])
    graph = discover(table({"a": a, "b": b}, place))
    whole = discover(table({"a": a[:400], "b": b[:400]}, place[:400]))
    assert [str(e) for e in graph.links] == [str(e) for e in whole.links]
    assert any("fewer than 20 complete rows were left out: 'e2' (3)" in n for n in graph.notes)


def test_environments_that_are_all_small_are_taken_together():
    rng = np.random.default_rng(0)
    a, b = pair(rng, 300)
    graph = discover(table({"a": a, "b": b}, np.arange(300) // 3))
    assert len(graph.links) == 1
    assert any("taken as of one environment" in n for n in graph.notes)
    assert any("and 95 more" in n for n in graph.notes)


def test_a_variable_seen_in_one_environment_only_is_named():
    rng = np.random.default_rng(0)
    a, b = pair(rng)
    c = np.where(np.arange(400) < 200, b + rng.standard_normal(400), np.nan)
    log = table({"a": a, "b": b, "c": c}, np.repeat([0, 1], 200))
    with pytest.warns(DoworldWarning, match="'c' has no values in environment 'e1'"):
        graph = discover(log)
    assert {frozenset((e.source, e.target)) for e in graph.links} == {frozenset("ab")}
    (fact,) = graph.unidentified
    assert (fact.variable, fact.reason) == ("c", Reason.EMPTY)
    assert graph.links[0].evidence is not None
    assert graph.links[0].evidence.rows == 400


def test_same_seed_same_graph_and_order_does_not_matter():
    world = ChangingWorld(5, changes=2, environments=3, seed=4)
    log = world.collect(150, seed=0)
    first = discover(log, seed=3)
    assert discover(log, seed=3) == first
    back = log.select(range(len(log))[::-1])
    assert {(e.source, e.target) for e in discover(back, seed=3).links} == {
        (e.source, e.target) for e in first.links
    }


def test_bad_interventions_say_what_is_wrong():
    rng = np.random.default_rng(0)
    a, b = pair(rng)
    place = np.repeat([0, 1], 200)
    log = table({"a": a, "b": b}, place)
    with pytest.raises(UnknownNameError, match="no environment is called 'e2'"):
        discover(log, interventions=Interventions({"e2": ()}))
    with pytest.raises(UnknownNameError, match="no variable is called 'c'"):
        discover(log, interventions=Interventions({"e1": (Altered("c"),)}))
    with pytest.raises(SchemaError, match="'a' is named twice"):
        Interventions({"e1": (Altered("a"), Replaced("a"))})
    everywhere = Interventions({"e0": (Replaced("a"),), "e1": (Replaced("a"),)})
    with pytest.raises(SchemaError, match="Replaced in every environment"):
        discover(log, interventions=everywhere)
    given = table({"a": a, "b": b}, place, context=["a"])
    with pytest.raises(SchemaError, match="is a context"):
        discover(given, interventions=Interventions({"e1": (Altered("a"),)}))
    over_time = ChangingWorld(2, static=False).collect(2, 30)
    with pytest.raises(SchemaError, match="this log goes over time"):
        discover(over_time, interventions=Interventions({}))


@pytest.mark.parametrize("static", [True, False])
def test_unknown_targets_are_found(static):
    right = false = missing = 0
    for seed in range(5):
        world = ChangingWorld(4, environments=4, changes=2, static=static, seed=seed)
        log = world.collect(250, seed=seed) if static else world.collect(2, 150, seed=seed)
        found = acted_on(log, world.graph, reference="environment0")
        acts = {(t.environment, t.variable) for t in found if t.acts}
        truth = {(p, v) for v, places in world.where.items() for p in places}
        right, false = right + len(acts & truth), false + len(acts - truth)
        missing += len(truth - acts)
    assert false <= 2
    assert right >= 0.85 * (right + missing)


def test_where_nothing_is_acted_on_nothing_is_found():
    false = 0
    for seed in range(10):
        world = ChangingWorld(4, environments=4, changes=0, seed=seed)
        found = acted_on(world.collect(150, seed=seed), world.graph, reference="environment0")
        false += any(t.acts for t in found)
    assert false <= 1


def test_hard_and_soft_are_told_apart():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(900)
    place = np.repeat([0, 1, 2], 300)
    noise = rng.standard_normal(900)
    b = np.select([place == 0, place == 1], [a + noise, 1.4 * noise], a + noise + 2)
    log = table({"a": a, "b": b}, place)
    graph = CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0)
    found = acted_on(log, graph, reference="e0")
    assert as_interventions(found) == Interventions({"e1": (Replaced("b"),), "e2": (Altered("b"),)})
    hard = next(t for t in found if t.acts and t.environment == "e1")
    assert hard.listened == pytest.approx(0.5, abs=0.1)
    assert hard.listens < 0.05


def test_acted_on_refuses():
    world = ChangingWorld(3, environments=3, seed=0)
    log = world.collect(60)
    with pytest.raises(UnknownNameError, match="no environment is called 'environment7'"):
        acted_on(log, world.graph, reference="environment7")
    with pytest.raises(DataError, match="no episodes of 'environment0'"):
        acted_on(
            log.select(np.flatnonzero(log.environment > 0)), world.graph, reference="environment0"
        )
    small = log.select([*range(60), *range(60, 63)])
    found = acted_on(small, world.graph, reference="environment0")
    assert all(np.isnan(t.p_value) and "Log more rows" in t.note for t in found)
    one = replace(log, environment=np.zeros(len(log), np.int64))
    with pytest.raises(DataError, match="one environment"):
        acted_on(one, world.graph, reference="environment0")
