"""Tables of monitored services and who calls whom, as logs and causal graphs."""

import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from doworld._core.errors import DataError, UnknownNameError
from doworld.data import Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge

__all__ = ["Metric", "calls_of", "graph_of", "read_metrics"]

Metric = tuple[str, ...]
"""Service, metric and statistic, or less: what the header rows of a column say."""
LOADS = ("request", "call", "throughput", "traffic")
"""How metrics begin that count what is asked of a service, rather than how it answers."""


def read_metrics(*paths: str | Path) -> tuple[Trajectories, ...]:
    """Logs of tables of metrics, all with the columns of all, missing where a table lacks one.

    A table has one column of times first (Unix seconds, or any increasing number) and one, two or
    three header rows: service, metric, statistic. Rows in time are one episode. A service is the
    ``entity`` of its variables. Files may be gzipped; a folder stands for its ``metrics.csv``.

    Raises ``DataError`` for a file without numbers, with columns twice or with rows out of length.
    """
    tables = [_table(_file(Path(p))) for p in paths]
    columns = tuple(dict.fromkeys(c for t in tables for c in t[0]))
    schema = Schema(
        tuple(Variable(" ".join(c), entity=c[0] if len(c) > 1 else "") for c in columns),
        step=_step(tables[0][1]),
        time_unit="s",
    )
    return tuple(_log(schema, columns, *t) for t in tables)


def _file(path: Path) -> Path:
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"{path} does not exist. Name a table of metrics or its folder.")
        return path
    for name in ("metrics.csv", "metrics.csv.gz"):
        if (path / name).exists():
            return path / name
    raise DataError(f"{path} holds no metrics.csv or metrics.csv.gz. Name the file itself.")


def _table(path: Path) -> tuple[list[Metric], np.ndarray, np.ndarray]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    rows = [r for r in csv.reader(io.StringIO(text)) if r]
    first = next((i for i, r in enumerate(rows) if _number(r[0])), None)
    if not first or first > 4:
        raise DataError(
            f"{path} has no header above a first column of times. Give one to three header rows "
            "(service, metric, statistic), then rows that start with a number."
        )
    # a row that only names the index has nothing else in it
    heads = [r for r in rows[:first] if any(c.strip() for c in r[1:])]
    columns = list(zip(*(h[1:] for h in heads), strict=True))
    if len(set(columns)) < len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        raise DataError(f"{path} has the column {' '.join(twice)!r} twice. Rename one.")
    wrong = next((i for i, r in enumerate(rows[first:]) if len(r) != len(columns) + 1), None)
    if wrong is not None:
        raise DataError(
            f"row {wrong + 1} of {path} has not {len(columns) + 1} cells as the header."
        )
    try:
        body = np.array([[float(v) if v.strip() else np.nan for v in r] for r in rows[first:]])
    except ValueError as error:
        raise DataError(f"{path} holds a cell that is no number: {error}. Mend it.") from None
    order = np.argsort(body[:, 0], kind="stable")
    return columns, body[order, 0], body[order, 1:]


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _step(times: np.ndarray) -> float:
    gaps = np.diff(times)
    return float(np.median(gaps)) if len(gaps) and np.median(gaps) > 0 else 1.0


def _log(
    schema: Schema,
    columns: Sequence[Metric],
    own: list[Metric],
    times: np.ndarray,
    body: np.ndarray,
) -> Trajectories:
    values = np.full((len(times), len(columns)), np.nan)
    values[:, [columns.index(c) for c in own]] = body
    return Trajectories(
        schema=schema,
        values=values,
        starts=np.array([0, len(values)]),
        times=times,
        environment=np.zeros(1, np.int64),
        terminated=np.zeros(1, bool),
        truncated=np.ones(1, bool),
        labels=("0",),
    )


def graph_of(path: str | Path, schema: Schema) -> CausalGraph:
    """The graph of a file: a saved causal graph, edges between columns, or who calls whom.

    * ``.json``: as ``doworld discover --out`` writes it.
    * A table with the columns source, target and perhaps lag: edges between variables; or between
      services, caller to callee, where they name services.
    * A square table with a name before each row and above each column, 1 where the row calls the
      column (or, between variables, acts on it).

    Of calls, a callee's answers (latency, availability) act on its caller's, a service's requests
    on its answers, and a caller's requests on its callees'.

    Raises ``DataError`` for another table, ``UnknownNameError`` for a name that nothing has.
    """
    place = Path(path)
    if place.is_dir():
        place = place / "graph.csv"
    if not place.exists():
        raise DataError(f"{place} does not exist. Name the graph's file.")
    if place.suffix == ".json":
        return CausalGraph.from_dict(json.loads(place.read_text("utf-8")))
    rows = [r for r in csv.reader(io.StringIO(place.read_text("utf-8-sig"))) if r]
    edges = _listed(rows) if "source" in rows[0] and "target" in rows[0] else _square(rows, place)
    names = {v.name for v in schema.variables}
    services = {v.entity for v in schema.variables} - {""}
    said = {n for a, b, _ in edges for n in (a, b)}
    if said <= names:
        links = tuple(Edge(a, b, lag) for a, b, lag in edges)
        return CausalGraph(schema.names, links, max_lag=max((e.lag for e in links), default=0))
    if not said & services:
        raise UnknownNameError("variable or service", sorted(said - names)[0], names | services)
    return calls_of({(a, b) for a, b, _ in edges}, schema)


def _listed(rows: list[list[str]]) -> list[tuple[str, str, int]]:
    head = rows[0]
    a, b = head.index("source"), head.index("target")
    lag = head.index("lag") if "lag" in head else None
    return [(r[a], r[b], 0 if lag is None else int(float(r[lag]))) for r in rows[1:]]


def _square(rows: list[list[str]], path: Path) -> list[tuple[str, str, int]]:
    names = rows[0][1:]
    if any(len(r) != len(rows[0]) for r in rows) or not all(map(_number, rows[-1][1:])):
        raise DataError(
            f"{path} is no graph. Give the columns source and target, or a square table of 0 and 1 "
            "with names before the rows and above the columns."
        )
    return [
        (r[0], name, 0)
        for r in rows[1:]
        for name, mark in zip(names, r[1:], strict=True)
        if float(mark) > 0
    ]


def calls_of(calls: set[tuple[str, str]], schema: Schema) -> CausalGraph:
    """The causal graph among the metrics of services that call each other, (caller, callee)."""
    metrics: dict[str, list[tuple[str, bool]]] = {}
    for v in schema.variables:
        what = v.name.removeprefix(v.entity).strip().lower()
        metrics.setdefault(v.entity, []).append((v.name, what.startswith(LOADS)))
    edges = []
    for own in metrics.values():
        edges += [(a, b) for a, load in own if load for b, other in own if not other]
    for caller, callee in sorted(calls):
        above, below = metrics.get(caller, []), metrics.get(callee, [])
        edges += [(b, a) for b, load in below if not load for a, other in above if not other]
        edges += [(a, b) for a, load in above if load for b, other in below if other]
    links = tuple(Edge(a, b, 0) for a, b in dict.fromkeys(edges))
    return CausalGraph(schema.names, links, max_lag=0)
