"""How far inside its data a model is asked: 0…1 per variable and row, and what leaves it first."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.reach import Reach
from doworld.model.world import WorldModel
from doworld.query.words import number

__all__ = ["EDGE", "OUTSIDE", "Support", "leaves_first", "support", "support_of_each"]

OUTSIDE, EDGE = 0.5, 0.8
"""Below these an answer counts as outside its data, or at their edge."""

STEEPNESS = 8.0
"""A value a tenth of the log's range outside it is supported to e^−0.8."""

RECOVERY = 0.95
"""Log support that a variable inherits from a cause fades by this factor a row."""

AT_ONCE = 256
"""Inputs that are compared with the sample at once: few enough to stay in the cache."""

LEAST_RADIUS = 0.1
"""Scaled distance that always counts as near: few distinct values make the sample's own 0."""


@dataclass(frozen=True, eq=False)
class Support:
    """Support of rows first…last.

    Attributes:
        local: is what acts on the variable in this row like something in the log.
        within: is the value itself inside the range of the log; row 0 is the given row.
        total: the two, and what the variable inherits from its causes.
    """

    local: Float[np.ndarray, "rows variables"]
    within: Float[np.ndarray, "given_and_rows variables"]
    total: Float[np.ndarray, "rows variables"]


def support(
    model: WorldModel,
    reach: Reach,
    *,
    past: Float[np.ndarray, "*paths lags variables"],
    paths: Float[np.ndarray, "paths rows variables"],
    cut: Bool[np.ndarray, "rows variables"],
    trust: Float[np.ndarray, " variables"],
    fact: Bool[np.ndarray, "rows variables"] | None = None,
) -> Support:
    """Support along a few trajectories of an answer, averaged over them.

    s_j(t) = min(local_j(t), within_j(t), min over causes i at lag k of s_i(t−k)^(0.95^k)), so that
    no effect is better supported than its cause, and a stable world forgets a detour.

    ``past`` are rows before the first of ``paths``, the newest first, of all or of each; ``trust``
    is how far the row just before is known; where ``cut``, a value is set and its mechanism not
    asked; what is ``fact`` was logged as it is and needs no support from elsewhere.
    """
    lags, steps = past.shape[-2], paths.shape[1]
    history = np.broadcast_to(past[..., ::-1, :], (len(paths), *past.shape[-2:]))
    rows = np.concatenate([history, paths], 1)
    wanted = ~(cut if fact is None else cut | fact)
    own = np.broadcast_to(wanted, (len(paths), *wanted.shape))
    local = np.where(cut, 1.0, _local(model, model.scaled(rows), lags, steps, own).mean(0))
    within = _within(model, rows).mean(0)
    if fact is not None:
        local = np.where(fact, 1.0, local)
        within[:lags], within[lags:] = 1.0, np.where(fact, 1.0, within[lags:])
    total = np.concatenate([within[:lags] * trust, np.minimum(local, within[lags:])])
    _inherit(model, reach, total, wanted, lags)
    return Support(local=local, within=within[max(lags - 1, 0) :], total=total[lags:])


def support_of_each(
    model: WorldModel,
    reach: Reach,
    *,
    paths: Float[np.ndarray, "paths rows variables"],
    cut: Bool[np.ndarray, "*paths_or_none rows variables"],
    fact: Bool[np.ndarray, "paths rows variables"],
) -> tuple[
    Float[np.ndarray, "paths rows variables"],
    Float[np.ndarray, "paths given_and_rows variables"],
    Float[np.ndarray, "paths rows variables"],
]:
    """(local, within, total) as of ``support``, of every path by itself.

    The row before the first is taken to be like it; ``fact`` and ``cut`` may differ by path.
    """
    lags, steps = model.dynamics.max_lag, paths.shape[1]
    rows = np.concatenate([np.repeat(paths[:, :1], lags, 1), paths], 1)
    wanted = ~(cut | fact)
    local = _local(model, model.scaled(rows), lags, steps, wanted)
    within = _within(model, rows)
    within[:, :lags] = 1.0
    within[:, lags:] = np.where(fact, 1.0, within[:, lags:])
    total = np.concatenate([within[:, :lags], np.minimum(local, within[:, lags:])], 1)
    _inherit(model, reach, total, wanted, lags)
    return local, within[:, max(lags - 1, 0) :], total[:, lags:]


