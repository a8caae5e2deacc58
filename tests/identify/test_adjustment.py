"""Adjustment sets, instruments, front doors and plans: criteria by brute force."""

import time
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doworld._core.errors import GraphError, QueryError, UnknownNameError
from doworld.graph import CausalGraph, Edge, Mark, MixedGraph
from doworld.identify import (
    Cause,
    Domain,
    Identified,
    Instrument,
    NotIdentified,
    adjustment_set,
    adjustment_sets,
    adjustment_verdict,
    cheapest_adjustment,
    effect_of,
    front_door,
    instruments,
    optimal_adjustment,
    plan_effect,
    sequential_adjustment,
    transport,
    valid_adjustment,
)
from doworld.identify.adjustment import adjusted
from doworld.identify.instruments import valid_front_door
from doworld.infer.estimand import Table, evaluate
from doworld.worlds.latent import LatentWorld, random_mixed_graph


def subsets(nodes):
    return chain.from_iterable(combinations(nodes, k) for k in range(len(nodes) + 1))


def true_effect(graph, x, y, seed):
    world = LatentWorld.random(graph, seed=seed)
    out = tuple(i for i, n in enumerate(graph.nodes) if n not in (*x, y))
    return Table(tuple(n for n in graph.nodes if n in (*x, y)), world.law(x).sum(out))


def gap(graph, x, y, chosen, seed):
    formula = adjusted(graph, frozenset({x}), frozenset({y}), chosen)
    found = evaluate(formula, Table(graph.nodes, LatentWorld.random(graph, seed=seed).law()))
    return np.abs(found.aligned((x, y)) - true_effect(graph, [x], y, seed).aligned((x, y))).max()


def test_validity_is_what_random_worlds_say():
    """The criterion is sound, and complete: an invalid set is wrong in some world."""
    said = {True: 0, False: 0}
    for seed in range(20):
        graph = random_mixed_graph(5, seed=seed, bidirected=0.2)
        x, y, *rest = np.random.default_rng(seed).permutation(graph.nodes).tolist()
        for chosen in subsets(rest):
            valid = valid_adjustment(graph, x, y, chosen)
            said[valid] += 1
            worlds = range(2 if valid else 20)
            wrong = any(gap(graph, x, y, chosen, world) > 1e-9 for world in worlds)
            assert wrong != valid, (str(graph), x, y, chosen)
    assert min(said.values()) > 40


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_all_minimal_sets_are_found_and_they_are_minimal(seed):
    graph = random_mixed_graph(6, seed=seed, directed=0.35, bidirected=0.15)
    x, y, *rest = np.random.default_rng(seed).permutation(graph.nodes).tolist()
    valid = [frozenset(c) for c in subsets(rest) if valid_adjustment(graph, x, y, c)]
    minimal = {c for c in valid if not any(o < c for o in valid)}
    listed = [frozenset(c) for c in adjustment_sets(graph, x, y)]
    assert set(listed) == minimal
    assert len(listed) == len(minimal)
    one = adjustment_set(graph, x, y)
    assert (one is None) == (not valid)
    if one is not None:
        assert valid_adjustment(graph, x, y, one)
        costs = {n: float(i + 1) for i, n in enumerate(sorted(rest))}
        cheapest = cheapest_adjustment(graph, x, y, costs)
        assert sum(costs[n] for n in cheapest) == min(sum(costs[n] for n in c) for c in valid)


def test_the_optimal_set():
    graph = MixedGraph.of("c -> x -> m -> y", "c -> m", "p -> y", "i -> x", "x -> d")
    assert optimal_adjustment(graph, "x", "y") == ("c", "p")
    assert adjustment_set(graph, "x", "y", allowed=["c", "i"]) == ("c",)
    assert adjustment_set(graph, "x", "y", allowed=["i"]) is None
    hidden = MixedGraph.of("x -> y", "s <-> y", "p -> s")
    assert optimal_adjustment(hidden, "x", "y") == ("s", "p")
    assert adjustment_set(MixedGraph.of("x -> y", "x <-> y"), "x", "y") is None


