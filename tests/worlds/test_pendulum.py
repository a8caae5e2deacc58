"""The pendulum's replay, against its equations and Gymnasium's own log."""

import numpy as np
import pytest

from doworld.data import Trajectories
from doworld.worlds import pendulum

gymnasium = pytest.importorskip("gymnasium")


@pytest.mark.parametrize("gravity", [1.6, 10.0, 25.0])
def test_replay_follows_the_equations(gravity):
    theta, speed = 2.0, 0.5
    torques = np.random.default_rng(0).uniform(-2, 2, 30)
    rows = pendulum.replay(
        np.array([np.cos(theta), np.sin(theta), speed]), torques, gravity=gravity
    )
    assert rows.shape == (31, 3)
    for row, torque in zip(rows[1:], torques, strict=True):
        speed = np.clip(speed + 0.05 * (1.5 * gravity * np.sin(theta) + 3 * torque), -8, 8)
        theta += 0.05 * speed
        np.testing.assert_allclose(row, [np.cos(theta), np.sin(theta), speed], atol=1e-9)


def test_replay_of_what_was_done_is_the_log():
    log = Trajectories.from_gymnasium(
        "Pendulum-v1", policy="random", episodes=1, seed=0, context={"g": [9.0]}
    )
    own = [log.column(n) for n in pendulum.STATE]
    start = np.array([column[0] for column in own])
    rows = pendulum.replay(start, log.column("action")[:40], gravity=9.0)
    np.testing.assert_allclose(rows, np.stack(own, 1)[:41], atol=1e-4)
