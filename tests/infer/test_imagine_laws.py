"""Imagined worlds of learned models: simulators replayed, names in any order, and refusals."""

import numpy as np
import pytest
from model_worlds import CLOSED, log_of

import worlds_by_hand as by_hand
from doworld._core.errors import QueryError
from doworld.data import Role, Trajectories, Variable
from doworld.graph import CausalGraph, Edge
from doworld.infer.extrapolation import extrapolated
from doworld.infer.imagine import NOTHING, imagine
from doworld.infer.support import Support
from doworld.model.learn import Settings, fit
from doworld.query import Answer, Cut, Imagine, Status, Swap, Turn
from doworld.worlds import cartpole, pendulum

TAU, STIFF = 0.1, (1.0, 1.5, 2.0, 2.5, 3.0)
SPRING = (
    Variable("x"),
    Variable("v"),
    Variable("u", Role.ACTION),
    Variable("k", Role.CONTEXT),
)
GRAPH = CausalGraph(
    ("x", "v", "u", "k"),
    (Edge("x", "x"), Edge("v", "x"), *(Edge(s, "v") for s in ("x", "v", "u", "k"))),
)
GIVEN = {"x": 1.0, "v": 0.0, "k": 2.0}
STILL = {"u": (0.0,) * 20}


def rolled(k, x=1.0, v=0.0, push=(0.0,) * 20):
    """The spring's own rows: x' = x + τ v, v' = v + τ (u − k x)."""
    out = []
    for u in push:
        x, v = x + TAU * v, v + TAU * (u - k * x)
        out.append((x, v))
    return np.array(out)


def spring_log(names=("x", "v", "u", "k"), episodes=40, rows=26):
    rng, out = np.random.default_rng(0), []
    at = [("x", "v", "u", "k").index(n) for n in names]
    for n in range(episodes):
        k, push = STIFF[n % len(STIFF)], rng.uniform(-2, 2, rows)
        first = rng.uniform(-2, 2, 2)
        states = np.concatenate([[first], rolled(k, *first, push[:-1])])
        out.append(np.column_stack([states, push, np.full(rows, k)])[:, at])
    return log_of(tuple(SPRING[i] for i in at), out)


@pytest.fixture(scope="module")
def spring():
    return fit(spring_log(), GRAPH, settings=CLOSED)


@pytest.fixture(scope="module")
def blind():
    """The same without laws: a polynomial, which ends with its data."""
    return fit(spring_log(), GRAPH, settings=Settings(members=2, neural=None, laws=False))


def asked(model, *rules, given=GIVEN, **more):
    query = {"planned": STILL, "horizon": 20, "samples": 8, "target": ["x", "v"], **more}
    return imagine(model, Imagine(given=given, rules=rules, **query))


@pytest.mark.parametrize("k", [0.2, 8.0])
def test_a_law_answers_far_outside_and_says_so(spring, k):
    got = asked(spring, Swap("k", k))
    shown = np.array([got.estimate["x"], got.estimate["v"]]).T
    np.testing.assert_allclose(shown, rolled(k), atol=0.01)
    assert got.status is Status.BOUNDED
    said = any("v is extrapolated by the law v' = v" in a for a in got.why.assumptions)
    assert said or k < 1.0
    assert "k leaves first" in got.why.support


def test_names_in_another_order_leave_the_answer_as_it_is(spring):
    order = ("k", "u", "v", "x")
    other = fit(spring_log(order), CausalGraph(order, GRAPH.links), settings=CLOSED)
    for rules in [(Swap("k", 8.0),), (Cut("k", "v", hold=1.0),)]:
        one, two = (asked(m, *rules) for m in (spring, other))
        for name in ("x", "v"):
            np.testing.assert_allclose(one.estimate[name], two.estimate[name], atol=2e-3)
        assert one.status is two.status
        assert {b.variable for b in one.details.broken} == {b.variable for b in two.details.broken}


def test_a_polynomial_is_not_asked_outside_its_data(blind):
    assert {f.family for f in blind.fits} == {"linear", "polynomial"}
    got = asked(blind, Swap("k", 20.0))
    assert got.status is Status.NOT_IDENTIFIED
    assert got["v"].estimate is None
    assert got["v"].lower is None
    assert got.details.broken == ()
    assert "Known" in got.fix
    assert any("a polynomial cannot tell" in w for w in got.why.warnings)
    assert Answer.from_json(got.to_json()) == got
    assert "not" in str(got)
    assert got.figure().data
    assert asked(blind, Swap("k", 2.5)).status is Status.IDENTIFIED