def _inherit(
    model: WorldModel,
    reach: Reach,
    total: Float[np.ndarray, "*paths history_and_rows variables"],
    free: Bool[np.ndarray, "*paths rows variables"],
    lags: int,
) -> None:
    """Lowers ``total`` in place to what each ``free`` value inherits from its causes."""
    factors = [RECOVERY**k for k in range(reach.acts.shape[2])]
    order = np.argsort(np.asarray(model.dynamics.order), kind="stable").tolist()
    causes = [
        [(j, np.flatnonzero(reach.acts[:, j, k])) for j in order if reach.acts[:, j, k].any()]
        for k in range(len(factors))
    ]
    for t in range(lags, total.shape[-2]):
        now, open_now = total[..., t, :], free[..., t - lags, :]
        for k in range(1, min(len(factors), t + 1)):
            before = total[..., t - k, :] ** factors[k]
            for j, sources in causes[k]:
                heir = np.minimum(now[..., j], before[..., sources].min(-1))
                now[..., j] = np.where(open_now[..., j], heir, now[..., j])
        for _ in range(model.dynamics.levels if causes[0] else 0):
            was = now.copy()
            for j, sources in causes[0]:
                heir = np.minimum(now[..., j], now[..., sources].min(-1))
                now[..., j] = np.where(open_now[..., j], heir, now[..., j])
            if np.array_equal(was, now):
                break


def _local(
    model: WorldModel,
    rows: Float[np.ndarray, "paths history_and_rows variables"],
    lags: int,
    steps: int,
    wanted: Bool[np.ndarray, "paths rows variables"],
) -> Float[np.ndarray, "paths rows variables"]:
    """1 within the usual distance of the sample of the log, e^(1−r) at r times that distance.

    1 also where it is not ``wanted``.
    """
    reference, coding = model.reference, model.dynamics.coding
    variable, level = np.asarray(coding.variable), np.asarray(coding.level)
    out = np.ones((len(rows), steps, rows.shape[-1]))
    for n, target in enumerate(reference.targets):
        used = reference.mask[n] > 0
        path, step = np.nonzero(wanted[..., target])
        if not used.any() or not len(path):
            continue
        lag, feature = np.divmod(reference.columns[n][used].astype(int), len(variable))
        read = rows[path[:, None], lags + step[:, None] - lag, variable[feature]]
        inputs = np.where(level[feature] >= 0, (read == level[feature]).astype(float), read)
        distance = _nearest(inputs, reference.points[n][:, used].astype(float))
        ratio = distance / max(float(reference.radius[n]), LEAST_RADIUS)
        out[path, step, target] = np.minimum(1.0, np.exp(1.0 - ratio))
    return out


def _nearest(inputs: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Euclidean distance of each input to the nearest point."""
    flat = inputs.reshape(-1, inputs.shape[-1])
    out = np.empty(len(flat))
    across, length = -2.0 * points.T, (points**2).sum(1)
    for begin in range(0, len(flat), AT_ONCE):
        some = flat[begin : begin + AT_ONCE]
        square = some @ across
        square += length
        least = square.min(1) + (some**2).sum(1)
        out[begin : begin + AT_ONCE] = np.sqrt(np.maximum(least, 0.0))
    return out.reshape(inputs.shape[:-1])


def _within(model: WorldModel, rows: np.ndarray) -> np.ndarray:
    """1 inside the log's range, falling with the share of that range outside it."""
    low, high = model.reference.low, model.reference.high
    width = np.maximum(high - low, 1e-3 * np.abs(low) + 1e-9)
    excess = np.maximum(np.maximum(low - rows, rows - high), 0.0)
    return np.exp(-STEEPNESS * np.nan_to_num(excess / width, nan=0.0))


def leaves_first(
    model: WorldModel,
    found: Support,
    *,
    rows: Float[np.ndarray, "rows variables"],
    relevant: list[int],
    first: int,
) -> tuple[int, str] | None:
    """The row in which an answer leaves its data and a sentence on what leaves it; None if inside.

    ``rows`` is a middle trajectory that begins with the given row, as ``found.within`` does.
    """
    begin = first - (len(found.within) - len(found.local))
    out = np.argwhere(found.within[:, relevant] < EDGE)
    odd = np.argwhere(found.local[:, relevant] < EDGE)
    at_range = (begin + out[0, 0], relevant[out[0, 1]]) if len(out) else None
    at_local = (first + odd[0, 0], relevant[odd[0, 1]]) if len(odd) else None
    if at_range and (not at_local or at_range[0] <= at_local[0]):
        row, i = int(at_range[0]), at_range[1]
        variable = model.schema.variables[i]
        unit = f" {variable.unit}" if variable.unit else ""
        value, low, high = (
            number(float(v))
            for v in (rows[row - begin, i], model.reference.low[i], model.reference.high[i])
        )
        return row, (
            f"{variable.name} leaves first: {value}{unit} at row {row} is outside "
            f"{low}…{high}{unit} of the log."
        )
    if at_local:
        row, name = int(at_local[0]), model.schema.names[at_local[1]]
        return row, f"{name} leaves first: what acts on it at row {row} is unlike the log."
    return None
