"""Logs that forbid an answer say which, and logs too small say how small."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from logs import linear_world, make_log, pairs, random_matrix

from doworld._core.errors import DataError, DoworldWarning, GraphError
from doworld.data import Trajectories
from doworld.discover import discover
from doworld.graph import CausalGraph, Mark, Prior, Question, Reason


def chain(rows=400, seed=0):
    matrix = np.array([[0.5, 0.6], [0.0, 0.5]])
    return linear_world(matrix, rows, np.random.default_rng(seed))


def test_constant_state():
    x = np.c_[chain(), np.full(400, 3.0)]
    with pytest.warns(DoworldWarning, match="'c' is 3.0 in every row"):
        graph = discover(make_log([x], state=list("abc")))
    assert pairs(graph) == {("a", "a"), ("a", "b"), ("b", "b")}
    assert any("'c'" in note for note in graph.notes)
    assert [(f.variable, f.reason) for f in graph.unidentified] == [("c", Reason.CONSTANT)]
    assert CausalGraph.from_dict(graph.to_dict()).unidentified == graph.unidentified


def test_column_without_values():
    x = np.c_[chain(), np.full(400, np.nan)]
    with pytest.warns(DoworldWarning, match="'c' has no values at all"):
        graph = discover(make_log([x], state=list("abc")))
    assert ("a", "b") in pairs(graph)
    assert graph.unidentified[0].reason is Reason.EMPTY


def test_action_that_never_varies():
    x = np.c_[chain(), np.ones(400)]
    with pytest.warns(DoworldWarning, match="effects cannot be learned") as seen:
        discover(make_log([x], state=list("ab"), action=["u"]))
    assert "other values" in str(seen[0].message)


def test_action_that_is_a_function_of_the_state():
    x = chain()
    x = np.c_[x, -0.7 * x[:, 0]]
    with pytest.warns(DoworldWarning, match="'u'.*exact linear function of 'a'"):
        graph = discover(make_log([x], state=list("ab"), action=["u"]))
    assert ("u", "b") not in pairs(graph)
    (fact,) = graph.unidentified
    assert (fact.variable, fact.reason, fact.others) == ("u", Reason.DETERMINED, ("a",))


def test_action_that_is_a_bent_function_of_the_state():
    rng = np.random.default_rng(0)
    y, u = np.zeros(800), np.zeros(800)
    for t in range(799):
        u[t] = np.tanh(y[t])
        y[t + 1] = 0.5 * y[t] - 0.5 * u[t] + rng.standard_normal()
    u[-1] = np.tanh(y[-1])
    with pytest.warns(DoworldWarning, match="'u' is a function of the state"):
        graph = discover(make_log([np.c_[y, u]], state=["y"], action=["u"]))
    assert [(f.variable, f.reason) for f in graph.unidentified] == [("u", Reason.DETERMINED)]


def test_action_that_is_almost_a_function_of_the_state():
    rng = np.random.default_rng(0)
    x = np.zeros((800, 2))
    for t in range(800):
        x[t, 1] = -x[t, 0] + 0.3 * rng.standard_normal()
        if t < 799:
            x[t + 1, 0] = 0.8 * x[t, 0] + 0.3 * x[t, 1] + rng.standard_normal()
    graph = discover(make_log([x], state=["y"], action=["u"]))
    (fact,) = graph.unidentified
    assert (fact.variable, fact.reason) == ("u", Reason.NEARLY)
    assert "% of its variance is free" in fact.note
    assert "varied at random" in fact.note
    x[:, 1] = rng.standard_normal(800)
    assert discover(make_log([x], state=["y"], action=["u"])).unidentified == ()


def test_identical_columns():
    x = chain()
    with pytest.warns(DoworldWarning, match="'a2'.*linear function of 'a'"):
        graph = discover(make_log([np.c_[x, x[:, 0]]], state=["a", "b", "a2"]))
    assert ("a", "b") in pairs(graph)
    # the copy claims no direction, and has the original's causes
    assert [(e.source, e.target, e.mark) for e in graph.links if e.lag == 0] == [
        ("a", "a2", Mark.UNDIRECTED)
    ]
    assert pairs(graph) == {("a", "a"), ("a", "b"), ("b", "b"), ("a", "a2")}


def test_one_short_episode():
    with pytest.raises(DataError, match="only 7 complete transitions"):
        discover(make_log([chain(8)], state=list("ab")))


@pytest.mark.parametrize("max_lag", [None, 12])
def test_a_log_too_small_is_an_error_alone(max_lag):
    """Warnings, which are errors here, would come before it and hide it."""
    rows = 15 if max_lag is None else 30
    x = np.c_[chain(rows), np.full(rows, 3.0), np.full(rows, np.nan)]
    log = make_log([x], state=list("abc"), action=["u"])
    with pytest.raises(DataError, match="complete transitions are left"):
        discover(log, max_lag=max_lag)


def test_missing_values_are_named():
    x = chain(100)
    x[::2, 1] = np.nan
    with pytest.raises(DataError, match="'b' is missing in 50% of the rows"):
        discover(make_log([x], state=list("ab")))


def test_nothing_varies():
    with pytest.raises(DataError, match="nothing to explain"):
        discover(make_log([np.ones((50, 1))], state=["a"]))


def test_constant_context_is_noted_without_a_warning():
    graph = discover(make_log([np.c_[chain(), np.ones(400)]], state=list("ab"), context=["g"]))
    assert any("'g' is 1.0 in every row" in note for note in graph.notes)


def static(x, **how):
    names = [f"v{i}" for i in range(np.shape(x)[1])]
    frame = pl.DataFrame(x, schema=names).fill_nan(None)
    return Trajectories.from_frame(frame, state=names, **how)


def links_of(graph):
    return {frozenset((e.source, e.target)) for e in graph.links}


@pytest.fixture(scope="module")
def fork():
    """v0 → v1, v2 alone."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 3))
    x[:, 1] += x[:, 0]
    return x


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_a_deterministic_copy_in_a_table(fork, scale):
    with pytest.warns(DoworldWarning, match="exact linear function or a relabelling"):
        graph = discover(static(np.c_[fork, scale * fork[:, 0] + 2]))
    assert links_of(graph) == {frozenset(("v0", "v1")), frozenset(("v0", "v3"))}
    assert all(e.mark is Mark.UNDIRECTED for e in graph.links)
    assert graph.unidentified[0].reason is Reason.DETERMINED


