"""Imagine in textbook worlds: learned at parameters in a range, asked outside it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import doworld as dw
from _table import Row, interval
from _workers import each
from doworld.data import Policy, Role, Schema, Trajectories, Variable
from doworld.model.monolith import fit_monolith

STEPS, SAMPLES, CASES = 20, 8, 12
EPISODES, ROWS = 48, 60
FINE = 10
"""Runge–Kutta steps a row of a world that flows between its rows."""


@dataclass(frozen=True)
class Book:
    """One world: its equations, how it is logged, and what is asked.

    Attributes:
        slope: the rates of change from (state, push, parameter).
        start, push: ranges of first states and of the push.
        learned, asked: parameters of the log, and those asked outside.
        tau: time between rows.
        flows: whether the world flows between rows (Runge–Kutta), or takes one Euler step.
    """

    slope: Callable[[np.ndarray, float, float], np.ndarray]
    state: tuple[str, ...]
    start: tuple[tuple[float, float], ...]
    push: tuple[float, float]
    learned: tuple[float, float]
    asked: tuple[float, float]
    tau: float
    flows: bool = False

    def next(self, state: np.ndarray, push: float, parameter: float) -> np.ndarray:
        """The state one row later."""
        if not self.flows:
            return state + self.tau * self.slope(state, push, parameter)
        h = self.tau / FINE
        for _ in range(FINE):
            a = self.slope(state, push, parameter)
            b = self.slope(state + h / 2 * a, push, parameter)
            c = self.slope(state + h / 2 * b, push, parameter)
            d = self.slope(state + h * c, push, parameter)
            state = state + h / 6 * (a + 2 * b + 2 * c + d)
        return state

    def rolled(self, state: np.ndarray, pushes: np.ndarray, parameter: float) -> np.ndarray:
        """The rows from ``state`` on."""
        rows = [state]
        for push in pushes:
            rows.append(self.next(rows[-1], push, parameter))
        return np.array(rows)


def _spring(s, u, k):
    return np.array([s[1], u - k * s[0] - 0.3 * s[1]])


def _thrown(s, u, drag):
    speed = np.hypot(s[2], s[3])
    return np.array([s[2], s[3], u - drag * speed * s[2], -9.8 - drag * speed * s[3]])


def _tanks(s, u, valve):
    one, other = np.sqrt(np.maximum(s, 0.0))
    return np.array([u - valve * one, valve * one - 0.6 * other])


def _prey(s, u, growth):
    return np.array([(growth - u - 0.8 * s[1]) * s[0], (0.5 * s[0] - 0.9) * s[1]])


def _house(s, u, outside):
    return np.array([0.15 * (outside - s[0]) + 0.24 * (s[1] - s[0]), 0.5 * (s[0] - s[1]) + 4 * u])


THROWN = ((-5.0, 5.0), (0.0, 5.0), (-8.0, 8.0), (-3.0, 12.0))
BOOKS = {
    "spring, flowing": Book(
        _spring, ("x", "v"), ((-2, 2), (-2, 2)), (-2, 2), (1, 3), (0.2, 6), 0.1, True
    ),
    "projectile with drag": Book(
        _thrown, ("x", "y", "vx", "vy"), THROWN, (-1, 1), (0.02, 0.08), (0.0, 0.2), 0.05
    ),
    "coupled tanks": Book(
        _tanks, ("h1", "h2"), ((0.5, 4), (0.5, 4)), (0, 2), (0.6, 1), (0.3, 1.6), 0.2
    ),
    "predator and prey, flowing": Book(
        _prey,
        ("prey", "predator"),
        ((0.5, 3), (0.5, 3)),
        (0, 0.3),
        (0.8, 1.4),
        (0.3, 2.2),
        0.05,
        True,
    ),
    "heated house": Book(
        _house, ("room", "heater"), ((12, 24), (15, 30)), (0, 1), (0, 15), (-20, 35), 0.2, True
    ),
}


def _log(book: Book, seed: int) -> Trajectories:
    rng, levels = np.random.default_rng(seed), np.linspace(*book.learned, 8)
    low, high = np.array(book.start, float).T
    values = []
    for episode in range(EPISODES):
        pushes = rng.uniform(*book.push, ROWS)
        parameter = float(levels[episode % 8])
        rows = book.rolled(rng.uniform(low, high), pushes[:-1], parameter)
        pushes[-1] = np.nan
        values.append(np.column_stack([rows, pushes, np.full(ROWS, parameter)]))
    ends = (float(book.push[0]), float(book.push[1]))
    variables = (
        *(Variable(n) for n in book.state),
        Variable("push", Role.ACTION, bounds=ends),
        Variable("parameter", Role.CONTEXT),
    )
    return Trajectories(
        schema=Schema(
            variables,
            policy=Policy.RANDOMISED,
            environments=tuple(f"parameter={p:g}" for p in levels),
        ),
        values=np.concatenate(values),
        starts=np.arange(EPISODES + 1) * ROWS,
        times=np.tile(np.arange(float(ROWS)), EPISODES),
        environment=np.arange(EPISODES) % 8,
        terminated=np.zeros(EPISODES, bool),
        truncated=np.ones(EPISODES, bool),
        labels=tuple(str(e) for e in range(EPISODES)),
    )


def _answers(model, book: Book, start: np.ndarray, pushes: np.ndarray, query) -> np.ndarray:
    usual = float(np.mean(book.learned))
    given = {**dict(zip(book.state, start.tolist(), strict=True)), "parameter": usual}
    common = {"given": given, "planned": {"push": tuple(pushes.tolist())}}
    asked = query(**common, horizon=STEPS, samples=SAMPLES, target=list(book.state))
    answer = dw.ask(model, asked, seed=0)
    refused = [np.inf] * STEPS
    return np.array([refused if (e := answer[n].estimate) is None else e for n in book.state]).T


def _one(name: str, seed: int, cases: int) -> list[tuple[float, float]]:
    """(error of ours, error of the monolith) of each parameter asked, worst variable, in sd."""
    book = BOOKS[name]
    log = _log(book, seed)
    spread = np.array([np.nanstd(log.column(n)) for n in book.state])
    model, monolith = dw.learn(log, seed=seed), fit_monolith(log, seed=seed)
    low, high = np.array(book.start, float).T
    out = []
    for value in map(float, book.asked):
        rng = np.random.default_rng([seed, 1])
        errors = []
        for _ in range(cases):
            start, pushes = rng.uniform(low, high), rng.uniform(*book.push, STEPS)
            truth = book.rolled(start, pushes, value)[1:]
            swap, done = dw.Swap("parameter", value), dw.Set("parameter", value)
            ours = _answers(
                model, book, start, pushes, lambda s=swap, **q: dw.Imagine(rules=[s], **q)
            )
            theirs = _answers(
                monolith, book, start, pushes, lambda d=done, **q: dw.Do(interventions=[d], **q)
            )
            errors.append([ours - truth, theirs - truth])
        rmse = np.sqrt((np.array(errors) ** 2).mean((0, 2))) / spread
        out.append((float(rmse[0].max()), float(rmse[1].max())))
    return out


def rows(options: argparse.Namespace, *, mark: float, fifth: float) -> list[Row]:
    """A row a world and a parameter outside its log."""
    out, count = [], 4 if options.quick else CASES
    cases = [(name, seed, count) for name in BOOKS for seed in range(options.seeds)]
    every = each(_one, cases, options.workers)
    for name, book in BOOKS.items():
        found = [f for case, f in zip(cases, every, strict=True) if case[0] == name]
        for n, value in enumerate(book.asked):
            ours, theirs = (np.array([f[n][k] for f in found]) for k in (0, 1))
            told = np.isfinite(ours)
            mean, half = interval(ours[told].tolist()) if told.any() else (np.nan, np.nan)
            least = (ours / theirs)[told].max(initial=0.0)
            refused = "" if told.all() else f"; refused in {(~told).sum()} of {len(told)} logs"
            out.append(
                Row(
                    what=f"{name}: learned at {book.learned[0]:g}–{book.learned[1]:g}, "
                    f"asked at {value:g}, {STEPS} steps",
                    asked="RMSE ≤ 5 % of each sd, ≤ a fifth of the monolith's, every seed",
                    reached=f"{100 * mean:.2g} ± {100 * half:.1g} %; "
                    f"≤ {least:.2g} of the monolith's{refused}",
                    passed=bool(ours.max() <= mark and (ours / theirs).max() <= fifth),
                    beside={"monolith": f"{100 * theirs.mean():.2g} %"},
                    seeds=options.seeds,
                    note="our own textbook worlds without noise; worst variable",
                )
            )
    return out
