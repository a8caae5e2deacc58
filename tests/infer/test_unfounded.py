"""No question is answered as identified far outside the log, nor about a suspected action."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.data import Policy
from doworld.graph import Reason, Unidentified
from doworld.model.world import WorldModel
from doworld.query import (
    Alter,
    Blame,
    Counterfactual,
    Do,
    Effect,
    Feedback,
    Follow,
    Goal,
    Imagine,
    Plan,
    PolicyValue,
    Predict,
    Rules,
    Set,
)
from doworld.session.ask import ask

GIVEN = {"T": 0.0, "D": 0.0, "Q": 0.0, "W": 0.0}
FACT = Unidentified("Q", Reason.POLICY, "Q may have been chosen by something hidden.", ("T",))
LIMIT = {"Q": (-1.0, 1.0)}


def world(suspected: bool) -> WorldModel:
    """The heater with a log of −2 … 2 behind it."""
    facts = (FACT,) if suspected else ()
    model = by_hand.heater(
        members=(1.0, 1.01), inside=2.0, policy=Policy.UNKNOWN, unidentified=facts
    )
    rng = np.random.default_rng(1)
    rows = [by_hand.heater_rows(rng, 25) for _ in range(60)]
    for each in rows:
        each[:, 2] = np.clip(each[:, 2], -2, 2)
    return replace(model, log=by_hand.log_of(model.schema, rows))


@pytest.fixture(scope="module")
def worlds():
    return {suspected: world(suspected) for suspected in (False, True)}


def episodes(model):
    return model.log.select([0, 1])


def failed(model):
    """An episode in which T rose above 0.9."""
    rows = by_hand.heater_rows(np.random.default_rng(3), 8)
    rows[:, 2] = 0.2
    rows[3, 2] = 2.0
    for t in range(7):
        rows[t + 1, 0] = 0.8 * rows[t, 0] + 0.5 * rows[t, 2] + 0.1
        rows[t + 1, 1] = 0.5 * rows[t, 1] + rows[t, 0]
    return by_hand.log_of(model.schema, [rows])[0]


def a_policy(value: float) -> Feedback:
    return Feedback(weights={"T": 0.0}, bias=value)


ASKED: dict[str, Callable[[WorldModel, float], object]] = {
    "do": lambda m, q: Do(given=GIVEN, interventions=[Set("Q", q, at=0)], horizon=4),
    "do, a policy": lambda m, q: Do(
        given=GIVEN, interventions=[Follow("Q", a_policy(q))], horizon=4
    ),
    "counterfactual": lambda m, q: Counterfactual(
        episode=m.log[0], interventions=[Set("Q", q, at=2)]
    ),
    "counterfactual, alternatives": lambda m, q: Counterfactual(
        episode=m.log[0], alternatives={"none": [], "more": [Set("Q", q, at=2)]}
    ),
    "counterfactual, many": lambda m, q: Counterfactual(
        episode=episodes(m), interventions=[Set("Q", q, at=2)]
    ),
    "counterfactual, many, alternatives": lambda m, q: Counterfactual(
        episode=episodes(m), alternatives={"none": [], "more": [Set("Q", q, at=2)]}
    ),
    "imagine": lambda m, q: Imagine(
        given=GIVEN, rules=[Alter(variable="D", factor=0.9)], interventions=[Set("Q", q, at=0)],
        horizon=4,
    ),
    "imagine, a policy": lambda m, q: Imagine(
        given=GIVEN, rules=[Follow("Q", a_policy(q))], horizon=4
    ),
    "effect": lambda m, q: Effect(treatment="Q", outcome="T", levels=(0.0, q)),
    "blame": lambda m, q: Blame(
        episode=failed(m), success=Goal(limit={"T": (None, 0.9)}), alternatives={"Q": (-q,)}
    ),
    "plan": lambda m, q: Plan(
        given=GIVEN, objective=Goal(target={"T": 0.5}, limit={"Q": (q, q + 0.1)}), horizon=3
    ),
}  # fmt: skip


EVERY: dict[str, Callable[[WorldModel, float], object]] = {
    "predict": lambda m, q: Predict(given=GIVEN, planned={"Q": [q] * 4}, horizon=4),
    **ASKED,
}


def switches(suspected: bool, *, ever_on: bool) -> WorldModel:
    """A machine that was switched at random in its log, or never."""
    note = Unidentified("switch", Reason.POLICY, FACT.note, ("mode",))
    model = by_hand.machine(
        policy=Policy.UNKNOWN, unidentified=(note,) if suspected else (), inside=4.0
    )
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(300):
        x = np.zeros((3, 3))
        x[:, 2] = rng.integers(0, 2, 3) if ever_on else 0
        for t in range(2):
            x[t + 1, 0] = np.clip(x[t, 0] + rng.integers(-1, 2), 0, 2)
            x[t + 1, 1] = 0.5 * x[t, 1] + x[t, 0] + 0.1 * rng.normal()
        rows.append(x)
    return replace(model, log=by_hand.log_of(model.schema, rows))


def test_a_policy_s_value_is_a_bound_where_nothing_like_it_was_logged_or_someone_saw_more():
    on = PolicyValue(policies={"switch": Rules(otherwise=True)}, reward="heat")
    number = PolicyValue(policies={"Q": Rules(otherwise=4.5)}, reward="T")
    assert ask(switches(False, ever_on=True), on).status == "identified"
    assert ask(switches(False, ever_on=False), on).status == "bounded"
    suspected = ask(switches(True, ever_on=True), on)
    assert suspected.status == "bounded"
    assert FACT.note in suspected.why.warnings
    assert ask(world(False), number).status == "not_identified"


def test_blame_knows_nothing_of_a_change_that_leaves_the_log_or_is_suspected(worlds):
    for suspected, q in ((False, 4.5), (True, 0.5)):
        answer = ask(worlds[suspected], ASKED["blame"](worlds[suspected], q))
        best = answer.details.best
        assert best.variable == "Q"
        assert (answer.details.lower, answer.details.upper) == (0.0, 1.0)
        at = answer.details.rows.index(best.row)
        assert answer.details.unfounded[at]
        assert answer.interval["success"][0][at] == 0.0
        assert "No logged rows vouch" in answer.details.text
        assert any("0…1" in a for a in answer.why.assumptions)
    inside = ask(worlds[False], ASKED["blame"](worlds[False], 0.5)).details
    assert not any(inside.unfounded)
    assert "vouch" not in inside.text


@pytest.mark.parametrize("kind", EVERY)
def test_far_outside_the_log_nothing_is_identified(worlds, kind):
    model = worlds[False]
    answer = ask(model, EVERY[kind](model, 4.5))
    assert answer.status != "identified"
    assert answer.why.warnings or answer.why.assumptions


@pytest.mark.parametrize("kind", ASKED)
def test_on_a_suspected_action_nothing_is_identified(worlds, kind):
    answer = ask(worlds[True], ASKED[kind](worlds[True], 0.5))
    assert answer.status != "identified"
    assert FACT.note in answer.why.warnings


@pytest.mark.parametrize("kind", EVERY)
def test_the_same_questions_are_identified_inside_and_unsuspected(worlds, kind):
    model = worlds[False]
    answer = ask(model, EVERY[kind](model, 0.5))
    assert answer.status == "identified"


def test_planned_values_of_a_suspected_action_are_read_as_its_policy_s(worlds):
    asked = Predict(given=GIVEN, planned={"Q": [0.5] * 4}, horizon=4)
    (said,) = (w for w in ask(worlds[True], asked).why.warnings if FACT.note in w)
    assert "as if its own policy had chosen them" in said
    unplanned = ask(worlds[True], Predict(given=GIVEN, horizon=4))
    assert not any(FACT.note in w for w in unplanned.why.warnings)


def test_the_bound_of_many_is_the_mean_of_each_one_s(worlds):
    model = worlds[False]
    asked = ASKED["counterfactual, many"](model, 4.5)
    many = ask(model, asked)
    each = [
        ask(model, Counterfactual(episode=e, interventions=[Set("Q", 4.5, at=2)]))
        for e in episodes(model)
    ]
    rows = slice(3, 5)  # what was done reaches T at row 3
    for side in ("lower", "upper"):
        alone = np.mean([np.array(getattr(a["T"], side)) - np.array(a["T"].past) for a in each], 0)
        np.testing.assert_allclose(np.array(getattr(many["T"], side))[rows], alone[rows], atol=1e-6)
    assert many["T"].support[3] == pytest.approx(np.mean([a["T"].support[3] for a in each]))
    assert "In 2 of 2 episodes: Q leaves first" in many.why.support
    assert many.why.outside == 3


def test_every_world_has_its_own_support_and_bounds(worlds):
    for kind in ("counterfactual, alternatives", "counterfactual, many, alternatives"):
        answer = ask(worlds[False], ASKED[kind](worlds[False], 4.5))
        assert [a.bounded for a in answer.details.alternatives] == [False, True]
        assert answer.why.support.startswith("In more")
        assert any("interval of T is a bound" in a for a in answer.why.assumptions)
        lower = answer.details["more"].paths[0].lower[3]
        assert lower < -10
        assert min(answer["T"].support) == 1.0  # the series are of the world without anything done


@pytest.mark.parametrize("many", [False, True])
def test_the_fact_needs_no_law(worlds, many):
    """An action as it was, or one that comes later, leaves a suspected action's past alone."""
    model = worlds[True]
    rows = model.log[0].values
    fact = [Set("Q", float(rows[2, 2]), at=2)]
    asked = Counterfactual(
        episode=model.log.select([0]) if many else model.log[0], interventions=fact
    )
    answer = ask(model, asked)
    assert answer.status == "identified"
    later = Counterfactual(episode=asked.episode, interventions=[Set("Q", 0.5, at=20)])
    T = ask(model, later)["T"]
    width = np.array(T.upper) - np.array(T.lower)
    np.testing.assert_allclose(width[:21], 0.0, atol=1e-6)
    assert (width[21:] > 10).all()


