"""Actual causes: published verdicts, the clauses of the definition, and its grading."""

from itertools import combinations

import numpy as np
import pytest

import doworld as dw
from doworld._core.errors import QueryError, UnknownNameError
from doworld.infer.actual import (
    Defaults,
    FiniteModel,
    Rule,
    actual_causes,
    blame_of,
    check_cause,
)
from doworld.worlds.stories import STORIES
from worlds_by_hand import linear_world

NAMES = [s.name for s in STORIES]


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
def test_published_verdicts(story):
    for outcome in story.outcomes:
        every = [dict(c.events) for c in actual_causes(story.model, story.context, outcome).causes]
        for verdict in story.verdicts:
            if dict(verdict.outcome) == outcome:
                found = check_cause(story.model, story.context, verdict.events, outcome)
                assert found.holds == verdict.cause, (verdict, found)
                assert (dict(verdict.events) in every) == verdict.cause


def random_model(seed):
    """A random binary model of six variables whose tables read up to three earlier ones."""
    rng = np.random.default_rng(seed)
    names = [f"x{i}" for i in range(6)]
    rules = {}
    for i in range(2, 6):
        parents = tuple(str(p) for p in rng.choice(names[:i], min(i, 3), replace=False))
        table = rng.integers(0, 2, 2 ** len(parents)).tolist()
        rules[names[i]] = Rule(
            parents,
            lambda *v, t=tuple(table): t[int("".join(map(str, v)), 2)],
        )
    context = {n: int(rng.integers(2)) for n in names[:2]}
    return FiniteModel(dict.fromkeys(names, (0, 1)), rules), context


def brute(model, context, outcome):
    """All causes by the definition alone: every X, every x', every W."""
    actual = model.solve(context)
    others = [n for n in model.ranges if n not in outcome]
    good = []
    for size in range(1, len(others) + 1):
        for x in combinations(others, size):
            if any(set(g) <= set(x) for g in good):
                continue
            rest = [n for n in others if n not in x]
            flips = [n for k in range(len(x) + 1) for n in combinations(x, k)]
            held = [w for k in range(len(rest) + 1) for w in combinations(rest, k)]
            if any(
                any(
                    model.solve(
                        context,
                        {n: (1 - actual[n] if n in f else actual[n]) for n in x}
                        | {n: actual[n] for n in w},
                    )[o]
                    != v
                    for o, v in outcome.items()
                )
                for f in flips
                for w in held
            ):
                good.append(x)
    return {frozenset(g) for g in good}


@pytest.mark.parametrize("seed", range(25))
def test_pruned_search_equals_the_definition(seed):
    model, context = random_model(seed)
    outcome = {"x5": model.solve(context)["x5"]}
    found = actual_causes(model, context, outcome)
    assert {frozenset(c.events) for c in found.causes} == brute(model, context, outcome)
    for cause in found.causes:
        world = model.solve(context, {**cause.witness.alternative, **cause.witness.held})
        assert world["x5"] != outcome["x5"]
        assert all(found.actual[n] == v for n, v in cause.witness.held.items())
        for size in range(1, len(cause.events)):
            for part in combinations(cause.events, size):
                some = {n: cause.events[n] for n in part}
                assert not check_cause(model, context, some, outcome)


@pytest.mark.parametrize("seed", range(6))
def test_renaming_and_reordering_change_nothing(seed):
    model, context = random_model(seed)
    new = {n: f"v{9 - i}" for i, n in enumerate(model.ranges)}
    names = list(reversed(model.ranges))
    other = FiniteModel(
        {new[n]: model.ranges[n] for n in names},
        {
            new[n]: Rule(tuple(new[p] for p in r.parents), r.function)
            for n, r in reversed(model.rules.items())
        },
    )
    value = model.solve(context)["x5"]
    one = actual_causes(model, context, {"x5": value})
    two = actual_causes(other, {new[n]: v for n, v in context.items()}, {new["x5"]: value})
    moved = {frozenset(new[n] for n in c.events) for c in one.causes}
    assert moved == {frozenset(c.events) for c in two.causes}
    assert {new[n]: r for n, r in one.responsibility.items()} == two.responsibility


