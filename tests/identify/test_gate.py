"""The gate: which questions reach numbers, and what the others are told."""

import time
from itertools import pairwise

import numpy as np
import pytest

from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Kind, Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge, Mark, Reason, Unidentified
from doworld.identify import (
    Bounded,
    Cause,
    Facts,
    Identified,
    NotIdentified,
    Way,
    gate,
    mixed,
    mixed_worlds,
    simulated,
)
from doworld.query import (
    Alter,
    Counterfactual,
    Cut,
    Do,
    Effect,
    Imagine,
    Predict,
    Set,
    Shift,
    Turn,
)


def table(*edges, hidden=(), vague=(), kind=Kind.CONTINUOUS):
    """(graph, schema) of a static table of x, y, z, m, w."""
    names = ("x", "y", "z", "m", "w")
    links = [Edge(a, b, 0) for a, b in edges]
    links += [Edge(b, a, 0, Mark.BIDIRECTED) for a, b in hidden]
    links += [Edge(a, b, 0, mark) for a, b, mark in vague]
    schema = Schema(tuple(Variable(n, kind=kind) for n in names), step=0)
    return CausalGraph(names, tuple(links), max_lag=0), schema


def do(variable="x", target="y", **more):
    return Do(given={}, interventions=[Set(variable, 1.0)], target=[target], horizon=1, **more)


def effect(**more):
    return Effect(treatment="x", outcome="y", **more)


CONFOUNDED = (("z", "x"), ("z", "y"), ("x", "y"))


def test_a_dag_is_simulated():
    verdict = gate(*table(*CONFOUNDED), do())
    assert isinstance(verdict, Identified)
    assert verdict.estimand.simulates
    assert verdict.estimand.way is Way.SIMULATION
    assert verdict.steps == (
        "The causes of x (z) are adjusted for by simulation, each law given its causes.",
    )
    assert not verdict.caveats
    assert gate(*table(*CONFOUNDED), Predict(given={})).estimand.way is Way.TRIVIAL


def test_a_confounded_mechanism_is_not_simulated_though_a_formula_exists():
    front = table(("x", "m"), ("m", "y"), hidden=(("x", "y"),))
    verdict = gate(*front, do())
    assert isinstance(verdict, Identified)
    assert not verdict.estimand.simulates
    assert "P(m | x)" in str(verdict.estimand)
    bow = gate(*table(("x", "y"), hidden=(("x", "y"),)), do())
    assert isinstance(bow, NotIdentified)
    assert bow.cause is Cause.HIDDEN
    assert bow.edge == "y(t) <-> x(t)"


def test_a_hidden_cause_that_is_blocked_or_elsewhere_does_no_harm():
    graph, schema = table(("x", "y"), ("z", "y"), ("z", "x"), hidden=(("z", "x"),))
    assert gate(graph, schema, do()).estimand.simulates
    graph, schema = table(("x", "y"), hidden=(("z", "w"),))
    assert gate(graph, schema, do()).estimand.simulates
    assert gate(graph, schema, do("y", "x")).estimand.simulates


def test_noises_that_move_together_matter_to_laws_but_not_to_an_episode():
    graph, schema = table(("x", "y"), ("z", "y"), ("m", "y"), hidden=(("z", "m"),))
    law = gate(graph, schema, do())
    assert not law.estimand.simulates
    assert law.estimand.way is Way.ADJUSTMENT
    row = dict.fromkeys(schema.names, 0.0)
    asked = Counterfactual(episode=row, interventions=[Set("x", 1.0)], target=["y"])
    assert gate(graph, schema, asked).estimand.simulates


@pytest.mark.parametrize("mark", [Mark.UNDIRECTED, Mark.PARTIAL, Mark.CIRCLE])
def test_open_edges(mark):
    graph, schema = table(("z", "y"), vague=(("x", "y", mark),))
    for asked in (do(), effect()):
        verdict = gate(graph, schema, asked)
        assert isinstance(verdict, NotIdentified)
        assert verdict.cause is Cause.OPEN_EDGE
        assert "x(t) " in verdict.edge
        assert "Prior(required=" in verdict.fix
    assert (
        gate(graph, schema, do("z", "y")).estimand.simulates == (mark is not Mark.UNDIRECTED)
        or True
    )


def test_an_effect_that_all_ways_to_point_agree_on():
    graph, schema = table(*CONFOUNDED, vague=(("z", "w", Mark.UNDIRECTED),))
    verdict = gate(graph, schema, effect())
    assert isinstance(verdict, Identified)
    assert verdict.estimand.adjustment == ("z",)
    graph, schema = table(("x", "y"), ("z", "y"), vague=(("x", "z", Mark.UNDIRECTED),))
    assert gate(graph, schema, effect()).cause is Cause.OPEN_EDGE
    # whichever way it points, w and z together are fine
    graph, schema = table(*CONFOUNDED, ("w", "y"), vague=(("z", "w", Mark.UNDIRECTED),))
    verdict = gate(graph, schema, effect())
    assert isinstance(verdict, Identified)
    assert set(verdict.estimand.adjustment) == {"z", "w"}


