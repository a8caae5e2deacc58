"""Learning recovers worlds whose truth is known, and survives logs that are hard to learn from."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_worlds import (
    CLOSED,
    CPT,
    NEURAL,
    WEATHER_GRAPH,
    WET,
    XUY,
    XUY_GRAPH,
    coefficients,
    linear_log,
    log_of,
    one_row_ahead,
    weather_log,
)

from doworld._core.errors import DataError, GraphError, SchemaError, UnknownNameError
from doworld.data import Kind, Role, Trajectories, Variable
from doworld.graph import CausalGraph, Edge
from doworld.mechanisms import Known, KnownBank
from doworld.model.calibrate import worlds_of
from doworld.model.learn import Settings, fit
from doworld.model.simulate import simulate
from doworld.model.training import Budget
from doworld.worlds.cartpole import NAMES, published_graph


def families(model):
    return {f.variable: f.family for f in model.fits}


def finite(model):
    leaves = jax.tree.leaves((model.dynamics.banks, vars(model.calibration)["inflation"]))
    return all(np.isfinite(leaf).all() for leaf in leaves)


@pytest.fixture(scope="module")
def linear():
    return fit(linear_log(), XUY_GRAPH, settings=replace(CLOSED, members=4))


def test_linear_world_is_recovered(linear):
    assert families(linear) == {"x": "linear", "y": "linear"}
    x, y = coefficients(linear, "x"), coefficients(linear, "y")
    for found, wanted, close in (
        (x["x", 1], 0.7, 0.05),
        (x["u", 1], 2.0, 0.05),
        (x[None], 10.0, 1.0),
        (y["y", 1], 0.5, 0.05),
        (y["x", 1], -0.3, 0.05),
        (y[None], 0.0, 0.2),  # x lies far from 0, so the slope's error shows at 0
    ):
        assert len(found) == 4
        # the least-squares fit to 1,000 rows
        np.testing.assert_allclose(found.mean(), wanted, atol=close)
    assert set(x) == {("x", 1), ("u", 1), None}


def test_members_of_a_linear_world_differ_as_a_bootstrap_does(linear):
    spread = coefficients(linear, "x")["u", 1].std()
    error = 0.3 / np.sqrt(800)  # σ/√rows, u has unit variance
    assert 0.2 * error < spread < 3 * error


def test_sigma_of_a_linear_world(linear):
    bank = next(b for b in linear.dynamics.banks if hasattr(b, "weight"))
    sigma = np.asarray(bank.sigma)[0] * linear.scale[np.asarray(bank.targets)[0]]
    np.testing.assert_allclose(sigma, 0.3, rtol=0.12)


def test_fits_and_reference_of_a_linear_world(linear):
    assert linear.rows == 25 * 39
    assert linear.members_of_structure == (False,) * 4
    assert linear.reference.points.shape[0] == 2
    np.testing.assert_array_equal(linear.reference.targets, [0, 2])
    values = linear_log().values
    np.testing.assert_allclose(linear.reference.low, np.nanmin(values, 0))
    np.testing.assert_allclose(linear.typical, np.nanmedian(values, 0))


def test_same_seed_same_weights_other_seed_other_bootstrap(linear):
    again = fit(linear_log(), XUY_GRAPH, settings=replace(CLOSED, members=4))
    for a, b in zip(jax.tree.leaves(linear.dynamics), jax.tree.leaves(again.dynamics), strict=True):
        np.testing.assert_array_equal(a, b)
    other = fit(linear_log(), XUY_GRAPH, settings=CLOSED, seed=1)
    mine, others = (coefficients(m, "x")["u", 1][:2] for m in (linear, other))
    assert (np.abs(mine - others) > 1e-6).all()


def cartpole(seed=0, episodes=60) -> Trajectories:
    """CartPole's published equations under random forces, until the pole falls."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(episodes):
        x, v, th, om = rng.uniform(-0.05, 0.05, 4)
        rows = []
        while abs(th) < 0.21:
            action = float(rng.integers(0, 2))
            rows.append([x, v, th, om, action, 9.8, 0.5])
            temp = (20 * action - 10 + 0.05 * om**2 * np.sin(th)) / 1.1
            slow = 0.5 * (4 / 3 - 0.1 * np.cos(th) ** 2 / 1.1)
            turn = (9.8 * np.sin(th) - np.cos(th) * temp) / slow
            push = temp - 0.05 * turn * np.cos(th) / 1.1
            x, v, th, om = x + 0.02 * v, v + 0.02 * push, th + 0.02 * om, om + 0.02 * turn
        out.append(np.array(rows))
    roles = {"action": Role.ACTION, "gravity": Role.CONTEXT, "length": Role.CONTEXT}
    variables = [
        Variable(n, roles.get(n, Role.STATE), Kind.BINARY if n == "action" else Kind.CONTINUOUS)
        for n in NAMES
    ]
    return log_of(variables, out)


