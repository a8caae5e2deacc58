"""What must not matter does not, and episodes are never glued together."""

import numpy as np
from logs import linear_world, make_log, pairs

from doworld.discover import discover
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.units import units_of

MATRIX = np.array([[0.5, 0.5, 0.0], [0.0, 0.4, 0.5], [0.0, 0.0, 0.6]])


def test_order_and_scale_of_variables_do_not_matter():
    x = linear_world(MATRIX, 600, np.random.default_rng(0))
    one = pairs(discover(make_log([x], state=list("abc"))))
    other = pairs(discover(make_log([x[:, [2, 0, 1]] * [1e3, 1.0, 1e-3]], state=list("cab"))))
    assert one == other == {("a", "a"), ("a", "b"), ("b", "b"), ("b", "c"), ("c", "c")}


def test_same_seed_same_graph():
    x = linear_world(MATRIX, 300, np.random.default_rng(1))
    log = make_log([x], state=list("abc"))
    assert discover(log, seed=3).to_dict() == discover(log, seed=3).to_dict()


def test_episodes_are_not_glued():
    rng = np.random.default_rng(0)
    episodes = [
        np.array([[-5.0, 0.0], [5.0, 0.0]]) + rng.standard_normal((2, 2)) for _ in range(60)
    ]
    graph = discover(make_log(episodes, state=["a", "b"]))
    assert pairs(graph) == set()
    assert graph.max_lag == 1


def test_units_are_whole_episodes_and_never_split():
    units = units_of(np.repeat(np.arange(30), 7), seed=0)
    assert units.episodes
    assert units.count == 30
    assert all(len(set(units.fold[units.unit == u])) == 1 for u in range(30))


def test_probability_and_evidence():
    x = linear_world(MATRIX, 600, np.random.default_rng(0))
    edge = next(e for e in discover(make_log([x], state=list("abc"))).edges() if e.target == "b")
    assert 0.9 <= edge.probability <= 1
    assert edge.evidence is not None
    assert edge.evidence.rows == 599
    assert edge.evidence.p_value < 0.01


def test_benjamini_hochberg_counts_only_tests_made():
    p = np.array([1e-4, np.nan, 0.9, np.nan])
    assert benjamini_hochberg(p, 0.1) == 0.05
