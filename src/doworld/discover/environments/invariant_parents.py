r"""Causes of a target that every environment agrees on, with a family-wise guarantee.

Source: Peters, Bühlmann & Meinshausen (2016), "Causal inference by using invariant prediction:
identification and confidence intervals"; with bent answers Heinze-Deml, Peters & Meinshausen
(2018), "Invariant causal prediction for nonlinear models".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from doworld._core.errors import DataError, QueryError
from doworld.data import Role, Trajectories
from doworld.discover.environments.invariance import invariance
from doworld.discover.numerics.samples import (
    Cause,
    Sample,
    columns_of,
    sample_of,
    several_environments,
)

__all__ = ["InvariantParents", "invariant_parents"]

MOST_CANDIDATES = 10


@dataclass(frozen=True)
class InvariantParents:
    """Causes that are in every set of candidates under which the target is invariant.

    Attributes:
        target: whose causes.
        parents: (name, lag) of each; with probability 1 − ``level`` all of them are causes.
        p_values: for each candidate the largest p-value of a set without it: the level up to which
            it would not be among ``parents``. Where nothing was left in common, at least that.
        accepted: the sets that are not refuted, the most plausible first; only as many as were
            tried when nothing was left in common.
        level: of the guarantee.
        rows: how many the tests rest on.
        notes: what this means, and what was left out, in words.
    """

    target: str
    parents: tuple[Cause, ...]
    p_values: dict[Cause, float]
    accepted: tuple[tuple[Cause, ...], ...]
    level: float
    rows: int
    notes: tuple[str, ...]


def invariant_parents(
    log: Trajectories,
    target: str,
    *,
    level: float = 0.05,
    candidates: Collection[str] | None = None,
    max_lag: int = 1,
    seed: int = 0,
) -> InvariantParents:
    r"""The intersection of all sets of candidates given which the target is the same everywhere.

    With p(S) the p-value of P_e(target | S) = P(target | S) for all environments e,

        Ŝ = ⋂ {S : p(S) > α},     P(Ŝ ⊆ pa(target)) ≥ 1 − α,

    since pa(target) itself is refuted with probability α at most, whatever the environments do to
    other variables, as long as none acts on the target itself and no cause is unobserved. Answers
    may be bent; ``doworld.discover.environments.invariance`` says how p is computed.

    Args:
        log: of two or more environments.
        target: a state, reward or action.
        level: α, the chance that any of the parents is none.
        candidates: what may be a cause; None: all others of the log. At most ten (name, lag).
        max_lag: in a log over time candidates stand 1…``max_lag`` rows back, the target's own past
            among them; in a static table in the same row.
        seed: of the folds that choose capacities.

    Raises:
        DataError: the log has one environment, or fewer than two with enough complete rows, or
            there are too many candidates to try every set of them.
        QueryError: the target is a context or its own candidate, or ``level`` is not in (0, 1).
        UnknownNameError: a variable that the log does not have.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(4, environments=4, changes=2, degree=1, seed=0)
    >>> world.changed, world.graph.parents("z1")
    (('z0', 'z2'), (('z0', 0), ('z2', 0)))
    >>> invariant_parents(world.collect(200), "z1").parents
    (('z0', 0), ('z2', 0))
    """
    causes = _causes(log, target, candidates, max_lag, level)
    several_environments(log)
    whole, note = sample_of(log, target, causes)
    if whole is None:
        raise DataError(note)
    ends = np.cumsum([0, *(columns_of(log, name).shape[1] for name, _ in causes)]).tolist()
    place = [slice(a, b) for a, b in pairwise(ends)]
    common: set[Cause] | None = None
    accepted: list[tuple[float, tuple[Cause, ...]]] = []
    largest = dict.fromkeys(causes, 0.0)
    for chosen in _in_order(len(causes)):
        found = invariance(_part(whole, [place[i] for i in chosen]), seed=seed)
        p = found.p_value if np.isfinite(found.p_value) else 1.0
        for i, cause in enumerate(causes):
            if i not in chosen:
                largest[cause] = max(largest[cause], p)
        if p > level:
            names = tuple(causes[i] for i in chosen)
            accepted.append((p, names))
            common = set(names) if common is None else common & set(names)
            if not common:
                break
    parents = tuple(c for c in causes if c in (common or ()))
    notes = _notes(target, parents, bool(accepted), level) + ((note,) if note else ())
    ranked = tuple(names for _, names in sorted(accepted, key=lambda a: -a[0]))
    return InvariantParents(target, parents, largest, ranked, level, len(whole.place), notes)


def _causes(
    log: Trajectories, target: str, wanted: Collection[str] | None, max_lag: int, level: float
) -> tuple[Cause, ...]:
    """The candidates with their lags."""
    schema = log.schema
    if schema[target].role is Role.CONTEXT:
        raise QueryError(
            f"{target!r} is a context, which nothing in the log causes. Ask of a state."
        )
    if not 0 < level < 1 or max_lag < 1:
        raise QueryError(
            f"level is {level} and max_lag {max_lag}, but a level lies between 0 and 1 and a lag "
            "is 1 or more. Use 0.05 and 1."
        )
    others = [v.name for v in schema.variables if v.role is not Role.REWARD]
    names = list(others if wanted is None else wanted)
    for name in names:
        schema.position(name)
    if schema.static:
        if wanted is not None and target in names:
            raise QueryError(
                f"{target!r} cannot be its own cause in one row. Drop it from candidates."
            )
        causes = [(n, 0) for n in names if n != target]
    else:
        own = [target] if schema[target].role is Role.STATE and target not in names else []
        causes = [(n, lag) for n in (*names, *own) for lag in range(1, max_lag + 1)]
    if len(causes) > MOST_CANDIDATES:
        raise DataError(
            f"{target!r} has {len(causes)} candidate causes, which makes 2^{len(causes)} sets, and "
            f"{MOST_CANDIDATES} are the most for which all are tried. Name those that may matter "
            "with candidates=[…], for example its neighbours in a graph that discover() found."
        )
    if not causes:
        raise QueryError(f"there is nothing that could cause {target!r}. Give candidates.")
    return tuple(causes)


def _part(sample: Sample, places: Sequence[slice]) -> Sample:
    inputs = np.concatenate(
        [np.zeros((len(sample.place), 0)), *(sample.inputs[:, p] for p in places)], 1
    )
    return Sample(sample.outcome, inputs, sample.place, sample.unit, sample.discrete)


def _in_order(count: int) -> list[tuple[int, ...]]:
    """All subsets of 0…count−1, small ones first."""
    return [s for size in range(count + 1) for s in combinations(range(count), size)]


def _notes(
    target: str, parents: Sequence[Cause], any_accepted: bool, level: float
) -> tuple[str, ...]:
    if parents:
        return ()
    if any_accepted:
        return (
            f"no cause of {target!r} is sure at level {level:g}: sets without a variable in common "
            "leave it equally invariant. Environments that differ more would tell.",
        )
    return (
        f"no set of candidates leaves {target!r} invariant at level {level:g}: its own mechanism "
        "differs between environments, or a cause is not among the candidates.",
    )
