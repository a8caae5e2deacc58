"""What a mechanism family is: the local causal functions of n variables, evaluated together.

Values are *scaled*: a continuous variable is (z − mean)/standard deviation of the log, a discrete
one its level code. Inputs are the encoded parents (see ``doworld.mechanisms.coding``), gathered,
not masked out of a full input vector.
"""

from abc import abstractmethod
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

__all__ = ["AbstractBank", "InvertibleBank", "StochasticBank", "ensemble", "renewed"]

B = TypeVar("B", bound="AbstractBank")


class AbstractBank(eqx.Module):
    """Mechanisms of one family for n variables.

    Attributes:
        targets: the variables' columns.
        columns: where each parent feature stands in the flattened window, lag-major.
        mask: 1 where ``columns`` holds a parent, 0 where it is padding.
        residual: 1 where the mechanism predicts the increment over the row before.
    """

    targets: eqx.AbstractVar[Int[Array, " n"]]
    columns: eqx.AbstractVar[Int[Array, "n k"]]
    mask: eqx.AbstractVar[Float[Array, "n k"]]
    residual: eqx.AbstractVar[Float[Array, " n"]]

    def inputs(self, features: Float[Array, " flat"]) -> Float[Array, "n k"]:
        """The parents' features of every mechanism, padding as zeros."""
        return features[self.columns] * self.mask

    def between(self: B, start: int, stop: int) -> B:
        """The mechanisms of targets number ``start`` up to ``stop``, of one member."""
        if (start, stop) == (0, len(self.targets)):
            return self
        return jax.tree.map(lambda leaf: leaf[start:stop], self)

    @abstractmethod
    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n w"]:
        """Independent draws of the mechanisms' own noise, of width w per variable."""

    @abstractmethod
    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n w"]
    ) -> Float[Array, " n"]:
        """The next values: f(parents, noise), deterministic given the noise."""

    @abstractmethod
    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """log p(value | parents) in scaled units."""


class InvertibleBank(AbstractBank):
    """A family whose noise can be read off: ``sample(inputs, previous, abduct(...)) = value``."""

    @abstractmethod
    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n w"]:
        """The noise that produced ``value``."""

    def beyond(
        self,
        noise: Float[Array, "*rows n w"],
        side: Float[Array, "*rows n"],
        key: PRNGKeyArray,
    ) -> Float[Array, "*rows n w"]:
        """A draw of the noise where all that is known is that it lies beyond ``noise``.

        Where ``side`` is −1, e ~ p(e | e ≤ noise); where 1, e ~ p(e | e ≥ noise); where 0 it is
        ``noise`` itself. By the inverse of the distribution function: Φ(e) = u·Φ(noise), u uniform
        on (0, 1). Holds for values that rise with standard normal noise; a family with another
        noise overrides it.
        """
        # the upper tail is mirrored into the lower one, where Φ keeps its relative precision
        sign = jnp.where(side > 0, -1.0, 1.0)[..., None]
        edge = sign * noise
        share = jax.random.uniform(key, noise.shape, minval=1e-6, maxval=1.0)
        drawn = jax.scipy.special.ndtri(share * jax.scipy.special.ndtr(edge))
        drawn = jnp.where(jnp.isfinite(drawn), jnp.minimum(drawn, edge), edge)
        return jnp.where(side[..., None] == 0, noise, sign * drawn)


class StochasticBank(AbstractBank):
    """A family whose noise is only known up to a posterior: many noises produce one value."""

    @abstractmethod
    def posterior(
        self,
        inputs: Float[Array, "n k"],
        previous: Float[Array, " n"],
        value: Float[Array, " n"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n w"]:
        """A draw of the noise given that it produced ``value``."""


def ensemble(family: type[B], leaves: dict[str, Any], **static: Any) -> B:
    """The bank whose leaves carry a leading member axis; ``leaves[name][m]`` is member m's."""
    each = [
        family(**{name: jnp.asarray(leaf[m]) for name, leaf in leaves.items()}, **static)
        for m in range(len(leaves["targets"]))
    ]
    return jax.tree.map(lambda *own: jnp.stack(own), *each)


def renewed(bank: B, leaves: dict[str, Any]) -> B:
    """``bank`` with some of its leaves replaced, with or without the member axis."""
    names = list(leaves)
    return eqx.tree_at(lambda b: [getattr(b, n) for n in names], bank, list(leaves.values()))


def gaussian_log_prob(error: Float[Array, " n"], sigma: Float[Array, " n"]) -> Float[Array, " n"]:
    """log N(error; 0, σ²)."""
    return -0.5 * (error / sigma) ** 2 - jnp.log(sigma) - 0.5 * jnp.log(2 * jnp.pi)
