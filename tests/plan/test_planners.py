"""One conformance suite for every planner, and what each must reach where the optimum is known."""

import itertools

import numpy as np
import pytest
from plan_worlds import linear_model

from doworld import Kind
from doworld._core.errors import QueryError, SchemaError, UnknownNameError
from doworld.plan import plan
from doworld.plan.judge import judge
from doworld.plan.search import _search
from doworld.query import CEM, ICEM, MPPI, Enumerate, Goal, Plan

SAMPLERS = {
    "cem": CEM(population=1024, elites=24, iterations=20, draws=1),  # on two devices
    "icem": ICEM(population=256, elites=16, iterations=25, draws=1, colour=1.0),
    "mppi": MPPI(population=512, iterations=40, draws=1, temperature=0.05, spread=0.1),
}
GIVEN = {"p": 2.0, "v": 0.0, "u": 0.0}
GOAL = Goal(target={"p": 0.0}, weight={"u": 0.2}, final=4.0)
HORIZON = 8


def ask(model, goal=GOAL, *, planner, seed=0, given=GIVEN, horizon=HORIZON, **more):
    question = Plan(given=given, objective=goal, horizon=horizon, planner=planner, **more)
    return plan(model, question, seed=seed)


def riccati(start, horizon=HORIZON, effort=0.2, final=4.0):
    """The least cost Σ q_t p_t² + effort·u² of the double integrator, by dynamic programming."""
    a, b = np.array([[1, 0.3], [0, 1.0]]), np.array([[0.0], [0.3]])
    value = np.zeros((2, 2))
    for t in range(horizon, 0, -1):
        weight = final if t == horizon else 1.0
        state = np.diag([weight, 0.0]) + value
        gain = b.T @ state @ a / (weight * effort + b.T @ state @ b)
        closed = a - b @ gain
        value = closed.T @ state @ closed + weight * effort * gain.T @ gain
    return float(np.asarray(start) @ value @ np.asarray(start))


@pytest.fixture(scope="module", params=list(SAMPLERS))
def planner(request):
    return SAMPLERS[request.param]


def test_reaches_the_linear_quadratic_optimum(planner):
    model = linear_model(bounds=(-8.0, 8.0))
    best = riccati([2.0, 0.0])
    found = ask(model, planner=planner).objective
    assert best * 0.999 <= found <= best * 1.02


def test_same_seed_same_plan(planner):
    model = linear_model()
    first, again = (ask(model, planner=planner, seed=5) for _ in range(2))
    assert first == again


def test_respects_bounds_and_hard_limits(planner):
    model = linear_model(bounds=(-1.5, 1.5))
    goal = GOAL.model_copy(update={"limit": Goal(limit={"v": (-0.5, 0.5), "u": (None, 1.0)}).limit})
    answer = ask(model, goal, planner=planner)
    force = np.array(answer.actions["u"])
    assert force.min() >= -1.5
    assert force.max() <= 1.0
    assert np.abs(answer["v"].estimate).max() <= 0.5 + 1e-4
    assert answer.fix == ""
    assert "limit v -0.5…0.5: kept in 100%" in answer.why.summary


def test_warm_start_is_never_lost(planner):
    model = linear_model(bounds=(-8.0, 8.0))
    good = ask(model, planner=planner)
    warm = ask(model, planner=planner, seed=1, warm_start=good.actions)
    assert warm.objective <= good.objective * 1.0001


def test_discrete_and_mixed_actions(planner):
    model = linear_model(Kind.BINARY, second=True)
    exact = ask(model, planner=Enumerate(draws=1), horizon=8, given={"p": -2.0, "v": 0.0})
    found = ask(model, planner=planner, horizon=8, given={"p": -2.0, "v": 0.0})
    assert found.objective <= exact.objective * 1.02 + 1e-6
    mixed = ask(linear_model(second=True), planner=planner)
    assert set(mixed.actions["w"]) <= {0.0, 1.0}
    assert mixed.objective <= ask(linear_model(), planner=planner).objective * 1.03


