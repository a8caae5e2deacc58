"""A sample of what the model has seen, for support."""

import numpy as np

from doworld.model.design import Design, Parents
from doworld.model.world import Reference

__all__ = ["reference"]

SAMPLE = 256
"""Training points kept per variable."""


def _distances(points: np.ndarray, sample: np.ndarray) -> np.ndarray:
    squared = ((points[:, None, :] - sample[None, :, :]) ** 2).sum(-1)
    return np.sqrt(squared.min(1))


def reference(
    design: Design, parents: Parents, low: np.ndarray, high: np.ndarray, *, seed: int
) -> Reference:
    """A sample of the parents of every target, and how far held-out points lie from it."""
    rng = np.random.default_rng([seed, 17])
    n, k = parents.columns.shape
    points = np.zeros((n, SAMPLE, k), np.float32)
    radius = np.ones(n)
    mask = parents.mask[0].astype(np.float32)
    train, held = design.rows[~design.held], design.rows[design.held]
    train, held = (part if len(part) else design.rows for part in (train, held))
    for i in range(n):
        at = rng.choice(train, SAMPLE)
        points[i] = design.gather(parents.columns[i], at) * mask[i]
        probe = design.gather(parents.columns[i], rng.choice(held, 512)) * mask[i]
        radius[i] = max(float(np.quantile(_distances(probe, points[i]), 0.95)), 1e-6)
    return Reference(
        targets=parents.targets,
        points=points,
        mask=mask,
        columns=parents.columns,
        radius=radius,
        low=low,
        high=high,
    )
