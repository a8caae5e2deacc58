"""A second question of the same shape compiles nothing."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.infer import counterfactual, do, evaluate, predict
from doworld.query import (
    Case,
    Counterfactual,
    Do,
    Feedback,
    Follow,
    Predict,
    Rules,
    Scale,
    Set,
    Shift,
)

GIVEN = {"T": 1.0, "D": 0.5, "Q": 1.0, "W": 0.5}


@contextmanager
def compilations():
    """The names of everything that JAX traces or compiles meanwhile."""
    seen = []

    def listen(name: str, seconds: float, **_) -> None:
        if "/compile/" in name or "compil" in name:
            seen.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_the_counter_counts():
    with compilations() as seen:
        jax.jit(lambda x: x * 3.25 + 1)(2.0)
    assert seen


@pytest.fixture(scope="module")
def warm(heater, episode):
    predict(heater, Predict(given=GIVEN, horizon=7))
    counterfactual(heater, Counterfactual(episode=episode, interventions=[Set("Q", 0.0, at=2)]))
    return heater


def test_do_with_other_variables_rows_values_and_horizon_compiles_nothing(warm):
    with compilations() as seen:
        do(warm, Do(given=GIVEN, interventions=[Set("Q", 2.0)], horizon=8), seed=1)
        do(warm, Do(given=GIVEN, interventions=[Shift("T", 2.0, at=3), Scale("W", 2.0)], horizon=5))
        do(
            warm,
            Do(
                given=GIVEN, interventions=[Set("D", 0.0, at=1)], target="T", horizon=8, samples=200
            ),
        )
        predict(warm, Predict(given={"T": [0.0, 1.0]}, planned={"Q": (1.0, 2.0)}, horizon=6))
    assert seen == []


def test_a_second_counterfactual_compiles_nothing(warm, episode):
    shorter = {n: v[:10] for n, v in episode.items()}
    with compilations() as seen:
        counterfactual(warm, Counterfactual(episode=episode, interventions=[Shift("T", 1.0, at=5)]))
        counterfactual(warm, Counterfactual(episode=shorter, interventions=[Set("W", 1.0)]), seed=2)
    assert seen == []


def test_a_second_evaluation_of_the_same_shape_compiles_nothing(warm):
    rng = np.random.default_rng(0)
    logs = [by_hand.log_of(warm.schema, [by_hand.heater_rows(rng, 90)]) for _ in range(2)]
    evaluate(warm, logs[0], horizon=20, stride=10)
    with compilations() as seen:
        evaluate(warm, logs[1], horizon=18, stride=11)
    assert seen == []


def test_another_policy_of_the_same_shape_compiles_nothing(heater, episode):
    law = Feedback(weights={"T": -0.4, "D": 0.1}, bias=0.5)
    do(heater, Do(given=GIVEN, interventions=[Follow("Q", law)], horizon=7))
    warm = Counterfactual(episode=episode, interventions=[Follow("Q", law)])
    counterfactual(heater, warm)
    other = Rules(
        cases=(
            Case(when={"T": (0, 2), "D": (None, 1)}, then=1.0),
            Case(when={"W": (1, None)}, then=2.0),
        ),
        otherwise=-1.0,
    )
    with compilations() as seen:
        do(heater, Do(given=GIVEN, interventions=[Follow("Q", other, at=range(3))], horizon=8))
        do(
            heater,
            Do(given=GIVEN, interventions=[Follow("W", law), Set("T", 1.0, at=2)], horizon=6),
        )
        asked = Counterfactual(episode=episode, interventions=[Follow("Q", other, at=range(2, 9))])
        counterfactual(heater, asked, seed=2)
    assert seen == []
