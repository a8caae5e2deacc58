"""Nonlinear static tables beside causal-learn's PC with the kernel test KCI, on the same data.

    python benchmarks/nonlinear.py [additive] [joint] [level] [--json FILE] [--seeds N]
        [--peers PYTHON]

additive: random DAGs of seven variables, degree 2 and 3, 400 rows; a variable is a sum of random
smooth functions of its parents plus Gaussian noise of 0.3 to 0.6 of their standard deviation.
joint: the same, but one random smooth function of all parents together, degree 3. Functions are
draws from a Gaussian process of length scale 1 in units of the parents' standard deviation (60
random Fourier features). level: the share of independent pairs that the random-feature test calls
dependent.

Peers run in the interpreter PYTHON. Seconds are those of the processor, imports left out; ours
include twenty resamples. Skeleton F1 counts links; directed F1 counts links pointed as in the true
graph, an open one half.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import doworld as dw
from _table import Row, interval, show
from doworld.discover.independence import Columns, RandomFeatures
from doworld.discover.tables.methods import StaticMethod
from tables import Peers

NODES, ROWS = 7, 400
LEVELS = (0.05, 0.01)
"""Levels of the peer's test."""
NULLS = 1000
WORLDS = {"additive": ((2, False), (3, False)), "joint": ((3, True),)}
Edges = list[tuple[int, int, str]]


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    seeds: int
    peers: Peers


@dataclass(frozen=True)
class Reached:
    """What a method reached on one table."""

    skeleton: float
    directed: float
    seconds: float


