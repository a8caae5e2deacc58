"""A learned monotone map from standard normal noise to a mechanism's own noise."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["GRID", "fit_knots", "inverse", "log_slope", "warp"]

GRID = np.array([-3.0, -2.25, -1.65, -1.28, -0.85, -0.45, 0.0, 0.45, 0.85, 1.28, 1.65, 2.25, 3.0])
"""Knots in standard normal units; beyond the outermost two the map goes on linearly."""


def fit_knots(residuals: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " knots"]:
    """The quantiles of ``residuals`` at the normal levels of ``GRID``, strictly increasing.

    Gaps stay above float32's resolution even where the residuals hardly vary.

    With few rows the quantiles are drawn towards those of a normal of the same spread.
    """
    from scipy.stats import norm

    clean = residuals[np.isfinite(residuals)]
    if len(clean) < 20:
        return GRID.copy()
    size = float(np.sqrt(np.mean(clean**2)))
    if size < 1e-12:
        return GRID.copy()
    spread = max(float(np.std(clean)), 1e-2 * size)
    normal = np.mean(clean) + spread * GRID
    trust = len(clean) / (len(clean) + 200.0)
    knots = trust * np.quantile(clean, norm.cdf(GRID)) + (1 - trust) * normal
    gaps = np.maximum(np.diff(knots), 0.05 * spread * np.diff(GRID))
    return knots[len(GRID) // 2] + np.concatenate(
        [-np.cumsum(gaps[: len(GRID) // 2][::-1])[::-1], [0.0], np.cumsum(gaps[len(GRID) // 2 :])]
    )


def _segment(x: Float[Array, " n"], edges: Float[Array, "n knots"]) -> tuple[Array, Array]:
    """The segment of each x among its row of edges, outer segments open-ended."""
    at = jnp.clip(jnp.sum(x[..., None] >= edges, -1) - 1, 0, edges.shape[-1] - 2)
    return at, at + 1


def _take(rows: Float[Array, "n knots"], at: Array) -> Float[Array, " n"]:
    return jnp.take_along_axis(rows, at[..., None], -1)[..., 0]


def _linear(x, start, stop, here, there):
    a, b = _take(start, here), _take(start, there)
    c, d = _take(stop, here), _take(stop, there)
    return c + (x - a) * (d - c) / (b - a)


def warp(u: Float[Array, " n"], knots: Float[Array, "n knots"]) -> Float[Array, " n"]:
    """ε = g(u), piecewise linear through the knots."""
    grid = jnp.broadcast_to(jnp.asarray(GRID, knots.dtype), knots.shape)
    return _linear(u, grid, knots, *_segment(u, grid))


def inverse(e: Float[Array, " n"], knots: Float[Array, "n knots"]) -> Float[Array, " n"]:
    """u = g⁻¹(ε)."""
    grid = jnp.broadcast_to(jnp.asarray(GRID, knots.dtype), knots.shape)
    return _linear(e, knots, grid, *_segment(e, knots))


def log_slope(e: Float[Array, " n"], knots: Float[Array, "n knots"]) -> Float[Array, " n"]:
    """log g'(u) at ε = g(u)."""
    grid = jnp.broadcast_to(jnp.asarray(GRID, knots.dtype), knots.shape)
    here, there = _segment(e, knots)
    rise = _take(knots, there) - _take(knots, here)
    return jnp.log(rise / (_take(grid, there) - _take(grid, here)))