def test_why_a_chosen_set_will_not_do():
    graph = MixedGraph.of("z -> x -> m -> y", "z -> y")
    assert isinstance(adjustment_verdict(graph, "x", "y", ["z"]), Identified)
    behind = adjustment_verdict(graph, "x", "y", ["z", "m"])
    assert behind.cause is Cause.ADJUSTMENT
    assert "Leave m out" in behind.fix
    assert adjustment_verdict(graph, "x", "y", []).fix == "Adjust for z."


def test_over_time():
    edges = (Edge("s", "s"), Edge("s", "a", 0), Edge("a", "s"))
    graph = CausalGraph(("s", "a"), edges)
    assert adjustment_set(graph, ("a", 1), ("s", 0)) == (("s", 1),)
    assert adjustment_set(graph, ("a", 2), ("s", 0)) == (("s", 2),)
    vague = CausalGraph(("s", "a"), (Edge("s", "a", 0, Mark.UNDIRECTED),), max_lag=0)
    with pytest.raises(GraphError, match="open"):
        adjustment_set(vague, "a", "s")
    with pytest.raises(UnknownNameError):
        adjustment_set(graph, ("q", 1), ("s", 0))


def test_instruments():
    plain = MixedGraph.of("z -> x -> y", "x <-> y")
    assert list(instruments(plain, "x", "y")) == [Instrument("z")]
    conditional = MixedGraph.of("w -> z -> x -> y", "w -> y", "x <-> y")
    assert list(instruments(conditional, "x", "y")) == [Instrument("z", ("w",))]
    collider = MixedGraph.of("z -> x -> y", "x <-> y", "z -> y")
    assert not list(instruments(collider, "x", "y"))
    assert not list(instruments(MixedGraph.of("x -> z -> y", "x <-> y"), "x", "y"))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_a_front_door_is_found_where_there_is_one(seed):
    graph = random_mixed_graph(5, seed=seed, directed=0.5, bidirected=0.25)
    x, y, *rest = np.random.default_rng(seed).permutation(graph.nodes).tolist()
    valid = [c for c in subsets(rest) if c and valid_front_door(graph, x, y, c)]
    on_the_way = [c for c in valid if set(c) <= graph.descendants([x]) & graph.ancestors([y])]
    found = front_door(graph, x, y)
    if found is None:
        assert not on_the_way
    else:
        assert valid_front_door(graph, x, y, found)
        assert isinstance(effect_of(graph, [x], [y]), Identified)


def test_plans_of_several_actions():
    graph = MixedGraph.of("x1 -> z -> x2 -> y", "z -> y", "x1 -> y", "z <-> y")
    assert sequential_adjustment(graph, ["x1", "x2"], "y") == ((), ("z",))
    verdict = plan_effect(graph, ["x1", "x2"], "y")
    law = Table(graph.nodes, LatentWorld.random(graph, seed=0).law())
    found = evaluate(verdict.estimand.expression, law).aligned(("x1", "x2", "y"))
    truth = true_effect(graph, ["x1", "x2"], "y", 0).aligned(("x1", "x2", "y"))
    assert found == pytest.approx(truth, abs=1e-9)
    with pytest.raises(QueryError, match="order"):
        sequential_adjustment(graph, ["x2", "x1"], "y")
    hidden = MixedGraph.of("x1 -> z -> x2 -> y", "x1 <-> y")
    assert isinstance(plan_effect(hidden, ["x1", "x2"], "y"), Identified)
    assert isinstance(
        plan_effect(MixedGraph.of("a -> b -> y", "b <-> y"), ["a", "b"], "y"), NotIdentified
    )


def test_random_plans_against_brute_force():
    found = 0
    for seed in range(80):
        graph = random_mixed_graph(5, seed=seed, directed=0.5, bidirected=0.15)
        order = list(graph.order())
        actions, y = [order[0], order[2]], order[4]
        sets = sequential_adjustment(graph, actions, y)
        if sets is None:
            continue
        found += 1
        verdict = plan_effect(graph, actions, y)
        law = Table(graph.nodes, LatentWorld.random(graph, seed=seed).law())
        nodes = (*actions, y)
        number = evaluate(verdict.estimand.expression, law)
        truth = true_effect(graph, actions, y, seed)
        assert set(number.nodes) <= set(nodes)
        assert np.allclose(number.aligned(nodes), truth.aligned(nodes), atol=1e-9), (
            str(graph),
            sets,
        )
    assert found > 30