@pytest.mark.parametrize("family", ["polynomial", "law"])
def test_noise_free_cartpole_has_a_closed_form(family):
    settings = replace(CLOSED, laws=family == "law")
    model = fit(cartpole(), published_graph(), settings=settings)
    assert families(model)["theta_dot"] == family
    test = cartpole(seed=1, episodes=10)
    error = (one_row_ahead(model, test) - test.values)[:, :4] / test.values[:, :4].std(0)
    x, x_dot, theta, theta_dot = np.nanstd(error, axis=0)
    assert max(x, theta) < 1e-6  # these two are linear
    assert theta_dot < 1e-4
    assert (
        x_dot < 5e-4
    )  # where a line leaves less than one part in 1,000, no higher degree is tried


def wavy_log(seed=0, episodes=40, length=30):
    rng, out = np.random.default_rng(seed), []
    for _ in range(episodes):
        rows = np.zeros((length, 2))
        rows[:, 1] = rng.uniform(-3, 3, length)
        for t in range(1, length):
            rows[t, 0] = 0.2 * rows[t - 1, 0] + np.sin(2 * rows[t - 1, 1]) + 0.1 * rng.normal()
        out.append(rows)
    return log_of((Variable("x"), Variable("u", Role.ACTION)), out)


WAVY_GRAPH = CausalGraph(("x", "u"), (Edge("x", "x"), Edge("u", "x")))


@pytest.fixture(scope="module")
def wavy():
    return fit(wavy_log(), WAVY_GRAPH, settings=replace(CLOSED, neural=NEURAL))


def test_strongly_nonlinear_world(wavy):
    assert families(wavy)["x"] in ("neural", "polynomial", "law")
    assert {"linear", "neural"} <= set(wavy.fits[0].log_likelihood)
    test = wavy_log(seed=1)
    error = np.nanstd((one_row_ahead(wavy, test) - test.values)[:, 0])
    straight = fit(wavy_log(), CausalGraph(("x", "u"), (Edge("x", "x"),)), settings=CLOSED)
    linear = np.nanstd((one_row_ahead(straight, test) - test.values)[:, 0])
    assert error < 0.5 * linear
    # what is said of the error one row ahead is said of the mechanism that was chosen
    said = wavy.fits[0].one_step_nrmse * wavy.scale[0]
    np.testing.assert_allclose(said, error, rtol=0.2)


@pytest.mark.parametrize("family", ["polynomial", "law"])
def test_different_widths_of_linear_and_other_mechanisms(family):
    rng, n = np.random.default_rng(0), 1500
    rows = np.zeros((n, 5))
    rows[:, 1:4] = rng.normal(size=(n, 3))
    for t in range(1, n):
        rows[t, 0] = rows[t - 1, 1:4].sum() + 0.1 * rng.normal()
        rows[t, 4] = rows[t - 1, 1] ** 2 + 0.1 * rng.normal()
    names = ("wide", "a", "b", "c", "bent")
    variables = [Variable(n, Role.STATE if n in ("wide", "bent") else Role.ACTION) for n in names]
    links = (*(Edge(s, "wide") for s in "abc"), Edge("a", "bent"))
    settings = replace(CLOSED, laws=family == "law")
    model = fit(log_of(variables, [rows]), CausalGraph(names, links), settings=settings)
    assert families(model) == {"wide": "linear", "bent": family}
    error = np.nanstd((one_row_ahead(model, log_of(variables, [rows])) - rows), axis=0)
    np.testing.assert_allclose(error[[0, 4]], 0.1, rtol=0.15)