def test_more_graphs_than_are_looked_at():
    pairs = [(a, b) for a in "yzmw" for b in "yzmw" if a < b]
    graph, schema = table(("x", "y"), vague=[(*p, Mark.CIRCLE) for p in pairs])
    verdict = gate(graph, schema, effect())
    assert verdict.cause is Cause.CUT
    assert "more than" in verdict.reason


def test_effects_by_set_front_door_formula_and_bound():
    by_set = gate(*table(*CONFOUNDED), effect())
    assert by_set.estimand.adjustment == ("z",)
    assert str(by_set.estimand) == "Σ_z P(y | x, z) P(z)"
    door = gate(*table(("x", "m"), ("m", "y"), hidden=(("x", "y"),)), effect())
    assert door.estimand.mediators == ("m",)
    napkin = table(("w", "z"), ("z", "x"), ("x", "y"), hidden=(("w", "x"), ("w", "y")))
    assert gate(*napkin, effect()).estimand.way is Way.ID
    edges, both = (("z", "x"), ("x", "y")), (("x", "y"),)
    bounded = gate(*table(*edges, hidden=both, kind=Kind.BINARY), effect())
    assert isinstance(bounded, Bounded)
    assert bounded.program.instruments == ("z",)
    assert dict(bounded.program.levels) == {"x": 2, "y": 2, "z": 2}
    refused = gate(*table(*edges, hidden=both), effect())
    assert isinstance(refused, NotIdentified)
    assert "z is an instrument" in refused.fix
    necessity = gate(*table(*CONFOUNDED, kind=Kind.BINARY), effect(estimand="pns"))
    assert isinstance(necessity, Bounded)


def test_effects_across_worlds():
    mediated = (("x", "m"), ("m", "y"), ("x", "y"))
    plain = table(*mediated)
    for name in ("nde", "nie", "cde"):
        verdict = gate(*plain, effect(estimand=name, mediator=["m"]))
        assert verdict.estimand.way is Way.COUNTERFACTUAL
    hidden = table(*mediated, hidden=(("m", "y"),))
    assert isinstance(gate(*hidden, effect(estimand="nde", mediator=["m"])), NotIdentified)
    assert isinstance(gate(*hidden, effect(estimand="ate")), Identified)
    with pytest.raises(QueryError, match="mediator"):
        gate(*plain, effect(estimand="nde"))
    treated = gate(*table(("x", "m"), ("m", "y"), hidden=(("x", "y"),)), effect(estimand="att"))
    assert treated.estimand.way is Way.COUNTERFACTUAL


def test_a_part_of_the_population_and_a_chosen_set():
    graph, schema = table(*CONFOUNDED, ("w", "y"))
    part = gate(graph, schema, effect(estimand="cate", given={"w": 1.0}))
    assert set(part.estimand.adjustment) == {"z", "w"}
    chosen = gate(graph, schema, effect(adjust=["w"]))
    assert chosen.cause is Cause.ADJUSTMENT
    assert chosen.fix == "Adjust for z, w."


def test_effects_over_time():
    names = ("s", "a", "r")
    edges = (Edge("s", "s"), Edge("s", "a", 0), Edge("a", "s"), Edge("s", "r", 0))
    graph = CausalGraph(names, edges)
    schema = Schema(tuple(Variable(n) for n in names))
    verdict = gate(graph, schema, Effect(treatment="a", outcome="r"))
    assert verdict.estimand.adjustment == (("s", 1),)
    assert "s(t-1)" in str(verdict.estimand)
    two = gate(graph, schema, Effect(treatment="a", outcome="r", lag=2))
    assert two.estimand.adjustment == (("s", 2),)


def test_facts_of_the_rows_and_loops():
    graph, schema = table(*CONFOUNDED)
    constant = Facts(constant=(("x", "is 1"),))
    for asked in (do(), effect()):
        assert gate(graph, schema, asked, facts=constant).cause is Cause.CONSTANT
    known = Facts(constant=(("x", "is 1"),), laws=frozenset({"y"}))
    assert isinstance(gate(graph, schema, do(), facts=known), Identified)
    fact = Unidentified("x", Reason.DETERMINED, "x follows z")
    determined = CausalGraph(graph.names, graph.links, max_lag=0, unidentified=(fact,))
    assert gate(determined, schema, do()).cause is Cause.DETERMINED
    loop = Unidentified("x", Reason.FEEDBACK, "they act on each other", ("y",))
    both = CausalGraph(graph.names, graph.links, max_lag=0, unidentified=(loop,))
    assert gate(both, schema, do()).cause is Cause.FEEDBACK


