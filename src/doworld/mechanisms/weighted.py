"""Abduction by importance weights, for families that can only be sampled."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from doworld.mechanisms.bank import StochasticBank

__all__ = ["WeightedBank"]

DRAWS = 256
"""Prior draws of the noise that are weighted by how well they explain a logged value."""

NEVER = -1e9


class WeightedBank(StochasticBank):
    """A family without a posterior of its own: it offers ``sample`` and ``log_prob`` only.

    Prior draws ε_k are weighted by how near they come to the logged value z,

        w_k ∝ exp(−(f(pa, ε_k) − z)² / 2h²)    of numbers,    w_k ∝ [f(pa, ε_k) = z]    of levels,

    and one is chosen by the self-normalised weights (sampling–importance resampling, Rubin 1988).
    Of numbers this is the posterior given z up to a normal error of standard deviation h. The
    effective number of draws is (Σ w)² / Σ w² (Kong 1992).

    Attributes:
        width: h in scaled units by variable; 0 for levels.
    """

    width: eqx.AbstractVar[Float[Array, " n"]]

    def _weighted(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "draws n w"], Float[Array, "draws n"], Bool[Array, " n"]]:
        """(noise, log weights, whether any draw explains the value)."""
        noise = self.draw_noise(key, (DRAWS,))
        made = jax.vmap(lambda each: self.sample(inputs, previous, each))(noise)
        near = -0.5 * ((made - value) / jnp.maximum(self.width, 1e-6)) ** 2
        same = jnp.where(jnp.abs(made - value) < 0.5, 0.0, NEVER)
        weight = jnp.where(self.width > 0, near, same)
        # beyond ten widths no draw explains a number
        return noise, weight, weight.max(0) > jnp.where(self.width > 0, -50.0, NEVER / 2)

    def posterior(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n w"]:
        """One of the prior draws, chosen by its weight."""
        first, second = jax.random.split(key)
        noise, weight, _ = self._weighted(inputs, previous, value, first)
        at = jax.random.categorical(second, weight, axis=0)
        return jnp.take_along_axis(noise, at[None, :, None], 0)[0]

    def effective(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> Float[Array, " n"]:
        """(Σ w)² / Σ w², 0 where no draw explains the value."""
        _, weight, explained = self._weighted(inputs, previous, value, key)
        share = jax.nn.softmax(weight, 0)
        return jnp.where(explained, 1.0 / jnp.sum(share**2, 0), 0.0)
