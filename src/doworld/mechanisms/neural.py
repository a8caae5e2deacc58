"""Location–scale neural mechanisms: a small network per variable, all evaluated together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob
from doworld.mechanisms.noise import inverse, log_slope, warp

__all__ = ["REACH", "NeuralBank"]

REACH = 6.0
"""Standard deviations after which the network, but not the linear skip, sees no further change."""


def smooth_relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(x, 0) with the corner between −1 and 1 rounded to (x + 1)²/4: smooth, and no exponential.

    >>> smooth_relu(jnp.array([-2.0, 0.0, 3.0])).tolist()
    [0.0, 0.25, 3.0]
    """
    return 0.25 * (jnp.clip(x, -1.0, 1.0) + 1.0) ** 2 + jnp.maximum(x - 1.0, 0.0)


class NeuralBank(InvertibleBank):
    """z' = r·z + s·(aᵀx + f(x, cut at ±6)) + s·σ(x)·g(u), u ~ N(0, 1).

    x are the parents, standardised, an older lag as its difference to the next newer lag of the
    same source: increments carry what levels hide. f and log σ are the two outputs of a network
    with two hidden layers of smoothed rectifiers, a is a linear skip, s the spread of the target's increments, and g the
    learned monotone map of ``mechanisms.noise``. Columns of one source stand side by side, newest
    first; ``chain`` is 1 where the column before is the next newer lag of the same source.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    scale: Float[Array, " n"]
    chain: Float[Array, "n k"]
    shift: Float[Array, "n k"]
    spread: Float[Array, "n k"]
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

    def standardised(self, inputs: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """x: newest lags as levels, older ones as differences, each of unit spread on the log."""
        newer = jnp.concatenate([jnp.zeros_like(inputs[..., :1]), inputs[..., :-1]], -1)
        return (inputs - self.chain * newer - self.shift) * self.spread

    def hidden(self, x: Float[Array, "n k"]) -> Float[Array, "n h"]:
        """The last hidden layer, of standardised parents."""
        bounded = jnp.clip(x, -REACH, REACH)
        first = smooth_relu(jnp.einsum("nk,nkh->nh", bounded, self.weight1) + self.bias1)
        return smooth_relu(jnp.einsum("nh,nhm->nm", first, self.weight2) + self.bias2)

    def heads(self, inputs: Float[Array, "n k"]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Location of the increment and σ, both in scaled units."""
        x = self.standardised(inputs)
        out = jnp.einsum("nh,nho->no", self.hidden(x), self.weight3) + self.bias3
        location = jnp.sum(x * self.skip, -1) + out[..., 0]
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
