"""Root causes: planted changes are found, and the parts add up."""

from dataclasses import replace

import numpy as np
import pytest

from doworld import Edge, Schema, Trajectories, Variable
from doworld._core.errors import DataError, QueryError, UnknownNameError
from doworld.graph import CausalGraph
from doworld.infer.root_cause import attribute_anomaly, attribute_drift
from doworld.infer.root_cause.anomaly import shapley_of_score
from doworld.worlds.services import Fault, Services

GRAPH = CausalGraph(
    ("a", "b", "c", "d"),
    (Edge("a", "b", 0), Edge("b", "c", 0), Edge("a", "c", 0), Edge("d", "c", 0)),
    max_lag=0,
)


def log(values, names="abcd"):
    schema = Schema(tuple(Variable(n) for n in names), step=1.0)
    return Trajectories(
        schema=schema,
        values=values,
        starts=np.array([0, len(values)]),
        times=np.arange(len(values), dtype=float),
        environment=np.zeros(1, np.int64),
        terminated=np.zeros(1, bool),
        truncated=np.ones(1, bool),
        labels=("0",),
    )


def rows(seed, count, push=None, size=6.0):
    """z_b = a, z_c = b + a/2 + d, with unit noise, and a push on one mechanism."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((count, 4)) + [size * (n == push) for n in "abcd"]
    a, d = e[:, 0], e[:, 3]
    b = a + e[:, 1]
    return np.stack([a, b, b + 0.5 * a + d + e[:, 2], d], 1)


@pytest.mark.parametrize("push", "abcd")
def test_a_pushed_mechanism_comes_first_and_parts_add_up(push):
    normal, odd = log(rows(0, 400)), log(rows(1, 3, push))
    found = attribute_anomaly(normal, odd, GRAPH, target="c")
    first = found.mechanisms[0]
    assert first.name == push
    assert first.lower <= first.contribution <= first.upper
    total = sum(m.contribution for m in found.mechanisms)
    shift = odd.column("c").mean() - normal.column("c").mean()
    assert total == pytest.approx(found.shift)
    assert found.shift == pytest.approx(shift, rel=1e-6)
    assert sum(m.score for m in found.mechanisms) == pytest.approx(found.score)
    assert found.score > 3


def test_the_parts_are_those_of_the_true_mechanisms():
    found = attribute_anomaly(log(rows(0, 4000)), log(rows(1, 3, "a")), GRAPH, target="c")
    pushed = np.array([6.0, 0.0, 0.0, 0.0])
    noise = np.random.default_rng(1).standard_normal((3, 4)).mean(0) + pushed
    truth = dict(zip("abcd", noise * [1.5, 1.0, 1.0, 1.0], strict=True))
    for own in found.mechanisms:
        assert own.contribution == pytest.approx(truth[own.name], abs=0.5)


def random_world(seed, count=7):
    """A random linear graph; the last variable is the target."""
    rng = np.random.default_rng(seed)
    weights = np.tril(rng.uniform(0.5, 1.2, (count, count)), -1)
    weights *= rng.uniform(size=weights.shape) < 0.5
    for i in range(count - 1):
        if not weights[:, i].any():
            weights[count - 1, i] = 1.0
    names = tuple(f"z{i}" for i in range(count))
    edges = tuple(Edge(names[j], names[i], 0) for i, j in np.argwhere(weights))
    graph = CausalGraph(names, edges, max_lag=0)

    def draw(size, push=-1):
        noise = rng.laplace(size=(size, count))
        if push >= 0:
            noise[:, push] += rng.choice([-1, 1]) * 8
        table = np.linalg.solve(np.eye(count) - weights, noise.T).T
        table[rng.uniform(size=table.shape) < 0.05] = np.nan
        table[:, -1] = np.where(np.isnan(table[:, -1]), 0.0, table[:, -1])
        return log(table, names)

    return graph, draw, int(rng.integers(count))


def test_planted_mechanisms_of_random_worlds_are_found():
    hits = 0
    for seed in range(30):
        graph, draw, push = random_world(seed)
        found = attribute_anomaly(draw(300), draw(2, push), graph, target="z6")
        hits += found.mechanisms[0].name == f"z{push}"
    assert hits >= 27


def test_services_at_fault_are_found():
    hits = 0
    for seed in range(6):
        shop = Services(6, seed=seed)
        root = f"s{1 + seed % 5}"
        delay = seed % 2 == 0
        fault = Fault(root, delay=2.0) if delay else Fault(root, share=0.6, fails=True)
        odd = shop.collect(5, fault=fault, seed=100 + seed)
        target = shop.front[0 if delay else 1]
        found = attribute_anomaly(shop.collect(200, seed=seed), odd, shop.graph, target=target)
        hits += found.entities[0].name == root
    assert hits >= 5


def test_shapley_of_the_score_is_efficient_and_symmetric():
    rng = np.random.default_rng(0)
    usual = rng.standard_normal((500, 4))
    usual[:, 1] = usual[:, 0]
    usual[:, 3] = 0.0
    score, error = shapley_of_score(np.array([3.0, 3.0, 1.0, 0.0]), usual, rng, orders=400)
    none = (np.abs(usual.sum(1)) >= 7).sum()
    assert score.sum() == pytest.approx(-np.log((1 + none) / 501))
    assert abs(score[0] - score[1]) < 4 * np.hypot(error[0], error[1])
    assert score[3] == pytest.approx(0.0)


def test_a_lagged_cause_is_found_where_it_began():
    rng = np.random.default_rng(5)

    def series(count, push=False):
        e = rng.standard_normal((count, 2))
        e[2:5, 0] += 8 * push
        table = np.zeros((count, 2))
        for t in range(count):
            table[t, 0] = e[t, 0]
            past = table[t - 1] if t else np.zeros(2)
            table[t, 1] = 0.5 * past[1] + past[0] + e[t, 1]
        return log(table, "xy")

    graph = CausalGraph(("x", "y"), (Edge("x", "y", 1), Edge("y", "y", 1)), max_lag=1)
    found = attribute_anomaly(series(500), series(8, push=True), graph, target="y")
    assert found.mechanisms[0].name == "x"
    assert sum(m.contribution for m in found.mechanisms) == pytest.approx(found.shift)


@pytest.mark.parametrize("push", "abd")
def test_a_drift_goes_to_the_mechanism_that_moved(push):
    before, after = log(rows(0, 500)), log(rows(1, 500, push, 2.0))
    found = attribute_drift(before, after, GRAPH, target="c", level=0.99)
    first = found.mechanisms[0]
    assert first.name == push
    true = 2.0 * {"a": 1.5, "b": 1.0, "d": 1.0}[push]
    assert first.lower - 0.1 <= true <= first.upper + 0.1
    assert sum(m.contribution for m in found.mechanisms) == pytest.approx(found.shift)
    shift = after.column("c").mean() - before.column("c").mean()
    assert found.shift == pytest.approx(shift, abs=0.02)


def test_units_change_nothing_but_themselves():
    odd = rows(1, 3, "b")
    one = attribute_anomaly(log(rows(0, 300)), log(odd), GRAPH, target="c")
    scale = np.array([10.0, 0.1, 3.0, 1.0])
    two = attribute_anomaly(log(rows(0, 300) * scale + 5), log(odd * scale + 5), GRAPH, target="c")
    assert [m.name for m in one.mechanisms] == [m.name for m in two.mechanisms]
    assert two.shift == pytest.approx(3 * one.shift)


def test_what_cannot_be_asked():
    normal, odd = log(rows(0, 100)), log(rows(1, 3, "a"))
    with pytest.raises(UnknownNameError, match="'e'"):
        attribute_anomaly(normal, odd, GRAPH, target="e")
    small = CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0)
    with pytest.raises(QueryError, match="graph lacks 'c'"):
        attribute_anomaly(normal, odd, small, target="c")
    gone = replace(odd, values=np.where(np.arange(4) == 2, np.nan, odd.values))
    with pytest.raises(QueryError, match="no value in the odd rows"):
        attribute_anomaly(normal, gone, GRAPH, target="c")
    with pytest.raises(QueryError, match="level"):
        attribute_anomaly(normal, odd, GRAPH, target="c", level=90)
    with pytest.raises(DataError, match="attribute_anomaly"):
        attribute_drift(normal, odd, GRAPH, target="c")


def test_words_data_and_figure():
    found = attribute_anomaly(log(rows(0, 300)), log(rows(1, 3, "a")), GRAPH, target="c")
    assert "a is the likeliest root cause" in str(found)
    assert found.to_dict()["mechanisms"][0]["name"] == "a"
    bars = found.figure().data[0]
    assert bars.x[-1] == found.entities[0].contribution
    assert "<table>" in found._repr_html_()


def test_intervals_of_a_drift_are_about_the_shares_they_stand_beside():
    names = ("a", "b", "d")
    graph = CausalGraph(names, (Edge("a", "b", 1), Edge("b", "d", 0)), max_lag=1)

    def made(seed, *, later):
        rng, a, rows = np.random.default_rng(seed), 0.0, []
        for _ in range(400):
            before, a = a, (3.0 if later else 1.0) + rng.normal()
            b = (2.0 if later else 1.0) * before + rng.normal()
            rows.append((a, b, (2.0 if later else 1.0) * b + rng.normal()))
        return log(np.array(rows), names="abd")

    # each mechanism multiplies what comes before it: the order of exchange matters
    found = attribute_drift(
        made(0, later=False), made(1, later=True), graph, target="d", level=0.99
    )
    truth = {"a": 14 / 3, "b": 19 / 6, "d": 19 / 6}
    for part in found.mechanisms:
        assert part.lower < part.contribution < part.upper
        assert part.lower <= truth[part.name] <= part.upper
