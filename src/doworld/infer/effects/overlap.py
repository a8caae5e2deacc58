"""Overlap: could each unit have had the other level? Without it, effects are extrapolation."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.effects.discrete import Nuisance, smallest
from doworld.query.effect_details import Overlap

__all__ = ["FEW_OUTSIDE", "LOW", "inside", "lacking", "overlap"]

LOW, HIGH = 0.02, 0.98
MOST_OUTSIDE = 0.15
"""Share of units without overlap above which the whole population gets no number."""
FEW_OUTSIDE = 0.02
"""Share of units without overlap above which the number gives way to a bound."""
FEWEST = 10
"""Effective rows of a level below which there is no number."""
BINS = 40


def inside(propensity: Float[np.ndarray, "rows levels"]) -> Bool[np.ndarray, " rows"]:
    """Which units may have had every level, each with probability of at least 2 %."""
    return np.all((propensity >= LOW) & (propensity <= HIGH), axis=1)


def overlap(fitted: Nuisance, names: Sequence[str], *, treated: int | None = None) -> Overlap:
    """The overlap of the levels; ``treated``: only of units at that level, for their effect.

    Effective rows are (Σ w)²/Σ w² of the weights 1/e (Kish 1965), or of e_1/e_0 for the treated.
    """
    e = np.maximum(fitted.propensity, smallest(len(fitted.chosen)))
    levels = range(e.shape[1])
    weight = 1 / e if treated is None else e[:, [treated]] / e
    counts, effective = [], []
    for k in levels:
        w = weight[fitted.chosen == k, k]
        counts.append(len(w))
        effective.append(float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0)
    if treated is None:
        out = 1 - inside(fitted.propensity).mean()
    else:
        mine = fitted.propensity[fitted.chosen == treated]
        out = 1 - (np.delete(mine, treated, 1) >= LOW).all(1).mean() if len(mine) else 1.0
    edges = np.linspace(0, 1, BINS + 1)
    rows = [np.histogram(fitted.propensity[fitted.chosen == k, -1], edges)[0] for k in levels]
    return Overlap(
        levels=tuple(names),
        counts=tuple(counts),
        effective=tuple(effective),
        outside=float(out),
        limits=(LOW, HIGH),
        edges=tuple(edges.tolist()),
        histogram=tuple(tuple(int(c) for c in row) for row in rows),
    )


def lacking(found: Overlap) -> str:
    """Why there is no overlap, in words; "" where there is enough."""
    for name, count, effective in zip(found.levels, found.counts, found.effective, strict=True):
        if effective < FEWEST:
            return (
                f"No overlap: only {count:,} rows have {name}, worth {effective:.0f} equally "
                "weighted ones."
            )
    if found.outside > MOST_OUTSIDE:
        return (
            f"No overlap: {found.outside:.0%} of the units almost surely had the level that they "
            "had, so nobody shows what the other one would have done to them."
        )
    return ""
