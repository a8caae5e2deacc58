"""Causal discovery against worlds whose graph is known, and beside its peers in the same run.

    doworld bench discovery [PART …] [--json FILE] [--seeds N] [--peers PYTHON] [--worlds N]
                            [--resume]

chemical: objects that colour each other, 20,000 random transitions. ood: predictions there where
colours that are no parents are replaced. local: the same where fewer objects act in some states.
series: linear autoregressions of 10 to 100 variables.
rate: the share of false edges over random worlds, linear and not. scale: 1,000 variables × 100,000
rows. trials, environments, tables, nonlinear, latent, monitoring: the scripts crafting and those of
the same name. Peers run in the interpreter PYTHON, which may hold what this one does not.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import doworld as dw
from _beside import ask, table_text
from _table import Row, interval, parts
from doworld.worlds.chemical import Chemical
from doworld.worlds.random import Form, RandomWorld

GRAPHS = ("chain", "collider", "full", "jungle")


def spread(values: list[float], digits: int = 3) -> str:
    """Mean and its 95 % interval over seeds."""
    mean, half = interval(values)
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def f1(found: set, truth: set) -> float:
    return 2 * len(found & truth) / max(len(found) + len(truth), 1)


def objects(graph: dw.CausalGraph) -> set[tuple[str, str]]:
    """The directed pairs of different objects."""
    edges = [e for e in graph.edges() if "action" not in (e.source, e.target)]
    return {(e.source, e.target) for e in edges if e.source != e.target and e.mark == "-->"}


def chemical(options: argparse.Namespace) -> list[Row]:
    """F1 of directed object pairs, any lag; an open edge counts as missed."""
    rows = []
    for name in GRAPHS:
        scores, seconds = [], []
        for seed in range(options.seeds):
            world = Chemical(name, seed=seed)
            log = world.collect(400, 50, seed=1000 + seed)
            begin = time.perf_counter()
            scores.append(f1(objects(dw.discover(log, seed=seed)), objects(world.graph)))
            seconds.append(time.perf_counter() - begin)
        row = Row(
            f"Chemical {name}, F1 from 20,000 random transitions",
            "1.00",
            " ".join(f"{s:.2f}" for s in scores),
            min(scores) == 1.0,
            {"published, 500,000": ".94–.98", "seconds": f"{np.mean(seconds):.1f}"},
            options.seeds,
        )
        rows.append(row)
    return rows


def _noised(
    world: Chemical, log: dw.Trajectories, keep: list[int], rng: np.random.Generator
) -> dw.Trajectories:
    """The log with the first row's colours replaced at random, but for those of ``keep``."""
    values = log.values.copy()
    gone = [i for i in range(world.objects) if i not in keep]
    first = log.starts[:-1]
    values[np.ix_(first, gone)] = rng.integers(world.colours, size=(len(first), len(gone)))
    return replace(log, values=values)


def ood(options: argparse.Namespace) -> list[Row]:
    """Accuracy one row ahead on the collider: each object with all that are no parents noised."""
    scores, inside, best = [], [], []
    for seed in range(min(options.seeds, 3)):
        world = Chemical("collider", seed=seed)
        model = dw.learn(world.collect(400, 50, seed=1000 + seed), seed=seed)
        test = world.collect(2000, 1, seed=5000 + seed)
        rng = np.random.default_rng(seed)
        right, usual = [], []
        for i in range(world.objects):
            keep = [i, *np.flatnonzero(world.everywhere[:, i]).tolist()]
            for log, out in ((_noised(world, test, keep, rng), right), (test, usual)):
                wrong = dw.evaluate(model, log, horizon=1, stride=1).frame()
                out.append(1 - float(wrong["nrmse"][i]))
        scores.append(100 * float(np.mean(right)))
        inside.append(100 * float(np.mean(usual)))
        best.append(100 * float(_ceiling(world, test).mean()))
    return [
        Row(
            "Chemical collider, accuracy with the colours of non-parents random, %",
            "≥ 97",
            " ".join(f"{s:.1f}" for s in scores),
            min(scores) >= 97,
            {
                "colours as they were": " ".join(f"{s:.1f}" for s in inside),
                "true mechanisms": " ".join(f"{s:.1f}" for s in best),
                "published": "97 (graph network 31, MLP 23)",
            },
            len(scores),
        )
    ]


