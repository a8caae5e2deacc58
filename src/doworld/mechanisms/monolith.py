"""The monolith: one network from everything to everything, the baseline that causal models face."""

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob

__all__ = ["MonolithBank"]


class MonolithBank(InvertibleBank):
    """z' = r·z + s·f(all) + s·σε: one network with all inputs and all outputs, no graph.

    It answers the same questions as a factored model and ignores which variable acts on which.
    Every row of ``columns`` names the same inputs: all features of the last rows.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    scale: Float[Array, " n"]
    weight1: Float[Array, "k h"]
    bias1: Float[Array, " h"]
    weight2: Float[Array, "h h"]
    bias2: Float[Array, " h"]
    weight3: Float[Array, "h n"]
    bias3: Float[Array, " n"]
    sigma: Float[Array, " n"]

    def between(self, start: int, stop: int) -> "MonolithBank":
        """All mechanisms: one network cannot be taken apart, and needs no lag-0 edges."""
        if (start, stop) != (0, len(self.targets)):
            raise ValueError("a monolith has one contemporaneous level; wire it by a lagged graph.")
        return self

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def location(self, row: Float[Array, " k"]) -> Float[Array, " n"]:
        """s·f(all), in scaled units, of the inputs that all targets share."""
        hidden = jax.nn.silu(row @ self.weight1 + self.bias1)
        hidden = jax.nn.silu(hidden @ self.weight2 + self.bias2)
        return self.scale * (hidden @ self.weight3 + self.bias3)

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """r·z + s·f(all) + s·σε."""
        location = self.residual * previous + self.location(inputs[0])
        return location + self.scale * self.sigma * noise[..., 0]

    def _error(self, inputs, previous, value):
        return value - self.residual * previous - self.location(inputs[0])

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The normal log density of the residual."""
        return gaussian_log_prob(self._error(inputs, previous, value), self.scale * self.sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """ε = (z' − r·z − s·f(all))/(s·σ)."""
        return (self._error(inputs, previous, value) / (self.scale * self.sigma))[..., None]
