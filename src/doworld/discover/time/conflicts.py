"""Where prior knowledge and data disagree over time: every stated edge is put to the data again.

The graph that was found under the prior gives each target its causes. A stated edge i → j is tested
by the partial correlation of i with what the other causes of j in the graph leave of it. Finding
nothing counts where a partial correlation of ``SMALL`` would have been seen almost surely:

    power = Φ(√(n − k − 3) · artanh(SMALL) − z),   z the normal quantile of ``LEVEL``/2,

n rows, k conditions (Fisher's z). Something clear is a p-value that survives Bonferroni over all
edges that were ruled out, and a partial correlation of at least ``SMALL`` (Cohen's small effect).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld.discover.time.assess import Assessment
from doworld.discover.time.design import Block, Candidate
from doworld.graph import Conflict, Disagreement, Edge, Mark, Prior

__all__ = ["Doubt", "doubts_to_conflicts", "power_of", "temporal_conflicts"]

SMALL = 0.1
LEVEL = 0.05
POWER = 0.95
LIKELY = 0.9
"""Probabilities from here on, or below one less this, can be contradicted."""


@dataclass(frozen=True)
class Doubt:
    """What the data say of one edge that prior knowledge speaks of."""

    source: str
    target: str
    lag: int
    p_value: float
    effect: float
    rows: int
    conditions: int


def power_of(rows: int, conditions: int) -> float:
    """The chance that a test at ``LEVEL`` sees a partial correlation of ``SMALL``."""
    reach = np.sqrt(max(rows - conditions - 3, 0)) * np.arctanh(SMALL)
    return float(stats.norm.cdf(reach - stats.norm.isf(LEVEL / 2)))


def temporal_conflicts(
    blocks: Sequence[tuple[Block, Assessment]],
    links: Iterable[Edge],
    prior: Prior,
    *,
    rate: float,
    within: bool = False,
    more: Sequence[Doubt] = (),
) -> tuple[Conflict, ...]:
    """The conflicts about edges from earlier rows, and of those ``within`` a row where they were
    looked for; and those about ``more``."""
    if not (prior.required or prior.forbidden or prior.tiers or prior.chances):
        return ()
    doubts: list[Doubt] = list(more)
    links = list(links)
    for block, found in blocks:
        doubts += _doubts(block, found, links, prior)
        if within:
            doubts += _doubts_within(block, found, links, prior)
    return doubts_to_conflicts(doubts, prior, rate=rate, static=False)


def doubts_to_conflicts(
    doubts: Sequence[Doubt], prior: Prior, *, rate: float, static: bool
) -> tuple[Conflict, ...]:
    """The conflicts among what was tested anew."""
    barred = [d for d in doubts if not prior.allows(d.source, d.target, d.lag)]
    bar = rate / max(len(barred), 1)
    out = []
    for d in doubts:
        power = power_of(d.rows, d.conditions)
        nothing = d.p_value > LEVEL and abs(d.effect) < SMALL and power >= POWER
        clear = d.p_value <= bar and abs(d.effect) >= SMALL
        odds = prior.odds(d.source, d.target, d.lag)
        kind = None
        if prior.requires(d.source, d.target, d.lag, static=static):
            kind = Disagreement.UNSEEN if nothing else None
        elif not prior.allows(d.source, d.target, d.lag):
            kind = Disagreement.SEEN if clear else None
        elif (odds >= LIKELY / (1 - LIKELY) and nothing) or (
            odds <= (1 - LIKELY) / LIKELY and clear
        ):
            kind = Disagreement.UNLIKELY
        if kind is not None:
            note = _note(kind, d, power)
            out.append(Conflict(d.source, d.target, d.lag, kind, d.p_value, d.effect, power, note))
    return tuple(out)


def _note(kind: Disagreement, d: Doubt, power: float) -> str:
    when = f"(t-{d.lag})" if d.lag else "(t)"
    edge = f"{d.source}{when} → {d.target}(t)"
    said = f"p = {d.p_value:.2g}, correlation given the rest {d.effect:.2f}, {d.rows} rows"
    if kind is Disagreement.UNSEEN:
        return (
            f"{edge} is required, but the data show nothing of it ({said}; a partial correlation "
            f"of {SMALL:g} would have been seen with probability {power:.2f}). It was kept. Check "
            "the knowledge, or log situations in which it acts."
        )
    if kind is Disagreement.SEEN:
        return (
            f"{edge} is ruled out, but the data clearly show it ({said}). It was left out; other "
            "edges may stand in for it. Check the knowledge, or log what else links the two."
        )
    return (
        f"{edge} was called {'likely' if d.p_value > LEVEL else 'unlikely'}, but the data say the "
        f"opposite ({said}). The data decided."
    )


def _doubts(block: Block, found: Assessment, links: list[Edge], prior: Prior) -> Iterable[Doubt]:
    """The tests of all edges of one block that the prior speaks of."""
    at = {(c.name, c.lag): i for i, c in enumerate(block.candidates)}
    inside = {t.name: t for t in block.targets}
    for t, target in enumerate(block.targets):
        stated = [i for i, c in enumerate(block.candidates) if _speaks(prior, c, target.name)]
        if not stated:
            continue
        own = [e for e in links if e.target == target.name and e.mark is Mark.DIRECTED]
        parents = {at[e.source, e.lag] for e in own if (e.source, e.lag) in at}
        now = [inside[e.source] for e in own if e.lag == 0 and e.source in inside]
        beside = block.outcomes[:, [c for p in now for c in p.columns]]
        outcome = block.increments(target.columns)[:]
        bent = not found.linear[t] and not now
        if bent:  # what a bent model leaves is what its kept candidates leave
            outcome = found.residual[:, list(target.columns)]
        for i in stated:
            cause = block.candidates[i]
            rest = sorted(parents - {i})
            given = np.concatenate([block.inputs[:, block.columns_of(rest)], beside], 1)
            x = block.inputs[:, list(cause.columns)]
            p, effect = partial_correlation(x, outcome, given)
            known = found.tests.p_value[i, t]
            if np.isfinite(known) and not found.linear[t]:  # its own test saw bent relations
                p, effect = float(known), float(found.tests.effect[i, t])
            yield Doubt(cause.name, target.name, cause.lag, p, effect, len(x), given.shape[1])


def _doubts_within(
    block: Block, found: Assessment, links: list[Edge], prior: Prior
) -> Iterable[Doubt]:
    """The tests of stated edges within the row, between what the past leaves of their ends.

    Given the target's other causes, with and without what it has an open edge with, which may be
    its effect: where an edge is expected the test that shows most counts, else the one that shows
    least. A pair that may be linked one way is no matter of whether it is linked, and what is
    likely at some lag need not be within the row.
    """
    names = [t.name for t, rest in zip(block.targets, found.unexplained, strict=True) if rest > 0]
    likely = {(c.source, c.target) for c in prior.chances if c.lag == 0 and c.odds > 1}
    left = {t.name: found.residual[:, list(t.columns)] for t in block.targets}
    for a, b in permutations(names, 2):
        barred = not (prior.allows(a, b, 0) or prior.allows(b, a, 0))
        expected = prior.requires(a, b, 0) or (not barred and (a, b) in likely)
        against = (barred and a < b) or (prior.allows(a, b, 0) and prior.odds(a, b, 0) < 1)
        if not (expected or against):
            continue
        near = [e for e in links if e.lag == 0 and b in (e.source, e.target)]
        causes = {e.source for e in near if e.target == b and e.mark is Mark.DIRECTED}
        either = {n for e in near if e.mark is not Mark.DIRECTED for n in (e.source, e.target)}
        tried = []
        for which in (causes - {a}, (causes | either) - {a, b}):
            beside = [left[n] for n in sorted(which) if n in left]
            given = np.concatenate([np.zeros((len(left[b]), 0)), *beside], 1)
            tried.append((*partial_correlation(left[a], left[b], given), given.shape[1]))
        p, effect, conditions = (min if expected else max)(tried, key=lambda t: t[0])
        yield Doubt(a, b, 0, p, effect, len(left[b]), conditions)


def _speaks(prior: Prior, cause: Candidate, target: str) -> bool:
    return (
        prior.requires(cause.name, target, cause.lag)
        or not prior.allows(cause.name, target, cause.lag)
        or prior.odds(cause.name, target, cause.lag) != 1
    )


def partial_correlation(
    x: Float[np.ndarray, "rows a"],
    y: Float[np.ndarray, "rows b"],
    given: Float[np.ndarray, "rows k"],
) -> tuple[float, float]:
    """The smallest p-value over pairs of columns times their number, and that pair's correlation.

    Student's t with n − k − 2 degrees of freedom.
    """
    wide = np.concatenate([np.ones((len(x), 1)), given], 1)
    both = np.concatenate([x, y], 1)
    left = both - wide @ np.linalg.lstsq(wide, both, rcond=None)[0]
    size = np.linalg.norm(left, axis=0)
    gone = size <= 1e-9 * np.maximum(np.linalg.norm(both, axis=0), 1e-300)
    left = left / np.where(gone, 1.0, size) * ~gone
    r = np.clip((left[:, : x.shape[1]].T @ left[:, x.shape[1] :]).ravel(), -1 + 1e-15, 1 - 1e-15)
    freedom = max(len(x) - wide.shape[1] - 1, 1)
    best = int(np.argmax(np.abs(r)))
    t = r[best] * np.sqrt(freedom / (1 - r[best] ** 2))
    return float(min(2 * stats.t.sf(abs(t), freedom) * len(r), 1.0)), float(r[best])
