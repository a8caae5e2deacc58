"""Static tables: known graphs are found, priors kept, and what forbids an answer is named."""

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import DataError, DoworldWarning, GraphError
from doworld.data import Policy, Trajectories
from doworld.discover import discover
from doworld.graph import Mark, Prior, Reason


def random_dag(variables, degree, rng):
    """``dag[i, j]``: i → j, in a random causal order, and that order."""
    order = rng.permutation(variables)
    pairs = [(order[i], order[j]) for i in range(variables) for j in range(i + 1, variables)]
    dag = np.zeros((variables, variables), bool)
    for k in rng.choice(len(pairs), round(variables * degree / 2), replace=False):
        dag[pairs[k]] = True
    return dag, order


def linear_rows(dag, order, rows, rng):
    weight = dag * rng.uniform(0.5, 1.5, dag.shape) * rng.choice([-1, 1], dag.shape)
    x = np.zeros((rows, len(dag)))
    for j in order:
        x[:, j] = x @ weight[:, j] + rng.standard_normal(rows)
    return x


def level_rows(dag, order, rows, rng, levels=3):
    """Each configuration of the parents has its own distribution."""
    x = np.zeros((rows, len(dag)), int)
    for j in order:
        cell = np.zeros(rows, int)
        for i in np.flatnonzero(dag[:, j]):
            cell = cell * levels + x[:, i]
        share = rng.dirichlet(np.full(levels, 0.4), cell.max() + 1).cumsum(1)
        x[:, j] = (rng.random(rows)[:, None] > share[cell]).sum(1).clip(0, levels - 1)
    return x


def table(columns, **roles):
    """A log of named columns; text becomes categorical, all columns are states unless said."""
    names = [n for n in columns if all(n not in own for own in roles.values())]
    frame = pl.DataFrame(columns).with_columns(pl.col(pl.String).cast(pl.Categorical))
    return Trajectories.from_frame(frame, state=names, **roles)


def named(x, prefix="v"):
    text = x.dtype.kind in "iu"
    return {f"{prefix}{i}": [f"l{k}" for k in c] if text else c for i, c in enumerate(x.T)}


def links(graph):
    return {frozenset((e.source, e.target)) for e in graph.edges()}


def marks(graph):
    """Directed edges as they point, open ones without an order."""
    return {
        (e.source, e.target) if e.mark is Mark.DIRECTED else frozenset((e.source, e.target))
        for e in graph.edges()
    }


def true_links(dag, prefix="v"):
    return {frozenset((f"{prefix}{i}", f"{prefix}{j}")) for i, j in np.argwhere(dag)}


def f1(found, truth):
    return 2 * len(found & truth) / max(len(found) + len(truth), 1)


@pytest.mark.parametrize(("variables", "seed"), [(20, 0), (20, 1), (100, 0)])
def test_linear_gaussian(variables, seed):
    rng = np.random.default_rng(seed)
    dag, order = random_dag(variables, 2, rng)
    graph = discover(table(named(linear_rows(dag, order, 1000, rng))))
    assert f1(links(graph), true_links(dag)) >= 0.97
    assert all(e.probability >= 0.5 for e in graph.edges())


def test_categorical():
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        dag, order = random_dag(15, 2, rng)
        graph = discover(table(named(level_rows(dag, order, 5000, rng))))
        scores.append(f1(links(graph), true_links(dag)))
    assert np.mean(scores) >= 0.95


def test_numbers_and_levels_together():
    rng = np.random.default_rng(0)
    n = 3000
    kind = rng.integers(3, size=n)
    size = np.array([0.0, 1.5, -1.0])[kind] + rng.standard_normal(n)
    weight = 0.8 * size + rng.standard_normal(n)
    sold = (weight + rng.logistic(size=n) > 0).astype(int)
    other = rng.standard_normal(n)
    columns = {"kind": [f"k{k}" for k in kind], "size": size, "weight": weight}
    graph = discover(table({**columns, "sold": sold == 1, "other": other}))
    pairs = [("kind", "size"), ("size", "weight"), ("weight", "sold")]
    assert links(graph) == {frozenset(p) for p in pairs}


def test_false_edges_stay_near_the_asked_share():
    false = found = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        dag, order = random_dag(10, 2, rng)
        edges = links(discover(table(named(linear_rows(dag, order, 400, rng))), fdr=0.05))
        false, found = false + len(edges - true_links(dag)), found + len(edges)
    assert false / found <= 0.05 + 2 * np.sqrt(0.05 / found)


