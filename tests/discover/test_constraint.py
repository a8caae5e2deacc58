"""PC-stable: known graphs, any order of columns, priors and roles, and nonlinear tables."""

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, GraphError, SchemaError
from doworld.data import Trajectories
from doworld.discover import (
    PC,
    BestOrder,
    Colliders,
    ConditionalInformation,
    KernelTest,
    Levels,
    LikelihoodRatio,
    PartialCorrelation,
    Regressions,
    StaticMethod,
    discover,
)
from doworld.graph import Mark, Prior

LINES = PC(test=PartialCorrelation(), level=0.01)


def table(columns, **roles):
    names = [n for n in columns if all(n not in own for own in roles.values())]
    frame = pl.DataFrame(columns).with_columns(pl.col(pl.String).cast(pl.Categorical))
    return Trajectories.from_frame(frame, state=names, **roles)


def marks(graph):
    return {
        (e.source, e.target) if e.mark is Mark.DIRECTED else frozenset((e.source, e.target))
        for e in graph.edges()
    }


def bends(rows, seed):
    """a → c ← b, c → d."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, rows))
    c = np.cos(1.5 * a) + np.sin(1.5 * b) + 0.4 * rng.standard_normal(rows)
    return {"a": a, "b": b, "c": c, "d": np.abs(c) + 0.2 * rng.standard_normal(rows)}


BENDS = {("a", "c"), ("b", "c"), ("c", "d")}


@pytest.fixture(scope="module")
def lines():
    """a → c ← b, c → d."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 800))
    c = a + b + 0.7 * rng.standard_normal(800)
    return {"a": a, "b": b, "c": c, "d": c + rng.standard_normal(800)}


@pytest.mark.parametrize(
    "test",
    [PartialCorrelation(), LikelihoodRatio(), Regressions(), ConditionalInformation()],
)
def test_colliders_and_what_follows(lines, test):
    graph = discover(table(lines), method=PC(test=test, level=0.01))
    assert marks(graph) == {("a", "c"), ("b", "c"), ("c", "d")}
    edge = graph.edges()[0]
    assert edge.evidence.rows == 800
    assert edge.evidence.test == test.name
    assert edge.probability > 0.9


@pytest.mark.parametrize("method", [PC(level=0.01), PC(test=KernelTest(), level=0.01), None])
def test_bends_are_seen(method):
    log = table(bends(400, 1))
    assert marks(discover(log, method=method)) == BENDS
    assert marks(discover(log, method=BestOrder())) != BENDS


def test_a_chain_stays_open():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(600)
    b = a + rng.standard_normal(600)
    graph = discover(table({"a": a, "b": b, "c": b + rng.standard_normal(600)}), method=LINES)
    assert marks(graph) == {frozenset("ab"), frozenset("bc")}
    assert "direction open" in graph.edges()[0].evidence.note


def random_table(seed, variables=7, rows=300):
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, variables))
    for j in range(variables):
        weight = rng.uniform(0.5, 1.0, j) * (rng.random(j) < 0.4)
        x[:, j] = x[:, :j] @ weight + rng.standard_normal(rows)
    return {f"v{k}": c for k, c in enumerate(x.T)}


@pytest.mark.parametrize("colliders", list(Colliders))
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_columns_does_not_matter(seed, colliders):
    columns = random_table(seed)
    method = PC(test=PartialCorrelation(), colliders=colliders)
    graph = discover(table(columns), method=method)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        shuffled = {n: columns[n] for n in rng.permutation(list(columns)).tolist()}
        assert marks(discover(table(shuffled), method=method)) == marks(graph)


def test_conservative_colliders_are_among_those_of_the_majority():
    for seed in range(3):
        log = table(random_table(seed))
        few, many = (
            sum(
                e.mark is Mark.DIRECTED
                for e in discover(log, method=PC(test=PartialCorrelation(), colliders=rule)).edges()
            )
            for rule in (Colliders.CONSERVATIVE, Colliders.MAJORITY)
        )
        assert few <= many + 1


@pytest.mark.parametrize("seed", range(4))
def test_priors_and_roles_are_honoured(seed):
    columns = random_table(seed)
    prior = Prior(
        required=(("v5", "v2"),), forbidden=(("v0", "v1"), ("v1", "v0")), tiers=(("v6",), ("v3",))
    )
    graph = discover(table(columns, context=["v4"]), prior=prior, method=LINES)
    found = marks(graph)
    assert ("v5", "v2") in found
    for edge in (*graph.edges(), *graph.doubtful):
        assert {edge.source, edge.target} != {"v0", "v1"}
        assert edge.target != "v4"
        assert (edge.source, edge.target) != ("v3", "v6")
        if "v4" in (edge.source, edge.target) or {edge.source, edge.target} == {"v3", "v6"}:
            assert edge.mark is Mark.DIRECTED


def test_required_edges_may_not_form_a_cycle(lines):
    prior = Prior(required=(("a", "b"), ("b", "c"), ("c", "a")))
    with pytest.raises(GraphError, match="form a cycle"):
        discover(table(lines), prior=prior, method=LINES)


def test_levels():
    rng = np.random.default_rng(0)
    a, b = rng.integers(3, size=(2, 1500))
    c = np.where(rng.random(1500) < 0.7, (a + b) % 3, rng.integers(3, size=1500))
    c = np.where(rng.random(1500) < 0.3, a, c)
    c = np.where(rng.random(1500) < 0.3, b, c)
    text = {n: [f"l{k}" for k in x] for n, x in (("a", a), ("b", b), ("c", c))}
    assert marks(discover(table(text), method=PC(test=Levels()))) == {("a", "c"), ("b", "c")}
    with pytest.raises(DataError, match="needs numbers"):
        discover(table(text), method=LINES)


def test_rows_with_missing_values_count_where_they_are_whole(lines):
    far = np.random.default_rng(5).standard_normal(800)
    far[:300] = np.nan
    graph = discover(table({**lines, "far": far}), method=LINES)
    rows = {(e.source, e.target): e.evidence.rows for e in graph.edges()}
    assert rows == {("a", "c"): 800, ("b", "c"): 800, ("c", "d"): 800}


def test_copies_are_linked(lines):
    columns = {**lines, "c2": -3 * lines["c"] + 1}
    with pytest.warns(UserWarning, match="'c2' is an exact linear function"):
        graph = discover(table(columns), method=LINES)
    assert {"c", "c2"} in [{e.source, e.target} for e in graph.edges()]


def test_false_links_stay_near_the_asked_share():
    false = found = 0
    for seed in range(6):
        rng = np.random.default_rng(seed + 100)
        columns = {**bends(300, seed), **{f"n{k}": rng.standard_normal(300) for k in range(3)}}
        links = {
            frozenset((e.source, e.target)) for e in discover(table(columns), method=PC()).edges()
        }
        false += len(links - {frozenset(p) for p in BENDS})
        found += len(links)
    assert found >= 15
    assert false / found <= 0.15


def test_settings_out_of_range():
    with pytest.raises(SchemaError, match="level is 2"):
        PC(level=2)
    with pytest.raises(SchemaError, match="most_given is -1"):
        PC(most_given=-1)
    series = Trajectories.from_frame(
        pl.DataFrame({"t": np.arange(50.0), "a": np.random.default_rng(0).random(50)}),
        state=["a"],
        time="t",
    )
    with pytest.raises(SchemaError, match="finds the graph of a static table"):
        discover(series, method=PC())


def test_methods_follow_the_protocol():
    assert isinstance(PC(), StaticMethod)
    assert isinstance(BestOrder(), StaticMethod)
