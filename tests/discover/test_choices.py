"""What discovery chose, and why: the rule table is about what was seen, and is kept."""

import numpy as np
import polars as pl
import pytest
from logs import linear_world, make_log

from doworld.data import Kind, Policy, Trajectories
from doworld.discover import PC, BestOrder, discover
from doworld.discover.facts import Method, Seen, drift, facts_of
from doworld.discover.rule_table import RULES, choices
from doworld.graph import CausalGraph, Choice, Question

MATRIX = np.array([[0.5, 0.6, 0.0], [0.0, 0.5, 0.6], [0.0, 0.0, 0.5]])


@pytest.fixture(scope="module")
def log():
    return make_log([linear_world(MATRIX, 600, np.random.default_rng(0))], state=list("abc"))


@pytest.fixture(scope="module")
def graph(log):
    return discover(log)


def row(graph: CausalGraph, question: Question) -> Choice:
    return next(c for c in graph.choices if c.question is question)


def test_every_question_is_answered_once_and_kept(graph):
    assert [c.question for c in graph.choices] == list(Question)
    again = CausalGraph.from_dict(graph.to_dict())
    assert [c.to_dict() for c in again.choices] == [c.to_dict() for c in graph.choices]
    assert again.roles == graph.roles == ("state",) * 3


def test_two_sentences_come_first(graph):
    assert graph.notes[0] == graph.summary
    assert graph.summary.startswith("Method: every source and lag is tested given all the others")
    assert graph.summary.count(". ") == 1
    assert "because" in graph.summary
    assert CausalGraph(("a",), ()).summary == ""


def test_numbers_are_those_of_the_log(graph):
    assert row(graph, Question.SIZE).number("rows") == 600
    assert row(graph, Question.SIZE).number("complete") == 599
    assert row(graph, Question.MULTIPLICITY).number("tests") == 9
    assert row(graph, Question.LAGS).number("lags") == 1
    assert row(graph, Question.LINEARITY).number("bent") == 0
    assert 0.4 < row(graph, Question.NOISE).number("noise") < 0.7


def test_explain_prints_the_table(log, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    graph = discover(log, explain=True)
    printed = capsys.readouterr().out
    for choice in graph.choices:
        assert choice.question.value in printed
        assert choice.chosen.split(",")[0] in printed


def test_quiet_without_explain(log, capsys):
    discover(log)
    assert capsys.readouterr().out == ""


def test_every_rule_can_be_reached_by_some_log():
    """The last rule of a question always holds, and no rule hides all that follow."""
    for question in Question:
        own = [r for r in RULES if r.question is question]
        assert own, question
        assert own[-1].holds.__name__ == "_always"
        assert all(r.holds.__name__ != "_always" for r in own[:-1])


def test_a_bent_world_is_said_to_bend():
    rng = np.random.default_rng(0)
    x = np.zeros((800, 2))
    for t in range(799):
        x[t + 1] = 0.5 * x[t, 0], np.sin(2 * x[t, 0]) + 0.3 * x[t, 1]
        x[t + 1] += rng.normal(0, 0.3, 2)
    found = discover(make_log([x], state=list("ab")))
    assert row(found, Question.LINEARITY).number("bent") == 1
    assert "held-out loss" in row(found, Question.TESTS).chosen


def test_drift_is_reported():
    rng = np.random.default_rng(0)
    halves = [linear_world(np.array([[0.5, b], [0.0, 0.5]]), 500, rng) for b in (0.8, -0.2)]
    x = np.concatenate(halves)
    found = row(discover(make_log([x], state=list("ab"))), Question.STATIONARITY)
    assert found.number("drift") < 0.001
    assert "second half" in found.why


def test_drift_holds_its_level():
    """Under the null the smallest of many p-values, corrected, is uniform or larger."""
    rng = np.random.default_rng(1)
    draws = [rng.standard_normal((2, 200, 5)) for _ in range(300)]
    p = [drift(e, f, list("abcde"))[0] for e, f in draws]
    assert np.mean(np.array(p) < 0.1) < 0.1 + 3 * np.sqrt(0.1 * 0.9 / 300)


def test_randomised_actions_and_tables_choose_otherwise():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({n: rng.integers(0, 3, 200) for n in "ab"}).with_columns(
        pl.all().cast(pl.String)
    )
    table = discover(Trajectories.from_frame(frame, state=["a", "b"]))
    assert "tables of counts" in row(table, Question.METHOD).chosen
    assert row(table, Question.KINDS).number("categorical") == 2
    x = np.c_[linear_world(MATRIX[:2, :2], 400, rng), rng.integers(0, 2, 400)]
    log = make_log([x], state=list("ab"), action=["u"], kinds={"u": Kind.BINARY})
    free = row(discover(log), Question.ACTIONS)
    assert free.number("free") > 0.8
    from dataclasses import replace

    known = replace(log, schema=replace(log.schema, policy=Policy.RANDOMISED))
    assert row(discover(known), Question.ACTIONS).why == "they were randomised"


def table_of(columns: dict, **how) -> Trajectories:
    frame = pl.DataFrame(columns)
    return Trajectories.from_frame(frame, state=[n for n in columns if n != "place"], **how)


def test_what_a_table_was_searched_by_is_said_as_it_was():
    rng = np.random.default_rng(0)
    a, e = rng.standard_normal((2, 300))
    straight, bent = {"a": a, "b": a + e}, {"a": a, "b": np.sin(2 * a) + 0.3 * e}
    place = {"place": ["x"] * 150 + ["y"] * 150}
    levels = {"a": a, "b": np.where(a + e > 0, "up", "down")}
    said = [
        (table_of(straight), {}, "by linear regressions (BIC)", "no clear bends"),
        (table_of(straight), {"latent": True}, "by linear regressions (BIC)", "not looked for"),
        (table_of(bent), {}, "smooth regressions", "clear bends"),
        (table_of(bent), {"method": BestOrder(smooth=True)}, "smooth regressions", "asked"),
        (table_of(bent), {"method": PC()}, "no set of other variables", "given"),
        (table_of(levels), {}, "numbers and indicators", "not looked for"),
        (table_of(straight | place, environment="place"), {}, "share most", "not looked for"),
    ]
    for log, how, method, form in said:
        graph = discover(log, **how)
        assert method in row(graph, Question.METHOD).chosen
        assert form in row(graph, Question.LINEARITY).why
    assert row(graph, Question.ENVIRONMENTS).chosen.startswith("the graph along which few")
    mixed = discover(table_of(levels | place, environment="place"))
    assert row(mixed, Question.ENVIRONMENTS).chosen.startswith("the environment is a context")
    pooled = discover(said[-1][0], method=PC())
    assert "as of one" in row(pooled, Question.ENVIRONMENTS).chosen
    assert "Fourier" in row(pooled, Question.TESTS).chosen


def test_facts_of_a_log_with_nothing_tested(log):
    facts = facts_of(log, ("a", "b", "c"), Seen(method=Method.LINES), fdr=0.01, chances=0)
    assert len(choices(facts)) == len(Question)
