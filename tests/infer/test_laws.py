"""Laws of causality, over random worlds and questions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import worlds_by_hand as by_hand
from doworld.infer import counterfactual, do, predict
from doworld.infer.counterfactual.replay import replay
from doworld.infer.engine import key_of
from doworld.infer.setup import prepare
from doworld.infer.uncertainty import split
from doworld.query import Counterfactual, Do, Predict, Rows, Set, Shift, Status

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}
value = st.floats(-1.5, 1.5).map(lambda v: round(v, 3))


@settings(max_examples=15, deadline=None)
@given(value=value, row=st.integers(0, 6))
def test_do_on_a_non_ancestor_leaves_the_target_bit_identical(heater, value, row):
    plain = predict(heater, Predict(given=GIVEN, target="T", horizon=6))
    done = do(
        heater, Do(given=GIVEN, interventions=[Set("D", value, at=row)], target="T", horizon=6)
    )
    for part in ("estimate", "lower", "upper", "noise", "parameters", "structure"):
        assert getattr(done["T"], part) == getattr(plain["T"], part)
    said = "that is what D is anyway" if (value, row) == (0.5, 0) else "no path to T"
    assert any(said in w for w in done.why.warnings)


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, 5))
def test_doing_what_would_be_anyway_changes_nothing_and_says_so(heater, row):
    plain = predict(heater, Predict(given=GIVEN, horizon=6))
    done = do(heater, Do(given=GIVEN, interventions=[Set("Q", 1.0, at=row)], horizon=6))
    assert done["T"].estimate == plain["T"].estimate
    assert any("changes nothing" in w for w in done.why.warnings)


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, 11), data=st.data())
def test_the_factual_counterfactual_returns_the_fact(heater, episode, row, data):
    name = data.draw(st.sampled_from(["T", "D", "Q", "W"]))
    fact = episode[name][row]
    if fact is None:
        return
    query = Counterfactual(episode=episode, interventions=[Set(name, fact, at=row)])
    answer = counterfactual(heater, query)
    assert answer["T"].estimate == tuple(episode["T"])
    assert answer["D"].estimate == tuple(episode["D"])


def test_replaying_recovered_noise_gives_the_fact(heater, episode):
    """Not by construction of the answer, but by the replay itself."""
    setup = prepare(heater, Rows(columns={n: v[:1] for n, v in episode.items()}), horizon=11)
    world = setup.world()
    rows = np.zeros((heater.dynamics.members, 1, 16, 4), np.float32)
    table = np.array([episode["T"], episode["D"], [*episode["Q"][:11], 0.0], episode["W"]]).T
    rows[:, :, :11] = table[1:]
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    world = eqx.tree_at(lambda w: w.exogenous, world, jnp.asarray(rows[0, 0]))
    worlds = jax.tree.map(lambda a: a[None], world)
    keep = np.zeros((1, 16, 4), bool)
    out = replay(heater.dynamics, world.window, rows, worlds, anew=keep, key=key_of(0))
    error = np.abs(out[:, 0, 0, :11] - rows[:, 0, :11])
    assert error.max() < 1e-5


@settings(max_examples=10, deadline=None)
@given(row=st.integers(1, 10), by=value)
def test_rows_before_the_first_intervention_and_non_descendants_are_the_fact(
    heater, episode, row, by
):
    query = Counterfactual(episode=episode, interventions=[Shift("D", by, at=row)])
    answer = counterfactual(heater, query)
    assert answer["T"].estimate == tuple(episode["T"])
    assert answer["D"].estimate[:row] == tuple(episode["D"][:row])
    assert answer["D"].estimate[row] == pytest.approx(episode["D"][row] + by, abs=1e-5)


def test_missing_values_are_drawn_said_and_lower_the_support(heater, episode):
    gaps = {**episode, "T": [None if t == 5 else v for t, v in enumerate(episode["T"])]}
    query = Counterfactual(episode=gaps, interventions=[Shift("Q", 0.5, at=3)])
    answer = counterfactual(heater, query)
    whole = counterfactual(
        heater, Counterfactual(episode=episode, interventions=[Shift("Q", 0.5, at=3)])
    )
    assert any("T (1 rows)" in a for a in answer.why.assumptions)
    assert answer["T"].noise[5] > 0.05
    # what follows the gap is logged again, so the replay still knows it
    np.testing.assert_allclose(answer["T"].estimate[7:], whole["T"].estimate[7:], atol=1e-3)
    assert answer["T"].support[5] < 1 <= answer["T"].support[4]
    assert answer["T"].support[6] < 1
    assert answer["D"].support[6] < 1
    unchanged = counterfactual(
        heater, Counterfactual(episode=gaps, interventions=[Set("D", 0.0, at=11)])
    )
    assert unchanged["T"].estimate[6:] == tuple(episode["T"][6:])


MODES = {
    "mode": ["off", "off", "slow", "slow", "fast", "fast"],
    "heat": [0.0, 0.0, 0.0, 1.0, 1.5, 2.75],
    "switch": [0, 0, 1, 1, 1, 1],
}


def test_levels_downstream_are_bounded_and_gumbel_max_is_named(machine):
    query = Counterfactual(episode=MODES, interventions=[Set("switch", 1, at=1)])
    answer = counterfactual(machine, query)
    assert answer.status is Status.BOUNDED
    assert any("Gumbel-max" in a for a in answer.why.assumptions)
    low, high = answer.interval["mode"]
    assert list(low[:2]) == list(high[:2]) == [0, 0]
    assert (low[2], high[2]) == (0, 2)
    heat = answer.interval["heat"]
    assert heat[0][2] == heat[1][2] == 0.0  # one row later than the mode
    # off or fast at row 2 give 0 or 2 of heat at row 3, plus this episode's own noise of 0
    np.testing.assert_allclose([heat[0][3], heat[1][3]], [0.0, 2.0], atol=1e-5)
    estimate = np.array(answer["heat"].estimate)
    assert (heat[0] - 1e-6 <= estimate).all()
    assert (estimate <= heat[1] + 1e-6).all()


def test_a_level_that_is_set_is_not_open(machine):
    query = Counterfactual(episode=MODES, interventions=[Set("mode", "fast", at=2)], target="heat")
    answer = counterfactual(machine, query)
    assert answer["heat"].estimate[3] == pytest.approx(2.0, abs=1e-5)
    assert answer["heat"].lower[3] == pytest.approx(answer["heat"].upper[3], abs=1e-5)
    assert answer.status is Status.BOUNDED  # row 3's mode hangs on row 2's


def test_levels_that_nothing_reaches_stay_identified(machine):
    query = Counterfactual(episode=MODES, interventions=[Set("heat", 1.0, at=1)])
    answer = counterfactual(machine, query)
    assert answer.status is Status.IDENTIFIED
    assert answer["mode"].estimate == (0.0, 0.0, 1.0, 1.0, 2.0, 2.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), structures=st.integers(0, 3))
def test_variance_parts_add_up(seed, structures):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(4, 7, 5)) + rng.normal(size=(4, 1, 5))
    structural = np.arange(4) >= 4 - structures
    parts = split(values, structural)
    total = parts.noise**2 + parts.parameters**2 + parts.structure**2
    np.testing.assert_allclose(total, values.reshape(28, 5).var(0), rtol=1e-9)


def test_the_same_seed_gives_the_same_answer(heater):
    query = Predict(given=GIVEN, horizon=6)
    assert predict(heater, query, seed=3) == predict(heater, query, seed=3)
    assert predict(heater, query, seed=3) != predict(heater, query, seed=4)


def test_variables_in_another_order_give_the_same_estimate():
    order = tuple(by_hand.HEATER[i] for i in (2, 1, 3, 0))
    shuffled = by_hand.linear_world(order, by_hand.HEATER_WEIGHTS)
    query = Predict(given=GIVEN, horizon=6, target=["T", "D"])
    ours, theirs = predict(by_hand.heater(), query), predict(shuffled, query)
    for name in ("T", "D"):
        np.testing.assert_allclose(ours[name].estimate, theirs[name].estimate, atol=1e-5)