def population(graph, seed, differs):
    """A world that shares all mechanisms with that of ``seed`` but those of ``differs``."""
    from dataclasses import replace

    one, other = (LatentWorld.random(graph, seed=s) for s in (seed, seed + 10_000))
    pick = {n: other if n in differs else one for n in graph.nodes}
    return replace(
        one,
        noises={n: w.noises[n] for n, w in pick.items()},
        tables={n: w.tables[n] for n, w in pick.items()},
    )


def carried(graph, x, y, domains, verdict, seed):
    """Whether the formula, from the data of all domains, is the target's true effect."""
    laws = {}
    for domain in domains:
        world = population(graph, seed, domain.differs)
        for done in domain.experiments:
            laws[domain.name, done] = Table(graph.nodes, world.law(sorted(done)))
    found = evaluate(verdict.estimand.expression, laws)
    nodes = (x, y, *verdict.estimand.arbitrary)
    return np.allclose(
        found.aligned(nodes), true_effect(graph, [x], y, seed).aligned(nodes), atol=1e-9
    )


SET_X = frozenset({"x"})


@pytest.mark.parametrize(
    ("edges", "differs", "identified"),
    [
        (("z -> x -> y", "z -> y"), {"z"}, True),  # age differs: reweigh
        (("z -> x -> y", "z -> y", "x <-> y"), {"z"}, True),  # with a confounder in the study
        (("x -> z -> y", "x <-> y"), {"z"}, True),  # surrogate that differs: seen in the target
        (("x -> y", "x <-> y"), {"y"}, False),  # the outcome itself differs
        (("x -> z -> y", "x <-> z", "z <-> y"), {"z"}, False),
    ],
)
def test_transport_between_populations(edges, differs, identified):
    """The examples of Pearl and Bareinboim (2011) and Bareinboim and Pearl (2012)."""
    graph = MixedGraph.of(*edges)
    study = Domain("^S", frozenset(differs), (SET_X, frozenset()))
    domains = [study, Domain("*")]
    verdict = transport(graph, ["x"], ["y"], domains)
    assert isinstance(verdict, Identified) == identified, verdict
    if identified:
        assert all(carried(graph, "x", "y", domains, verdict, seed) for seed in range(3))
    else:
        assert verdict.fix


def test_random_transport_against_brute_force():
    found = 0
    for seed in range(80):
        graph = random_mixed_graph(5, seed=seed, bidirected=0.3)
        x, y, z, w, _ = np.random.default_rng(seed).permutation(graph.nodes).tolist()
        domains = [
            Domain("^1", frozenset({z}), (frozenset({x}),)),
            Domain("^2", frozenset({w}), (frozenset({z}), frozenset())),
            Domain("*"),
        ]
        verdict = transport(graph, [x], [y], domains)
        if isinstance(verdict, Identified):
            found += 1
            assert carried(graph, x, y, domains, verdict, seed), (str(graph), x, y, z, w)
    assert found > 40


def test_a_hundred_nodes_take_less_than_a_second():
    asked = (
        lambda g, a, b, y: adjustment_set(g, a, y),
        lambda g, a, b, y: list(adjustment_sets(g, a, y, most=5)),
        lambda g, a, b, y: next(instruments(g, a, y), None),
        lambda g, a, b, y: front_door(g, a, y),
        lambda g, a, b, y: sequential_adjustment(g, [a, b], y),
    )
    for dense in (0.03, 0.1):
        graph = random_mixed_graph(100, seed=1, directed=dense, bidirected=0.02)
        order = graph.order()
        for ask in asked:
            began = time.process_time()
            ask(graph, order[20], order[40], order[-1])
            assert time.process_time() - began < 1.0
