"""Effects by any formula of identification, and bounds where there is none, on known worlds."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.graph import MixedGraph
from doworld.identify import Bounded, Identified
from doworld.identify import effect_of as formula_of
from doworld.infer.effect import effect_of
from doworld.query import Effect, Status
from doworld.worlds.latent import LatentWorld, random_mixed_graph

ASK_A = Effect(treatment="a", outcome="y")
NAPKIN = MixedGraph.of("w -> r -> x -> y", "w <-> x", "w <-> y")


def log_of(world, size, seed=0):
    law = world.law()
    cells = np.random.default_rng([seed, 5]).choice(law.size, size, p=law.ravel() / law.sum())
    columns = np.unravel_index(cells, law.shape)
    frame = pl.DataFrame(
        {n: pl.Series(c.astype(str)) for n, c in zip(world.graph.nodes, columns, strict=True)}
    )
    if world.levels == 2:
        frame = frame.select(pl.all().cast(pl.Int64).cast(pl.Boolean))
    return dw.Trajectories.from_frame(frame, state=list(world.graph.nodes))


def graph_of(world):
    edges = [dw.Edge(a, b, 0) for a, b in sorted(world.directed)]
    for a, b in sorted(tuple(e) for e in world.bidirected):
        one, other = (b, a) if (a, b) in world.directed else (a, b)
        edges.append(dw.Edge(one, other, 0, dw.Mark.BIDIRECTED))
    return dw.CausalGraph(world.nodes, tuple(edges), max_lag=0)


def done(world, x, y, high=1):
    """P(y = 1 | do(x = high)) − P(y = 1 | do(x = 0))."""
    nodes = world.graph.nodes
    law = world.law((x,))
    keep = (nodes.index(x), nodes.index(y))
    both = law.sum(tuple(i for i in range(len(nodes)) if i not in keep))
    both = both if keep[0] < keep[1] else both.T
    return float(both[high, 1] - both[0, 1])


def seen(log, x, y):
    a, b = log.column(x), log.column(y)
    return float(b[a == 1].mean() - b[a == 0].mean())


def napkin(size, seed=0):
    """w → r → x → y with hidden causes of w, x and of w, y; the effect is 0.3."""
    rng = np.random.default_rng([seed, 8])
    u, v = rng.integers(0, 2, (2, size))
    w = rng.random(size) < 0.1 + 0.3 * u + 0.5 * v
    r = rng.random(size) < 0.1 + 0.8 * w
    x = rng.random(size) < 0.1 + 0.6 * r + 0.2 * u
    y = rng.random(size) < 0.1 + 0.3 * x + 0.5 * v
    frame = pl.DataFrame({"w": w, "r": r, "x": x, "y": y})
    return dw.Trajectories.from_frame(frame, state=list("wrxy"))


def test_the_napkin_is_computed_by_its_formula_and_is_not_what_is_seen():
    log = napkin(20_000, seed=1)
    ask = Effect(treatment="x", outcome="y", level=0.99)
    answer = effect_of(log, graph_of(NAPKIN), ask)
    assert answer.status is Status.IDENTIFIED
    low, high = answer.interval["y"]
    assert low[0] <= 0.3 <= high[0]
    assert high[0] - low[0] < 0.12
    assert seen(log, "x", "y") > high[0] + 0.05
    assert "Σ" in answer.why.adjustment
    assert "P(w)" in answer.why.adjustment
    assert answer == effect_of(log, graph_of(NAPKIN), ask)
    each = effect_of(log, graph_of(NAPKIN), Effect(treatment="x", outcome="y", estimand="dose"))
    arms = each.estimate["y"]
    assert arms[1] - arms[0] == pytest.approx(answer.estimate["y"][0])


def test_the_interval_of_a_formula_covers_as_often_as_it_says():
    ask, hits = Effect(treatment="x", outcome="y", level=0.9), 0
    for seed in range(10):
        low, high = effect_of(napkin(2000, seed), graph_of(NAPKIN), ask).interval["y"]
        hits += low[0] <= 0.3 <= high[0]
    assert hits >= 7  # of 10 at 0.9, fewer has probability 0.013


def test_a_formula_of_numbers_is_refused_with_the_formula():
    rng = np.random.default_rng(0)
    log = dw.Trajectories.from_frame(
        pl.DataFrame({n: rng.normal(size=200) for n in "wrxy"}), state=list("wrxy")
    )
    answer = effect_of(log, graph_of(NAPKIN), Effect(treatment="x", outcome="y"))
    assert answer.status is Status.NOT_IDENTIFIED
    assert "Σ" in answer.why.warnings[0]
    assert "levels" in answer.fix


def cases(kind, count, nodes=4):
    """Random worlds whose verdict is of a kind; formulas beyond adjustment where identified."""
    found = []
    for seed in range(400):
        g = random_mixed_graph(nodes, seed=seed, directed=0.6, bidirected=0.35)
        x, y = g.order()[0], g.order()[-1]
        verdict = formula_of(g, [x], [y])
        if y not in g.descendants([x]) or g.position[x] == g.position[y]:
            continue
        hidden = not isinstance(verdict, Identified)
        if hidden == (kind is Bounded) and g.bidirected:
            found.append((seed, g, x, y))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(("seed", "graph", "x", "y"), cases(Bounded, 10))
def test_bounds_hold_the_truth_in_random_worlds(seed, graph, x, y):
    world = LatentWorld.random(graph, seed=seed)
    ask = Effect(treatment=x, outcome=y, level=0.99)
    answer = effect_of(log_of(world, 4000, seed), graph_of(graph), ask)
    assert answer.status is Status.BOUNDED
    low, high = answer.interval[y]
    assert low[0] <= done(world, x, y) <= high[0]
    assert high[0] - low[0] < 1.3
    assert answer.fix


@pytest.mark.parametrize(("seed", "graph", "x", "y"), cases(Identified, 6))
def test_identified_effects_are_true_in_random_worlds(seed, graph, x, y):
    world = LatentWorld.random(graph, seed=seed)
    ask = Effect(treatment=x, outcome=y, level=0.999)
    answer = effect_of(log_of(world, 4000, seed), graph_of(graph), ask)
    assert answer.status is Status.IDENTIFIED
    low, high = answer.interval[y]
    assert low[0] <= done(world, x, y) <= high[0]


def test_an_instrument_of_levels_gives_the_bound_of_balke_and_pearl():
    from doworld.infer.bounding import Counts, balke_pearl

    world = LatentWorld.random(MixedGraph.of("z -> x -> y", "x <-> y"), seed=3)
    log = log_of(world, 5000)
    answer = effect_of(log, graph_of(world.graph), Effect(treatment="x", outcome="y"))
    own = balke_pearl(Counts.of(log, ("z", "x", "y")), "z", "x", "y", level=0.9)
    assert answer.status is Status.BOUNDED
    low, high = answer.interval["y"]
    assert (low[0], high[0]) == pytest.approx((own.low, own.high), abs=0.02)
    assert low[0] <= done(world, "x", "y") <= high[0]


def test_more_levels_than_two_are_bounded_too():
    world = LatentWorld.random(MixedGraph.of("x -> y", "x <-> y"), seed=1, levels=3)
    log = log_of(world, 4000)
    ask = Effect(treatment="x", outcome="y", event="1", levels=("0", "2"), level=0.99)
    answer = effect_of(log, graph_of(world.graph), ask)
    assert answer.status is Status.BOUNDED
    low, high = answer.interval["y"]
    assert low[0] <= done(world, "x", "y", high=2) <= high[0]


def over_time(size=6000):
    """u(t) moves a(t) and y(t + 2); a(t) → m(t + 1) → y(t + 2), all of two levels."""
    rng = np.random.default_rng(5)
    u = rng.integers(0, 2, size)
    a = rng.random(size) < 0.2 + 0.6 * u
    m, y = np.zeros(size, bool), np.zeros(size, bool)
    m[1:] = rng.random(size - 1) < 0.2 + 0.6 * a[:-1]
    y[2:] = rng.random(size - 2) < 0.1 + 0.5 * m[1:-1] + 0.3 * u[:-2]
    frame = pl.DataFrame({"t": np.arange(float(size)), "a": a, "m": m, "y": y})
    log = dw.Trajectories.from_frame(frame, state=["a", "m", "y"], time="t")
    links = [dw.Edge("a", "m", 1), dw.Edge("m", "y", 1), dw.Edge("a", "y", 2, dw.Mark.BIDIRECTED)]
    return log, dw.CausalGraph(("a", "m", "y"), tuple(links), max_lag=2)


def test_a_formula_over_time_counts_rows_that_follow_one_another():
    log, graph = over_time()
    ask = Effect(treatment="a", outcome="y", lag=2, level=0.99)
    short = effect_of(log, graph, ask)
    arms = effect_of(log, graph, ask.model_copy(update={"estimand": "dose"}))
    for answer in (short, arms):
        assert answer.status is Status.IDENTIFIED
        assert "front-door" in answer.why.adjustment
    low, high = short.interval["y"]
    assert low[0] <= 0.3 <= high[0]
    low, high = arms.interval["y"]
    assert low[0] <= 0.35 <= high[0]
    assert low[1] <= 0.65 <= high[1]


def test_a_number_with_known_ends_is_bounded_by_them():
    rng = np.random.default_rng(6)
    u = rng.random(3000)
    a = rng.random(3000) < u
    y = 0.4 * a + 0.5 * u + 0.1 * rng.random(3000)
    schema = dw.Schema((dw.Variable("a", kind=dw.Kind.BINARY), dw.Variable("y", bounds=(0, 1))))
    frame = pl.DataFrame({"a": a.astype(float), "y": y})
    known = dw.Trajectories.from_frame(frame, state=["a", "y"])
    log = replace(known, schema=replace(known.schema, variables=schema.variables))
    answer = effect_of(log, graph_of(MixedGraph.of("a -> y", "a <-> y")), ASK_A)
    assert answer.status is Status.BOUNDED
    low, high = answer.interval["y"]
    assert low[0] <= 0.4 <= high[0]
    assert 0.9 < high[0] - low[0] < 1.2
    free = effect_of(known, graph_of(MixedGraph.of("a -> y", "a <-> y")), ASK_A)
    assert free.status is Status.NOT_IDENTIFIED