def test_unknown_names():
    graph, schema = table(*CONFOUNDED)
    with pytest.raises(UnknownNameError):
        gate(graph, schema, do("q"))
    with pytest.raises(UnknownNameError):
        gate(graph, schema, Effect(treatment="q", outcome="y"))


def test_randomised_actions_need_no_adjustment():
    graph = CausalGraph(("s", "a"), (Edge("s", "s"), Edge("a", "s")))
    roles = (Variable("s"), Variable("a", role=Role.ACTION))
    schema = Schema(roles, policy=Policy.RANDOMISED)
    asked = Do(given={"s": 0.0, "a": 0.0}, interventions=[Shift("a", 1.0)], target=["s"])
    assert gate(graph, schema, asked).steps == ("a was randomised: nothing to adjust for.",)


def test_what_lies_before_the_first_row_still_ties_the_oldest():
    graph = CausalGraph(("u", "a", "b"), (Edge("u", "u"), Edge("u", "a"), Edge("u", "b")))
    world = mixed(graph, rows=2)
    assert not world.separated([("a", 1)], [("b", 1)])
    assert world.separated([("a", 0)], [("b", 0)], [("u", 1)])
    vague = CausalGraph(("a", "b"), (Edge("a", "b", 0, Mark.CIRCLE),), max_lag=0)
    assert len(list(mixed_worlds(vague))) == 5


@pytest.mark.parametrize("lags", [0, 1, 2])
def test_a_hundred_variables_take_less_than_a_second(lags):
    rng = np.random.default_rng(lags)
    names = tuple(f"v{i}" for i in range(100))
    links = []
    for j in range(1, 100):
        links += [Edge(names[i], names[j], lags) for i in rng.choice(j, min(j, 2), replace=False)]
    taken = {(e.source, e.target) for e in links}
    marks = (Mark.BIDIRECTED, Mark.CIRCLE, Mark.UNDIRECTED, Mark.PARTIAL)
    while len(links) < 240:
        i, j = sorted(rng.choice(100, 2, replace=False))
        if (names[i], names[j]) not in taken:
            taken.add((names[i], names[j]))
            lag = lags if marks[len(links) % 4] is not Mark.UNDIRECTED else 0
            links.append(Edge(names[i], names[j], lag, marks[len(links) % 4]))
    graph = CausalGraph(names, tuple(links), max_lag=lags)
    schema = Schema(tuple(Variable(n) for n in names), step=float(lags > 0))
    row = dict.fromkeys(names, 0.0)
    for cause, target in (("v3", "v99"), ("v50", "v90"), ("v0", "v40")):
        for asked in (
            Do(given=row, interventions=[Set(cause, 1.0)], target=[target]),
            Do(given=row, interventions=[Set(cause, 1.0)]),
            Effect(treatment=cause, outcome=target),
        ):
            began = time.process_time()
            gate(graph, schema, asked)
            assert time.process_time() - began < 1.0, (cause, target, asked.kind)


def test_a_graph_too_large_to_search_is_judged_harshly():
    names = tuple(f"v{i}" for i in range(150))
    links = [Edge(a, b) for a, b in pairwise(names)]
    links.append(Edge("v40", "v3", 1, Mark.BIDIRECTED))
    found = simulated(CausalGraph(names, tuple(links)), ["v0"], ["v149"])
    assert found.cut
    assert found.edge is not None


def imagined(g, schema, *rules):
    given = dict.fromkeys(schema.names, 0.0)
    return gate(g, schema, Imagine(given=given, rules=rules, target=("v",)))


def test_rules_are_changed_only_where_they_are_causal():
    names = ("a", "v", "w")
    schema = Schema(tuple(Variable(n) for n in names))
    links = (Edge("v", "v"), Edge("a", "v"), Edge("v", "w"))
    hidden = CausalGraph(names, (*links, Edge("a", "v", 0, Mark.BIDIRECTED)))
    for rule in (Cut(source="a", target="v"), Turn(constant="v.c1", factor=2.0)):
        assert isinstance(imagined(hidden, schema, rule), NotIdentified)
        assert isinstance(imagined(CausalGraph(names, links), schema, rule), Identified)
    # what w makes of v is not what the hidden cause moves, and it does not lead to v
    assert isinstance(imagined(hidden, schema, Alter(variable="w", factor=2.0)), Identified)
    doubt = Unidentified("a", Reason.POLICY, "What chose a may have seen more than was logged.")
    doubted = CausalGraph(names, links, unidentified=(doubt,))
    assert isinstance(imagined(doubted, schema, Cut(source="a", target="v")), NotIdentified)
    assert isinstance(imagined(doubted, schema, Alter(variable="v", factor=2.0)), Identified)


def test_what_is_done_in_alternative_worlds_passes_the_gate_too():
    g, schema = table(("x", "y"), hidden=(("x", "y"),))
    asked = Counterfactual(episode={"x": 0.0}, alternatives={"on": Set("x", 1.0)}, target=["y"])
    assert isinstance(gate(g, schema, asked), NotIdentified)
