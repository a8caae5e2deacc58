"""How far the log leaves open what the chosen families leave out, for questions about change.

A forecast's interval holds a family's small errors in its noise. A counterfactual keeps the noise
and asks for a difference f(pa') − f(pa), where such errors stand alone. So the residuals of every
member are regressed on random waves of the parents, δ for the location and γ for the log spread,

    r = δ(x) + e^γ(x)·ε,    weights ~ N(0, τ²),    p(τ² | r) over a grid, 0 among it,

and each copy of a member takes a draw from the posterior (Bayesian linear regression in closed
form; MacKay 1992 for the evidence).
"""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from doworld.mechanisms import InvertibleBank, KnownBank, MonolithBank
from doworld.mechanisms.doubt import DoubtBank
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics
from doworld.model.world import Doubt, WorldModel

__all__ = ["doubtful", "fit_doubt"]

WAVES, COPIES = 192, 4
MOST_ROWS, FEWEST_ROWS = 2000, 100
RATIOS = np.array([np.inf, *np.logspace(3.5, -1.0, 10)])
"""λ = σ²/τ²; ∞ leaves the family as it is."""
FAR = 5.0
"""Robust standard deviations at which residuals are cut."""
LENGTHS = (0.35, 0.7, 1.5, 3.0)
MEAN_LOG_CHI = -1.2704
"""E log ε² of a standard normal ε."""


@dataclass(frozen=True, eq=False)
class Waves:
    """Waves at every row, with the singular values and right vectors of their table."""

    table: Float[np.ndarray, "rows waves"]
    size: Float[np.ndarray, " waves"]
    right: Float[np.ndarray, "waves waves"]

    @classmethod
    def of(cls, table: Float[np.ndarray, "rows waves"]):
        square, columns = np.linalg.eigh(table.T @ table)
        return cls(table, np.sqrt(np.maximum(square, 0.0)), columns.T)


@dataclass(frozen=True, eq=False)
class _Regression:
    """Bayesian regression on waves: the posterior of the weights and of their size."""

    right: Float[np.ndarray, "waves waves"]
    size: Float[np.ndarray, " waves"]
    projected: Float[np.ndarray, " waves"]
    noise: Float[np.ndarray, " ratios"]
    chance: Float[np.ndarray, " ratios"]

    @classmethod
    def of(cls, waves: "Waves", y: Float[np.ndarray, " rows"]):
        size, right = waves.size, waves.right
        # Φ = U diag(size) right; what has no size has no projection either
        projected = right @ (waves.table.T @ y) / np.maximum(size, 1e-6 * size.max() + 1e-12)
        with np.errstate(divide="ignore"):
            shrunk = size**2 / (size**2 + RATIOS[:, None])
            noise = (y @ y - (shrunk * projected**2).sum(1)) / len(y)
            noise = np.maximum(noise, 1e-12)
            evidence = -0.5 * len(y) * np.log(noise)
            evidence = evidence - 0.5 * np.log1p(size**2 / RATIOS[:, None]).sum(1)
        chance = np.exp(evidence - evidence.max())
        return cls(right, size, projected, noise, chance / chance.sum())

    def mean(self) -> Float[np.ndarray, " waves"]:
        """The posterior mean of the weights."""
        own = self.size / (self.size**2 + RATIOS[:, None])
        return (self.chance[:, None] * own * self.projected).sum(0) @ self.right

    def draw(self, rng: np.random.Generator) -> Float[np.ndarray, " waves"]:
        """One draw of the weights, their size drawn first."""
        k = rng.choice(len(RATIOS), p=self.chance)
        if np.isinf(RATIOS[k]):
            return np.zeros(self.right.shape[1])
        total = self.size**2 + RATIOS[k]
        middle = self.size / total * self.projected
        spread = np.sqrt(self.noise[k] / total)
        return (middle + spread * rng.standard_normal(len(middle))) @ self.right


def fit_doubt(data: Design, dynamics: Dynamics, *, seed: int) -> tuple[Doubt | None, ...]:
    """The doubt of every bank: None where its noise is not invertible or its laws are known."""
    rng = np.random.default_rng([seed, 41])
    rows = data.rows
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    if len(rows) < FEWEST_ROWS:
        return (None,) * len(dynamics.banks)
    back = rows[:, None] - np.arange(data.lags + 1)
    features = data.features[back].reshape(len(rows), -1).astype(np.float32)
    before = data.values[rows - 1] if data.lags else np.zeros_like(data.values[rows])
    return tuple(
        _of_bank(bank, features, before, data.values[rows], data.observed[rows], rng)
        if isinstance(bank, InvertibleBank) and not isinstance(bank, KnownBank | MonolithBank)
        else None
        for bank in dynamics.banks
    )


