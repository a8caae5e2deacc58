"""The shorter law of a noise-free world: what passes through a new value is read from there."""

import numpy as np
import pytest

from doworld.data import Policy, Role, Schema, Trajectories, Variable
from doworld.discover import discover
from doworld.graph import CausalGraph, Edge, Prior
from doworld.mechanisms import Known
from doworld.model.within import within_row

TAU = 0.1


def _log(step, *, noise: float = 0.0, seed: int = 0, episodes: int = 40, rows: int = 26):
    """Episodes of a mass with position x and speed v under random pushes."""
    rng = np.random.default_rng(seed)
    schema = Schema(
        (Variable("x"), Variable("v"), Variable("push", role=Role.ACTION)), policy=Policy.RANDOMISED
    )
    values = np.zeros((episodes * rows, 3))
    for e in range(episodes):
        x, v = rng.uniform(-1, 1, 2)
        for t in range(rows):
            push = rng.uniform(-2, 2)
            values[e * rows + t] = x, v, push
            x, v = step(x, v, push)
            v += noise * rng.standard_normal()
    ends = np.arange(1, episodes + 1) * rows - 1
    values[ends, 2] = np.nan
    return Trajectories(
        schema=schema,
        values=values,
        starts=np.arange(0, len(values) + 1, rows),
        times=np.tile(np.arange(float(rows)), episodes),
        environment=np.zeros(episodes, int),
        terminated=np.zeros(episodes, bool),
        truncated=np.ones(episodes, bool),
        labels=tuple(str(e) for e in range(episodes)),
    )


def _semi_implicit(x, v, push):
    v = v + TAU * (push - 4 * x)
    return x + TAU * v, v


def _explicit(x, v, push):
    return x + TAU * v, v + TAU * (push - 4 * x)


def _edges(graph):
    return {(e.source, e.target, e.lag) for e in graph.edges()}


COMPOSED = CausalGraph(
    ("x", "v", "push"),
    tuple(Edge(s, t) for t in ("x", "v") for s in ("x", "v", "push")),
)


@pytest.fixture(scope="module")
def spring():
    return _log(_semi_implicit)


def test_what_passes_through_the_new_speed_is_read_from_there(spring):
    graph = within_row(spring, COMPOSED, seed=0)
    own = {("x", "v", 1), ("v", "v", 1), ("push", "v", 1)}
    assert _edges(graph) == own | {("x", "x", 1), ("v", "x", 0)}
    assert "x of v in its own row in place of push (1 term, not 3)" in graph.notes[-1]
    proof = next(e.evidence for e in graph.edges() if e.lag == 0)
    assert proof is not None
    assert "shorter law" in proof.test
    assert proof.statistic > 10


def test_an_explicit_step_stays_as_it_is():
    log = _log(_explicit)
    graph = discover(log, seed=0)
    assert within_row(log, graph, seed=0) is graph


def test_noise_keeps_the_graph_that_tests_found():
    log = _log(_semi_implicit, noise=0.05)
    assert within_row(log, COMPOSED, seed=0) is COMPOSED


@pytest.mark.parametrize(
    "how",
    [
        {"prior": Prior(forbidden=(("v", "x", 0),))},
        {"prior": Prior(tiers=(("x",), ("v", "push")))},
        {"known": (Known("x", (("x", "x", 1), ("v", "v", 1)), lambda x, v: x + TAU * v),)},
    ],
)
def test_what_people_know_is_kept(spring, how):
    assert within_row(spring, COMPOSED, seed=0, **how) is COMPOSED


def test_names_may_come_in_any_order(spring):
    order = ("push", "v", "x")
    at = [spring.schema.position(n) for n in order]
    other = Trajectories(
        **{
            **{f: getattr(spring, f) for f in ("starts", "times", "environment", "labels")},
            **{f: getattr(spring, f) for f in ("terminated", "truncated")},
            "schema": Schema(
                tuple(spring.schema.variables[i] for i in at), policy=Policy.RANDOMISED
            ),
            "values": spring.values[:, at],
        }
    )
    graph = CausalGraph(order, COMPOSED.links)
    assert _edges(within_row(other, graph, seed=0)) == _edges(within_row(spring, COMPOSED, seed=0))
