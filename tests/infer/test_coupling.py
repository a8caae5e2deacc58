"""Tight bounds of a level under other causes, against couplings and linear programs."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from doworld.infer.counterfactual.coupling import coupled, extreme


def coupling(rng, p, q):
    """A random joint table with margins p and q (iterative proportional fitting)."""
    table = rng.gamma(0.3, size=(len(p), len(q))) + 1e-9
    for _ in range(500):
        table *= (p / table.sum(1))[:, None]
        table *= q / table.sum(0)
    return table


def monotone(p, q):
    """The coupling by one uniform noise through both inverse CDFs."""
    edges = np.unique(np.concatenate([[0.0], np.cumsum(p), np.cumsum(q)]).clip(0, 1))
    table = np.zeros((len(p), len(q)))
    for a, b in itertools.pairwise(edges):
        u = (a + b) / 2
        i = min(int((np.cumsum(p) <= u).sum()), len(p) - 1)
        j = min(int((np.cumsum(q) <= u).sum()), len(q) - 1)
        table[i, j] += b - a
    return table


@pytest.mark.parametrize("seed", range(10))
def test_every_coupling_lies_within(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    p, q = rng.dirichlet(np.full(size, 0.7)), rng.dirichlet(np.full(size, 0.7))
    y = int(p.argmax())
    low, high = coupled(p, q, np.array(y), np.array(False))
    for table in (coupling(rng, p, q), monotone(p, q), np.outer(p, q)):
        v = table[y] / table[y].sum()
        assert (low - 1e-4 <= v).all()
        assert (v <= high + 1e-4).all()
    assert (high - low < 1).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_ends_are_what_a_linear_program_over_all_couplings_finds(seed):
    rng = np.random.default_rng(100 + seed)
    size = 4
    p, q = rng.dirichlet(np.ones(size)), rng.dirichlet(np.ones(size))
    y = int(rng.integers(size))
    margins = [np.kron(np.eye(size)[i], np.ones(size)) for i in range(size)]
    margins += [np.kron(np.ones(size), np.eye(size)[j]) for j in range(size)]
    low, high = coupled(p, q, np.array(y), np.array(False))
    for level in range(size):
        cost = np.zeros(size * size)
        cost[y * size + level] = 1 / p[y]
        for sign, end in ((1, low), (-1, high)):
            found = linprog(sign * cost, A_eq=margins, b_eq=[*p, *q])
            assert sign * found.fun == pytest.approx(end[level], abs=1e-8)


def test_the_same_causes_give_the_fact_and_the_impossible_says_nothing():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.3, 0.5])
    low, high = coupled(p, q, np.array(1), np.array(True))
    assert low.tolist() == high.tolist() == [0, 1, 0]
    low, high = coupled(p, q, np.array(2), np.array(False))
    assert low.tolist() == [0, 0, 0]
    assert high.tolist() == [1, 1, 1]


def test_the_extreme_is_that_of_a_linear_program():
    rng = np.random.default_rng(0)
    for _ in range(20):
        v = rng.dirichlet(np.ones(5))
        low, high = v * rng.uniform(0, 1, 5), np.minimum(1, v + rng.uniform(0, 0.5, 5))
        value = rng.normal(size=5)
        ends = list(zip(low, high, strict=True))
        found = linprog(-value, A_eq=[np.ones(5)], b_eq=[1.0], bounds=ends)
        assert extreme(low, high, value) == pytest.approx(-found.fun, abs=1e-9)
