"""Random worlds, and what discovery makes of them."""

import numpy as np
import pytest

import doworld as dw
from doworld.worlds.random import Form, RandomWorld


def _keys(graph: dw.CausalGraph) -> set[tuple[str, str, int]]:
    return {(e.source, e.target, e.lag) for e in graph.edges()}


@pytest.mark.parametrize("form", list(Form))
def test_worlds_stay_bounded_and_replay(form):
    world = RandomWorld(6, within=1, actions=1, form=form, seed=3)
    recording = world.record(4, 300, seed=1)
    assert np.abs(np.nan_to_num(recording.log.values)).max() < 50
    again = world.replay(recording, ())
    np.testing.assert_allclose(again.values, recording.log.values)
    done = world.replay(recording, (dw.Shift("a0", 0.5, at=10),))
    first = slice(0, 10)
    np.testing.assert_array_equal(done.values[first], recording.log.values[first])


def test_the_graph_is_what_moves_the_states():
    world = RandomWorld(5, parents=1, within=1, seed=2)
    assert len(world.graph.edges()) == 5 + 5 + 4
    recording = world.record(1, 30, seed=0)
    moved = world.replay(recording, (dw.Shift("z0", 1.0, at=5),)).values
    changed = (moved != recording.log.values)[5]
    below = {"z0"} | {t for s, t, lag in _keys(world.graph) if s == "z0" and lag == 0}
    assert below <= {world.schema.names[i] for i in np.flatnonzero(changed)}


@pytest.mark.parametrize("form", [Form.LINEAR, Form.ADDITIVE])
def test_arrows_within_the_row_are_right_or_left_open(form):
    wrong = right = open_ends = 0
    for seed in range(4):
        world = RandomWorld(6, within=1, form=form, strength=0.6, seed=seed)
        found = dw.discover(world.collect(5, 200, seed=100 + seed))
        truth = {key[:2] for key in _keys(world.graph) if key[2] == 0}
        for edge in found.edges():
            if edge.lag == 0 and edge.mark == "-->":
                right += (edge.source, edge.target) in truth
                wrong += (edge.source, edge.target) not in truth
            elif edge.lag == 0:
                open_ends += 1
    assert right + wrong + open_ends >= 14
    assert wrong <= 1


def test_what_acts_through_the_row_is_no_lagged_edge():
    rng = np.random.default_rng(0)
    rows = np.zeros((1500, 3))
    for t in range(1, 1500):
        u, a, b = rows[t - 1]
        moved = 0.5 * a + 0.8 * u + rng.standard_normal()
        rows[t] = [rng.standard_normal(), moved, 0.4 * b + 0.8 * moved + rng.standard_normal()]
    import polars as pl

    frame = pl.DataFrame(rows, schema=["u", "a", "b"]).with_row_index("t")
    log = dw.Trajectories.from_frame(frame, state=["u", "a", "b"], time="t")
    found = dw.discover(log, max_lag=1)
    assert _keys(found) == {("a", "a", 1), ("b", "b", 1), ("u", "a", 1), ("a", "b", 0)}
    assert all(e.mark == "-->" for e in found.edges())
