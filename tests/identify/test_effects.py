"""ID and IDC: classic graphs, truth by brute force, hedges where there is no formula."""

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doworld._core.errors import QueryError, UnknownNameError
from doworld.graph import MixedGraph
from doworld.identify import Hedge, Identified, NotIdentified, effect_of, given_effect_of
from doworld.infer.estimand import Table, evaluate
from doworld.worlds.latent import LatentWorld, random_mixed_graph

IDENTIFIED = {
    "front door": ("x -> z -> y", "x <-> y"),
    "napkin": ("w -> r -> x -> y", "w <-> x", "w <-> y"),
    "back door": ("z -> x -> y", "z -> y"),
    "M": ("x -> y", "x <-> m", "m <-> y"),
    "Verma": ("x -> b -> c -> y", "b <-> y"),
    "mediator confounded with outcome": ("x -> z -> y", "x -> y", "z <-> y"),
    "two steps": ("x -> z1 -> z2 -> y", "x <-> z2", "z1 <-> y"),
    "five districts": (
        *("z2 -> x -> z1 -> y", "z2 -> z1", "z2 -> z3 -> y"),
        *("x <-> z2", "x <-> z3", "x <-> y", "y <-> z2"),
    ),
}
HEDGED = {
    "bow": ("x -> y", "x <-> y"),
    "instrument": ("z -> x -> y", "x <-> y"),
    "bow with a mediator": ("x -> z -> y", "x <-> z"),
    "confounded chain": ("x -> z -> y", "x <-> z", "z <-> y"),
    "two districts": ("z -> x -> y", "z <-> y", "x <-> z"),
    "W": (
        *("w1 -> x -> y", "w2 -> x"),
        *("x <-> w1", "w1 <-> y", "w2 <-> y", "w1 <-> w2", "x <-> w2"),
    ),
}


def agrees(graph, x, y, verdict, seed):
    """Whether the formula gives the true P(y | do(x)) in a random world, at any arbitrary value."""
    world = LatentWorld.random(graph, seed=seed)
    law = world.law()
    found = evaluate(verdict.estimand.expression, Table(graph.nodes, law))
    want = (*y, *x)
    out = tuple(i for i, n in enumerate(graph.nodes) if n not in want)
    truth = Table(tuple(n for n in graph.nodes if n in want), world.law(x).sum(out))
    nodes = (*want, *verdict.estimand.arbitrary)
    return np.allclose(found.aligned(nodes), truth.aligned(nodes), atol=1e-9)


@pytest.mark.parametrize("name", IDENTIFIED)
def test_formulas_of_the_classic_graphs_are_true(name):
    graph = MixedGraph.of(*IDENTIFIED[name])
    verdict = effect_of(graph, ["x"], ["y"])
    assert isinstance(verdict, Identified), verdict
    assert all(agrees(graph, ["x"], ["y"], verdict, seed) for seed in range(5))


@pytest.mark.parametrize("name", HEDGED)
def test_the_others_have_a_hedge(name):
    graph = MixedGraph.of(*HEDGED[name])
    verdict = effect_of(graph, ["x"], ["y"])
    assert isinstance(verdict, NotIdentified)
    assert is_hedge(graph, {"x"}, {"y"}, verdict.hedge)
    assert "set at random" in verdict.fix


def is_hedge(graph: MixedGraph, x: set, y: set, hedge: Hedge) -> bool:
    """Definition 6 of Shpitser and Pearl (2006): two R-rooted C-forests, one within the other."""
    inner, outer = graph.subgraph(hedge.inner), graph.subgraph(hedge.outer)
    roots = hedge.roots
    return (
        hedge.inner < hedge.outer
        and len(inner.districts()) == len(outer.districts()) == 1
        and not hedge.inner & x
        and bool(hedge.outer & x)
        and roots <= hedge.inner
        and inner.ancestors(roots) == hedge.inner
        and outer.ancestors(roots) == hedge.outer
        and roots <= graph.cut(into=x).ancestors(y)
    )


