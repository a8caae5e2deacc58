"""What several environments tell: directions, which mechanisms change, causes they agree on.

    python benchmarks/environments.py [finetti] [changes] [parents] [--json FILE] [--seeds N]
                                      [--worlds N] [--peers PYTHON]

finetti: the structure of two variables from two rows in each of 100…500 environments.
changes: six variables of which two mechanisms change; which ones, and the graph, beside CD-NOD.
parents: how often a cause that invariant prediction names is none.
PYTHON is an interpreter that has causal-learn; without one its columns say "peer not installed".
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from _beside import ask, table_text
from _table import Row, show
from doworld.data import Trajectories
from doworld.discover.environments.exchangeable import exchangeable_pair
from doworld.discover.environments.invariant_parents import invariant_parents
from doworld.discover.environments.mechanisms import changed_mechanisms
from doworld.discover.pipeline import discover
from doworld.graph import CausalGraph, Mark
from doworld.worlds.changes import ChangingWorld
from doworld.worlds.finetti import DeFinetti

PUBLISHED = {100: 0.70, 200: 0.82, 300: 0.87, 400: 0.90, 500: 0.91}
ABSENT = "peer not installed"
FIRST_SEED = 20_000
"""Worlds that no choice in the library was made on."""
PEER_LEVEL = 0.05


@dataclass
class Tally:
    """Right, false and missing ones of each world, and seconds spent."""

    counts: list[tuple[int, int, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, found: set, true: set, seconds: float = 0.0) -> None:
        self.counts.append((len(found & true), len(found - true), len(true - found)))
        self.seconds.append(seconds)

    def f1(self, which: np.ndarray | slice = slice(None)) -> float:
        right, false, missing = np.array(self.counts)[which].sum(0)
        return float(2 * right / max(2 * right + false + missing, 1))

    def __str__(self) -> str:
        rng, n = np.random.default_rng(0), len(self.counts)
        draws = [self.f1(rng.integers(n, size=n)) for _ in range(1000)]
        low, high = np.quantile(draws, [0.025, 0.975])
        return f"{self.f1():.2f} [{low:.2f}, {high:.2f}]"


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, p = 1.96, right / of
    centre, half = p + z**2 / (2 * of), z * np.sqrt(p * (1 - p) / of + z**2 / (4 * of**2))
    low, high = (centre - half) / (1 + z**2 / of), (centre + half) / (1 + z**2 / of)
    return max(0.0, float(low)), min(1.0, float(high))


def cdnod(peers: str | None, test: str, logs: Sequence[Trajectories]) -> list[dict]:
    """causal-learn's answers about each log; empty without it."""
    if peers is None:
        return []
    given = [
        table_text(
            np.c_[log.values, log.environment[log.episode_of_row]],
            (*log.schema.names, "environment"),
        )
        for log in logs
    ]
    told = [test, str(PEER_LEVEL)]
    answers = ask(peers, "_cdnod.py", told, given, seconds=None, threads=1)
    if not answers:
        raise SystemExit("CD-NOD failed: see the line above. Mend the peers, or leave --peers out.")
    return [] if "absent" in answers[-1] else answers


def finetti(worlds: int, peers: str | None) -> list[Row]:
    rows = []
    for environments, published in PUBLISHED.items():
        right, spent, logs, truth = 0, 0.0, [], []
        for seed in range(FIRST_SEED, FIRST_SEED + worlds):
            world = DeFinetti.drawn(seed)
            log = world.collect(environments, seed=seed)
            begin = time.process_time()
            edge = exchangeable_pair(log, "x", "y").edge
            spent += time.process_time() - begin
            right += (None if edge is None else "xy".index(edge.source)) == world.cause
            logs.append(log)
            truth.append(world.cause)
        low, high = wilson(right, worlds)
        beside = {"published": f"{published:.2f}", "published CD-NOD": ".38–.45"}
        if environments == min(PUBLISHED):
            few = cdnod(peers, "kci", logs[:30])
            hits = [
                {tuple(e) for e in a["edges"]} == (set() if c is None else {(c, 1 - c)})
                for a, c in zip(few, truth, strict=False)
            ]
            name = "CD-NOD (KCI) here, 30 worlds"
            beside[name] = f"{np.mean(hits):.2f}" if few else ABSENT
        asked = 0.91 if environments == max(PUBLISHED) else published
        rows.append(
            Row(
                f"causal de Finetti, {environments} environments × 2 rows: right structure",
                f"≥ {asked:.2f}",
                f"{right / worlds:.3f} [{low:.3f}, {high:.3f}], {1e3 * spent / worlds:.1f} ms each",
                right / worlds >= asked,
                beside,
                worlds,
            )
        )
    return rows


@dataclass(frozen=True)
class Setting:
    """A family of worlds."""

    name: str
    environments: int
    rows: int
    nonlinear: bool
    heavy: bool = False

    def world(self, seed: int) -> ChangingWorld:
        return ChangingWorld(
            6,
            environments=self.environments,
            changes=2,
            nonlinear=self.nonlinear,
            heavy=self.heavy,
            seed=FIRST_SEED + seed,
        )


SETTINGS = (
    Setting("straight, 2 environments × 200 rows", 2, 200, nonlinear=False),
    Setting("bent, 2 environments × 200 rows", 2, 200, nonlinear=True),
    Setting("straight, 5 environments × 80 rows", 5, 80, nonlinear=False),
    Setting("bent, Laplace noise, 2 × 200 rows", 2, 200, nonlinear=True, heavy=True),
)


def directed(graph: CausalGraph) -> set[tuple[str, str]]:
    return {(e.source, e.target) for e in graph.links if e.mark is Mark.DIRECTED}


