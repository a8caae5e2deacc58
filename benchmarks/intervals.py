"""Whether 90 % intervals hold on episodes that the model never saw, by variable and seed.

    python benchmarks/intervals.py [worlds] [drone] [hvac] [--seeds N] [--json FILE]

worlds: CartPole and Pendulum, learned from random transitions, fresh episodes. drone: the four
logs cut into pieces of ten seconds, every fifth held out, 1 s ahead. hvac: every fifth day of one
city held out, 60 minutes ahead.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

import doworld as dw
import real_logs
from _table import Row, show
from doworld.data.gymnasium import collect

LOW, HIGH = 0.86, 0.94


def row(what: str, covered: list[dict[str, float]]) -> Row:
    """One row: each variable's coverage by seed, and whether all of them hold."""
    names = list(covered[0])
    every = [c[n] for c in covered for n in names]
    shown = [f"{n} {' '.join(f'{c[n]:.0%}' for c in covered)}" for n in names]
    return Row(
        f"90 % intervals, {what}",
        f"{LOW:.0%}–{HIGH:.0%}",
        ", ".join(shown),
        all(LOW <= value <= HIGH for value in every),
        {"mean": f"{np.mean(every):.0%}"},
        len(covered),
    )


def covered(train: dw.Trajectories, test: dw.Trajectories, horizon: int, seed: int, stride: int):
    """The share of logged values inside their interval, by variable."""
    model = dw.learn(train, seed=seed)
    table = dw.evaluate(model, test, horizon=horizon, stride=stride, seed=seed).frame()
    return dict(zip(table["variable"], table["coverage"], strict=True))


def worlds(seeds: int) -> list[Row]:
    rows = []
    for name, steps, horizon in (("CartPole-v1", 2000, 10), ("Pendulum-v1", 3000, 20)):
        found = []
        for seed in range(seeds):
            train = collect(name, steps=steps, seed=seed)
            test = collect(name, steps=2 * steps, seed=1000 + seed)
            found.append(covered(train, test, horizon, seed, horizon))
        rows.append(row(f"{name}, fresh episodes, {horizon} rows ahead", found))
    return rows


def drone(seeds: int) -> list[Row]:
    log = real_logs.drone_log()
    frame = pl.DataFrame(
        {
            "angle": log.column("angle"),
            "control": log.column("control"),
            "piece": [
                f"{log.episode_of_row[i]}/{(i - log.starts[log.episode_of_row[i]]) // 1000}"
                for i in range(log.rows)
            ],
        }
    )
    cut = dw.Trajectories.from_frame(frame, state=["angle"], action=["control"], episode="piece")
    held = np.arange(len(cut)) % 5 == 4
    train, test = (cut.select(np.flatnonzero(part).tolist()) for part in (~held, held))
    found = [covered(train, test, 100, seed, 25) for seed in range(seeds)]
    return [row("quarter-drone, held-out pieces of 10 s, 1 s ahead", found)]


def hvac(seeds: int) -> list[Row]:
    log = real_logs.hvac_log("Atlanta", lead=False)
    held = np.arange(len(log)) % 5 == 4
    train, test = (log.select(np.flatnonzero(part).tolist()) for part in (~held, held))
    found = [covered(train, test, 60, seed, 30) for seed in range(seeds)]
    own = [{n: c[n] for n in real_logs.SIX} for c in found]
    return [row("hvac Atlanta, held-out days, 60 min ahead", own)]


def main() -> None:
    parts = {"worlds": worlds, "drone": drone, "hvac": hvac}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", default=list(parts))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.which:
        rows += parts[name](options.seeds)
        show("Coverage", rows, options.json)


if __name__ == "__main__":
    main()
