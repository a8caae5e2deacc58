"""Policies as data and as arrays."""

import jax.numpy as jnp
import numpy as np
import pytest

from doworld._core.errors import QueryError, SchemaError, UnknownNameError
from doworld.data import Kind, Role, Schema, Variable
from doworld.query import Case, Do, Feedback, Follow, Rules, Scale, Set, Shift
from doworld.query.done import arrays
from doworld.query.policy_arrays import compiled, decide, padded
from doworld.query.words import phrase

SCHEMA = Schema(
    (
        Variable("T", unit="K"),
        Variable("mode", kind=Kind.CATEGORICAL, categories=("off", "slow", "fast")),
        Variable("heater", Role.ACTION, unit="%", bounds=(0.0, 100.0)),
        Variable("switch", Role.ACTION, kind=Kind.BINARY),
    )
)
THERMOSTAT = Rules(
    cases=(
        Case(when={"mode": ("off", "slow"), "T": (50, None)}, then=0.0),
        Case(when={"T": (None, 20)}, then=Feedback(weights={"T": -5.0}, bias=100.0)),
    ),
    otherwise=30.0,
)


def rows(*values):
    return np.array(values, float)


def test_the_first_case_that_applies_decides():
    policy = compiled(SCHEMA, "heater", THERMOSTAT)
    seen = rows([60, 0, 7, 0], [60, 2, 7, 0], [10, 2, 7, 0], [-50, 1, 7, 0], [50, 1, 7, 0])
    chosen = decide(policy, seen, np.zeros(5))
    # sets of levels, ranges with their ends, feedback inside the heater's bounds, else
    np.testing.assert_allclose(chosen, [0, 30, 50, 100, 0])


def test_numpy_and_jax_and_scaled_units_decide_alike():
    rng = np.random.default_rng(0)
    seen = np.stack([rng.normal(30, 30, 200), rng.integers(3, size=200), rng.normal(size=200)], 1)
    seen = np.concatenate([seen, rng.integers(2, size=(200, 1))], 1)
    center, scale = np.array([30.0, 0, 50.0, 0]), np.array([20.0, 1, 25.0, 1])
    drawn = Rules(cases=(Case(when={"T": (30, None)}, then={"0": 0.25, "1": 0.75}),), otherwise=0)
    luck = rng.random(200)
    for name, policy in (("heater", THERMOSTAT), ("switch", drawn)):
        own = compiled(SCHEMA, name, policy)
        truth = decide(own, seen, luck)
        at = SCHEMA.position(name)
        one = padded((own,)).scaled(center, scale).one(0)
        for xp in (np, jnp):
            scaled = xp.asarray(((seen - center) / scale).astype(np.float32))
            out = decide(one, scaled, xp.asarray(luck, np.float32))
            np.testing.assert_allclose(np.asarray(out) * scale[at] + center[at], truth, atol=1e-4)
    assert decide(own, seen, luck)[seen[:, 0] > 30].mean() == pytest.approx(0.75, abs=0.1)


def test_a_feedback_on_a_binary_variable_is_a_threshold():
    policy = compiled(SCHEMA, "switch", Feedback(weights={"T": 1.0}))
    seen = rows([0.4, 0, 0, 0], [0.6, 0, 0, 0], [-3, 0, 0, 0], [9, 0, 0, 0])
    assert decide(policy, seen, np.zeros(4)).tolist() == [0, 1, 0, 1]


def test_what_is_done_is_composed_in_order():
    law = Feedback(weights={"T": 2.0})
    done = arrays(SCHEMA, [Follow("heater", law, at=(0, 1)), Shift("heater", 5.0)], 3)
    seen = rows([10, 0, 7, 0], [20, 0, 7, 0], [30, 0, 7, 0])
    assert done.apply(seen)[:, 2].tolist() == [25, 45, 12]
    later = arrays(SCHEMA, [Scale("heater", 3.0), Follow("heater", law)], 3)
    assert later.apply(seen)[:, 2].tolist() == [20, 40, 60]


