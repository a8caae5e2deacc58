r"""Does a graph fit a log? Its implied independencies, tested, beside those of permuted graphs.

Given its causes, a variable is independent of everything at the same or earlier rows that it does
not act on (the local Markov condition; with unobserved common causes, of what its causes
m-separate it from, Richardson 2003). A graph over time implies this at every row:

    X_t ⫫ Z_{t−k} | pa(X_t)          for every (Z, k), k = 0 … L, that pa(X_t) separates from X_t.

A wrong graph is refuted where the log rejects more of these than chance allows. How many are too
many is told by comparison: the same graph with its variables permuted says equally many things,
mostly wrong ones. Where few permuted graphs are violated as rarely, the graph knows something of
the log; where many are, it is no better than one drawn by lot (Eulig, Mastakouri, Blöbaum, Hardt
and Janzing 2023, "Toward falsifying causal graphs using a permutation-based test").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from doworld._core.errors import DataError, GraphError, UnknownNameError
from doworld.graph.extensions import extension
from doworld.graph.falsification import Falsification, Independence, Verdict
from doworld.graph.graph import CausalGraph, Mark
from doworld.graph.separation import Node, connected

__all__ = ["Logged", "falsify"]

FEWEST_ROWS = 30
MOST_ROWS = 50_000
DEGREE = 3
"""Causes are held fixed as themselves, bent twice."""


@runtime_checkable
class Logged(Protocol):
    """What is asked of a log: rows of numbers by name, and which rows follow each other."""

    @property
    def schema(self) -> Any:
        """Knows ``names``, and the ``kind`` and ``role`` of each by ``schema[name]``."""
        ...

    @property
    def aligned(self) -> Float[np.ndarray, "rows variables"]:
        """The values, NaN where missing."""
        ...

    def windows(self, length: int) -> Int[np.ndarray, " windows"]:
        """The first rows of all runs of ``length`` rows that lie inside one episode."""
        ...


def falsify(
    graph: CausalGraph,
    log: Logged,
    *,
    rate: float = 0.05,
    level: float = 0.05,
    count: int = 200,
    seed: int = 0,
) -> Falsification:
    """Tests what a graph implies on a log, and compares it with graphs of permuted variables.

    Independence is tested by the correlation of what the causes leave of the two, the causes being
    held fixed as numbers and, where rows allow, bent (Legendre polynomials); a relation without a
    linear trend is not seen, and one that is not additive in bent causes may count as a violation.
    Rows with a missing value are left out. Variables are permuted within roles, so that permuted
    graphs too let nothing act on what comes from outside. Open edges are pointed in one of the ways
    the graph allows, which say the same of independence.

    Args:
        graph: about variables of the log.
        log: on which it is judged; best one from which it was not learned.
        rate: the share of false ones among the independencies reported as rejected (Benjamini and
            Yekutieli 2001, whatever the dependence between tests).
        level: of a single violation, and of the verdict.
        count: permuted graphs; all there are where they are fewer.
        seed: of the permutations.

    Raises:
        DataError: fewer than thirty complete rows.
        GraphError: an edge that no direction fits.
        UnknownNameError: the graph has a variable that the log does not have.

    >>> import polars as pl
    >>> from doworld.data import Trajectories
    >>> from doworld.graph import Edge
    >>> x = np.random.default_rng(0).standard_normal((500, 5)).cumsum(1)
    >>> log = Trajectories.from_frame(pl.DataFrame(x, schema=list("abcde")), state=list("abcde"))
    >>> chain = tuple(Edge(a, b, 0) for a, b in zip("abcd", "bcde"))
    >>> good = CausalGraph(tuple("abcde"), chain, max_lag=0)
    >>> falsify(good, log).verdict.value
    'not falsified'
    >>> wrong = tuple(Edge(a, b, 0) for a, b in zip("aceb", "cebd"))
    >>> falsify(CausalGraph(tuple("abcde"), wrong, max_lag=0), log).verdict.value
    'falsified'
    """
    if not 0 < level < 1 or not 0 < rate < 1:
        raise GraphError(f"level {level} and rate {rate} lie between 0 and 1. Use 0.05.")
    closed = _closed(graph)
    table = _table(closed, log)
    implied = _implied(closed)
    tests = _tested(table, implied, {n: n for n in graph.names}, rate)
    own, said = (
        _share([t.p_value for t in tests], level),
        _renamed(implied, {n: n for n in graph.names}),
    )
    shuffled, same = [], 0
    for names in _permutations(closed, log, count, seed):
        shuffled.append(_share([p for *_, p, _ in _raw(table, implied, names)], level))
        same += _renamed(implied, names) == said
    as_rare = sum(share <= own for share in shuffled)
    p_value = (1 + as_rare) / (1 + len(shuffled))
    equivalent = same / max(len(shuffled), 1)
    verdict = Verdict.NOT_FALSIFIED if p_value <= level else Verdict.FALSIFIED
    if not tests or equivalent > level or 1 / (1 + len(shuffled)) > level:
        verdict = Verdict.NOT_FALSIFIABLE
    ranked = tuple(sorted(tests, key=lambda t: t.p_value))
    return Falsification(
        verdict, ranked, own, tuple(shuffled), p_value, equivalent, level, rate, table.rows
    )


def _closed(graph: CausalGraph) -> CausalGraph:
    """The graph with its open edges pointed one way; marks of hidden causes stay."""
    links = tuple(e for e in graph.links if e.mark in (Mark.DIRECTED, Mark.UNDIRECTED))
    if all(e.mark is Mark.DIRECTED for e in graph.links):
        return graph
    plain = CausalGraph(graph.names, links, max_lag=graph.max_lag)
    if any(e.mark is Mark.UNDIRECTED for e in links):
        plain = extension(plain)
    # what may be a hidden cause is taken for one: it promises fewer independencies
    other = (Mark.BIDIRECTED, Mark.PARTIAL, Mark.CIRCLE)
    hidden = tuple(e for e in graph.links if e.mark in other)
    return _with_hidden(plain, hidden)


def _with_hidden(plain: CausalGraph, hidden: tuple) -> CausalGraph:
    twin = {(e.source, e.target, e.lag) for e in plain.links}
    marked = tuple(
        replace(e, mark=Mark.BIDIRECTED) for e in hidden if (e.source, e.target, e.lag) not in twin
    )
    return CausalGraph(plain.names, (*plain.links, *marked), max_lag=plain.max_lag)


Implied = Mapping[str, tuple[tuple[Node, ...], tuple[Node, ...]]]
"""By variable: its causes, and the nodes that these separate from it."""


def _implied(graph: CausalGraph) -> Implied:
    """What the local Markov condition says of every variable at the present row."""
    lags = graph.max_lag
    out = {}
    spouses = {e.source for e in graph.links if e.mark is Mark.BIDIRECTED}
    spouses |= {e.target for e in graph.links if e.mark is Mark.BIDIRECTED}
    for name in graph.names:
        causes = tuple((s, k) for s, k in graph.parents(name))
        near = {(n, k) for n in graph.names for k in range(lags + 1)} - {(name, 0), *causes}
        if spouses:
            linked = connected(graph, name, causes)
            apart = near - linked
        else:
            apart = near - {(n, 0) for n in _below(graph, name)}
        out[name] = causes, tuple(sorted(apart))
    return out


def _below(graph: CausalGraph, name: str) -> set[str]:
    """What a variable acts on within the row, by whatever way."""
    found, frontier = set(), [name]
    while frontier:
        for child, lag in graph.children(frontier.pop()):
            if lag == 0 and child not in found:
                found.add(child)
                frontier.append(child)
    return found


def _renamed(implied: Implied, names: Mapping[str, str]) -> frozenset:
    """The independencies with other names: pairs, unordered at the same row, with what is given."""
    out = set()
    for name, (causes, apart) in implied.items():
        given = frozenset((names[n], k) for n, k in causes)
        for other, lag in apart:
            ends = (names[name], 0), (names[other], lag)
            out.add((frozenset(ends) if lag == 0 else ends, given))
    return frozenset(out)


@dataclass(frozen=True, eq=False)
class _Table:
    """Correlations of every node's columns: itself first, then bent."""

    square: Float[np.ndarray, "columns columns"]
    columns: Mapping[Node, tuple[int, ...]]
    bent: Mapping[Node, tuple[int, ...]]
    rows: int

    def test(self, one: Node, others: Sequence[Node], given: Sequence[Node]) -> list[tuple]:
        """p-value and correlation of one node with each of the others, given some.

        The largest correlation over pairs of columns of the two, its p-value times their number.
        """
        held = [c for node in given for c in self.bent[node]]
        kept = [*self.columns[one], *(c for node in others for c in self.columns[node])]
        left = self.square[np.ix_(kept, kept)]
        if held:
            cross = self.square[np.ix_(held, kept)]
            inner = self.square[np.ix_(held, held)] + 1e-9 * np.eye(len(held))
            left = left - cross.T @ np.linalg.solve(inner, cross)
        scale = np.diag(left).copy()
        gone = scale < 1e-7  # a function of what is given depends on nothing else
        scale = np.sqrt(np.where(gone, 1.0, scale))
        own = len(self.columns[one])
        r = left[:own] / np.outer(scale[:own], scale) * ~np.logical_or.outer(gone[:own], gone)
        r = np.clip(r, -1 + 1e-12, 1 - 1e-12)
        freedom = max(self.rows - len(held) - 2, 1)
        p = 2 * special.stdtr(freedom, -np.abs(r) * np.sqrt(freedom / (1 - r**2)))
        out, at = [], own
        for node in others:
            width = len(self.columns[node])
            block = np.s_[:, at : at + width]
            best = np.unravel_index(int(np.argmin(p[block])), p[block].shape)
            size = float(min(p[block][best] * p[block].size, 1.0))
            out.append((size, float(r[block][best])))
            at += width
        return out


