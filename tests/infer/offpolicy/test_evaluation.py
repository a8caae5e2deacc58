"""What a policy's value may rest on: support by episode, hidden causes, what was not tested."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from doworld.data import Policy, Trajectories
from doworld.infer.policy_value import value_from_log
from doworld.query import Case, Feedback, PolicyValue, Rules, Status

EVEN = {"0": 0.5, "1": 0.5}
ALWAYS = PolicyValue(policies={"a": Rules(otherwise=1.0)}, level=0.95)


def _log(columns, **said) -> Trajectories:
    return Trajectories.from_frame(
        pl.DataFrame(columns), state=["s"], action="a", reward="r", episode="ep", **said
    )


def _rows(episodes: int, steps: int):
    """Episode and step of every row, one more row than steps."""
    return np.repeat(np.arange(episodes), steps + 1), np.tile(np.arange(steps + 1), episodes)


def _acted(values, step, steps):
    """The values, empty in the rows that end the episodes."""
    return pl.Series(np.where(step < steps, values.astype(float), np.nan)).fill_nan(None)


def _rare_hole(episodes=3000, steps=20, leave=0.03):
    """In 3 % of the rows s is 1, and there a was always 0."""
    rng = np.random.default_rng(0)
    ep, step = _rows(episodes, steps)
    s = (rng.uniform(size=len(ep)) < leave).astype(int)
    a = np.where(s == 1, 0, rng.integers(0, 2, len(ep)))
    r = 0.05 * rng.integers(0, 2, len(ep))
    return _log({"ep": ep, "s": s, "a": _acted(a, step, steps), "r": _acted(r, step, steps)})


def test_actions_seldom_out_of_support_open_most_of_many_long_episodes():
    into = Rules(cases=(Case(when={"s": 1.0}, then=1.0),), otherwise=EVEN)
    answer = value_from_log(_rare_hole(), PolicyValue(policies={"a": into}, level=0.95))
    left = 1 - 0.97**20
    assert answer.details.unsupported == pytest.approx(left, abs=0.05)
    assert answer.status is Status.BOUNDED
    # whether the unseen action ends the episode with nothing or earns the most, it is inside
    nothing = 0.025 * sum(0.97**k for k in range(1, 21))
    assert answer["r"].lower[0] <= nothing
    assert answer["r"].upper[0] >= (1 - left) * 0.5 + left * 0.9
    for reading in answer.details.readings:
        assert reading.lower <= nothing


def _lasting(episodes=3000, steps=5, hole=0.0):
    """u is hidden and lasts: s follows a only where u is 1, and is worth 1 in the last step.

    The state holds the step. In some first rows a was always 0.
    """
    rng = np.random.default_rng(1)
    u, seen = rng.integers(0, 2, episodes), np.zeros((episodes, steps + 1), int)
    acted = rng.integers(0, 2, (episodes, steps + 1))
    seen[:, 0] = np.where(rng.uniform(size=episodes) < hole, 2, 0)
    acted[:, 0] *= seen[:, 0] != 2
    seen[:, 1:] = acted[:, :-1] * u[:, None]
    ep, step = _rows(episodes, steps)
    s, a = seen.ravel(), _acted(acted.ravel(), step, steps)
    reward = _acted(1.0 * ((s == 1) & (step == steps - 1)), step, steps)
    return _log(
        {"ep": ep, "s": [f"{k}{t}" for k, t in zip(s, step, strict=True)], "a": a, "r": reward}
    )


def test_what_lasts_unseen_keeps_a_table_out_of_an_answer_without_support():
    answer = value_from_log(_lasting(1200, hole=0.22), ALWAYS)
    by_name = {r.name: r for r in answer.details.readings}
    table, truth = by_name["by table (Markov)"], 0.5
    assert not table.holds
    assert truth < table.lower  # the table takes each row for a new chance
    assert answer.status is Status.BOUNDED
    assert answer.details.headline == "sensitivity bound"
    assert answer["r"].lower[0] <= truth <= answer["r"].upper[0]
    assert any("lasts" in w for w in answer.why.warnings)


def test_weights_need_no_state_that_tells_all():
    answer = value_from_log(_lasting(6000, hole=0.22), ALWAYS)
    assert answer.status is Status.BOUNDED
    assert answer.details.headline == "weighted doubly robust"
    assert answer["r"].lower[0] <= 0.5 <= answer["r"].upper[0]
    assert answer["r"].upper[0] - answer["r"].lower[0] < 0.75
    assert answer.details.unsupported == pytest.approx(0.22, abs=0.03)


def test_a_strength_that_was_not_measured_is_not_said_to_be():
    short = value_from_log(_lasting(300, steps=3), ALWAYS)
    long = value_from_log(_lasting(1000), ALWAYS)
    asked = value_from_log(_lasting(1000), ALWAYS.model_copy(update={"strength": 3.0}))

    def told(answer):
        return next((a for a in answer.why.assumptions if "Λ" in a), "")

    assert "twice" in told(long)
    assert "as asked" in told(asked)
    assert "convention" in told(short)


@pytest.mark.parametrize("kind", ["table", "sure", "few"])
def test_what_was_not_tested_is_said_in_why(kind):
    rng = np.random.default_rng(2)
    if kind == "table":
        size = 400
        frame = {
            "s": rng.integers(0, 2, size),
            "a": rng.integers(0, 2, size),
            "r": rng.random(size),
        }
        log = Trajectories.from_frame(pl.DataFrame(frame), state="s", action="a", reward="r")
    else:
        episodes, steps = (300, 6) if kind == "sure" else (8, 2)
        ep, step = _rows(episodes, steps)
        s = rng.integers(0, 2, len(ep))
        a = s if kind == "sure" else rng.integers(0, 2, len(ep))
        log = _log(
            {"ep": ep, "s": s, "a": _acted(a, step, steps), "r": _acted(1.0 * s, step, steps)}
        )
    query = PolicyValue(policies={"a": Rules(otherwise=EVEN)})
    warnings = value_from_log(log, query).why.warnings
    assert any("something hidden moved the actions was not tested" in w for w in warnings)
    declared = replace(log, schema=replace(log.schema, policy=Policy.RANDOMISED))
    warnings = value_from_log(declared, query).why.warnings
    assert not any("moved the actions was not tested" in w for w in warnings)


def _last_rows(filled: bool):
    rng = np.random.default_rng(3)
    ep, step = _rows(400, 3)
    a = rng.integers(0, 2, len(ep))
    r = np.where(step == 3, 3.0 * a, 0.25)
    if not filled:
        r, a = np.where(step == 3, 0.0, r), a * (step < 3)
    return _log({"ep": ep, "s": [f"l{k}" for k in step], "a": a, "r": r})


def test_an_action_and_its_reward_in_a_last_row_count():
    answer = value_from_log(_last_rows(filled=True), ALWAYS)
    assert answer["r"].lower[0] <= 3.75 <= answer["r"].upper[0]
    assert answer.details.logged.estimate == pytest.approx(2.25, abs=0.15)
    assert any("The last row of 400 episodes" in a for a in answer.why.assumptions)
    padded = value_from_log(_last_rows(filled=False), ALWAYS)
    assert padded.why.rows == 1200
    assert padded.details.logged.estimate == pytest.approx(0.75)


def test_a_reward_without_its_action_is_named_as_lost():
    log = _last_rows(filled=True)
    values = log.values.copy()
    values[log.starts[1:] - 1, log.schema.position("a")] = np.nan
    answer = value_from_log(replace(log, values=values), ALWAYS)
    assert any("left out" in w for w in answer.why.warnings)


def test_rewards_that_were_not_logged_are_told():
    log = _rare_hole(200)
    values = log.values.copy()
    values[::7, log.schema.position("r")] = np.nan
    answer = value_from_log(
        replace(log, values=values), PolicyValue(policies={"a": Rules(otherwise=0.0)})
    )
    assert any("not logged at" in w and "count as 0" in w for w in answer.why.warnings)


def _unanswerable(kind: str):
    rng = np.random.default_rng(4)
    ep, _ = _rows(1 if kind == "few" else 60, 4)
    s, a = np.arange(len(ep)) % 2, 1.0 * (np.arange(len(ep)) % 3 == 0)
    if kind == "number":
        a = rng.normal(size=len(ep))
    log = _log({"ep": ep, "s": s, "a": a, "r": 1.0 * s})
    if kind in ("gaps", "reward"):
        values = log.values.copy()
        values[:, log.schema.position("s" if kind == "gaps" else "r")] = np.nan
        log = replace(log, values=values)
    policy = Feedback(weights={"s": 1.0}) if kind == "number" else Rules(otherwise=1.0)
    return log, PolicyValue(policies={"a": policy})


@pytest.mark.parametrize("kind", ["number", "reward", "gaps", "few"])
def test_what_the_log_cannot_say_is_an_answer_without_a_number(kind):
    answer = value_from_log(*_unanswerable(kind))
    assert answer.status is Status.NOT_IDENTIFIED
    assert answer.estimate == {"r": None}
    assert answer.fix
    assert answer.why.warnings
    assert "NOT IDENTIFIED" in str(answer)
    answer.figure()
