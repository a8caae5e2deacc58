"""How far the log leaves open what the chosen families leave out, for questions about change.

A forecast's interval holds a family's small errors in its noise. A counterfactual keeps the noise
and asks for a difference f(pa') − f(pa), where such errors stand alone. So the residuals of every
member are regressed on the parents x, the location on a free line and on waves, the log spread on
waves alone (``doworld.model.wave_regression``),

    r = cᵀx + δ(x) + e^γ(x)·ε,

and each copy of a member takes a draw from the posterior. The line's draws take the place of the
spread of bootstrapped members, which is known from a handful of them only.
"""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from doworld.mechanisms import InvertibleBank, KnownBank, MonolithBank
from doworld.mechanisms.doubt import DoubtBank
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics
from doworld.model.wave_regression import WAVES, Basis, Posterior, Waves
from doworld.model.world import Doubt, Doubts, WorldModel

__all__ = ["Sample", "doubtful", "fit_doubt"]

COPIES = 8
MOST_ROWS, FEWEST_ROWS = 2000, 100
FAR = 5.0
"""Robust standard deviations at which residuals are cut."""
MEAN_LOG_CHI = -1.2704
"""E log ε² of a standard normal ε."""
SCORINGS = 3


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of the log as mechanisms read them, so that their residuals can be looked at later.

    Attributes:
        features: the flattened windows, lag-major.
        before, values: the row before and the row itself, scaled.
        observed: what of the row was logged.
    """

    features: Float[np.ndarray, "rows flat"]
    before: Float[np.ndarray, "rows variables"]
    values: Float[np.ndarray, "rows variables"]
    observed: Bool[np.ndarray, "rows variables"]

    @classmethod
    def of(cls, data: Design, *, seed: int) -> "Sample":
        """At most ``MOST_ROWS`` rows, drawn without replacement."""
        rows = data.rows
        if len(rows) > MOST_ROWS:
            rng = np.random.default_rng([seed, 41])
            rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
        back = rows[:, None] - np.arange(data.lags + 1)
        features = data.features[back].reshape(len(rows), -1).astype(np.float32)
        finite = np.isfinite(features).all(1)
        rows, features = rows[finite], features[finite]
        values = np.asarray(data.values[rows], np.float64)
        return cls(
            features=features,
            before=np.asarray(data.values[rows - 1] if data.lags else 0 * values, np.float64),
            values=values,
            observed=np.asarray(data.observed[rows], bool),
        )


def fit_doubt(sample: Sample, dynamics: Dynamics, *, seed: int) -> tuple[Doubt | None, ...]:
    """The doubt of every bank: None where its noise is not invertible or its laws are known."""
    rng = np.random.default_rng([seed, 43])
    if len(sample.values) < FEWEST_ROWS:
        return (None,) * len(dynamics.banks)
    return tuple(
        _of_bank(bank, sample, rng)
        if isinstance(bank, InvertibleBank) and not isinstance(bank, KnownBank | MonolithBank)
        else None
        for bank in dynamics.banks
    )


def _of_bank(bank, sample: Sample, rng: np.random.Generator) -> Doubt:
    members, n, k = bank.columns.shape
    used = np.asarray(bank.mask).max(0) > 0
    waves = [Waves.of(used[j], rng) for j in range(n)]
    shape = (members, COPIES, n, WAVES)
    location, log_scale = np.zeros(shape), np.zeros(shape)
    tilt = np.zeros((members, COPIES, n, k))
    shift, spread = np.zeros((members, n, k)), np.zeros((members, n, k))
    known: dict[tuple[int, bytes], _Design] = {}  # members of one graph read the same parents
    for m in range(members):
        own = jax.tree.map(lambda leaf, m=m: leaf[m], bank)
        every = _read(own, sample.features, sample.before)
        inputs, middle, width = (np.asarray(a, np.float64) for a in every)
        targets, mask = np.asarray(own.targets), np.asarray(own.mask)
        shift[m] = inputs.mean(0)
        size = inputs.std(0)
        spread[m] = np.where(size > 1e-9, 1 / np.maximum(size, 1e-9), 0.0)
        for j, target in enumerate(targets):
            seen = sample.observed[:, target] & np.isfinite(sample.values[:, target])
            seen &= np.isfinite(middle[:, j]) & np.isfinite(width[:, j])
            if seen.sum() < FEWEST_ROWS or not (spread[m, j] > 0).any():
                continue
            x = (inputs[seen, j] - shift[m, j]) * spread[m, j] * mask[j]
            read = np.asarray(own.columns)[j].tobytes() + mask[j].tobytes()
            mark = (j, read + seen.tobytes())
            left = _cut(sample.values[seen, target] - middle[seen, j])
            if mark not in known:
                known[mark] = _Design.of(waves[j], x, left, width[seen, j])
            place, scale = known[mark].posteriors(left, width[seen, j])
            for copy in range(COPIES):
                location[m, copy, j], free = place.draw(rng)
                tilt[m, copy, j] = free[1:]
                log_scale[m, copy, j] = 0.5 * scale.draw(rng)[0]
    return Doubt(
        shift=shift,
        spread=spread,
        frequency=np.stack([w.frequency for w in waves]),
        phase=np.stack([w.phase for w in waves]),
        tilt=tilt,
        location=location,
        log_scale=log_scale,
    )


@jax.jit
def _read(bank, features, before):
    """(inputs, value without noise, width of the noise) of every row under one member."""
    inputs = jax.vmap(bank.inputs)(features)
    previous = jnp.asarray(before, jnp.float32)[:, bank.targets]
    zero = jnp.zeros((len(features), len(bank.targets), 1))
    middle = jax.vmap(bank.sample)(inputs, previous, zero)
    wide = jax.vmap(bank.sample)(inputs, previous, zero + 1) - middle
    thin = middle - jax.vmap(bank.sample)(inputs, previous, zero - 1)
    return inputs, middle, 0.5 * (wide + thin)


def _cut(left: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Residuals without the far ones: rare jumps, as at a wall, would lend their size to all."""
    middle = np.median(left)
    reach = FAR * np.median(np.abs(left - middle)) / 0.6745
    return np.clip(left, middle - reach, middle + reach)


