"""Planted failures: the fatal row is the only one whose change saves, by the world's own replay."""

import numpy as np
import pytest

from doworld.query import Set
from doworld.worlds.planted import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_fatal_action_saves(kind):
    world = KINDS[kind](1)
    failure = world.failures(1, seed=0)[0]
    rows = failure.recording.log.values[None]
    assert not world.succeeded(rows)[0]
    assert failure.truth.sum() == 1
    assert failure.truth[failure.fatal]
    saved = np.zeros(world.steps, bool)
    for t in range(world.steps):
        for value in world.choices[:: 1 if len(world.choices) < 9 else 10]:
            label = world.schema["u"].label(float(value))
            other = world.replay(failure.recording, [Set("u", label, at=t)])
            saved[t] |= world.succeeded(other.values[None])[0]
    assert not (saved & ~failure.truth).any()
    assert saved[failure.fatal]


@pytest.mark.parametrize("kind", KINDS)
def test_logs_hold_successes_and_failures(kind):
    world = KINDS[kind](0)
    log = world.collect(200, world.steps, seed=0)
    rate = world.succeeded(log.values.reshape(200, world.steps + 1, -1)).mean()
    assert 0.02 < rate < 0.98


def test_the_same_seed_plants_the_same():
    one, two = (KINDS["chain"](3).failures(2, seed=5) for _ in range(2))
    assert [f.fatal for f in one] == [f.fatal for f in two]
