"""How an answer's variance splits into noise, parameters and structure, and its interval."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.model.quantiles import ends
from doworld.model.world import Calibration

__all__ = ["Split", "interval", "split", "widening"]


@dataclass(frozen=True, eq=False)
class Split:
    """Standard deviations by row whose squares add up to the variance of all draws."""

    noise: Float[np.ndarray, " rows"]
    parameters: Float[np.ndarray, " rows"]
    structure: Float[np.ndarray, " rows"]


def split(
    values: Float[np.ndarray, "members samples rows"], structural: Bool[np.ndarray, " members"]
) -> Split:
    """Law of total variance: Var z = E_m Var(z | m) + Var_m E(z | m).

    The first term is the world's own noise. Of the second, what members of one graph already
    disagree on is the parameters' part, and what members with a sampled graph add is structure's.
    """
    within = values.var(1).mean(0)
    means = values.mean(1)
    between = means.var(0)
    alike = means[~structural]
    known = np.minimum(alike.var(0), between) if len(alike) else np.zeros_like(between)
    if not structural.any():
        known = between
    return Split(np.sqrt(within), np.sqrt(known), np.sqrt(between - known))


def widening(
    calibration: Calibration, variable: int, rows: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """How many times wider the interval must be so many rows ahead, for its level to hold."""
    if not len(calibration.horizons):
        return np.ones(len(rows))
    return np.interp(rows, calibration.horizons, calibration.inflation[variable])


def interval(
    values: Float[np.ndarray, "members samples rows"],
    level: float,
    widen: Float[np.ndarray, " rows"],
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Quantiles over all members and samples, each side stretched from the median by ``widen``."""
    members, samples, rows = values.shape
    pooled = values.reshape(-1, rows)
    low, mid, high = ends(pooled, level, axis=0, count=max(members, samples))
    return mid - widen * (mid - low), mid + widen * (high - mid)
