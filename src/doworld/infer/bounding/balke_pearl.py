"""The effect of a binary treatment by a binary instrument, when some do not comply."""

import numpy as np

from doworld._core.errors import QueryError
from doworld.infer.bounding.bound import Bound
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.potential import contrast
from doworld.infer.bounding.program import linear_program

__all__ = ["balke_pearl"]


def balke_pearl(
    counts: Counts, instrument: str, treatment: str, outcome: str, *, level: float = 0.95
) -> Bound:
    """E[Y₁ − Y₀] for Z → X → Y with an unobserved common cause of X and Y, all binary.

    With p_yx.z = P(Y = y, X = x | Z = z), the lower end is the greatest of eight sums, for one

        p₁₁.₁ + p₀₀.₀ − 1,

    and the upper end the least of eight (Balke & Pearl 1997, eqs. 4–5). Nothing is assumed of who
    complies; that Z acts on Y through X alone is.

    Args:
        counts: hold the three variables; others are summed over.
        level: chance that [low, high] covers the bound (exact limits of all cells together).

    Raises ``UnknownNameError``, and ``QueryError`` for a variable that is not binary or an
    instrument that never varies. ``refuted`` marks data that no such instrument can give.

    >>> n = np.array([[[45.0, 5], [30, 20]], [[10, 5], [25, 60]]])
    >>> bound = balke_pearl(Counts(("Z", "X", "Y"), n), "Z", "X", "Y")
    >>> round(bound.lower, 3), round(bound.upper, 3)
    (0.05, 0.65)
    """
    table = counts.marginal((instrument, treatment, outcome))
    if table.table.shape != (2, 2, 2):
        raise QueryError(
            f"{', '.join(table.names)} have {', '.join(map(str, table.table.shape))} levels. This "
            "closed form is of binary variables: use linear_program for more levels."
        )
    rows = table.table.sum((1, 2))
    if (rows == 0).any():
        raise QueryError(
            f"{instrument!r} never varies, so it tells nothing. Use manski without an instrument."
        )
    share = table.table / rows[:, None, None]
    lower, upper = _ends(share)
    diagram = Diagram(
        table.names, ((instrument, treatment), (treatment, outcome)), ((treatment, outcome),)
    )
    asked = contrast(outcome, {treatment: 1}, {treatment: 0}, (0.0, 1.0))
    limits = linear_program(table, diagram, asked, level=level)
    if lower > upper:  # no model gives these frequencies exactly
        lower, upper = limits.lower, limits.upper
    return Bound(
        lower=lower,
        upper=upper,
        low=min(limits.low, lower),
        high=max(limits.high, upper),
        level=level,
        method="Balke–Pearl",
        assumptions=(
            f"{instrument} acts on {outcome} through {treatment} alone and shares no cause with "
            "it.",
        ),
        refuted=limits.refuted,
    )


def _ends(share: np.ndarray) -> tuple[float, float]:
    """Both ends; ``share[z, x, y]`` = P(x, y | z)."""

    def p(y: int, x: int, z: int) -> float:
        return float(share[z, x, y])

    lower, upper = [], []
    for z in (0, 1):
        o = 1 - z
        lower += [
            p(1, 1, z) + p(0, 0, o) - 1,
            p(1, 1, z) - p(1, 1, o) - p(1, 0, o) - p(0, 1, z) - p(1, 0, z),
            -p(0, 1, z) - p(1, 0, z),
            p(0, 0, z) - p(0, 1, z) - p(1, 0, z) - p(0, 1, o) - p(0, 0, o),
        ]
        upper += [
            1 - p(0, 1, z) - p(1, 0, o),
            -p(0, 1, z) + p(0, 1, o) + p(0, 0, o) + p(1, 1, z) + p(0, 0, z),
            p(1, 1, z) + p(0, 0, z),
            -p(1, 0, z) + p(1, 1, z) + p(0, 0, z) + p(1, 1, o) + p(1, 0, o),
        ]
    return max(lower), min(upper)
