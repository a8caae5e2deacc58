"""Equivalence classes against enumeration of every DAG with the same independences."""

from itertools import combinations, product

import numpy as np
import pytest

from doworld.graph.equivalence import equivalence_class, implied


def acyclic(graph):
    power = np.eye(len(graph))
    for _ in graph:
        power = power @ graph
        if np.trace(power):
            return False
    return True


def colliders(dag):
    linked = dag | dag.T
    return {
        (i, k, j)
        for k in range(len(dag))
        for i, j in combinations(np.flatnonzero(dag[:, k]).tolist(), 2)
        if not linked[i, j]
    }


def members(dag):
    """Every DAG with the same skeleton and the same v-structures."""
    pairs = np.argwhere(np.triu(dag | dag.T)).tolist()
    for ways in product((False, True), repeat=len(pairs)):
        other = np.zeros_like(dag)
        for (i, j), turned in zip(pairs, ways, strict=True):
            other[(j, i) if turned else (i, j)] = True
        if acyclic(other) and colliders(other) == colliders(dag):
            yield other


def random_dag(nodes, rng):
    order = rng.permutation(nodes)
    return np.triu(rng.random((nodes, nodes)) < 0.5, 1)[np.ix_(order, order)]


@pytest.mark.parametrize("seed", range(12))
def test_an_arrow_points_as_in_every_member(seed):
    rng = np.random.default_rng(seed)
    dag = random_dag(5, rng)
    every = list(members(dag))
    assert (equivalence_class(dag) == np.any(every, 0)).all()
    assert all((equivalence_class(m) == equivalence_class(dag)).all() for m in every)


@pytest.mark.parametrize("seed", range(12))
def test_known_directions_leave_the_members_that_agree(seed):
    rng = np.random.default_rng(seed)
    dag = random_dag(5, rng)
    known = dag & (rng.random(dag.shape) < 0.3)
    agree = [m for m in members(dag) if (m | ~known).all()]
    assert (equivalence_class(dag, known) == np.any(agree, 0)).all()


def test_nothing_follows_from_a_directed_graph():
    dag = random_dag(6, np.random.default_rng(0))
    assert not implied(dag).any()
    assert equivalence_class(np.zeros((0, 0), bool)).shape == (0, 0)
