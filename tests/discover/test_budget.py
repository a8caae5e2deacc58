"""A budget ends the search, never with an exception, and says what it cut."""

import time

import numpy as np
import polars as pl
import pytest
from logs import linear_world, make_log, pairs, random_matrix

from doworld._core.budget import UNLIMITED, Budget, Seconds, Unlimited
from doworld._core.errors import DoworldWarning, SchemaError
from doworld.data import Trajectories
from doworld.discover import PC, BestOrder, discover
from doworld.discover.independence import PartialCorrelation as Partial
from doworld.graph import Prior


class Clock:
    """A clock that moves on by itself at every look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_parts_end_before_the_whole():
    now = [0.0]
    budget = Seconds(10, clock=lambda: now[0])
    half = budget.part(0.5)
    quarter = half.part(0.5)
    seen = []
    for now[0] in (2.0, 3.0, 6.0, 11.0):
        seen.append((quarter.over(), half.over(), budget.over()))
    assert seen == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)]
    assert isinstance(budget, Budget)
    assert isinstance(half, Budget)
    assert isinstance(UNLIMITED, Budget)


@pytest.mark.parametrize("seconds", [10.0, float("inf")])
def test_stop_ends_every_part(seconds):
    budget = Seconds(seconds)
    part = budget.part(0.9).part(0.9)
    assert not part.over()
    budget.stop()
    assert part.over()
    assert budget.stopped


def test_nonsense_is_named():
    with pytest.raises(SchemaError, match="positive number of seconds"):
        Seconds(0)
    assert not Unlimited().part(0.5).over()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = np.zeros((400, 15))
    for j in range(15):
        x[:, j] = x[:, max(j - 2, 0) : j].sum(1) * 0.7 + rng.standard_normal(400)
    frame = pl.DataFrame(x, schema=[f"v{j}" for j in range(15)])
    return Trajectories.from_frame(frame, state=frame.columns)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(1)
    x = linear_world(random_matrix(5, 2, rng), 600, rng)
    x[:, 4] = np.tanh(x[:, 4])
    return make_log([x], state=[f"v{j}" for j in range(5)])


@pytest.mark.parametrize("step", [1.0, 0.2, 0.05, 0.01])
@pytest.mark.parametrize("which", ["table", "series"])
def test_any_budget_gives_a_graph_and_says_what_was_cut(which, step, request):
    log = request.getfixturevalue(which)
    budget = Seconds(1.0, clock=Clock(step))
    graph = discover(log, budget=budget)
    assert graph.links
    if budget.cuts:
        (note,) = [n for n in graph.notes if n.startswith("the budget of 1 s ended")]
        assert all(cut in note for cut in budget.cuts)
    assert all(0 <= e.probability <= 1 for e in graph.links)


@pytest.mark.parametrize("step", [1.0, 0.3, 0.05, 0.01])
@pytest.mark.parametrize(
    "how",
    [{"method": PC(Partial())}, {"method": BestOrder(smooth=True)}, {"latent": True}],
    ids=["independence", "smooth", "latent"],
)
def test_every_way_to_search_a_table_keeps_its_budget(table, how, step):
    """With time for half of the looks at the clock, the late steps are cut, not left to run on."""
    some = table.select(range(150))
    budget = Seconds(1.0, clock=Clock(step))
    graph = discover(some, budget=budget, **how)
    looks = round(budget._clock.now / step)
    assert budget.cuts
    assert any(note.startswith("the budget of 1 s ended") for note in graph.notes)
    assert looks <= 1 / step + 60 + len(graph.names) ** 2


def test_independence_without_time_leaves_directions_open(table):
    graph = discover(table, method=PC(Partial()), budget=Seconds(1e-9))
    assert not graph.links
    assert all(e.probability == 0.5 for e in graph.doubtful)


def test_groups_search_twice_within_one_budget():
    """What a group requires and the first search lacks is searched again, and warned of once."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    frame = pl.DataFrame(np.c_[x, np.ones(300)], schema=["a", "b", "c", "d", "still"])
    with pytest.warns(DoworldWarning, match="never change"):
        log = Trajectories.from_frame(frame, state=frame.columns)
    left, right = ("a", "b"), ("c", "d")
    prior = Prior(groups=(left, right), required=((left, right),))
    budget = Seconds(1.0, clock=Clock(0.02))
    with pytest.warns(DoworldWarning) as said:
        graph = discover(log, prior=prior, budget=budget)
    assert sum("still" in str(w.message) for w in said) == 1
    assert [e for e in graph.links if e.source in "ab" and e.target in "cd"]


def test_a_short_budget_cuts_and_a_long_one_changes_nothing(series):
    short = Seconds(1.0, clock=Clock(0.5))
    discover(series, budget=short)
    assert any("no look for" in cut for cut in short.cuts)
    long = Seconds(1e6)
    assert discover(series, budget=long).links == discover(series).links
    assert long.cuts == ()


def test_a_table_without_time_for_resamples_keeps_its_clear_edges(table):
    budget = Seconds(1.0, clock=Clock(0.3))
    graph = discover(table, budget=budget)
    assert any("resamples" in cut for cut in budget.cuts)
    full = {frozenset((e.source, e.target)) for e in discover(table).links}
    assert len(full & {frozenset((e.source, e.target)) for e in graph.links}) >= 0.8 * len(full)


def test_seconds_are_kept(series):
    wide = np.random.default_rng(0).standard_normal((2000, 30))
    wide[1:, 1:] += np.sin(2 * wide[:-1, :-1])
    log = make_log([wide], state=[f"w{j}" for j in range(30)])
    before = time.perf_counter()
    graph = discover(log, budget=0.5)
    assert time.perf_counter() - before < 20
    assert any("the budget of 0.5 s ended" in n for n in graph.notes)


def test_the_linear_edges_survive_any_budget():
    matrix = np.array([[0.5, 0.6], [0.0, 0.5]])
    log = make_log([linear_world(matrix, 500, np.random.default_rng(0))], state=list("ab"))
    graph = discover(log, budget=Seconds(1e-9))
    assert pairs(graph) == {("a", "a"), ("a", "b"), ("b", "b")}