def test_a_copy_over_time_with_another_scale():
    x = chain()
    with pytest.warns(DoworldWarning, match="'a2' is an exact linear function of 'a'"):
        graph = discover(make_log([np.c_[x, 5 - 2 * x[:, 0]]], state=["a", "b", "a2"]))
    assert ("b", "a2") not in pairs(graph)
    assert graph.unidentified[0].others == ("a",)


def test_a_near_copy_over_time_is_reported_with_what_it_hides():
    x = chain()
    near = x[:, 0] + 1e-3 * np.random.default_rng(1).standard_normal(400)
    graph = discover(make_log([np.c_[x, near]], state=["a", "b", "near"]))
    (fact,) = graph.unidentified
    assert fact.reason is Reason.NEARLY
    assert {fact.variable, *fact.others} == {"a", "near"}
    # which of the two acts on b cannot be told: both stand among the doubtful, with the reason
    into_b = {e.source: e for e in graph.doubtful if e.target == "b"}
    assert {"a", "near"} <= into_b.keys() | {e.source for e in graph.links if e.target == "b"}
    assert all("few rows" in e.evidence.note for e in into_b.values())


def test_a_near_copy_in_a_table_is_reported(fork):
    near = fork[:, 0] + 1e-3 * np.random.default_rng(1).standard_normal(600)
    graph = discover(static(np.c_[fork, near]))
    assert [f.reason for f in graph.unidentified] == [Reason.NEARLY]
    every = links_of(graph) | {frozenset((e.source, e.target)) for e in graph.doubtful}
    assert {frozenset(("v0", "v1")), frozenset(("v3", "v1"))} <= every


def test_a_bent_function_of_another_state_is_reported():
    x = chain()
    graph = discover(make_log([np.c_[x, x[:, 0] ** 2]], state=["a", "b", "square"]))
    (fact,) = graph.unidentified
    assert (fact.variable, fact.reason, fact.others) == ("square", Reason.NEARLY, ("a",))


def test_ordinary_logs_are_not_called_nearly_determined():
    rng = np.random.default_rng(0)
    for seed in range(5):
        x = linear_world(random_matrix(6, 2, np.random.default_rng(seed)), 400, rng)
        assert discover(make_log([x], state=list("abcdef")), max_lag=1).unidentified == ()


