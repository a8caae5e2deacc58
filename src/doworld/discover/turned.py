"""Directions that prior knowledge rules out although the data of a static table ask for them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from doworld.discover.permutation import Constraints, Ordered, search
from doworld.discover.scores import Score
from doworld.graph import Conflict, Disagreement
from doworld.graph.equivalence import equivalence_class

__all__ = ["turned"]

CLEAR = 10.0
"""Twice the logarithm of a ratio of evidence from which it is very strong (Kass and Raftery)."""


def turned(
    score: Score,
    limits: Constraints,
    free: Bool[np.ndarray, "nodes nodes"],
    ordered: Ordered,
    names: Sequence[str],
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
    best = search(score, wide, kicks=1, rng=np.random.default_rng(0))
    gain = best.score - sum(score.local(j, mask) for j, mask in enumerate(ordered.parents))
    if gain < CLEAR:
        return ()
    out = equivalence_class(best.dag, ~free.T)
    against = out & ~out.T & ~limits.allowed & ~limits.required & free
    linked = limits.allowed | limits.required
    against &= (linked | linked.T)  # pairs ruled out both ways are no matter of direction
    return tuple(_conflict(names[i], names[j], gain) for i, j in np.argwhere(against).tolist())


def _conflict(source: str, target: str, gain: float) -> Conflict:
    nan = float("nan")
    note = (
        f"{source}(t) → {target}(t) is ruled out, but the best graph without prior knowledge holds "
        f"it and scores {gain:.3g} higher (twice the log of the ratio of evidence, as far as "
        "relations are linear and nothing is hidden). The knowledge was kept. Check it."
    )
    return Conflict(source, target, 0, Disagreement.TURNED, nan, nan, nan, note)