def story(name):
    return STORIES[NAMES.index(name)]


def test_responsibility_of_voters():
    wide, narrow = story("voting, 11–0"), story("voting, 6–5")
    assert actual_causes(wide.model, wide.context, {"W": 1}).responsibility["V1"] == 1 / 6
    assert actual_causes(narrow.model, narrow.context, {"W": 1}).responsibility["V1"] == 1
    thrown = story("bottle throwing (late pre-emption)")
    found = actual_causes(thrown.model, thrown.context, {"BS": 1})
    assert found.responsibility["ST"] == 0.5
    assert found.responsibility["BT"] == 0


def test_a_cut_search_says_so():
    wide = story("voting, 11–0")
    found = actual_causes(wide.model, wide.context, {"W": 1}, budget=1)
    assert found.truncated
    assert found.complete_to == 0
    assert not found.causes
    assert "Raise the budget" in str(found)
    check = check_cause(
        wide.model, wide.context, {f"V{i}": 1 for i in range(1, 7)}, {"W": 1}, budget=1
    )
    assert check.truncated
    assert not check
    short = actual_causes(wide.model, wide.context, {"W": 1}, largest=2)
    assert not short.truncated
    assert short.complete_to == 2


def test_the_abnormal_act_is_the_better_cause():
    # Knobe & Fraser's pens, as in Halpern & Hitchcock 2015: assistants may take pens
    pens = FiniteModel(
        {"professor": (0, 1), "assistant": (0, 1), "problem": (0, 1)},
        {"problem": lambda professor, assistant: professor & assistant},
    )
    usual = Defaults({"professor": 0, "assistant": 1})
    found = actual_causes(pens, {"professor": 1, "assistant": 1}, {"problem": 1}, normality=usual)
    assert [(str(c), c.admissible) for c in found.causes] == [
        ("professor = 1", True),
        ("assistant = 1", False),
    ]
    assert "less normal" in str(found)


def test_bogus_prevention_is_inadmissible_where_assassins_are_rare():
    told = story("bogus prevention")
    usual = Defaults({"A": 1, "B": 0})
    (cause,) = actual_causes(told.model, told.context, {"VS": 1}, normality=usual).causes
    # the world without both violates one default, as the actual one does
    assert cause.normality == -1
    assert cause.admissible


def test_blame_of_a_firing_squad():
    names = tuple(f"M{i}" for i in range(1, 6))
    squad = FiniteModel(
        {"live": tuple(range(1, 6)), **dict.fromkeys(names, (0, 1)), "dead": (0, 1)},
        {"dead": Rule(("live", *names), lambda live, *shot: shot[live - 1])},
        background=("live",),
    )
    held = [(squad, {"live": k, **dict.fromkeys(names, 1)}, 0.2) for k in range(1, 6)]
    # Chockler & Halpern 2004: each of n marksmen has blame 1/n
    assert blame_of(held, {"M1": 1}, {"dead": 1}).degree == pytest.approx(0.2)


def test_a_condition_as_outcome_and_background():
    model = FiniteModel(
        {"u": (0, 1), "a": (0, 1, 2), "b": (0, 1)},
        {"a": lambda u: 2 * u, "b": lambda a: int(a > 0)},
    )
    found = actual_causes(model, {"u": 1}, lambda b, a: b + a > 2)
    assert [str(c) for c in found.causes] == ["u = 1"]
    hidden = FiniteModel(model.ranges, model.rules, background=("u",))
    assert [str(c) for c in actual_causes(hidden, {"u": 1}, {"b": 1}).causes] == ["a = 2"]


def test_questions_that_make_no_sense():
    model = story("forest fire, disjunctive").model
    both = {"L": 1, "MD": 1}
    with pytest.raises(QueryError, match="did not come about"):
        actual_causes(model, both, {"FF": 0})
    with pytest.raises(QueryError, match="lacks 'MD'"):
        actual_causes(model, {"L": 1}, {"FF": 1})
    with pytest.raises(QueryError, match="has an equation"):
        actual_causes(model, {**both, "FF": 1}, {"FF": 1})
    with pytest.raises(QueryError, match="can never be"):
        actual_causes(model, both, {"FF": 7})
    with pytest.raises(UnknownNameError, match="'FF'"):
        actual_causes(model, both, {"F": 1})
    with pytest.raises(QueryError, match="circle"):
        FiniteModel({"a": (0, 1), "b": (0, 1)}, {"a": lambda b: b, "b": lambda a: a})
    with pytest.raises(QueryError, match="not in its range"):
        FiniteModel({"a": (0, 1), "b": (0, 1)}, {"b": lambda a: a + 1}).solve({"a": 1})
    with pytest.raises(QueryError, match="no event"):
        check_cause(model, both, {}, {"FF": 1})


