"""A ball that a box draws only where both are red."""

import numpy as np

import doworld as dw
from doworld.worlds.magnetic import Magnetic


def test_the_box_acts_only_where_both_are_red():
    world = Magnetic()
    recording = world.record(200, 5, seed=0)
    moved = world.replay(recording, (dw.Shift("box_x", 3.0, at=0),))
    old, new = (log.values.reshape(200, 6, -1) for log in (recording.log, moved))
    felt = (old[:, 1:, :2] != new[:, 1:, :2]).any((1, 2))
    np.testing.assert_array_equal(felt, world.attracted(old[:, 0]))
    assert 0.1 < felt.mean() < 0.4


def test_nothing_changed_replays_the_log():
    world = Magnetic(red=(1.0, 0.0), box=100.0)
    recording = world.record(5, 8, seed=1)
    np.testing.assert_array_equal(world.replay(recording, ()).values, recording.log.values)
    rows = recording.log.values
    assert (rows[:, 4] == 1).all()
    assert (rows[:, 5] == 0).all()
    assert np.abs(rows[:, 2:4]).max() > 30


def test_discovery_finds_no_cause_that_is_none():
    world = Magnetic()
    found = {(e.source, e.target) for e in dw.discover(world.collect(100, 20, seed=2)).edges()}
    assert found <= {(e.source, e.target) for e in world.graph.edges()}
    assert {("push_x", "ball_x"), ("push_y", "ball_y")} <= found
