"""Control from random logs: CartPole and Pendulum, ours beside a monolith, the truth and chance.

    python benchmarks/control.py [--json FILE]    # three seeds, 20 episodes each
    python benchmarks/control.py --quick          # one seed, five episodes

Every model gets the same random transitions, the same planner and the same episodes. "truth" has
the published equations as its mechanisms. Returns are means with 95 % intervals (t)
over the seeds' means and over all episodes.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import t as student

import doworld as dw
from doworld.data.gymnasium import collect
from doworld.model.monolith import fit_monolith

ARMS = ("ours", "monolith", "truth", "random")


@dataclass(frozen=True)
class World:
    """A control problem: where from, what is wanted, how to plan, and its published laws."""

    name: str
    transitions: int
    objective: dw.Goal | Callable
    planner: dw.ICEM
    horizon: int
    reach: float
    laws: tuple[dw.Known, ...]


def cartpole_laws() -> tuple[dw.Known, ...]:
    def turn(theta, theta_dot, action):
        temp = (20 * action - 10 + 0.05 * theta_dot**2 * jnp.sin(theta)) / 1.1
        top = 9.8 * jnp.sin(theta) - jnp.cos(theta) * temp
        return top / (0.5 * (4 / 3 - 0.1 * jnp.cos(theta) ** 2 / 1.1)), temp

    def speed(x_dot, theta, theta_dot, action):
        acceleration, temp = turn(theta, theta_dot, action)
        return x_dot + 0.02 * (temp - 0.05 * acceleration * jnp.cos(theta) / 1.1)

    return (
        law("x", ("x", "x_dot"), lambda x, x_dot: x + 0.02 * x_dot),
        law("x_dot", ("x_dot", "theta", "theta_dot", "action"), speed),
        law("theta", ("theta", "theta_dot"), lambda theta, theta_dot: theta + 0.02 * theta_dot),
        law(
            "theta_dot",
            ("theta", "theta_dot", "action"),
            lambda theta, theta_dot, action: theta_dot + 0.02 * turn(theta, theta_dot, action)[0],
        ),
    )


def pendulum_laws() -> tuple[dw.Known, ...]:
    def speed(sin, thetadot, action):
        return jnp.clip(thetadot + 0.05 * (15 * sin + 3 * jnp.clip(action, -2, 2)), -8, 8)

    def cosine(cos, sin, thetadot, action):
        turn = 0.05 * speed(sin, thetadot, action)
        return cos * jnp.cos(turn) - sin * jnp.sin(turn)

    def sine(cos, sin, thetadot, action):
        turn = 0.05 * speed(sin, thetadot, action)
        return sin * jnp.cos(turn) + cos * jnp.sin(turn)

    names = ("cos", "sin", "thetadot", "action")
    return (law("cos", names, cosine), law("sin", names, sine), law("thetadot", names[1:], speed))


def law(target: str, parents: tuple[str, ...], function: Callable) -> dw.Known:
    return dw.Known(target, tuple((name, name, 1) for name in parents), function)


def pendulum_cost(rows):
    """Pendulum-v1's published reward, negative, at the state that the action led to."""
    angle = jnp.arctan2(rows["sin"], rows["cos"])
    return angle**2 + 0.1 * rows["thetadot"] ** 2 + 0.001 * rows["action"] ** 2


def worlds() -> tuple[World, ...]:
    balance = dw.Goal(
        target={"x": 0.0, "theta": 0.0},
        limit={"x": (-2.3, 2.3), "theta": (-0.2, 0.2)},
        final=10.0,
    )
    return (
        World("CartPole-v1", 2000, balance, dw.ICEM(), 30, 475, cartpole_laws()),
        World("Pendulum-v1", 3000, pendulum_cost, dw.ICEM(), 25, -200, pendulum_laws()),
    )


