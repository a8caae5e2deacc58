"""Worlds with other rules, against closed forms and the laws that they must keep."""

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld._core.errors import QueryError, UnknownNameError
from doworld.infer import do
from doworld.infer.imagine import imagine
from doworld.infer.rules import altered
from doworld.query import (
    Alter,
    Answer,
    Cut,
    Do,
    Feedback,
    Follow,
    Imagine,
    Link,
    Replace,
    Set,
    Status,
    Swap,
    Turn,
)

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}
PUSH = (Set("Q", 2.0),)


@pytest.fixture(scope="module")
def still():
    return by_hand.heater(sigma=1e-5, center=0.3, scale=2.0)


def path(rows, *, t=lambda T, D, q: 0.8 * T + 0.5 * q + 0.1, d=lambda D, T: 0.5 * D + T, q=2.0):
    T, D, out = 1.0, 0.5, []
    for _ in range(rows):
        T, D = t(T, D, q), d(D, T)
        out.append((T, D))
    return np.array(out).T


def asked(model, *rules, interventions=PUSH, horizon=6, **more):
    query = Imagine(given=GIVEN, rules=rules, interventions=interventions, horizon=horizon, **more)
    return imagine(model, query)


def test_no_rules_give_the_answer_of_do_exactly(heater):
    got = asked(heater)
    assert got.series == do(heater, Do(given=GIVEN, interventions=PUSH, horizon=6)).series
    assert got.details.old == got.series
    assert got.details.broken == ()


@pytest.mark.parametrize(
    "rule",
    [
        Alter(variable="T"),
        Cut(source="D", target="T"),
        Link(source="D", target="T", coefficient=0.0),
    ],
)
def test_changes_that_change_nothing_are_reported(heater, rule):
    got = asked(heater, rule)
    assert got.series == got.details.old
    assert any("changes nothing" in w for w in got.why.warnings)
    assert altered(heater, [rule]).model is heater


@pytest.mark.parametrize(
    ("rule", "truth"),
    [
        (
            Alter(variable="T", factor=0.5, shift=0.2),
            {"t": lambda T, D, q: 0.4 * T + 0.25 * q + 0.25},
        ),
        (Cut(source="Q", target="T", hold=1.0), {"t": lambda T, D, q: 0.8 * T + 0.5 + 0.1}),
        (Cut(source="T", target="D"), {"d": lambda D, T: 0.5 * D}),
        (
            Link(source="D", target="T", coefficient=0.3),
            {"t": lambda T, D, q: 0.8 * T + 0.5 * q + 0.1 + 0.3 * D},
        ),
        (Turn(constant="T.c1", factor=0.5), {"t": lambda T, D, q: 0.4 * T + 0.5 * q + 0.1}),
        (Swap(context="W", value=-1.0), {"t": lambda T, D, q: 0.8 * T + 0.5 * q - 0.2}),
        (Replace(variable="T", by=3.0), {"t": lambda T, D, q: 3.0}),
    ],
)
def test_changed_rules_follow_their_closed_form(still, rule, truth):
    got = asked(still, rule)
    expected = path(6, **truth)
    if isinstance(rule, Replace):
        expected[1] = path(6, t=lambda T, D, q: 3.0, d=lambda D, T: 0.5 * D + T)[1]
        assert got.estimate["D"][1] == pytest.approx(0.5 * got.estimate["D"][0] + 3.0, abs=1e-3)
        np.testing.assert_allclose(got.estimate["T"], 3.0, atol=1e-3)
        return
    np.testing.assert_allclose(got.estimate["T"], expected[0], atol=2e-3)
    np.testing.assert_allclose(got.estimate["D"], expected[1], atol=2e-3)
    np.testing.assert_allclose([s.estimate for s in got.details.old], path(6), atol=2e-3)
    assert got.details.broken
    assert got.details.broken[0].worst in got.details.broken[0].rows


def test_noise_can_be_scaled(heater):
    wide = asked(heater, Alter(variable="T", noise=3.0))
    ratio = np.array(wide["T"].noise) / np.array(wide.details.old[0].noise)
    np.testing.assert_allclose(ratio, 3.0, rtol=1e-3)
    np.testing.assert_allclose(wide.estimate["T"], wide.details.old[0].estimate, atol=0.05)