def _table(graph: CausalGraph, log: Logged) -> _Table:
    """The nodes' columns over all complete runs of rows."""
    known = log.schema.names
    for name in graph.names:
        if name not in known:
            raise UnknownNameError("variable", name, known)
    values = log.aligned
    rows = log.windows(graph.max_lag + 1) + graph.max_lag
    raw = {
        (n, k): values[rows - k, known.index(n)]
        for n in graph.names
        for k in range(graph.max_lag + 1)
    }
    whole = np.all([np.isfinite(c) for c in raw.values()], axis=0)
    if whole.sum() < FEWEST_ROWS:
        raise DataError(
            f"only {int(whole.sum())} complete rows of {graph.max_lag + 1} successive ones are "
            f"left, and {FEWEST_ROWS} are the least. Log more, or drop variables with missing "
            "values."
        )
    chosen = np.flatnonzero(whole)[:: -(-int(whole.sum()) // MOST_ROWS)]
    wide = len(chosen) >= 20 * DEGREE * len(raw)
    parts, columns, bent, at = [], {}, {}, 0
    for node, column in raw.items():
        part, own = _columns(column[chosen], log.schema[node[0]], bend=wide)
        parts.append(part)
        columns[node] = tuple(range(at, at + own))
        bent[node] = tuple(range(at, at + part.shape[1]))
        at += part.shape[1]
    table = np.concatenate(parts, 1)
    table -= table.mean(0)
    scale = table.std(0)
    table /= np.where(scale > 1e-12, scale, 1.0)
    return _Table(table.T @ table / len(table), columns, bent, len(table))


def _columns(column: np.ndarray, variable: Any, *, bend: bool) -> tuple[np.ndarray, int]:
    """A variable's columns and how many of them are itself: levels as indicators, numbers bent."""
    if variable.kind == "categorical":
        levels, counts = np.unique(column, return_counts=True)
        rest = levels[np.argsort(-counts, kind="stable")][1:]
        out = (column[:, None] == rest).astype(float)
        return (out, out.shape[1]) if len(rest) else (np.zeros((len(column), 1)), 1)
    centred = column - column.mean()
    z = centred / max(float(centred.std()), np.finfo(float).tiny)
    if not bend or len(np.unique(column)) <= DEGREE:
        return z[:, None], 1
    calm = special.erf(z / 1.5)
    return np.stack([z, (3 * calm**2 - 1) / 2, (5 * calm**3 - 3 * calm) / 2], 1), 1


def _raw(table: _Table, implied: Implied, names: Mapping[str, str]) -> list[tuple]:
    """The ends, what is given, p-value and correlation of every test under other names."""
    found = []
    for name, (causes, apart) in implied.items():
        if not apart:
            continue
        one = names[name], 0
        given = tuple((names[n], k) for n, k in causes)
        others = [(names[n], k) for n, k in apart]
        for other, (p, r) in zip(others, table.test(one, others, given), strict=True):
            found.append((one, other, given, p, r))
    return found


def _tested(
    table: _Table, implied: Implied, names: Mapping[str, str], rate: float
) -> list[Independence]:
    """The tests of all implied independencies, those rejected at ``rate`` marked."""
    found = _raw(table, implied, names)
    if not found:
        return []
    p_values = np.array([f[3] for f in found])
    cut = stats.false_discovery_control(np.clip(p_values, 0, 1), method="by") <= rate
    return [Independence(*f, rejected=bool(c)) for f, c in zip(found, cut, strict=True)]


def _share(p_values: Sequence[float], level: float) -> float:
    return sum(p <= level for p in p_values) / len(p_values) if len(p_values) else 0.0


def _permutations(graph: CausalGraph, log: Logged, count: int, seed: int) -> list[dict[str, str]]:
    """New names for the variables, within roles: all there are, or ``count`` at random."""
    classes: dict[str, list[str]] = {}
    for name in graph.names:
        classes.setdefault(str(log.schema[name].role), []).append(name)
    sizes = [float(special.factorial(len(c))) for c in classes.values()]
    groups = list(classes.values())
    if np.prod(sizes) - 1 <= count:
        return [m for m in _products(groups) if any(a != b for a, b in m.items())]
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        out.append(
            {a: b for g in groups for a, b in zip(g, rng.permutation(g).tolist(), strict=False)}
        )
    return out


def _products(groups: Sequence[list[str]]):
    """Every way of permuting each group."""
    if not groups:
        yield {}
        return
    for rest in _products(groups[1:]):
        for order in permutations(groups[0]):
            yield dict(zip(groups[0], order, strict=True)) | rest
