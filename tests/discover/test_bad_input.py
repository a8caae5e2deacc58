"""Logs that forbid an answer say which, and logs too small say how small."""

import numpy as np
import pytest
from logs import linear_world, make_log, pairs

from doworld._core.errors import DataError, DoworldWarning
from doworld.discover import discover
from doworld.graph import CausalGraph, Reason


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
