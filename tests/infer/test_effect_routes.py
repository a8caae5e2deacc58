"""Effects by other ways than adjustment: mediators, the front-door, instruments, bounds."""

import numpy as np
import pytest
from test_effect import coin, covers, graph, noise, refused, table

from doworld.infer.effect import effect_of
from doworld.query import Effect, Status

SIZE = 3000


def mediated(seed=0):
    x = noise(seed, SIZE)
    a = coin(seed, x)
    m = 0.8 * a + x + noise(seed + 50, SIZE)
    y = a + 0.5 * m + x + noise(seed + 100, SIZE)
    log = table(x=x, a=a, m=m, y=y)
    return log, graph(log, "x a", "x m", "x y", "a m", "a y", "m y")


@pytest.mark.parametrize(("estimand", "truth"), [("nde", 1.0), ("nie", 0.4)])
def test_direct_and_indirect_effects(estimand, truth):
    log, g = mediated()
    query = Effect(treatment="a", outcome="y", mediator="m", estimand=estimand, level=0.99)
    answer = effect_of(log, g, query)
    assert answer.status is Status.IDENTIFIED
    assert covers(answer, truth)
    parts = {e.name: e.estimate for e in answer.details.estimators}
    rest = parts["indirect, with the direct one"]
    assert abs(parts["direct (NDE)"] + rest - parts["total"]) < 1e-9


def test_a_controlled_direct_effect_holds_the_mediator():
    x = noise(1, SIZE)
    a = coin(1, x)
    m = coin(2, a + x)
    y = a + 2 * a * m + x + noise(3, SIZE)
    log = table(x=x, a=a, m=m, y=y)
    g = graph(log, "x a", "x m", "x y", "a m", "a y", "m y")
    ask = {"treatment": "a", "outcome": "y", "mediator": "m", "estimand": "cde", "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask, given={"m": 1})), 3.0)
    assert covers(effect_of(log, g, Effect(**ask, given={"m": 0})), 1.0)
    assert "none is given" in refused(log, g, **ask)


def test_a_hidden_cause_of_mediator_and_outcome_refuses_the_parts():
    log, _ = mediated()
    g = graph(log, "x a", "x m", "x y", "a m", "a y", "m y", hidden=("y m",))
    ask = {"treatment": "a", "outcome": "y", "mediator": "m", "estimand": "nde"}
    assert "share a cause" in refused(log, g, **ask)


def test_the_front_door():
    u = noise(4, SIZE)
    a = coin(4, 1.5 * u)
    m = 1.2 * a + noise(5, SIZE)
    y = m + 2 * u + noise(6, SIZE)
    log = table(a=a, m=m, y=y)
    g = graph(log, "a m", "m y", hidden=("a y",))
    answer = effect_of(log, g, Effect(treatment="a", outcome="y", level=0.99))
    assert covers(answer, 1.2)
    assert "front-door" in answer.why.adjustment
    crude = next(e for e in answer.details.estimators if e.name == "crude")
    assert crude.lower > 2


def instrumented(strength, size=SIZE):
    u, z = noise(7, 2, size)
    d = strength * z + u + noise(8, size)
    y = 0.7 * d + 2 * u + noise(9, size)
    log = table(z=z, d=d, y=y)
    return log, graph(log, "z d", "d y", hidden=("y d",))


def test_an_instrument_found_in_the_graph():
    log, g = instrumented(1.0)
    ask = {"treatment": "d", "outcome": "y", "levels": (0.0, 1.0), "level": 0.99}
    answer = effect_of(log, g, Effect(**ask))
    assert covers(answer, 0.7)
    assert "instrument z" in answer.why.adjustment
    assert any("monotonicity" in a for a in answer.why.assumptions)
    assert "whom the instrument moves" in answer.details.what
    named = effect_of(log, g, Effect(**ask, instrument="z"))
    assert named.estimate["y"][0] == pytest.approx(answer.estimate["y"][0])


def test_a_useless_instrument_gives_no_number():
    log, g = instrumented(0.0, 200)
    assert "too little" in refused(log, g, treatment="d", outcome="y", levels=(0.0, 1.0))


def confounded_levels():
    u = noise(10, SIZE)
    a = coin(10, 1.5 * u)
    y = coin(11, a + 1.5 * u - 0.5)
    truth = 1 / (1 + np.exp(-(1.5 * u + 0.5))) - 1 / (1 + np.exp(-(1.5 * u - 0.5)))
    log = table(a=a, y=y)
    return log, graph(log, "a y", hidden=("y a",)), float(truth.mean())


def test_an_unobserved_cause_of_two_levels_leaves_a_bound():
    log, g, truth = confounded_levels()
    answer = effect_of(log, g, Effect(treatment="a", outcome="y"))
    assert answer.status is Status.BOUNDED
    assert covers(answer, truth)
    assert answer.fix


@pytest.mark.parametrize("estimand", ["pn", "ps", "pns"])
def test_probabilities_of_causation_hold_the_truth(estimand):
    rng = np.random.default_rng(12)
    x = rng.integers(0, 2, SIZE)
    a = rng.random(SIZE) < 0.3 + 0.4 * x
    draw = rng.random(SIZE)
    without, with_it = draw < 0.2 + 0.2 * x, draw < 0.6 + 0.2 * x
    y = np.where(a, with_it, without)
    truth = {
        "pn": (~without)[a & y].mean(),
        "ps": with_it[~a & ~y].mean(),
        "pns": (with_it & ~without).mean(),
    }[estimand]
    log = table(x=x, a=a.astype(int), y=y.astype(int))
    g = graph(log, "x a", "x y", "a y")
    answer = effect_of(log, g, Effect(treatment="a", outcome="y", estimand=estimand))
    assert answer.status is Status.BOUNDED
    assert covers(answer, float(truth))


@pytest.mark.slow
def test_a_learned_world_stands_beside_the_estimates():
    import doworld as dw

    x = noise(20, 400)
    a = coin(20, x)
    log = table(x=x, a=a, y=2 * a + x + 0.5 * noise(21, 400))
    g = graph(log, "x a", "x y", "a y")
    light = dw.Settings(members=2, structures=0, neural=None)
    model = dw.learn(log, graph=g, settings=light)
    answer = dw.ask(model, Effect(treatment="a", outcome="y", level=0.99))
    own = next(e for e in answer.details.estimators if e.name == "the model")
    assert abs(own.estimate - 2.0) < 0.3
    assert covers(answer, 2.0)