def test_nothing_is_found_in_noise():
    x = np.random.default_rng(0).standard_normal((500, 30))
    assert len(discover(table(named(x))).edges()) <= 1


@pytest.mark.parametrize("levels", [False, True])
def test_neither_the_order_of_columns_nor_their_names_matter(levels):
    rng = np.random.default_rng(3)
    dag, order = random_dag(12, 2, rng)
    make = level_rows if levels else linear_rows
    columns = named(make(dag, order, 1500, rng))
    graph = discover(table(columns))
    shuffled = {n: columns[n] for n in rng.permutation(list(columns)).tolist()}
    assert marks(discover(table(shuffled))) == marks(graph)
    other = dict(zip(columns, reversed(columns), strict=True))
    renamed = discover(table({other[n]: x for n, x in columns.items()}))
    assert links(renamed) == {frozenset(other[n] for n in pair) for pair in links(graph)}


def test_same_seed_same_graph():
    rng = np.random.default_rng(0)
    log = table(named(linear_rows(*random_dag(8, 2, rng), 300, rng)))
    assert discover(log, seed=5).to_dict() == discover(log, seed=5).to_dict()


def test_edges_say_what_speaks_for_them():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(600)
    edge = discover(table({"a": a, "b": a + rng.standard_normal(600)})).edges()[0]
    assert edge.mark is Mark.UNDIRECTED
    assert edge.probability == 1.0
    assert edge.effect == pytest.approx(0.7, abs=0.1)
    assert edge.evidence is not None
    assert edge.evidence.rows == 600
    assert edge.evidence.p_value < 1e-6
    assert "direction open" in edge.evidence.note


def test_a_weak_edge_is_doubtful():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(400)
    graph = discover(table({"a": a, "b": 0.14 * a + rng.standard_normal(400)}))
    both = [*graph.edges(), *graph.doubtful]
    assert all((e in graph.doubtful) == (e.probability < 0.5) for e in both)
    assert len(both) == 1