@pytest.fixture(scope="module")
def weather():
    return fit(weather_log(), WEATHER_GRAPH, settings=CLOSED)


def test_categorical_mechanisms_recover_their_tables(weather):
    assert families(weather) == {"sky": "categorical", "wet": "categorical"}
    bank = weather.dynamics.banks[0]
    for level in range(3):
        row = jnp.asarray([float(level), 0.0])
        features = weather.dynamics.coding.encode(jnp.stack([jnp.zeros(2), row])).reshape(-1)

        def table(own, features=features):
            return jnp.exp(own.logits(own.inputs(features)))

        p = np.asarray(jax.vmap(table)(bank)).mean(0)
        np.testing.assert_allclose(p[0], CPT[level], atol=0.06)
        np.testing.assert_allclose(p[1, 1], WET[level], atol=0.07)
        assert p[1, 2] < 1e-6  # a level that the binary variable does not have


def test_categorical_rollout_has_the_chain_s_frequencies(weather):
    noise = weather.dynamics.draw_noise(jax.random.key(0), (256, 16))
    worlds, _ = worlds_of(weather_log().values, np.full(256, 50), 1, 16)
    sky = np.asarray(simulate(weather.dynamics, worlds, noise))[:, :, 4:, 0]
    share = np.bincount(sky.astype(int).ravel(), minlength=3) / sky.size
    values, vectors = np.linalg.eig(CPT.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    np.testing.assert_allclose(share, stationary / stationary.sum(), atol=0.05)


LAW = Known("x", (("a", "x", 1), ("b", "u", 1)), lambda a, b: 10 + 0.7 * a + 2.0 * b)


def test_known_law_is_used_as_given_and_sigma_is_learned():
    without = CausalGraph(("x", "u", "y"), XUY_GRAPH.links[2:])
    model = fit(linear_log(), without, settings=CLOSED, known=(LAW,))
    assert families(model) == {"x": "known", "y": "linear"}
    bank = next(b for b in model.dynamics.banks if isinstance(b, KnownBank))
    np.testing.assert_allclose(np.asarray(bank.sigma)[0] * model.scale[0], 0.3, rtol=0.1)
    log = linear_log(seed=1)
    wanted = 10 + 0.7 * log.values[:-1, 0] + 2 * log.values[:-1, 1]
    found = one_row_ahead(model, log)[1:, 0]
    inside = ~np.isnan(found)
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-4)
    # the model's graph says what its mechanisms do
    assert set(model.graph.parents("x")) == {("x", 1), ("u", 1)}


@pytest.mark.parametrize(
    ("law", "match"),
    [
        (Known("u", (("a", "x", 1),), lambda a: a), "only states and rewards"),
        (Known("x", (("a", "x", 1),), lambda a, missing: a), "jax.numpy"),
        (Known("x", (("a", "x", 1),), float), "jax.numpy"),
        (Known("x", (("a", "x", 1),), lambda a: jnp.log(-a)), "NaN"),
        (Known("x", (("a", "x", 0),), lambda a: a), "cannot cause itself"),
        (Known("x", (("a", "x", -1),), lambda a: a), "lag -1"),
    ],
)
def test_laws_that_cannot_be_used(law, match):
    with pytest.raises(GraphError, match=match):
        fit(linear_log((30,) * 4), XUY_GRAPH, settings=CLOSED, known=(law,))


