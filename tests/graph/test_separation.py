"""Separation against NetworkX, and in time."""

import networkx as nx
import numpy as np
import pytest

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph import CausalGraph, Edge, Mark
from doworld.graph.separation import separated


def test_agrees_with_networkx_on_random_graphs():
    rng = np.random.default_rng(0)
    asked = 0
    for _ in range(150):
        d = int(rng.integers(3, 8))
        names = tuple("abcdefgh"[:d])
        pairs = [(i, j) for i in range(d) for j in range(i + 1, d) if rng.uniform() < 0.4]
        graph = CausalGraph(names, tuple(Edge(names[i], names[j], 0) for i, j in pairs), max_lag=0)
        plain = nx.DiGraph([(names[i], names[j]) for i, j in pairs])
        plain.add_nodes_from(names)
        order = rng.permutation(d)
        one, other = names[order[0]], names[order[1]]
        given = [names[i] for i in order[2:] if rng.uniform() < 0.4]
        expected = nx.is_d_separator(plain, {one}, {other}, set(given))
        assert separated(graph, one, other, given) == expected
        asked += expected
    assert 20 < asked < 130


def test_an_unobserved_common_cause_is_like_a_hidden_parent():
    rng = np.random.default_rng(1)
    for _ in range(100):
        names = tuple("abcde")
        pairs = [(i, j) for i in range(5) for j in range(i + 1, 5) if rng.uniform() < 0.3]
        both = [(i, j) for i in range(5) for j in range(i + 1, 5) if rng.uniform() < 0.2]
        both = [p for p in both if p not in pairs]
        links = [Edge(names[i], names[j], 0) for i, j in pairs]
        links += [Edge(names[i], names[j], 0, Mark.BIDIRECTED) for i, j in both]
        plain = nx.DiGraph([(names[i], names[j]) for i, j in pairs])
        plain.add_nodes_from(names)
        for i, j in both:
            plain.add_edges_from([((i, j), names[i]), ((i, j), names[j])])
        given = [n for n in names[2:] if rng.uniform() < 0.4]
        graph = CausalGraph(names, tuple(links), max_lag=0)
        expected = nx.is_d_separator(plain, {"a"}, {"b"}, set(given))
        assert separated(graph, "a", "b", given) == expected


def test_in_time():
    graph = CausalGraph(("u", "x", "y"), (Edge("x", "x"), Edge("u", "x"), Edge("x", "y")))
    assert separated(graph, "u", "y")
    assert not separated(graph, ("u", 2), "y")
    assert separated(graph, ("u", 2), "y", [("x", 1)])
    assert not separated(graph, "x", "y")  # both follow x one row before


def test_bad_questions():
    graph = CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0)
    with pytest.raises(UnknownNameError):
        separated(graph, "a", "c")
    with pytest.raises(GraphError, match="must differ"):
        separated(graph, "a", "b", ["a"])
    with pytest.raises(GraphError, match="outside"):
        separated(graph, ("a", 5), "b")
    vague = CausalGraph(("a", "b"), (Edge("a", "b", 0, Mark.UNDIRECTED),), max_lag=0)
    with pytest.raises(GraphError, match="open"):
        separated(vague, "a", "b")