def peer(python: str | None, method: str, table: np.ndarray, lag: int) -> dict | None:
    """What a peer found and its CPU seconds; None where it is absent, fails or is too slow."""
    if python is None:
        return None
    found = ask(python, "_series_peers.py", [method], [table_text(table)], [str(lag)])
    return None if not found or "absent" in found[-1] else found[-1]


def series(options: argparse.Namespace) -> list[Row]:
    """F1 over (source, target, lag), and CPU seconds, of linear autoregressions of 1,000 rows."""
    rows = [textbook()]
    for variables in (10, 20, 50, 100):
        for lag in (1, 2):
            rows.append(_series_row(variables, lag, options))
    return rows


def textbook() -> Row:
    """Our partial correlations beside a regression a target, each solved by itself."""
    from scipy import stats

    from doworld.discover.numerics.standard import Standardised
    from doworld.discover.numerics.units import units_of
    from doworld.discover.time.linear import partial_tests

    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 40)) @ rng.normal(size=(40, 40))
    y = x[:, :10] * 0.1 + rng.normal(size=(1000, 10))
    x, y = x - x.mean(0), y - y.mean(0)
    ours = partial_tests(
        Standardised(x), y, units_of(np.zeros(1000, np.int64), seed=0), np.zeros(40, bool)
    )
    t = np.sqrt(ours.gain / (1 - ours.gain) * ours.freedom)
    p = 2 * stats.t.sf(t, ours.freedom)
    worst = 0.0
    for j in range(10):
        weight, squares, _, _ = np.linalg.lstsq(x, y[:, j], rcond=None)
        error = np.sqrt(squares[0] / 959 * np.diag(np.linalg.inv(x.T @ x)))
        truth = 2 * stats.t.sf(np.abs(weight) / error, 959)
        worst = max(worst, float(np.abs(truth - p[:, j]).max()))
    return Row(
        "partial correlation, 40 candidates: p-values beside one regression a target",
        "equal to 1e-10",
        f"{worst:.0e}",
        bool(worst <= 1e-10),
    )


def _series_row(variables: int, lag: int, options: argparse.Namespace) -> Row:
    scores, seconds = [], []
    first = None
    for seed in range(options.seeds):
        world = RandomWorld(variables, seed=seed)
        log = world.collect(1, 1000, seed=1000 + seed)
        first = first or (world, log)
        begin = time.process_time()
        graph = dw.discover(log, max_lag=lag, contemporaneous=False, seed=seed)
        seconds.append(time.process_time() - begin)
        scores.append(f1(_keys(graph), _keys(world.graph)))
    assert first is not None
    beside, ratio = {"CPU seconds": f"{np.median(seconds):.2f}"}, np.nan
    truth = {(int(a[1:]), int(b[1:]), k) for a, b, k in _keys(first[0].graph)}
    for method in ("tigramite-pcmci", "antecedent-pcmci"):
        other = peer(options.peers, method, first[1].values, lag)
        if other is None:
            beside[method] = "not run"
            continue
        score = f1({tuple(e) for e in other["edges"]}, truth)
        beside[method] = f"F1 {score:.3f}, {other['seconds']:.2f} s"
        if method.startswith("tigramite"):
            ratio = other["seconds"] / np.median(seconds)
            beside["faster than tigramite"] = f"{ratio:.0f}×"
    asked = "F1 ≥ .98" + (", ≥ 200× tigramite's speed" if variables >= 50 else "")
    quick = variables < 50 or ratio >= 200
    passed = bool(np.mean(scores) >= 0.98 and quick)
    what = f"linear series, {variables} variables, lags ≤ {lag}, 1,000 rows"
    return Row(what, asked, spread(scores), passed, beside, options.seeds)