def test_laws_of_unknown_or_doubled_variables():
    log = linear_log((30,) * 4)
    with pytest.raises(UnknownNameError, match="'w'"):
        fit(log, XUY_GRAPH, settings=CLOSED, known=(replace(LAW, parents=(("a", "w", 1),)),))
    with pytest.raises(GraphError, match="two known laws"):
        fit(log, XUY_GRAPH, settings=CLOSED, known=(LAW, LAW))
    law = Known("wet", (("a", "sky", 1),), lambda a: a)
    with pytest.raises(GraphError, match="binary"):
        fit(weather_log(100), WEATHER_GRAPH, settings=CLOSED, known=(law,))
    law = Known("n", (("a", "sky", 1),), lambda a: a)
    log = weather_log(100)
    wider = log_of(
        (*log.schema.variables, Variable("n")),
        [np.concatenate([log.values, np.random.default_rng(0).normal(size=(100, 1))], 1)],
    )
    with pytest.raises(GraphError, match="categorical"):
        fit(wider, CausalGraph(("sky", "wet", "n"), ()), settings=CLOSED, known=(law,))


def test_static_table():
    rng, n = np.random.default_rng(0), 600
    z = rng.normal(size=n)
    x = 2 * z + 0.2 * rng.normal(size=n)
    y = 3 * x + z + 0.2 * rng.normal(size=n)
    variables = (Variable("y"), Variable("x"), Variable("z", Role.CONTEXT))
    log = log_of(variables, list(np.stack([y, x, z], 1)[:, None]), step=0.0)
    links = (Edge("z", "x", 0), Edge("x", "y", 0), Edge("z", "y", 0))
    model = fit(log, CausalGraph(("y", "x", "z"), links, max_lag=0), settings=CLOSED)
    assert model.dynamics.max_lag == 0
    assert model.dynamics.levels == 3
    assert model.rows == n
    found = coefficients(model, "y")
    np.testing.assert_allclose(found["x", 0].mean(), 3.0, atol=0.2)
    np.testing.assert_allclose(found["z", 0].mean(), 1.0, atol=0.4)
    np.testing.assert_allclose(coefficients(model, "x")["z", 0].mean(), 2.0, atol=0.05)
    assert finite(model)


def test_rewards_are_learned_from_the_state_and_action_they_follow():
    rng, episodes = np.random.default_rng(0), []
    for _ in range(20):
        rows = np.zeros((20, 3))
        rows[:, 1] = rng.normal(size=20)
        for t in range(1, 20):
            rows[t, 0] = 0.5 * rows[t - 1, 0] + rows[t - 1, 1] + 0.1 * rng.normal()
        rows[:, 2] = 1.0 - 2.0 * rows[:, 0] + rows[:, 1]  # of the transition t → t+1
        rows[-1, 1:] = np.nan
        episodes.append(rows)
    variables = (Variable("x"), Variable("u", Role.ACTION), Variable("r", Role.REWARD))
    links = (Edge("x", "x"), Edge("u", "x"), Edge("x", "r"), Edge("u", "r"))
    graph = CausalGraph(("x", "u", "r"), links)
    model = fit(log_of(variables, episodes), graph, settings=CLOSED)
    found = coefficients(model, "r")
    for key, wanted in ((("x", 1), -2.0), (("u", 1), 1.0), (None, 1.0)):
        np.testing.assert_allclose(found[key], wanted, atol=1e-3)


def test_episodes_of_unequal_length():
    log = linear_log((2, 3, 80, 5, 40, 1, 7, 120, 2, 60) * 3)
    model = fit(log, XUY_GRAPH, settings=CLOSED)
    np.testing.assert_allclose(coefficients(model, "x")["u", 1].mean(), 2.0, atol=0.06)
    assert finite(model)


