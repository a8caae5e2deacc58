"""Mechanisms with other rules: causes cut off or added, outputs and noise scaled."""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import AbstractBank, InvertibleBank, StochasticBank

__all__ = ["AlteredBank", "AlteredLevels"]


class AlteredBank(InvertibleBank):
    """z' = a·f(pa*, s·u) + b + Σ_j w_j x_j, where f is another bank's mechanism.

    In pa* the causes that are cut off stand at a fixed value, x_j are causes that f does not have.

    Attributes:
        inner: the mechanisms as they were learned.
        columns, mask, residual: as in ``AbstractBank``; those of ``inner``, then the e new causes.
        fill: what stands in for causes that are cut off, 0 for the others.
        still: what stands in for the variable's own past, where ``cut`` is 1.
        weight: w, of the new causes.
        factor, shift, noise: a, b and s; a is not 0.
    """

    inner: InvertibleBank
    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    fill: Float[Array, "n own"]
    still: Float[Array, " n"]
    cut: Float[Array, " n"]
    weight: Float[Array, "n e"]
    factor: Float[Array, " n"]
    shift: Float[Array, " n"]
    noise: Float[Array, " n"]

    def between(self, start: int, stop: int) -> "AlteredBank":
        """The mechanisms of targets number ``start`` up to ``stop``."""
        return replace(super().between(start, stop), inner=self.inner.between(start, stop))

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n w"]:
        """The learned mechanisms' own noise, so that both worlds can share it."""
        return self.inner.draw_noise(key, shape)

    def _split(self, inputs, previous):
        own = self.fill.shape[-1]
        past = jnp.where(self.cut > 0, self.still, previous)
        return inputs[:, :own] + self.fill, past, jnp.sum(inputs[:, own:] * self.weight, -1)

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n w"]
    ) -> Float[Array, " n"]:
        """The equation above."""
        own, past, more = self._split(inputs, previous)
        value = self.inner.sample(own, past, noise * self.noise[:, None])
        return self.factor * value + self.shift + more

    def _unaltered(self, inputs, previous, value):
        own, past, more = self._split(inputs, previous)
        return own, past, (value - self.shift - more) / self.factor

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The learned density of the unaltered value, where the noise is as it was."""
        own, past, plain = self._unaltered(inputs, previous, value)
        return self.inner.log_prob(own, past, plain) - jnp.log(jnp.abs(self.factor))

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n w"]:
        """The noise of the unaltered value."""
        found = self.inner.abduct(*self._unaltered(inputs, previous, value))
        return found / jnp.where(self.noise == 0, 1.0, self.noise)[:, None]


class AlteredLevels(StochasticBank):
    """z' = f(pa*, u) for levels, whose causes can be cut off and whose chances stay f's."""

    inner: StochasticBank
    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    fill: Float[Array, "n k"]

    def between(self, start: int, stop: int) -> "AlteredLevels":
        """The mechanisms of targets number ``start`` up to ``stop``."""
        return replace(super().between(start, stop), inner=self.inner.between(start, stop))

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n w"]:
        """The learned mechanisms' own noise, so that both worlds can share it."""
        return self.inner.draw_noise(key, shape)

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n w"]
    ) -> Float[Array, " n"]:
        """f with the causes that are cut off at a fixed value."""
        return self.inner.sample(inputs + self.fill, previous, noise)

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The learned log probability."""
        return self.inner.log_prob(inputs + self.fill, previous, value)

    def posterior(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n w"]:
        """A draw of the noise given the value."""
        return self.inner.posterior(inputs + self.fill, previous, value, key)


def plain(bank: AbstractBank) -> AbstractBank:
    """The learned mechanisms behind altered ones."""
    return bank.inner if isinstance(bank, AlteredBank | AlteredLevels) else bank