@pytest.fixture(scope="module")
def fork():
    """b ← a → c, c → d."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal(800)
    b, c = 0.8 * a + rng.standard_normal((2, 800))
    d = 0.8 * c + rng.standard_normal(800)
    return {"a": a, "b": b, "c": c, "d": d}


def test_forbidden_edges_are_absent_and_the_other_way_is_taken(fork):
    graph = discover(table(fork), prior=Prior(forbidden=(("a", "b"),)))
    assert ("b", "a") in marks(graph)
    both = Prior(forbidden=(("a", "b"), ("b", "a")))
    graph = discover(table(fork), prior=both)
    every = [*graph.edges(), *graph.doubtful]
    assert {"a", "b"} not in [{e.source, e.target} for e in every]


def test_required_edges_are_certain_and_direct_others(fork):
    graph = discover(table(fork), prior=Prior(required=(("a", "c"),)))
    edge = next(e for e in graph.edges() if (e.source, e.target) == ("a", "c"))
    assert edge.probability == 1.0
    assert edge.mark is Mark.DIRECTED
    assert ("c", "d") in marks(graph)
    graph = discover(table(fork), prior=Prior(required=(("d", "b"),)))
    assert ("d", "b") in marks(graph)


def test_tiers_point_edges(fork):
    graph = discover(table(fork), prior=Prior(tiers=(("d",), ("c",), ("a",), ("b",))))
    assert marks(graph) == {("d", "c"), ("c", "a"), ("a", "b")}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_listed_breaks_a_tier(seed):
    rng = np.random.default_rng(seed)
    x = linear_rows(*random_dag(9, 3, rng), 150, rng)
    tier = {f"v{i}": int(rng.integers(3)) for i in range(9)}
    prior = Prior(tiers=tuple(tuple(n for n in tier if tier[n] == k) for k in range(3)))
    graph = discover(table(named(x)), prior=prior)
    for edge in (*graph.edges(), *graph.doubtful):
        gap = tier[edge.target] - tier[edge.source]
        assert gap >= 0
        assert gap == 0 or edge.mark is Mark.DIRECTED


def test_required_edges_may_not_form_a_cycle(fork):
    prior = Prior(required=(("a", "b"), ("b", "c"), ("c", "a")))
    with pytest.raises(GraphError, match="form a cycle"):
        discover(table(fork), prior=prior)


def test_contexts_and_randomised_actions_are_causes_only(fork):
    columns = {**fork, "g": fork["d"] + np.random.default_rng(1).standard_normal(800)}
    graph = discover(table(columns, context=["g"]))
    assert ("g", "d") in marks(graph)
    with pytest.raises(GraphError, match="is a context"):
        discover(table(columns, context=["g"]), prior=Prior(required=(("d", "g"),)))
    log = table(columns, action=["g"])
    schema = type(log.schema)(log.schema.variables, step=0.0, policy=Policy.RANDOMISED)
    log = Trajectories(**{**vars(log), "schema": schema})
    assert ("g", "d") in marks(discover(log))


def test_identical_columns_are_named(fork):
    columns = {**fork, "c2": -3 * fork["c"] + 1}
    with pytest.warns(DoworldWarning, match="'c2' is an exact linear function"):
        graph = discover(table(columns))
    assert frozenset(("c", "c2")) in links(graph)
    assert links(discover(table(fork))) < links(graph)
    (fact,) = graph.unidentified
    assert (fact.variable, fact.reason, fact.others) == ("c2", Reason.DETERMINED, ("c",))


def test_relabelled_levels_are_a_copy():
    x = level_rows(*random_dag(4, 2, np.random.default_rng(0)), 800, np.random.default_rng(1))
    columns = named(x)
    columns["copy"] = [{"l0": "x", "l1": "z", "l2": "y"}[k] for k in columns["v2"]]
    with pytest.warns(DoworldWarning, match="'v2'|'copy'"):
        graph = discover(table(columns))
    assert frozenset(("v2", "copy")) in links(graph)


def test_a_sum_without_noise_is_named():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500))
    c = a + b
    d = c + rng.standard_normal(500)
    with pytest.warns(DoworldWarning, match="'c' is an exact linear function"):
        graph = discover(table({"a": a, "b": b, "c": c, "d": d}))
    assert marks(graph) == {("a", "c"), ("b", "c"), ("c", "d")}


def test_more_variables_than_rows():
    rng = np.random.default_rng(0)
    dag, order = random_dag(120, 1, rng)
    found = links(discover(table(named(linear_rows(dag, order, 60, rng)))))
    truth = true_links(dag)
    assert len(found & truth) >= 0.5 * len(truth)
    assert len(found - truth) <= 0.15 * len(found)


def test_two_hundred_levels():
    rng = np.random.default_rng(0)
    x = rng.integers(200, size=(3000, 4))
    x[:, 1] = (x[:, 0] + rng.integers(3, size=3000)) % 200
    assert links(discover(table(named(x)))) == {frozenset(("v0", "v1"))}
    columns = {**named(x), "y": np.where(x[:, 2] < 100, 1.0, -1.0) + rng.standard_normal(3000)}
    graph = discover(table(columns))
    assert any("rare levels" in note for note in graph.notes)


def test_constants_are_left_out(fork):
    columns = {**fork, "still": np.ones(800), "word": ["same"] * 800}
    with pytest.warns(DoworldWarning, match="never change"):
        log = table(columns)
    with pytest.warns(DoworldWarning, match="in every row"):
        graph = discover(log)
    assert links(graph) == links(discover(table(fork)))


def test_one_variable_alone():
    graph = discover(table({"a": np.random.default_rng(0).standard_normal(50)}))
    assert graph.edges() == ()


def test_too_few_rows():
    x = np.random.default_rng(0).standard_normal((9, 3))
    with pytest.raises(DataError, match="only 9 complete rows"):
        discover(table(named(x)))


@pytest.mark.parametrize("levels", [False, True])
def test_a_variable_that_varies_only_where_others_are_missing(levels):
    rng = np.random.default_rng(0)
    columns = named(
        level_rows(*random_dag(4, 2, rng), 400, rng) if levels else rng.random((400, 4))
    )
    still = ["x" if levels else 1.0] * 380 + ["y" if levels else 2.0] * 20
    columns["v0"] = [*list(columns["v0"])[:380], *[None] * 20]
    graph = discover(table({**columns, "still": still}))
    assert "still" not in {n for e in graph.edges() for n in (e.source, e.target)}


def test_missing_values_leave_complete_rows(fork):
    columns = {n: x.copy() for n, x in fork.items()}
    columns["b"][:100] = np.nan
    graph = discover(table(columns))
    assert graph.edges()[0].evidence.rows == 700
    assert links(graph) == links(discover(table(fork)))
