"""Bayesian regression on waves of the parents, beside a part that is free.

    y = Xβ + Φw + e,    β flat,    w ~ N(0, τ² S),    e ~ N(0, σ²),

Φ cosines of the parents, S their share of the variance. Functions of one parent are Fourier series
whose S is the spectral density of a Matérn process, S(ω) ∝ (1 + (ωℓ)²/2ν)^−(ν+½) (Solin & Särkkä
2020); half of the waves along all parents are drawn at random (Rahimi & Recht 2007). What is left
of Φ and y outside the span of X gives p(S, σ²/τ² | y) in closed form, σ² at its best value
(MacKay 1992), and β | w is that of least squares.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["WAVES", "Basis", "Posterior", "Waves"]

WAVES = 192
RATIOS = np.array([np.inf, *np.logspace(3.5, -1.0, 10)])
"""λ = σ²/τ²; ∞ leaves out the waves."""
PRIOR = np.array([0.8, *np.full(10, 0.02)])
"""The family was chosen among richer ones, so that it needs no waves is the more likely."""
ROUGHNESS = (0.5, 1.5)
"""ν: continuous functions, and those that have a slope everywhere."""
LENGTHS = (0.5, 1.0, 2.0)
REACH = 6.0
"""Half the longest period, in standard deviations of a parent."""
TOGETHER = (0.0, 0.5)
"""Share of the variance that the waves along all parents have: none where parents just add up."""


@dataclass(frozen=True, eq=False)
class Waves:
    """cos(ωᵀx + b), with amplitudes √S for every way in which a function may be rough."""

    frequency: Float[np.ndarray, "inputs waves"]
    phase: Float[np.ndarray, " waves"]
    amplitude: Float[np.ndarray, "ways waves"]

    @classmethod
    def of(cls, used: Bool[np.ndarray, " inputs"], rng: np.random.Generator) -> "Waves":
        """Waves of the parents in ``used``; those of others have no frequency."""
        frequency, phase = np.zeros((len(used), WAVES)), np.zeros(WAVES)
        at = np.flatnonzero(used)
        if not len(at):
            return cls(frequency, phase, np.zeros((len(ROUGHNESS), WAVES)))
        together = WAVES // 2 if len(at) > 1 else 0
        pairs = (WAVES - together) // (2 * len(at))
        omega = np.pi / REACH * np.arange(1, pairs + 1)
        for number, parent in enumerate(at):
            for quarter in range(2):
                place = slice((2 * number + quarter) * pairs, (2 * number + quarter + 1) * pairs)
                frequency[parent, place] = omega
                phase[place] = -np.pi / 2 * quarter
        if together:
            drawn = rng.standard_normal((len(at), together)) / rng.choice(LENGTHS, together)
            frequency[at, -together:] = drawn / np.sqrt(len(at))
            phase[-together:] = rng.uniform(0, 2 * np.pi, together)
        ways = []
        for share in TOGETHER if together else TOGETHER[:1]:
            for nu in ROUGHNESS:
                own = np.zeros(WAVES)
                own[: 2 * len(at) * pairs] = np.tile(_density(omega, nu), 2 * len(at)) / len(at)
                own *= 1 - share
                if together:
                    own[-together:] = 2 * share / together
                ways.append(np.sqrt(own))
        return cls(frequency, phase, np.stack(ways))

    def table(self, x: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "rows waves"]:
        """Every wave, of amplitude 1, at every row."""
        return np.cos(x @ self.frequency + self.phase)


def _density(omega: Float[np.ndarray, " pairs"], nu: float) -> Float[np.ndarray, " pairs"]:
    every = [length * (1 + (omega * length) ** 2 / (2 * nu)) ** (-nu - 0.5) for length in LENGTHS]
    total = np.sum(every, 0)
    return total / total.sum()


@dataclass(frozen=True, eq=False)
class Basis:
    """X = U diag(s) Vᵀ, and what of Φ lies outside of it: Φ − UUᵀΦ = A diag(size) right, by way."""

    table: Float[np.ndarray, "rows waves"]
    amplitude: Float[np.ndarray, "ways waves"]
    left: Float[np.ndarray, "rows free"]
    inverse: Float[np.ndarray, "columns free"]
    size: Float[np.ndarray, "ways waves"]
    right: Float[np.ndarray, "ways waves waves"]

    @classmethod
    def of(
        cls,
        table: Float[np.ndarray, "rows waves"],
        amplitude: Float[np.ndarray, "ways waves"],
        free: Float[np.ndarray, "rows columns"],
    ) -> "Basis":
        """Φ is ``table`` times the amplitudes, X is ``free``; what X repeats is left out."""
        u, s, v = np.linalg.svd(free, full_matrices=False)
        kept = s > 1e-8 * s.max(initial=0.0)
        u, inverse = u[:, kept], v[kept].T / s[kept]
        own = table - u @ (u.T @ table)
        square = amplitude[:, :, None] * (own.T @ own) * amplitude[:, None]
        values, columns = np.linalg.eigh(square)
        size = np.sqrt(np.maximum(values, 0.0))
        return cls(table, amplitude, u, inverse, size, np.swapaxes(columns, 1, 2))


@dataclass(frozen=True, eq=False)
class Posterior:
    """What y says of w, β, of how rough the function is and of how much of it there is."""

    basis: Basis
    y: Float[np.ndarray, " rows"]
    projected: Float[np.ndarray, "ways waves"]
    noise: Float[np.ndarray, "ways ratios"]
    chance: Float[np.ndarray, "ways ratios"]

    @classmethod
    def of(cls, basis: Basis, y: Float[np.ndarray, " rows"]) -> "Posterior":
        """The posterior given ``y``."""
        rest = y - basis.left @ (basis.left.T @ y)
        size = basis.size
        # what has no size has no projection either
        own = np.einsum("hvw,hw->hv", basis.right, basis.amplitude * (basis.table.T @ rest))
        own = own / np.maximum(size, 1e-6 * size.max(1, keepdims=True) + 1e-12)
        count = max(len(y) - basis.left.shape[1], 1)
        square, ratios = size[:, None] ** 2, RATIOS[:, None]
        explained = (square / (square + ratios) * own[:, None] ** 2).sum(-1)
        noise = np.maximum((rest @ rest - explained) / count, 1e-12)
        evidence = -0.5 * count * np.log(noise) - 0.5 * np.log1p(square / ratios).sum(-1)
        chance = np.exp(evidence - evidence.max()) * PRIOR
        return cls(basis, y, own, noise, chance / chance.sum())

    def mean(self) -> Float[np.ndarray, " rows"]:
        """The posterior mean of Φw + Xβ at the rows."""
        basis, size = self.basis, self.basis.size
        shrink = size[:, None] / (size[:, None] ** 2 + RATIOS[:, None])
        weight = (self.chance[..., None] * shrink).sum(1) * self.projected
        weight = np.einsum("hv,hvw->hw", weight, basis.right) * basis.amplitude
        wave = basis.table @ weight.sum(0)
        return wave + basis.left @ (basis.left.T @ (self.y - wave))

    def draw(
        self, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, " waves"], Float[np.ndarray, " columns"]]:
        """The weights of the waves of amplitude 1, and β; roughness and size are drawn first."""
        way, k = divmod(int(rng.choice(self.chance.size, p=self.chance.ravel())), len(RATIOS))
        basis, noise = self.basis, self.noise[way, k]
        size = basis.size[way]
        total = size**2 + RATIOS[k]
        middle = size / total * self.projected[way]
        weight = middle + np.sqrt(noise / total) * rng.standard_normal(len(middle))
        weight = (weight @ basis.right[way]) * basis.amplitude[way]
        rest = basis.left.T @ (self.y - basis.table @ weight)
        rest = rest + np.sqrt(noise) * rng.standard_normal(len(rest))
        return weight, basis.inverse @ rest
