"""Unobserved common causes and cycles: what is marked, rightly and wrongly, beside FCI.

    python benchmarks/latent.py [tables] [series] [fmri] [--json FILE] [--worlds N] [--rows N …]
        [--peers PYTHON]

tables: random linear Gaussian DAGs of ten variables, with no and two unobserved common causes.
series: random dynamic worlds, the same. fmri: simulated networks with cycles, 500 rows each, as
tables and as series. Peers run in the interpreter PYTHON. A ``<->`` is right if the pair shares an
unobserved cause; it can be demanded of the few pairs both ends of which something else
moves.
"""

import argparse
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import doworld as dw
from _beside import ask, table_text
from _dags import linear_dag
from _table import Row, data_folder, show
from doworld.data import Schema, Trajectories, Variable
from doworld.graph import Reason
from doworld.worlds.random import RandomWorld

LIMIT = 300
"""Seconds after which a peer is stopped."""
Pairs = set[frozenset[str]]


def rows_of(table: np.ndarray, *, episodes: int = 0) -> Trajectories:
    """A static table, or so many episodes of equal length."""
    names = [f"x{i}" for i in range(table.shape[1])]
    count = episodes or len(table)
    length = len(table) // count
    return Trajectories(
        schema=Schema(tuple(map(Variable, names)), step=1.0 if episodes else 0.0),
        values=table,
        starts=np.arange(count + 1) * length,
        times=np.tile(np.arange(float(length)), count),
        environment=np.zeros(count, np.int64),
        terminated=np.zeros(count, bool),
        truncated=np.ones(count, bool),
        labels=tuple(map(str, range(count))),
    )


def linear_table(
    rows: int, latents: int, seed: int, variables: int = 10
) -> tuple[np.ndarray, Pairs, np.ndarray]:
    """A DAG of degree 2, weights ±U(0.5, 1.5), unit noise; causes of unlinked pairs, ±U(0.7, 1.2).

    Rows, the pairs with an unobserved cause, and the DAG. The world is that of the seed whatever
    the number of rows.
    """
    rng = np.random.default_rng(seed)
    order, weight, pairs = linear_dag(variables, rng)
    dag = weight != 0
    free = [(i, j) for i, j in pairs if not dag[i, j]]
    chosen = [free[k] for k in rng.choice(len(free), latents, replace=False)]
    loads = rng.uniform(0.7, 1.2, (latents, 2)) * rng.choice([-1, 1], (latents, 2))
    noise = rng.standard_normal((rows, variables))
    for (i, j), (one, other) in zip(chosen, loads, strict=True):
        cause = rng.standard_normal(rows)
        noise[:, i] += one * cause
        noise[:, j] += other * cause
    table = np.zeros((rows, variables))
    for j in order:
        table[:, j] = table @ weight[:, j] + noise[:, j]
    return table, {frozenset((f"x{i}", f"x{j}")) for i, j in chosen}, dag


def bidirected(graph: dw.CausalGraph) -> Pairs:
    """The pairs with ``<->`` at any lag."""
    found = {frozenset((e.source, e.target)) for e in graph.edges() if e.mark == "<->"}
    return {pair for pair in found if len(pair) == 2}


def peer_pairs(python: str, table: np.ndarray) -> Pairs | None:
    """The ``<->`` of causal-learn's FCI; None where it is absent or too slow."""
    given = [table_text(table)]
    found = ask(python, "_peers.py", ["causal-learn-fci"], given, ["continuous"], seconds=LIMIT)
    if not found or "absent" in found[-1]:
        return None
    edges = found[-1]["edges"]
    return {frozenset((f"x{i}", f"x{j}")) for i, j, mark in edges if mark == "<->"}


def counted(found: Iterable[tuple[Pairs | None, Pairs]]) -> str:
    """How many pairs are right, of how many, how many wrong, and in how many worlds."""
    right = wrong = there = bad = worlds = 0
    for pairs, truth in found:
        if pairs is None:
            return "no answer"
        right, wrong = right + len(pairs & truth), wrong + len(pairs - truth)
        there, bad, worlds = there + len(truth), bad + bool(pairs - truth), worlds + 1
    return f"{right} of {there} right, {wrong} wrong in {bad} of {worlds} worlds"


