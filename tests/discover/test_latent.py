"""Unobserved common causes: marked where the tests demand it, and nowhere else."""

import numpy as np
import pytest
from logs import make_log
from test_static import linear_rows, marks, named, random_dag, table

from doworld.discover import BestOrder, discover
from doworld.discover.latent.feedback import moment_tests
from doworld.graph import Mark, Prior, Reason
from doworld.worlds.random import RandomWorld


def found(graph):
    return {(e.source, e.target, e.lag): e.mark for e in graph.edges()}


def confounded(rows, movers, seed=0):
    """x and y share an unobserved cause; ``movers`` act on each; v follows y."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal(rows)
    columns = {f"z{i}": rng.standard_normal(rows) for i in range(movers)}
    x = 0.8 * sum(columns.values()) + hidden + rng.standard_normal(rows)
    more = {f"w{i}": rng.standard_normal(rows) for i in range(movers)}
    y = 0.8 * sum(more.values()) + hidden + rng.standard_normal(rows)
    return {**columns, **more, "x": x, "y": y, "v": 0.7 * y + rng.standard_normal(rows)}


@pytest.fixture(scope="module")
def pair():
    return discover(table(confounded(4000, 2)))


def test_two_movers_of_each_end_show_the_unobserved_cause(pair):
    at = found(pair)
    assert at["x", "y", 0] is Mark.BIDIRECTED
    assert all(at[z, "x", 0] is Mark.PARTIAL for z in ("z0", "z1"))
    assert all(at[w, "y", 0] is Mark.PARTIAL for w in ("w0", "w1"))
    assert at["y", "v", 0] is Mark.DIRECTED
    assert len(at) == 6


def test_it_says_why_and_what_it_forbids(pair):
    edge = next(e for e in pair.edges() if e.mark is Mark.BIDIRECTED)
    assert edge.evidence is not None
    assert "x is no cause of y" in edge.evidence.note
    assert "y is no cause of x" in edge.evidence.note
    (fact,) = pair.unidentified
    assert fact.reason is Reason.CONFOUNDED
    assert {fact.variable, *fact.others} == {"x", "y"}
    assert any("<->" in note for note in pair.notes)


def test_one_mover_of_each_end_leaves_the_edge_open_and_does_not_direct_it():
    at = found(discover(table(confounded(4000, 1))))
    assert at["x", "y", 0] in (Mark.CIRCLE, Mark.PARTIAL, Mark.BIDIRECTED)


def test_sufficiency_can_be_assumed():
    graph = discover(table(confounded(4000, 2)), latent=False)
    assert {e.mark for e in graph.edges()} <= {Mark.DIRECTED, Mark.UNDIRECTED}


def test_the_full_graph_of_an_m():
    """a ← u → b ← w → c: b collides, and nothing says that a and c are no effects of others."""
    rng = np.random.default_rng(0)
    u, w = rng.standard_normal((2, 4000))
    a, c = u + rng.standard_normal(4000), w + rng.standard_normal(4000)
    log = table({"a": a, "b": u + w + rng.standard_normal(4000), "c": c})
    assert found(discover(log, latent=True)) == {
        ("a", "b", 0): Mark.PARTIAL,
        ("c", "b", 0): Mark.PARTIAL,
    }
    assert marks(discover(log)) == {("a", "b"), ("c", "b")}


def test_the_full_graph_of_a_y():
    """z → x ← w, x → y: what collides at x shows that x → y has no unobserved cause."""
    rng = np.random.default_rng(0)
    z, w = rng.standard_normal((2, 4000))
    x = z + w + rng.standard_normal(4000)
    log = table({"z": z, "w": w, "x": x, "y": x + rng.standard_normal(4000)})
    at = found(discover(log, latent=True))
    assert at["x", "y", 0] is Mark.DIRECTED
    assert at["z", "x", 0] is at["w", "x", 0] is Mark.PARTIAL


def test_required_edges_keep_their_direction():
    prior = Prior(required=(("x", "y"),))
    at = found(discover(table(confounded(4000, 2)), prior=prior))
    assert at["x", "y", 0] is Mark.DIRECTED


def test_levels_show_it_too():
    rng = np.random.default_rng(0)
    rows = 20_000
    hidden, z0, z1, w0, w1 = (rng.random((5, rows)) < 0.5).astype(int)
    slips = rng.random((2, rows)) < 0.05
    x = ((hidden + z0 + z1) >= 2) != slips[0]
    y = ((hidden + w0 + w1) >= 2) != slips[1]
    columns = {"z0": z0 > 0, "z1": z1 > 0, "w0": w0 > 0, "w1": w1 > 0, "x": x, "y": y}
    assert found(discover(table(columns)))["x", "y", 0] is Mark.BIDIRECTED


def test_tables_without_unobserved_causes_stay_as_they_are():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        log = table(named(linear_rows(*random_dag(8, 2, rng), 1500, rng)))
        assert all(e.mark is not Mark.BIDIRECTED for e in discover(log).edges())


@pytest.mark.parametrize("latent", [None, True])
def test_neither_the_order_of_columns_nor_the_scale_matters(latent):
    columns = confounded(3000, 2, seed=1)
    graph = found(discover(table(columns), latent=latent))
    shuffled = {n: -3 * columns[n] + 1 for n in reversed(columns)}
    again = found(discover(table(shuffled), latent=latent))
    both = (Mark.BIDIRECTED, Mark.CIRCLE, Mark.UNDIRECTED)

    def key(at):
        return {(frozenset(k) if m in both else k, m) for k, m in at.items()}

    assert key(graph) == key(again)


def over_time(rows, seed=0, *, lag=0, memory=0.0, direct=0.0, actions=2):
    """x and y share an unobserved cause, ``lag`` rows later at y; actions move both ends."""
    rng = np.random.default_rng(seed)
    hidden = np.zeros(rows)
    for t in range(1, rows):
        hidden[t] = memory * hidden[t - 1] + rng.standard_normal()
    a = rng.uniform(-1, 1, (rows, 2 * actions))
    x, y = np.zeros((2, rows))
    for t in range(1, rows):
        x[t] = 0.4 * x[t - 1] + a[t - 1, :actions].sum() + 0.8 * hidden[t]
        x[t] += 0.6 * rng.standard_normal()
        y[t] = 0.4 * y[t - 1] + a[t - 1, actions:].sum() + direct * x[t]
        y[t] += 0.8 * hidden[max(t - lag, 0)] + 0.6 * rng.standard_normal()
    names = [f"a{k}" for k in range(2 * actions)]
    return make_log([np.c_[x, y, a]], state=["x", "y"], action=names)


def test_a_pair_within_the_row():
    graph = discover(over_time(2000), max_lag=1)
    at = found(graph)
    assert at["x", "y", 0] is Mark.BIDIRECTED
    crossing = {k for k in at if {k[0], k[1]} == {"x", "y"} and k[2]}
    assert not crossing
    # what was found only because x or y was given is no edge
    assert {k[0] for k in at if k[1] == "y" and k[0].startswith("a")} == {"a2", "a3"}
    assert {k[0] for k in at if k[1] == "x" and k[0].startswith("a")} == {"a0", "a1"}
    assert any(f.reason is Reason.CONFOUNDED for f in graph.unidentified)


def test_a_pair_across_rows():
    graph = discover(over_time(3000, lag=1), max_lag=2)
    assert found(graph)["x", "y", 1] is Mark.BIDIRECTED


def test_an_unobserved_cause_with_memory_directs_nothing():
    at = found(discover(over_time(3000, memory=0.7), max_lag=2))
    crossing = {k: m for k, m in at.items() if {k[0], k[1]} == {"x", "y"}}
    assert crossing
    assert Mark.DIRECTED not in crossing.values()


def test_a_cause_and_an_unobserved_cause_at_once():
    at = found(discover(over_time(4000, direct=0.8), max_lag=1))
    assert at["x", "y", 0] is Mark.DIRECTED
    assert at["y", "x", 0] is Mark.BIDIRECTED
    assert not {k for k in at if {k[0], k[1]} == {"x", "y"} and k[2]}
    assert {k[0] for k in at if k[1] == "y" and k[0].startswith("a")} == {"a2", "a3"}


def test_an_effect_without_unobserved_cause_is_directed():
    rng = np.random.default_rng(0)
    rows, x, y = 2000, *np.zeros((2, 2000))
    a = rng.uniform(-1, 1, (rows, 2))
    for t in range(1, rows):
        x[t] = 0.4 * x[t - 1] + a[t - 1].sum() + rng.standard_normal()
        y[t] = 0.4 * y[t - 1] + 0.7 * x[t] + rng.standard_normal()
    log = make_log([np.c_[x, y, a]], state=["x", "y"], action=["a0", "a1"])
    for latent in (None, True):
        assert found(discover(log, max_lag=1, latent=latent))["x", "y", 0] is Mark.DIRECTED


def test_nothing_ruled_out_over_time_leaves_tails_open():
    at = found(discover(over_time(2000, memory=0.7, actions=0), max_lag=1, latent=True))
    assert Mark.DIRECTED not in {m for k, m in at.items() if k[0] != k[1]}


def test_feedback_within_the_row_is_said():
    rng = np.random.default_rng(0)
    rows = 4000
    a, e = rng.uniform(-1, 1, (rows, 4)), 0.7 * rng.standard_normal((rows, 2))
    within = np.linalg.inv(np.eye(2) - np.array([[0, 0.7], [-0.4, 0]]))
    z = np.zeros((rows, 2))
    for t in range(1, rows):
        push = a[t - 1] @ np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
        z[t] = within @ (0.3 * z[t - 1] + push + e[t])
    names = ["a0", "a1", "a2", "a3"]
    graph = discover(make_log([np.c_[z, a]], state=["x", "y"], action=names), max_lag=1)
    fact = next(f for f in graph.unidentified if f.reason is Reason.FEEDBACK)
    assert {fact.variable, *fact.others} == {"x", "y"}
    (mark,) = (m for k, m in found(graph).items() if k[2] == 0 and set(k[:2]) == {"x", "y"})
    assert mark is Mark.CIRCLE


def test_a_table_with_a_cycle_fits_no_graph():
    rng = np.random.default_rng(0)
    e = rng.exponential(size=(4000, 3)) - 1
    weight = np.array([[0, 0.8, 0], [-0.4, 0, 0], [0, 0.7, 0]])
    x = e @ np.linalg.inv(np.eye(3) - weight)
    graph = discover(table(named(x)), method=BestOrder())
    facts = [f for f in graph.unidentified if f.reason is Reason.FEEDBACK]
    assert len(facts) == 1
    assert {"v0", "v1"} <= {facts[0].variable, *facts[0].others}


def test_skewed_tables_without_cycles_fit():
    said = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        dag, order = random_dag(5, 2, rng)
        x = np.zeros((600, 5))
        weight = dag * rng.uniform(0.5, 1.5, dag.shape)
        for j in order:
            x[:, j] = x @ weight[:, j] + rng.exponential(size=600)
        facts = discover(table(named(x))).unidentified
        said += any(f.reason is Reason.FEEDBACK for f in facts)
    assert said <= 1


def test_moments_are_uniform_where_the_graph_is_right():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(200):
        x = rng.laplace(size=400)
        y = x + rng.laplace(size=400)
        p.append(moment_tests(np.c_[x, y], np.array([[0, 1], [0, 0]], bool))[0, 1])
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_worlds_without_the_options_are_as_they_were():
    plain = RandomWorld(5, within=1, actions=1, seed=3)
    hidden = RandomWorld(5, within=1, actions=1, latents=2, policy=0.5, seed=3)
    assert plain.causes == hidden.causes
    assert not plain.hidden
    assert len(hidden.hidden) == 2
    assert sum(e.mark is Mark.BIDIRECTED for e in hidden.graph.edges()) == 2
    again = hidden.replay(recording := hidden.record(2, 50, seed=1), ())
    np.testing.assert_allclose(again.values, recording.log.values)


def test_nothing_breaks_on_few_rows_and_levels():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).cumsum(0) * 0.1
    for latent in (None, True, False):
        graph = discover(make_log([x], state=["a", "b", "c"]), latent=latent)
        assert all(e.mark is not Mark.BIDIRECTED for e in graph.edges())
