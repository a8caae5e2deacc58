"""Whether 90 % intervals hold the truth, by question, in random worlds."""

import argparse

import numpy as np

import doworld as dw
from _table import Row
from doworld.worlds.random import Form, RandomWorld

LEVEL, HORIZON = 0.9, 10
EPISODES, STEPS = 40, 50


def rows(options: argparse.Namespace) -> list[Row]:
    """One row a question, all forms of worlds together; each form beside it."""
    seeds = 1 if options.quick else max(options.seeds, 4)
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for form in Form:
        for seed in range(seeds):
            for question, hits in _world(form, seed).items():
                found.setdefault(question, {}).setdefault(form.value, []).append(hits)
    return [_row(question, forms, seeds) for question, forms in found.items()]


def _row(question: str, forms: dict[str, list[np.ndarray]], seeds: int) -> Row:
    every = np.concatenate([h for hits in forms.values() for h in hits])
    share = 100 * float(every.mean())
    worlds = [float(h.mean()) for hits in forms.values() for h in hits]
    return Row(
        f"90 % intervals of {question}, random worlds",
        "86–94 %",
        f"{share:.1f} %",
        86 <= share <= 94,
        {
            **{f: f"{100 * float(np.concatenate(h).mean()):.1f}" for f, h in forms.items()},
            "by world": f"{100 * min(worlds):.0f}–{100 * max(worlds):.0f}",
            "numbers": str(len(every)),
        },
        seeds,
    )


def _world(form: Form, seed: int) -> dict[str, np.ndarray]:
    """Hits of every question, in one world learned from 2,000 transitions."""
    world = RandomWorld(5, parents=1, actions=1, form=form, seed=100 + seed)
    model = dw.learn(world.collect(EPISODES, STEPS, seed=seed), seed=seed)
    fresh = world.record(20, HORIZON, seed=7000 + seed)
    rng = np.random.default_rng(seed)
    hits: dict[str, list[np.ndarray]] = {"Predict": [], "Do": [], "Counterfactual": []}
    size = HORIZON + 1
    for n in range(len(fresh.log)):
        episode = fresh.log[n]
        start = episode[:1]
        action = [float(v) for v in episode.values[:HORIZON, world.schema.position("a0")]]
        truth = fresh.log.values.reshape(-1, size, len(world.schema))[n]
        planned = {"a0": action}
        predicted = dw.ask(
            model, dw.Predict(given=start, planned=planned, horizon=HORIZON, level=LEVEL)
        )
        hits["Predict"].append(_hits(world, predicted, truth))
        name = str(rng.choice([*world.schema.names[:5], "a0"]))
        value = float(rng.uniform(-0.8, 0.8))
        done = [dw.Set(name, value, at=range(1 if name != "a0" else 0, 4))]
        other = world.replay(fresh, done).values.reshape(-1, size, len(world.schema))[n]
        asked = dw.Do(
            given=start, interventions=done, planned=planned, horizon=HORIZON, level=LEVEL
        )
        hits["Do"].append(_hits(world, dw.ask(model, asked), other, skip=name))
        back = dw.Counterfactual(episode=episode, interventions=done, level=LEVEL)
        moved = np.abs(other - truth) > 1e-6
        hits["Counterfactual"].append(_hits(world, dw.ask(model, back), other, moved, skip=name))
    return {q: np.concatenate(h) for q, h in hits.items()}


def _hits(world, answer, truth, only=None, skip="") -> np.ndarray:
    """Whether the interval of every answered number holds the truth; what is set is left out."""
    out = []
    for series in answer.series:
        if series.variable == skip or series.lower is None:
            continue
        at = world.schema.position(series.variable)
        own = truth[list(series.rows), at]
        inside = (np.array(series.lower) <= own) & (own <= np.array(series.upper))
        kept = np.ones(len(own), bool) if only is None else only[list(series.rows), at]
        out.append(inside[kept])
    return np.concatenate(out) if out else np.zeros(0, bool)
