"""True graphs stand, wrong ones fall, and graphs that say nothing cannot be judged."""

import json
from io import StringIO

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, UnknownNameError
from doworld.data import Trajectories
from doworld.graph import CausalGraph, Edge, Mark
from doworld.graph.falsification import Verdict
from doworld.graph.falsify import falsify


def series(matrix, rows, seed, names):
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, len(matrix)))
    for t in range(1, rows):
        x[t] = x[t - 1] @ matrix + rng.standard_normal(len(matrix))
    frame = pl.DataFrame(x, schema=list(names)).with_columns(t=np.arange(rows))
    return Trajectories.from_frame(frame, state=list(names), time="t")


def world(seed, d=6):
    rng = np.random.default_rng(seed)
    matrix = 0.5 * np.eye(d)
    for j in range(d):
        matrix[rng.choice([i for i in range(d) if i != j], 2, replace=False), j] = 0.2
    names = tuple("abcdefgh"[:d])
    links = tuple(Edge(names[i], names[j], 1) for i, j in np.argwhere(matrix).tolist())
    return CausalGraph(names, links), matrix, names


@pytest.fixture(scope="module")
def truth():
    graph, matrix, names = world(0)
    return graph, series(matrix, 1500, 0, names)


def turned(graph):
    """The same edges with all causes and effects exchanged."""
    links = tuple(Edge(e.target, e.source, e.lag) for e in graph.links)
    return CausalGraph(graph.names, links, max_lag=graph.max_lag)


def test_a_true_graph_stands_and_a_turned_one_falls(truth):
    graph, log = truth
    good, bad = graph.falsify(log), turned(graph).falsify(log)
    assert good.verdict is Verdict.NOT_FALSIFIED
    assert good.violations < 0.12
    assert bad.verdict is Verdict.FALSIFIED
    assert bad.violations > 0.3
    assert {t.rejected for t in bad.tests} == {True, False}
    assert len(good.rejected) == 0
    strongest = bad.rejected[0]
    assert "⫫" in str(strongest)
    assert strongest.p_value < 1e-6


def test_violations_of_true_graphs_hold_their_level():
    """Over many worlds about one in twenty implied independencies looks violated."""
    shares, rejected = [], 0
    for seed in range(8):
        graph, matrix, names = world(seed)
        found = graph.falsify(series(matrix, 600, 100 + seed, names), count=20)
        shares.append(found.violations)
        rejected += bool(found.rejected)
    assert 0.02 < np.mean(shares) < 0.09
    assert rejected <= 2


def test_the_same_seed_says_the_same(truth):
    graph, log = truth
    one, other = (graph.falsify(log, seed=3, count=30) for _ in range(2))
    assert one == other
    assert len(one.permuted) == 30


def test_names_and_their_order_do_not_matter(truth):
    graph, log = truth
    mixed = CausalGraph(graph.names[::-1], graph.links[::-1])
    one, other = graph.falsify(log, count=20), mixed.falsify(log, count=20)
    assert one.violations == other.violations
    assert len(one.tests) == len(other.tests)


def test_a_complete_graph_cannot_be_judged(truth):
    graph, log = truth
    every = tuple(Edge(a, b, 1) for a in graph.names for b in graph.names)
    lag0 = tuple(Edge(a, b, 0) for i, a in enumerate(graph.names) for b in graph.names[i + 1 :])
    found = falsify(CausalGraph(graph.names, (*every, *lag0)), log, count=20)
    assert found.verdict is Verdict.NOT_FALSIFIABLE
    assert found.tests == ()
    assert "implies no independence" in found.why


def test_too_few_variables_to_permute():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.standard_normal(200), "b": rng.standard_normal(200)})
    log = Trajectories.from_frame(frame, state=["a", "b"])
    found = falsify(CausalGraph(("a", "b"), (), max_lag=0), log)
    assert found.verdict is Verdict.NOT_FALSIFIABLE
    assert len(found.permuted) == 1


