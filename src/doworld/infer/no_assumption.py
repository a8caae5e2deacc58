"""Bounds that need no law: where none was learned, or where the log's own may be another's work."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Kind, Variable
from doworld.graph import Reason
from doworld.infer.reach import Reach
from doworld.infer.setup import Setup
from doworld.infer.support import OUTSIDE, Support
from doworld.model.wiring import WIDEST
from doworld.model.world import WorldModel
from doworld.query import Answer, Series, Status
from doworld.query.words import number, spans

__all__ = ["SUSPECTED", "doubted", "lawful", "spanned", "unfounded", "widest"]

SUSPECTED = (Reason.POLICY, Reason.LATE)
"""What makes the effects of a variable doubtful, without forbidding the question."""


def unfounded(
    answer: Answer,
    setup: Setup,
    found: Support,
    acted: Bool[np.ndarray, "rows variables"] | None = None,
) -> Answer:
    """The answer, ``bounded`` at rows whose law the log does not show.

    These are rows outside the data, where a learned law may go on otherwise, and rows that an
    intervention reaches on a variable whose effects are suspected to be another cause's. There the
    interval spans all that ``spanned`` says; the estimate goes on with what was learned. ``acted``
    tells in which of rows 0…last an intervention changes anything; None takes all that it touches.
    """
    outside = (found.total < OUTSIDE) & ~setup.done.cut[setup.first :]
    touched = setup.done.touched if acted is None else acted
    reached, why = doubted(setup.model, setup.reach, touched)
    reached = reached[setup.first :] & ~setup.done.cut[setup.first :]
    laws = lawful(setup.model, setup.reach)
    series, notes = [], []
    for s, target in zip(answer.series, setup.targets, strict=True):
        far, doubt = outside[:, target] & (target not in laws), reached[:, target]
        where = far | doubt
        if s.lower is None or s.upper is None or not where.any():
            series.append(s)
            continue
        walls = widest(setup.model, target, np.array(s.lower), np.array(s.upper))
        series.append(_spanning(s, where, *walls))
        rows = np.asarray(s.rows)
        ends = float(walls[0][where].min()), float(walls[1][where].max())
        notes.append(
            f"At {spans(rows[where].tolist())} the interval of {s.variable} is a bound: "
            f"{spanned(setup.model, target, ends)}. The estimate takes what was learned "
            + ("inside the data to hold there." if far.any() else "as it is.")
        )
    if not notes:
        return answer
    grounds = answer.why.model_copy(
        update={
            "assumptions": (*notes, *answer.why.assumptions),
            "warnings": tuple(dict.fromkeys((*why, *answer.why.warnings))),
        }
    )
    update = {"series": tuple(series), "why": grounds, "status": Status.BOUNDED}
    return answer.model_copy(update=update)


def lawful(model: WorldModel, reach: Reach) -> set[int]:
    """The variables that nothing but laws known beforehand leads to: these hold everywhere."""
    known = {model.schema.position(f.variable) for f in model.fits if f.family == "known"}
    made = set(np.flatnonzero(np.asarray(model.dynamics.order) >= 0).tolist())
    return {t for t in known if made.intersection(reach.ancestors([t])) <= known}


def doubted(
    model: WorldModel, reach: Reach, touched: Bool[np.ndarray, "*units rows variables"]
) -> tuple[Bool[np.ndarray, "*units rows variables"], list[str]]:
    """Which values an action on a doubtful variable reaches, and why it is doubtful.

    ``touched`` tells where anything is done, by row from row 0.
    """
    rows = np.arange(touched.shape[-2])[:, None]
    reached, why = np.zeros(touched.shape, bool), []
    for fact in model.graph.unidentified:
        if fact.reason not in SUSPECTED:
            continue
        at = model.schema.position(fact.variable)
        done = touched[..., at]
        if not done.any():
            continue
        delay = reach.delay[at].copy()
        others = [model.schema.position(n) for n in fact.others]
        # what it moves unseen may be reached although no mechanism says so
        later = reach.delay[others].min(0) + (0 if model.schema.static else 1) if others else delay
        delay = np.minimum(delay, later)
        delay[at] = np.inf
        first = np.where(done.any(-1), done.argmax(-1), np.inf)
        reached |= rows >= first[..., None, None] + delay
        why.append(fact.note)
    return reached, why


def widest(
    model: WorldModel,
    target: int,
    lower: Float[np.ndarray, "*shape"] | float = np.inf,
    upper: Float[np.ndarray, "*shape"] | float = -np.inf,
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """How far a variable is taken to go where no law is: levels, bounds, or three log ranges.

    Where the estimate's own interval ``lower`` … ``upper`` leaves the log, three times as far as
    it does. Levels and bounds of the schema are all that a variable can be; the ranges are not: see
    ``spanned``.
    """
    variable: Variable = model.schema.variables[target]
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    if variable.levels:
        return np.zeros_like(lower), np.full_like(upper, variable.levels - 1)
    low, high = float(model.reference.low[target]), float(model.reference.high[target])
    least, most = variable.bounds
    left = low - WIDEST * np.maximum(high - low, low - lower)
    right = high + WIDEST * np.maximum(high - low, upper - high)
    walls = np.maximum(left, min(least, low)), np.minimum(right, max(most, high))
    return np.asarray(walls[0]), np.asarray(walls[1])


def spanned(model: WorldModel, target: int, ends: tuple[float, float] | None = None) -> str:
    """What the interval between the walls of ``widest``, or given ``ends``, is, in words."""
    variable = model.schema.variables[target]
    low, high = (float(w) for w in widest(model, target)) if ends is None else ends
    if variable.kind is Kind.CATEGORICAL:
        return "any of its levels"
    span = f"{number(low)}…{number(high)}"
    least, most = variable.bounds
    open_ends = [
        word
        for word, end, bound in (("below", low, least), ("above", high, most))
        if not variable.levels and end != bound
    ]
    if not open_ends:
        return f"all that it can be, {span}"
    side = " and ".join(open_ends)
    return (
        f"{span}, {side} {WIDEST:g} ranges of the log beyond it or {WIDEST:g} times as far as the "
        "estimate goes, which is a guess and not all that it can be (bounds in its schema would "
        "say that)"
    )


def _spanning(
    s: Series,
    where: Bool[np.ndarray, " rows"],
    low: Float[np.ndarray, " rows"],
    high: Float[np.ndarray, " rows"],
) -> Series:
    def ends(values: Sequence[float] | None, wall: np.ndarray, pick) -> tuple[float, ...] | None:
        if values is None:
            return None
        own: Float[np.ndarray, " rows"] = np.asarray(values, float)
        return tuple(np.where(where, pick(own, wall), own).tolist())

    def chances(values: Sequence[Sequence[float]] | None, wall: float):
        own = np.array(values or s.probabilities, float)
        return tuple(map(tuple, np.where(where[:, None], wall, own).tolist()))

    update: dict[str, object] = {
        "lower": ends(s.lower, low, np.minimum),
        "upper": ends(s.upper, high, np.maximum),
        "half_lower": ends(s.half_lower, low, np.minimum),
        "half_upper": ends(s.half_upper, high, np.maximum),
    }
    if s.probabilities:
        update["probabilities_lower"] = chances(s.probabilities_lower, 0.0)
        update["probabilities_upper"] = chances(s.probabilities_upper, 1.0)
    return s.model_copy(update=update)