@pytest.mark.parametrize("over_time", [False, True])
def test_more_variables_than_rows(over_time):
    rng = np.random.default_rng(0)
    if over_time:
        x = np.concatenate([chain(60), rng.standard_normal((60, 70))], 1)
        graph = discover(make_log([x], state=[f"v{i}" for i in range(72)]))
        false = {p for p in pairs(graph) if set(p) - {"v0", "v1"}}
    else:
        x = rng.standard_normal((60, 70))
        x[:, 1] += 2 * x[:, 0]
        graph = discover(static(x))
        assert frozenset(("v0", "v1")) in links_of(graph)
        false = links_of(graph) - {frozenset(("v0", "v1"))}
    assert len(false) <= 1
    size = next(c for c in graph.choices if c.question is Question.SIZE)
    assert "variables on" in size.why


def test_a_variable_observed_in_one_environment():
    episodes = [chain(100, s) for s in range(6)]
    extra = [np.random.default_rng(i).standard_normal(100) for i in range(6)]
    extra = [e if i < 2 else np.full(100, np.nan) for i, e in enumerate(extra)]
    log = make_log([np.c_[a, b] for a, b in zip(episodes, extra, strict=True)], state=list("abc"))
    schema = replace(log.schema, environments=("one", "two", "three"))
    log = replace(log, environment=np.repeat([0, 1, 2], 2), schema=schema)
    graph = discover(log)
    (note,) = [n for n in graph.notes if "environments only" in n]
    assert "'c' was observed in 1 of 3 environments only (one)" in note
    assert {("a", "b"), ("a", "a"), ("b", "b")} <= pairs(graph)


@pytest.mark.parametrize("over_time", [False, True])
def test_an_environment_of_three_rows(fork, over_time):
    places = np.repeat(["one", "two", "tiny"], [300, 297, 3])
    if over_time:
        log = make_log([chain(300), chain(297, 1), chain(3, 2)], state=list("ab"))
        schema = replace(log.schema, environments=("one", "two", "tiny"))
        log = replace(log, environment=np.array([0, 1, 2]), schema=schema)
        graph = discover(log)
        assert pairs(graph) == {("a", "a"), ("a", "b"), ("b", "b")}
    else:
        frame = pl.DataFrame(fork, schema=list("abc")).with_columns(place=places)
        graph = discover(Trajectories.from_frame(frame, state=list("abc"), environment="place"))
        assert links_of(graph) == {frozenset("ab")}
    row = next(c for c in graph.choices if c.question is Question.ENVIRONMENTS)
    assert "the smallest has 3 rows" in row.why


@pytest.mark.parametrize(
    ("required", "words"),
    [
        ((("v0", "v1"), ("v1", "v2"), ("v2", "v0")), "v0 → v1 → v2 → v0 form a cycle"),
        ((("v0", "v1", 0), ("v1", "v0", 0)), "v0 → v1 → v0 form a cycle"),
    ],
)
def test_a_cycle_of_required_edges(fork, required, words):
    with pytest.raises(GraphError, match=words):
        discover(static(fork), prior=Prior(required=required))


def test_required_edges_over_time_may_feed_back():
    prior = Prior(required=(("a", "b"), ("b", "a")))
    graph = discover(make_log([chain()], state=list("ab")), prior=prior)
    assert {("a", "b"), ("b", "a")} <= pairs(graph)


@pytest.mark.parametrize("by_prior", [False, True])
def test_a_lag_longer_than_the_episodes(by_prior):
    log = make_log([chain(10, s) for s in range(30)], state=list("ab"))
    how = {"prior": Prior(required=(("a", "b", 12),))} if by_prior else {"max_lag": 12}
    with pytest.raises(DataError, match=r"no episode has more than 10 rows.*max_lag=8 or less"):
        discover(log, **how)


def levels(codes):
    return pl.DataFrame({n: [f"l{v}" for v in c] for n, c in codes.items()})


@pytest.mark.parametrize("over_time", [False, True])
def test_two_hundred_levels(over_time):
    rng = np.random.default_rng(0)
    n = 2000
    a, c = rng.integers(200, size=(2, n))
    source = np.roll(a, 1) if over_time else a
    b = np.where(rng.random(n) < 0.5, source, rng.integers(200, size=n))
    frame = levels({"a": a, "b": b, "c": c})
    if over_time:
        log = Trajectories.from_frame(
            frame.with_columns(t=np.arange(n)), state=list("abc"), time="t"
        )
        assert {(e.source, e.target, e.lag) for e in discover(log, max_lag=1).links} == {
            ("a", "b", 1)
        }
    else:
        log = Trajectories.from_frame(frame, state=list("abc"))
        graph = discover(log)
        # the score of a table of 40,000 cells says nothing on 2,000 rows; the test does
        assert links_of(graph) == set()
        assert [(e.source, e.target) for e in graph.doubtful] == [("a", "b")]
        assert "more cells than rows" in graph.doubtful[0].evidence.note


