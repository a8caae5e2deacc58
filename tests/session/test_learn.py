"""Log → graph → model in one call."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld._core.progress import Quiet
from doworld.model.learn import Settings
from doworld.model.world import WorldModel

QUICK = Settings(members=2, structures=1, neural=None)


@pytest.fixture(scope="module")
def log() -> dw.Trajectories:
    """A tank that a heater warms; a second sensor follows it."""
    rng, rows = np.random.default_rng(0), []
    for episode in range(12):
        tank, sensor = 20.0 + rng.normal(), 20.0
        for t in range(50):
            heat = float(rng.uniform(0, 10))
            rows.append((episode, t, tank, sensor, heat))
            tank, sensor = (
                20 + 0.8 * (tank - 20) + 0.5 * heat + 0.1 * rng.normal(),
                0.3 * sensor + 0.7 * tank + 0.1 * rng.normal(),
            )
    frame = pl.DataFrame(rows, schema=["ep", "t", "tank", "sensor", "heat"], orient="row")
    return dw.Trajectories.from_frame(
        frame, state=["tank", "sensor"], action=["heat"], episode="ep", time="t"
    )


@pytest.fixture(scope="module")
def model(log):
    return dw.learn(log, settings=QUICK, max_lag=1)


def test_discovers_and_learns(model):
    assert isinstance(model, WorldModel)
    links = {(e.source, e.target) for e in model.graph.edges()}
    assert {("tank", "tank"), ("heat", "tank"), ("tank", "sensor"), ("sensor", "sensor")} <= links
    assert ("sensor", "tank") not in links
    assert [f.variable for f in model.fits] == ["tank", "sensor"]
    assert model.rows == 12 * 49


def test_a_given_graph_is_followed(log):
    graph = dw.CausalGraph(log.schema.names, (dw.Edge("tank", "tank"),))
    model = dw.learn(log, graph=graph, settings=QUICK)
    assert model.graph == graph
    assert model.graph.parents("sensor") == ()


def test_prior_knowledge_reaches_discovery(log):
    prior = dw.Prior(forbidden=(("heat", "tank"),), required=(("sensor", "tank"),))
    model = dw.learn(log, prior=prior, settings=QUICK, max_lag=1)
    assert ("heat", "tank") not in {(e.source, e.target) for e in model.graph.edges()}
    assert ("sensor", "tank") in {(e.source, e.target) for e in model.graph.edges()}


class Bar(Quiet):
    """Progress of our own."""


def test_progress_and_checkpoint_are_passed_on(log, tmp_path, monkeypatch):
    seen = {}

    def fit(log, graph, **asked):
        seen.update(asked)
        return "model"

    monkeypatch.setattr("doworld.session.learn.fit", fit)
    graph = dw.CausalGraph(log.schema.names, ())
    law = dw.Known("tank", (("a", "tank", 1),), lambda a: a)
    progress = Bar()
    with pytest.raises(TypeError):  # what fit gave is no model, and the annotation says so
        dw.learn(
            log, graph=graph, known=(law,), seed=7, progress=progress, checkpoint=Path(tmp_path)
        )
    assert seen["seed"] == 7
    assert seen["known"] == (law,)
    assert seen["progress"] is progress
    assert seen["checkpoint"] == tmp_path


def test_saved_and_loaded_by_the_public_names(model, tmp_path):
    model.save(tmp_path / "m")
    again = dw.load(tmp_path / "m")
    assert again.schema == model.schema
    np.testing.assert_array_equal(again.dynamics.lower, model.dynamics.lower)


def test_seed_decides(log):
    graph = dw.CausalGraph(log.schema.names, (dw.Edge("tank", "tank"), dw.Edge("heat", "tank")))
    one, two, three = (dw.learn(log, graph=graph, settings=QUICK, seed=s) for s in (0, 0, 1))
    weights = [np.asarray(m.dynamics.banks[0].weight) for m in (one, two, three)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["class", "力", "x y", "lambda", "episode"])
def test_odd_names(name):
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=80)) * 0.3
    frame = pl.DataFrame({"t": np.arange(80.0), name: values, "u": rng.normal(size=80)})
    log = dw.Trajectories.from_frame(frame, state=[name], action=["u"], time="t")
    graph = dw.CausalGraph((name, "u"), (dw.Edge(name, name), dw.Edge("u", name)))
    model = dw.learn(log, graph=graph, settings=QUICK)
    assert model.fits[0].variable == name


def _thermostat() -> dw.Trajectories:
    """A heater that a thermostat alone has switched."""
    rng, rows, tank = np.random.default_rng(0), [], 20.0
    for t in range(400):
        heat = float(tank < 21)
        rows.append((t, tank, heat))
        tank = 20 + 0.8 * (tank - 20) + heat + 0.1 * rng.normal()
    frame = pl.DataFrame(rows, schema=["t", "tank", "heat"], orient="row")
    return dw.Trajectories.from_frame(frame, state="tank", action="heat", time="t")


def _heated(horizon: int) -> dw.Do:
    done = [dw.Set("heat", 1.0)]
    given = {"tank": 20.0, "heat": 0.0}
    return dw.Do(given=given, interventions=done, horizon=horizon, target=["tank"])


def test_a_given_graph_does_not_silence_what_the_log_cannot_say():
    log = _thermostat()
    graph = dw.CausalGraph(log.schema.names, (dw.Edge("tank", "tank"), dw.Edge("heat", "tank")))
    with pytest.warns(dw.DoworldWarning, match="heat.* is a function of the state"):
        model = dw.learn(log, graph=graph, settings=QUICK)
    answer = dw.ask(model, _heated(3))
    assert answer.status is dw.Status.NOT_IDENTIFIED
    assert "varied at random" in answer.fix


def test_a_known_law_says_what_the_log_cannot():
    log = _thermostat()
    graph = dw.CausalGraph(log.schema.names, (dw.Edge("tank", "tank"), dw.Edge("heat", "tank")))
    parents = (("tank", "tank", 1), ("heat", "heat", 1))
    law = dw.Known("tank", parents, lambda tank, heat: 20 + 0.8 * (tank - 20) + heat)
    model = dw.learn(log, graph=graph, known=(law,), settings=QUICK)
    assert not model.graph.unidentified
    answer = dw.ask(model, _heated(60))
    assert answer.status is dw.Status.IDENTIFIED
    assert abs(answer.frame()["estimate"][-1] - 25) < 0.2
