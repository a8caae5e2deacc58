"""Worlds: logs, exact do() and exact replay."""

import numpy as np
import pytest

import doworld as dw
from doworld._core.errors import QueryError, UnknownNameError
from doworld.worlds.chemical import GRAPHS, KE, Chemical


@pytest.fixture(scope="module")
def world() -> Chemical:
    return Chemical("jungle", seed=3)


@pytest.fixture(scope="module")
def recording(world):
    return world.record(20, 12, seed=4)


def test_nothing_changed_replays_the_log(world, recording):
    again = world.replay(recording, ())
    np.testing.assert_array_equal(again.values, recording.log.values)


def test_what_is_set_stays_set_and_moves_only_what_is_below(world, recording):
    done = world.replay(recording, (dw.Set("object1", "colour2", at=5),))
    old, new = (log.values.reshape(20, 13, -1) for log in (recording.log, done))
    np.testing.assert_array_equal(old[:, :5], new[:, :5])
    assert (new[:, 5, 1] == 2).all()
    above = [world.schema.position(n) for n in ("object0", "object2")]
    np.testing.assert_array_equal(old[..., above], new[..., above])


def test_another_action_changes_what_follows(world, recording):
    done = world.replay(recording, (dw.Set("action", "object0=colour4", at=3),))
    old, new = (log.values.reshape(20, 13, -1) for log in (recording.log, done))
    assert (new[:, 4, 0] == 4).all()
    np.testing.assert_array_equal(old[:, :4, :5], new[:, :4, :5])


def test_the_same_seed_gives_the_same_world():
    one, two = (Chemical("full", seed=9).collect(3, 5, seed=1).values for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_only_what_lies_below_the_painted_object_changes(world):
    log = world.collect(200, 20, seed=0)
    rows = log.windows(2)
    painted = (log.values[rows, world.action] // world.colours).astype(int)
    moved = log.values[rows + 1, :5] != log.values[rows, :5]
    reach = np.linalg.matrix_power(np.eye(5) + world.everywhere, 5) > 0
    assert not moved[~reach[painted]].any()


def test_where_the_root_has_its_first_colour_another_graph_holds():
    world = Chemical("full", local="fork", objects=6, recipe=KE)
    row = np.zeros((1, len(world.schema)))
    other = row.copy()
    other[0, 1:5] = 3
    np.testing.assert_allclose(world.logits(5, row), world.logits(5, other))
    row[0, 0] = other[0, 0] = 1
    assert not np.allclose(world.logits(5, row), world.logits(5, other))
    assert {(e.source, e.target) for e in world.graph.edges() if e.lag == 0} == {
        (f"object{i}", f"object{j}") for i in range(6) for j in range(i + 1, 6)
    }


def test_bad_input(world, recording):
    with pytest.raises(UnknownNameError, match="graph"):
        Chemical("ring")
    with pytest.raises(UnknownNameError):
        world.replay(recording, (dw.Set("object9", 0),))
    with pytest.raises(QueryError, match="0…12"):
        world.replay(recording, (dw.Set("object1", 0, at=13),))
    assert set(GRAPHS) == {"chain", "collider", "full", "jungle", "fork"}