def test_missing_values_do_not_bias():
    log = linear_log((40,) * 30)
    rng = np.random.default_rng(5)
    hidden = rng.random(log.values.shape) < 0.15
    log.values[hidden] = np.nan
    model = fit(log, XUY_GRAPH, settings=CLOSED)
    x = coefficients(model, "x")
    np.testing.assert_allclose(x["x", 1].mean(), 0.7, atol=0.06)
    np.testing.assert_allclose(x["u", 1].mean(), 2.0, atol=0.06)
    assert finite(model)


def hard_logs():
    rng = np.random.default_rng(0)
    base = linear_log((40,) * 6)
    constant = replace(base, values=base.values.copy())
    constant.values[:, 2] = 4.0
    still = replace(base, values=base.values.copy())
    still.values[:, 1] = 1.0
    gone = replace(base, values=base.values.copy())
    gone.values[:, 2] = np.nan
    huge = replace(base, values=base.values * [1e12, 1e-12, 1.0] + [1e13, 0.0, 1e6])
    outlier = replace(base, values=base.values.copy())
    outlier.values[17, 0] = 1e9
    return {
        "ten transitions": linear_log((11,)),
        "one transition": linear_log((2,)),
        "two rows an episode": linear_log((2,) * 30),
        "one episode": linear_log((400,)),
        "constant state": constant,
        "constant action": still,
        "never seen": gone,
        "units far apart": huge,
        "one outlier": outlier,
        "an action that is the state": replace(
            base, values=np.stack([base.values[:, 0], base.values[:, 0], base.values[:, 2]], 1)
        ),
        "pure noise": log_of(XUY, [rng.normal(size=(50, 3)) for _ in range(4)]),
    }


@pytest.mark.parametrize("name", hard_logs())
def test_hard_logs(name):
    log = hard_logs()[name]
    model = fit(log, XUY_GRAPH, settings=CLOSED)
    assert finite(model)
    assert [f.variable for f in model.fits] == ["x", "y"]
    noise = model.dynamics.draw_noise(jax.random.key(0), (8, 8))
    values = np.zeros((12, 3))
    worlds, _ = worlds_of(values, np.full(8, 2), model.dynamics.max_lag, 8)
    assert np.isfinite(simulate(model.dynamics, worlds, noise)).all()


def test_a_constant_stays_constant():
    model = fit(hard_logs()["constant state"], XUY_GRAPH, settings=CLOSED)
    rows = one_row_ahead(model, hard_logs()["constant state"])[:, 2]
    np.testing.assert_allclose(rows[~np.isnan(rows)], 4.0, atol=1e-6)


def test_counts():
    rng, episodes = np.random.default_rng(0), []
    for _ in range(20):
        rows = np.zeros((40, 2))
        rows[:, 1] = rng.integers(0, 5, 40)
        for t in range(1, 40):
            rows[t, 0] = rng.poisson(1 + 0.5 * rows[t - 1, 0] + rows[t - 1, 1])
        episodes.append(rows)
    variables = (
        Variable("n", kind=Kind.COUNT, bounds=(0, np.inf)),
        Variable("u", Role.ACTION, kind=Kind.COUNT),
    )
    graph = CausalGraph(("n", "u"), (Edge("n", "n"), Edge("u", "n")))
    model = fit(log_of(variables, episodes), graph, settings=CLOSED)
    ahead = one_row_ahead(model, log_of(variables, episodes))[:, 0]
    rows = np.concatenate(episodes)
    wanted = np.concatenate([1 + 0.5 * e[:-1, 0] + e[:-1, 1] for e in episodes])
    np.testing.assert_allclose(ahead[~np.isnan(ahead)], wanted, atol=0.8)
    assert rows.min() >= 0


def test_logged_values_beyond_the_schema_s_bounds_are_kept():
    log = linear_log((40,) * 8)
    tight = log.schema.with_variable(replace(log.schema["x"], bounds=(33.0, 34.0)))
    model = fit(replace(log, schema=tight), XUY_GRAPH, settings=CLOSED)
    seen = model.scaled(log.values)[:, 0]
    assert float(model.dynamics.lower[0]) <= seen.min() + 1e-6
    assert float(model.dynamics.upper[0]) >= seen.max() - 1e-6


