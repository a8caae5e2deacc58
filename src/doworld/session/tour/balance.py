"""Balance the pole by planning in the learned model."""

import numpy as np

from doworld._core.progress import Progress
from doworld.model.world import WorldModel
from doworld.plan import controller, plan
from doworld.query import ICEM, Answer, Goal, Plan
from doworld.session.tour.checks import Check

__all__ = ["OBJECTIVE", "check_balance"]

OBJECTIVE = Goal(
    target={"x": 0.0, "theta": 0.0},
    limit={"x": (-2.3, 2.3), "theta": (-0.2, 0.2)},  # type: ignore[arg-type]
    final=10.0,
)
"""Upright in the middle of the track, well inside the limits at which an episode ends."""

EPISODES = 3
HORIZON = 25
PLANNER = ICEM(population=64, elites=8, iterations=2)


def check_balance(model: WorldModel, *, seed: int, progress: Progress) -> tuple[Check, Answer]:
    """Mean return of a controller that replans in the model at every step, and one plan."""
    import gymnasium

    env = gymnasium.make("CartPole-v1")
    world = {"gravity": 9.8, "length": 0.5}
    act = controller(model, OBJECTIVE, planner=PLANNER, horizon=HORIZON, context=world, seed=seed)
    track = progress.task("balancing the pole", EPISODES * 500)
    returns = [_episode(env, act, seed * 1000 + i, track) for i in range(EPISODES)]
    lazy = np.random.default_rng([seed, 3])
    chance = [_episode(env, lambda _: int(lazy.integers(2)), i, None) for i in range(20)]
    env.close()
    given = {"x": 0.0, "x_dot": 0.0, "theta": 0.1, "theta_dot": 0.0, **world}
    query = Plan(given=given, objective=OBJECTIVE, horizon=HORIZON)  # type: ignore[arg-type]
    answer = plan(model, query, seed=seed)
    mean = float(np.mean(returns))
    check = Check(
        "balance the pole by planning",
        "mean return ≥ 475 of 500",
        f"{mean:.0f}",
        mean >= 475,
        {"random actions": f"{np.mean(chance):.0f}"},
        f"returns {', '.join(f'{r:.0f}' for r in returns)}",
    )
    return check, answer


def _episode(env, act, seed: int, track) -> float:
    observation, _ = env.reset(seed=seed)
    if hasattr(act, "reset"):
        act.reset()
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        total += float(reward)
        over = terminated or truncated
        if track is not None:
            track.advance(1)
    return total
