"""Trials find exactly what an action needs, with few of them, whatever was believed before."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doworld._core.errors import DataError, UnknownNameError
from doworld.discover.trials import discover_by_trials
from doworld.graph import CausalGraph, Edge, Prior
from doworld.worlds.crafting import Crafting

KNOWN = tuple("abcdefgh")
SETS = st.frozensets(st.sampled_from(KNOWN), max_size=4)


def pairs(graph):
    return {(e.source, e.target) for e in graph.edges()}


def tried(world, guess=None, **options):
    """The result of trying a crafting world, and how often it was tried."""
    made = []

    def attempt(present, action):
        made.append((present, action))
        return world.trial(present, action)

    aims = None if guess is None else {a: r.gives for a, r in world.recipes.items()}
    found = discover_by_trials(
        attempt,
        world.recipes,
        names=tuple(world.stack),
        after=world.after,
        guess=guess,
        aims=aims,
        **options,
    )
    assert len(made) == found.trials == len(set(made))
    return found


def one_by_one(world):
    """The plain protocol, played: how many trials it takes, and the edges that it finds."""
    known, queue, trials, edges = frozenset(), list(world.recipes), 0, set()
    gave, last = set(), {}
    while True:
        opened = [a for a in queue if world.after.get(a, "") in ("", *known)]
        fresh = [a for a in opened if last.get(a) != known]
        if not fresh:
            return trials, edges
        action = next((a for a in fresh if a not in gave), fresh[0])
        queue.remove(action)
        queue.append(action)
        trials, last[action] = trials + 1, known
        risen = world.trial(known, action)
        if risen and action not in gave:
            gave.add(action)
            for item in known:
                trials += 1
                if not world.trial(known - {item}, action):
                    edges |= {(item, effect) for effect in risen}
            known |= risen


@pytest.mark.parametrize("rewired", [None, 0, 1, 2, 3, 4])
def test_the_crafting_tree_exactly_and_with_fewer_trials(rewired):
    world = Crafting(rewired=rewired)
    truth = pairs(world.needs())
    plain, edges = one_by_one(world)
    assert edges == truth
    wrong = Crafting(rewired=9 if rewired is None else None).needs()
    blind, right, misled = (tried(world, guess) for guess in (None, world.needs(), wrong))
    for found in (blind, right, misled):
        assert pairs(found.graph) == truth
        assert len(found.graph.edges()) == 97
        assert found.closed == ()
        assert found.one_by_one == plain
        assert found.trials < 0.55 * plain
    assert right.trials < blind.trials < misled.trials
    # one trial of each action with its causes, one without each, one with everything in the end
    assert right.trials <= 41 + 97 + 41


def test_every_edge_carries_the_trials_it_rests_on():
    found = tried(Crafting(rewired=1))
    for edge in found.graph.edges():
        assert edge.evidence is not None
        assert edge.evidence.test == "trials"
        assert edge.evidence.statistic == edge.evidence.rows >= 1
        assert "failed for want of it, 0 did without it" in edge.evidence.note


@given(st.lists(SETS, min_size=1, max_size=3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_smallest_sufficient_set_of_any_monotone_function(ways, believed):
    def works(present):
        return any(way <= present for way in ways)

    found = discover_by_trials(
        lambda present, _: {"z"} if works(present) else (),
        ["go"],
        known=KNOWN,
        guess={"z": {"a", "b"}} if believed else None,
        aims={"go": "z"} if believed else None,
        alternatives=True,
    )
    (result,) = found.findings
    assert works(result.causes)
    assert not any(works(result.causes - {c}) for c in result.causes)
    replaceable = {c for c in result.causes if works(frozenset(KNOWN) - {c})}
    assert result.replaceable == replaceable
    assert bool(found.graph.notes) == bool(replaceable)


@given(SETS, SETS, SETS)
@settings(max_examples=60, deadline=None)
def test_beliefs_change_the_trials_and_nothing_else(first, second, guess):
    needs = {"one": ("y", first), "two": ("z", second | {"y"})}

    def attempt(present, action):
        gives, causes = needs[action]
        return [gives] if causes <= present else []

    beliefs = (
        None,
        {"y": guess, "z": guess},
        Prior(required=tuple((c, "y") for c in guess), forbidden=(("y", "z"),)),
        Prior(tiers=(("z", "y"), KNOWN)),
        CausalGraph((*KNOWN, "y", "z"), tuple(Edge(c, "z", probability=0.4) for c in guess)),
    )
    for belief, aims in itertools.product(beliefs, (None, {"one": "y", "two": "z"}, {"one": "z"})):
        found = discover_by_trials(
            attempt, ["two", "one"], known=KNOWN, guess=belief, aims=aims, names=(*KNOWN, "y", "z")
        )
        assert {f.effect: f.causes for f in found.findings} == {"y": first, "z": second | {"y"}}


def test_groups_beat_one_by_one_where_causes_are_few():
    items = [f"item{i}" for i in range(256)]
    needs = {"item3", "item77", "item200"}
    found = discover_by_trials(lambda p, _: ["x"] if needs <= p else [], ["go"], known=items)
    assert {e.source for e in found.graph.edges()} == needs
    assert found.one_by_one == 258
    assert found.trials < 60


def test_effects_of_one_action_are_told_apart_and_found_late():
    """A blow breaks glass, bends metal where there is a hammer, and gives sparks near flint."""
    needs = {"shards": {"glass"}, "bow": {"metal", "hammer"}, "sparks": {"flint", "metal"}}
    dig = {"flint": {"shards"}}

    def attempt(present, action):
        rules = needs if action == "hit" else dig
        return {effect for effect, causes in rules.items() if causes <= present}

    for guess in (None, {"shards": {"glass"}}):
        found = discover_by_trials(
            attempt,
            ["hit", "dig"],
            known=["glass", "metal", "hammer", "water"],
            guess=guess,
            aims={"hit": "shards"},
        )
        got = {f.effect: f.causes for f in found.findings}
        assert got == needs | dig


def test_two_actions_to_one_effect():
    def attempt(present, action):
        return {"heat"} if {"match": "wood", "switch": "heater"}[action] in present else ()

    found = discover_by_trials(attempt, ["match", "switch"], known=["wood", "heater", "sofa"])
    assert pairs(found.graph) == {("wood", "heat"), ("heater", "heat")}
    assert {f.action: set(f.causes) for f in found.findings} == {
        "match": {"wood"},
        "switch": {"heater"},
    }


def test_what_never_works_is_closed():
    found = discover_by_trials(lambda p, a: (), ["wish", "hope"], known=["a"])
    assert found.closed == ("wish", "hope")
    assert found.graph.edges() == ()
    assert (found.trials, found.one_by_one) == (2, 2)
    assert tried(Crafting()).closed == ()
    shut = discover_by_trials(lambda p, a: {"x"}, ["go"], after={"go": "key"})
    assert (shut.closed, shut.trials) == (("go",), 0)


def test_contradictions_are_named():
    answers = iter([{"x"}, set(), {"x"}, set(), {"x"}, set()])
    with pytest.raises(DataError, match="more must never give less"):
        discover_by_trials(lambda p, a: next(answers), ["go"], known=["a", "b", "c", "d"])

    def poisoned(present, action):
        return {"x"} if action == "mix" and "b" not in present else {"b"} if action == "dig" else ()

    with pytest.raises(DataError, match="'mix' gave x with nothing present, but not with b"):
        discover_by_trials(poisoned, ["mix", "dig"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"actions": []}, DataError, "no actions are given"),
        ({"actions": ["go", "go"]}, DataError, "'go' is given twice"),
        ({"known": ["q"]}, UnknownNameError, "no variable is called 'q'"),
        ({"guess": {"x": ["aa"]}}, UnknownNameError, "no variable is called 'aa'"),
        ({"guess": Prior(forbidden=(("a", "zz"),))}, UnknownNameError, "no variable is called"),
        ({"aims": {"gone": "x"}}, UnknownNameError, "no action is called 'gone'.*'go'"),
        ({"after": {"gone": "x"}}, UnknownNameError, "no action is called 'gone'"),
        ({"attempt": lambda p, a: "x"}, DataError, "Return the names of the variables that rose"),
        ({"attempt": lambda p, a: None}, DataError, "answered None"),
        ({"attempt": lambda p, a: {"y"}}, UnknownNameError, "no variable is called 'y'"),
    ],
)
def test_bad_input(options, error, words):
    given_ = {"attempt": lambda p, a: {"x"}, "actions": ["go"], "names": ["a", "x"]} | options
    attempt, actions = given_.pop("attempt"), given_.pop("actions")
    with pytest.raises(error, match=words):
        discover_by_trials(attempt, actions, **given_)