def named(setting: Setting, seed: int) -> tuple[ChangingWorld, CausalGraph, set[str], float]:
    """A world, its graph and changes as found from its log, and seconds of CPU."""
    world = setting.world(seed)
    log = world.collect(setting.rows, seed=seed)
    begin = time.process_time()
    graph = discover(log)
    found = {c.variable for c in changed_mechanisms(log, graph) if c.changed}
    return world, graph, found, time.process_time() - begin


def changes(seeds: int, wide: int, peers: str | None) -> list[Row]:
    rows = []
    for setting in SETTINGS:
        ours, known, edges, pooled, many = Tally(), Tally(), Tally(), Tally(), Tally()
        worlds, logs = [], []
        for seed in range(max(seeds, wide)):
            world, graph, found, seconds = named(setting, seed)
            many.add(found, set(world.changed))
            if seed >= seeds:
                continue
            log = world.collect(setting.rows, seed=seed)
            given = {c.variable for c in changed_mechanisms(log, world.graph) if c.changed}
            ours.add(found, set(world.changed), seconds)
            known.add(given, set(world.changed))
            edges.add(directed(graph), directed(world.graph))
            together = replace(log, environment=np.zeros_like(log.environment))
            pooled.add(directed(discover(together)), directed(world.graph))
            worlds.append(world)
            logs.append(log)
        theirs = {t: _peer(cdnod(peers, t, logs), worlds) for t in ("kci", "fisherz")}
        rows += _change_rows(
            setting,
            ours,
            {"graph given": known, f"{len(many.counts)} worlds": many},
            (edges, pooled),
            theirs,
        )
    return rows


def _peer(answers: list[dict], worlds: Sequence[ChangingWorld]) -> tuple[Tally, Tally] | None:
    if not answers:
        return None
    modules, edges = Tally(), Tally()
    for answer, world in zip(answers, worlds, strict=True):
        names = world.schema.names
        found = {names[i] for i in answer["changed"]}
        modules.add(found, set(world.changed), answer["seconds"])
        edges.add({(names[i], names[j]) for i, j in answer["edges"]}, directed(world.graph))
    return modules, edges


def _change_rows(
    setting: Setting,
    ours: Tally,
    also: dict[str, Tally],
    graphs: tuple[Tally, Tally],
    theirs: dict[str, tuple[Tally, Tally] | None],
) -> list[Row]:
    seconds = float(np.mean(ours.seconds))
    beside = {f"ours, {name}": str(tally) for name, tally in also.items()}
    edges = {"discover(), pooled": str(graphs[1])}
    best, ratio, best_edges = 0.0, float("inf"), 0.0
    for test, found in theirs.items():
        name = f"CD-NOD ({test})"
        if found is None:
            beside[name] = edges[name] = ABSENT
            continue
        spent = float(np.mean(found[0].seconds))
        beside[name] = f"{found[0]}, {spent:.2f} s of CPU"
        edges[name] = str(found[1])
        best, best_edges = max(best, found[0].f1()), max(best_edges, found[1].f1())
        if test == "kci":
            ratio = spent / seconds
    worlds, compared = len(ours.counts), all(theirs.values())
    faster = "" if ratio == float("inf") else f", {ratio:.0f}× the speed of CD-NOD (kci)"
    return [
        Row(
            f"{setting.name}: F1 of changing mechanisms",
            "≥ 0.90, above CD-NOD at ≥ 20× its speed" if compared else f"≥ 0.90 ({ABSENT})",
            f"{ours}, {seconds:.2f} s of CPU{faster}",
            ours.f1() >= 0.9 and ours.f1() > best and ratio >= 20,
            beside,
            worlds,
            "" if compared else ABSENT,
        ),
        Row(
            f"{setting.name}: F1 of directed edges",
            "above discover() of all rows together" + (" and CD-NOD" if compared else ""),
            str(graphs[0]),
            graphs[0].f1() > max(best_edges, graphs[1].f1()),
            edges,
            worlds,
        ),
    ]


def parents(worlds: int) -> list[Row]:
    rows = []
    for setting in SETTINGS:
        false = found = true = of = 0
        for seed in range(worlds):
            world = ChangingWorld(
                4,
                environments=setting.environments,
                changes=2,
                degree=1,
                nonlinear=setting.nonlinear,
                heavy=setting.heavy,
                seed=FIRST_SEED + seed,
            )
            log = world.collect(setting.rows, seed=seed)
            for name in set(world.schema.names) - set(world.changed):
                causes = set(world.graph.parents(name))
                sure = set(invariant_parents(log, name).parents)
                false, of = false + (not sure <= causes), of + 1
                found, true = found + len(sure & causes), true + len(causes)
        low, high = wilson(false, of)
        rows.append(
            Row(
                f"{setting.name}: targets with a false invariant parent, level .05",
                "≤ 0.05",
                f"{false / of:.3f} [{low:.3f}, {high:.3f}] of {of}",
                false / of <= 0.05,
                {"true parents named": f"{found} of {true}"},
                worlds,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", nargs="*", default=["finetti", "changes", "parents"])
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--seeds", type=int, default=10, help="worlds of 'changes' shared with peers"
    )
    parser.add_argument("--worlds", type=int, default=200, help="worlds of the others")
    parser.add_argument("--peers", help="a Python interpreter that has causal-learn")
    options = parser.parse_args()
    parts = {
        "finetti": lambda: finetti(options.worlds, options.peers),
        "changes": lambda: changes(options.seeds, options.worlds // 4, options.peers),
        "parents": lambda: parents(options.worlds),
    }
    rows: list[Row] = []
    for name in options.which:
        rows += parts[name]()
        show(name, rows, options.json)


if __name__ == "__main__":
    main()
