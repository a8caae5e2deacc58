"""A plan's grounds in words: cost by term, how surely limits hold, and the alternatives."""

from collections.abc import Sequence

import numpy as np

from doworld.model.world import WorldModel
from doworld.plan.judge import Verdict
from doworld.query import Band, Goal
from doworld.query.words import number

__all__ = ["compared", "limits_of", "terms_of"]

TERMS = ("target", "keep", "slope")


def terms_of(model: WorldModel, goal: Goal, parts: np.ndarray) -> str:
    """What the objective consists of, largest first."""
    terms = []
    for kind, row in zip(TERMS, parts, strict=True):
        for name, value in zip(model.schema.names, row, strict=True):
            if value != 0:
                terms.append((abs(value), f"{_term(kind, name, goal)} {number(float(value))}"))
    return ", ".join(text for _, text in sorted(terms, reverse=True)) or "nothing"


def _term(kind: str, name: str, goal: Goal) -> str:
    if kind == "slope":
        return f"{'maximise' if name in goal.maximise else 'minimise'} {name}"
    if kind == "keep":
        return f"{name} in {_range(goal.keep[name])}"
    return f"{name} at {goal.target[name]}" if name in goal.target else f"effort of {name}"


def _range(band: Band) -> str:
    if band.low is None:
        return "any value" if band.high is None else f"≤ {number(band.high)}"
    return (
        f"≥ {number(band.low)}"
        if band.high is None
        else (f"{number(band.low)}…{number(band.high)}")
    )


def limits_of(
    model: WorldModel, goal: Goal, verdict: Verdict, planned: Sequence[str]
) -> tuple[str, ...]:
    """One sentence for every hard limit: whether it holds, how surely, with what margin."""
    out = []
    for name, band in goal.limit.items():
        if name in planned:
            out.append(f"limit {name} {_range(band)}: held by construction")
            continue
        at = model.schema.position(name)
        low = float(np.quantile(verdict.low[:, 0, at], 0.05)) * model.scale[at] + model.center[at]
        high = float(np.quantile(verdict.high[:, 0, at], 0.95)) * model.scale[at] + model.center[at]
        margins = []
        if band.low is not None:
            margins.append(low - band.low)
        if band.high is not None:
            margins.append(band.high - high)
        chance = float(verdict.kept[0, at])
        unit = f" {model.schema[name].unit}" if model.schema[name].unit else ""
        margin = f", margin {number(min(margins))}{unit} in the 5 % future" if margins else ""
        out.append(f"limit {name} {_range(band)}: kept in {chance:.0%} of futures{margin}")
    return tuple(out)


def compared(verdict: Verdict) -> str:
    """The plan (first) beside holding (second) and random plans (the rest)."""
    cost = np.asarray(verdict.parts).sum((1, 2))
    kept = np.asarray(verdict.kept).min(1)

    def words(chance: float) -> str:
        return "" if chance > 0.99 else f" (limits kept in {chance:.0%})"

    random = np.median(cost[2:])
    return (
        f"expected cost {number(float(cost[0]))}{words(kept[0])}; doing nothing "
        f"{number(float(cost[1]))}{words(kept[1])}; random plans, median "
        f"{number(float(random))}{words(float(np.median(kept[2:])))}"
    )