def test_the_napkin_formula_as_it_is_printed():
    verdict = effect_of(MixedGraph.of(*IDENTIFIED["napkin"]), ["x"], ["y"])
    assert str(verdict.estimand) == "[Σ_w P(w) P(x, y | w, r)] / [Σ_w P(w) P(x | w, r)]"
    assert verdict.estimand.latex.startswith(r"\frac{\sum_{w} P(w) \, P(x, y \mid w, r)}")
    assert verdict.estimand.arbitrary == ("r",)
    assert len(verdict.steps) == 4


def test_random_graphs_against_brute_force():
    found = {True: 0, False: 0}
    for seed in range(250):
        graph = random_mixed_graph(4 + seed % 3, seed=seed, bidirected=0.25)
        rng = np.random.default_rng(seed)
        names = list(rng.permutation(graph.nodes))
        x, y = names[: 1 + seed % 2], names[2 : 3 + seed % 2]
        verdict = effect_of(graph, x, y)
        known = isinstance(verdict, Identified)
        found[known] += 1
        if known:
            assert agrees(graph, x, y, verdict, seed), (str(graph), x, y, str(verdict.estimand))
        else:
            assert is_hedge(graph, set(x), set(y), verdict.hedge), (str(graph), x, y)
    assert min(found.values()) > 40


def test_effects_given_what_is_seen_against_brute_force():
    identified = 0
    for seed in range(150):
        graph = random_mixed_graph(5, seed=1000 + seed, bidirected=0.2)
        x, y, z = np.random.default_rng(seed).permutation(graph.nodes)[:3].tolist()
        verdict = given_effect_of(graph, [x], [y], [z])
        if not isinstance(verdict, Identified):
            continue
        identified += 1
        world = LatentWorld.random(graph, seed=seed)
        found = evaluate(verdict.estimand.expression, Table(graph.nodes, world.law()))
        kept = tuple(n for n in graph.nodes if n in (x, y, z))
        out = tuple(i for i, n in enumerate(graph.nodes) if n not in kept)
        truth = Table(kept, world.law([x]).sum(out)).aligned((y, x, z))
        nodes = (y, x, z, *verdict.estimand.arbitrary)
        truth = (truth / truth.sum(0)).reshape(truth.shape + (1,) * (len(nodes) - 3))
        assert np.allclose(found.aligned(nodes), truth, atol=1e-9), (str(graph), x, y, z)
    assert identified > 50


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), turn=st.permutations(range(5)))
def test_names_do_not_matter(seed, turn):
    graph = random_mixed_graph(5, seed=seed)
    new = {n: f"w{turn[i]}" for i, n in enumerate(graph.nodes)}
    renamed = MixedGraph(
        tuple(sorted(new.values())),
        frozenset((new[a], new[b]) for a, b in graph.directed),
        frozenset((new[a], new[b]) for a, b in graph.bidirected),
    )
    one = effect_of(graph, ["v0"], ["v1"])
    other = effect_of(renamed, [new["v0"]], [new["v1"]])
    assert type(one) is type(other)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), pair=st.sampled_from(list(combinations(range(5), 2))))
def test_one_more_hidden_cause_never_helps(seed, pair):
    graph = random_mixed_graph(5, seed=seed)
    more = MixedGraph(
        graph.nodes,
        graph.directed,
        graph.bidirected | {(f"v{pair[0]}", f"v{pair[1]}")},
    )
    if isinstance(effect_of(graph, ["v0"], ["v1"]), NotIdentified):
        assert isinstance(effect_of(more, ["v0"], ["v1"]), NotIdentified)


@pytest.mark.parametrize("dense", [0.02, 0.05, 0.1])
def test_a_hundred_nodes_take_less_than_a_second(dense):
    for seed in range(3):
        graph = random_mixed_graph(100, seed=seed, directed=dense, bidirected=0.02)
        order = graph.order()
        began = time.process_time()
        effect_of(graph, [order[10]], [order[-1]])
        assert time.process_time() - began < 1.0


def test_bad_questions():
    graph = MixedGraph.of("x -> y")
    with pytest.raises(UnknownNameError):
        effect_of(graph, ["x"], ["q"])
    with pytest.raises(QueryError, match="both done and asked"):
        effect_of(graph, ["x"], ["x"])
    with pytest.raises(QueryError, match="no outcome"):
        effect_of(graph, ["x"], [])
    with pytest.raises(QueryError, match="also given"):
        given_effect_of(graph, ["x"], ["y"], ["x"])