def test_a_second_question_compiles_nothing(planner):
    model = linear_model()
    ask(model, planner=planner)
    before = _search._cache_size(), judge._cache_size()
    goal = Goal(target={"v": 1.0}, keep={"p": (0, 1)}, limit={"v": (None, 3)}, maximise=("p",))
    ask(model, goal, planner=planner, given={"p": 1.0, "v": 2.0}, horizon=7, seed=9)
    ask(model, goal, planner=planner, warm_start={"u": (0.5,)})
    assert (_search._cache_size(), judge._cache_size()) == before


@pytest.mark.parametrize("kind", [Kind.BINARY, Kind.CATEGORICAL])
def test_enumerate_is_brute_force(kind):
    model = linear_model(kind, bounds=(-np.inf, np.inf))
    answer = ask(
        model,
        Goal(target={"p": 1.0, "v": 0.0}),
        planner=Enumerate(),
        horizon=5,
        given={"p": 0.0, "v": 0.0},
    )
    push = (0.0, 0.3) if kind is Kind.BINARY else (-0.2, -0.2, 0.4)
    costs = []
    for plan_ in itertools.product(push, repeat=5):
        p = v = cost = 0.0
        for force in plan_:
            p, v = p + 0.3 * v, v + force
            cost += (p - 1) ** 2 + v**2
        costs.append(cost)
    assert answer.objective == pytest.approx(min(costs), rel=1e-5)


def test_enumerate_refuses_with_the_fix():
    with pytest.raises(QueryError, match=r"Shorten the horizon to 9, raise 'most', or"):
        ask(linear_model(Kind.BINARY), planner=Enumerate(most=1000), horizon=12)
    with pytest.raises(QueryError, match="'u' has no levels to enumerate"):
        ask(linear_model(), planner=Enumerate())


def test_infeasible_limits_give_the_least_violating_plan_and_a_fix():
    model = linear_model(bounds=(-1.0, 1.0))
    answer = ask(model, Goal(target={"p": 0.0}, limit={"p": (None, 1.0)}), planner=SAMPLERS["cem"])
    assert answer.why.warnings[0].startswith("No plan was found that keeps the limits")
    assert "Widen the limit of 'p'" in answer.fix
    assert np.array(answer.actions["u"])[:5] == pytest.approx(-1.0, abs=0.05)


def test_an_action_that_acts_at_once_is_planned_from_row_1():
    model = linear_model(bounds=(-8.0, 8.0), lag=0)
    answer = ask(model, planner=SAMPLERS["cem"])
    late = ask(linear_model(bounds=(-8.0, 8.0)), planner=SAMPLERS["cem"])
    assert answer.actions["u"][0] == pytest.approx(late.actions["u"][0], abs=0.4)
    assert answer["v"].estimate[0] == pytest.approx(0.3 * answer.actions["u"][0], abs=1e-4)


def test_an_unsure_world_is_planned_in_expectation():
    model = linear_model(bounds=(-8.0, 8.0), sigma=0.05)
    planner = SAMPLERS["icem"].model_copy(update={"draws": 4})
    answer = ask(model, planner=planner)
    assert answer.objective <= riccati([2.0, 0.0]) * 1.15 + 0.5
    assert answer["p"].noise[-1] > 0.02


def test_planned_actions_are_not_planned_again():
    model = linear_model(second=True)
    answer = ask(model, planner=SAMPLERS["icem"], planned={"w": (1.0,)})
    assert set(answer.actions) == {"u"}
    with pytest.raises(QueryError, match="there is no action to plan"):
        ask(linear_model(), planner=SAMPLERS["icem"], planned={"u": (1.0,)})


@pytest.mark.parametrize(
    ("goal", "error", "words"),
    [
        (Goal(), QueryError, "asks for nothing"),
        (Goal(target={"q": 1}), UnknownNameError, "Did you mean|Known: p, v, u"),
        (Goal(weight={"p": 2.0}), QueryError, "does not say what it should be"),
        (Goal(keep={"p": (2, 1)}), QueryError, "Swap them"),
        (Goal(target={"p": "high"}), SchemaError, "not a number"),
        (Goal(target={"p": 0}, limit={"u": (5, None)}), QueryError, "leaves no value"),
    ],
)
def test_a_goal_that_makes_no_sense_says_so(goal, error, words):
    with pytest.raises(error, match=words):
        ask(linear_model(), goal, planner=SAMPLERS["cem"])
