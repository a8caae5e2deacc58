"""Categorical mechanisms: a level drawn from a softmax of the parents, by Gumbel-max."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import StochasticBank

__all__ = ["CategoricalBank"]

NEVER = -1e9


class CategoricalBank(StochasticBank):
    """z' = argmax_c (log p_c(pa) + γ_c), γ ~ Gumbel, with

        p_c(pa) = σ(k(pa)) [z = c] + (1 − σ(k(pa))) softmax(r(pa))_c,

    so a variable stays as it is with probability σ(k), else it is drawn anew; k and r are the last
    and the first outputs of a network with one hidden layer and a linear skip. A variable whose own
    past is no parent is always drawn anew. ``open`` is 0 for levels that a variable has and
    −∞-like for those that only pad it to the widest variable. Which of the many noises produced an
    observed level cannot be known: the Gumbel-max choice is an assumption (Oberst & Sontag 2019),
    and answers that rest on it say so.

    In a context, where the input number ``gate`` is 1 (the first of several), a network of its own
    speaks, number 1 + the context's, and hears only the inputs that act there; elsewhere network 0
    hears them all.

    Attributes:
        targets, columns, mask, residual: see ``AbstractBank``.
        skip, weight1, bias1, weight2, bias2: of the e networks with h hidden units.
        open: what is added to the logits of the c levels.
        gate: the input that opens each of the g = e − 1 contexts; −1 for padding.
        heard: 1 where a network hears an input.
        past: how the own last value's one-hot code is read off the inputs, ``base`` added.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    skip: Float[Array, "n e k outputs"]
    weight1: Float[Array, "n e k h"]
    bias1: Float[Array, "n e h"]
    weight2: Float[Array, "n e h outputs"]
    bias2: Float[Array, "n e outputs"]
    open: Float[Array, "n c"]
    gate: Int[Array, "n g"]
    heard: Float[Array, "n e k"]
    past: Float[Array, "n k c"]
    base: Float[Array, "n c"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n c"]:
        """Standard Gumbel draws."""
        return jax.random.gumbel(key, (*shape, *self.open.shape))

    def logits(self, inputs: Float[Array, "n k"]) -> Float[Array, "n c"]:
        """Log probabilities of the levels."""
        heard = inputs[:, None] * self.heard
        hidden = jax.nn.silu(jnp.einsum("nek,nekh->neh", heard, self.weight1) + self.bias1)
        linear = jnp.einsum("nek,neko->neo", heard, self.skip)
        every = linear + jnp.einsum("neh,neho->neo", hidden, self.weight2) + self.bias2
        raw = jnp.einsum("ne,neo->no", self.speaking(inputs), every)
        anew, keep = jax.nn.log_softmax(raw[:, :-1] + self.open, -1), raw[:, -1:]
        known = jnp.einsum("nk,nkc->n", self.mask, jnp.abs(self.past))[:, None] > 0
        now = jnp.einsum("nk,nkc->nc", inputs, self.past) + self.base
        stays = jax.nn.log_sigmoid(keep) + jnp.where(now > 0.5, 0.0, NEVER)
        mixed = jnp.logaddexp(stays, jax.nn.log_sigmoid(-keep) + anew)
        # a last value that is no level at all stays nowhere, so the sum is made 1 again
        return jnp.where(known, jax.nn.log_softmax(mixed, -1), anew)

    def speaking(self, inputs: Float[Array, "n k"]) -> Float[Array, "n e"]:
        """1 for the network that speaks."""
        on = jnp.take_along_axis(inputs, jnp.maximum(self.gate, 0), -1) * (self.gate >= 0)
        first = on * (jnp.cumsum(on, -1) == on)
        return jnp.concatenate([1 - first.sum(-1, keepdims=True), first], -1)

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