def test_nothing_to_learn_from():
    log = linear_log((1, 1, 1))
    with pytest.raises(DataError, match="consecutive rows"):
        fit(log, XUY_GRAPH, settings=CLOSED)
    with pytest.raises(GraphError, match="name the"):
        fit(linear_log((5,)), CausalGraph(("x", "y"), ()), settings=CLOSED)
    actions = log_of((Variable("u", Role.ACTION),), [np.zeros((5, 1))])
    with pytest.raises(SchemaError, match="no state"):
        fit(actions, CausalGraph(("u",), ()), settings=CLOSED)


def test_a_category_that_is_never_logged_with_its_parents():
    log = weather_log(60)
    log.values[::2, 0] = np.nan
    with pytest.raises(DataError, match="never logged together"):
        fit(log, WEATHER_GRAPH, settings=CLOSED)


def test_structure_members_follow_their_own_graph():
    # an edge that explains nothing, so that held-out rows speak for neither structure
    links = (*XUY_GRAPH.links, Edge("y", "x", probability=0.5))
    graph = CausalGraph(XUY_GRAPH.names, links)
    model = fit(linear_log(), graph, settings=Settings(members=1, structures=6, neural=None))
    assert model.members_of_structure == (False,) + (True,) * 6
    bank = next(b for b in model.dynamics.banks if hasattr(b, "weight"))
    i = np.asarray(bank.targets)[0].tolist().index(0)
    at = [int(c) % 3 for c in np.asarray(bank.columns)[0, i]].index(2)
    has = np.asarray(bank.mask)[:, i, at]
    assert has[0] == 1
    assert 0 < has[1:].sum() < 6
    weight = np.asarray(bank.weight)[:, i, at]
    np.testing.assert_array_equal(weight[has == 0], 0.0)
    assert (weight[has == 1] != 0.0).all()


def test_what_is_silent_in_a_context_has_no_say_there():
    from doworld.graph import LocalGraph
    from doworld.worlds.chemical import Chemical

    world = Chemical("full", local="fork", objects=3, seed=0)
    context = LocalGraph("object2", ("object0", 0), 0, ())
    graph = replace(world.graph, local=(context,))
    log = world.collect(40, 25, seed=1)
    quick = Settings(members=2, structures=0, neural=None, budget=Budget(steps=200))
    bank = fit(log, graph, settings=quick).dynamics.banks[0]
    at = np.asarray(bank.targets)[0].tolist().index(2)
    one = jax.tree.map(lambda leaf: leaf[0], bank)
    columns = np.asarray(bank.columns)[0, at].tolist()
    # features of the row itself: five colours of object0, then of object1
    inputs = np.zeros((len(bank.targets[0]), len(columns)), np.float32)
    inputs[at, columns.index(0)] = 1.0
    other = inputs.copy()
    other[at, columns.index(5 + 3)] = 1.0

    def says(x):
        return np.asarray(one.logits(jnp.asarray(x)))[at]

    np.testing.assert_array_equal(says(inputs), says(other))
    inputs[at, columns.index(0)] = other[at, columns.index(0)] = 0.0
    assert not np.array_equal(says(inputs), says(other))


def test_a_binary_gate_opens_no_context():
    from doworld.graph import LocalGraph

    graph = CausalGraph(
        ("sky", "wet"), (Edge("sky", "sky"), Edge("wet", "sky"), Edge("sky", "wet"))
    )
    quick = Settings(members=1, structures=0, neural=None, budget=Budget(steps=100))
    for level in (0, 1):
        context = LocalGraph("sky", ("wet", 1), level, ())
        bank = fit(weather_log(), replace(graph, local=(context,)), settings=quick).dynamics.banks[
            0
        ]
        assert bank.gate.shape[-1] == 0
        np.testing.assert_array_equal(np.asarray(bank.heard), 1.0)
