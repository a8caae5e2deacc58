"""Smooth regressions: bends are noticed, directions found, and lines left to lines."""

import numpy as np
import polars as pl
import pytest

from doworld.data import Trajectories
from doworld.discover import BestOrder, discover
from doworld.discover.order.additive import AdditiveScore
from doworld.discover.tables.bends import bent
from doworld.graph import Mark, Prior


def table(x):
    names = [f"v{k}" for k in range(x.shape[1])]
    return Trajectories.from_frame(pl.DataFrame(dict(zip(names, x.T, strict=True))), state=names)


def lines(seed, noise, rows=500, variables=8):
    """Random linear effects of earlier variables, and the graph."""
    rng = np.random.default_rng(seed)
    dag = np.triu(rng.random((variables, variables)) < 0.25, 1)
    x = np.zeros((rows, variables))
    for j in range(variables):
        weight = rng.uniform(0.5, 1.2, j) * rng.choice([-1, 1], j) * dag[:j, j]
        x[:, j] = x[:, :j] @ weight + noise(rng, rows)
    return x, dag


def normal(rng, rows):
    return rng.standard_normal(rows)


def skewed(rng, rows):
    return rng.exponential(size=rows) - 1


def links(graph):
    return {frozenset((int(e.source[1:]), int(e.target[1:]))) for e in graph.edges()}


def test_lines_are_left_to_lines():
    for seed in range(6):
        x, _ = lines(seed, normal)
        assert not bent(x)
        graph, straight = discover(table(x)), discover(table(x), method=BestOrder())
        assert (graph.links, graph.doubtful) == (straight.links, straight.doubtful)
        assert graph.notes[1:] == straight.notes[1:]  # the first says what was looked for


def test_smooth_regressions_find_lines_too():
    for seed in range(3):
        x, _ = lines(seed, normal)
        straight = links(discover(table(x), method=BestOrder()))
        smooth = links(discover(table(x), method=BestOrder(smooth=True)))
        assert len(straight ^ smooth) <= 1


def test_skewed_noise_points_lines_and_is_not_taken_for_bends():
    right = total = 0
    for seed in range(4):
        x, dag = lines(seed, skewed)
        edges = discover(table(x), method=BestOrder(smooth=True)).edges()
        right += sum(
            e.mark is Mark.DIRECTED and dag[int(e.source[1:]), int(e.target[1:])] for e in edges
        )
        total += max(len(edges), int(dag.sum()))
    assert right / total >= 0.85


def test_additive_noise_points_a_bend():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(300)
    pair = np.column_stack([np.cos(1.5 * x) + x + 0.3 * rng.standard_normal(300), x])
    graph = discover(table(pair))
    (edge,) = graph.edges()
    assert (edge.source, edge.target, edge.mark) == ("v1", "v0", Mark.DIRECTED)
    assert edge.probability >= 0.95
    assert edge.evidence.test.startswith("nonlinear regression")
    assert any("lines leave clear bends" in note for note in graph.notes)


def test_a_line_with_gaussian_noise_stays_open():
    opened = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(300)
        pair = np.column_stack([x, x + rng.standard_normal(300)])
        (edge,) = discover(table(pair), method=BestOrder(smooth=True)).edges()
        opened += edge.mark is Mark.UNDIRECTED
    assert opened >= 6


def test_products_of_two_causes_are_seen():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 400))
    x = np.column_stack([a, b, a * b + 0.5 * a + 0.5 * b + 0.5 * rng.standard_normal(400)])
    assert bent(x)
    graph = discover(table(x))
    assert {(e.source, e.target) for e in graph.edges()} == {("v0", "v2"), ("v1", "v2")}


def test_priors_are_honoured():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(300)
    pair = np.column_stack([x, np.sin(2 * x) + 0.3 * rng.standard_normal(300)])
    graph = discover(table(pair), prior=Prior(forbidden=(("v0", "v1"),)))
    assert [(e.source, e.target) for e in graph.edges()] in ([], [("v1", "v0")])
    both = Prior(forbidden=(("v0", "v1"), ("v1", "v0")))
    assert discover(table(pair), prior=both).edges() == ()


def test_the_order_of_columns_does_not_matter():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((400, 3))
    x[:, 1] += np.sin(2 * x[:, 0])
    x[:, 2] += np.cos(2 * x[:, 1])
    there = {(e.source, e.target) for e in discover(table(x)).edges()}
    back = {(e.source, e.target) for e in discover(table(x[:, ::-1])).edges()}
    name = {f"v{k}": f"v{2 - k}" for k in range(3)}
    assert {(name[a], name[b]) for a, b in back} == there


def test_noise_decides_whether_its_shape_counts():
    for noise, shaped in ((normal, False), (skewed, True)):
        x, _ = lines(0, noise)
        score = AdditiveScore.of(x, float(np.log(len(x))))
        assert score.for_noise([0] * x.shape[1]).shaped is shaped


def test_gains_are_differences_of_scores():
    x, _ = lines(1, normal)
    score = AdditiveScore.of(x, float(np.log(len(x))))
    gains = score.gains(3, 0b1, [1, 2])
    assert gains[1] == pytest.approx(score.local(3, 0b101) - score.local(3, 0b1))
