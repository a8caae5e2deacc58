"""Linear Gaussian mechanisms, fitted in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob

__all__ = ["LinearBank"]


class LinearBank(InvertibleBank):
    """z' = r·z + wᵀpa + b + σε with ε ~ N(0, 1); r is 1 for an increment, 0 for a level."""

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    weight: Float[Array, "n k"]
    bias: Float[Array, " n"]
    sigma: Float[Array, " n"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def _location(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        return self.residual * previous + jnp.sum(inputs * self.weight, -1) + self.bias

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """r·z + wᵀpa + b + σε."""
        return self._location(inputs, previous) + self.sigma * noise[..., 0]

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The normal log density of the residual."""
        return gaussian_log_prob(value - self._location(inputs, previous), self.sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """ε = (z' − location)/σ."""
        return ((value - self._location(inputs, previous)) / self.sigma)[..., None]
