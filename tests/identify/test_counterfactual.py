"""Counterfactual laws: known verdicts, and truth by summing over all units."""

from itertools import product

import numpy as np
import pytest

from doworld._core.errors import QueryError, UnknownNameError
from doworld.graph import MixedGraph
from doworld.identify import Cause, Identified, NotIdentified
from doworld.identify.counterfactual import Event, Potential, counterfactual_of
from doworld.identify.mediation import (
    controlled_direct,
    natural_direct,
    natural_indirect,
    on_the_treated,
)
from doworld.infer.estimand import Table, evaluate
from doworld.worlds.latent import LatentWorld, random_mixed_graph


def valued(world, units, potential, symbols):
    """What a potential is for every unit, with values for symbols."""
    done = {
        n: valued(world, units, v, symbols) if isinstance(v, Potential) else symbols[v]
        for n, v in potential.under
    }
    return world.values(units, done)[potential.node]


def truth(world, events, given, symbols):
    weight, units = world.units()

    def holds(some):
        hits = [valued(world, units, e.potential, symbols) == symbols[e.value] for e in some]
        return np.prod(hits, 0) if hits else np.ones_like(weight)

    both = (weight * holds(events) * holds(given)).sum()
    return both / (weight * holds(given)).sum()


def agrees(graph, events, given, verdict, seed, different=()):
    """Whether the formula is true at all values of its symbols that ``different`` allows."""
    world = LatentWorld.random(graph, seed=seed)
    found = evaluate(verdict.estimand.expression, Table(graph.nodes, world.law()))
    symbols = sorted(
        {e.value for e in (*events, *given)}
        | {
            v
            for e in (*events, *given)
            for _, v in e.potential.under
            if not isinstance(v, Potential)
        }
        | {
            w
            for e in (*events, *given)
            for _, v in e.potential.under
            if isinstance(v, Potential)
            for _, w in v.under
        }
    )
    for levels in product(range(2), repeat=len(symbols)):
        at = dict(zip(symbols, levels, strict=True))
        if any(at[a] == at[b] for a, b in different):
            continue
        number = found.at({n: at[n] for n in found.nodes if n in at}).values
        if not np.allclose(number, truth(world, events, given, at), atol=1e-9):
            return False
    return True


def potential(node, **under):
    return Potential(node, tuple(under.items()))


Y = Event(potential("y", x="x*"), "y")
TREATED = Event(potential("x"), "x")


@pytest.mark.parametrize(
    "edges",
    [
        ("z -> x -> y", "z -> y"),
        ("x -> m -> y", "x <-> y"),
        ("x -> y", "x <-> z", "z -> y"),
        ("x -> m -> y", "x <-> y", "w -> m", "w -> x"),
    ],
)
def test_effects_on_the_treated_are_true(edges):
    graph = MixedGraph.of(*edges)
    verdict = counterfactual_of(graph, [Y], [TREATED])
    assert isinstance(verdict, Identified)
    assert all(agrees(graph, [Y], [TREATED], verdict, s, [("x", "x*")]) for s in range(3))


def test_effects_on_the_treated_that_no_data_show():
    bow = counterfactual_of(MixedGraph.of("x -> y", "x <-> y"), [Y], [TREATED])
    assert bow.cause is Cause.WORLDS
    need = counterfactual_of(MixedGraph.of("x -> y"), [Y], [TREATED, Event(potential("y"), "y'")])
    assert need.cause is Cause.WORLDS
    assert "two values at once" in need.reason
    assert need.fix


def test_the_example_of_shpitser_and_pearl():
    """P(y_x | x', z_d, d) of their figure 9, identified with w and z apart."""
    graph = MixedGraph.of("x -> w -> y", "d -> z -> y", "x <-> y")
    events = [Event(potential("y", x="x"), "y")]
    given = [
        Event(potential("x"), "x'"),
        Event(potential("z", d="d"), "z"),
        Event(potential("d"), "d"),
    ]
    verdict = counterfactual_of(graph, events, given)
    assert isinstance(verdict, Identified)
    assert agrees(graph, events, given, verdict, 1)


def test_what_is_seen_is_what_would_have_been():
    graph = MixedGraph.of("x -> y", "x <-> y")
    verdict = counterfactual_of(graph, [Event(potential("y", x="x"), "y")], [TREATED])
    assert str(verdict.estimand) == "P(y | x)"
    never = counterfactual_of(graph, [Event(potential("x", x="x"), "x'")])
    assert str(never.estimand) == "0"


