"""Counterfactuals of a 30-node linear model, ours beside dowhy.gcm on the same data and graph."""

import argparse
import time

import numpy as np
import polars as pl

import doworld as dw
from _beside import ask_first, table_text
from _table import Row
from doworld.infer.counterfactual.units import units
from doworld.model.learn import Settings

NODES, ROWS, DEGREE = 30, 2000, 4
CHANGED, VALUE = 3, 1.0


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a linear world [cause, effect] and its rows."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.3, 0.9, (NODES, NODES)) * (rng.random((NODES, NODES)) < DEGREE / NODES)
    weights = np.triu(weights, 1)
    x = np.zeros((ROWS, NODES))
    for j in range(NODES):
        x[:, j] = x @ weights[:, j] + rng.normal(size=ROWS)
    return weights, x


def timed(call, repeats: int) -> tuple[float, float, object]:
    """(first call, median of the others) in milliseconds, and the last result."""
    spent, out = [], None
    for _ in range(repeats + 1):
        began = time.perf_counter()
        out = call()
        spent.append(1e3 * (time.perf_counter() - began))
    return spent[0], float(np.median(spent[1:])), out


def rows(options: argparse.Namespace) -> list[Row]:
    """One unit and 1,000 units, all nodes answered, by array call and by question."""
    weights, x = world(0)
    names = [f"x{i}" for i in range(NODES)]
    frame = pl.DataFrame({n: x[:, i] for i, n in enumerate(names)})
    log = dw.Trajectories.from_frame(frame, state=names)
    graph = dw.CausalGraph(
        log.schema.names, tuple(dw.Edge(names[i], names[j], 0) for i, j in np.argwhere(weights))
    )
    settings = Settings(neural=None, members=5, structures=0)
    model = dw.learn(log, graph=graph, settings=settings)
    done = [dw.Set(names[CHANGED], VALUE)]
    peer = None
    if options.peers:
        given = [table_text(x, names), table_text(weights)]
        found = ask_first(options.peers, "_gcm.py", [str(CHANGED), str(VALUE)], given, threads=1)
        peer = found[0] if found and "times" in found[0] else None
    out = []
    for count, asked, repeats in ((1, 50, 200), (1000, 3, 30)):
        part = log[0] if count == 1 else log[:count]
        first, ours, values = timed(lambda part=part: units(model, part, done), repeats)

        def question(part=part, target=()):
            return dw.ask(model, dw.Counterfactual(episode=part, interventions=done, target=target))

        cold, whole, _ = timed(question, max(repeats // 10, 5))
        _, single, _ = timed(lambda: question(target=(names[-1],)), max(repeats // 10, 5))
        beside, ratio, note = {}, float("nan"), "no peer: give --peers PYTHON with dowhy"
        if peer is not None:
            own = peer["times"][str(count)]
            mine = np.stack([values[n][:, :, 0].mean(0) for n in names], 1)  # type: ignore[index]
            theirs = np.array(peer["values"][str(count)])
            gap = np.abs(mine[: len(theirs)] - theirs).max() / x.std()
            ratio = own["median"] / ours
            note = f"largest difference of a value between the two: {gap:.3f} sd"
            beside = {
                "dowhy.gcm": f"{own['median']:.2f} ms (first call {own['first']:.0f} ms)",
                "ask, all 30 nodes": f"{whole:.2f} ms, {own['median'] / whole:.1f}×",
                "ask, one target": f"{single:.2f} ms, {own['median'] / single:.1f}×",
            }
        beside["ask's first call"] = f"{cold:.0f} ms"
        out.append(
            Row(
                f"{NODES}-node linear model, counterfactual of {count:,} unit{'s'[: count > 1]}, "
                "warm, array call",
                f"≥ {asked}× dowhy.gcm",
                f"{ours:.3f} ms (first call {first:.2f} ms, 5 members): {ratio:.0f}×",
                ratio >= asked,
                beside,
                1,
                note,
            )
        )
    return out
