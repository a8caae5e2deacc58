"""The controller in loops: what it returns, what it remembers, what it compiles, and CartPole."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from plan_worlds import cartpole_model, known_model, linear_model

from doworld import Role, Variable
from doworld._core.errors import DataError, QueryError, UnknownNameError
from doworld.mechanisms import Known
from doworld.plan import controller
from doworld.plan.search import _search
from doworld.query import CEM, ICEM, Enumerate, Goal

QUICK = ICEM(population=32, elites=4, iterations=3, draws=1)
GOAL = Goal(target={"p": 0.0, "v": 0.0})


def drive(policy, steps=12, start=(2.0, 0.0)):
    p, v = start
    for _ in range(steps):
        force = float(np.reshape(policy(np.array([p, v])), ()))
        p, v = p + 0.3 * v, v + 0.3 * force
    return p, v


def test_drives_a_linear_world_to_rest_with_one_compilation():
    policy = controller(linear_model(), GOAL, planner=QUICK, horizon=9)
    action = policy(np.array([2.0, 0.0], np.float32))
    assert action.dtype == np.float32
    assert action.shape == (1,)
    compiled = _search._cache_size()
    policy.reset()
    p, v = drive(policy, steps=25)
    assert abs(p) + abs(v) < 0.1
    assert _search._cache_size() == compiled
    assert policy.plan["u"].shape == (9,)


def test_same_seed_same_actions_and_reset_starts_over():
    policies = [controller(linear_model(), GOAL, planner=QUICK, horizon=9, seed=3) for _ in "ab"]
    first = drive(policies[0])
    assert drive(policies[1]) == first
    policies[0].reset()
    assert drive(policies[0]) == first


def test_a_function_of_rows_is_an_objective():
    def cost(rows):
        return rows["p"] ** 2 + rows["v"] ** 2 + 0.0 * rows["u"]

    policy = controller(linear_model(), cost, planner=QUICK, horizon=9)
    p, v = drive(policy, steps=25)
    assert abs(p) + abs(v) < 0.1
    wrong = controller(linear_model(), lambda rows: rows["p"][:3], planner=QUICK, horizon=9)
    with pytest.raises(QueryError, match=r"Return one cost a row, shape \(9,\)"):
        wrong(np.zeros(2))


def test_observations_by_name_and_in_order():
    policy = controller(linear_model(), GOAL, planner=QUICK, horizon=9)
    by_order = policy(np.array([1.0, -0.5]))
    policy.reset()
    assert np.array_equal(policy({"v": -0.5, "p": 1.0}), by_order)
    with pytest.raises(DataError, match="has 3 numbers, but the model has 2 states: p, v"):
        policy(np.zeros(3))
    with pytest.raises(UnknownNameError, match="no variable is called 'q'"):
        policy({"q": 1.0})


def delayed_model():
    """y' = c − u(t−2): the action shows two rows later, and c is a context."""
    law = Known("y", (("u", "u", 3), ("c", "c", 1)), lambda u, c: c - u)
    variables = (
        Variable("y"),
        Variable("u", Role.ACTION, bounds=(-3.0, 3.0)),
        Variable("c", Role.CONTEXT),
    )
    return known_model(variables, (law,), low=[-3, -3, -3], high=[3, 3, 3])


def test_context_and_history():
    model = delayed_model()
    policy = controller(
        model, Goal(target={"y": 0.0}), planner=ICEM(draws=1), horizon=5, context={"c": 2.0}
    )
    actions = [float(policy(np.array([1.0]))[0]) for _ in range(8)]
    assert actions[-1] == pytest.approx(2.0, abs=0.15)
    policy.reset(context={"c": -1.0})
    actions = [float(policy(np.array([1.0]))[0]) for _ in range(8)]
    assert actions[-1] == pytest.approx(-1.0, abs=0.15)
    with pytest.raises(UnknownNameError, match="context variable is called 'd'"):
        policy.reset(context={"d": 0.0})


@cache
def immediate_model(lag):
    """y(t) = u(t) + ½ u(t − lag): the action shows in its own row, and once more later."""
    law = Known("y", (("now", "u", 0), ("before", "u", lag)), lambda now, before: now + before / 2)
    variables = (Variable("y"), Variable("u", Role.ACTION, bounds=(-3.0, 3.0)))
    return known_model(variables, (law,), low=[-3, -3], high=[3, 3])


@pytest.mark.parametrize("lag", [1, 2])
def test_history_of_an_action_that_acts_within_its_row(lag):
    goal = Goal(target={"y": 1.0})
    policy = controller(immediate_model(lag), goal, planner=CEM(draws=1), horizon=2)
    done, seen = [0.0] * lag, [0.0]
    for _ in range(6):
        done.append(float(policy(np.array(seen[-1:]))[0]))
        seen.append(done[-1] + 0.5 * done[-1 - lag])
    # what was done before the first row, nobody told the controller
    assert seen[1 + lag :] == pytest.approx([1.0] * (6 - lag), abs=0.05)


def test_enumerates_a_short_horizon():
    policy = controller(
        cartpole_model(), Goal(target={"theta": 0.0}), planner=Enumerate(draws=1), horizon=6
    )
    assert policy(np.array([0.0, 0.0, 0.1, 0.5])) == 1
    assert policy(np.array([0.0, 0.0, -0.1, -0.5])) == 0


def test_a_runaway_world_is_not_mistaken_for_a_good_one():
    """A law that is not a number for u > 0 must never be preferred."""
    law = Known("y", (("y", "y", 1), ("u", "u", 1)), lambda y, u: jnp.sqrt(-u) + 0 * y)
    variables = (Variable("y"), Variable("u", Role.ACTION, bounds=(-1.0, 1.0)))
    model = known_model(variables, (law,), low=[-1, -1], high=[1, 1])
    policy = controller(model, Goal(minimise=("y",)), planner=QUICK, horizon=4)
    assert float(policy(np.zeros(1))[0]) <= 0.0
    assert np.isfinite(policy.cost)


def test_balances_cartpole_with_the_true_laws():
    gymnasium = pytest.importorskip("gymnasium")
    env = gymnasium.make("CartPole-v1")
    goal = Goal(
        target={"x": 0.0, "theta": 0.0}, limit={"x": (-2.3, 2.3), "theta": (-0.2, 0.2)}, final=10.0
    )
    policy = controller(cartpole_model(), goal, planner=ICEM(draws=1), horizon=40)
    observation, _ = env.reset(seed=1)
    for _ in range(200):
        action = policy(observation)
        assert isinstance(action, int)
        observation, _, fallen, _, _ = env.step(action)
        assert not fallen
    env.close()