@pytest.mark.parametrize(
    ("how_many", "x", "found"),
    [(4, 0.8, "identified"), (60, 0.8, "60 of 200 episodes"), (1, -0.5, "1 of 200 episodes")],
)
def test_of_many_a_few_may_be_hardly_outside_and_none_by_far(how_many, x, found):
    """Y = 3X + Z + ε: had X been 1, Y would have been 3(1 − x) more than 1.9, in a log of ±2."""
    model = by_hand.contemporaneous(inside=2.0)
    table = np.zeros((200, 4))
    at = model.schema.index
    table[:, at["X"]] = 1.0
    table[:how_many, at["X"]], table[:how_many, at["Y"]] = x, 1.9
    columns = {n: table[:, i].tolist() for n, i in at.items()}
    answer = ask(model, Counterfactual(episode=columns, interventions=[Set("X", 1.0)]))
    if found == "identified":
        assert answer.status == found
    else:
        assert answer.status == "bounded"
        assert found in answer.why.support


def test_shares_of_levels_are_open_where_no_law_vouches():
    fact = Unidentified("switch", Reason.POLICY, "Who switched saw more.", ("mode",))
    model = by_hand.machine(unidentified=(fact,), policy=Policy.UNKNOWN)
    rows = np.array([[0, 0.0, 0], [0, 0.1, 0], [1, 0.2, 0], [1, 1.0, 0]], float)
    log = by_hand.log_of(model.schema, [rows, rows])
    for episode in (log, log[0]):
        answer = ask(
            model, Counterfactual(episode=episode, interventions=[Set("switch", True, at=1)])
        )
        assert answer.status == "bounded"
        mode = answer["mode"]
        assert mode.probabilities_lower[2] == (0.0, 0.0, 0.0)
        assert mode.probabilities_upper[2] == (1.0, 1.0, 1.0)
        assert mode.probabilities_lower[1] == (1.0, 0.0, 0.0)


