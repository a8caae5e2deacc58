"""Blame on failures whose one fatal action is planted: is its row found?

The model is learned from a log of random actions; the failures are fresh. The truth is the world
itself, replayed with the same noise: a failure is kept only where exactly one row saves it.
Beside it, from the same log: the row whose action goes with failure most, by time and by state;
the row of the largest drop of a learned value; and a row at random.
"""

import argparse
import time
from collections import defaultdict

import numpy as np

import doworld as dw
from _table import Row, interval
from _workers import each
from doworld.query import Blame
from doworld.worlds.planted import KINDS, Failure, Planted

TRANSITIONS = 2900
"""Of the log that a model, and every baseline, is learned from."""

NEIGHBOURS = 25


def rows(options: argparse.Namespace) -> list[Row]:
    failures = 3 if options.quick else 8
    cases = [(kind, seed, failures) for kind in KINDS for seed in range(options.seeds)]
    found = each(world, cases, options.workers)
    return table({c[:2]: off for c, off in zip(cases, found, strict=True)}, options.seeds)


def world(kind: str, seed: int, failures: int) -> dict[str, list[int]]:
    """How far off each method was in fresh failures of one world; ``bounded`` counts answers."""
    began = time.time()
    truth = KINDS[kind](seed)
    log = truth.collect(round(TRANSITIONS / truth.steps), truth.steps, seed=100 + seed)
    model = dw.learn(log, seed=seed)
    learned = time.time()
    rivals = Rivals(truth, log, seed)
    off: dict[str, list[int]] = defaultdict(list)
    for failure in truth.failures(failures, seed=200 + seed):
        episode = failure.recording.log[0]
        answer = dw.ask(model, Blame(episode=episode, success=truth.goal), seed=seed)
        off["bounded"].append(int(answer.status == "bounded"))
        off["blame"].append(_off(_row_of(answer), failure))
        for name, row in rivals.named(failure).items():
            off[name].append(_off(row, failure))
    own = np.array(off["blame"])
    print(
        f"{kind} {seed}: exact {np.mean(own == 0):.0%}, within 1 {np.mean(own <= 1):.0%} of "
        f"{len(own)}; learned in {learned - began:.0f} s, asked in {time.time() - learned:.0f} s",
        flush=True,
    )
    return off


def table(worlds: dict[tuple[str, int], dict[str, list[int]]], seeds: int) -> list[Row]:
    """The two rows, from what ``world`` found by kind and seed."""
    asked = sum(len(off["blame"]) for off in worlds.values())
    bounded = sum(sum(off["bounded"]) for off in worlds.values())
    methods = [n for n in next(iter(worlds.values())) if n != "bounded"]
    out = []
    for what, most, mark in (("t* exact", 0, 0.90), ("t* within ±1", 1, 0.97)):
        mean, half = interval(_rates(worlds, "blame", most, seeds))
        others = [n for n in methods if n != "blame"]
        beside = {n: f"{np.mean(_rates(worlds, n, most, seeds)):.0%}" for n in others}
        for kind in KINDS:
            own = [d for (k, _), off in worlds.items() if k == kind for d in off["blame"]]
            beside[kind] = f"{np.mean(np.array(own) <= most):.0%}"
        out.append(
            Row(
                what=f"Blame, planted fatal action, {asked} failures of {len(KINDS)} kinds of "
                f"worlds: {what}",
                asked=f"≥ {mark:.0%}",
                reached=f"{mean:.1%} ± {half:.1%} over seeds",
                passed=bool(mean >= mark),
                beside=beside,
                seeds=seeds,
                note=f"{bounded} of {asked} answers bounded",
            )
        )
    return out


def _rates(worlds: dict, method: str, most: int, seeds: int) -> list[float]:
    """The share of failures at most so far off, by seed."""
    every = [(s, d) for (_, s), off in worlds.items() for d in off[method]]
    return [float(np.mean([d <= most for s, d in every if s == seed])) for seed in range(seeds)]


def _row_of(answer) -> int | None:
    details = answer.details
    return None if details is None or details.best is None else details.best.row


def _off(row: int | None, failure: Failure) -> int:
    """How far from the nearest true row; far where none was named."""
    if row is None:
        return 10**6
    return int(np.abs(np.flatnonzero(failure.truth) - row).min())


class Rivals:
    """What a log tells without a world model."""

    def __init__(self, world: Planted, log, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 1])
        self.steps, self.at = world.steps, world.schema.position("u")
        values = log.values.reshape(-1, world.steps + 1, len(world.schema))
        self.success = world.succeeded(values).astype(float)
        self.levels = world.schema["u"].levels
        self.states = [i for i in range(len(world.schema)) if i != self.at]
        self.coded = [(i, world.schema.variables[i].levels) for i in self.states]
        self.action = values[:, :-1, self.at]
        self.scale = {i: max(float(values[..., i].std()), 1e-9) for i in self.states}
        self.features = self._features(values)

    def _features(self, values: np.ndarray) -> np.ndarray:
        """States by episode and row, levels one-hot, each column scaled."""
        parts = []
        for i, levels in self.coded:
            if levels > 2:
                parts.append(3.0 * (values[..., i, None] == np.arange(levels)))
            else:
                parts.append(values[..., i, None] / self.scale[i])
        return np.concatenate(parts, -1)

    def _acted(self, action: np.ndarray) -> np.ndarray:
        if self.levels:
            return 3.0 * (action[..., None] == np.arange(self.levels))
        return action[..., None] / max(float(self.action.std()), 1e-9)

    def named(self, failure: Failure) -> dict[str, int]:
        """The row that each rival blames."""
        values = failure.recording.log.values[None]
        action, features = values[0, :-1, self.at], self._features(values)[0]
        return {
            "correlation by time": self._by_time(action),
            "correlation by state": self._by_state(action, features),
            "value drop": self._drop(features),
            "random": int(self.rng.integers(self.steps)),
        }

    def _by_time(self, action: np.ndarray) -> int:
        """argmin_t of the success of the log's episodes whose action at t was most like it."""
        near = np.abs(self.action - action) if not self.levels else self.action != action
        order = np.argsort(near + self.rng.uniform(0, 1e-9, near.shape), 0)[:NEIGHBOURS]
        return int(self.success[order].mean(0).argmin())

    def _by_state(self, action: np.ndarray, features: np.ndarray) -> int:
        """argmin_t of P(success | s_t, a_t) − P(success | s_t), nearest neighbours at any time."""
        known = np.concatenate([self.features[:, :-1], self._acted(self.action)], -1)
        asked = np.concatenate([features[:-1], self._acted(action)], -1)
        both = self._value(known, asked)
        return int((both - self._value(self.features[:, :-1], features[:-1])).argmin())

    def _drop(self, features: np.ndarray) -> int:
        """argmax_t V(s_t) − V(s_{t+1}), V(s) the success of the log's episodes through s."""
        value = self._value(self.features, features)
        return int((value[:-1] - value[1:]).argmax())

    def _value(self, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        flat = known.reshape(-1, known.shape[-1])
        labels = np.repeat(self.success, known.shape[1])
        far = ((asked[:, None] - flat[None]) ** 2).sum(-1)
        return labels[np.argsort(far, 1)[:, :NEIGHBOURS]].mean(1)
