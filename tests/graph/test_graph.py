"""The graph as other libraries want it."""

from doworld.graph import CausalGraph, Edge, Mark


def test_networkx_keeps_nodes_lags_and_marks():
    links = (Edge("a", "b", lag=1), Edge("a", "b", lag=2), Edge("b", "c", lag=0, mark=Mark.CIRCLE))
    out = CausalGraph(("a", "b", "c", "d"), links, max_lag=2).to_networkx()
    assert list(out.nodes) == ["a", "b", "c", "d"]
    found = {(s, t, data["lag"], data["mark"]) for s, t, data in out.edges(data=True)}
    assert found == {("a", "b", 1, "-->"), ("a", "b", 2, "-->"), ("b", "c", 0, "o-o")}