def outside(model, share=0.0):
    rows = np.full((3, 4), share)
    return Support(rows, rows, rows)


def test_laws_are_assumed_and_fits_are_warned_of(spring, blind):
    everything = {"relevant": [0, 1, 2, 3], "first": 5}
    assumed, warned = extrapolated(spring, outside(spring), **everything)
    assert not warned
    assert [a.split(",")[0] for a in assumed] == ["From row 5 on"] * 2
    assert "x' = x + 0.1·v" in assumed[0]
    assumed, warned = extrapolated(blind, outside(blind), **everything)
    assert len(assumed) == 1
    assert warned[0].startswith("From row 5 on, v is asked outside its data")
    assert extrapolated(blind, outside(blind, 1.0), **everything) == ([], [])
    assert extrapolated(blind, outside(blind), relevant=[2, 3], first=1) == ([], [])


def test_many_are_cut_short():
    names = tuple(f"s{i}" for i in range(9))
    weights = {n: {(n, 1): 0.5} for n in names}
    model = by_hand.linear_world(tuple(Variable(n) for n in names), weights)
    found = Support(*(np.zeros((2, 9)),) * 3)
    assumed, _ = extrapolated(model, found, relevant=range(9), first=1)
    assert len(assumed) == 7
    assert assumed[-1] == "So it is with 3 further variables."


def test_no_rule_is_said_to_change_nothing(spring):
    got = asked(spring)
    assert got.why.warnings[0] == NOTHING
    assert got.series == got.details.old


def test_fields_may_come_without_their_names():
    assert Cut("x", "v") == Cut(source="x", target="v")
    assert Turn("v.c1", 0.5) == Turn(constant="v.c1", factor=0.5)
    with pytest.raises(QueryError, match="Swap takes context, value, and 3 values are given"):
        Swap("k", 1.0, 2.0)
    with pytest.raises(QueryError, match="Cut has 'source' twice"):
        Cut("x", source="v")
    with pytest.raises(QueryError, match="Swap lacks 'value'"):
        Swap("k")


def test_a_cart_whose_push_is_cut_goes_as_if_it_were_always_pushed_left():
    pytest.importorskip("gymnasium")
    levels = [8.0, 10.0, 12.0]
    log = Trajectories.from_gymnasium(
        "CartPole-v1", policy="random", episodes=45, seed=0, context={"gravity": levels}
    )
    names = log.schema.names
    links = tuple(e for e in cartpole.published_graph().links if e.source in names)
    model = fit(log, CausalGraph(names, links), settings=CLOSED)
    start, push = [0.01, 0.02, -0.03, 0.04], (1, 0, 1, 1, 0, 1, 1, 0)
    got = imagine(
        model,
        Imagine(
            given={**dict(zip(cartpole.STATE, start, strict=True)), "gravity": 10.0},
            planned={"action": push},
            rules=[Cut("action", t, hold=0) for t in ("x_dot", "theta_dot")],
            horizon=8,
            samples=8,
        ),
    )
    truth = cartpole.replay(np.array(start), np.zeros(8), gravity=10.0)[1:]
    shown = np.array([got.estimate[n] for n in cartpole.STATE]).T
    np.testing.assert_allclose(shown, truth, atol=2e-3)
    pushed = cartpole.replay(np.array(start), np.array(push, float), gravity=10.0)[1:]
    assert np.abs(pushed - truth).max() > 0.5
    assert "action(t-1) --> x_dot(t)" in got.details.edges


def test_the_pendulum_s_graph_is_that_of_its_equations():
    pytest.importorskip("gymnasium")
    graph = pendulum.published_graph()
    assert graph.names == pendulum.NAMES
    assert set(graph.parents("thetadot")) == {(s, 1) for s in ("sin", "thetadot", "action", "g")}
    for name in ("cos", "sin"):
        assert set(graph.parents(name)) == {("cos", 1), ("sin", 1), ("thetadot", 0)}
