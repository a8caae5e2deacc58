"""Bounds without assumptions on how treatment was chosen, and with monotone ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.infer.bounding.bound import Bound
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.potential import contrast
from doworld.infer.bounding.program import linear_program

__all__ = ["manski"]

DRAWS = 2000


def manski(
    counts: Counts,
    treatment: str,
    outcome: str,
    *,
    levels: tuple[int, int] = (0, 1),
    values: Sequence[float] | None = None,
    rising_response: bool = False,
    rising_selection: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Bound:
    """E[Y_b − Y_a] for treatment levels (a, b), however the treatment was chosen.

    With y₀, y₁ the least and greatest outcome, and nothing assumed (Manski 1990),

        E[Y; X = x] + y₀ P(X ≠ x)  ≤  E[Y_x]  ≤  E[Y; X = x] + y₁ P(X ≠ x).

    ``rising_response``: more treatment never lowers anybody's outcome, so that Y stands in for Y_x
    from below where X < x and from above where X > x (Manski 1997). ``rising_selection``: those
    who chose more treatment would do no worse under any, E[Y_x | X = z] rises with z (Manski &
    Pepper 2000). Both: their joint bounds. For falling outcomes, hand in the levels reversed.

    Args:
        counts: hold treatment and outcome; other variables are summed over.
        values: what each outcome level is worth; None takes 0, 1, ….
        level: chance that [low, high] covers the bound: exact limits of the cells, or, with
            ``rising_selection``, quantiles over tables drawn from Dirichlet(n + ½).
        seed: of these draws.

    Raises ``UnknownNameError`` and ``QueryError`` for names, levels or values that do not fit.

    >>> n = Counts(("X", "Y"), np.array([[40.0, 10], [20, 30]]))
    >>> bound = manski(n, "X", "Y")
    >>> round(bound.lower, 3), round(bound.upper, 3)
    (-0.3, 0.7)
    """
    table = counts.marginal((treatment, outcome))
    worth = np.arange(table.table.shape[1], dtype=float) if values is None else np.array(values)
    worth = worth.astype(float)
    if worth.shape != table.table.shape[1:] or not np.isfinite(worth).all():
        raise QueryError(
            f"{outcome!r} has {table.table.shape[1]} levels and {worth.size} values were given. "
            "Give one finite number a level."
        )
    for each in levels:
        if not 0 <= each < table.table.shape[0]:
            raise QueryError(
                f"{treatment!r} has levels 0…{table.table.shape[0] - 1}, not {each}. "
                "Compare two of them."
            )
    if rising_response and (np.diff(worth) < 0).any():
        raise QueryError("a response that rises needs values that rise with the outcome's level.")
    rule = _Rule(levels, worth, rising_response, rising_selection)
    lower, upper = rule.bound(table.table / table.total)
    if rising_selection:
        low, high = _drawn(rule, table.table, level, seed)
    else:
        diagram = Diagram(table.names, (table.names,), (table.names,))  # type: ignore[arg-type]
        asked = contrast(
            outcome, {treatment: levels[1]}, {treatment: levels[0]}, tuple(worth.tolist())
        )
        rising = ((treatment, outcome),) if rising_response else ()
        limits = linear_program(table, diagram, asked, rising=rising, level=level)
        low, high = limits.low, limits.high
    return Bound(
        lower=lower,
        upper=upper,
        low=min(low, lower),
        high=max(high, upper),
        level=level,
        method="Manski",
        assumptions=rule.words(treatment, outcome),
        refuted=lower > upper,
    )


@dataclass(frozen=True, eq=False)
class _Rule:
    levels: tuple[int, int]
    worth: Float[np.ndarray, " outcomes"]
    response: bool
    selection: bool

    def words(self, treatment: str, outcome: str) -> tuple[str, ...]:
        out = []
        if self.response:
            out.append(f"More {treatment} never lowers {outcome} of anybody.")
        if self.selection:
            out.append(f"Those who chose more {treatment} would do no worse under any of it.")
        return tuple(out) or ("None: nothing is assumed of how treatment was chosen.",)

    def bound(self, share: Float[np.ndarray, "treatments outcomes"]) -> tuple[float, float]:
        """Of the contrast, at these frequencies."""
        (low_a, high_a), (low_b, high_b) = (self.arm(share, x) for x in self.levels)
        lower, upper = low_b - high_a, high_b - low_a
        if self.response:
            first, second = self.levels
            lower, upper = (max(lower, 0), upper) if second >= first else (lower, min(upper, 0))
        return float(lower), float(upper)

    def arm(self, share: Float[np.ndarray, "treatments outcomes"], x: int) -> tuple[float, float]:
        """Of E[Y_x], at these frequencies."""
        chosen = share.sum(1)
        gained = share @ self.worth
        y0, y1 = self.worth.min(), self.worth.max()
        below, above = np.arange(len(chosen)) < x, np.arange(len(chosen)) > x
        lower, upper = np.full(len(chosen), y0), np.full(len(chosen), y1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(chosen > 0, gained / chosen, 0.0)
        if self.response:
            lower = np.where(below, mean, lower)
            upper = np.where(above, mean, upper)
        if self.selection and chosen[x] > 0:
            lower = np.where(above, np.maximum(lower, mean[x]), lower)
            upper = np.where(below, np.minimum(upper, mean[x]), upper)
        if chosen[x] > 0:
            lower[x] = upper[x] = mean[x]
        return float(lower @ chosen), float(upper @ chosen)


def _drawn(rule: _Rule, table: np.ndarray, level: float, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    draws = rng.dirichlet(table.ravel() + 0.5, DRAWS).reshape(DRAWS, *table.shape)
    ends = np.array([rule.bound(d) for d in draws])
    tail = (1 - level) / 2
    return float(np.quantile(ends[:, 0], tail)), float(np.quantile(ends[:, 1], 1 - tail))
