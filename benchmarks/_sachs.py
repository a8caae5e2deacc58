"""Flow cytometry in nine conditions: what interventions, known or not, add to the graph."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import doworld as dw
from _beside import LIMIT, ask
from _table import Row, data_folder
from doworld.discover import Interventions, Replaced

FILE = "sachs.2005.continuous.discrete.experimental.mixed.maximum.2.txt"
BASELINE = "cd3_cd28"
ACTED = {
    "aktinhib": "akt",
    "g0076": "pkc",
    "psitect": "pip2",
    "u0126": "mek",
    "ly": "pip3",
    "pma": "pkc",
    "b2camp": "pka",
}
"""What each reagent acts on (Sachs et al. 2005, table 1); LY294002 stops what makes PIP3."""
LEVELS = (1e-5, 1e-3)
"""Of the tests of IGSP."""
TOLD = " (targets told)"


@dataclass(frozen=True)
class Match:
    """Edges found against the consensus graph; an open edge is half a directed one."""

    found: int
    linked: int
    pointed: float
    true: int
    seconds: float

    @property
    def skeleton(self) -> tuple[float, float]:
        """Precision and recall of links."""
        return self.linked / max(self.found, 1), self.linked / self.true

    @property
    def directed(self) -> tuple[float, float]:
        """Precision and recall of directions."""
        return self.pointed / max(self.found, 1), self.pointed / self.true


def _words(of: tuple[float, float]) -> str:
    precision, recall = of
    return f"P {precision:.3f} R {recall:.3f} F1 {_f1(of):.3f}"


def _f1(of: tuple[float, float]) -> float:
    return 2 * of[0] * of[1] / max(sum(of), 1e-12)


@dataclass(frozen=True, eq=False)
class Cells:
    """The table: proteins, rows, the condition of each row, and the consensus graph."""

    proteins: list[str]
    table: np.ndarray
    conditions: list[str]
    place: np.ndarray
    dag: np.ndarray

    @classmethod
    def read(cls, true_graph: Callable[[Path, list[str]], np.ndarray]) -> "Cells":
        folder = data_folder() / "sachs"
        frame = pl.read_csv(folder / FILE, separator="\t")
        proteins, reagents = frame.columns[:11], frame.columns[11:]
        marks, place = np.unique(frame.select(reagents).to_numpy() > 0, axis=0, return_inverse=True)
        names = ["+".join(np.array(reagents)[m]) for m in marks]
        table = frame.select(pl.col(proteins).cast(pl.Float64)).to_numpy()
        dag = true_graph(folder / "ground_truth" / "sachs.2005.ground.truth.graph.txt", proteins)
        return cls(proteins, table, names, place.ravel(), dag)

    def acted(self, condition: str) -> list[str]:
        """The proteins that a condition is known to act on."""
        return [ACTED[r] for r in condition.split("+") if r in ACTED]

    @property
    def log(self) -> dw.Trajectories:
        """All rows, each with its condition."""
        frame = pl.DataFrame(self.table, schema=self.proteins)
        frame = frame.with_columns(pl.Series("condition", np.array(self.conditions)[self.place]))
        return dw.Trajectories.from_frame(frame, state=self.proteins, environment="condition")

    @property
    def known(self) -> Interventions:
        """The known targets; the conditions without one may act on anything."""
        acted = {c: tuple(Replaced(p) for p in self.acted(c)) for c in self.conditions}
        return Interventions({c: t for c, t in acted.items() if t})

    def match(self, edges: list, seconds: float) -> Match:
        """Edges [source, target, mark] against the consensus graph."""
        real = self.dag | self.dag.T
        linked = sum(bool(real[i, j]) for i, j, _ in edges)
        points = [
            float(self.dag[i, j]) if mark == "-->" else 0.5 * real[i, j] for i, j, mark in edges
        ]
        return Match(len(edges), linked, float(sum(points)), int(self.dag.sum()), seconds)


def _ours(cells: Cells, log: dw.Trajectories, seed: int, known: Interventions | None) -> Match:
    at = {name: i for i, name in enumerate(cells.proteins)}
    begin = time.process_time()
    graph = dw.discover(log, interventions=known, seed=seed)
    seconds = time.process_time() - begin
    edges = [(at[e.source], at[e.target], e.mark.value) for e in graph.edges()]
    return cells.match(edges, seconds)


def _peer(
    python: str, method: str, cells: Cells, *, merged: bool = False, level: float = 0.0
) -> Match | str:
    """A peer that knows of interventions, on the same rows."""
    targets = [[cells.proteins.index(p) for p in cells.acted(c)] for c in cells.conditions]
    place = cells.place
    if merged:
        kinds = sorted({tuple(t) for t in targets})
        place = np.array([kinds.index(tuple(t)) for t in targets])[place]
        targets = [list(k) for k in kinds]
    task = {
        "table": cells.table.tolist(),
        "place": place.tolist(),
        "targets": targets,
        "level": level,
    }
    found = ask(python, "_interventional_peers.py", [method], [json.dumps(task)])
    if not found:
        return f"failed, or no answer within {LIMIT} s"
    if "absent" in found[-1]:
        return "peer not installed"
    return cells.match(found[-1]["edges"], found[-1]["seconds"])


def sachs_rows(cells: Cells, seeds: int, python: str, pooled: dict[str, dict | None]) -> list[Row]:
    """Ours and the peers'; ``pooled`` are answers of peers that know of no interventions."""
    log = cells.log
    together = dw.Trajectories.from_frame(
        pl.DataFrame(cells.table, schema=cells.proteins), state=cells.proteins
    )
    peers: dict[str, Match | str] = {
        f"{name}, pooled": cells.match(found["edges"], found["seconds"])
        if found and "edges" in found
        else "no answer"
        for name, found in pooled.items()
    }
    peers[f"GIES, nine conditions{TOLD}"] = _peer(python, "gies", cells)
    peers[f"GIES, conditions of the same targets together{TOLD}"] = _peer(
        python, "gies", cells, merged=True
    )
    for level in LEVELS:
        peers[f"IGSP at {level:g}{TOLD}"] = _peer(python, "igsp", cells, level=level)
        peers[f"UT-IGSP at {level:g}"] = _peer(python, "ut-igsp", cells, level=level)
    calm = log.in_environment(BASELINE)
    alone = [_ours(cells, calm, s, None) for s in range(seeds)]
    pool = [_ours(cells, together, s, None) for s in range(seeds)]
    rows = []
    for what, known in (("targets unknown", None), ("targets known", cells.known)):
        reached = [_ours(cells, log, s, known) for s in range(seeds)]
        for part in (LINKS, DIRECTIONS):
            title = f"sachs, nine conditions, {what}: {part.name}"
            fair = {k: m for k, m in peers.items() if known or not k.endswith(TOLD)}
            rows.append(_judged(title, part, reached, (alone, pool), fair))
    return rows


