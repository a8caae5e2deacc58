"""Soft, grouped and contradicted knowledge: weighs, is honoured, is reported."""

import numpy as np
import polars as pl
import pytest
from logs import linear_world, make_log, pairs

from doworld._core.errors import DoworldWarning, GraphError, SchemaError
from doworld.data import Trajectories
from doworld.discover import PC, BestOrder, discover
from doworld.discover.time.conflicts import power_of
from doworld.graph import CausalGraph, Chance, Disagreement, Mark, Prior, Question

WEAK = np.array([[0.5, 0.085, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])
CHAIN = np.array([[0.5, 0.6, 0.0], [0.0, 0.5, 0.6], [0.0, 0.0, 0.5]])


def weak(seed, rows=1500):
    x = linear_world(WEAK, rows, np.random.default_rng(seed))
    return make_log([x], state=list("abc"))


def found(prior, seeds=range(12), rows=1500):
    quick = {"max_lag": 1, "contemporaneous": False}
    return [pairs(discover(weak(s, rows), prior=prior, **quick)) for s in seeds]


def test_a_likely_edge_is_found_more_often_and_an_unlikely_one_less():
    hits = [
        sum(("a", "b") in g for g in found(prior))
        for prior in (
            Prior(probabilities={("a", "b"): 0.03}),
            None,
            Prior(probabilities={("a", "b"): 0.97}),
        )
    ]
    assert hits[0] < hits[1] <= hits[2]


def test_a_wrong_belief_costs_data_and_no_more():
    wrong = Prior(probabilities={("a", "b"): 0.01, ("c", "a"): 0.99})
    many = discover(weak(0, 20_000), prior=wrong, max_lag=1, contemporaneous=False)
    assert ("a", "b") in pairs(many)
    assert ("c", "a") not in pairs(many)
    (edge,) = [e for e in many.links if (e.source, e.target) == ("a", "b")]
    assert "prior knowledge weighs its test" in edge.evidence.note


def test_weighted_tests_hold_their_rate():
    """False edges into independent variables, half of them called likely."""
    rng = np.random.default_rng(0)
    prior = Prior(probabilities={("a", "b"): 0.95, ("b", "c"): 0.9, ("c", "d"): 0.9})
    wrong = 0
    runs = 60
    for _ in range(runs):
        x = linear_world(0.5 * np.eye(4), 300, rng)
        graph = discover(
            make_log([x], state=list("abcd")),
            prior=prior,
            max_lag=1,
            contemporaneous=False,
            fdr=0.1,
        )
        wrong += len({(a, b) for a, b in pairs(graph) if a != b}) > 0
    # four true edges are always found: any false edge is a share of at most 1/5 … of what is found
    assert wrong / runs <= 0.1 * 5 + 3 * np.sqrt(0.25 / runs)


def test_beliefs_order_a_table_only_as_far_as_the_data_are_silent():
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal((2, 60))
    b = 0.42 * a + rng.standard_normal(60)
    log = Trajectories.from_frame(pl.DataFrame({"a": a, "b": b, "c": c}), state=list("abc"))
    believed = discover(log, prior=Prior(probabilities={("a", "b"): 0.98}), fdr=0.02)
    doubted = discover(log, prior=Prior(probabilities={("a", "b"): 0.02}), fdr=0.02)
    held = [any({e.source, e.target} == {"a", "b"} for e in g.links) for g in (doubted, believed)]
    assert held == [False, True]
    # a belief points no arrow that the data leave open
    (edge,) = [e for e in believed.links if {e.source, e.target} == {"a", "b"}]
    assert edge.mark is Mark.UNDIRECTED


def test_certainty_is_no_chance():
    with pytest.raises(GraphError, match="no data could ever change"):
        Chance("a", "b", 1.0)
    with pytest.raises(GraphError, match="also ruled out"):
        Prior(forbidden=(("a", "b"),), probabilities={("a", "b"): 0.9})


def test_a_lag_outweighs_the_chance_of_all_lags():
    prior = Prior(probabilities={("a", "b"): 0.2, ("a", "b", 2): 0.9})
    assert prior.odds("a", "b", 1) == pytest.approx(0.25)
    assert prior.odds("a", "b", 2) == pytest.approx(9.0)
    assert prior.odds("b", "a", 1) == 1.0


def test_groups_are_ruled_out_as_one():
    log = make_log([linear_world(CHAIN, 600, np.random.default_rng(0))], state=list("abc"))
    group = ("a", "b")
    graph = discover(log, prior=Prior(groups=(group,), forbidden=((group, "c"),)))
    assert not {("a", "c"), ("b", "c")} & pairs(graph)
    assert ("a", "b") in pairs(graph)
    size = next(c for c in graph.choices if c.question is Question.MULTIPLICITY)
    assert size.number("skipped") == 2


def test_required_between_groups_is_met_by_whichever_the_data_favour():
    log = make_log([linear_world(CHAIN, 2000, np.random.default_rng(0))], state=list("abc"))
    ab, c = ("a", "b"), ("c",)
    met = discover(log, prior=Prior(groups=(ab, c), required=((ab, c),)))
    assert pairs(met) == pairs(discover(log))
    forced = discover(log, prior=Prior(groups=(ab, c), required=((c, ab),)))
    assert {("c", "a"), ("c", "b")} & pairs(forced)
    assert any(k.kind is Disagreement.UNSEEN for k in forced.conflicts)


def test_a_group_that_nobody_declared():
    with pytest.raises(GraphError, match="not among ``groups``"):
        Prior(forbidden=((("a", "b"), "c"),))


@pytest.fixture(scope="module")
def chain():
    return make_log([linear_world(CHAIN, 2000, np.random.default_rng(0))], state=list("abc"))


def test_required_but_not_seen(chain):
    graph = discover(chain, prior=Prior(required=(("c", "a"),)))
    (conflict,) = graph.conflicts
    assert (conflict.source, conflict.target, conflict.lag) == ("c", "a", 1)
    assert conflict.kind is Disagreement.UNSEEN
    assert conflict.power > 0.95
    assert conflict.p_value > 0.05
    assert ("c", "a") in pairs(graph)
    assert any("disagree" in n and "c(t-1) → a(t)" in n for n in graph.notes)
    assert CausalGraph.from_dict(graph.to_dict()).conflicts == graph.conflicts


def test_without_power_there_is_no_conflict():
    log = make_log([linear_world(CHAIN, 150, np.random.default_rng(0))], state=list("abc"))
    assert power_of(150, 3) < 0.95
    assert discover(log, prior=Prior(required=(("c", "a"),))).conflicts == ()


@pytest.mark.parametrize("prior", [Prior(forbidden=(("a", "b"),)), Prior(tiers=(("b",), ("a",)))])
def test_ruled_out_but_seen(chain, prior):
    graph = discover(chain, prior=prior, contemporaneous=False)
    kinds = {(k.source, k.target): k.kind for k in graph.conflicts}
    assert kinds == {("a", "b"): Disagreement.SEEN}
    assert ("a", "b") not in pairs(graph)


def test_true_knowledge_is_no_conflict(chain):
    prior = Prior(required=(("a", "b"),), forbidden=(("a", "c"),), tiers=(("a",), ("b",), ("c",)))
    assert discover(chain, prior=prior).conflicts == ()


def test_false_conflicts_are_rare():
    """Edges ruled out that are not there are called seen at most at the rate."""
    rng = np.random.default_rng(0)
    prior = Prior(forbidden=(("c", "a"), ("c", "b"), ("b", "a"), ("a", "c")))
    told = sum(
        bool(
            discover(
                make_log([linear_world(CHAIN, 300, rng)], state=list("abc")),
                prior=prior,
                max_lag=1,
                contemporaneous=False,
            ).conflicts
        )
        for _ in range(40)
    )
    assert told <= 2


WITHIN = np.array([[0.0, 0.8, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def within_log(rows=2000, seed=0):
    """a acts on b in the same row; c goes its own way."""
    rng = np.random.default_rng(seed)
    past = linear_world(np.diag([0.5, 0.4, 0.6]), rows, rng)
    return make_log([past @ (np.eye(3) + WITHIN)], state=list("abc"))


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (Prior(forbidden=(("a", "b", 0), ("b", "a", 0))), {("a", "b", 0): Disagreement.SEEN}),
        (Prior(required=(("c", "b", 0),)), {("c", "b", 0): Disagreement.UNSEEN}),
        (Prior(required=(("a", "b", 0),), forbidden=(("a", "c", 0), ("c", "a", 0))), {}),
        (Prior(probabilities={("a", "b"): 0.9, ("b", "c"): 0.1}), {}),
        (Prior(probabilities=(Chance("a", "c", 0.95, 0),)), {("a", "c", 0): Disagreement.UNLIKELY}),
    ],
)
def test_stated_edges_within_the_row(prior, said):
    graph = discover(within_log(), prior=prior, max_lag=1, contemporaneous=True)
    found = {(k.source, k.target, k.lag): k.kind for k in graph.conflicts if k.lag == 0}
    assert found == said


def test_false_conflicts_within_the_row_are_rare():
    free = Prior(forbidden=(("a", "c", 0), ("c", "a", 0), ("b", "c", 0), ("c", "b", 0)))
    logs = [within_log(300, seed) for seed in range(40)]
    told = [discover(x, prior=free, max_lag=1, contemporaneous=True).conflicts for x in logs]
    assert sum(any(k.lag == 0 for k in each) for each in told) <= 2


def test_a_belief_that_the_data_contradict_is_reported(chain):
    prior = Prior(probabilities={("a", "b"): 0.05, ("c", "a"): 0.95})
    graph = discover(chain, prior=prior, max_lag=1, contemporaneous=False)
    kinds = {(k.source, k.target): k.kind for k in graph.conflicts}
    assert kinds == {
        ("a", "b"): Disagreement.UNLIKELY,
        ("c", "a"): Disagreement.UNLIKELY,
    }
    assert pairs(graph) == pairs(discover(chain, max_lag=1, contemporaneous=False))


@pytest.fixture(scope="module")
def collider():
    rng = np.random.default_rng(0)
    a, c, d = rng.standard_normal((3, 1500))
    frame = pl.DataFrame({"a": a, "b": a + c + 0.5 * rng.standard_normal(1500), "c": c, "d": d})
    return Trajectories.from_frame(frame, state=list("abcd"))


def test_a_table_reports_links_and_directions(collider):
    both = discover(collider, prior=Prior(forbidden=(("a", "b"), ("b", "a"))))
    assert Disagreement.SEEN in {k.kind for k in both.conflicts}
    turned = discover(collider, prior=Prior(tiers=(("b",), ("a", "c"))))
    assert {(k.source, k.target) for k in turned.conflicts if k.kind is Disagreement.TURNED} == {
        ("a", "b"),
        ("c", "b"),
    }
    unseen = discover(collider, prior=Prior(required=(("d", "a"),)))
    assert {(k.source, k.target, k.kind) for k in unseen.conflicts} == {
        ("d", "a", Disagreement.UNSEEN)
    }
    right = Prior(tiers=(("a", "c"), ("b",)), forbidden=(("a", "d"), ("d", "a")))
    assert discover(collider, prior=right).conflicts == ()


def test_knowledge_as_plain_data():
    cart, pole = ("x", "v"), ("angle", "spin")
    prior = Prior(
        required=(("x", "v", 1), (cart, pole)),
        forbidden=(("angle", "x"),),
        tiers=(("x",), ("spin",)),
        groups=(cart, pole),
        probabilities={("v", "spin"): 0.8, ("x", "spin", 2): 0.3},
    )
    again = Prior.from_dict(prior.to_dict())
    assert again == prior
    assert hash(again) == hash(prior)
    assert again.either == ((("x", "angle"), ("x", "spin"), ("v", "angle"), ("v", "spin")),)
    for bad in ({"wanted": []}, {"required": ["ab"]}, {"required": [["a"]]}, ["a"]):
        with pytest.raises(GraphError):
            Prior.from_dict(bad)


def test_a_cause_that_is_the_environment_keeps_its_edges_and_is_named():
    rng = np.random.default_rng(0)
    drug = rng.integers(0, 2, 400)
    well = rng.random(400) < np.where(drug, 0.8, 0.3)
    frame = pl.DataFrame({"well": well, "drug": drug == 1, "arm": np.where(drug, "x", "y")})
    log = Trajectories.from_frame(frame, state=["well"], action=["drug"], environment="arm")
    graph = discover(log)
    assert {(e.source, e.target) for e in graph.edges()} == {("well", "drug")}
    assert any(f.variable == "drug" and "environment" in f.note for f in graph.unidentified)


@pytest.mark.parametrize("pair", [("x", "y2"), ("y", "y2", 0)])
def test_an_edge_to_a_copy_may_be_required(pair):
    rng = np.random.default_rng(0)
    x = np.zeros((600, 2))
    for t in range(599):
        x[t + 1] = 0.5 * x[t] + [0.0, 0.8 * x[t, 0]] + rng.standard_normal(2)
    frame = pl.DataFrame({"x": x[:, 0], "y": x[:, 1], "y2": 2 * x[:, 1] + 1, "t": range(600)})
    log = Trajectories.from_frame(frame, state=["x", "y", "y2"], time="t")
    with pytest.warns(DoworldWarning, match="linear function"):
        graph = discover(log, prior=Prior(required=(pair,)), max_lag=1)
    lag = pair[2] if len(pair) == 3 else 1
    assert (pair[0], pair[1], lag) in {(e.source, e.target, e.lag) for e in graph.edges()}


@pytest.mark.parametrize("method", [PC(), BestOrder(smooth=True)])
def test_what_cannot_rule_out_unobserved_causes_says_so(method):
    rng = np.random.default_rng(0)
    z, w = rng.standard_normal((2, 400))
    frame = pl.DataFrame({"z": z, "w": w, "y": z + w + rng.standard_normal(400)})
    log = Trajectories.from_frame(frame, state=frame.columns)
    marks = {e.mark for e in discover(log, latent=True).edges()}
    assert marks == {Mark.PARTIAL}
    with pytest.raises(SchemaError, match="latent=True"):
        discover(log, latent=True, method=method)


def test_of_a_required_set_an_edge_is_chosen_that_can_be():
    rng = np.random.default_rng(0)
    c = rng.standard_normal(400)
    x = c + rng.standard_normal(400)
    frame = pl.DataFrame({"x": x, "c": c, "y": rng.standard_normal(400)})
    log = Trajectories.from_frame(frame, state=["x", "y"], context=["c"])
    prior = Prior(groups=(("x",), ("c", "y")), required=((("x",), ("c", "y")),))
    assert ("x", "y") in {(e.source, e.target) for e in discover(log, prior=prior).edges()}


def test_a_belief_directs_nothing_and_lines_with_normal_noise_stay_open():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal(500)
        frame = pl.DataFrame({"a": a, "b": a + rng.standard_normal(500)})
        log = Trajectories.from_frame(frame, state=["a", "b"])
        for pair in (("a", "b"), ("b", "a")):
            prior = Prior(probabilities={pair: 0.98})
            (edge,) = discover(log, prior=prior, method=BestOrder(smooth=True)).edges()
            assert edge.mark is Mark.UNDIRECTED
