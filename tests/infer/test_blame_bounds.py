"""Blame through levels, and with actions that react, against truths worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from doworld._core.errors import DoworldError, QueryError
from doworld.data import Kind, Role, Variable
from doworld.infer.blame import alternatives, blame
from doworld.query import Answer, Blame, Case, Feedback, Goal, Rules
from worlds_by_hand import linear_world, log_of, machine

EPISODE = {
    "mode": ["slow", "off", "off", "off", "off"],
    "heat": [2.0, 1.9, 0.9, 0.5, 0.2],
    "switch": [0, 0, 0, 0, 0],
}


OFF_LEVELS = Rules(cases=(Case(when={"mode": "turbo"}, then=1),), otherwise=0)


def chances(mode, switch):
    """P(mode | last mode, switch), as the machine is written down."""
    own = 2.0 * np.eye(3)[mode] + switch * np.array([-3.0, 0.0, 3.0]) + [0.5, 0.0, -0.5]
    return np.exp(own) / np.exp(own).sum(-1, keepdims=True)


def by_inverse(row, draws=20_000):
    """P(heat ≥ 1.5 at the end) had the switch been on at ``row``.

    The coupling is the inverse distribution function: mode = F⁻¹(u | causes), one u a row.
    """
    rng = np.random.default_rng(0)
    modes = np.array([1, 0, 0, 0, 0])
    heat = np.array(EPISODE["heat"])
    own = np.repeat(modes[:1], draws)
    temperature = np.repeat(heat[0], draws)
    for t in range(4):
        fact = np.cumsum(chances(modes[t], 0.0))
        low = 0.0 if modes[t + 1] == 0 else fact[modes[t + 1] - 1]
        u = rng.uniform(low, fact[modes[t + 1]], draws)
        table = np.cumsum([chances(m, float(t == row)) for m in range(3)], 1)
        noise = heat[t + 1] - 0.5 * heat[t] - modes[t]
        temperature = 0.5 * temperature + own + noise
        own = np.minimum((u[:, None] > table[own]).sum(1), 2)
    return (temperature >= 1.5).mean()


@pytest.mark.parametrize("goal", ["mode", "heat"])
def test_the_truth_of_another_coupling_lies_inside(goal):
    success = Goal(target={"mode": "fast"}) if goal == "mode" else Goal(keep={"heat": (1.5, None)})
    out = blame(machine(), Blame(episode=EPISODE, success=success, alternatives={"switch": (1,)}))
    assert out.status == "bounded"
    lower, upper = out.interval["success"]
    assert not np.allclose(lower, upper)
    for row in range(4):
        truth = fast(row) if goal == "mode" else by_inverse(row)
        assert lower[row] - 0.02 <= truth <= upper[row] + 0.02
        assert lower[row] - 0.15 <= out.estimate["success"][row] <= upper[row] + 0.15
    assert "by the estimate" in out.details.text
    for row in np.flatnonzero(out.details.open):
        if out.details.both_bounds[row] is None:
            continue
        low, high = out.details.both_bounds[row]
        assert low - 1e-9 <= out.details.both[row] <= high + 1e-9


def fast(row, draws=20_000):
    """P(mode fast at the end) under the inverse distribution function, the switch on at ``row``."""
    rng = np.random.default_rng(1)
    modes = np.array([1, 0, 0, 0, 0])
    own = np.repeat(1, draws)
    for t in range(4):
        fact = np.cumsum(chances(modes[t], 0.0))
        u = rng.uniform(0.0, fact[0], draws)
        table = np.cumsum([chances(m, float(t == row)) for m in range(3)], 1)
        own = np.minimum((u[:, None] > table[own]).sum(1), 2)
    return (own == 2).mean()


def test_a_predicate_behind_levels_is_bounded_by_nothing():
    query = Blame(episode=EPISODE, success=lambda ep: bool(ep["heat"][-1] >= 1.5))
    out = blame(machine(), query)
    lower, upper = out.interval["success"]
    assert out.details.open == (True, True, True, False)  # heat hears the mode a row later
    assert list(lower[:3]) == [0, 0, 0]
    assert list(upper[:3]) == [1, 1, 1]
    assert (lower[3], upper[3]) == (0, 0)


def test_rows_beside_the_levels_keep_their_sharp_interval():
    variables = machine().schema.variables
    assert variables[2].role is Role.ACTION
    query = Blame(episode=EPISODE, success=Goal(keep={"heat": (1.5, None)}))
    out = blame(machine(), query)
    lower, upper = out.interval["success"]
    assert lower[3] == upper[3] == 0.0


REACTING = {"x": np.array([0.0, 1.0, 2.0, 3.0, 4.0]), "a": np.array([1.0, 1.0, 1.0, 1.0, 0.0])}


def integrator():
    return linear_world(
        (Variable("x"), Variable("a", Role.ACTION, bounds=(-10.0, 10.0))),
        {"x": {("x", 1): 1.0, ("a", 1): 1.0}},
        sigma=0.1,
    )


def test_later_actions_follow_their_policy_after_the_change():
    """x(t + 1) = x + a, a = −½ x after the change: x(4) = t · 2⁻⁽³⁻ᵗ⁾, in closed form."""
    model, seen = integrator(), {}

    def success(ep):
        path = tuple(np.round(np.asarray(ep["a"]), 4) + 0.0)
        seen.setdefault(path, float(ep["x"][-1]))  # futures of fresh noise come later
        return bool(ep["x"][-1] <= 0.6)

    law = Feedback(weights={"x": -0.5})
    query = Blame(episode=REACTING, success=success, alternatives={"a": (0.0,)}, reacts={"a": law})
    out = blame(model, query)
    for t in range(4):
        x, path = float(t), [1.0] * t + [0.0]
        for _ in range(t + 1, 4):
            path.append(-0.5 * x + 0.0)
            x *= 0.5
        assert seen[tuple(path)] == pytest.approx(x, abs=1e-3)
        assert out.details.necessity[t] == float(x <= 0.6)
    assert any("follows its policy" in note for note in out.why.assumptions)


def test_another_policy_of_the_same_shape_compiles_nothing():
    model, goal = integrator(), Goal(limit={"x": (None, 2.5)})

    def ask(policy):
        return blame(model, Blame(episode=REACTING, success=goal, reacts={"a": policy}))

    ask(Feedback(weights={"x": -0.5}))
    before = alternatives._run._cache_size()
    one = ask(Feedback(weights={"x": 0.9}, bias=0.3))
    two = ask(Rules(cases=(Case(when={"x": (1, None)}, then=-1.0),), otherwise=1.0))
    assert alternatives._run._cache_size() == before
    assert one.details.alternatives != two.details.alternatives


def test_predicates_that_never_or_always_hold():
    model = integrator()
    never = blame(model, Blame(episode=REACTING, success=lambda ep: False))
    assert max(never.details.necessity) == 0
    assert "no world that was tried" in never.why.warnings[0]
    assert never.fix
    assert never.details.best is None
    with_log = replace(model, log=log_of(model.schema, [np.zeros((5, len(model.schema)))] * 3))
    refused = blame(with_log, Blame(episode=REACTING, success=lambda ep: False))
    assert refused.status == "not_identified"
    assert "Nor does it in 3 logged episodes" in refused.why.warnings[0]
    known = blame(with_log, Blame(episode=REACTING, success=lambda ep: bool(ep["x"].max() == 0)))
    assert known.status != "not_identified"  # a logged episode succeeded
    always = blame(model, Blame(episode=REACTING, success=lambda ep: True))
    assert always.status == "not_identified"
    assert always.fix


def test_a_change_may_not_leave_its_levels_or_bounds():
    with pytest.raises(QueryError, match="bounds"):
        blame(
            integrator(),
            Blame(episode=REACTING, success=lambda ep: False, alternatives={"a": (11.0,)}),
        )
    query = Blame(episode=EPISODE, success=lambda ep: False, reacts={"switch": OFF_LEVELS})
    with pytest.raises(DoworldError, match="turbo"):
        blame(machine(), query)


def test_an_open_row_is_told_beside_a_sharp_one_after_a_round_trip():
    query = Blame(episode=EPISODE, success=Goal(keep={"heat": (1.5, None)}))
    out = blame(machine(), query)
    assert Answer.from_json(out.to_json()) == out
    assert out.details.open == (True, True, True, False)


def test_a_policy_that_draws_is_replayed_in_draws():
    """After a = 0 at row 3 nothing reacts any more; before it a fair coin decides."""
    model = linear_world(
        (Variable("x"), Variable("a", Role.ACTION, Kind.BINARY)),
        {"x": {("x", 1): 1.0, ("a", 1): 1.0}},
        sigma=0.1,
    )
    coin = Rules(otherwise={"0": 0.5, "1": 0.5})
    query = Blame(
        episode=REACTING,
        success=Goal(keep={"x": (None, 2.5)}),
        reacts={"a": coin},
        samples=2000,
    )
    chance = blame(model, query).details.necessity
    # x(4) = t + Binomial(3 − t, ½) ≤ 2 after a = 0 at row t
    np.testing.assert_allclose(chance, [7 / 8, 3 / 4, 1 / 2, 0.0], atol=0.04)
