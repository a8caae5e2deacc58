"""Which row was decisive, how surely, and how much it leaves to luck."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Policy
from doworld.infer.blame.alternatives import Change, Otherwise
from doworld.infer.blame.inquiry import Inquiry, typical_actions, values_of
from doworld.infer.blame.survey import Survey
from doworld.query import Blame

__all__ = ["Moment", "Prospect", "moment", "prospect"]

RESAMPLES = 500
RESPONSES = 5
"""Levels of each action that are held from a row on, as responses."""

LIKELY = 0.5


@dataclass(frozen=True, eq=False)
class Prospect:
    """What was to be expected from each row on, with noise drawn anew after it.

    Attributes:
        still: P(success) with the actions as they were.
        ahead: P(success) with actions drawn as in the log where they were randomised there; else
            with the actions as they were.
        both: P(the row's best change saves and the action as it was fails), the same fresh noise.
        sufficiency: P(failure as it was | the change saves); NaN where it never does.
        saved: P(success) under the row's best change.
        helped: P(success) under the best response tried: the actions as they were or as in the log,
            the best change, or a level held.
        turning: the first row from which on ``ahead`` stays below one half; None: there is none.
        no_return: the same of ``helped``.
    """

    still: Float[np.ndarray, " rows"]
    ahead: Float[np.ndarray, " rows"]
    both: Float[np.ndarray, " rows"]
    sufficiency: Float[np.ndarray, " rows"]
    saved: Float[np.ndarray, " rows"]
    helped: Float[np.ndarray, " rows"]
    turning: int | None
    no_return: int | None


def prospect(
    inquiry: Inquiry, query: Blame, found: Survey, columns: Sequence[int], *, seed: int
) -> Prospect:
    """Futures from every row of the survey, as the actions were and as they might have been."""
    rows = [int(t) for t in found.rows]
    count = len(rows)
    as_it_was: list[tuple[Change, ...]] = [()] * count
    one = [() if c is None else (c,) for c in found.best]
    held = _held(inquiry, query, rows, columns)
    number = 2 + len(held) // max(count, 1)
    frugal = inquiry.thrifty(count * (number + 1))
    verdicts = frugal.of([*as_it_was, *one, *held], rows * number).success
    verdicts = verdicts.reshape(*verdicts.shape[:2], number, count)
    drawn = _drawn(frugal, rows, columns, seed)
    fails, saves = ~verdicts[:, :, 0], verdicts[:, :, 1]
    both = (fails & saves).mean((0, 1))
    saved = saves.mean((0, 1))
    still = verdicts[:, :, 0].mean((0, 1))
    randomised = inquiry.episode.model.schema.policy is Policy.RANDOMISED
    ahead = drawn.mean((0, 1)) if randomised else still
    helped = np.maximum(_fair(np.concatenate([verdicts, drawn[:, :, None]], 2)), ahead)
    with np.errstate(invalid="ignore"):
        sufficiency = np.where(saved > 0, both / np.where(saved > 0, saved, 1.0), np.nan)
    return Prospect(
        still=still,
        ahead=ahead,
        both=both,
        sufficiency=sufficiency,
        saved=saved,
        helped=helped,
        turning=_after(ahead, rows),
        no_return=_after(helped, rows),
    )


def _drawn(
    inquiry: Inquiry, rows: list[int], columns: Sequence[int], seed: int
) -> Bool[np.ndarray, "members samples rows"]:
    """Success with actions drawn as in the log from each row on."""

    def worlds(part: slice) -> Otherwise:
        some = rows[part]
        out = inquiry.episode.changed([()] * len(some), some)
        cut, typical = np.asarray(out.cut), np.asarray(out.typical)
        for n, row in enumerate(some):
            cut[n, row:, list(columns)] = typical[n, row:, list(columns)] = True
        return out

    reference = typical_actions(inquiry, columns, seed)
    return inquiry.worlds(worlds, len(rows), fresh=True, reference=reference).success


def _held(inquiry: Inquiry, query: Blame, rows: list[int], columns: Sequence[int]):
    """A few levels of every action, held from each row on."""
    steps, out = inquiry.episode.steps, []
    for i in columns:
        values = values_of(inquiry.episode.model, query, i)
        if len(values) > RESPONSES:
            values = values[np.linspace(0, len(values) - 1, RESPONSES).round().astype(int)]
        for value in values:
            out += [tuple(Change(t, i, float(value)) for t in range(r, steps)) for r in rows]
    return out


def _fair(verdicts: Bool[np.ndarray, "members samples responses rows"]) -> np.ndarray:
    """P(success) of the best response, chosen on some draws and judged on the others."""
    flat = verdicts.reshape(-1, *verdicts.shape[2:])
    if len(flat) < 4:
        return flat.mean(0).max(0)
    halves = flat[::2].mean(0), flat[1::2].mean(0)
    at = np.arange(flat.shape[2])
    judged = [other[own.argmax(0), at] for own, other in (halves, halves[::-1])]
    return np.maximum(np.mean(judged, 0), flat[:, 0].mean(0))


def _after(chance: np.ndarray, rows: list[int]) -> int | None:
    """The first row from which on success is not likely; None where it never was or always is."""
    likely = np.flatnonzero(chance >= LIKELY)
    if not len(likely):
        return rows[0]
    return rows[likely[-1] + 1] if likely[-1] + 1 < len(rows) else None


@dataclass(frozen=True, eq=False)
class Moment:
    """The row of greatest gain.

    Attributes:
        at: its place in the survey's rows; None where no change saves anything.
        ties: places whose best change is equally good.
        chance: by place, the probability that its gain is the greatest.
        likely: the fewest rows that hold the greatest gain at the question's level.
        lower, upper: interval of P(success) under each row's best change.
    """

    at: int | None
    ties: tuple[int, ...]
    chance: Float[np.ndarray, " rows"]
    likely: tuple[int, ...]
    lower: Float[np.ndarray, " rows"]
    upper: Float[np.ndarray, " rows"]


def moment(found: Survey, ahead: Prospect, *, level: float, seed: int) -> Moment:
    """t* = argmax_t max_a' P(success | do(a_t = a')), with a Bayesian bootstrap (Rubin 1981).

    Members and draws get Dirichlet weights, so that the probability is over what they leave open.
    Among equals the row wins whose change saves most often under fresh noise too; then the earlier.
    """
    best = found.best_success.astype(float)
    members, samples, rows = best.shape
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(members), RESAMPLES)[:, :, None]
    weights = weights * rng.dirichlet(np.ones(samples), (RESAMPLES, members))
    gain = weights.reshape(RESAMPLES, -1) @ best.reshape(-1, rows)
    top = gain.max(1, keepdims=True)
    first = (gain >= top - 1e-9) & (top > 0)
    shared = first / np.maximum(first.sum(1, keepdims=True), 1)
    chance = shared.mean(0)
    tail = (1 - level) / 2
    lower, upper = np.quantile(gain, [tail, 1 - tail], axis=0)
    mean = best.mean((0, 1))
    if not mean.max(initial=0.0) > 0:
        return Moment(None, (), chance, (), lower, upper)
    ties = np.flatnonzero(mean >= mean.max() - 1e-9)
    at = int(ties[ahead.saved[ties].argmax()])
    order = np.argsort(-chance, kind="stable")
    needed = int(np.searchsorted(np.cumsum(chance[order]), level - 1e-9)) + 1
    likely = sorted(int(found.rows[n]) for n in order[:needed])
    return Moment(at, tuple(map(int, ties)), chance, tuple(likely), lower, upper)
