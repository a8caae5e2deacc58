"""How much noise is the world's own, and how much wider intervals must be to hold their level."""

import warnings
from dataclasses import dataclass
from functools import singledispatch

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Role, Trajectories
from doworld.mechanisms import (
    AbstractBank,
    KnownBank,
    LawBank,
    LinearBank,
    NeuralBank,
    PolynomialBank,
)
from doworld.model.design import HELD, Design
from doworld.model.dynamics import Dynamics, World
from doworld.model.quantiles import ends
from doworld.model.simulate import simulate
from doworld.model.world import Calibration

__all__ = ["LEVEL", "HeldOut", "calibrate", "held_out", "quieter", "temper", "worlds_of"]

LEVEL = 0.9
WINDOWS = 96
SAMPLES = 20
"""Futures of a window; from fewer than 19, ``ends`` cannot reach out to a 90 % interval."""

LONGEST = 64


def worlds_of(
    values: np.ndarray, starts: np.ndarray, lags: int, steps: int
) -> tuple[World, np.ndarray]:
    """The logged worlds from each of ``starts`` (row 0) on, and the rows that really followed."""
    back = starts[:, None] - np.arange(lags)[None, :]
    truth = values[np.minimum(starts[:, None] + 1 + np.arange(steps), len(values) - 1)]
    rows = jnp.asarray(truth, jnp.float32)
    window = jnp.asarray(values[back], jnp.float32)
    world = World(
        window=window, exogenous=rows, gain=jnp.ones_like(rows), offset=jnp.zeros_like(rows)
    )
    return world, truth


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out open-loop rollouts: where they start, what followed, and what of it was logged."""

    worlds: World
    truth: Float[np.ndarray, "windows steps variables"]
    seen: Bool[np.ndarray, "windows steps variables"]
    seed: int

    @property
    def steps(self) -> int:
        """Rows ahead."""
        return self.truth.shape[1]

    def draws(self, dynamics: Dynamics) -> Float[np.ndarray, "windows draws steps variables"]:
        """``SAMPLES`` futures of every member for each window."""
        windows, steps, count = self.truth.shape
        worlds = jax.tree.map(lambda a: jnp.repeat(a, SAMPLES, axis=0), self.worlds)
        noise = dynamics.draw_noise(jax.random.key(self.seed), (windows * SAMPLES, steps))
        out = np.asarray(simulate(dynamics, worlds, noise))
        out = out.reshape(out.shape[0], windows, SAMPLES, steps, count)
        return np.moveaxis(out, 0, 1).reshape(windows, -1, steps, count)


def held_out(log: Trajectories, design: Design, part: int, *, seed: int) -> HeldOut | None:
    """Rollouts over the rows of one part (``HELD``, ``KEPT``); None where the log has too few.

    They start anywhere in the part and are scored to the end of it or of the episode: what is
    extreme often comes last, and starts that leave room for the whole length would never see it.
    Where no row is kept, the held-out ones stand in.
    """
    lags = design.lags
    longest = int(np.clip(np.quantile(np.diff(log.starts), 0.75) - lags, 1, LONGEST))
    steps = 1 << (longest.bit_length() - 1)
    inside_part = design.part_of_row == (part if (design.part_of_row == part).any() else HELD)
    first = log.windows(lags + 1) + lags - 1
    first = first[inside_part[first + 1]]
    if len(first) < 20:
        return None
    rng = np.random.default_rng([seed, 19])
    chosen = np.sort(rng.choice(first, WINDOWS, replace=len(first) < WINDOWS))
    worlds, truth = worlds_of(design.values, chosen, lags, steps)
    ahead = chosen[:, None] + 1 + np.arange(steps)
    end = log.starts[1:][log.episode_of_row[chosen]]
    at = np.minimum(ahead, log.rows - 1)
    inside = (ahead < end[:, None]) & inside_part[at]
    seen = design.observed[at] & inside[..., None]
    return HeldOut(worlds, truth, seen, seed)


@singledispatch
def _quieter(bank: AbstractBank, factor: Float[np.ndarray, " n"]) -> AbstractBank:
    """The same mechanisms with ``factor`` times their noise; categories have none to turn down."""
    return bank


@_quieter.register
def _(bank: NeuralBank, factor: Float[np.ndarray, " n"]) -> AbstractBank:
    bias = bank.bias3.at[..., 1].add(jnp.log(factor))
    return eqx.tree_at(lambda b: b.bias3, bank, bias)


@_quieter.register(LinearBank)
@_quieter.register(PolynomialBank)
@_quieter.register(KnownBank)
@_quieter.register(LawBank)
def _(bank, factor: Float[np.ndarray, " n"]) -> AbstractBank:
    return eqx.tree_at(lambda b: b.sigma, bank, bank.sigma * jnp.asarray(factor, jnp.float32))


def quieter(dynamics: Dynamics, share: Float[np.ndarray, " variables"]) -> Dynamics:
    """The dynamics with ``share`` of each variable's noise."""
    banks = tuple(_quieter(b, share[np.asarray(b.targets)[0]]) for b in dynamics.banks)
    return eqx.tree_at(lambda d: d.banks, dynamics, banks)