@dataclass(frozen=True)
class Part:
    """What of a match is judged."""

    name: str
    of: Callable[[Match], tuple[float, float]]

    def words(self, matches: list[Match]) -> str:
        """The first seed's, and how far F1 goes over seeds."""
        f1 = [_f1(self.of(m)) for m in matches]
        spread = f" (F1 {min(f1):.3f}…{max(f1):.3f})" if max(f1) > min(f1) else ""
        return _words(self.of(matches[0])) + spread


LINKS = Part("links", lambda m: m.skeleton)
DIRECTIONS = Part("directions", lambda m: m.directed)


def _judged(
    what: str,
    part: Part,
    reached: list[Match],
    ours: tuple[list[Match], list[Match]],
    peers: dict[str, Match | str],
) -> Row:
    """One line: no worse than the best peer, and better than without interventions."""
    met = [part.of(m) for m in peers.values() if isinstance(m, Match)]
    best = max(met, key=_f1, default=(1.0, 1.0))
    alone = max(_f1(part.of(m)) for m in ours[0])
    beside = {
        "ours, baseline condition only": part.words(ours[0]),
        "ours, conditions not told": part.words(ours[1]),
    }
    beside |= {k: _words(part.of(m)) if isinstance(m, Match) else m for k, m in peers.items()}
    good = [
        all(a >= b for a, b in zip(part.of(m), best, strict=True)) and _f1(part.of(m)) > alone
        for m in reached
    ]
    seconds = float(np.mean([m.seconds for m in reached]))
    return Row(
        what,
        "P and R at least the best peer's (by F1); F1 above the baseline condition's",
        f"{part.words(reached)}, {seconds:.2f} s",
        bool(met) and all(good),
        beside,
        len(reached),
        "" if met else "no peer installed",
    )
