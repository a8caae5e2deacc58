"""How far inside its data a model is asked: 0…1 per variable and row, and what leaves it first."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.reach import Reach
from doworld.model.world import WorldModel
from doworld.query.words import number

__all__ = ["EDGE", "OUTSIDE", "Support", "support"]

OUTSIDE, EDGE = 0.5, 0.8
"""Below these an answer counts as outside its data, or at their edge."""

STEEPNESS = 8.0
"""A value a tenth of the log's range outside it is supported to e^−0.8."""

RECOVERY = 0.95
"""Log support that a variable inherits from a cause fades by this factor a row."""

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
    wanted = np.asarray(~(cut if fact is None else cut | fact).all(0))
    local = np.where(cut, 1.0, _local(model, model.scaled(rows), lags, steps, wanted))
    within = _within(model, rows).mean(0)
    if fact is not None:
        local = np.where(fact, 1.0, local)
        within[:lags], within[lags:] = 1.0, np.where(fact, 1.0, within[lags:])
        cut = cut | fact
    total = np.concatenate([within[:lags] * trust, np.minimum(local, within[lags:])])
    factors = [RECOVERY**k for k in range(reach.acts.shape[2])]
    for t in range(lags, lags + steps):
        free = ~cut[t - lags]
        for k in [k for k in range(1, len(factors)) if t - k >= 0]:
            heir = np.where(reach.acts[..., k], (total[t - k] ** factors[k])[:, None], 1.0).min(0)
            total[t] = np.where(free, np.minimum(total[t], heir), total[t])
        for _ in range(model.dynamics.levels if reach.acts[..., 0].any() else 0):
            heir = np.where(reach.acts[..., 0], total[t][:, None], 1.0).min(0)
            total[t] = np.where(free, np.minimum(total[t], heir), total[t])
    return Support(local=local, within=within[max(lags - 1, 0) :], total=total[lags:])


def _local(
    model: WorldModel, rows: np.ndarray, lags: int, steps: int, wanted: np.ndarray
) -> np.ndarray:
    """1 within the usual distance of the sample of the log, e^(1−r) at r times that distance."""
    reference, coding = model.reference, model.dynamics.coding
    variable, level = np.asarray(coding.variable), np.asarray(coding.level)
    read = rows[..., variable]
    features = np.where(level >= 0, (read == level).astype(float), read)
    out = np.ones((steps, rows.shape[-1]))
    for n, target in enumerate(reference.targets):
        used = reference.mask[n] > 0
        if not used.any() or not wanted[target]:
            continue
        lag, feature = np.divmod(reference.columns[n][used].astype(int), len(variable))
        at = lags + np.arange(steps)[:, None] - lag[None, :]
        inputs = features[:, at, feature[None, :]]
        distance = _nearest(inputs, reference.points[n][:, used].astype(float))
        ratio = distance / max(float(reference.radius[n]), LEAST_RADIUS)
        out[:, target] = np.minimum(1.0, np.exp(1.0 - ratio)).mean(0)
    return out


def _nearest(inputs: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Euclidean distance of each input to the nearest point."""
    flat = inputs.reshape(-1, inputs.shape[-1])
    out = np.empty(len(flat))
    for begin in range(0, len(flat), 4096):
        some = flat[begin : begin + 4096]
        square = (some**2).sum(1)[:, None] + (points**2).sum(1) - 2 * some @ points.T
        out[begin : begin + 4096] = np.sqrt(np.maximum(square.min(1), 0.0))
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
