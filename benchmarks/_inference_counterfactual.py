"""Counterfactual episodes against simulators: one action changed, or none; bounds of levels."""

import argparse

import gymnasium
import jax
import numpy as np

import doworld as dw
from _table import Row, interval
from _workers import each
from doworld.data.gymnasium import collect
from doworld.infer.counterfactual.fact import fact_of
from doworld.infer.counterfactual.replay import replay, stacked
from doworld.infer.engine import key_of
from doworld.infer.reach import Reach
from doworld.infer.setup import targets_of
from doworld.model.monolith import fit_monolith
from doworld.worlds import cartpole
from doworld.worlds.sepsis import PARENTS, Sepsis

AT, HORIZON, CASES, ASKED = 2, 20, 24, 0.02
TRANSITIONS = {"CartPole-v1": 2000, "Pendulum-v1": 3000}
DRAWS = 1000


def cartpole_truth(part, actions: np.ndarray) -> np.ndarray | None:
    """The simulator's rows under other actions; None where it would have ended the episode."""
    first = np.array([part.column(n)[0] for n in cartpole.STATE])
    rows = cartpole.replay(first, actions)
    return rows if cartpole.alive(rows) else None


def pendulum_truth(part, actions: np.ndarray) -> np.ndarray:
    """The simulator's rows from the episode's first state under other actions."""
    env = gymnasium.make("Pendulum-v1").unwrapped
    env.reset(seed=0)
    cos, sin, speed = (float(part.column(n)[0]) for n in ("cos", "sin", "thetadot"))
    env.state = np.array([np.arctan2(sin, cos), speed])  # type: ignore[attr-defined]
    rows = [[cos, sin, speed]]
    for action in actions:
        env.step(np.array([action]))
        angle, speed = env.state  # type: ignore[attr-defined]
        rows.append([np.cos(angle), np.sin(angle), speed])
    env.close()
    return np.array(rows)


def cases(name: str, log: dw.Trajectories, rng: np.random.Generator):
    """(episode, changed action, the simulator's rows) of up to ``CASES`` fresh episodes."""
    out = []
    for episode in log:
        if len(episode) < AT + 2 + HORIZON or len(out) == CASES:
            continue
        part = episode[: AT + 1 + HORIZON]
        actions = part.column("action")[:-1].copy()
        if name == "CartPole-v1":
            actions[AT] = 1 - actions[AT]
            rows = cartpole_truth(part, actions)
        else:
            actions[AT] = rng.uniform(-2, 2)
            rows = pendulum_truth(part, actions)
        if rows is not None:
            out.append((part, float(actions[AT]), rows[AT + 1 :]))
    return out


def error(model, asked, states, spread, seed: int) -> np.ndarray:
    """RMSE of the rows after the change, in standard deviations of each variable."""
    gaps = []
    for part, action, truth in asked:
        query = dw.Counterfactual(episode=part, interventions=[dw.Set("action", action, at=AT)])
        answer = dw.ask(model, query, seed=seed)
        ours = np.array([answer[n].estimate for n in states]).T[AT + 1 :]
        gaps.append(ours - truth)
    return np.sqrt(np.mean(np.square(gaps), (0, 1))) / spread


def nothing(model, asked, states, spread) -> tuple[float, float]:
    """Largest gap to the fact of the answer, and of the factual replay itself, in deviations."""
    said, replayed = [], []
    for part, _, _ in asked:
        fact_action = float(part.column("action")[AT])
        done = [dw.Set("action", fact_action, at=AT)]
        query = dw.Counterfactual(episode=part, interventions=done)
        answer = dw.ask(model, query)
        for n, sd in zip(states, spread, strict=True):
            said.append(np.abs(np.array(answer[n].estimate) - part.column(n)).max() / sd)
        fact = fact_of(model, query.episode, targets_of(model.schema, ()), Reach.of(model))
        rows = np.broadcast_to(fact.rows, (model.dynamics.members, 1, *fact.rows.shape))
        key = jax.random.fold_in(key_of(0), 2)
        worlds = stacked([fact.world, fact.otherwise(done).world])
        out = replay(model.dynamics, fact.window, rows, worlds, key=key)
        columns = [model.schema.position(n) for n in states]
        gap = np.abs(out[:, :, 1] - rows)[:, :, : fact.made][..., columns]
        replayed.append((gap * model.scale[columns] / spread).max())
    return float(np.max(said)), float(np.max(replayed))


