"""Which mechanism changed, from a few rows, and when, row by row."""

from dataclasses import replace

import numpy as np
import pytest

from doworld._core.errors import DataError, QueryError, SchemaError, UnknownNameError
from doworld.data import Kind, Schema, Trajectories, Variable
from doworld.discover import detect_changes, localise_change
from doworld.graph import CausalGraph, Edge
from doworld.worlds.changes import ChangingWorld

CHAIN = CausalGraph(
    ("a", "b", "c", "d"), (Edge("a", "b", 0), Edge("b", "c", 0), Edge("c", "d", 0)), max_lag=0
)


def series(values, names="abcd", *, entities=None, kinds=None, starts=None):
    values = np.asarray(values, float)
    entities, kinds = entities or {}, kinds or {}
    variables = tuple(
        Variable(n, entity=entities.get(n, ""), kind=kinds.get(n, Kind.CONTINUOUS)) for n in names
    )
    starts = np.array([0, len(values)] if starts is None else starts)
    count = len(starts) - 1
    return Trajectories(
        schema=Schema(variables),
        values=values,
        starts=starts,
        times=np.arange(len(values), dtype=float),
        environment=np.zeros(count, np.int64),
        terminated=np.zeros(count, bool),
        truncated=np.ones(count, bool),
        labels=tuple(map(str, range(count))),
    )


def chain(rng, rows, push=(0.0, 0.0, 0.0, 0.0), from_row=0):
    """a → b → c → d, with ``push`` on each from a row on."""
    x = np.zeros((rows, 4))
    push = np.where(np.arange(rows)[:, None] >= from_row, np.array(push), 0.0)
    for j in range(4):
        x[:, j] = (x[:, j - 1] if j else 0) + 0.5 * rng.standard_normal(rows) + push[:, j]
    return x


@pytest.mark.parametrize("rows", [1, 5, 40, 500])
def test_the_first_of_a_chain_of_disturbed_variables_is_named(rows):
    for where in range(4):
        rng = np.random.default_rng(where)
        push = [0.0] * 4
        push[where] = 6.0
        found = localise_change(series(chain(rng, 400)), series(chain(rng, rows, push)), CHAIN)
        first = found.mechanisms[0]
        assert first.variable == "abcd"[where]
        assert first.changed or rows == 1
        assert first.shift > 3
        assert first.effect > 3
        assert first.rows == rows


def test_p_values_of_what_does_not_change_are_uniform():
    p = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        found = localise_change(series(chain(rng, 200)), series(chain(rng, 4)), CHAIN)
        p += [m.p_value for m in found.mechanisms]
    p = np.array(p)
    assert np.mean(p <= 0.05) < 0.08
    assert 0.12 < np.mean(p <= 0.2) < 0.28


def test_false_discoveries_stay_near_the_rate():
    some = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        found = localise_change(series(chain(rng, 300)), series(chain(rng, 5)), CHAIN, fdr=0.1)
        some += any(m.changed for m in found.mechanisms)
    assert some <= 12


@pytest.mark.parametrize("static", [True, False])
def test_planted_changes_are_ranked_first(static):
    right = 0
    for seed in range(12):
        world = ChangingWorld(5, changes=1, static=static, seed=seed)
        usual, other = world.rules
        many, few = ((400, 0), (30, 0)) if static else ((2, 250), (1, 30))
        found = localise_change(
            usual.collect(*many, seed=seed), other.collect(*few, seed=seed + 50), world.graph
        )
        right += world.changed[0] in [m.variable for m in found.mechanisms[:1]]
    assert right >= 9


def test_target_leaves_out_what_cannot_be_its_reason():
    rng = np.random.default_rng(0)
    usual, now = series(chain(rng, 300)), series(chain(rng, 5, (0, 0, 0, 9.0)))
    found = localise_change(usual, now, CHAIN, target="c")
    assert {m.variable for m in found.mechanisms} == {"a", "b", "c"}
    assert not any(m.effect > 3 for m in found.mechanisms)
    with pytest.raises(UnknownNameError, match="'e'"):
        localise_change(usual, now, CHAIN, target="e")


def test_objects_stand_for_their_strongest_variable():
    rng = np.random.default_rng(0)
    of = {"a": "pump", "b": "pump", "c": "tank"}
    usual = series(chain(rng, 300), entities=of)
    now = series(chain(rng, 5, (0, 9.0, 0, 0)), entities=of)
    found = localise_change(usual, now, CHAIN)
    assert found.entities[0].entity == "pump"
    assert {e.entity for e in found.entities} == {"pump", "tank", "d"}
    assert found.entities[0].strongest.variable == "b"
    assert found.entities[0].p_value == pytest.approx(2 * found.entities[0].strongest.p_value)


def test_what_never_moved_and_moves_is_found():
    rng = np.random.default_rng(0)
    x, y = chain(rng, 300), chain(rng, 5)
    x[:, 0], y[:, 0] = 100.0, 97.0
    found = localise_change(series(x), series(y), CHAIN)
    assert found.mechanisms[0].variable == "a"
    assert np.isfinite(found.mechanisms[0].effect)


def test_missing_values_and_unknown_variables():
    rng = np.random.default_rng(0)
    x, y = chain(rng, 300), chain(rng, 6, (0, 0, 9.0, 0))
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    y[1, 2] = np.nan
    x[:, 3] = np.nan
    found = localise_change(series(x), series(y), CHAIN)
    assert found.mechanisms[0].variable == "c"
    assert found.mechanisms[0].rows == 5
    last = found.mechanisms[-1]
    assert last.variable == "d"
    assert np.isnan(last.p_value)
    assert not last.changed
    assert "normal operation has fewer than 20 rows" in last.note


