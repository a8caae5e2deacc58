"""Hidden causes of logged actions are suspected where there are any, and only there."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.data import Policy
from doworld.discover.latent.suspicion import policies_that_saw_more, remembers, suspected
from doworld.graph import Reason
from doworld.worlds.sepsis_simulator import SepsisSimulator
from doworld.worlds.traps import Trap, trap_world


@pytest.fixture(scope="module")
def world():
    return SepsisSimulator()


def trapped(kind, sprung, count=12):
    return [trap_world(kind, sprung=sprung, seed=2000 + s).log for s in range(count)]


def fired(log):
    found = bool(policies_that_saw_more(log, log.schema.names))
    assert found == suspected(log).suspected
    return found


@pytest.mark.parametrize(("kind", "least"), [(Trap.HIDDEN, 11), (Trap.MEASUREMENT, 7)])
def test_a_lasting_hidden_cause_of_action_and_state_is_suspected(kind, least):
    assert sum(map(fired, trapped(kind, True))) >= least


@pytest.mark.parametrize("kind", [Trap.HIDDEN, Trap.MEASUREMENT, Trap.DETERMINISTIC, Trap.OVERLAP])
def test_a_policy_that_saw_only_the_logged_row_is_not(kind):
    assert not any(map(fired, trapped(kind, False)))


def test_it_fires_where_the_policy_saw_the_diabetes(world):
    found = suspected(world.collect(1500, world.best(sees_diabetes=True), seed=0))
    assert found.suspected
    assert found.p_value < 1e-4
    assert "do_vasopressors" in found.actions
    assert found.states == ("glucose",)
    assert "unobserved confounder" in found.reason.lower()


def test_it_stays_silent_where_the_policy_saw_the_levels_alone(world):
    blind = world.best(sees_diabetes=False)
    found = [suspected(world.collect(600, blind, seed=s)) for s in range(8)]
    assert all(f.tested for f in found)
    assert sum(f.suspected for f in found) <= 1
    assert np.median([f.p_value for f in found]) > 0.1


def test_what_is_hidden_and_lasts_is_found_without_a_confounder(world):
    log = world.collect(1500, world.uniform(), seed=3)
    found = remembers(log)
    assert found.suspected
    assert "glucose" in found.states
    assert not suspected(log).suspected
    healthy = SepsisSimulator(diabetes=0.0)
    assert not remembers(healthy.collect(1000, healthy.uniform(), seed=3)).suspected


def _hidden(strength: float, seed: int):
    rng = np.random.default_rng(seed)
    rows = []
    for e in range(200):
        u, x = rng.normal(), 0.0
        for t in range(30):
            a = 0.5 * x + strength * u + rng.normal()
            rows.append((e, t, x, a))
            x = 0.3 * x + 0.3 * a + u + 2 * rng.normal()
    columns = dict(zip(("e", "t", "x", "a"), np.array(rows).T, strict=True))
    return dw.Trajectories.from_frame(
        pl.DataFrame(columns), state="x", action="a", episode="e", time="t"
    )


def test_numbers_are_tested_too():
    assert suspected(_hidden(2.0, 0)).suspected
    assert sum(suspected(_hidden(0.0, s)).suspected for s in range(1, 5)) <= 1


def test_what_cannot_be_tested_says_why(world):
    log = world.collect(50, world.uniform(), seed=0)
    declared = replace(log, schema=replace(log.schema, policy=Policy.RANDOMISED))
    assert "randomised" in suspected(declared).reason
    for few in (log, log.select([0])):
        assert not suspected(few).tested
        assert not remembers(few).tested
        assert "too few rows" in suspected(few).reason
    sure = np.zeros((720, 8))
    sure[:, 3] = 1
    found = suspected(world.collect(300, sure, seed=0))
    assert not found.tested
    assert "No action varies" in found.reason


def test_actions_that_follow_from_the_state_leave_no_trace_to_test():
    rng = np.random.default_rng(5)
    s = rng.integers(0, 3, 3000)
    frame = pl.DataFrame(
        {"e": np.arange(3000) // 10, "s": [f"l{k}" for k in s], "a": (s == 1) * 1.0}
    )
    log = dw.Trajectories.from_frame(frame, state="s", action="a", episode="e", step=1.0)
    found = suspected(log)
    assert not found.tested
    assert "without exception" in found.reason


def test_gaps_and_columns_without_values_do_not_pass_for_a_test():
    log = trap_world(Trap.HIDDEN, sprung=True, seed=2000).log
    values = log.values.copy()
    values[::2, log.schema.position("y")] = np.nan
    found = suspected(replace(log, values=values))
    assert not found.tested
    assert np.isnan(found.p_value)
    values[:, log.schema.position("y")] = np.nan
    assert suspected(replace(log, values=values)).reason == "No state varies."


def test_many_levels_and_few_rows_of_each_fall_back_on_a_regression():
    rng = np.random.default_rng(6)
    state = rng.integers(0, 6, (5, 4000))
    hidden = np.repeat(rng.integers(0, 2, 200), 20)
    action = (rng.uniform(size=4000) < np.where(hidden, 0.8, 0.2)).astype(int)
    state[0, 1:] = np.where(rng.uniform(size=3999) < 0.6, 5 * hidden[:-1], state[0, 1:])
    frame = {f"s{i}": [f"l{k}" for k in column] for i, column in enumerate(state)}
    frame |= {"e": np.arange(4000) // 20, "a": action}
    log = dw.Trajectories.from_frame(
        pl.DataFrame(frame), state=[f"s{i}" for i in range(5)], action="a", episode="e", step=1.0
    )
    found = suspected(log)
    assert found.tested
    assert found.suspected
    assert found.states == ("s0",)


def test_a_policy_said_to_have_seen_only_logged_values_is_not_asked():
    log = trap_world(Trap.HIDDEN, sprung=True, seed=2000).log
    assert fired(log)
    known = replace(log, schema=replace(log.schema, policy=Policy.KNOWN))
    assert not fired(known)


def test_the_finding_names_action_states_and_the_way_out():
    log = trap_world(Trap.HIDDEN, sprung=True, seed=2000).log
    (fact,) = policies_that_saw_more(log, log.schema.names)
    assert (fact.variable, fact.reason, fact.others) == ("a", Reason.POLICY, ("y",))
    assert "policy='known'" in fact.note
