"""Whether 90 % intervals hold the truth, by question and by form of mechanism, in random worlds.

Widths stand beside the oracle's, which knows the world and draws its noise: for a counterfactual
that is no width at all, so its intervals stand beside the standard deviations of the log.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

import doworld as dw
from _table import Row
from _workers import each
from doworld.query import Answer, Intervention
from doworld.worlds.random import Form, RandomWorld
from doworld.worlds.world import Recording

LEVEL, HORIZON = 0.9, 10
EPISODES, STEPS = 40, 50
QUESTIONS, DRAWS = 20, 400
FIRST = 900
"""Seed of the first world; the intervals were worked on in others."""
KINDS = ("Predict", "Do", "Counterfactual")


@dataclass(frozen=True, eq=False)
class Found:
    """Every number that a world's answers gave: was it inside, how wide is it, is it a bound."""

    hits: np.ndarray
    width: np.ndarray
    against: np.ndarray
    bound: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Found"]) -> "Found":
        names = ("hits", "width", "against", "bound")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))

    @property
    def share(self) -> float:
        """Per cent inside."""
        return 100 * float(self.hits.mean())

    @property
    def relative(self) -> float:
        """Mean width over the mean of what it stands against, bounds left out."""
        own = ~self.bound
        return float(self.width[own].mean() / self.against[own].mean())


def rows(options: argparse.Namespace) -> list[Row]:
    """One row a question, and one for all questions by form of mechanism."""
    seeds = 1 if options.quick else max(options.seeds, 4)
    cases = [(form, seed) for form in Form for seed in range(seeds)]
    found = each(_world, cases, options.workers)
    every = {form: [f for c, f in zip(cases, found, strict=True) if c[0] is form] for form in Form}
    table = {
        kind: {form.value: [world[kind] for world in worlds] for form, worlds in every.items()}
        for kind in KINDS
    }
    return [*(_row(kind, forms, seeds) for kind, forms in table.items()), _by_form(table, seeds)]


def _row(kind: str, forms: dict[str, list[Found]], seeds: int) -> Row:
    worlds = [f for found in forms.values() for f in found]
    whole = Found.joined(worlds)
    by_form = {name: Found.joined(found) for name, found in forms.items()}
    unit = "sd of the log" if kind == "Counterfactual" else "× the oracle's"
    return Row(
        f"90 % intervals of {kind}, random worlds",
        "86–94 %",
        f"{whole.share:.1f} %",
        86 <= whole.share <= 94,
        {
            **{f: f"{own.share:.1f}, width {own.relative:.2f}" for f, own in by_form.items()},
            "width": f"{whole.relative:.2f} {unit}",
            "by world": f"{min(w.share for w in worlds):.0f}–{max(w.share for w in worlds):.0f}",
            "in answers that are bounds": f"{100 * whole.bound.mean():.1f} %",
            "numbers": str(len(whole.hits)),
        },
        seeds,
    )


def _by_form(table: dict[str, dict[str, list[Found]]], seeds: int) -> Row:
    share = {
        f"{kind}, {form}": Found.joined(found).share
        for kind, forms in table.items()
        for form, found in forms.items()
    }
    inside = sum(86 <= s <= 94 for s in share.values())
    worst = max(share, key=lambda name: abs(share[name] - 90))
    return Row(
        "90 % intervals by question and form of mechanism",
        "86–94 % each",
        f"{inside} of {len(share)}; farthest: {worst} {share[worst]:.1f} %",
        inside == len(share),
        {name: f"{s:.1f}" for name, s in share.items()},
        seeds,
    )


def _world(form: Form, seed: int) -> dict[str, Found]:
    """What the answers of every kind gave, in one world learned from 2,000 transitions."""
    world = RandomWorld(5, parents=1, actions=1, form=form, seed=FIRST + seed)
    log = world.collect(EPISODES, STEPS, seed=seed)
    model = dw.learn(log, seed=seed)
    fresh = world.record(QUESTIONS, HORIZON, seed=7000 + seed)
    rng = np.random.default_rng(seed)
    lever = world.schema.position("a0")
    spread = np.nanstd(log.values, 0)
    found: dict[str, list[Found]] = {kind: [] for kind in KINDS}
    size = HORIZON + 1
    for n in range(QUESTIONS):
        episode = fresh.log[n]
        start, planned = episode[:1], {"a0": [float(v) for v in episode.values[:HORIZON, lever]]}
        truth = fresh.log.values.reshape(-1, size, len(world.schema))[n]
        name = str(rng.choice([*world.schema.names[:5], "a0"]))
        value = float(rng.uniform(-0.8, 0.8))
        done = [dw.Set(name, value, at=range(1 if name != "a0" else 0, 4))]
        other = world.replay(fresh, done).values.reshape(-1, size, len(world.schema))[n]
        common = {"given": start, "planned": planned, "horizon": HORIZON, "level": LEVEL}
        wide = _oracle(world, truth, [], rng)
        found["Predict"].append(_found(dw.ask(model, dw.Predict(**common)), truth, wide))
        wide = _oracle(world, truth, done, rng)
        asked = dw.ask(model, dw.Do(**common, interventions=done))
        found["Do"].append(_found(asked, other, wide, skip=name))
        asked = dw.ask(model, dw.Counterfactual(episode=episode, interventions=done, level=LEVEL))
        moved = np.abs(other - truth) > 1e-6
        wide = np.broadcast_to(spread, truth.shape)
        found["Counterfactual"].append(_found(asked, other, wide, moved, skip=name))
    return {kind: Found.joined(parts) for kind, parts in found.items()}


def _oracle(
    world: RandomWorld, truth: np.ndarray, done: Sequence[Intervention], rng: np.random.Generator
) -> np.ndarray:
    """Width of the central 90 % of the world's own futures from the first row of ``truth``."""
    size = len(truth)
    like = world.record(DRAWS, size - 1, seed=0)
    log = replace(like.log, values=np.tile(truth, (DRAWS, 1)))
    drawn = Recording(log, rng.uniform(size=like.noise.shape))
    futures = world.replay(drawn, done).values.reshape(DRAWS, size, -1)
    low, high = np.nanquantile(futures[..., :5], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return high - low


def _found(
    answer: Answer,
    truth: np.ndarray,
    against: np.ndarray,
    only: np.ndarray | None = None,
    skip: str = "",
) -> Found:
    """Every answered number beside the truth; what is set is left out."""
    parts = []
    for series in answer.series:
        if series.variable == skip or series.lower is None or series.upper is None:
            continue
        at, when = int(series.variable[1:]), list(series.rows)
        own, low, high = truth[when, at], np.array(series.lower), np.array(series.upper)
        kept = np.ones(len(own), bool) if only is None else only[when, at]
        bound = np.full(len(own), answer.status == "bounded")
        parts.append(
            Found(
                ((low <= own) & (own <= high))[kept],
                (high - low)[kept],
                against[when, at][kept],
                bound[kept],
            )
        )
    return Found.joined(parts)