def temper(dynamics: Dynamics, rollouts: HeldOut | None) -> Float[np.ndarray, " variables"]:
    """How much of each variable's noise makes whole futures most like the held-out ones.

    One-step errors are partly errors of measurement, which do not enter the next row; simulated as
    the world's own noise they shake every future apart. The share κ that is the world's own is the
    one of least continuous ranked probability score over all rows ahead,
    CRPS = E|X − y| − ½ E|X − X'| (Gneiting & Raftery 2007); κ = 1 unless another gains 2 %. One κ
    for all variables is searched first, then each variable keeps its own where that is no worse.
    """
    share = np.ones(len(dynamics.order))
    if rollouts is None or rollouts.steps < 4:
        return share
    targets = np.flatnonzero(np.asarray(dynamics.order) >= 0)
    base = _crps(rollouts, dynamics, targets)
    targets, base = targets[base > 0], base[base > 0]
    if not len(targets):
        return share
    best, record = 1.0, 1.0
    own, least = np.ones(len(targets)), np.ones(len(targets))
    for factor in (0.5, 0.25, 0.1, 0.03):
        score = _crps(rollouts, quieter(dynamics, share * factor), targets) / base
        better = score < 0.98 * least
        own, least = np.where(better, factor, own), np.where(better, score, least)
        if score.mean() < 0.98 * record:
            best, record = factor, score.mean()
        elif (score > 1.1 * least).all():
            break
    alone = share.copy()
    alone[targets] = own
    apart = (_crps(rollouts, quieter(dynamics, alone), targets) / base).mean()
    return alone if apart <= record else share * best


def _crps(
    rollouts: HeldOut, dynamics: Dynamics, targets: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The mean score of each target."""
    draws = rollouts.draws(dynamics)[..., targets]
    truth = rollouts.truth[:, None][..., targets]
    far = np.abs(draws - truth).mean(1)
    other = np.roll(draws, draws.shape[1] // 2 + 1, axis=1)
    apart = np.abs(draws - other).mean(1)
    score = np.where(rollouts.seen[..., targets], far - apart / 2, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        score = np.nanmean(np.nan_to_num(score, nan=np.nan, posinf=1e6), axis=(0, 1))
    return np.nan_to_num(score, nan=0.0)


def calibrate(log: Trajectories, dynamics: Dynamics, rollouts: HeldOut | None) -> Calibration:
    """Inflation factors by variable and rows ahead, from open-loop rollouts of held-out rows."""
    count = len(log.schema)
    steps = 1 if rollouts is None else rollouts.steps
    horizons = 2 ** np.arange(steps.bit_length())
    inflation = np.ones((count, len(horizons)))
    coverage = np.full_like(inflation, np.nan)
    if rollouts is None:
        return Calibration(horizons.astype(float), inflation, coverage)
    low, mid, high = ends(rollouts.draws(dynamics), LEVEL, axis=1, count=SAMPLES)
    width = np.where(rollouts.truth > mid, high - mid, mid - low) + 1e-9
    ratio = np.abs(rollouts.truth - mid) / width
    for i in log.schema.positions(Role.STATE, Role.REWARD):
        if log.schema.variables[i].levels:
            continue  # levels have probabilities, not intervals that could be widened
        for j, h in enumerate(horizons):
            near = np.arange(max(0, h - 1 - h // 4), min(steps, h + h // 4))
            values = ratio[:, near, i][rollouts.seen[:, near, i]]
            if len(values) >= 20:
                inflation[i, j] = np.clip(np.quantile(values, LEVEL), 0.25, 25.0)
                coverage[i, j] = np.mean(values <= 1.0)
            elif j:  # too far ahead to tell: as wide as it must be nearer by
                inflation[i, j] = inflation[i, j - 1]
    return Calibration(horizons.astype(float), inflation, coverage)
