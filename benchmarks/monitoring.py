"""Changed mechanisms in running systems: which one it was, and when it was noticed.

    python benchmarks/monitoring.py [petshop] [tennessee] [--json FILE]

petshop: a cloud application under low traffic with injected faults. Every metric of every service
is a variable; what a called service does may act on the latency and availability of its caller,
and calls made on calls received. Normal operation is the log without an issue; an issue is five
rows. Ranked are services, by the variable of theirs that is least as usual; the trouble is given as
target. Train and test issues apart; the method was settled on the train issues.

tennessee: a chemical plant in closed loop, d00 normal, d01–d10 with a fault from row 160 on. The
graph is found in d00's training log; the test logs are watched row by row.
"""

import argparse
import csv
import gzip
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import doworld as dw
from _table import Row, data_folder, show
from doworld._core.errors import DoworldWarning
from doworld.discover import detect_changes, localise_change

Metric = tuple[str, str, str]
"""Service, metric and statistic."""
REQUESTS = "requests"
FAULT_ROW = 160
FAULTS = tuple(f"d{i:02d}" for i in range(1, 11))
RANDOM_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Metrics:
    """A table of metrics over time."""

    columns: list[Metric]
    times: np.ndarray
    values: np.ndarray

    @classmethod
    def read(cls, path: Path) -> "Metrics":
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        rows = list(csv.reader(text.splitlines()))
        first = next(i for i, r in enumerate(rows) if r[0].replace(".", "", 1).isdigit())
        table = np.array([[float(v) if v else np.nan for v in r] for r in rows[first:]])
        names = list(zip(*(r[1:] for r in rows[:3]), strict=True))
        return cls(names, table[:, 0], table[:, 1:])

    def log(self, columns: Sequence[Metric]) -> dw.Trajectories:
        """One episode of these columns; NaN where this table lacks one."""
        values = np.full((len(self.times), len(columns)), np.nan)
        for i, column in enumerate(columns):
            if column in self.columns:
                values[:, i] = self.values[:, self.columns.index(column)]
        variables = tuple(dw.Variable(name(c), entity=c[0]) for c in columns)
        return dw.Trajectories(
            schema=dw.Schema(variables, step=300.0, time_unit="s"),
            values=values,
            starts=np.array([0, len(values)]),
            times=self.times,
            environment=np.zeros(1, np.int64),
            terminated=np.zeros(1, bool),
            truncated=np.ones(1, bool),
            labels=("0",),
        )


def name(column: Metric) -> str:
    return " ".join(column)


@dataclass(frozen=True, eq=False)
class Issue:
    """Five rows with a fault, where it was seen, and the service at fault."""

    metrics: Metrics
    seen: Metric
    cause: str


@dataclass(frozen=True, eq=False)
class Shop:
    """The application: who calls whom, and normal operation."""

    calls: set[tuple[str, str]]
    normal: Metrics
    folder: Path

    @classmethod
    def read(cls) -> "Shop":
        folder = data_folder() / "petshop-microservices" / "low_traffic"
        rows = list(csv.reader((folder / "graph.csv").open()))
        calls = {
            (row[0], callee)
            for row in rows[1:]
            for callee, mark in zip(rows[0][1:], row[1:], strict=True)
            if float(mark) > 0
        }
        return cls(calls, Metrics.read(folder / "noissue" / "metrics.csv.gz"), folder)

    def graph(self) -> dw.CausalGraph:
        """A callee's latency and availability act on its caller's; requests go with the calls."""
        columns = self.normal.columns
        edges = []
        for source in columns:
            for target in columns:
                load, asked = source[1] == REQUESTS, target[1] == REQUESTS
                answers = not load and not asked and (target[0], source[0]) in self.calls
                forwards = load and asked and (source[0], target[0]) in self.calls
                burdens = load and not asked and source[0] == target[0]
                if answers or forwards or burdens:
                    edges.append(dw.Edge(name(source), name(target), 0))
        return dw.CausalGraph(tuple(map(name, columns)), tuple(edges), max_lag=0)

    def issues(self, part: str) -> Iterator[Issue]:
        for folder in sorted((self.folder / part).iterdir()):
            told = json.loads((folder / "target.json").read_text())
            seen = told["target"]
            yield Issue(
                Metrics.read(folder / "metrics.csv"),
                (seen["node"], seen["metric"], seen["agg"]),
                told["root_cause"]["node"],
            )

    def reached(self, service: str) -> set[str]:
        """A service and all that it calls, directly or not."""
        found, frontier = {service}, [service]
        while frontier:
            caller = frontier.pop()
            for a, b in self.calls:
                if a == caller and b not in found:
                    found.add(b)
                    frontier.append(b)
        return found


