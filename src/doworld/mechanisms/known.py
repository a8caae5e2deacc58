"""Known mechanisms: a user's own function of named parents, in the user's units."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob

__all__ = ["Known", "KnownBank"]


@dataclass(frozen=True)
class Known:
    """A law that the user knows: ``function(**parents) -> next value``, in JAX operations.

    ``parents`` maps each argument's name to (variable, lag). A function is never saved: a model
    that holds one asks for it again at ``load``.
    """

    target: str
    parents: tuple[tuple[str, str, int], ...]
    function: Callable[..., Array]


class KnownBank(InvertibleBank):
    """z' = h(pa) + σε with h given by the user and only σ learned from the log."""

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    sigma: Float[Array, " n"]
    center_in: Float[Array, "n k"]
    scale_in: Float[Array, "n k"]
    center_out: Float[Array, " n"]
    scale_out: Float[Array, " n"]
    known: tuple[Known, ...] = eqx.field(static=True)

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def between(self, start: int, stop: int) -> "KnownBank":
        """The laws of targets number ``start`` up to ``stop``."""
        return replace(super().between(start, stop), known=self.known[start:stop])

    def location(self, inputs: Float[Array, "n k"]) -> Float[Array, " n"]:
        """h(pa), scaled."""
        raw = inputs * self.scale_in + self.center_in
        out = []
        for i, law in enumerate(self.known):
            arguments = {name: raw[i, j] for j, (name, _, _) in enumerate(law.parents)}
            out.append(jnp.asarray(law.function(**arguments), inputs.dtype))
        return (jnp.stack(out) - self.center_out) / self.scale_out

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """h(pa) + σε."""
        return self.location(inputs) + self.sigma * noise[..., 0]

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The normal log density of the residual."""
        return gaussian_log_prob(value - self.location(inputs), self.sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """ε = (z' − h(pa))/σ."""
        return ((value - self.location(inputs)) / self.sigma)[..., None]
