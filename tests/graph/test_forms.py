"""Graphs out and in again, their differences, and what open graphs stand for."""

import itertools

import numpy as np
import pytest

from doworld._core.errors import GraphError
from doworld.graph import CausalGraph, Edge, Mark
from doworld.graph.difference import difference
from doworld.graph.equivalence import equivalence_class
from doworld.graph.extensions import extensions
from doworld.graph.forms import (
    from_dot,
    from_gml,
    from_networkx,
    from_tigramite,
    to_dot,
    to_gml,
    to_networkx,
    to_tigramite,
)

MARKED = CausalGraph(
    ("a", 'odd "name" \\ ü', "c"),
    (
        Edge("a", "a", 1, probability=0.9, effect=0.5),
        Edge("a", 'odd "name" \\ ü', 0),
        Edge("a", "c", 2, Mark.PARTIAL),
        Edge('odd "name" \\ ü', "c", 0, Mark.UNDIRECTED),
        Edge("a", "c", 0, Mark.BIDIRECTED),
    ),
    max_lag=2,
)


def _plain(graph: CausalGraph) -> set:
    return {(e.source, e.target, e.lag, e.mark, e.probability) for e in graph.edges()}


@pytest.mark.parametrize(
    ("out", "back"), [(to_dot, from_dot), (to_gml, from_gml), (to_networkx, from_networkx)]
)
def test_there_and_back(out, back):
    again = back(out(MARKED))
    assert again.names == MARKED.names
    assert again.max_lag == 2
    assert _plain(again) == _plain(MARKED)


def test_tigramite_there_and_back():
    array = to_tigramite(MARKED)
    assert array[0, 1, 0] == "-->"
    assert array[1, 0, 0] == "<--"
    again = from_tigramite(array, MARKED.names)
    assert {k[:4] for k in _plain(again)} == {k[:4] for k in _plain(MARKED)}
    with pytest.raises(GraphError, match="shape"):
        from_tigramite(array, ("a", "b"))
    with pytest.raises(GraphError, match="none of"):
        from_tigramite(np.full((1, 1, 2), "??"), ("a",))


@pytest.mark.parametrize("text", ['"a" => "b"', "graph { a -- b }", '"a" -> "b" [label="x"];'])
def test_text_that_is_no_graph(text):
    with pytest.raises(GraphError, match="line 1"):
        from_dot(text)
    with pytest.raises(GraphError, match="GML"):
        from_gml(text)


def test_too_long_a_text():
    with pytest.raises(GraphError, match="characters"):
        from_dot(" " * 2_000_001)


def test_difference():
    one = CausalGraph(("x", "y", "z"), (Edge("x", "y"), Edge("y", "z", 0), Edge("x", "z")))
    other = CausalGraph(("x", "y", "z"), (Edge("x", "y"), Edge("z", "y", 0), Edge("y", "y")))
    found = one.diff(other)
    assert [len(p) for p in (found.shared, found.added, found.removed, found.turned)] == [1] * 4
    assert (found.distance, found.f1) == (3, pytest.approx(1 / 3))
    assert difference(one, one).f1 == 1.0
    assert "is now" in str(found)
    with pytest.raises(GraphError, match="only one"):
        one.diff(CausalGraph(("x", "y"), ()))


def _acyclic(arrows: np.ndarray) -> bool:
    return not np.linalg.matrix_power(arrows.astype(int) + 0, len(arrows)).any()


def test_extensions_are_the_equivalence_class():
    names = tuple("abcd")
    pairs = list(itertools.combinations(range(4), 2))
    every: dict[bytes, int] = {}
    dags = []
    for ends in itertools.product((0, 1, 2), repeat=len(pairs)):
        arrows = np.zeros((4, 4), bool)
        for (i, j), way in zip(pairs, ends, strict=True):
            if way:
                arrows[(i, j) if way == 1 else (j, i)] = True
        if _acyclic(arrows):
            dags.append(arrows)
            key = equivalence_class(arrows).tobytes()
            every[key] = every.get(key, 0) + 1
    for arrows in dags[::40]:
        out = equivalence_class(arrows)
        links = []
        for i, j in np.argwhere(out):
            if not out[j, i]:
                links.append(Edge(names[i], names[j], 0))
            elif i < j:
                links.append(Edge(names[i], names[j], 0, Mark.UNDIRECTED))
        found = extensions(CausalGraph(names, tuple(links), max_lag=0))
        assert len(found) == every[out.tobytes()]
        assert len({g.adjacency().tobytes() for g in found}) == len(found)


def test_extensions_in_time_and_too_many():
    links = (Edge("u", "x"), Edge("x", "y", 0, Mark.UNDIRECTED))
    only = extensions(CausalGraph(("u", "x", "y"), links))
    assert [str(e) for g in only for e in g.edges() if e.lag == 0] == ["x(t) --> y(t)"]
    names = tuple("abcdefgh")
    full = tuple(Edge(a, b, 0, Mark.UNDIRECTED) for a, b in itertools.combinations(names, 2))
    with pytest.raises(GraphError, match="more than 100"):
        extensions(CausalGraph(names, full, max_lag=0), most=100)


def test_what_resampling_left_open_may_make_colliders():
    links = (Edge("x", "x"), Edge("y", "y"), Edge("x", "y", 0, Mark.UNDIRECTED))
    graph = CausalGraph(("x", "y"), links)
    with pytest.raises(GraphError, match="colliders=True"):
        extensions(graph)
    assert len(extensions(graph, colliders=True)) == 2


def test_two_links_of_one_pair():
    bow = CausalGraph(("x", "y"), (Edge("x", "y", 0), Edge("y", "x", 0, Mark.BIDIRECTED)))
    assert bow.diff(CausalGraph(("x", "y"), (Edge("x", "y", 0),))).distance == 1
    with pytest.raises(GraphError, match="linked twice"):
        to_tigramite(bow)