def smooth(parents: int, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A draw from a Gaussian process with length scale 1."""
    weight = rng.standard_normal((parents, 60))
    phase, height = rng.uniform(0, 2 * np.pi, 60), rng.standard_normal(60)
    return lambda x: np.cos(x @ weight + phase) @ height


def world(
    degree: int, joint: bool, rng: np.random.Generator, *, nodes: int = NODES, rows: int = ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """A table and its true graph, ``[i, j]``: i → j."""
    order = rng.permutation(nodes)
    pairs = [(order[i], order[j]) for i in range(nodes) for j in range(i + 1, nodes)]
    dag = np.zeros((nodes, nodes), bool)
    for k in rng.choice(len(pairs), round(nodes * degree / 2), replace=False):
        dag[pairs[k]] = True
    x = np.zeros((rows, nodes))
    for j in order:
        parents = np.flatnonzero(dag[:, j])
        noise = rng.standard_normal(rows)
        if len(parents):
            groups = [parents] if joint else [[p] for p in parents]
            signal = sum(smooth(len(g), rng)(x[:, g]) for g in groups)
            noise = (signal - signal.mean()) / signal.std() + rng.uniform(0.3, 0.6) * noise
        x[:, j] = (noise - noise.mean()) / noise.std()
    return x, dag


def scored(edges: Edges, dag: np.ndarray, seconds: float) -> Reached:
    linked = dag | dag.T
    links = sum(bool(linked[i, j]) for i, j, _ in edges)
    points = sum(dag[i, j] if mark == "-->" else linked[i, j] / 2 for i, j, mark in edges)
    total = max(len(edges) + int(dag.sum()), 1)
    return Reached(2 * links / total, float(2 * points / total), seconds)


def ours(table: np.ndarray, dag: np.ndarray, method: StaticMethod | None) -> Reached:
    names = [f"x{i}" for i in range(table.shape[1])]
    frame = pl.DataFrame(dict(zip(names, table.T, strict=True)))
    log = dw.Trajectories.from_frame(frame, state=names)
    dw.discover(log.select(range(60)), method=method)  # imports what it needs
    started = time.process_time()
    graph = dw.discover(log, method=method)
    seconds = time.process_time() - started
    edges = [(int(e.source[1:]), int(e.target[1:]), e.mark.value) for e in graph.edges()]
    return scored(edges, dag, seconds)


def worlds_rows(kind: str, options: Options) -> list[Row]:
    """One line a degree: the default and PC with random features, and the peer at two levels."""
    from doworld.discover import PC

    rows = []
    for degree, joint in WORLDS[kind]:
        tables = [world(degree, joint, np.random.default_rng(s)) for s in range(options.seeds)]
        default = [ours(x, dag, None) for x, dag in tables]
        features = [ours(x, dag, PC()) for x, dag in tables]
        others: dict[str, list[Reached]] = {}
        for level in LEVELS:
            for x, dag in tables:
                answer = options.peers.run(f"causal-learn-kci-{level:g}", x, "continuous")
                if answer is not None and not answer.get("absent"):
                    found = scored(answer["edges"], dag, answer["seconds"])
                    others.setdefault(f"PC with KCI at {level:g}", []).append(found)
        rows.append(_row(f"{kind} noise worlds, degree {degree}", default, features, others))
    return rows


def _row(
    what: str, default: list[Reached], features: list[Reached], others: dict[str, list[Reached]]
) -> Row:
    def mean(field: str, of: list[Reached]) -> float:
        return float(np.mean([getattr(r, field) for r in of]))

    passed = bool(others) and all(
        len(peer) == len(default)
        and mean("skeleton", default) >= mean("skeleton", peer) - 0.02
        and mean("directed", default) >= mean("directed", peer) - 0.02
        and 30 * mean("seconds", default) <= mean("seconds", peer)
        for peer in others.values()
    )
    beside = {"PC with random features": said(features)}
    beside |= {name: said(peer) for name, peer in others.items()}
    asked = "F1 at least PC with KCI's less .02, both ways, in a thirtieth of its time"
    return Row(what, asked, said(default), passed, beside, len(default))


def said(reached: list[Reached]) -> str:
    skeleton, directed = (
        interval(getattr(r, field) for r in reached) for field in ("skeleton", "directed")
    )
    seconds = float(np.mean([r.seconds for r in reached]))
    return (
        f"skeleton F1 {skeleton[0]:.3f} ± {skeleton[1]:.3f}, directed F1 {directed[0]:.3f} ± "
        f"{directed[1]:.3f}, {seconds:.2f} s"
    )


def level(_: Options) -> list[Row]:
    """Type-I error of the random-feature test given no, one and two nonlinear common causes."""
    rows = []
    for given in (0, 1, 2):
        for count in (100, ROWS, 2000):
            repeats = NULLS if count < 1000 else NULLS // 4
            rng = np.random.default_rng(count + given)
            p = np.array([_null(given, count, rng) for _ in range(repeats)])
            shares = {nominal: float((p <= nominal).mean()) for nominal in (0.05, 0.1)}
            reached = ", ".join(f"{share:.3f} at {nominal:g}" for nominal, share in shares.items())
            passed = all(0.5 * n <= share <= 1.5 * n for n, share in shares.items())
            what = f"type-I error given {given} causes, {count} rows, {repeats} draws"
            rows.append(Row(what, ".5 to 1.5 times the nominal level", reached, passed))
    return rows


def _null(given: int, rows: int, rng: np.random.Generator) -> float:
    z = rng.standard_normal((rows, given))
    pair = rng.standard_normal((rows, 2))
    if given:
        for k in range(2):
            signal = smooth(given, rng)(z)
            noise = rng.uniform(0.3, 0.6) * pair[:, k]
            pair[:, k] = (signal - signal.mean()) / signal.std() + noise
    table = RandomFeatures().on(Columns.numbers(np.hstack([pair, z])))
    return table.test(0, 1, tuple(range(2, 2 + given))).p_value


def nonlinear(options: Options) -> list[Row]:
    """All rows: the worlds beside PC with KCI, and the level of the test."""
    return [
        *worlds_rows("additive", options),
        *worlds_rows("joint", options),
        *level(options),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", nargs="*", default=["additive", "joint", "level"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    given = parser.parse_args()
    if shutil.which(given.peers) is None:
        parser.error(f"no interpreter at {given.peers}. Give --peers the path of one.")
    options = Options(given.seeds, Peers(given.peers, slow=False))
    rows: list[Row] = []
    for name in given.which:
        rows += level(options) if name == "level" else worlds_rows(name, options)
        show(f"nonlinear: {name}", rows, given.json)


if __name__ == "__main__":
    main()