def test_after_a_cut_the_source_no_longer_moves_the_target(heater):
    cut = Cut(source="Q", target="T")
    far, near = (asked(heater, cut, interventions=(Set("Q", v),)) for v in (4.0, -4.0))
    np.testing.assert_array_equal(far.estimate["T"], near.estimate["T"])
    assert any("no path" in w for w in far.why.warnings)
    assert "Q(t-1) --> T(t)" in far.details.edges
    assert far.details.mechanisms == ("T",)


def test_the_log_s_own_past_can_be_cut(still):
    got = asked(still, Cut(source="T", target="T", hold=0.0))
    np.testing.assert_allclose(got.estimate["T"], 1.1, atol=2e-3)


def test_rules_policies_and_interventions_combine(still):
    law = Feedback(weights={"T": -0.4}, bias=1.0)
    got = asked(
        still, Alter(variable="T", shift=0.5), Follow("Q", law), interventions=(Set("D", 0.0),)
    )
    T, expected = 1.0, []
    for _ in range(6):
        T = 0.8 * T + 0.5 * (1.0 - 0.4 * T) + 0.1 + 0.5
        expected.append(T)
    np.testing.assert_allclose(got.estimate["T"], expected, atol=2e-3)


def test_levels_keep_their_chances_where_a_cause_is_cut(machine):
    query = Imagine(
        given={"mode": "off", "heat": 0.0, "switch": 1},
        rules=Cut(source="switch", target="mode", hold=0),
        horizon=4,
        target="mode",
        samples=2000,
    )
    got = imagine(machine, query)
    off = do(
        machine,
        Do(
            given=query.given,
            interventions=[Set("switch", 0)],
            horizon=4,
            target="mode",
            samples=2000,
        ),
    )
    np.testing.assert_allclose(got["mode"].probabilities, off["mode"].probabilities, atol=1e-6)


def test_an_answer_survives_json_and_shows_itself(heater):
    got = asked(heater, Swap(context="W", value=1.5), Alter(variable="D", factor=0.5))
    assert Answer.from_json(got.to_json()) == got
    assert "imagine: W is 1.5; D × 0.5" in str(got)
    assert "No longer holds: D" in str(got)
    names = {trace.name for trace in got.figure().data}
    assert {"rules of the log", "estimate"} <= names
    assert got.status is Status.IDENTIFIED


@pytest.mark.parametrize(
    ("rules", "error", "words"),
    [
        ([Alter(variable="TT", factor=2.0)], UnknownNameError, "'T'"),
        ([Alter(variable="Q", factor=2.0)], QueryError, "has no mechanism"),
        ([Alter(variable="T", factor=0.0)], QueryError, "Use Replace"),
        ([Turn(constant="T.c9", factor=2.0)], UnknownNameError, "T.c"),
        ([Turn(constant="T.c1")], QueryError, "a factor or a value"),
        ([Cut(source="QQ", target="T")], UnknownNameError, "'Q'"),
        ([Link(source="D", target="T", coefficient=1.0, lag=5)], QueryError, "looks back"),
        ([Link(source="D", target="T", coefficient=1.0, lag=0)], QueryError, "lag of 1"),
        ([Swap(context="T", value=1.0)], QueryError, "no context"),
        (
            [Alter(variable="T", factor=2.0), Replace(variable="T", by=1.0)],
            QueryError,
            "contradict",
        ),
        (
            [Turn(constant="T.c1", factor=2.0), Turn(constant="T.c1", value=1.0)],
            QueryError,
            "contra",
        ),
        ([Cut(source="D", target="T"), Link(source="D", target="T", coefficient=1.0)], None, ""),
    ],
)
def test_bad_rules_say_what_to_write(heater, rules, error, words):
    if error is None:  # cutting what is not there and then adding it is adding it
        assert asked(heater, *rules).details.mechanisms == ("T",)
        return
    with pytest.raises(error, match=words) as told:
        asked(heater, *rules)
    assert "\n" not in str(told.value)
