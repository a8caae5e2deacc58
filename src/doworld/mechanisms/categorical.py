"""Categorical mechanisms: a level drawn from a softmax of the parents, by Gumbel-max."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import StochasticBank

__all__ = ["CategoricalBank"]


class CategoricalBank(StochasticBank):
    """z' = argmax_c (logit_c(pa) + γ_c), γ ~ Gumbel: p(z' = c) = softmax(logits)_c.

    Logits come from a network with one hidden layer and a linear skip. ``open`` is 0 for levels
    that a variable has and −∞-like for those that only pad it to the widest variable. Which of the
    many noises produced an observed level cannot be known: the Gumbel-max choice is an assumption
    (Oberst & Sontag 2019), and answers that rest on it say so.

    In a context, where the input number ``gate`` is 1, the inputs marked by ``silent`` are read as
    0: causes that do not act there have no say, whatever values they take.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    skip: Float[Array, "n k c"]
    weight1: Float[Array, "n k h"]
    bias1: Float[Array, "n h"]
    weight2: Float[Array, "n h c"]
    bias2: Float[Array, "n c"]
    open: Float[Array, "n c"]
    gate: Int[Array, "n g"]
    silent: Float[Array, "n g k"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n c"]:
        """Standard Gumbel draws."""
        return jax.random.gumbel(key, (*shape, *self.open.shape))

    def logits(self, inputs: Float[Array, "n k"]) -> Float[Array, "n c"]:
        """Log probabilities of the levels."""
        on = jnp.take_along_axis(inputs, self.gate, -1)
        inputs = inputs * (1 - jnp.einsum("ng,ngk->nk", on, self.silent))
        hidden = jax.nn.silu(jnp.einsum("nk,nkh->nh", inputs, self.weight1) + self.bias1)
        linear = jnp.einsum("nk,nkc->nc", inputs, self.skip)
        raw = linear + jnp.einsum("nh,nhc->nc", hidden, self.weight2) + self.bias2 + self.open
        return jax.nn.log_softmax(raw, -1)

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n c"]
    ) -> Float[Array, " n"]:
        """The level with the largest logit plus noise."""
        return jnp.argmax(self.logits(inputs) + noise, -1).astype(inputs.dtype)

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The log probability of the level."""
        at = value.astype(jnp.int32)[..., None]
        return jnp.take_along_axis(self.logits(inputs), at, -1)[..., 0]

    def posterior(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n c"]:
        """Gumbel noise given the observed level, by top-down sampling (Maddison et al. 2014)."""
        logits = self.logits(inputs)
        top_key, rest_key = jax.random.split(key)
        top = jax.random.gumbel(top_key, logits.shape[:-1])[..., None]
        free = jax.random.gumbel(rest_key, logits.shape) + logits
        # kept below the top by more than rounding, so that the observed level always wins
        capped = jnp.minimum(-jnp.logaddexp(-top, -free), top - 1e-3)
        chosen = jax.nn.one_hot(value.astype(jnp.int32), logits.shape[-1], dtype=bool)
        return jnp.where(chosen, top, capped) - logits
