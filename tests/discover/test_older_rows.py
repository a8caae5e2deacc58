"""What older rows say: hidden causes of actions, and effects that come late."""

from dataclasses import replace

import numpy as np
import pytest

from doworld.data import Policy
from doworld.discover.latent.older_rows import late_effects, policies_that_saw_more
from doworld.graph import Reason
from doworld.worlds.traps import Trap, trap_world


def logs(kind, sprung, count=12):
    return [trap_world(kind, sprung=sprung, seed=2000 + s).log for s in range(count)]


def fired(log):
    return bool(policies_that_saw_more(log, log.schema.names))


@pytest.mark.parametrize(("kind", "least"), [(Trap.HIDDEN, 11), (Trap.MEASUREMENT, 7)])
def test_a_lasting_hidden_cause_of_action_and_state_is_suspected(kind, least):
    assert sum(map(fired, logs(kind, True))) >= least


@pytest.mark.parametrize("kind", [Trap.HIDDEN, Trap.MEASUREMENT, Trap.DETERMINISTIC, Trap.OVERLAP])
def test_a_policy_that_saw_only_the_logged_row_is_not(kind):
    assert not any(map(fired, logs(kind, False)))


def test_a_policy_said_to_have_seen_only_logged_values_is_not_asked():
    log = trap_world(Trap.HIDDEN, sprung=True, seed=2000).log
    assert fired(log)
    known = replace(log, schema=replace(log.schema, policy=Policy.KNOWN))
    assert not fired(known)


def test_the_finding_names_action_states_and_the_way_out():
    (fact,) = policies_that_saw_more(*_named(trap_world(Trap.HIDDEN, sprung=True, seed=2000).log))
    assert (fact.variable, fact.reason, fact.others) == ("a", Reason.POLICY, ("y",))
    assert "policy='known'" in fact.note


def _named(log):
    return log, log.schema.names


def test_an_effect_after_more_rows_than_allowed_is_told():
    for log in logs(Trap.LAG, True, 4):
        (fact,) = late_effects(log, log.schema.names, 1)
        assert (fact.variable, fact.reason, fact.others) == ("a", Reason.LATE, ("y",))
        assert late_effects(log, log.schema.names, 4) == ()
    assert not any(late_effects(log, log.schema.names, 1) for log in logs(Trap.LAG, False, 8))


def test_few_rows_are_not_asked():
    log = trap_world(Trap.HIDDEN, sprung=True, seed=2000).log
    short = log[0]
    assert policies_that_saw_more(_one(log, short), log.schema.names) == ()


def _one(log, episode):
    return replace(
        log,
        values=episode.values[:20],
        starts=np.array([0, 20]),
        times=episode.times[:20],
        environment=log.environment[:1],
        terminated=log.terminated[:1],
        truncated=log.truncated[:1],
        labels=log.labels[:1],
    )