def learn(arm: str, world: World, seed: int):
    """The model of one arm from ``world.transitions`` random transitions; None for chance."""
    if arm == "random":
        return None
    log = collect(world.name, steps=world.transitions, seed=seed)
    if arm == "monolith":
        return fit_monolith(log, seed=seed)
    if arm == "ours":
        return dw.learn(log, seed=seed)
    links = tuple(dw.Edge(s, each.target, k) for each in world.laws for _, s, k in each.parents)
    graph = dw.CausalGraph(log.schema.names, links)
    settings = dw.Settings(members=1, structures=0)
    return dw.learn(log, graph=graph, known=world.laws, settings=settings, seed=seed)


def play(world: World, model, *, seed: int, episodes: int) -> tuple[list[float], list[float]]:
    """Returns of ``episodes`` episodes, and the seconds that each step took to decide."""
    env = gymnasium.make(world.name)
    env.action_space.seed(seed)
    policy = None
    if model is not None:
        policy = dw.controller(
            model, world.objective, planner=world.planner, horizon=world.horizon, seed=seed
        )
    returns, seconds = [], []
    for episode in range(episodes):
        observation, _ = env.reset(seed=10_000 * (seed + 1) + episode)
        if policy is not None:
            policy.reset()
        total, done = 0.0, False
        while not done:
            began = time.perf_counter()
            action = env.action_space.sample() if policy is None else policy(observation)
            seconds.append(time.perf_counter() - began)
            observation, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            done = terminated or truncated
        returns.append(total)
    env.close()
    return returns, seconds


def interval(values: np.ndarray) -> float | None:
    """Half a 95 % interval of the mean, by Student's t; None for one value."""
    if len(values) < 2:
        return None
    spread = np.std(values, ddof=1) / math.sqrt(len(values))
    return float(student.ppf(0.975, len(values) - 1) * spread)


def half(interval_: float | None) -> str:
    return "" if interval_ is None else f"{interval_:.1f}"


def run(world: World, arm: str, seeds: range, episodes: int) -> dict:
    returns, seconds, learning = [], [], []
    for seed in seeds:
        began = time.perf_counter()
        model = learn(arm, world, seed)
        learning.append(time.perf_counter() - began)
        own, steps = play(world, model, seed=seed, episodes=episodes)
        returns.append(own)
        seconds += steps[3:]
    means = np.mean(returns, 1)
    return {
        "world": world.name,
        "arm": arm,
        "transitions": 0 if arm == "random" else world.transitions,
        "seeds": list(seeds),
        "returns": returns,
        "mean": float(means.mean()),
        "worst_seed": float(means.min()),
        "interval_seeds": interval(means),
        "interval_episodes": interval(np.ravel(returns)),
        "reach": world.reach,
        "step_ms": 1000 * float(np.median(seconds)),
        "learning_s": float(np.mean(learning)),
    }


def table(results: list[dict]) -> Table:
    out = Table(title="Control from random transitions")
    for column in (
        "world",
        "model",
        "transitions",
        "return",
        "± seeds",
        "± episodes",
        "worst seed",
        "asked",
        "ms a step",
        "learning s",
    ):
        out.add_column(column, justify="left" if column in ("world", "model") else "right")
    for r in results:
        ours = r["arm"] == "ours"
        mark = "" if not ours else (" ✓" if r["mean"] >= r["reach"] else " ✗")
        out.add_row(
            r["world"],
            r["arm"],
            str(r["transitions"]),
            f"{r['mean']:.1f}{mark}",
            half(r["interval_seeds"]),
            half(r["interval_episodes"]),
            f"{r['worst_seed']:.1f}",
            f"{r['reach']:g}" if ours else "",
            f"{r['step_ms']:.2f}",
            f"{r['learning_s']:.1f}",
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, five episodes")
    parser.add_argument("--world", help="only the world whose name holds this")
    parser.add_argument("--arm", choices=ARMS, action="append", help="only this model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args()
    seeds, episodes = (1, 5) if options.quick else (options.seeds, options.episodes)
    results = []
    for world in worlds():
        if options.world and options.world.lower() not in world.name.lower():
            continue
        for arm in options.arm or ARMS:
            results.append(run(world, arm, range(seeds), episodes))
            print(f"{world.name} {arm}: {results[-1]['mean']:.1f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    console = Console()
    console.width = max(console.width, 110)
    console.print(table(results))


if __name__ == "__main__":
    main()