def test_words_data_and_page():
    told = story("forest fire, disjunctive")
    found = actual_causes(told.model, told.context, {"FF": 1})
    assert "Together, L = 1 and MD = 1 caused FF = 1" in str(found)
    assert found.to_dict()["causes"][0]["responsibility"] == 0.5
    assert "<table>" in found._repr_html_()


def alarmed(sure):
    """An alarm that goes on a row after a leak or a fire, the surer the larger ``sure``."""
    variables = (
        dw.Variable("T"),
        dw.Variable("alarm", kind=dw.Kind.CATEGORICAL, categories=("off", "on")),
        dw.Variable("leak", dw.Role.ACTION, kind=dw.Kind.BINARY),
        dw.Variable("fire", dw.Role.ACTION, kind=dw.Kind.BINARY),
    )
    weights = {"T": {("T", 1): 0.5}, "alarm": {("leak", 1): 0.0, ("fire", 1): 0.0}}
    for_it = np.array([[0.0, 1.0], [0.0, 1.0], [0.5, 0.0]]) * sure
    return linear_world(variables, weights, logits={"alarm": for_it})


def episode(leak, fire):
    return {"T": [0.0, 0.0], "alarm": ["off", "on"], "leak": [leak, 0], "fire": [fire, 0]}


def test_an_episode_of_a_learned_world():
    model = alarmed(60.0)
    found = actual_causes(model, episode(1, 1), {"alarm": "on"})
    assert found.status == "identified"
    assert [set(c.events) for c in found.causes] == [{"leak@0", "fire@0"}]
    found = actual_causes(model, episode(1, 0), {"alarm@1": "on"})
    assert [c.events for c in found.causes] == [{"leak@0": 1.0}]
    assert found.causes[0].share == 1
    assert "alarm@1 = on" in str(found)
    assert any("taken as true" in a for a in found.assumptions)


def test_noise_that_the_log_leaves_open_makes_shares():
    found = actual_causes(alarmed(2.0), episode(1, 1), {"alarm": "on"}, seed=1)
    assert found.status == "bounded"
    assert all(0 < c.share < 1 for c in found.causes)
    assert any("Gumbel-max" in a for a in found.assumptions)
    again = actual_causes(alarmed(2.0), episode(1, 1), {"alarm": "on"}, seed=1)
    assert [c.share for c in found.causes] == [c.share for c in again.causes]


def test_questions_to_a_learned_world_that_make_no_sense():
    model, both = alarmed(60.0), episode(1, 1)
    with pytest.raises(UnknownNameError, match="siren"):
        actual_causes(model, both, {"siren": 1})
    with pytest.raises(UnknownNameError, match="alarm@7"):
        actual_causes(model, both, {"alarm@7": "on"})
    with pytest.raises(QueryError, match="did not come about"):
        actual_causes(model, both, {"alarm": "off"})
    with pytest.raises(QueryError, match="not logged"):
        actual_causes(model, {**both, "leak": [None, 0]}, {"alarm": "on"})
    with pytest.raises(QueryError, match="two consecutive"):
        actual_causes(model, {"alarm": "on"}, {"alarm": "on"})
    with pytest.raises(QueryError, match="finitely many"):
        actual_causes(model, both, {"T": 0.0})


def test_the_figure_marks_cause_and_what_is_held():
    told = story("bottle throwing (late pre-emption)")
    found = actual_causes(told.model, told.context, {"BS": 1})
    texts = [a.text for a in found.figure().layout.annotations]
    assert "= 0 (held)" in texts
    with pytest.raises(QueryError, match="no cause number 9"):
        found.figure(9)
