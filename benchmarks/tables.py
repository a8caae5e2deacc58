"""Causal graphs from static tables beside causal-learn and pgmpy, on the same data in the same run.

    python benchmarks/tables.py [linear] [bnlearn] [sachs] [--json FILE] [--seeds N]
        [--peers PYTHON] [--slow]

linear: random linear Gaussian DAGs of degree 2, 1,000 rows. bnlearn: 10,000 rows of alarm, child
and insurance. sachs: flow cytometry, one condition, pooled, and nine conditions with interventions
known and unknown; its graph is contested. Peers run in the interpreter PYTHON, which may hold what
this one does not; ``--slow`` adds those that take minutes. Seconds are those of the processor,
imports left out; ours include twenty resamples, and peers do not resample.
"""

import argparse
import re
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import doworld as dw
from _beside import LIMIT, ask, table_text
from _dags import linear_dag
from _sachs import Cells, sachs_rows
from _table import Row, data_folder, show
from doworld.graph.equivalence import equivalence_class

NETWORKS = ("child", "insurance", "alarm")


@dataclass(frozen=True)
class Score:
    """What a method reached on one table: skeleton F1, distance to the true CPDAG, CPU seconds."""

    f1: float
    distance: int
    seconds: float

    def __str__(self) -> str:
        return f"F1 {self.f1:.3f}, SHD {self.distance}, {self.seconds:.2f} s"


@dataclass(frozen=True)
class Peers:
    """Where peers run, and whether the slow ones do."""

    python: str
    slow: bool

    def methods(self, kind: str, variables: int) -> list[str]:
        """The peers for a kind of table, the quick ones first."""
        if kind == "discrete":
            slow = ["causal-learn-boss"] if self.slow else []
            return ["causal-learn-pc", "pgmpy-hc", *slow]
        hill = ["pgmpy-hc"] if variables <= 20 else []
        slow = ["causal-learn-ges"] if self.slow and variables <= 20 else []
        return ["causal-learn-pc", "causal-learn-boss", *hill, *slow]

    def run(self, method: str, table: np.ndarray, kind: str) -> dict | None:
        """What a peer found and how long it took; None where it fails or is too slow."""
        found = ask(self.python, "_peers.py", [method], [table_text(table)], [kind])
        return found[-1] if found else None


def scored(edges: list[tuple[int, int, str]], dag: np.ndarray, seconds: float) -> Score:
    """Edges with marks against a true DAG and its equivalence class."""
    found = np.zeros_like(dag)
    for i, j, mark in edges:
        found[i, j] = True
        found[j, i] |= mark != "-->"
    truth = equivalence_class(dag)
    wrong = np.triu((found != truth) | (found.T != truth.T), 1)
    skeleton, real = np.triu(found | found.T, 1), np.triu(dag | dag.T, 1)
    f1 = 2 * (skeleton & real).sum() / max(skeleton.sum() + real.sum(), 1)
    return Score(float(f1), int(wrong.sum()), seconds)


def ours(log: dw.Trajectories, dag: np.ndarray, seed: int) -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that are constant in the first rows
        dw.discover(log.select(range(200)), seed=seed)  # imports what it needs
    started = time.process_time()
    graph = dw.discover(log, seed=seed)
    seconds = time.process_time() - started
    at = {name: i for i, name in enumerate(log.schema.names)}
    inside = [e for e in graph.edges() if max(at[e.source], at[e.target]) < len(dag)]
    edges = [(at[e.source], at[e.target], e.mark.value) for e in inside]
    return scored(edges, dag, seconds)


def beside(peers: Peers, table: np.ndarray, dag: np.ndarray, kind: str) -> dict[str, Score | str]:
    """Every peer's score on the same table."""
    out: dict[str, Score | str] = {}
    for method in peers.methods(kind, table.shape[1]):
        answer = peers.run(method, table, kind)
        if answer is None:
            out[method] = f"no answer within {LIMIT} s"
        elif answer.get("absent"):
            out[method] = "peer not installed"
        else:
            out[method] = scored(answer["edges"], dag, answer["seconds"])
    return out


