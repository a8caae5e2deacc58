"""What a chosen family may leave unsaid: a random smooth correction of location and spread."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank

__all__ = ["DoubtBank"]


class DoubtBank(InvertibleBank):
    """z' = m + e^γ(x)·(h − m) + δ(x), h the inner mechanism's value and m that without noise.

    δ and γ are draws from the posterior of what the inner family's residuals leave over: sums of
    waves cos(ωᵀx + b) of the standardised parents x, and in δ a line cᵀx. Each member holds a draw
    of its own, so that an ensemble spans the functions that the log allows.

    Attributes:
        targets, columns, mask, residual: the inner mechanisms', see ``AbstractBank``.
        inner: the mechanisms that were learned.
        shift, spread: x = (parents − shift)·spread.
        frequency, phase: of the waves.
        tilt: c.
        location, log_scale: the waves' weights in δ and γ.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    inner: InvertibleBank
    shift: Float[Array, "n k"]
    spread: Float[Array, "n k"]
    frequency: Float[Array, "n k w"]
    phase: Float[Array, "n w"]
    tilt: Float[Array, "n k"]
    location: Float[Array, "n w"]
    log_scale: Float[Array, "n w"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n w"]:
        """As the inner family's."""
        return self.inner.draw_noise(key, shape)

    def _doubt(self, inputs: Float[Array, "n k"]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """(δ, γ)."""
        x = (inputs - self.shift) * self.spread * self.mask
        wave = jnp.cos(jnp.einsum("nk,nkw->nw", x, self.frequency) + self.phase)
        delta = jnp.sum(x * self.tilt, -1) + jnp.sum(wave * self.location, -1)
        return delta, jnp.sum(wave * self.log_scale, -1)

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n w"]
    ) -> Float[Array, " n"]:
        """m + e^γ(h − m) + δ."""
        delta, gamma = self._doubt(inputs)
        middle = self.inner.sample(inputs, previous, jnp.zeros_like(noise))
        value = self.inner.sample(inputs, previous, noise)
        return middle + jnp.exp(gamma) * (value - middle) + delta

    def _undone(self, inputs, previous, value) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """(the inner mechanism's value, γ)."""
        delta, gamma = self._doubt(inputs)
        quiet = jnp.zeros((len(value), 1))  # every invertible family's noise has width 1
        middle = self.inner.sample(inputs, previous, quiet)
        return middle + (value - delta - middle) * jnp.exp(-gamma), gamma

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The inner log density at the value undone, less γ."""
        inner, gamma = self._undone(inputs, previous, value)
        return self.inner.log_prob(inputs, previous, inner) - gamma

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n w"]:
        """The inner noise of the value undone."""
        inner, _ = self._undone(inputs, previous, value)
        return self.inner.abduct(inputs, previous, inner)
