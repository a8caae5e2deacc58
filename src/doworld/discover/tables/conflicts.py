"""Where prior knowledge and a static table disagree: links, and directions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from doworld._core.budget import Budget
from doworld.discover.order.permutation import Constraints, Ordered, search
from doworld.discover.order.scores import GaussianScore, Score, Strength
from doworld.discover.time.conflicts import Doubt, doubts_to_conflicts
from doworld.discover.time.observed import Observed
from doworld.graph import Conflict, Disagreement, Prior
from doworld.graph.equivalence import equivalence_class

__all__ = ["static_conflicts"]

CLEAR = 6.0
"""Twice the logarithm of a ratio of evidence from which it is strong (Kass and Raftery)."""


def static_conflicts(
    score: Score,
    limits: Constraints,
    free: Bool[np.ndarray, "nodes nodes"],
    ordered: Ordered,
    names: Sequence[str],
    *,
    rows: int,
    prior: Prior,
    rate: float,
    budget: Budget,
) -> tuple[Conflict, ...]:
    """Stated edges put to the data again, given the parents found, and then directions.

    ``free`` is what roles alone allow. An edge that is ruled out one way only is about its
    direction (``Disagreement.TURNED``).
    """
    if not (prior.required or prior.forbidden or prior.tiers or prior.chances):
        return ()
    doubts = []
    for i, j in np.argwhere(free | limits.required).tolist():
        a, b = names[i], names[j]
        ruled = not (prior.allows(a, b, 0) or limits.allowed[j, i] or limits.required[j, i])
        if not (ruled or limits.required[i, j] or prior.odds(a, b, 0) != 1):
            continue
        if ruled and free[j, i] and i > j:
            continue  # one test speaks for both directions
        test, given = _again(score, ordered, i, j, rate)
        p, effect = test.p_value, test.effect
        if not isinstance(score, GaussianScore | Observed):  # a share, of which the root compares
            effect = float(np.sqrt(max(effect, 0.0)))
        doubts.append(Doubt(a, b, 0, p, effect, test.rows or rows, given.bit_count()))
    kept = doubts_to_conflicts(doubts, prior, rate=rate, static=True)
    if budget.over():
        budget.cut("no look at whether the data ask for directions that were ruled out")
        return kept
    return kept + _turned(score, limits, free, ordered, names, budget=budget)


def _again(score: Score, ordered: Ordered, i: int, j: int, rate: float) -> tuple[Strength, int]:
    """The test of i → j and what is given; the other way round where the order has that."""
    given = ordered.parents[j] & ~(1 << i)
    test = score.test(j, given, i)
    if test.p_value > rate and ordered.parents[i] >> j & 1:
        given = ordered.parents[i] & ~(1 << j)
        test = score.test(i, given, j)
    return test, given


def _turned(
    score: Score,
    limits: Constraints,
    free: Bool[np.ndarray, "nodes nodes"],
    ordered: Ordered,
    names: Sequence[str],
    *,
    budget: Budget,
) -> tuple[Conflict, ...]:
    """Edges that point against the prior in the best graph without it, where that is much better.

    The search is made again with what roles allow (``free``) and no more. Where its score is higher
    by ``CLEAR`` (Kass and Raftery 1995, "Bayes factors"), every edge that its whole equivalence
    class points in a direction that was ruled out, or against a required edge, is a conflict.
    """
    if (free & ~limits.required.T == limits.allowed).all() and not limits.required.any():
        return ()
    nothing = np.zeros_like(limits.required)
    wide = replace(limits, allowed=free, required=nothing)
    best = search(score, wide, kicks=1, rng=np.random.default_rng(0), budget=budget)
    gain = best.score - sum(score.local(j, mask) for j, mask in enumerate(ordered.parents))
    if gain < CLEAR:
        return ()
    out = equivalence_class(best.dag, ~free.T)
    against = out & ~out.T & ~limits.allowed & ~limits.required & free
    linked = limits.allowed | limits.required
    against &= linked | linked.T  # pairs ruled out both ways are no matter of direction
    return tuple(_conflict(names[i], names[j], gain) for i, j in np.argwhere(against).tolist())


def _conflict(source: str, target: str, gain: float) -> Conflict:
    nan = float("nan")
    note = (
        f"{source}(t) → {target}(t) is ruled out, but the best graph without prior knowledge holds "
        f"it and scores {gain:.3g} higher (twice the log of the ratio of evidence, as far as "
        "relations are linear and nothing is hidden). The knowledge was kept. Check it."
    )
    return Conflict(source, target, 0, Disagreement.TURNED, nan, nan, nan, note)
