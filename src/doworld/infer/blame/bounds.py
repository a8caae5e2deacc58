"""Intervals of every row's gain: sharp, or a bound where levels' noise is not recoverable."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Kind, Role
from doworld.infer.blame.alternatives import Change, Episode
from doworld.infer.blame.inquiry import Inquiry
from doworld.infer.blame.moment import Moment, Prospect
from doworld.infer.blame.success import SLACK, GoalJudge
from doworld.infer.blame.survey import Survey
from doworld.infer.counterfactual import counterfactual
from doworld.query import Answer, Blame, Counterfactual, Series, Set

__all__ = ["Bounds", "Pair", "bounds"]

MOST = 12
"""Rows whose bounds are worked out, the most promising first; the others get [0, 1]."""

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Bounds:
    """lower ≤ P(success) ≤ upper under each row's best change.

    Attributes:
        open: rows whose change passes through levels: a bound there, else a sharp interval.
        sufficiency, both: bounds of the two where a row is open, else None.
    """

    lower: Float[np.ndarray, " rows"]
    upper: Float[np.ndarray, " rows"]
    open: Bool[np.ndarray, " rows"]
    sufficiency: tuple[Pair | None, ...]
    both: tuple[Pair | None, ...]


def bounds(
    inquiry: Inquiry,
    query: Blame,
    found: Survey,
    when: Moment,
    ahead: Prospect,
    targets: Sequence[int],
    *,
    seed: int,
) -> Bounds:
    """The interval of every row.

    Success under a goal is that all events E (a named variable is within its range in a row) hold,
    whose chances have bounds of their own, so (Fréchet 1935)

        max(0, 1 − Σ (1 − low(E)))  ≤  P(success)  ≤  min high(E).

    Events that no open level reaches hold or fail as replayed. A predicate, or a policy that
    reacts, gets [0, 1]. PNS and PS over fresh noise have known margins s' = P(success | a') and
    s = P(success | a): max(0, s' − s) ≤ PNS ≤ min(s', 1 − s), PS = PNS / s'.
    """
    episode = inquiry.episode
    lower = np.minimum(when.lower, found.necessity)
    upper = np.maximum(when.upper, found.necessity)
    opened = np.zeros(len(lower), bool)
    sufficiency: list[Pair | None] = [None] * len(lower)
    both: list[Pair | None] = [None] * len(lower)
    left = MOST
    for n in np.argsort(-found.necessity, kind="stable"):
        change = found.best[n]
        if change is None:  # there is no other value to try
            continue
        if not _open(episode, change.row, change.variable)[:, list(targets)].any():
            continue
        opened[n] = True
        lower[n], upper[n] = (0.0, 1.0)
        if left > 0 and isinstance(inquiry.judge, GoalJudge) and episode.reacts is None:
            left -= 1
            lower[n], upper[n] = _goal(inquiry, inquiry.judge, query, change, seed)
        both[n], sufficiency[n] = _margins(
            episode, change, float(ahead.saved[n]), float(ahead.still[n])
        )
    return Bounds(lower, upper, opened, tuple(sufficiency), tuple(both))


def _open(episode: Episode, row: int, column: int) -> Bool[np.ndarray, "rows variables"]:
    """Cells of rows 0…T that a change of ``column`` at ``row`` reaches through a level."""
    delay, levels = episode.reach.delay, episode.stochastic
    if not levels:
        return np.zeros(episode.values.shape, bool)
    first = row + (delay[column, levels][:, None] + delay[levels]).min(0)
    return np.arange(len(episode.values))[:, None] >= first


def _margins(episode: Episode, change: Change, saved: float, still: float) -> tuple[Pair, Pair]:
    """Bounds of PNS and PS; nothing is known of what levels did within the changed row."""
    levels = episode.stochastic
    if saved <= 0 or (episode.reach.delay[change.variable, levels] == 0).any():
        return (0.0, 1.0) if saved > 0 else (0.0, 0.0), (0.0, 1.0)
    low, high = max(0.0, saved - still), min(saved, 1.0 - still)
    return (float(low), float(high)), (float(low / saved), float(min(high / saved, 1.0)))


def _goal(inquiry: Inquiry, judge: GoalJudge, query: Blame, change: Change, seed: int) -> Pair:
    """Bounds of P(success) under one change, all events at once."""
    episode = inquiry.episode
    schema = episode.model.schema
    reached = _open(episode, change.row, change.variable)
    paths = inquiry.paths((change,))
    names = [n for n in judge.named if reached[:, schema.position(n)].any()]
    label = schema.variables[change.variable].label(change.value)
    value = label if isinstance(label, str | bool) else float(label)  # type: ignore[arg-type]
    asked = Counterfactual(
        episode=query.episode,
        interventions=(Set(schema.names[change.variable], value, at=change.row),),
        target=tuple(names),
    )
    answer = counterfactual(episode.model, asked, seed=seed) if names else None
    missing, high = 0.0, 1.0
    for name in judge.named:
        i = schema.position(name)
        late = schema.variables[i].role is Role.ACTION
        series = _series(answer, name)
        for t in range(1, episode.steps + 1):
            ends = judge.limit[:, i].copy()
            if t == episode.steps:
                ends = np.array([max(ends[0], judge.end[0, i]), min(ends[1], judge.end[1, i])])
            if not np.isfinite(ends).any():
                continue
            at = t - 1 if late else t
            ends += np.array([-SLACK, SLACK]) * judge.scale[i]
            if reached[at, i]:
                event = _event(series, at, ends, schema.variables[i], paths[:, at, i])
            else:
                held = _within(paths[:, at, i], ends, schema.variables[i])
                event = float(held.all()), float(held.any())
            missing += 1.0 - event[0]
            high = min(high, event[1])
    return max(0.0, 1.0 - missing), high


def _series(answer: Answer | None, name: str) -> Series | None:
    found = [] if answer is None else [s for s in answer.series if s.variable == name]
    return found[0] if found else None


def _within(values: np.ndarray, ends: np.ndarray, variable) -> np.ndarray:
    values = np.round(values) if variable.kind is Kind.COUNT else values
    return (values >= ends[0]) & (values <= ends[1])


def _event(series: Series | None, row: int, ends: np.ndarray, variable, drawn: np.ndarray) -> Pair:
    """Bounds of the chance that an open variable is within ``ends`` in a row.

    ``drawn`` are its replayed values, which are possible too: an interval must hold them.
    """
    if series is None or row not in series.rows:
        return 0.0, 1.0
    n = list(series.rows).index(row)
    if series.probabilities_lower and series.probabilities_upper:
        low, high = (
            np.array(p[n]) for p in (series.probabilities_lower, series.probabilities_upper)
        )
        inside = _within(np.arange(float(len(low))), ends, variable)
        return (
            float(np.clip(max(low[inside].sum(), 1 - high[~inside].sum()), 0, 1)),
            float(np.clip(min(high[inside].sum(), 1 - low[~inside].sum()), 0, 1)),
        )
    if variable.levels or series.lower is None or series.upper is None:
        return 0.0, 1.0
    low, high = min(series.lower[n], drawn.min()), max(series.upper[n], drawn.max())
    held = _within(np.array([low, high]), ends, variable)
    if variable.kind is Kind.COUNT:
        low, high = np.round([low, high])
    apart = high < ends[0] or low > ends[1]
    return float(held.all()), float(not apart)
