"""Laws are found, read, turned and kept."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from model_worlds import CLOSED, XUY_GRAPH, linear_log, log_of

from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Role, Variable
from doworld.graph import CausalGraph, Edge
from doworld.mechanisms import LawBank
from doworld.model.law_library import Input, library
from doworld.model.law_select import subsets
from doworld.model.laws import laws, turned
from doworld.model.learn import fit
from doworld.model.store import load

STEP, NOISE = 0.05, 0.002
SWING = (
    Variable("angle", unit="rad"),
    Variable("speed", unit="rad/s"),
    Variable("torque", Role.ACTION),
    Variable("gravity", Role.CONTEXT, unit="m/s²"),
    Variable("length", Role.CONTEXT, unit="m"),
)
SWING_GRAPH = CausalGraph(
    tuple(v.name for v in SWING),
    (
        Edge("angle", "angle"),
        Edge("speed", "angle"),
        *(Edge(s, "speed") for s in ("angle", "speed", "torque", "gravity", "length")),
    ),
)


def step(row, gravity, length, rng, noise=NOISE):
    """ω' = ω − τ (g/l) sin θ + 0.1 u − 0.02 ω, θ' = θ + τ ω."""
    angle, speed, torque = row
    turn = speed - STEP * gravity / length * np.sin(angle) + 0.1 * torque - 0.02 * speed
    return angle + STEP * speed + noise * rng.normal(), turn + noise * rng.normal()


def swing_log(seed=0, episodes=40, rows=40, gravities=(7.0, 9.0, 11.0, 14.0)):
    rng, out = np.random.default_rng(seed), []
    for n in range(episodes):
        gravity, length = gravities[n % len(gravities)], rng.uniform(0.5, 1.5)
        values = np.zeros((rows, 5))
        values[:, 2], values[:, 3], values[:, 4] = rng.uniform(-2, 2, rows), gravity, length
        values[0, :2] = rng.uniform(-2, 2), rng.uniform(-1, 1)
        for t in range(1, rows):
            values[t, :2] = step(values[t - 1, :3], gravity, length, rng)
        out.append(values)
    return log_of(SWING, out)


@pytest.fixture(scope="module")
def swing():
    return fit(swing_log(), SWING_GRAPH, settings=replace(CLOSED, members=5))


def constant(model, target, term):
    law = next(law for law in laws(model) if law.target == target)
    return next(c for c in law.constants if c.term == term)


def test_the_law_of_a_noisy_pendulum_is_found(swing):
    assert {f.variable: f.family for f in swing.fits}["speed"] == "law"
    law = next(law for law in swing.laws if law.target == "speed")
    assert set(law.terms) == {"speed", "torque", "gravity·1/length·sin(angle)"}
    pull = constant(swing, "speed", "gravity·1/length·sin(angle)")
    assert pull.variables == ("gravity", "length", "angle") or set(pull.variables) == {
        "gravity",
        "length",
        "angle",
    }
    for found, truth in (
        (pull, -STEP),
        (constant(swing, "speed", "torque"), 0.1),
        (constant(swing, "speed", "speed"), -0.02),
    ):
        low, high = found.interval
        assert low < truth < high
        assert high - low < 0.1 * abs(truth)
    assert law.increment
    assert law.equation().startswith("speed' = speed")
    assert "gravity·1/length·sin(angle)" in law.equation()
    assert r"\sin(\mathrm{angle})" in law.latex()


def rolled(model, gravity, seed=3, steps=20, worlds=30):
    """RMSE over the log's standard deviation of noise-free rollouts from fresh starts."""
    from doworld.model.calibrate import worlds_of
    from doworld.model.simulate import simulate

    test = swing_log(seed=seed, episodes=worlds, rows=steps + 1, gravities=(gravity,))
    first = test.starts[:-1]
    start, truth = worlds_of(np.nan_to_num(model.scaled(test.values)), first, 1, steps)
    noise = model.dynamics.draw_noise(jax.random.key(0), (worlds, steps))
    quiet = jax.tree.map(lambda a: 0.0 * a, noise)
    ours = np.asarray(simulate(model.dynamics, start, quiet)).mean(0)
    return np.sqrt(((ours - truth)[..., :2] ** 2).mean((0, 1)))