def tables(options: argparse.Namespace) -> list[Row]:
    out = []
    for rows in options.rows:
        for latents in (0, 2):
            ours, full, peer = [], [], []
            for seed in range(options.worlds):
                table, truth, _ = linear_table(rows, latents, seed)
                log = rows_of(table)
                ours.append((bidirected(dw.discover(log)), truth))
                full.append((bidirected(dw.discover(log, latent=True)), truth))
                if options.peers:
                    peer.append((peer_pairs(options.peers, table), truth))
            bad = sum(bool(found - truth) for found, truth in ours)
            beside = {"ours, latent=True": counted(full)}
            if peer:
                beside["causal-learn FCI"] = counted(peer)
            out.append(
                Row(
                    f"tables, {latents} unobserved causes, {rows:,} rows: <->",
                    "wrong ones in at most 1 % of worlds (+ Monte-Carlo error)",
                    counted(ours),
                    bool(bad <= limit(options.worlds)),
                    beside,
                    options.worlds,
                )
            )
    return out


def limit(worlds: int, rate: float = 0.01) -> float:
    """Worlds with a false mark that ``rate`` and two Monte-Carlo errors allow."""
    return worlds * rate + 2 * np.sqrt(worlds * rate * (1 - rate))


def series(options: argparse.Namespace) -> list[Row]:
    settings: list[tuple[str, dict]] = [
        ("no unobserved causes", {}),
        ("no unobserved causes, policy that sees the state", {"policy": 0.5}),
        ("2 unobserved causes", {"latents": 2}),
        ("2 unobserved causes with memory .6", {"latents": 2, "latent_memory": 0.6}),
    ]
    out = []
    for rows in options.rows:
        for name, setting in settings:
            ours, silent, marked = [], 0, 0
            for seed in range(options.worlds):
                world = RandomWorld(5, parents=1, within=1, actions=2, seed=seed, **setting)
                graph = dw.discover(world.collect(1, rows, seed=1000 + seed))
                truth = {frozenset(pair) for pair in world.hidden}
                ours.append((bidirected(graph), truth))
                real = {frozenset((e.source, e.target)) for e in world.graph.edges() if e.lag == 0}
                directed = {
                    frozenset((e.source, e.target)) for e in graph.edges() if e.mark == "-->"
                }
                silent += len((directed & truth) - ours[-1][0] - real)
                marked += sum("o" in e.mark.value for e in graph.edges())
            bad = sum(bool(found - truth) for found, truth in ours)
            out.append(
                Row(
                    f"series, {name}, {rows:,} rows: <->",
                    "wrong ones in at most 1 % of worlds (+ Monte-Carlo error)",
                    counted(ours),
                    bool(bad <= limit(options.worlds)),
                    {"o-> or o-o": str(marked), "pairs directed in silence": str(silent)},
                    options.worlds,
                )
            )
    return out


def misfits(graph: dw.CausalGraph) -> bool:
    return any(fact.reason is Reason.FEEDBACK for fact in graph.unidentified)


def fmri(options: argparse.Namespace) -> list[Row]:
    out = []
    for network in (1, 2, 3):
        files = sorted((data_folder() / "fmri-feedback-sims" / f"Network{network}_amp").glob("*"))
        sims = [np.loadtxt(file, skiprows=1) for file in files]
        table = [misfits(dw.discover(rows_of(sim))) for sim in sims]
        over_time = [misfits(dw.discover(rows_of(sim, episodes=1))) for sim in sims]
        every = np.concatenate([(s - s.mean(0)) / s.std(0) for s in sims])
        pooled = misfits(dw.discover(rows_of(every)))
        out.append(
            Row(
                f"fmri network {network}: no graph without a cycle fits",
                "said of every simulation",
                f"{sum(table)} of {len(sims)} as tables, {sum(over_time)} as series",
                all(table),
                {"pooled, 5,000 rows": "said" if pooled else "not said"},
                len(sims),
            )
        )
    false = sum(misfits(dw.discover(rows_of(linear_table(500, 0, s, 5)[0]))) for s in range(100))
    out.append(
        Row(
            "random DAGs of five variables, 500 rows: said although one fits",
            "at most 1 % of tables (+ Monte-Carlo error)",
            f"{false} of 100",
            bool(false <= limit(100)),
            {},
            100,
        )
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parts: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
        "tables": tables,
        "series": series,
        "fmri": fmri,
    }
    parser.add_argument("which", nargs="*", default=list(parts))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worlds", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--peers", metavar="PYTHON")
    options = parser.parse_args()
    if options.peers and shutil.which(options.peers) is None:
        parser.error(f"no interpreter at {options.peers}. Give --peers the path of one.")
    rows: list[Row] = []
    for name in options.which:
        rows += parts[name](options)
        show(f"latent: {name}", rows, options.json)


if __name__ == "__main__":
    main()