@dataclass(frozen=True, eq=False)
class _Design:
    """What residuals on some parents are regressed on; weights are those of the first residuals."""

    plain: Basis
    weighted: Basis
    weight: Float[np.ndarray, " rows"]

    @classmethod
    def of(cls, waves: Waves, x, left, width) -> "_Design":
        table, amplitude, one = waves.table(x), waves.amplitude, np.ones((len(x), 1))
        plain = Basis.of(table, amplitude, one)
        _, gamma = _log_spread(plain, left, width)
        weight = np.exp(-gamma)[:, None]
        free = np.column_stack([one, x]) * weight
        return cls(plain, Basis.of(table * weight, amplitude, free), weight[:, 0])

    def posteriors(self, left, width) -> tuple[Posterior, Posterior]:
        """What residuals say of location and of log spread (of its double)."""
        scale, _ = _log_spread(self.plain, left, width)
        return Posterior.of(self.weighted, left * self.weight), scale


def _log_spread(basis: Basis, left, width) -> tuple[Posterior, Float[np.ndarray, " rows"]]:
    """The posterior of 2γ and the best γ at every row."""
    error = (left - Posterior.of(basis, left).mean()) / np.maximum(width, 1e-9)
    scale = Posterior.of(basis, np.log(error**2 + 1e-9) - MEAN_LOG_CHI)
    for _ in range(SCORINGS):
        gamma = _centred(scale)
        # Fisher scoring: of the working response the noise is 2, of log ε² it was 4.9
        square = error**2 * np.exp(-2 * gamma)
        scale = Posterior.of(basis, 2 * gamma + square / max(square.mean(), 1e-12) - 1)
    return scale, _centred(scale)


def _centred(scale: Posterior) -> Float[np.ndarray, " rows"]:
    double = scale.mean()
    return np.clip(0.5 * (double - double.mean()), -2.0, 2.0)


def doubtful(model: WorldModel) -> WorldModel:
    """The model in which every member stands ``COPIES`` times, each with a draw of its doubt.

    A model without doubt, from few rows, comes back as it is. Made once a model, so that what is
    known of the copies is known to the next question too.
    """
    if not any(d is not None for d in model.doubt):
        return model
    if model not in _KNOWN:
        _KNOWN[model] = _copied(model)
    return _KNOWN[model]


_KNOWN: WeakKeyDictionary[WorldModel, WorldModel] = WeakKeyDictionary()


def _copied(model: WorldModel) -> WorldModel:
    banks = tuple(
        _wrapped(bank, doubt) for bank, doubt in zip(model.dynamics.banks, model.doubt, strict=True)
    )
    structural = tuple(s for s in model.members_of_structure for _ in range(COPIES))
    dynamics = eqx.tree_at(lambda d: d.banks, model.dynamics, banks)
    return replace(model, dynamics=dynamics, members_of_structure=structural, doubts=Doubts())


def _wrapped(bank, doubt: Doubt | None):
    if doubt is None:
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, COPIES, 0), bank)
    every = [
        _one(jax.tree.map(lambda leaf, m=m: leaf[m], bank), doubt, m, copy)
        for m in range(bank.targets.shape[0])
        for copy in range(COPIES)
    ]
    return jax.tree.map(lambda *own: jnp.stack(own), *every)


def _one(inner: InvertibleBank, doubt: Doubt, member: int, copy: int) -> DoubtBank:
    leaves = {
        "shift": doubt.shift[member],
        "spread": doubt.spread[member],
        "frequency": doubt.frequency,
        "phase": doubt.phase,
        "tilt": doubt.tilt[member, copy],
        "location": doubt.location[member, copy],
        "log_scale": doubt.log_scale[member, copy],
    }
    return DoubtBank(
        targets=inner.targets,
        columns=inner.columns,
        mask=inner.mask,
        residual=inner.residual,
        inner=inner,
        **{name: jnp.asarray(leaf, jnp.float32) for name, leaf in leaves.items()},
    )