def simulator(name: str, seed: int) -> dict:
    """Errors by variable of one log's model, its rivals, and what the factual action changes."""
    log = collect(name, steps=TRANSITIONS[name], seed=seed)
    states = log.schema.of("state")
    spread = np.array([np.nanstd(log.column(n)) for n in states])
    model, monolith = dw.learn(log, seed=seed), fit_monolith(log, seed=seed)
    fresh = collect(name, steps=6000, seed=seed + 500)
    asked = cases(name, fresh, np.random.default_rng(seed))
    facts = [
        np.stack([part.column(n) for n in states], 1)[AT + 1 :] - truth for part, _, truth in asked
    ]
    return {
        "ours": error(model, asked, states, spread, seed),
        "monolith": error(monolith, asked, states, spread, seed),
        "unchanged": np.sqrt(np.mean(np.square(facts), (0, 1))) / spread,
        "nothing": nothing(model, asked[:6], states, spread),
        "episodes": len(asked),
    }


def simulators(options: argparse.Namespace) -> list[Row]:
    """CartPole and Pendulum."""
    seeds = range(1 if options.quick else options.seeds)
    asked = [(name, seed) for name in TRANSITIONS for seed in seeds]
    every = each(simulator, asked, options.workers)
    out = []
    for name, steps in TRANSITIONS.items():
        found = [f for (own, _), f in zip(asked, every, strict=True) if own == name]
        worst = np.array([f["ours"].max() for f in found])
        mean, half = interval(worst)
        out.append(
            Row(
                f"{name}: one action changed, next {HORIZON} rows, from {steps:,} transitions",
                f"RMSE ≤ {ASKED:.0%} of each variable's sd",
                f"worst variable {100 * mean:.2g} ± {100 * half:.1g} %; worst seed "
                f"{100 * worst.max():.2g} %",
                bool(worst.max() <= ASKED),
                {
                    "monolith": f"{100 * np.mean([f['monolith'].max() for f in found]):.2g} %",
                    "no change": f"{100 * np.mean([f['unchanged'].max() for f in found]):.2g} %",
                },
                len(found),
                f"{found[-1]['episodes']} episodes a seed",
            )
        )
    said, replayed = (max(f["nothing"][k] for f in every) for k in (0, 1))
    out.append(
        Row(
            "null counterfactual: the factual action",
            "the episode to 1e-5",
            f"answer {said:.1g} sd; the replay itself {replayed:.1g} sd",
            said <= 1e-5 and replayed <= 1e-5,
            {},
            len(every),
            "the answer adds (altered − factual replay) to the fact; the replay alone is float32",
        )
    )
    return out


def levels(options: argparse.Namespace) -> list[Row]:
    """Bounds of levels learned from a log, in worlds with three vitals and two kinds of noise."""
    inside, rows_, widths, exact = 0, 0, [], []
    seeds = 1 if options.quick else options.seeds
    for seed in range(seeds):
        world = Sepsis(seed=seed)
        log = world.collect(200, 100, seed=seed)
        model = dw.learn(log, graph=world.graph, seed=seed)
        for noise in ("monotone", "scattered"):
            other = Sepsis(noise=noise, seed=seed)
            recording = other.record(4, 8, seed=50 + seed)
            for n in range(4):
                flip = 1 - int(recording.log[n].column("antibiotic")[0])
                done = [dw.Set("antibiotic", flip, at=0)]
                query = dw.Counterfactual(episode=recording.log[n], interventions=done)
                answer = dw.ask(model, query)
                many = other.replay(other.behind(recording, n, DRAWS, seed=n), done)
                values = many.values.reshape(DRAWS, 9, -1)
                for name in PARENTS:
                    series = answer[name]
                    if not series.probabilities_lower:
                        continue
                    column = values[..., other.schema.position(name)]
                    share = np.stack([(column == c).mean(0) for c in range(3)], -1)
                    low = np.array(series.probabilities_lower)
                    high = np.array(series.probabilities_upper)
                    slack = 3 * np.sqrt(share * (1 - share) / DRAWS) + 1e-3
                    good = (low - slack <= share) & (share <= high + slack)
                    inside, rows_ = inside + int(good.sum()), rows_ + good.size
                    moved = (low != high).any(-1)
                    widths += (high - low)[moved].ravel().tolist()
                    own = np.array(series.probabilities)
                    exact += (np.abs(own - share) < slack + 0.05)[moved].ravel().tolist()
    share = inside / max(rows_, 1)
    return [
        Row(
            "levels: true chances of every level within their bounds, mechanisms learned",
            "100 %",
            f"{100 * share:.2f} % of {rows_:,}",
            share == 1.0,
            {
                "width of bounds": f"{np.mean(widths):.2f} of 1",
                "Gumbel-max within 0.05": f"{np.mean(exact):.0%}",
            },
            seeds,
            "worlds whose noise is coupled by inverse CDFs, in the levels' or in scattered order",
        )
    ]


def rows(options: argparse.Namespace) -> list[Row]:
    """The part's rows."""
    return [*simulators(options), *levels(options)]
