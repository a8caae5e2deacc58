"""How much wider intervals must be for their level to hold on held-out rows."""

import jax
import jax.numpy as jnp
import numpy as np

from doworld.data import Role, Trajectories
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics, World
from doworld.model.quantiles import ends
from doworld.model.simulate import simulate
from doworld.model.world import Calibration

__all__ = ["LEVEL", "calibrate", "worlds_of"]

LEVEL = 0.9
WINDOWS = 64
SAMPLES = 16
LONGEST = 64


def worlds_of(
    values: np.ndarray, starts: np.ndarray, lags: int, steps: int
) -> tuple[World, np.ndarray]:
    """The logged worlds from each of ``starts`` (row 0) on, and the rows that really followed."""
    back = starts[:, None] - np.arange(lags)[None, :]
    ahead = starts[:, None] + 1 + np.arange(steps)[None, :]
    rows = values[ahead].astype(np.float32)
    one, zero = np.ones_like(rows), np.zeros_like(rows)
    window = jnp.asarray(values[back], jnp.float32)
    return World(window, *(jnp.asarray(a) for a in (rows, one, zero))), rows


def calibrate(log: Trajectories, design: Design, dynamics: Dynamics, *, seed: int) -> Calibration:
    """Inflation factors by variable and rows ahead, from open-loop rollouts of held-out rows."""
    count, lags = len(log.schema), design.lags
    longest = int(np.clip(np.quantile(np.diff(log.starts), 0.75) - lags, 1, LONGEST))
    steps = 1 << (longest.bit_length() - 1)
    horizons = 2 ** np.arange(steps.bit_length())
    held_rows = np.zeros(log.rows, bool)
    held_rows[design.rows[design.held]] = True
    first = log.windows(lags + steps) + lags - 1
    first = first[held_rows[np.minimum(first + 1, log.rows - 1)]]
    nothing = np.ones((count, len(horizons)))
    if len(first) < 20:
        return Calibration(horizons.astype(float), nothing, np.full_like(nothing, np.nan))
    rng = np.random.default_rng([seed, 19])
    chosen = np.sort(rng.choice(first, WINDOWS))
    worlds, truth = worlds_of(design.values, chosen, lags, steps)
    worlds = jax.tree.map(lambda a: jnp.repeat(a, SAMPLES, axis=0), worlds)
    noise = dynamics.draw_noise(jax.random.key(seed), (WINDOWS * SAMPLES, steps))
    out = np.asarray(simulate(dynamics, worlds, noise))
    out = out.reshape(out.shape[0], WINDOWS, SAMPLES, steps, count)
    draws = np.moveaxis(out, 0, 1).reshape(WINDOWS, -1, steps, count)
    low, mid, high = ends(draws, LEVEL, axis=1, count=SAMPLES)
    width = np.where(truth > mid, high - mid, mid - low) + 1e-9
    ratio = np.abs(truth - mid) / width
    seen = design.observed[chosen[:, None] + 1 + np.arange(steps)]
    inflation, coverage = nothing.copy(), np.full_like(nothing, np.nan)
    for i in log.schema.positions(Role.STATE, Role.REWARD):
        for j, h in enumerate(horizons):
            near = np.arange(max(0, h - 1 - h // 4), min(steps, h + h // 4))
            values = ratio[:, near, i][seen[:, near, i]]
            if len(values) >= 20:
                inflation[i, j] = np.clip(np.quantile(values, LEVEL), 0.25, 25.0)
                coverage[i, j] = np.mean(values <= 1.0)
    return Calibration(horizons.astype(float), inflation, coverage)