def test_a_policy_sees_its_own_last_value_and_what_others_chose_in_the_row():
    ramp = Feedback(weights={"heater": 1.0}, bias=10.0)
    lamp = Rules(cases=(Case(when={"heater": (20, None)}, then=1),), otherwise=0)
    # listed in either order: what is read comes first
    done = arrays(SCHEMA, [Follow("switch", lamp), Follow("heater", ramp)], 3)
    seen = rows([0, 0, 5, 0], [0, 0, 50, 0], [0, 0, 0, 0])
    out = done.apply(seen, before=rows([0, 0, 8, 0])[0])
    assert out[:, 2].tolist() == [18, 15, 60]
    assert out[:, 3].tolist() == [0, 0, 1]


def test_a_policy_that_reads_what_nobody_knows_chooses_nothing():
    done = arrays(SCHEMA, [Follow("heater", Feedback(weights={"T": 2.0}))], 1)
    assert np.isnan(done.apply(rows([np.nan, 0, 5, 0]))[0, 2])
    assert done.apply(rows([3, np.nan, 5, 0]))[0, 2] == 6
    assert done.differs(rows([3, np.nan, 6, 0])).sum() == 0


@pytest.mark.parametrize(
    ("variable", "policy", "error", "words"),
    [
        ("heatr", Feedback(weights={}), UnknownNameError, "heater"),
        ("heater", Feedback(weights={"TT": 1.0}), UnknownNameError, "'T'"),
        ("heater", Feedback(weights={"mode": 1.0}), QueryError, "cases of its levels"),
        ("mode", Feedback(weights={"T": 1.0}), QueryError, "off, slow, fast"),
        ("heater", Feedback(weights={}, low=200.0), QueryError, "outside its bounds"),
        ("heater", Rules(otherwise=120.0), QueryError, "bounds are 0…100 %"),
        ("heater", Rules(otherwise={"1": 1.0}), QueryError, "need levels"),
        ("heater", Rules(otherwise="warm"), SchemaError, "not a number"),
        ("mode", Rules(otherwise={"slw": 1.0}), UnknownNameError, "slow"),
        (
            "heater",
            Rules(cases=(Case(when={"mode": "fst"}, then=1.0),), otherwise=0.0),
            UnknownNameError,
            "fast",
        ),
        (
            "heater",
            Rules(cases=(Case(when={"mode": (0, 1)}, then=1.0),), otherwise=0.0),
            QueryError,
            "Name levels",
        ),
        (
            "heater",
            Rules(cases=(Case(when={"T": (5, 1)}, then=1.0),), otherwise=0.0),
            QueryError,
            "empty",
        ),
    ],
)
def test_a_policy_that_does_not_fit_says_what_to_write(variable, policy, error, words):
    with pytest.raises(error, match=words) as told:
        arrays(SCHEMA, [Follow(variable, policy)], 2)
    assert "\n" not in str(told.value)


def test_contradictions_are_refused():
    law, other = Feedback(weights={"T": 1.0}), Feedback(weights={"T": 2.0})
    with pytest.raises(QueryError, match=r"set and follows a policy at row 2\. Keep one"):
        arrays(SCHEMA, [Set("heater", 5.0, at=2), Follow("heater", law)], 4)
    with pytest.raises(QueryError, match=r"set and follows a policy at row 2"):
        arrays(SCHEMA, [Follow("heater", law), Set("heater", 5.0, at=2)], 4)
    with pytest.raises(QueryError, match="two policies at row 1"):
        arrays(SCHEMA, [Follow("heater", law, at=(0, 1)), Follow("heater", other, at=(1, 2))], 4)
    one = Follow("heater", Feedback(weights={"switch": 1.0}))
    with pytest.raises(QueryError, match="neither comes first"):
        arrays(SCHEMA, [one, Follow("switch", Feedback(weights={"heater": 1.0}))], 4)
    for mistaken in (
        lambda: Rules(otherwise={"0": 0.5, "1": 0.6}),
        lambda: Feedback(weights={}, low=2.0, high=1.0),
        lambda: Follow("heater", lambda row: 3.0),
    ):
        with pytest.raises(QueryError):
            mistaken()


def test_a_question_that_follows_survives_json():
    asked = Do(given={"T": 1.0}, interventions=[Follow("heater", THERMOSTAT, at=range(3))])
    assert Do.model_validate_json(asked.model_dump_json()) == asked
    assert phrase(asked.interventions[0]) == "heater following 2 rules on mode, T at rows 0–2"
