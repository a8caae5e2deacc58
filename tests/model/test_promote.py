"""Doubtful edges are kept where forecasts need them, and only there."""

from dataclasses import replace

import pytest
from model_worlds import XUY_GRAPH, linear_log

from doworld.graph import Edge
from doworld.model.promote import promote

NEEDED, IDLE = Edge("u", "x", probability=0.4), Edge("y", "x", probability=0.3)


@pytest.fixture(scope="module")
def log():
    return linear_log((30,) * 8)


def graph_with(*doubtful):
    links = tuple(e for e in XUY_GRAPH.links if (e.source, e.target) != ("u", "x"))
    return replace(XUY_GRAPH, links=links, doubtful=doubtful, notes=("before",))


def test_an_edge_that_forecasts_need_is_kept_with_its_probability(log):
    found = promote(log, graph_with(NEEDED), seed=0)
    assert NEEDED in found.links
    assert found.doubtful == ()
    assert found.notes[0] == "before"
    assert "u → x" in found.notes[1]


def test_an_edge_that_adds_nothing_stays_doubtful(log):
    graph = replace(XUY_GRAPH, doubtful=(IDLE,))
    assert promote(log, graph, seed=0) is graph


def test_nothing_to_decide(log):
    assert promote(log, XUY_GRAPH, seed=0) is XUY_GRAPH
    within = replace(XUY_GRAPH, doubtful=(Edge("y", "x", lag=0),))
    assert promote(log, within, seed=0) is within
