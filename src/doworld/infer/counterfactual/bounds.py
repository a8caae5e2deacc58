"""Bounds for counterfactuals that run through levels, whose noise the log cannot give back."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.counterfactual.envelope import Envelope, envelope
from doworld.infer.counterfactual.fact import Otherwise
from doworld.infer.counterfactual.level_bounds import LevelBounds, level_bounds
from doworld.infer.setup import Setup
from doworld.query import Answer, Series, Status

__all__ = ["NO_ENDS", "ambiguous", "assumed", "bounded", "ends_of"]

LEAST = 1e-6
"""A level with a smaller upper bound is left out of what may have happened."""

NO_ENDS: dict[str, None] = {"lower": None, "upper": None, "half_lower": None, "half_upper": None}
"""A series without an interval."""


def ambiguous(
    setup: Setup,
    reached: Bool[np.ndarray, "rows variables"],
    levels: Sequence[int],
    changed: Bool[np.ndarray, "rows variables"],
) -> Bool[np.ndarray, "rows variables"]:
    """Where the altered world is not determined by the recovered noise.

    A level is open as soon as one of its causes changed or is itself open: many noises explain the
    logged level, and they part ways under other causes. What has an open cause is open too, also
    where a policy reads it; what is set is not.
    """
    acts, cut = setup.reach.acts, setup.done.held
    level = np.isin(np.arange(reached.shape[1]), levels)
    out = np.zeros_like(reached)
    if not reached[:, level].any():
        return out
    # a policy adds a link within the row from what it reads, and one to what hears it
    sweeps = setup.model.dynamics.levels + 2 * len(setup.done.policies)
    for t in range(len(out)):
        for _ in range(sweeps):
            for k in range(min(acts.shape[2], t + 1)):
                from_open = out[t - k] @ acts[..., k]
                from_changed = (changed[t - k] @ acts[..., k]) & level
                out[t] |= (from_open | from_changed) & ~cut[t] & reached[t]
    return out


def bounded(
    answer: Answer,
    world: Otherwise,
    rows: Float[np.ndarray, "members samples steps variables"],
    out: Float[np.ndarray, "members samples two steps variables"],
    values: Float[np.ndarray, "members samples rows variables"],
    open_rows: Bool[np.ndarray, "rows variables"],
    key: jax.Array,
) -> Answer:
    """The answer with status ``bounded``: open rows get bounds over all compatible models.

    Levels get bounds on the probability of each (``level_bounds``), numbers downstream the ends of
    what they can have been (``envelope``); both hold under every member of the ensemble.
    """
    if (open_rows & world.setup.done.followed).any():
        return _unbounded(answer, world, open_rows)
    schema = world.fact.model.schema
    levels = np.array([v.levels for v in schema.variables])
    found, ends = ends_of(world, rows, out, values, open_rows, key)
    series, lost = [], []
    for each, i in zip(answer.series, world.setup.targets, strict=True):
        if not open_rows[:, i].any():
            series.append(_pinned(each))
        elif levels[i]:
            series.append(_levels(each, i, found, open_rows[:, i]))
        else:
            assert ends is not None
            series.append(_numbers(each, i, ends, open_rows[:, i]))
            lost += [each.variable] if series[-1].lower is None else []
    opened = open_rows & (levels > 0)
    names = ", ".join(schema.names[j] for j in np.flatnonzero(opened.any(0)))
    why = answer.why.model_copy(
        update={
            "assumptions": (
                *assumed(names, sharp=bool(found.sharp[opened].all())),
                *answer.why.assumptions,
            ),
            "warnings": (*answer.why.warnings, *_lost(lost, names)),
        }
    )
    update = {"series": tuple(series), "why": why, "status": Status.BOUNDED}
    return answer.model_copy(update=update)


def ends_of(
    world: Otherwise,
    rows: Float[np.ndarray, "members samples steps variables"],
    out: Float[np.ndarray, "members samples two steps variables"],
    values: Float[np.ndarray, "members samples rows variables"],
    open_rows: Bool[np.ndarray, "rows variables"],
    key: jax.Array,
) -> tuple[LevelBounds, Envelope | None]:
    """Bounds on the chances of open levels, and on open targets that are numbers, if any."""
    model = world.fact.model
    levels = np.array([v.levels for v in model.schema.variables])
    drawn = (np.ptp(values, 1) > 1e-5 * model.scale).any(0) & ~open_rows
    before = _whole(world.fact.before, model.scaled(world.fact.filled.values), model)
    after = _whole(world.setup.window, model.scaled(values[:, 0]), model)
    before = np.broadcast_to(before, after.shape).copy()
    if world.fact.missing.any():
        before[:, before.shape[1] - world.fact.made :] = rows[:, 0, : world.fact.made]
    found = level_bounds(world, before, after, open_rows, drawn, levels)
    if not any(not levels[t] and open_rows[:, t].any() for t in world.setup.targets):
        return found, None
    return found, envelope(world, rows, out[:, :, 0], values, open_rows, found, key)


def _unbounded(answer: Answer, world: Otherwise, open_rows: np.ndarray) -> Answer:
    """No interval where a policy reacts to what cannot be known; the estimate is labelled."""
    series = tuple(
        s.model_copy(update=NO_ENDS) if open_rows[:, i].any() else _pinned(s)
        for s, i in zip(answer.series, world.setup.targets, strict=True)
    )
    names = ", ".join(
        s.variable
        for s, i in zip(answer.series, world.setup.targets, strict=True)
        if open_rows[:, i].any()
    )
    note = (
        f"No bound is known for {names}: the policy reacts to levels that this episode does not "
        "determine. The estimate assumes Gumbel-max mechanisms (Oberst & Sontag 2019)."
    )
    why = answer.why.model_copy(update={"warnings": (*answer.why.warnings, note)})
    return answer.model_copy(update={"series": series, "why": why, "status": Status.BOUNDED})


def _whole(window: np.ndarray, rows: np.ndarray, model) -> np.ndarray:
    """Rows −L+1…T: the history before row 0, which ``rows`` begin with, put in front."""
    older = model.scaled(window)[1:][::-1]
    if rows.ndim == 3:
        older = np.broadcast_to(older, (len(rows), *older.shape))
    return np.concatenate([older, rows], -2)


def assumed(names: str, *, sharp: bool) -> tuple[str, str]:
    """What estimate and bounds of open levels rest on, in words."""
    sharpness = "They are tight" if sharp else "They are valid, not always tight"
    return (
        f"What {names} would have been cannot be known from what it was. The estimate assumes "
        "Gumbel-max mechanisms (Oberst & Sontag 2019).",
        f"The bounds on the chances of {names} hold for every model that is compatible with its "
        f"mechanism (Lally et al. 2025). {sharpness}.",
    )


def _lost(names: Sequence[str], levels: str) -> list[str]:
    if not names:
        return []
    return [
        f"No bound is known for {', '.join(names)}: too many courses of {levels} are possible, and "
        "its mechanism is not linear. Ask about fewer rows, or set the levels."
    ]


def _pinned(series: Series) -> Series:
    """Probabilities that are known are their own bounds."""
    if not series.probabilities or series.probabilities_lower:
        return series
    own = series.probabilities
    return series.model_copy(update={"probabilities_lower": own, "probabilities_upper": own})


def _levels(series: Series, column: int, found: LevelBounds, where: np.ndarray) -> Series:
    own = np.array(series.probabilities)
    count = own.shape[-1]
    low = np.where(where[:, None], found.lower[:, :, column, :count].min(0), own)
    high = np.where(where[:, None], found.upper[:, :, column, :count].max(0), own)
    if series.probabilities_lower:  # no law is known to hold there at all
        low = np.minimum(low, series.probabilities_lower)
        high = np.maximum(high, series.probabilities_upper)
        where = where | (high > own).any(1)
    possible = high > LEAST
    first, last = possible.argmax(1), count - 1 - possible[:, ::-1].argmax(1)
    estimate = np.array(series.estimate)
    ends = {
        "lower": np.minimum(np.where(where, first, estimate), estimate),
        "upper": np.maximum(np.where(where, last, estimate), estimate),
    }
    return series.model_copy(
        update={
            "probabilities_lower": tuple(map(tuple, low.tolist())),
            "probabilities_upper": tuple(map(tuple, high.tolist())),
            **{name: tuple(end.astype(float).tolist()) for name, end in ends.items()},
        }
    )


def _numbers(series: Series, column: int, ends: Envelope, where: np.ndarray) -> Series:
    low, high = ends.lower[:, column], ends.upper[:, column]
    if not np.isfinite([low[where], high[where]]).all():
        return series.model_copy(update=NO_ENDS)
    assert series.lower is not None
    assert series.upper is not None
    lower = np.where(where, np.minimum(low, series.lower), series.lower)
    upper = np.where(where, np.maximum(high, series.upper), series.upper)
    return series.model_copy(
        update={"lower": tuple(lower.tolist()), "upper": tuple(upper.tolist())}
    )
