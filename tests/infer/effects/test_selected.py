"""Effects from rows that were kept by what they hold, and of actions whose policy saw more."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.graph import Reason, Unidentified
from doworld.identify import Facts, NotIdentified, gate
from doworld.identify.verdict import Cause
from doworld.infer.effect import effect_of
from doworld.query import Do, Effect, Set, Status
from doworld.worlds.traps import Trap, trap_world

pytestmark = pytest.mark.filterwarnings("ignore::doworld.DoworldWarning")


@pytest.mark.parametrize("kind", [Trap.COLLIDER, Trap.SELECTION])
def test_traps_are_refused_and_their_twins_answered(kind):
    for seed in range(3):
        trap, twin = (trap_world(kind, sprung=sprung, seed=seed) for sprung in (True, False))
        no = effect_of(trap.log, trap.known["graph"], trap.question)
        assert no.status is Status.NOT_IDENTIFIED
        assert no.fix
        yes = effect_of(twin.log, twin.known["graph"], twin.question)
        assert yes.status is Status.IDENTIFIED
        low, high = yes.interval["y"]
        assert low[0] <= twin.truth <= high[0]


def test_selected_rows_are_refused_whoever_chooses_the_set():
    trap = trap_world(Trap.SELECTION, sprung=True)
    free = trap.question.model_copy(update={"adjust": None})
    for estimand in ("ate", "att", "cate"):
        ask = free.model_copy(update={"estimand": estimand})
        answer = effect_of(trap.log, trap.known["graph"], ask)
        assert answer.status is Status.NOT_IDENTIFIED
        assert "kept by s" in answer.why.warnings[0]
        assert "left out" in answer.fix


def test_rows_kept_by_a_cause_tell_the_effect_among_them():
    rng = np.random.default_rng(0)
    w = rng.normal(size=8000)
    a = rng.random(8000) < 1 / (1 + np.exp(-w))
    y = a + w + rng.normal(size=8000)
    keep = w + rng.normal(size=8000) > 0.5
    frame = pl.DataFrame({"w": w[keep], "a": a[keep], "y": y[keep], "s": np.ones(keep.sum())})
    log = dw.Trajectories.from_frame(frame, state=list("wys"), action="a")
    links = [dw.Edge(p, c, 0) for p, c in ("wa", "wy", "ay", "ws")]
    graph = dw.CausalGraph(log.schema.names, tuple(links), max_lag=0)
    answer = effect_of(log, graph, Effect(treatment="a", outcome="y", level=0.99))
    assert answer.status is Status.IDENTIFIED
    low, high = answer.interval["y"]
    assert low[0] <= 1 <= high[0]
    assert any("among such rows" in line for line in answer.why.warnings)


def test_the_gate_refuses_to_simulate_laws_learned_from_selected_rows():
    trap = trap_world(Trap.SELECTION, sprung=True)
    graph, schema = trap.known["graph"], trap.log.schema
    facts = Facts(unvaried=("s",))
    ask = Do(given={}, interventions=[Set("a", 1.0)], target="y", horizon=1)
    no = gate(graph, schema, ask, facts=facts)
    assert isinstance(no, NotIdentified)
    assert no.cause is Cause.SELECTION
    assert not isinstance(gate(graph, schema, ask), NotIdentified)
    apart = dw.CausalGraph(graph.names, tuple(e for e in graph.links if e.target != "s"), max_lag=0)
    assert not isinstance(gate(apart, schema, ask, facts=facts), NotIdentified)


def over_time(size=600):
    rng = np.random.default_rng(3)
    a = (rng.random(size) < 0.5).astype(float)
    y = np.zeros(size)
    for t in range(1, size):
        y[t] = float(rng.random() < 0.3 + 0.4 * a[t - 1])
    frame = pl.DataFrame({"t": np.arange(float(size)), "y": y, "a": a})
    log = dw.Trajectories.from_frame(frame, state="y", action="a", time="t")
    return log, dw.CausalGraph(("y", "a"), (dw.Edge("a", "y"),))


@pytest.mark.parametrize("reason", [Reason.POLICY, Reason.LATE])
def test_an_action_whose_policy_saw_more_or_that_acts_later_leaves_a_bound(reason):
    log, graph = over_time()
    ask = Effect(treatment="a", outcome="y")
    assert effect_of(log, graph, ask).status is Status.IDENTIFIED
    doubted = replace(graph, unidentified=(Unidentified("a", reason, "saw more", ("y",)),))
    answer = effect_of(log, doubted, ask)
    assert answer.status is Status.BOUNDED
    low, high = answer.interval["y"]
    assert low[0] < 0.4 < high[0]
    assert high[0] - low[0] >= 1  # without assumptions, half of every arm is open
    assert "saw more" in answer.why.warnings
    assert effect_of(log, doubted, ask.model_copy(update={"adjust": ()})).status is Status.BOUNDED


def test_a_dose_whose_policy_saw_more_gives_no_number():
    rng = np.random.default_rng(4)
    frame = pl.DataFrame(
        {"t": np.arange(300.0), "y": rng.normal(size=300), "a": rng.normal(size=300)}
    )
    log = dw.Trajectories.from_frame(frame, state="y", action="a", time="t")
    fact = Unidentified("a", Reason.POLICY, "saw more", ("y",))
    graph = dw.CausalGraph(("y", "a"), (dw.Edge("a", "y"),), unidentified=(fact,))
    answer = effect_of(log, graph, Effect(treatment="a", outcome="y"))
    assert answer.status is Status.NOT_IDENTIFIED
    assert answer.why.warnings == ("saw more",)
    assert "random" in answer.fix
