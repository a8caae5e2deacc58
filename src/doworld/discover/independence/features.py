"""Random Fourier features of a variable, and of the variables that are conditioned on."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from doworld.discover.independence.columns import Columns, Rows

__all__ = ["given_features", "own_features", "waves"]

FARTHEST = 4.0
"""Values farther out, in standard deviations, are drawn in before their waves are taken."""
WAVES = 5
WIDTHS = (0.25, 0.5, 1.0)
"""Waves of each variable conditioned on, for each of these widths in standard deviations."""
STRAIGHT = 0.4
"""Weight of a tested number beside its waves: more sees lines better, less sees bends better."""


def waves(
    x: Float[np.ndarray, "rows columns"], frequencies: Float[np.ndarray, "columns frequencies"]
) -> Float[np.ndarray, "rows features"]:
    """cos and sin of x·ω for each ω: with ω ~ N(0, I/σ²) their products are those of a Gaussian
    kernel of width σ (Rahimi and Recht 2007)."""
    angle = np.clip(x, -FARTHEST, FARTHEST) @ frequencies
    return np.hstack([np.cos(angle), np.sin(angle)]) / np.sqrt(frequencies.shape[1])


def own_features(
    columns: Columns, column: int, rows: Rows, frequencies: int, width: float
) -> Float[np.ndarray, "rows features"]:
    """A number and its waves, at quantiles of the normal law; a level's indicators."""
    if columns.has_levels(column):
        return columns.indicators(column, rows)
    x = columns.scaled(column, rows)[:, None]
    if frequencies == 0 or len(np.unique(x)) == 2:
        return x
    return np.hstack([STRAIGHT * x, waves(x, _quantiles(frequencies) / width)])


def _quantiles(count: int) -> Float[np.ndarray, "1 frequencies"]:
    """The positive half of a normal law in equal shares."""
    return ndtri(0.5 + (np.arange(count) + 0.5) / (2 * count))[None]


def given_features(
    columns: Columns, z: tuple[int, ...], rows: Rows, joint: int, seed: int
) -> Float[np.ndarray, "rows features"]:
    """Numbers, their waves one by one and together, and indicators of levels."""
    if not z:
        return np.zeros((rows.count, 0))
    parts: list[np.ndarray] = []
    raw: list[np.ndarray] = []
    for k in z:
        x = columns.features(k, rows)
        raw.append(x)
        parts.append(x)
        if not columns.has_levels(k) and len(np.unique(x)) > 2:
            parts += [waves(x, _quantiles(WAVES) / width) for width in WIDTHS]
    together = np.hstack(raw)
    if len(z) > 1 and joint:
        draws = np.random.default_rng(seed).standard_normal(
            (together.shape[1], min(joint, rows.count // 4))
        )
        draws /= np.resize(WIDTHS, draws.shape[1]) * np.sqrt(len(z))
        parts.append(waves(together, draws))
    return np.hstack(parts)