def test_the_guess_goes_three_times_as_far_as_the_estimate(worlds):
    """D' = 0.5 D + T: with T held at 30 the law leaves three ranges of a log of −2 … 2."""
    model = worlds[False]
    D = ask(model, Do(given=GIVEN, interventions=[Set("T", 30.0)], horizon=4))["D"]
    assert D.estimate[-1] == pytest.approx(30 * (1 - 0.5**4) / 0.5, rel=0.05)
    np.testing.assert_allclose(D.lower, -14.0)
    assert (np.array(D.upper) >= 2 + 3 * (np.array(D.estimate) - 2)).all()


def test_a_few_members_that_grow_without_end_are_held():
    """T' = 0.8 w T + …: of weights 1, 1 and 2 the last one's T grows by 1.6 a row."""
    model = by_hand.heater(members=(1.0, 1.0, 2.0), inside=2.0)
    T = ask(model, Do(given=GIVEN, interventions=[Set("Q", 2.0)], horizon=30))["T"]
    assert T.estimate[-1] < 14
    most = by_hand.heater(members=(1.0, 2.0, 2.0), inside=2.0)
    assert (
        ask(most, Do(given=GIVEN, interventions=[Set("Q", 2.0)], horizon=30))["T"].estimate[-1]
        > 100
    )


def test_the_words_say_what_the_interval_is(worlds):
    plain = worlds[False]
    notes = " ".join(ask(plain, ASKED["do"](plain, 4.5)).why.assumptions)
    assert "-14…14, below and above 3 ranges of the log beyond it or 3 times as far" in notes
    assert "a guess and not all that it can be (bounds in its schema would say that)" in notes
    variables = tuple(
        replace(v, bounds=(-5.0, 9.0)) if v.name == "T" else v for v in plain.schema.variables
    )
    bounds = replace(plain, schema=replace(plain.schema, variables=variables))
    answer = ask(bounds, ASKED["do"](bounds, 4.5))
    assert any("all that it can be, -5…9" in a for a in answer.why.assumptions)
