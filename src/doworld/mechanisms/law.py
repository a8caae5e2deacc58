"""Law-like mechanisms: a sparse sum of named constants times simple terms, in the user's units."""

import functools
import operator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob
from doworld.mechanisms.noise import inverse, log_slope, warp
from doworld.mechanisms.terms import Operation, values

__all__ = ["LawBank"]


class LawBank(InvertibleBank):
    """z' = r·z + Σ_k c_k φ_k(pa) + σ·g(u), u ~ N(0, 1), with z, pa and c_k in own units.

    φ_k is a product of factors (``mechanisms.terms``): powers, reciprocals, roots, sizes,
    sines, cosines, positive parts and steps of the parents. Which terms there are is written in
    arrays, so that another law of the same shape is the same computation. The selection of few
    terms from a library follows Brunton, Proctor & Kutz (2016), "Discovering governing equations
    from data by sparse identification of nonlinear dynamical systems". Inputs are not clipped to
    the range of the log as a ``PolynomialBank``'s are: a law is there to be asked beyond it.

    Attributes:
        operation, reads, parameter: the factors; ``reads`` indexes the mechanism's inputs.
        constant: c_k, 0 where a term is padding.
        center_in, scale_in: the inputs' own units: x·scale_in + center_in.
        center_out, scale_out: the target's own unit.
        sigma: noise in scaled units, shaped by ``knots`` (``mechanisms.noise``).
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    operation: Int[Array, "n p f"]
    reads: Int[Array, "n p f"]
    parameter: Float[Array, "n p f"]
    constant: Float[Array, "n p"]
    center_in: Float[Array, "n k"]
    scale_in: Float[Array, "n k"]
    center_out: Float[Array, " n"]
    scale_out: Float[Array, " n"]
    sigma: Float[Array, " n"]
    knots: Float[Array, "n knots"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def terms(self, inputs: Float[Array, "n k"]) -> Float[Array, "n p"]:
        """φ_k(pa) of every law, in own units."""
        raw = inputs * self.scale_in + self.center_in
        flat = self.reads.reshape(len(self.targets), -1)
        read = jnp.take_along_axis(raw, flat, -1).reshape(self.reads.shape)
        two = jnp.where(self.operation == Operation.NORM, self.parameter, 0.0).astype(flat.dtype)
        second = jnp.take_along_axis(raw, two.reshape(flat.shape), -1).reshape(read.shape)
        factors = values(read, second, self.operation, self.parameter)
        return functools.reduce(operator.mul, jnp.moveaxis(factors, -1, 0))

    def _location(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        change = jnp.sum(self.constant * self.terms(inputs), -1)
        level = (1.0 - self.residual) * self.center_out
        return self.residual * previous + (change - level) / self.scale_out

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """r·z + Σ c φ + σ·g(u)."""
        location = self._location(inputs, previous)
        return location + self.sigma * warp(noise[..., 0], self.knots)

    def _epsilon(self, inputs, previous, value):
        return (value - self._location(inputs, previous)) / self.sigma

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """log N(u) − log g'(u) − log σ."""
        epsilon = self._epsilon(inputs, previous, value)
        u = inverse(epsilon, self.knots)
        normal = gaussian_log_prob(u, jnp.ones_like(u))
        return normal - log_slope(epsilon, self.knots) - jnp.log(self.sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """u = g⁻¹((z' − location)/σ)."""
        return inverse(self._epsilon(inputs, previous, value), self.knots)[..., None]