def table(seed=0, rows=800):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 6))
    x[:, 1] += x[:, 0]
    x[:, 2] += x[:, 1]
    x[:, 4] += x[:, 3] + x[:, 2]
    x[:, 5] += x[:, 4]
    return Trajectories.from_frame(pl.DataFrame(x, schema=list("abcdef")), state=list("abcdef"))


LINKS = (("a", "b"), ("b", "c"), ("c", "e"), ("d", "e"), ("e", "f"))


def test_open_edges_are_pointed_one_of_the_ways_they_may():
    closed = CausalGraph(tuple("abcdef"), tuple(Edge(*p, 0) for p in LINKS), max_lag=0)
    vague = tuple(
        Edge(*p, 0, Mark.UNDIRECTED if p in (("a", "b"), ("b", "c")) else Mark.DIRECTED)
        for p in LINKS
    )
    log = table()
    one = falsify(closed, log)
    other = falsify(CausalGraph(tuple("abcdef"), vague, max_lag=0), log)
    assert one.verdict is other.verdict is Verdict.NOT_FALSIFIED
    assert one.rejected == other.rejected == ()


def test_hidden_common_causes_promise_less():
    """With b ↔ e in the place of nothing, b and e need not be independent."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal(1000)
    x = rng.standard_normal((1000, 4))
    x[:, 0] += 2 * hidden
    x[:, 1] += 2 * hidden
    x[:, 2] += x[:, 0]
    x[:, 3] += x[:, 1]
    names = tuple("pqrs")
    log = Trajectories.from_frame(pl.DataFrame(x, schema=list(names)), state=list(names))
    plain = (Edge("p", "r", 0), Edge("q", "s", 0))
    without = falsify(CausalGraph(names, plain, max_lag=0), log)
    marked = (*plain, Edge("p", "q", 0, Mark.BIDIRECTED))
    beside = falsify(CausalGraph(names, marked, max_lag=0), log)
    assert any({t.one[0], t.other[0]} == {"p", "q"} for t in without.rejected)
    assert beside.rejected == ()
    assert beside.tests


def test_levels_and_bent_causes():
    rng = np.random.default_rng(0)
    n = 3000
    a = rng.standard_normal(n)
    b = np.sin(2 * a) + 0.3 * rng.standard_normal(n)
    c = b**2 + 0.3 * rng.standard_normal(n)
    heat = a + rng.standard_normal(n)
    kind = np.where(heat > 0.7, "hot", np.where(heat < -0.7, "cold", "mild"))
    d = rng.standard_normal(n)
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "kind": kind, "d": d})
    log = Trajectories.from_frame(frame, state=["a", "b", "c", "kind", "d"])
    links = (Edge("a", "b", 0), Edge("b", "c", 0), Edge("a", "kind", 0))
    good = falsify(CausalGraph(tuple(frame.columns), links, max_lag=0), log)
    assert good.rejected == ()
    missing = falsify(CausalGraph(tuple(frame.columns), links[1:], max_lag=0), log)
    assert any({t.one[0], t.other[0]} == {"a", "b"} for t in missing.rejected)


def test_bad_questions_are_named(truth):
    graph, log = truth
    with pytest.raises(UnknownNameError, match="'zz'"):
        falsify(CausalGraph(("a", "zz"), ()), log)
    with pytest.raises(DataError, match="complete rows"):
        falsify(graph, log.select([0])._part(0, 12))


def test_words_data_and_figure(truth):
    from rich.console import Console

    graph, log = truth
    found = turned(graph).falsify(log, count=30)
    console = Console(width=100, record=True, file=StringIO())
    console.print(found)
    text = console.export_text()
    assert text.startswith("falsified: ")
    assert "rejected at a false-discovery rate of 0.05" in text
    data = json.loads(json.dumps(found.to_dict()))
    assert data["verdict"] == "falsified"
    assert len(data["rejected"]) == len(found.rejected)
    drawn = found.figure()
    assert len(drawn.data[0].x) == 30
    assert any("this graph" in a.text for a in drawn.layout.annotations)