def _of_bank(bank, features, before, values, observed, rng) -> Doubt:
    members, n, k = bank.columns.shape
    frequency = np.stack([_frequencies(k, np.asarray(bank.mask)[0, j], rng) for j in range(n)])
    phase = rng.uniform(0, 2 * np.pi, (n, WAVES))
    shape = (members, COPIES, n, WAVES)
    location, log_scale = np.zeros(shape), np.zeros(shape)
    shift, spread = np.zeros((members, n, k)), np.zeros((members, n, k))
    known: dict[tuple[int, bytes], Waves] = {}  # members of one graph read the same parents
    for m in range(members):
        own = jax.tree.map(lambda leaf, m=m: leaf[m], bank)
        inputs, middle, width = (np.asarray(a, np.float64) for a in _read(own, features, before))
        targets = np.asarray(own.targets)
        shift[m] = inputs.mean(0)
        size = inputs.std(0)
        spread[m] = np.where(size > 1e-9, 1 / np.maximum(size, 1e-9), 0.0)
        for j, target in enumerate(targets):
            seen = observed[:, target]
            if seen.sum() < FEWEST_ROWS or not (spread[m, j] > 0).any():
                continue
            x = (inputs[seen, j] - shift[m, j]) * spread[m, j] * np.asarray(own.mask)[j]
            mark = (j, np.asarray(own.columns)[j].tobytes() + np.asarray(own.mask)[j].tobytes())
            if mark not in known:
                wave = np.sqrt(2 / WAVES) * np.cos(x @ frequency[j] + phase[j])
                known[mark] = Waves.of(wave - wave.mean(0))
            left = values[seen, target] - middle[seen, j]
            drawn = _draws(known[mark], left, width[seen, j], rng)
            location[m, :, j], log_scale[m, :, j] = drawn
    return Doubt(
        shift=shift,
        spread=spread,
        frequency=frequency,
        phase=phase,
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


def _draws(waves: Waves, left, width, rng) -> tuple[np.ndarray, np.ndarray]:
    """(location, log_scale) weights of every copy."""
    # rare jumps, as at a wall, would lend their size to the doubt everywhere
    reach = FAR * np.median(np.abs(left - np.median(left))) / 0.6745
    left = np.clip(left, *(np.median(left) + np.array([-reach, reach])))
    left = left - left.mean()
    first = _Regression.of(waves, left)
    error = (left - waves.table @ first.mean()) / np.maximum(width, 1e-9)
    size = np.log(error**2 + 1e-9) - MEAN_LOG_CHI
    rough = _Regression.of(waves, size - size.mean())
    gamma = np.clip(0.5 * waves.table @ rough.mean(), -2.0, 2.0)
    # one step of Fisher scoring: of the working response the noise is 2, of log ε² it was 4.9
    level = max((error**2 * np.exp(-2 * gamma)).mean(), 1e-12)  # 0 where nothing is left
    size = 2 * gamma + error**2 * np.exp(-2 * gamma) / level - 1
    scale = _Regression.of(waves, size - size.mean())
    gamma = np.clip(0.5 * waves.table @ scale.mean(), -2.0, 2.0)
    weight = np.exp(-gamma)
    place = _Regression.of(Waves.of(waves.table * weight[:, None]), left * weight)
    return (
        np.stack([place.draw(rng) for _ in range(COPIES)]),
        np.stack([0.5 * scale.draw(rng) for _ in range(COPIES)]),
    )


def _frequencies(inputs: int, used, rng) -> Float[np.ndarray, "inputs waves"]:
    """Half of the waves along one parent each, half along all."""
    omega = rng.standard_normal((inputs, WAVES)) / rng.choice(LENGTHS, WAVES)
    at = np.flatnonzero(used)
    if len(at) > 1:
        omega[:, WAVES // 2 :] /= np.sqrt(len(at))
        alone = rng.choice(at, WAVES // 2)
        omega[:, : WAVES // 2] *= np.arange(inputs)[:, None] == alone
    return omega * (np.asarray(used)[:, None] > 0)


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
    return replace(model, dynamics=dynamics, members_of_structure=structural, doubt=())


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