def test_false_edges_among_many_levels_are_rare():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(8):
        frame = levels({n: rng.integers(60, size=400) for n in "ab"})
        frame = frame.with_columns(t=np.arange(400))
        log = Trajectories.from_frame(frame, state=list("ab"), time="t")
        wrong += len(discover(log, max_lag=1, fdr=0.05).links)
    assert wrong <= 3


def test_ties():
    graph = discover(make_log([np.round(chain(1500))], state=list("ab")), max_lag=1)
    assert {("a", "b"), ("a", "a"), ("b", "b")} <= pairs(graph)
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((800, 3)), 0.8)
    x[:, 1] += x[:, 0]
    graph = discover(static(x))
    assert links_of(graph) == {frozenset(("v0", "v1"))}
    row = next(c for c in graph.choices if c.question is Question.KINDS)
    assert row.number("ties") > 0.5


def test_missing_values_over_time_cost_rows_not_edges():
    matrix = random_matrix(5, 2, np.random.default_rng(0))
    x = linear_world(matrix, 1500, np.random.default_rng(1))
    hidden = x.copy()
    hidden[np.random.default_rng(2).random(x.shape) < 0.2] = np.nan
    truth = {("abcde"[i], "abcde"[j]) for i, j in np.argwhere(matrix)}
    log = make_log([hidden], state=list("abcde"))
    complete = int(np.isfinite(np.c_[hidden[:-1], hidden[1:]]).all(1).sum())
    assert complete < 250
    graph = discover(log, max_lag=1, contemporaneous=False)
    assert len(pairs(graph) & truth) >= len(truth) - 1
    assert len(pairs(graph) - truth) <= 1
    rows = {e.evidence.rows for e in graph.links}
    assert min(rows) > complete
    assert max(rows) < 1499
    row = next(c for c in graph.choices if c.question is Question.MISSING)
    assert "complete in its own variables" in row.chosen


def test_missing_values_in_a_table_are_counted_by_test(fork):
    rng = np.random.default_rng(3)
    x = np.c_[fork, rng.standard_normal((600, 7))]
    x[:, 9] += x[:, 1]
    x[rng.random(x.shape) < 0.3] = np.nan
    assert np.isfinite(x).all(1).sum() < 30
    graph = discover(static(x))
    assert links_of(graph) == {frozenset(("v0", "v1")), frozenset(("v1", "v9"))}
    seen = np.isfinite(x)
    for e in graph.links:
        i, j = (int(n[1:]) for n in (e.source, e.target))
        assert 20 < e.evidence.rows <= (seen[:, i] & seen[:, j]).sum()


def test_tests_on_observed_rows_hold_their_level():
    """p-values of absent edges are uniform where a quarter of the values are missing."""
    rng = np.random.default_rng(0)
    p = []
    for _ in range(30):
        x = linear_world(np.array([[0.5, 0.4, 0], [0, 0.5, 0], [0, 0, 0.5]]), 400, rng)
        x[rng.random(x.shape) < 0.25] = np.nan
        log = make_log([x], state=list("abc"))
        graph = discover(log, max_lag=1, contemporaneous=False, fdr=0.2)
        p.append(len(pairs(graph) - {("a", "a"), ("b", "b"), ("c", "c"), ("a", "b")}))
    found = np.array(p)
    assert np.mean(found / (found + 4)) < 0.2


def said_or_done(work):
    """Whether a piece of work came back with choices, or with an error of sentences."""
    try:
        return bool(work().choices)
    except DataError as error:
        return "." in str(error)


def test_nothing_breaks_without_a_message():
    """Whatever the log, an error is ours and says the fix."""
    rng = np.random.default_rng(0)
    odd = [
        np.full((40, 2), np.nan),
        rng.standard_normal((3, 2)),
        np.c_[np.arange(50.0), np.arange(50.0) ** 2],
        np.c_[rng.standard_normal(50) * 1e9, rng.standard_normal(50) * 1e-9],
        np.c_[np.r_[np.zeros(49), 1.0], rng.standard_normal(50)],
    ]
    for x in odd:
        for read in (lambda x: make_log([x], state=list("ab")), static):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DoworldWarning)
                assert said_or_done(lambda read=read, x=x: discover(read(x)))
