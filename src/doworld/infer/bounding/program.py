"""Bounds of any counterfactual quantity in any discrete diagram, by linear programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from doworld._core.errors import QueryError, UnknownNameError
from doworld.infer.bounding.bound import Bound
from doworld.infer.bounding.confidence import clopper_pearson
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.districts import District, district
from doworld.infer.bounding.objective import Objective, objective
from doworld.infer.bounding.potential import Expression, Potential
from doworld.infer.bounding.solve import Constraints, nearest, solve
from doworld.infer.bounding.types import MOST, TooManyTypesError, Types

__all__ = ["Experiment", "linear_program"]


@dataclass(frozen=True, eq=False)
class Experiment:
    """Counts from a trial in which ``done`` was set for everybody."""

    done: Mapping[str, int]
    counts: Counts


@dataclass(frozen=True, eq=False)
class _Parts:
    """A diagram cut into what is free and what the data already give.

    ``free`` is None where the data give everything that is asked.
    """

    diagram: Diagram
    free: District | None
    known: tuple[District, ...]
    notes: tuple[str, ...]


def linear_program(
    counts: Counts,
    diagram: Diagram,
    expression: Expression,
    *,
    rising: Sequence[tuple[str, str]] = (),
    experiments: Sequence[Experiment] = (),
    level: float = 0.95,
    most: int = MOST,
) -> Bound:
    """The least and greatest value of ``expression`` over all models with this diagram and data.

        min / max  Σ_r c(r) q(r)   subject to   Σ_{r : r gives v_C under o} q(r) = Q[C](v_C | o)

    for all levels v_C of a district C and o of its outside causes; r are the response types of
    its variables (Balke & Pearl 1994; districts: Sachs et al. 2023, Duarte et al. 2024). Where
    the quantity depends on types of one district, the bounds are sharp for diagrams whose
    districts have one common cause each. Where it depends on several, these are merged, and where
    there are too many types, contexts o are left out: both leave the bound valid but wider, and
    ``notes`` say so. Treatments in sequence, mediators and nested counterfactuals are no special
    case.

    Args:
        counts: of all variables that act on those asked about.
        diagram: directed edges and pairs with unobserved common causes.
        expression: what is asked.
        rising: pairs (cause, effect): a higher level of the cause never lowers the effect.
        experiments: trials that the models must fit as well.
        level: chance that the range [low, high] covers the bound: cells have exact limits that
            hold together (Clopper & Pearson 1934, Bonferroni).
        most: types that may be opened.

    Raises ``UnknownNameError`` and ``QueryError`` for names or levels that do not exist.

    >>> from doworld.infer.bounding import contrast
    >>> iv = Diagram(("Z", "X", "Y"), (("Z", "X"), ("X", "Y")), (("X", "Y"),))
    >>> n = np.array([[[45.0, 5], [30, 20]], [[10, 5], [25, 60]]])
    >>> bound = linear_program(
    ...     Counts(("Z", "X", "Y"), n), iv, contrast("Y", {"X": 1}, {"X": 0}, (0.0, 1.0))
    ... )
    >>> round(bound.lower, 3), round(bound.upper, 3)
    (0.05, 0.65)
    """
    _check(counts, diagram, expression, rising, experiments)
    error = (1 - level) / (1 + len(experiments))
    parts = _cut(counts, diagram, expression, experiments, error)
    members = () if parts.free is None else parts.free.members
    names = parts.diagram.names
    levels = {n: counts.levels(n) for n in names}
    types = Types(parts.diagram, levels, members, rising, most)
    notes = list(parts.notes)
    try:
        asked = objective(types, parts.known, expression)
        trials = [_trial(types, e, error) for e in experiments]
    except TooManyTypesError:
        return _trivial(expression, level, notes)
    contexts = _contexts(types, parts.free, notes)
    system = _System.of(types, parts.free, contexts, trials, asked())
    return system.bound(level, tuple(notes))


def _check(counts, diagram, expression, rising, experiments) -> None:
    for name in (*expression.named(), *(n for pair in rising for n in pair)):
        if name not in diagram.names:
            raise UnknownNameError("variable of the diagram", name, diagram.names)
    for name in diagram.ancestors(expression.named()):
        counts.axis(name)
    for cause, effect in rising:
        if cause not in diagram.parents(effect):
            raise QueryError(f"{cause!r} is no direct cause of {effect!r}, so it cannot raise it.")
    for each in expression.events():
        _levels(counts, each.potential)
        _level(counts, each.potential.variable, each.level)
    for trial in experiments:
        for name, value in trial.done.items():
            _level(counts, name, value)
        for name in trial.counts.names:
            if trial.counts.levels(name) != counts.levels(name):
                raise QueryError(f"{name!r} has other levels in the trial than in the log.")


def _levels(counts: Counts, potential: Potential) -> None:
    for name, value in potential.under.items():
        if isinstance(value, Potential):
            _levels(counts, value)
        elif isinstance(value, int):
            _level(counts, name, value)


def _level(counts: Counts, name: str, level: int) -> None:
    if not 0 <= level < counts.levels(name):
        raise QueryError(
            f"{name!r} has levels 0…{counts.levels(name) - 1}, not {level}. Ask about one of them."
        )


def _cut(counts, diagram, expression, experiments, error) -> _Parts:
    """The ancestors of what is asked, their districts, and which of these are free."""
    asked = set(expression.named()).union(*(e.counts.names for e in experiments), ())
    kept = diagram.within(diagram.ancestors(asked))
    changed = expression.changed()
    one = expression.single_worlds()
    later = set(kept.descendants(changed))

    def given(members: tuple[str, ...]) -> bool:
        return not later & set(members) or (one and not changed & set(members))

    districts = kept.districts(kept.names)
    found = [district(kept, counts, d, error / len(districts)) for d in districts]
    known = [d for d in found if given(d.members) and not np.isnan(d.value).any()]
    if experiments:
        known = []
    free = [d for d in found if d not in known]
    if not free:
        return _Parts(kept, None, tuple(known), ())
    if len(free) == 1:
        return _Parts(kept, free[0], tuple(known), _apart(kept, free[0].members))
    ends = [d.members[0] for d in free]
    joined = replace(kept, hidden=(*kept.hidden, *pairwise(ends)))
    every = tuple(n for d in free for n in d.members)
    whole = district(joined, counts, every, error / len(districts))
    groups = ", ".join("{" + ", ".join(d.members) + "}" for d in free)
    note = (
        f"The quantity is a product over {groups}. These are treated as if they shared an "
        "unobserved cause: the bound holds, and may be wider than it need be."
    )
    return _Parts(joined, whole, tuple(known), (note,))


def _apart(diagram: Diagram, members: tuple[str, ...]) -> tuple[str, ...]:
    """A note where some pair of a district shares no unobserved cause of its own."""
    pairs = {frozenset(e) for e in diagram.hidden}
    if all(frozenset(p) in pairs for p in combinations(members, 2)):
        return ()
    return (
        f"The unobserved causes of {', '.join(members)} are treated as one: the bound holds, and "
        "may be wider than it need be.",
    )


def _contexts(types: Types, free: District | None, notes: list[str]) -> list[tuple]:
    """(handles of the members, levels of the outside causes) of every context that fits."""
    out = []
    if free is None:
        return out
    shape = free.rows.shape
    order = np.argsort(-free.rows.ravel(), kind="stable")
    for flat in order[free.rows.ravel()[order] > 0]:
        where = tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
        given, seen = dict(zip(free.outside, where, strict=True)), {}
        try:
            handles = [types.ask(Potential(n), given, seen) for n in free.members]
        except TooManyTypesError:
            notes.append(
                f"Only {len(out)} of {int((free.rows > 0).sum())} combinations of "
                f"{', '.join(free.outside) or 'nothing'} are used, those with most rows: more "
                "would open too many response types. The bound holds, and may be too wide."
            )
            break
        out.append((handles, where))
    return out


def _trial(types: Types, trial: Experiment, error: float):
    """Handles of the trial's variables and its cells' frequencies with limits."""
    seen: dict = {}
    handles = [types.ask(Potential(n, dict(trial.done)), {}, seen) for n in trial.counts.names]
    table, total = trial.counts.table, trial.counts.total
    low, high = clopper_pearson(table, np.full(table.shape, total), error / table.size)
    return handles, table / total, low, high


@dataclass(frozen=True, eq=False)
class _System:
    """Cells and objective, types that agree in all of them taken together."""

    cells: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    asked: Objective

    @classmethod
    def of(cls, types: Types, free, contexts, trials, asked: Objective) -> "_System":
        columns, value, low, high, first = [], [], [], [], 0
        for handles, where in contexts:
            shape = tuple(types.levels[n] for n in free.members)
            at = (Ellipsis, *where) if where else Ellipsis
            parts = tuple(a[at].ravel() for a in (free.value, free.low, free.high))
            known = ~np.isnan(parts[0])
            parts = (np.where(known, parts[0], 0), *parts[1:])
            if not known.all():
                # a factor that no row tells anything of: its cells are left open
                parts = (np.where(known, parts[0], np.nan), *parts[1:])
            columns.append(first + _flat(types, handles, shape))
            for total, part in zip((value, low, high), parts, strict=True):
                total.append(part)
            first += len(parts[0])
        for handles, *parts in trials:
            columns.append(first + _flat(types, handles, parts[0].shape))
            for total, part in zip((value, low, high), parts, strict=True):
                total.append(part.ravel())
            first += parts[0].size
        count = len(types.columns)
        cells = np.stack(columns, 1) if columns else np.zeros((count, 0), np.int64)
        numbers = np.concatenate([cells.astype(float), asked.stacked().round(12)], 1)
        _, kept = np.unique(numbers, axis=0, return_index=True)
        joined = [np.concatenate(part) if part else np.zeros(0) for part in (value, low, high)]
        return cls(cells[kept], joined[0], joined[1], joined[2], asked.of(kept))

    def bound(self, level: float, notes: tuple[str, ...]) -> Bound:
        """Solves for the bound, and for the range that covers it."""
        open_cells = np.isnan(self.value)
        exact = np.where(open_cells, 0.0, self.value)
        point = Constraints(self.cells, exact, np.where(open_cells, 1.0, exact))
        limits = Constraints(self.cells, self.low, self.high)
        given = self.asked.evidence
        ends = self._ends(point, self.asked.middle, None if given is None else given[0])
        if ends is None and not open_cells.any():
            fitted = nearest(point, exact)
            point = Constraints(self.cells, fitted, fitted)
            ends = self._ends(point, self.asked.middle, None if given is None else given[0])
        spread = self._ends(limits, self.asked.limits, None if given is None else given[1])
        least, most = self.asked.trivial
        # a ratio may also have no end because what is given never happens
        refuted = spread is None and (
            given is None or solve(limits, np.zeros(len(self.cells))) is None
        )
        lower, upper = ends or (least, most)
        low, high = spread or (lower, upper)
        lower, upper, low, high = (
            float(np.clip(v, least, most)) for v in (lower, upper, low, high)
        )
        return Bound(
            lower=lower,
            upper=max(upper, lower),
            low=min(low, lower),
            high=max(high, upper),
            level=level,
            method="linear program over response types",
            assumptions=("Unobserved causes act only where the diagram has them.",),
            notes=notes,
            refuted=refuted,
        )

    def _ends(self, constraints, objectives, evidence) -> tuple[float, float] | None:
        least, most = objectives
        low = solve(constraints, least, evidence)
        high = solve(constraints, -most, evidence)
        return None if low is None or high is None else (low, -high)


def _flat(types: Types, handles, shape) -> np.ndarray:
    return np.ravel_multi_index(tuple(types.value(h) for h in handles), shape)


def _trivial(expression: Expression, level: float, notes: list[str]) -> Bound:
    """What holds whatever the data say, for a question that opens too many types."""
    least, most = expression.range()
    note = "The question opens too many response types: only its natural range is given."
    return Bound(least, most, least, most, level, "natural range", (), (*notes, note))
