"""Edges within a row: found, pointed where the data allow, left open where not."""

import numpy as np
import pytest
from logs import make_log

from doworld.discover import discover
from doworld.graph import Mark, Prior


def marks(graph):
    return {(e.source, e.target): e.mark for e in graph.edges() if e.lag == 0}


def within(rows=1500, seed=0):
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, 2))
    for t in range(1, rows):
        a = 0.7 * x[t - 1, 0] + rng.standard_normal()
        x[t] = [a, 0.4 * x[t - 1, 1] + 0.8 * a + rng.standard_normal()]
    return x


def test_the_past_of_a_cause_points_the_link():
    graph = discover(make_log([within()], state=["a", "b"]))
    assert {(e.source, e.target, e.lag) for e in graph.edges()} == {
        ("a", "a", 1),
        ("b", "b", 1),
        ("a", "b", 0),
    }
    assert marks(graph)["a", "b"] is Mark.DIRECTED


def test_not_asked_not_looked_for():
    assert not marks(discover(make_log([within()], state=["a", "b"]), contemporaneous=False))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1500))
    c = 0.8 * a + 0.8 * b + rng.standard_normal(1500)
    d = 0.9 * c + rng.standard_normal(1500)
    rows = np.c_[a, b, c, d]
    return make_log(list(rows[:, None, :]), state=list("abcd"), step=0.0)


def test_static_table_collider_points_and_meek_follows(table):
    graph = discover(table)
    assert graph.max_lag == 0
    assert marks(graph) == {
        ("a", "c"): Mark.DIRECTED,
        ("b", "c"): Mark.DIRECTED,
        ("c", "d"): Mark.DIRECTED,
    }


def test_static_chain_stays_open():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(800)
    b = 0.8 * a + rng.standard_normal(800)
    log = make_log(list(np.c_[a, b][:, None, :]), state=["a", "b"], step=0.0)
    assert marks(discover(log)) == {("a", "b"): Mark.UNDIRECTED}
    assert marks(discover(log, prior=Prior(tiers=(("b",), ("a",))))) == {("b", "a"): Mark.DIRECTED}


def test_context_is_a_cause_never_an_effect():
    rng = np.random.default_rng(0)
    g = rng.standard_normal(800)
    y = g + rng.standard_normal(800)
    log = make_log(list(np.c_[y, g][:, None, :]), state=["y"], context=["g"], step=0.0)
    assert marks(discover(log)) == {("g", "y"): Mark.DIRECTED}