def test_mediation():
    graph = MixedGraph.of("c -> x -> m -> y", "x -> y", "c -> m", "c -> y")
    for seed in range(3):
        world = LatentWorld.random(graph, seed=seed)
        law = Table(graph.nodes, world.law())
        weight, units = world.units()
        mean = {
            (a, b): weight
            @ world.values(units, {"x": a, "m": world.values(units, {"x": b})["m"]})["y"]
            for a in (0, 1)
            for b in (0, 1)
        }
        at = {"x": 1, "x*": 0}
        direct = evaluate(natural_direct(graph, "x", "y", ["m"]).estimand.expression, law).at(at)
        assert direct.values == pytest.approx(mean[1, 0] - mean[0, 0], abs=1e-9)
        indirect = evaluate(natural_indirect(graph, "x", "y", ["m"]).estimand.expression, law)
        assert indirect.at(at).values == pytest.approx(mean[0, 1] - mean[0, 0], abs=1e-9)
        held = evaluate(controlled_direct(graph, "x", "y", ["m"]).estimand.expression, law)
        for m in (0, 1):
            ends = [weight @ world.values(units, {"x": a, "m": m})["y"] for a in (0, 1)]
            assert held.at({**at, "m": m}).values == pytest.approx(ends[1] - ends[0], abs=1e-9)


def test_mediation_that_hidden_causes_forbid():
    graph = MixedGraph.of("x -> m -> y", "x -> y", "m <-> y")
    assert natural_direct(graph, "x", "y", ["m"]).cause is Cause.WORLDS
    assert controlled_direct(graph, "x", "y", ["m"]).cause is Cause.HIDDEN
    assert isinstance(on_the_treated(graph, "x", "y"), Identified)


def test_random_questions_against_brute_force():
    found = {True: 0, False: 0}
    for seed in range(120):
        graph = random_mixed_graph(4, seed=seed, directed=0.5, bidirected=0.2)
        names = np.random.default_rng(seed).permutation(graph.nodes).tolist()
        x, y, z = names[:3]
        events = [Event(Potential(y, ((x, "x*"),)), "y")]
        if seed % 3 == 1:
            events = [Event(Potential(y, ((x, "x*"), (z, Potential(z, ((x, "x1"),))))), "y")]
        given = [] if seed % 3 == 1 else [Event(Potential(x), "x1")]
        if seed % 3 == 2:
            given.append(Event(Potential(z), "z1"))
        verdict = counterfactual_of(graph, events, given)
        known = isinstance(verdict, Identified)
        found[known] += 1
        if known:
            different = [("x*", "x1")]
            assert agrees(graph, events, given, verdict, seed, different), (str(graph), seed)
        else:
            assert isinstance(verdict, NotIdentified)
            assert verdict.reason
            assert verdict.fix
    assert min(found.values()) > 10


def test_a_nested_value_that_stands_twice_is_one_value():
    graph = MixedGraph.of("x -> m -> y", "x -> y", "m -> w", "x -> w")
    natural = potential("m", x="x*")
    other = potential("w", x="x", m=natural)
    for second in (Event(natural, "m"), Event(other, "w"), Event(potential("m", m=natural), "m")):
        events = [Event(potential("y", x="x", m=natural), "y"), second]
        verdict = counterfactual_of(graph, events)
        assert isinstance(verdict, Identified)
        assert all(agrees(graph, events, [], verdict, seed) for seed in range(3))


def test_a_value_that_is_asked_about_may_also_be_one_that_is_set():
    graph = MixedGraph.of("z -> x -> y", "z -> y")
    asked, given = [Event(potential("x"), "x")], [Event(potential("y", x="x"), "y")]
    verdict = counterfactual_of(graph, asked, given)
    assert str(verdict.estimand) == "P(x, y) / [Σ_z P(z) P(y | z, x)]"
    assert all(agrees(graph, asked, given, verdict, seed) for seed in range(3))
    hidden = MixedGraph.of("x -> y", "x <-> y")
    assert isinstance(counterfactual_of(hidden, asked, given), NotIdentified)


def test_random_questions_of_causes_against_brute_force():
    found = {True: 0, False: 0}
    for seed in range(150):
        graph = random_mixed_graph(4, seed=seed, directed=0.5, bidirected=0.15)
        x, y, z = np.random.default_rng(seed).permutation(graph.nodes).tolist()[:3]
        nested = Potential(z, ((x, "x1"),))
        events = [Event(Potential(x), "x1")]
        given = [Event(Potential(y, ((x, "x1"),)), "y")]
        if seed % 3 == 1:
            events = [Event(Potential(y, ((x, "x*"), (z, nested))), "y"), Event(nested, "z")]
            given = []
        if seed % 3 == 2:
            given = [Event(Potential(y, ((x, "x1"), (z, nested))), "y"), Event(Potential(z), "z")]
        verdict = counterfactual_of(graph, events, given)
        found[isinstance(verdict, Identified)] += 1
        if isinstance(verdict, Identified):
            different = [("x*", "x1")] if seed % 3 == 1 else ()
            assert agrees(graph, events, given, verdict, seed, different), (str(graph), seed)
    assert min(found.values()) > 10


def test_bad_questions():
    graph = MixedGraph.of("x -> y")
    with pytest.raises(UnknownNameError):
        counterfactual_of(graph, [Event(potential("q"), "q")])
    with pytest.raises(QueryError, match="no event"):
        counterfactual_of(graph, [])
