"""Location–scale neural mechanisms: a small network per variable, all evaluated together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob
from doworld.mechanisms.noise import inverse, log_slope, warp

__all__ = ["NeuralBank"]


class NeuralBank(InvertibleBank):
    """z' = r·z + s·(aᵀpa + f(pa)) + s·σ(pa)·g(u), u ~ N(0, 1).

    f and log σ are the two outputs of a network with two hidden layers, a is a linear skip, s the
    spread of the target's increments, and g the learned monotone map of ``mechanisms.noise``.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    scale: Float[Array, " n"]
    skip: Float[Array, "n k"]
    weight1: Float[Array, "n k h"]
    bias1: Float[Array, "n h"]
    weight2: Float[Array, "n h h"]
    bias2: Float[Array, "n h"]
    weight3: Float[Array, "n h 2"]
    bias3: Float[Array, "n 2"]
    knots: Float[Array, "n knots"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def heads(
        self, inputs: Float[Array, "n k"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Location of the increment and σ, both in scaled units."""
        hidden = jax.nn.silu(jnp.einsum("nk,nkh->nh", inputs, self.weight1) + self.bias1)
        hidden = jax.nn.silu(jnp.einsum("nh,nhm->nm", hidden, self.weight2) + self.bias2)
        out = jnp.einsum("nh,nho->no", hidden, self.weight3) + self.bias3
        location = jnp.sum(inputs * self.skip, -1) + out[..., 0]
        return self.scale * location, self.scale * jnp.exp(jnp.clip(out[..., 1], -14.0, 3.0))

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """r·z + location + σ·g(u)."""
        location, sigma = self.heads(inputs)
        return self.residual * previous + location + sigma * warp(noise[..., 0], self.knots)

    def _epsilon(self, inputs, previous, value):
        location, sigma = self.heads(inputs)
        return (value - self.residual * previous - location) / sigma, sigma

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """log N(u) − log g'(u) − log σ."""
        epsilon, sigma = self._epsilon(inputs, previous, value)
        u = inverse(epsilon, self.knots)
        normal = gaussian_log_prob(u, jnp.ones_like(u))
        return normal - log_slope(epsilon, self.knots) - jnp.log(sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """u = g⁻¹((z' − r·z − location)/σ)."""
        return inverse(self._epsilon(inputs, previous, value)[0], self.knots)[..., None]