def test_levels_are_judged():
    rng = np.random.default_rng(0)
    a = rng.integers(2, size=405).astype(float)
    b = np.where(rng.uniform(size=405) < 0.95, a, 1 - a)
    b[400:] = 1 - a[400:]
    graph = CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0)
    kinds = {"a": Kind.BINARY, "b": Kind.BINARY}
    rows = np.c_[a, b]
    found = localise_change(
        series(rows[:400], "ab", kinds=kinds), series(rows[400:], "ab", kinds=kinds), graph
    )
    assert found.mechanisms[0].variable == "b"
    assert found.mechanisms[0].changed


def test_units_change_nothing():
    rng = np.random.default_rng(0)
    x, y = chain(rng, 300), chain(rng, 5, (0, 4.0, 0, 0))
    scale = np.array([1e5, -1e-3, 2.0, 1.0])
    plain = localise_change(series(x), series(y), CHAIN).mechanisms
    other = localise_change(series(x * scale + 7), series(y * scale + 7), CHAIN).mechanisms
    assert [m.variable for m in other] == [m.variable for m in plain]
    assert [m.effect for m in other] == pytest.approx([m.effect for m in plain], rel=1e-4)


def test_bad_pairs_of_logs_say_what_is_wrong():
    rng = np.random.default_rng(0)
    usual = series(chain(rng, 300))
    with pytest.raises(SchemaError, match="they differ in d, e"):
        localise_change(usual, series(chain(rng, 5), "abce"), CHAIN)
    with pytest.raises(UnknownNameError, match="'z'"):
        localise_change(usual, usual, CausalGraph(("z",), (), max_lag=0))
    with pytest.raises(DataError, match="normal operation has 9 rows"):
        localise_change(series(chain(rng, 9)), usual, CHAIN)


def test_no_alarm_while_nothing_changes():
    false = 0
    for seed in range(15):
        world = ChangingWorld(4, static=False, heavy=seed % 2 == 1, seed=seed)
        usual, more = (world.rules[0].collect(1, 500, seed=s) for s in (seed, seed + 100))
        false += bool(detect_changes(usual, more, world.graph, chance=0.1, horizon=500).alarms)
    assert false <= 3


def test_a_change_is_noticed_soon_and_placed():
    right = noticed = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        push = [0.0] * 4
        push[seed % 4] = 1.5
        usual = series(chain(rng, 500))
        watched = detect_changes(usual, series(chain(rng, 300, push, from_row=150)), CHAIN)
        assert all(a.row >= 150 for a in watched.alarms)
        if watched.alarms:
            first = watched.alarms[0]
            noticed += first.row <= 165
            right += first.variables[0] == "abcd"[seed % 4]
            assert first.since <= first.row
            assert first.time == first.row
    assert noticed >= 7
    assert right >= 7


def test_nothing_later_is_looked_at():
    rng = np.random.default_rng(0)
    usual, rows = series(chain(rng, 500)), chain(rng, 200, (2.0, 0, 0, 0), from_row=100)
    whole = detect_changes(usual, series(rows), CHAIN)
    first = whole.alarms[0].row
    part = detect_changes(usual, series(rows[: first + 1]), CHAIN)
    assert part.alarms[0].row == first
    assert np.allclose(part.evidence, whole.evidence[: first + 1])
    assert not detect_changes(usual, series(rows[:first]), CHAIN).alarms


def test_episodes_are_watched_apart():
    rng = np.random.default_rng(0)
    usual = series(chain(rng, 500))
    rows = np.concatenate([chain(rng, 100), chain(rng, 100, (0, 3.0, 0, 0))])
    watched = detect_changes(usual, series(rows, starts=[0, 100, 200]), CHAIN)
    assert {a.episode for a in watched.alarms} == {"1"}
    assert watched.alarms[0].variables[0] == "b"
    assert watched.alarms[0].row < 20


def test_gaps_and_causes_that_never_moved():
    rng = np.random.default_rng(0)
    x, y = chain(rng, 400), chain(rng, 100)
    x[rng.uniform(size=x.shape) < 0.05] = np.nan
    y[rng.uniform(size=y.shape) < 0.05] = np.nan
    x[:, 0] = 1.0
    y[:, 0] = 1.0
    y[50:, 0] = 3.0
    watched = detect_changes(series(x), series(y), CHAIN)
    assert {a.variables[0] for a in watched.alarms} <= {"a"}
    x[:, 3] = np.nan
    watched = detect_changes(series(x), series(y), CHAIN)
    assert "d" not in watched.variables
    assert any("'d': not watched" in n for n in watched.notes)


def test_bad_watching_says_what_is_wrong():
    rng = np.random.default_rng(0)
    usual = series(chain(rng, 300))
    static = replace(usual, schema=replace(usual.schema, step=0.0))
    with pytest.raises(SchemaError, match="no time"):
        detect_changes(static, static, CHAIN)
    with pytest.raises(QueryError, match="chance is 2"):
        detect_changes(usual, usual, CHAIN, chance=2.0)
    with pytest.raises(DataError, match="20 complete rows of normal operation"):
        detect_changes(series(chain(rng, 10)), usual, CHAIN)
