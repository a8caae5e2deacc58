"""The lagged design: which columns may cause which, row by row, never across episodes."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Kind, Role, Trajectories
from doworld.discover.numerics.missing import completed, enough_pairs
from doworld.discover.numerics.standard import Standardised, pieces
from doworld.discover.numerics.units import Units, units_of

ENOUGH_COMPLETE = 0.8
"""Share of rows from which on the complete ones are used alone."""
FEWEST_TOGETHER, MOST_COMPLETED = 30, 20_000

__all__ = ["Block", "Candidate", "Increments", "Target", "dynamics_block", "policy_block"]


@dataclass(frozen=True)
class Candidate:
    """A possible cause: variable ``name`` at ``lag``, held in ``columns`` of the design.

    A categorical variable takes one column a level but one; ``steady`` marks a value that is
    constant within each episode.
    """

    name: str
    lag: int
    columns: tuple[int, ...]
    steady: bool = False


@dataclass(frozen=True)
class Target:
    """A variable to be explained: its columns of ``outcomes`` and its own past, if any."""

    name: str
    columns: tuple[int, ...]
    own: int | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """Targets that share one table of candidate causes.

    Attributes:
        inputs: one row a transition, one column a candidate (more for a categorical one).
        outcomes: the targets at the same rows.
        earlier: the input that holds each outcome's own value one row earlier, or −1; their
            differences, the increments, are what is modelled.
        floor: variance that rounding of the stored numbers alone puts into each outcome.
        candidates, targets: what the columns mean.
        allowed: ``[candidate, target]``: not ruled out by role, time or prior knowledge.
        units: rows that belong together when held out or resampled.
        holes: inputs and outcomes as observed, NaN where missing, where rows were completed.
    """

    inputs: Float[np.ndarray, "rows columns"]
    outcomes: Float[np.ndarray, "rows outcomes"]
    earlier: Int[np.ndarray, " outcomes"]
    floor: Float[np.ndarray, " outcomes"]
    candidates: tuple[Candidate, ...]
    targets: tuple[Target, ...]
    allowed: Bool[np.ndarray, "candidates targets"]
    units: Units
    holes: Float[np.ndarray, "rows both"] | None = None

    @property
    def scalar(self) -> bool:
        """Whether every candidate and target is one column."""
        return all(len(c.columns) == 1 for c in self.candidates) and all(
            len(t.columns) == 1 for t in self.targets
        )

    @cached_property
    def standardised(self) -> Standardised:
        """The inputs' standardised columns."""
        return Standardised(self.inputs)

    def increments(self, outcomes: Sequence[int]) -> "Increments":
        """What is modelled of these outcomes."""
        return Increments(self.inputs, self.outcomes, list(outcomes), self.earlier[list(outcomes)])

    def columns_of(self, candidates: Iterable[int]) -> list[int]:
        """The design columns of these candidates."""
        return [c for i in candidates for c in self.candidates[i].columns]

    def keep(self, kept: Sequence[int]) -> "Block":
        """The same block with only the candidates ``kept``; the columns are packed anew."""
        if list(kept) == list(range(len(self.candidates))):
            return self
        columns = self.columns_of(kept)
        place = {c: i for i, c in enumerate(columns)}
        earlier = np.array([place.get(int(c), -1) for c in self.earlier], np.int64)
        chosen = tuple(
            replace(self.candidates[i], columns=tuple(place[c] for c in self.candidates[i].columns))
            for i in kept
        )
        at = {old: new for new, old in enumerate(kept)}
        targets = tuple(
            replace(t, own=at.get(t.own) if t.own is not None else None) for t in self.targets
        )
        outcomes = range(self.inputs.shape[1], self.inputs.shape[1] + self.outcomes.shape[1])
        return replace(
            self,
            inputs=self.inputs[:, columns],
            earlier=earlier,
            holes=None if self.holes is None else self.holes[:, [*columns, *outcomes]],
            candidates=chosen,
            targets=targets,
            allowed=self.allowed[list(kept)],
        )

    def thinned(self, every: int) -> "Block":
        """Evenly spaced rows of the same block."""
        if every == 1:
            return self
        units = replace(self.units, unit=self.units.unit[::every], fold=self.units.fold[::every])
        return replace(
            self,
            inputs=self.inputs[::every],
            outcomes=self.outcomes[::every],
            units=units,
            holes=None if self.holes is None else self.holes[::every],
        )

    def for_target(
        self,
        target: int,
        inputs: Float[np.ndarray, "rows columns"],
        candidates: tuple[Candidate, ...],
    ) -> "Block":
        """One target alone, with more candidates behind the block's own, all of them allowed."""
        old, more = self.targets[target], len(candidates) - len(self.candidates)
        columns = list(old.columns)
        allowed = np.append(self.allowed[:, target], np.ones(more, bool))
        return replace(
            self,
            inputs=inputs,
            outcomes=self.outcomes[:, columns],
            earlier=self.earlier[columns],
            floor=self.floor[columns],
            candidates=candidates,
            targets=(replace(old, columns=tuple(range(len(columns)))),),
            allowed=allowed[:, None],
        )