@pytest.mark.parametrize("gravity", [1.6, 25.0])
def test_laws_hold_far_beyond_the_gravities_of_the_log(swing, gravity):
    assert rolled(swing, gravity).max() < 0.05
    polynomial = fit(swing_log(), SWING_GRAPH, settings=replace(CLOSED, laws=False))
    assert rolled(swing, gravity).max() < 0.3 * rolled(polynomial, gravity).max()


def test_a_turned_constant_is_another_gravity(swing):
    pull = constant(swing, "speed", "gravity·1/length·sin(angle)").name
    weaker = turned(swing, factor={pull: 0.16})
    assert constant(swing, "speed", "gravity·1/length·sin(angle)").value < -0.04  # as it was
    turned_value = constant(weaker, "speed", "gravity·1/length·sin(angle)").value
    np.testing.assert_allclose(turned_value, 0.16 * -STEP, rtol=0.02)
    set_ = turned(swing, value={pull: -0.5})
    np.testing.assert_allclose(
        constant(set_, "speed", "gravity·1/length·sin(angle)").interval, (-0.5, -0.5), rtol=1e-6
    )
    structures = [jax.tree.structure(m.dynamics) for m in (swing, weaker)]
    assert structures[0] == structures[1]  # nothing to compile anew


def test_a_linear_mechanism_is_a_law_and_turns(tmp_path):
    model = fit(linear_log(), XUY_GRAPH, settings=CLOSED)
    assert {f.family for f in model.fits} == {"linear"}
    law = next(law for law in laws(model) if law.target == "x")
    values = {c.term: c.value for c in law.constants}
    np.testing.assert_allclose(values["u"], 2.0, atol=0.05)
    np.testing.assert_allclose(values["x"], -0.3, atol=0.02)  # of the increment
    np.testing.assert_allclose(values[""], 10.0, atol=0.7)
    name = constant(model, "x", "u").name
    other = turned(model, factor={name: 3.0})
    again = {c.name: c.value for c in next(w for w in laws(other) if w.target == "x").constants}
    for c in law.constants:
        wanted = c.value * (3.0 if c.name == name else 1.0)
        np.testing.assert_allclose(again[c.name], wanted, rtol=1e-4, atol=1e-5)


def test_laws_are_saved(swing, tmp_path):
    swing.save(tmp_path)
    assert load(tmp_path).laws == swing.laws


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"factor": {"speed.c9": 2.0}}, UnknownNameError, "speed.c1"),
        ({"factor": {"sped.c1": 2.0}}, UnknownNameError, "Did you mean"),
        ({"factor": {"torque.c1": 2.0}}, QueryError, "no constants to turn"),
        ({"value": {"speed.c1": np.inf}}, QueryError, "finite"),
        ({"value": {"speed.c1": 1.0}, "factor": {"speed.c1": 1.0}}, QueryError, "both"),
    ],
)
def test_what_cannot_be_turned_is_refused(swing, change, error, said):
    with pytest.raises(error, match=said):
        turned(swing, **change)


def test_exact_subset_among_many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 80))
    X[:, 5] = X[:, 4] + 1e-3 * X[:, 6]  # nearly the same column twice
    y = 2 * X[:, 5] - X[:, 40] + 0.5 * X[:, 70]
    *_, last = subsets(X, y, np.ones(80, int), most=3)
    assert set(last) == {5, 40, 70}


def test_a_library_is_cut_at_its_most():
    many = [Input(-1.0, 1.0, (-0.5, 0.0, 0.5), 6, 0.0) for _ in range(30)]
    terms, costs = library(many, most=200)
    assert 31 <= len(terms) <= 200
    assert costs == sorted(costs)
    few, _ = library(many[:2], most=200)
    assert max(map(len, few)) > 2


def test_pure_noise_has_no_law():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3))
    log = log_of((Variable("x"), Variable("u", Role.ACTION), Variable("y")), [rows])
    model = fit(log, XUY_GRAPH, settings=CLOSED)
    for bank in model.dynamics.banks:
        if isinstance(bank, LawBank):
            assert bank.constant.shape[-1] <= 2
