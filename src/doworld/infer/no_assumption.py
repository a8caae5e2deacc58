"""Bounds that need no law: where none was learned, or where the log's own may be another's work."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Variable
from doworld.graph import Reason
from doworld.infer.setup import Setup
from doworld.infer.support import OUTSIDE, Support
from doworld.model.wiring import WIDEST
from doworld.model.world import WorldModel
from doworld.query import Answer, Series, Status
from doworld.query.words import number, spans

__all__ = ["unfounded", "widest"]

SUSPECTED = (Reason.POLICY, Reason.LATE)
"""What makes the effects of a variable doubtful, without forbidding the question."""


def unfounded(answer: Answer, setup: Setup, found: Support) -> Answer:
    """The answer, ``bounded`` at rows whose law the log does not show.

    These are rows outside the data, where a learned law may go on otherwise, and rows that an
    intervention reaches on a variable whose effects are suspected to be another cause's. There the
    interval spans what the variable can be at all; the estimate goes on with what was learned.
    """
    outside = (found.total < OUTSIDE) & ~setup.done.cut[setup.first :]
    reached, why = _suspected(setup)
    laws = _lawful(setup)
    series, notes = [], []
    for s, target in zip(answer.series, setup.targets, strict=True):
        far, doubted = outside[:, target] & (target not in laws), reached[:, target]
        where = far | doubted
        if s.lower is None or s.upper is None or not where.any():
            series.append(s)
            continue
        low, high = widest(setup.model, target)
        series.append(_spanning(s, where, low, high))
        rows = np.asarray(s.rows)
        notes.append(
            f"At {spans(rows[where].tolist())} the interval of {s.variable} is a bound: all that "
            f"it can be, {number(low)}…{number(high)}. The estimate takes what was learned "
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


def _lawful(setup: Setup) -> set[int]:
    """The variables that nothing but laws known beforehand leads to: these hold everywhere."""
    model = setup.model
    known = {model.schema.position(f.variable) for f in model.fits if f.family == "known"}
    made = set(np.flatnonzero(np.asarray(model.dynamics.order) >= 0).tolist())
    return {t for t in known if made.intersection(setup.reach.ancestors([t])) <= known}


def _suspected(setup: Setup) -> tuple[Bool[np.ndarray, "rows variables"], list[str]]:
    """Which rows an intervention on a doubtful variable reaches, and why it is doubtful."""
    model, rows = setup.model, np.arange(setup.first, setup.last + 1)
    reached = np.zeros((len(rows), len(model.schema)), bool)
    why = []
    for fact in model.graph.unidentified:
        if fact.reason not in SUSPECTED:
            continue
        at = model.schema.position(fact.variable)
        touched = np.flatnonzero(setup.done.touched[:, at])
        if not len(touched):
            continue
        delay = setup.reach.delay[at].copy()
        others = [model.schema.position(n) for n in fact.others]
        # what it moves unseen may be reached although no mechanism says so
        later = setup.reach.delay[others].min(0) + (0 if model.schema.static else 1)
        delay = np.minimum(delay, later) if others else delay
        delay[at] = np.inf
        reached |= rows[:, None] >= touched[0] + delay
        why.append(fact.note)
    return reached & ~setup.done.cut[setup.first :], why


def widest(model: WorldModel, target: int) -> tuple[float, float]:
    """What a variable can be at all: its levels, its bounds, or three ranges of the log beyond it.

    These are the walls that no rollout of a learned model passes.
    """
    variable: Variable = model.schema.variables[target]
    if variable.levels:
        return 0.0, float(variable.levels - 1)
    low, high = float(model.reference.low[target]), float(model.reference.high[target])
    beyond = WIDEST * (high - low)
    least, most = variable.bounds
    return max(low - beyond, min(least, low)), min(high + beyond, max(most, high))


def _spanning(s: Series, where: Bool[np.ndarray, " rows"], low: float, high: float) -> Series:
    def ends(values: Sequence[float] | None, wall: float, pick) -> tuple[float, ...]:
        own: Float[np.ndarray, " rows"] = np.asarray(values, float)
        return tuple(np.where(where, pick(own, wall), own).tolist())

    return s.model_copy(
        update={"lower": ends(s.lower, low, np.minimum), "upper": ends(s.upper, high, np.maximum)}
    )
