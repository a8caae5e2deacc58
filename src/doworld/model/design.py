"""From a log and a graph to the arrays that mechanisms are fitted on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Kind, Role, Trajectories
from doworld.data.gaps import carried
from doworld.graph import CausalGraph, Mark
from doworld.mechanisms import Coding

__all__ = [
    "HELD",
    "KEPT",
    "LEARN",
    "Design",
    "Parents",
    "design",
    "encoded",
    "member_graphs",
    "parents",
]

Link = tuple[str, int]

LEARN, HELD, KEPT = range(3)
"""The parts of a log: to learn from, held out to choose by, kept to calibrate on."""

HOLD_OUT, KEEP = 0.15, 0.15
"""Shares of the episodes, or blocks, to choose by and to calibrate on."""

FEWEST_UNITS = 10
"""Episodes or blocks below which none is spared for calibration alone."""

FEWEST_KEPT = 20
"""Rows below which keeping some for calibration is of no use."""

LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Lags at which a mechanism reads a parent, up to its memory (see ``remember``)."""


@dataclass(frozen=True, eq=False)
class Design:
    """A log as scaled rows, with the transitions that may be learned from.

    Attributes:
        values: scaled rows, rewards aligned, gaps filled by the last value seen (never read as
            a target, see ``observed``).
        observed: where a value was really logged.
        features: encoded rows.
        rows: target rows, each with ``lags`` predecessors in its own episode.
        unit: the episode or block that each of ``rows`` belongs to, for bootstrap and hold-out.
        held: which of ``rows`` are held out, to choose by.
        kept: target rows beside ``rows`` that mechanisms neither learn from nor are chosen by:
            intervals are calibrated on them. None where the log is too short to spare any.
        unit_of_row: the episode or block of every row of the log, −1 outside transitions.
        part_of_row: ``LEARN``, ``HELD`` or ``KEPT``, the same for all numbers of lags.
        center, scale: scaled = (value − center)/scale.
        lags: how far back a mechanism looks.
    """

    values: Float[np.ndarray, "rows variables"]
    observed: Bool[np.ndarray, "rows variables"]
    features: Float[np.ndarray, "rows features"]
    rows: Int[np.ndarray, " targets"]
    unit: Int[np.ndarray, " targets"]
    held: Bool[np.ndarray, " targets"]
    kept: Int[np.ndarray, " spared"]
    unit_of_row: Int[np.ndarray, " rows"]
    part_of_row: Int[np.ndarray, " rows"]
    center: Float[np.ndarray, " variables"]
    scale: Float[np.ndarray, " variables"]
    coding: Coding
    lags: int

    @property
    def size(self) -> int:
        """How many transitions the log has, spared ones included."""
        return len(self.rows) + len(self.kept)

    @property
    def judging(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a value was logged that may be learned from or chosen by."""
        return self.observed & (self.part_of_row < KEPT)[:, None]

    def gather(self, columns: Int[np.ndarray, " k"], at: Int[np.ndarray, " n"]) -> np.ndarray:
        """Parent features (n, k) of the target rows ``at``."""
        lag, feature = np.divmod(columns, self.features.shape[1])
        return self.features[at[:, None] - lag[None, :], feature[None, :]]

    def complete(
        self,
        target: int,
        columns: Int[np.ndarray, " k"],
        at: Int[np.ndarray, " targets"] | None = None,
    ) -> Bool[np.ndarray, " targets"]:
        """Which of the rows ``at``, else ``rows``, have the target and all its parents logged."""
        at = self.rows if at is None else at
        lag, feature = np.divmod(columns, self.features.shape[1])
        source = np.asarray(self.coding.variable)[feature]
        whole = self.observed[at, target]
        for k, i in zip(lag, source, strict=True):
            whole = whole & self.observed[at - k, i]
        return whole


@dataclass(frozen=True, eq=False)
class Parents:
    """The parent features of some targets, padded to the widest, for every member.

    ``columns`` index the flattened window (lag-major); ``mask`` is per member because members of
    structure carry another graph.
    """

    targets: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, "n k"]
    mask: Float[np.ndarray, "members n k"]
    residual: Float[np.ndarray, " n"]

    def of(self, which: list[int]) -> "Parents":
        """The same for some of the targets, re-padded."""
        mask = self.mask[:, which]
        width = max(1, int(mask.any(0).sum(-1).max(initial=1)))
        order = np.argsort(~mask.any(0), axis=-1, kind="stable")[:, :width]
        return Parents(
            targets=self.targets[which],
            columns=np.take_along_axis(self.columns[which], order, -1),
            mask=np.take_along_axis(mask, np.broadcast_to(order, (len(mask), *order.shape)), -1),
            residual=self.residual[which],
        )


def _scaling(log: Trajectories, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    center, scale = np.zeros(len(log.schema)), np.ones(len(log.schema))
    for i, variable in enumerate(log.schema.variables):
        if variable.kind in (Kind.CONTINUOUS, Kind.COUNT):
            column = values[:, i][~np.isnan(values[:, i])]
            center[i] = column.mean() if len(column) else 0.0
            spread = column.std() if len(column) else 0.0
            tiny = 1e-9 * max(abs(center[i]), 1e-30)
            scale[i] = spread if spread > tiny else 1.0
    return center, scale


def encoded(
    rows: Float[np.ndarray, "*batch variables"],
    variable: Int[np.ndarray, " features"],
    level: Int[np.ndarray, " features"],
) -> Float[np.ndarray, "*batch features"]:
    """The features of each row as ``Coding.encode`` gives them, in NumPy; NaN stays NaN."""
    read = rows[..., variable]
    return np.where((level >= 0) & ~np.isnan(read), read == level, read)


def _units(log: Trajectories, rows: np.ndarray) -> np.ndarray:
    """Episodes, or blocks of consecutive rows (five to fifty of them) where episodes are few."""
    episode = log.episode_of_row[rows]
    if len(log) >= 20 or log.schema.static:
        return episode if not log.schema.static else np.arange(len(rows))
    size = max(1, min(max(20, len(rows) // 50), len(rows) // 5))
    block = np.zeros(len(rows), np.int64)
    count = 0
    for number in np.unique(episode):
        inside = np.flatnonzero(episode == number)
        block[inside] = count + np.arange(len(inside)) // size
        count = block[inside].max() + 1 if len(inside) else count
    return block


def _split(log: Trajectories, seed: int, spare: bool) -> tuple[np.ndarray, np.ndarray]:
    """Unit and part of every row of the log, whatever the lags."""
    lags = 0 if log.schema.static else 1
    rows = log.windows(lags + 1) + lags
    unit, part = np.full(log.rows, -1), np.zeros(log.rows, np.int8)
    unit[rows] = _units(log, rows)
    numbers = np.unique(unit[rows])
    order = np.random.default_rng(seed).permutation(numbers)
    if len(numbers) == 1:
        part[rows[4::5]] = HELD
        return unit, part
    held = max(1, round(HOLD_OUT * len(numbers)))
    kept = round(KEEP * len(numbers)) if spare and len(numbers) >= FEWEST_UNITS else 0
    part[np.isin(unit, order[:held])] = HELD
    part[np.isin(unit, order[held : held + kept])] = KEPT
    return unit, part


def design(log: Trajectories, lags: int, *, seed: int, spare: bool = True) -> Design:
    """The arrays of a log for mechanisms that look back ``lags`` rows (0 for a static table).

    Without ``spare`` no rows are kept for calibration beside the held-out ones.
    """
    aligned = log.aligned
    center, scale = _scaling(log, aligned)
    scaled = (aligned - center) / scale
    values = np.nan_to_num(carried(scaled, log.starts))  # before the first value, the mean
    coding = Coding.of(log.schema)
    rows = log.windows(lags + 1) + lags
    unit, part = _split(log, seed, spare)
    if (part[rows] == KEPT).sum() < FEWEST_KEPT:
        part[part == KEPT] = LEARN
    if len(rows) > 1 and not (part[rows] == HELD).any():
        part[rows[4::5] if len(rows) > 4 else rows[-1:]] = HELD
    kept = rows[part[rows] == KEPT]
    rows = rows[part[rows] < KEPT]
    features = encoded(values, np.asarray(coding.variable), np.asarray(coding.level))
    observed = ~np.isnan(scaled)
    return Design(
        values=values,
        observed=observed,
        features=features,
        rows=rows,
        unit=unit[rows],
        held=part[rows] == HELD,
        kept=kept,
        unit_of_row=unit,
        part_of_row=part,
        center=center,
        scale=scale,
        coding=coding,
        lags=lags,
    )


def remember(parents_of: list[Link], memory: int) -> list[Link]:
    """The parents, each lagged one at all lags of ``LADDER`` up to ``memory``.

    The graph says which variables act on the target. Where one row does not hold the whole state
    (sensors hide velocities), single lags are nearly collinear and tests keep only some of them,
    but a mechanism predicts best from the whole recent course of each parent.
    """
    if memory <= 1:
        return parents_of
    sources = {s for s, lag in parents_of if lag > 0}
    more = {(s, lag) for s in sources for lag in LADDER if lag <= memory}
    return sorted(more.union(parents_of))


def member_graphs(
    graph: CausalGraph,
    targets: list[str],
    memory: int,
    *,
    members: int,
    structures: int,
    seed: int,
) -> tuple[list[dict[str, list[Link]]], tuple[bool, ...]]:
    """The parents of every target for every member, and which members carry a sampled graph.

    Members of structure exist only where some edge's probability leaves it open.
    """
    certain = {t: list(graph.parents(t)) for t in targets}
    kept = [e for e in graph.edges() if e.mark is Mark.DIRECTED and e.target in certain]
    open_edges = [e for e in kept if e.probability < 0.95 and e.source != e.target]
    open_edges += [e for e in graph.doubtful if e.probability > 0.05 and e.target in certain]
    open_edges = [e for e in open_edges if e.lag > 0 or (e in kept)]
    rng = np.random.default_rng([seed, 7])
    drawn = []
    for _ in range(structures if open_edges else 0):
        choice = {t: list(p) for t, p in certain.items()}
        for edge in open_edges:
            link = (edge.source, edge.lag)
            inside = link in choice[edge.target]
            wanted = rng.random() < edge.probability
            if inside and not wanted:
                choice[edge.target].remove(link)
            elif wanted and not inside:
                choice[edge.target].append(link)
        drawn.append(choice)
    every = [
        {t: remember(p, memory) for t, p in choice.items()}
        for choice in [*[certain] * members, *drawn]
    ]
    return every, (False,) * members + (True,) * len(drawn)


def parents(
    log: Trajectories, coding: Coding, graphs: list[dict[str, list[Link]]], targets: list[str]
) -> Parents:
    """Where every target's parent features stand, for every member."""
    schema = log.schema
    union: list[list[int]] = []
    for name in targets:
        links = sorted(
            {link for graph in graphs for link in graph[name]},
            key=lambda link: (schema.position(link[0]), link[1]),
        )
        at = [(schema.position(s), coding.columns(schema.position(s), lag)) for s, lag in links]
        order = [(i, level, row) for row, (i, cs) in enumerate(at) for level in range(len(cs))]
        union.append([at[row][1][level] for _, level, row in sorted(order)])
    width = max([1, *(len(u) for u in union)])
    columns = np.zeros((len(targets), width), np.int32)
    mask = np.zeros((len(graphs), len(targets), width), np.float32)
    for i, (name, cols) in enumerate(zip(targets, union, strict=True)):
        columns[i, : len(cols)] = cols
        for m, graph in enumerate(graphs):
            own = {c for s, lag in graph[name] for c in coding.columns(schema.position(s), lag)}
            mask[m, i, : len(cols)] = [c in own for c in cols]
    residual = np.array([float((name, 1) in graphs[0][name]) for name in targets], np.float32)
    discrete = [schema[name].kind in (Kind.CATEGORICAL, Kind.BINARY) for name in targets]
    rewards = [schema[name].role is Role.REWARD for name in targets]
    residual[np.array(discrete, bool) | np.array(rewards, bool)] = 0.0
    at = np.array([schema.position(n) for n in targets], np.int32)
    return Parents(at, columns, mask, residual)