def _keys(graph: dw.CausalGraph) -> set[tuple[str, str, int]]:
    return {(e.source, e.target, e.lag) for e in graph.edges()}


def rate(options: argparse.Namespace) -> list[Row]:
    """The share of false edges asked for and observed, with its recall."""
    rows, asked = [], 0.05
    for form in Form:
        for within in (0, 1):
            wrong, recall = [], []
            for seed in range(options.worlds // 6):
                world = RandomWorld(8, within=within, actions=1, form=form, seed=seed)
                log = world.collect(5, 120, seed=1000 + seed)
                false, found = _false(dw.discover(log, fdr=asked, seed=seed), world.graph)
                wrong.append(false)
                recall.append(found)
            mean, error = np.mean(wrong), np.std(wrong) / np.sqrt(len(wrong))
            name = f"false edges, {form.value}" + (", also within the row" if within else "")
            row = Row(
                f"{name}, {len(wrong)} worlds",
                f"≤ {asked} (+ 2 standard errors)",
                f"{mean:.3f} (standard error {error:.3f})",
                bool(mean <= asked + 2 * error),
                {"recall": f"{np.mean(recall):.2f}"},
                len(wrong),
            )
            rows.append(row)
    return rows


def _false(found: dw.CausalGraph, truth: dw.CausalGraph) -> tuple[float, float]:
    """Share of false edges, arrows that point the wrong way too; share of true ones found."""
    true = _keys(truth)
    linked = true | {(b, a, k) for a, b, k in true if k == 0}
    own = {e: (e.source, e.target, e.lag) for e in found.edges()}
    wrong = sum(key not in (true if e.mark == "-->" else linked) for e, key in own.items())
    right = sum(k in true if e.mark == "-->" else k in linked for e, k in own.items())
    return wrong / max(len(own), 1), right / len(true)


SCALE = """
import json, resource, time
import doworld as dw
from doworld.worlds.random import RandomWorld
world = RandomWorld({variables}, seed=0)
log = world.collect({rows} // 100, 99, seed=1)
begin = time.perf_counter()
graph = dw.discover(log, max_lag=1, contemporaneous=False)
seconds = time.perf_counter() - begin
true = {{(e.source, e.target) for e in world.graph.edges()}}
found = {{(e.source, e.target) for e in graph.edges()}}
f1 = 2 * len(true & found) / (len(true) + len(found))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({{"seconds": seconds, "peak": peak, "f1": f1}}))
"""


def scale(options: argparse.Namespace) -> list[Row]:
    """In a process of its own, so that its memory is its own."""
    code = SCALE.format(variables=1000, rows=100_000)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return [Row("1,000 variables × 100,000 rows", "≤ 60 s, ≤ 4 GiB", "failed", False)]
    got = json.loads(done.stdout.splitlines()[-1])
    reached = f"{got['seconds']:.0f} s, {got['peak']:.1f} GiB, F1 {got['f1']:.3f}"
    passed = got["seconds"] <= 60 and got["peak"] <= 4
    return [Row("1,000 variables × 100,000 rows", "≤ 60 s, ≤ 4 GiB", reached, passed)]


def trials(options: argparse.Namespace) -> list[Row]:
    import crafting

    return crafting.crafting(options.seeds)


def environments(options: argparse.Namespace) -> list[Row]:
    import environments as own

    changing = own.changes(2 * options.seeds, options.worlds // 4, options.peers)
    return own.finetti(options.worlds, options.peers) + changing + own.parents(options.worlds)


def tables(options: argparse.Namespace) -> list[Row]:
    import tables as own

    peers, seeds = own.Peers(options.peers or sys.executable, slow=False), min(options.seeds, 3)
    return own.linear(seeds, peers) + own.bnlearn(seeds, peers) + own.sachs(seeds, peers)


def nonlinear(options: argparse.Namespace) -> list[Row]:
    import nonlinear as own
    from tables import Peers

    peers = Peers(options.peers or sys.executable, slow=False)
    return own.nonlinear(own.Options(2 * options.seeds, peers))


def latent(options: argparse.Namespace) -> list[Row]:
    import latent as own

    asked = argparse.Namespace(worlds=options.worlds // 4, rows=[1000, 10_000], peers=options.peers)
    return own.tables(asked) + own.series(asked) + own.fmri(asked)


def monitoring(_: argparse.Namespace) -> list[Row]:
    import monitoring as own

    return own.petshop() + own.tennessee()


def local(options: argparse.Namespace) -> list[Row]:
    """Objects of which all act on all below, but where the first has its first colour: accuracy of
    the others one row ahead there, with the colours of some replaced at random."""
    rows = []
    for name, asked in (("fork", 85.0), ("chain", None)):
        world = Chemical("full", local=name, objects=10, seed=0)
        model = dw.learn(world.collect(800, 50, seed=1000), max_lag=1)
        test = world.collect(6000, 1, seed=5000)
        pairs = test.values.reshape(len(test), 2, -1)
        test = test.select(np.flatnonzero((pairs[:, :, 0] == 0).all(1)))
        for noised in (0, 2, 4, 6):
            keep = [0, *range(noised + 1, world.objects)]
            log = _noised(world, test, keep, np.random.default_rng(noised))
            wrong = dw.evaluate(model, log, horizon=1, stride=1).frame()["nrmse"].to_numpy()
            reached = 100 * (1 - wrong[keep].mean())
            ceiling = 100 * _ceiling(world, log)[keep].mean()
            bar = asked if asked else ceiling - 3
            row = Row(
                f"full graph, {name} where the root is first, {noised} noised, accuracy, %",
                f"≥ {bar:.0f}" if asked else "within 3 points of the true local graph",
                f"{reached:.1f}",
                bool(reached >= bar),
                {"true local graph": f"{ceiling:.1f}", "starts": str(len(test))},
            )
            rows.append(row)
    return rows


def _ceiling(world: Chemical, log: dw.Trajectories) -> np.ndarray:
    """Accuracy by object of the true mechanisms' most probable colours, each from its parents'."""
    pairs = log.values.reshape(len(log), 2, -1)
    before, after = pairs[:, 0], pairs[:, 1]
    painted, colour = np.divmod(before[:, world.action].astype(int), world.colours)
    row = before.copy()
    row[np.arange(len(row)), painted] = colour
    stirred = world.stirred(painted, row[:, 0])
    for i in range(world.objects):
        drawn = np.where(stirred[:, i], world.logits(i, row).argmax(-1), before[:, i])
        row[:, i] = np.where(painted == i, colour, drawn)
    return (row == after)[:, : world.objects].mean(0)


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "chemical": chemical,
    "ood": ood,
    "local": local,
    "trials": trials,
    "series": series,
    "scale": scale,
    "rate": rate,
    "environments": environments,
    "tables": tables,
    "nonlinear": nonlinear,
    "latent": latent,
    "monitoring": monitoring,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--json", type=Path, default=Path("results/discovery.json"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=200, help="of the rate of false edges")
    parser.add_argument("--peers", help="the interpreter that holds the peers")
    parser.add_argument("--resume", action="store_true", help="leave out what this code has run")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    every = {name: partial(part, options) for name, part in PARTS.items()}
    beside = "--peers" if options.peers else "without peers"
    settings = f"--seeds {options.seeds} --worlds {options.worlds} {beside}"
    parts("Discovery", every, options.which, options.json, settings=settings, resume=options.resume)


if __name__ == "__main__":
    main()
