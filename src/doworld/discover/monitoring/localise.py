r"""Which mechanism changed between two logs, of which one may be a few rows long.

Each mechanism is learned in normal operation. A row of the other log is judged by how surprising
the variable is given its causes (``doworld.discover.monitoring.predictive``); a window of rows by

    T = mean of z_t² over the window,     p = (1 + #{normal windows with T' ≥ T}) / (1 + #{normal})

or the same with ≤, twice the smaller of both, with z' of normal rows held out and normal windows as
long as the one judged: a conformal p-value (Vovk, Gammerman & Shafer 2005), exact as far as windows
of normal operation are exchangeable. Rows may depend on each other within a window. Where the log
is longer than a twentieth of normal operation, several windows cover it, joined by twice the mean
of their p-values, which holds however they depend on each other (Vovk & Wang 2020).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from doworld._core.errors import DataError
from doworld.data import Role, Trajectories
from doworld.discover.monitoring.predictive import FEWEST_ROWS, same_variables, surprises
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.samples import Cause
from doworld.graph import CausalGraph

__all__ = ["EntityShift", "Localised", "MechanismShift", "localise_change"]

FEWEST_WINDOWS = 20
"""Windows that fit into normal operation one after the other, at least."""
LEAST_SIZE = 0.1
"""Surprise of normal operation, as a share of what was expected, that is taken for no movement."""


@dataclass(frozen=True)
class MechanismShift:
    """How far one mechanism is from what it was in normal operation.

    Attributes:
        variable: whose mechanism.
        p_value: of the hypothesis that it is as it was; NaN where it cannot be judged.
        effect: root of the mean squared surprise, in units of that of normal operation: about 1
            where nothing changed.
        shift: the mean surprise in the same units, with its sign.
        changed: whether it is among the discoveries.
        parents: (name, lag) of its causes in the graph.
        rows: rows judged; of the log that may have changed.
        note: why it could not be judged, in words; "" where it could.
    """

    variable: str
    p_value: float
    effect: float
    shift: float
    changed: bool
    parents: tuple[Cause, ...]
    rows: int
    note: str = ""


@dataclass(frozen=True)
class EntityShift:
    """The strongest shift among the variables of one object.

    Attributes:
        entity: the object, as the schema names it; a variable of none stands for itself.
        p_value: the least of its variables', times their number (Bonferroni); the order of objects
            is that of their strongest variables.
        strongest: the shift of the variable that decided.
    """

    entity: str
    p_value: float
    strongest: MechanismShift


@dataclass(frozen=True)
class Localised:
    """Mechanisms and objects, the one most likely changed first."""

    mechanisms: tuple[MechanismShift, ...]
    entities: tuple[EntityShift, ...]


def localise_change(
    normal: Trajectories,
    changed: Trajectories,
    graph: CausalGraph,
    *,
    target: str | None = None,
    fdr: float = 0.05,
) -> Localised:
    """Ranks mechanisms by how surely, then by how far, they are not as in normal operation.

    A mechanism whose causes are out of their usual range is judged only by what these cannot
    explain, so that of a chain of disturbed variables the first is found. Missing causes are taken
    at their mean, rows with a missing outcome are passed over. Answers are linear.

    Args:
        normal: a log of usual operation.
        changed: a log in which something may be otherwise; a few rows suffice.
        graph: which variable acts on which, found or given by hand; at any lags.
        target: the variable whose trouble is to be explained: only it and what acts on it is
            ranked. None ranks every variable of the graph.
        fdr: the expected share of false ones among ``changed`` (Benjamini & Hochberg 1995).

    Returns:
        Every state, reward and action of the graph, and the objects (``Variable.entity``) they
        belong to; those that cannot be judged come last.

    Raises:
        SchemaError: the logs have different variables.
        UnknownNameError: the graph or ``target`` names a variable that they do not have.
        DataError: the log of normal operation has fewer than twenty rows, or the other none.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(4, changes=1, seed=3)
    >>> log = world.collect([300, 5])
    >>> normal, issue = (log.in_environment(e) for e in log.schema.environments)
    >>> world.changed, localise_change(normal, issue, world.graph).mechanisms[0].variable
    (('z0',), 'z0')
    """
    _check(normal, changed, graph)
    names = graph.names if target is None else graph.ancestors(target)
    roles = {v.name: v.role for v in normal.schema.variables}
    asked = [n for n in graph.names if n in names and roles[n] is not Role.CONTEXT]
    found = [_shift(normal, changed, graph, name) for name in asked]
    cut = benjamini_hochberg(np.array([s.p_value for s in found]), fdr)
    ranked = sorted((replace(s, changed=s.p_value <= cut) for s in found), key=_order)
    return Localised(tuple(ranked), _entities(normal, ranked))


def _order(shift: MechanismShift) -> tuple[bool, float, float]:
    unknown = bool(np.isnan(shift.p_value))
    return unknown, 1.0 if unknown else shift.p_value, -shift.effect


def _check(normal: Trajectories, changed: Trajectories, graph: CausalGraph) -> None:
    same_variables(normal, changed, graph)
    if normal.rows < FEWEST_ROWS or not changed.rows:
        raise DataError(
            f"normal operation has {normal.rows} rows and the other log {changed.rows}, and "
            f"{FEWEST_ROWS} and 1 are the least. Log more of normal operation."
        )


def _shift(
    normal: Trajectories, changed: Trajectories, graph: CausalGraph, name: str
) -> MechanismShift:
    """The judgement of one variable."""
    causes = graph.parents(name)
    nothing = MechanismShift(name, float("nan"), 1.0, 0.0, False, causes, 0)
    usual, now = surprises(normal, changed, name, causes)
    known, seen = int(np.isfinite(usual[:, 0]).sum()), int(np.isfinite(now[:, 0]).sum())
    if known < FEWEST_ROWS or not seen:
        note = (
            f"{name!r} cannot be judged: it has no value, or not all of its past, in the log that "
            "may have changed. Log it there."
            if known >= FEWEST_ROWS
            else f"{name!r} cannot be judged: normal operation has fewer than {FEWEST_ROWS} rows "
            "with a value and all of its past. Log more of it."
        )
        return replace(nothing, rows=seen, note=note)
    squared = [_mean_square(z) for z in (usual, now)]
    size = max(float(np.sqrt(np.nanmean(squared[0]))), LEAST_SIZE)
    p = _window_p(normal, squared[0], squared[1])
    effect = float(np.sqrt(np.nanmean(squared[1]))) / size
    mean = np.nanmean(now, 0)
    shift = float(mean[int(np.argmax(np.abs(mean)))]) / size
    return replace(nothing, p_value=p, effect=effect, shift=shift, rows=seen)


def _mean_square(z: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """The mean of the known columns' squares; NaN in rows without any."""
    known = np.isfinite(z)
    total, count = np.where(known, z**2, 0.0).sum(1), known.sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _window_p(
    normal: Trajectories,
    usual: Float[np.ndarray, " rows"],
    now: Float[np.ndarray, " others"],
) -> float:
    """The conformal p-value of the windows of ``now`` among those of ``usual``."""
    length = max(1, min(len(now), int(np.isfinite(usual).sum()) // FEWEST_WINDOWS))
    starts = [0, normal.rows] if normal.schema.static else normal.starts.tolist()
    before = np.concatenate([_means(usual[a:b], length) for a, b in pairwise(starts)])
    before = before[np.isfinite(before)]
    count = -(-len(now) // length)
    at = np.linspace(0, len(now) - length, count).round().astype(np.int64)
    after = _means(now, length)[at]
    after = after[np.isfinite(after)]
    if len(before) < FEWEST_WINDOWS or not len(after):
        return float("nan")
    usual_order = np.sort(before)
    above = len(before) - np.searchsorted(usual_order, after)
    below = np.searchsorted(usual_order, after, "right")
    p = np.minimum(1.0, 2 * (1 + np.minimum(above, below)) / (1 + len(before)))
    joined = float(p[0]) if len(p) == 1 else 2 * float(p.mean())
    return min(1.0, joined)


def _means(values: Float[np.ndarray, " rows"], length: int) -> np.ndarray:
    """The mean of what is known in each window of ``length`` rows."""
    if len(values) < length:
        return np.zeros(0)
    known = np.isfinite(values)
    windows = np.lib.stride_tricks.sliding_window_view(np.where(known, values, 0.0), length)
    counts = np.lib.stride_tricks.sliding_window_view(known, length).sum(1)
    return np.where(counts > 0, windows.sum(1) / np.maximum(counts, 1), np.nan)


def _entities(log: Trajectories, ranked: list[MechanismShift]) -> tuple[EntityShift, ...]:
    """The objects by their strongest variable."""
    members: dict[str, list[MechanismShift]] = {}
    for shift in ranked:
        members.setdefault(log.schema[shift.variable].entity or shift.variable, []).append(shift)
    out = []
    for entity, shifts in members.items():
        judged = sum(bool(np.isfinite(s.p_value)) for s in shifts)
        out.append(EntityShift(entity, min(1.0, max(judged, 1) * shifts[0].p_value), shifts[0]))
    return tuple(sorted(out, key=lambda e: _order(e.strongest)))