def ranks(shop: Shop, issue: Issue, graph: dw.CausalGraph) -> dict[str, float]:
    """The rank of the true cause by each method."""
    columns = shop.normal.columns
    normal, other = shop.normal.log(columns), issue.metrics.log(columns)
    found = localise_change(normal, other, graph, target=name(issue.seen))
    order = [e.entity for e in found.entities]
    services = sorted(shop.reached(issue.seen[0]))
    draws = np.random.default_rng(0).integers(1, len(services) + 1, RANDOM_DRAWS)
    return {
        "ours": float(order.index(issue.cause) + 1 if issue.cause in order else len(order) + 1),
        "correlation": _place(_correlated(shop, issue, services), issue.cause),
        "anomaly without a graph": _place(_odd(shop, issue, services), issue.cause),
        "traversal": _place(_traversed(shop, issue, services), issue.cause),
        "random": float((draws <= 3).mean()),
    }


def _place(score: dict[str, float], cause: str) -> float:
    """The rank of a service by falling score, ties at their mean."""
    own = score.get(cause, -np.inf)
    others = [v for k, v in score.items() if k != cause]
    return 1 + sum(v > own for v in others) + 0.5 * sum(v == own for v in others)


def _series(shop: Shop, issue: Issue, service: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The metric in which the trouble was seen, of another service: usual values, and now."""
    column = (service, *issue.seen[1:])
    if column not in shop.normal.columns or column not in issue.metrics.columns:
        return None
    usual = shop.normal.values[:, shop.normal.columns.index(column)]
    return usual, issue.metrics.values[:, issue.metrics.columns.index(column)]


def _oddness(shop: Shop, issue: Issue, service: str) -> float:
    """Largest distance from the usual mean, in usual standard deviations."""
    both = _series(shop, issue, service)
    if both is None or np.isfinite(both[0]).sum() < 2 or not np.isfinite(both[1]).any():
        return 0.0
    usual, now = both
    spread = max(float(np.nanstd(usual)), 1e-6 * abs(float(np.nanmean(usual))), 1e-12)
    return float(np.nanmax(np.abs(now - np.nanmean(usual))) / spread)


def _odd(shop: Shop, issue: Issue, services: list[str]) -> dict[str, float]:
    return {s: _oddness(shop, issue, s) for s in services}


def _correlated(shop: Shop, issue: Issue, services: list[str]) -> dict[str, float]:
    """Absolute correlation with the trouble over usual rows and those of the issue."""
    trouble = _series(shop, issue, issue.seen[0])
    out = {}
    for service in services:
        both = _series(shop, issue, service)
        if both is None or trouble is None or service == issue.seen[0]:
            continue
        x, y = np.concatenate(both), np.concatenate(trouble)
        known = np.isfinite(x) & np.isfinite(y)
        moving = known.sum() > 2 and np.ptp(x[known]) > 0 and np.ptp(y[known]) > 0
        out[service] = abs(float(np.corrcoef(x[known], y[known])[0, 1])) if moving else 0.0
    return out


def _traversed(shop: Shop, issue: Issue, services: list[str]) -> dict[str, float]:
    """From the trouble along odd callees to odd services none of whose callees is odd."""
    odd = {s: _oddness(shop, issue, s) for s in services}
    limit, out = 3.0, {}
    frontier, seen = [issue.seen[0]], {issue.seen[0]}
    while frontier:
        caller = frontier.pop()
        worse = [b for a, b in shop.calls if a == caller and odd.get(b, 0.0) > limit]
        if not worse:
            out[caller] = odd[caller]
        frontier += [b for b in worse if b not in seen]
        seen |= set(worse)
    return {s: out.get(s, -1.0) for s in services}


def petshop() -> list[Row]:
    shop = Shop.read()
    graph = shop.graph()
    rows = []
    for part in ("train", "test"):
        begin = time.process_time()
        found = [ranks(shop, issue, graph) for issue in shop.issues(part)]
        seconds = (time.process_time() - begin) / len(found)
        ours = np.array([f["ours"] for f in found])
        beside = {}
        for method in ("correlation", "anomaly without a graph", "traversal"):
            own = np.array([f[method] for f in found])
            beside[method] = _tops(own)
        beside["random"] = f"top-3 {np.mean([f['random'] for f in found]):.2f}"
        rows.append(
            Row(
                f"petshop low_traffic, {len(found)} {part} issues: service at fault",
                "top-3 ≥ 0.80",
                f"{_tops(ours)}; {seconds:.1f} s an issue, baselines included",
                bool((ours <= 3).mean() >= 0.8),
                beside,
                len(found),
            )
        )
    return rows


def _tops(places: np.ndarray) -> str:
    return f"top-1 {(places <= 1).mean():.2f}, top-3 {(places <= 3).mean():.2f}"


def plant(which: str) -> dw.Trajectories:
    """A log of the plant: 41 measurements and 11 actions every three minutes."""
    with gzip.open(data_folder() / "tennessee-eastman" / f"{which}.dat.gz", "rt") as file:
        values = np.loadtxt(file)
    values = values if values.shape[1] == 52 else values.T
    variables = tuple(
        dw.Variable(f"xmeas{i}" if i <= 41 else f"xmv{i - 41}", role=role)
        for i in range(1, 53)
        for role in [dw.Role.STATE if i <= 41 else dw.Role.ACTION]
    )
    return dw.Trajectories(
        schema=dw.Schema(variables, step=3.0, time_unit="min"),
        values=values,
        starts=np.array([0, len(values)]),
        times=np.arange(len(values)) * 3.0,
        environment=np.zeros(1, np.int64),
        terminated=np.zeros(1, bool),
        truncated=np.ones(1, bool),
        labels=("0",),
    )


def tennessee() -> list[Row]:
    normal = plant("d00")
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoworldWarning)  # of valves that copy one another
        graph = dw.discover(normal)
    spent = time.process_time() - begin
    alone = dw.CausalGraph(graph.names, (), max_lag=1)
    ways = {"ours": graph, "no causes, each variable by itself": alone}
    calm = {w: detect_changes(normal, plant("d00_te"), g) for w, g in ways.items()}
    early = dict.fromkeys(ways, 0)
    delays: dict[str, dict[str, str]] = {w: {} for w in ways}
    noticed = 0
    for fault in FAULTS:
        log = plant(f"{fault}_te")
        for way, known in ways.items():
            rows = [a.row for a in detect_changes(normal, log, known).alarms]
            early[way] += sum(r < FAULT_ROW for r in rows)
            after = [r - FAULT_ROW for r in rows if r >= FAULT_ROW]
            delays[way][fault] = f"{after[0]} rows" if after else "not noticed"
            noticed += bool(after) and way == "ours"
    false = {
        w: f"{len(c.alarms)} in 960 rows of d00, {early[w]} in {len(FAULTS)} × {FAULT_ROW} before"
        for w, c in calm.items()
    }
    said = {w: ", ".join(f"{k} {v}" for k, v in d.items()) for w, d in delays.items()}
    other = "no causes, each variable by itself"
    return [
        Row(
            "tennessee-eastman d00: false alarms, chance .05 in 1,000 rows",
            "none in d00",
            f"{false['ours']} faults",
            not calm["ours"].alarms,
            {other: f"{false[other]} faults"},
            note=f"graph of {len(graph.links)} edges from 500 rows, {spent:.0f} s of CPU",
        ),
        Row(
            "tennessee-eastman d01–d10: rows from the fault to the alarm",
            "all noticed",
            f"{noticed} of {len(FAULTS)} noticed: {said['ours']}",
            noticed == len(FAULTS),
            {other: said[other]},
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", nargs="*", default=["petshop", "tennessee"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = {"petshop": petshop, "tennessee": tennessee}
    rows: list[Row] = []
    for which in options.which:
        rows += parts[which]()
        show(f"monitoring: {which}", rows, options.json)


if __name__ == "__main__":
    main()