def row(what: str, reached: list[Score], others: dict[str, Score | str]) -> Row:
    """One line: at least every peer's F1, and a tenth of every peer's time."""
    met = [s for s in others.values() if isinstance(s, Score)]
    f1 = float(np.mean([s.f1 for s in reached]))
    seconds = float(np.mean([s.seconds for s in reached]))
    passed = bool(met) and all(f1 >= s.f1 and 10 * seconds <= s.seconds for s in met)
    return Row(
        what,
        "F1 at least each peer's, in a tenth of its time",
        "; ".join(map(str, reached)),
        passed,
        {k: str(v) for k, v in others.items()},
        len(reached),
    )


def linear(seeds: int, peers: Peers) -> list[Row]:
    rows = []
    for variables in (20, 50, 100):
        reached, others = [], {}
        for seed in range(seeds):
            table, dag = _linear_table(variables, 1000, np.random.default_rng(seed))
            names = [f"x{i}" for i in range(variables)]
            frame = pl.DataFrame(dict(zip(names, table.T, strict=True)))
            reached.append(ours(dw.Trajectories.from_frame(frame, state=names), dag, seed))
            if seed == 0:
                others = beside(peers, table, dag, "continuous")
        note = "peers on the first" if seeds > 1 else ""
        rows.append(row(f"linear DAG, {variables} variables {note}".strip(), reached, others))
    return rows


def _linear_table(
    variables: int, rows: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a random DAG of degree 2 with coefficients ±U(0.5, 1.5) and unit noise."""
    order, weight, _ = linear_dag(variables, rng)
    table = np.zeros((rows, variables))
    for j in order:
        table[:, j] = table @ weight[:, j] + rng.standard_normal(rows)
    return table, weight != 0


def _true_graph(path: Path, names: list[str]) -> np.ndarray:
    dag = np.zeros((len(names), len(names)), bool)
    for line in path.read_text().splitlines():
        edge = re.match(r"\d+\. (\S+) --> (\S+)", line)
        if edge:
            dag[names.index(edge[1]), names.index(edge[2])] = True
    return dag


def bnlearn(seeds: int, peers: Peers) -> list[Row]:
    folder, rows = data_folder() / "bnlearn-samples", []
    for network in NETWORKS:
        lines = (folder / "data" / f"{network}.txt").read_text().split("\n")
        names = lines[0].split()
        table = np.array([line.split() for line in lines[1:] if line.strip()], float)
        dag = _true_graph(folder / "truth_dag_graph" / f"{network}.graph.txt", names)
        levels = {n: [f"{v:g}" for v in x] for n, x in zip(names, table.T, strict=True)}
        frame = pl.DataFrame(levels).with_columns(pl.all().cast(pl.Categorical))
        log = dw.Trajectories.from_frame(frame, state=names)
        reached = [ours(log, dag, seed) for seed in range(seeds)]
        rows.append(
            row(
                f"bnlearn {network}, {len(names)} variables, {len(table):,} rows",
                reached,
                beside(peers, table, dag, "discrete"),
            )
        )
    return rows


def sachs(seeds: int, peers: Peers) -> list[Row]:
    cells = Cells.read(_true_graph)
    methods = ["causal-learn-ges", "causal-learn-boss", "causal-learn-pc"]
    pooled = {m: peers.run(m, cells.table, "continuous") for m in methods}
    return sachs_rows(cells, seeds, peers.python, pooled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", nargs="*", default=["linear", "bnlearn", "sachs"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--slow", action="store_true")
    options = parser.parse_args()
    if shutil.which(options.peers) is None:
        parser.error(f"no interpreter at {options.peers}. Give --peers the path of one.")
    peers = Peers(options.peers, options.slow)
    parts = {"linear": linear, "bnlearn": bnlearn, "sachs": sachs}
    rows: list[Row] = []
    for name in options.which:
        rows += parts[name](options.seeds, peers)
        show(f"tables: {name}", rows, options.json)


if __name__ == "__main__":
    main()