@dataclass(frozen=True, eq=False)
class Increments:
    """Outcomes less their own values one row earlier, where they have one, by runs of rows."""

    inputs: Float[np.ndarray, "rows columns"]
    outcomes: Float[np.ndarray, "rows outcomes"]
    chosen: list[int]
    earlier: Int[np.ndarray, " chosen"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.outcomes), len(self.chosen)

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "part chosen"]:
        out = self.outcomes[rows][:, _run(self.chosen)]
        moved = np.flatnonzero(self.earlier >= 0)
        if len(moved) == len(self.chosen):
            return out - self.inputs[rows][:, _run(self.earlier)]
        out = out.copy()
        out[:, moved] -= self.inputs[rows][:, _run(self.earlier[moved])]
        return out


def _run(columns: Sequence[int] | Int[np.ndarray, " columns"]) -> slice | np.ndarray:
    """A slice where the columns follow each other: no copy is made of it."""
    which = np.asarray(columns, np.int64)
    if len(which) and np.array_equal(which, np.arange(which[0], which[0] + len(which))):
        return slice(int(which[0]), int(which[-1]) + 1)
    return which


def _encode(values: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """A categorical variable as numbers: one indicator a level but the most frequent."""
    known = values[np.isfinite(values)]
    levels, counts = np.unique(known, return_counts=True)
    rest = np.delete(levels, int(np.argmax(counts)))
    out = (values[:, None] == rest[None, :]).astype(float)
    out[~np.isfinite(values)] = np.nan
    return out


def _rounding(values: np.ndarray) -> float:
    """Variance of the rounding error of numbers stored in single or double precision."""
    known = values[np.isfinite(values)]
    if not known.size or np.all(known == np.round(known)):
        return 0.0
    single = bool(np.all(known == known.astype(np.float32)))
    spacing = np.spacing(np.abs(known).astype(np.float32 if single else np.float64))
    return float(np.mean(spacing.astype(float) ** 2) / 12)


def _steady(values: np.ndarray, log: Trajectories) -> bool:
    inside = np.ones(log.rows, bool)
    inside[log.starts[:-1]] = False
    change = np.diff(values, prepend=values[:1])[inside]
    return not np.any(np.nan_to_num(change))


def _gather(
    log: Trajectories, rows: np.ndarray, wanted: Sequence[tuple[str, int]]
) -> tuple[Float[np.ndarray, "rows columns"], list[tuple[int, ...]]]:
    """The encoded variables at a lag before each row, and the columns that each takes."""
    values, schema = log.aligned, log.schema
    coded: dict[str, np.ndarray] = {}
    for name, _ in wanted:
        if name not in coded and schema[name].kind is Kind.CATEGORICAL:
            coded[name] = _encode(values[:, schema.position(name)])
    ends = np.cumsum([0, *(coded[n].shape[1] if n in coded else 1 for n, _ in wanted)]).tolist()
    columns = [tuple(range(a, b)) for a, b in pairwise(ends)]
    table = np.empty((len(rows), ends[-1]))
    for lag in {lag for _, lag in wanted}:
        plain = [(n, c[0]) for (n, k), c in zip(wanted, columns, strict=True) if k == lag]
        plain = [(n, c) for n, c in plain if n not in coded]
        source, sink = _run([schema.position(n) for n, _ in plain]), _run([c for _, c in plain])
        for part in pieces(*table.shape):
            table[part, sink] = values[rows[part] - lag][:, source]
    for (name, lag), own in zip(wanted, columns, strict=True):
        if name in coded:
            table[:, own] = coded[name][rows - lag]
    return table, columns


def _target_rows(log: Trajectories, reach: int) -> np.ndarray:
    """Rows with at least ``reach`` earlier rows in the same episode."""
    since = np.arange(log.rows) - log.starts[log.episode_of_row]
    return np.flatnonzero(since >= reach)


def _assemble(
    log: Trajectories,
    rows: np.ndarray,
    sources: list[tuple[str, int]],
    targets: list[str],
    allows: Callable[[str, str, int], bool],
    *,
    seed: int,
) -> Block:
    schema = log.schema
    inputs, causes = _gather(log, rows, sources)
    outcomes, effects = _gather(log, rows, [(name, 0) for name in targets])
    steady = {name: _steady(log.column(name), log) for name, _ in sources}
    candidates = tuple(
        Candidate(name, lag, columns, steady[name])
        for (name, lag), columns in zip(sources, causes, strict=True)
    )
    whole = np.asarray(np.isfinite(inputs).all(1) & np.isfinite(outcomes).all(1))
    holes = None
    if log.missing.any() and (some := _worth_completing(log, inputs, outcomes, whole)) is not None:
        whole = some
        holes = np.concatenate([inputs, outcomes], 1)[whole]
        full = completed(holes, np.random.default_rng(seed))
        inputs[whole], outcomes[whole] = np.split(full, [inputs.shape[1]], 1)
    if not whole.all():
        inputs, outcomes, rows = inputs[whole], outcomes[whole], rows[whole]
    earlier = np.full(outcomes.shape[1], -1)
    floor = np.array([_rounding(outcomes[:, j]) for j in range(outcomes.shape[1])])
    final = []
    place = {source: i for i, source in enumerate(sources)}
    for name, columns in zip(targets, effects, strict=True):
        own = place.get((name, 1))
        final.append(Target(name, columns, own))
        if own is not None and schema[name].kind in (Kind.CONTINUOUS, Kind.COUNT):
            earlier[columns[0]] = candidates[own].columns[0]
    allowed = np.array(
        [[allows(c.name, t.name, c.lag) for t in final] for c in candidates], bool
    ).reshape(len(candidates), len(final))
    units = units_of(log.episode_of_row[rows], seed=seed)
    return Block(inputs, outcomes, earlier, floor, candidates, tuple(final), allowed, units, holes)


def _worth_completing(
    log: Trajectories, inputs: np.ndarray, outcomes: np.ndarray, whole: np.ndarray
) -> Bool[np.ndarray, " rows"] | None:
    """The rows to complete, where few are complete and every two numbers were seen together."""
    some: np.ndarray = np.asarray(np.isfinite(outcomes).any(1))
    numbers = all(v.kind is not Kind.CATEGORICAL for v in log.schema.variables)
    if not numbers or not FEWEST_TOGETHER <= some.sum() <= MOST_COMPLETED:
        return None
    if whole.sum() >= ENOUGH_COMPLETE * some.sum():
        return None
    both = np.concatenate([inputs, outcomes], 1)[some]
    return some if enough_pairs(both, FEWEST_TOGETHER) else None


def dynamics_block(
    log: Trajectories,
    names: Sequence[str],
    max_lag: int,
    allows: Callable[[str, str, int], bool],
    *,
    seed: int,
    reach: int | None = None,
    done: Collection[str] = (),
) -> Block:
    """States and rewards explained by states, actions and contexts of earlier rows.

    ``names`` are the usable variables; ``reach`` ≥ ``max_lag`` keeps rows comparable between
    numbers of lags; what is ``done`` needs no explaining.
    """
    schema = log.schema
    rows = _target_rows(log, reach or max_lag)
    state = [n for n in names if schema[n].role is Role.STATE]
    action = [n for n in names if schema[n].role is Role.ACTION]
    context = [n for n in names if schema[n].role is Role.CONTEXT]
    reward = [n for n in names if schema[n].role is Role.REWARD]
    sources = [(n, 1) for n in (*state, *context, *action)]
    moving = [n for n in context if not _steady(log.column(n), log)]
    for lag in range(2, max_lag + 1):
        sources += [(n, lag) for n in (*state, *moving, *action)]
    targets = [n for n in (*state, *reward) if n not in done]
    return _assemble(log, rows, sources, targets, allows, seed=seed)


def policy_block(
    log: Trajectories,
    names: Sequence[str],
    max_lag: int,
    allows: Callable[[str, str, int], bool],
    *,
    seed: int,
) -> Block | None:
    """Actions explained by what could be seen when they were chosen, and by earlier actions."""
    schema = log.schema
    seen = [n for n in names if schema[n].role is Role.STATE]
    action = [n for n in names if schema[n].role is Role.ACTION]
    context = [n for n in names if schema[n].role is Role.CONTEXT]
    if not action:
        return None
    now = [n for n in context if not _steady(log.column(n), log)]
    steady = [n for n in context if n not in now]
    sources = [(n, 0) for n in (*seen, *now)] + [(n, 1) for n in (*steady, *action)]
    for lag in range(2, max_lag + 1):
        sources += [(n, lag - 1) for n in seen] + [(n, lag) for n in action]
    return _assemble(log, _target_rows(log, max_lag), sources, action, allows, seed=seed)
