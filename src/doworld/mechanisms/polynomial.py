"""Polynomial mechanisms in closed form: exact where nature is smooth and little disturbed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms.bank import InvertibleBank, gaussian_log_prob
from doworld.mechanisms.noise import inverse, log_slope, warp

__all__ = ["PolynomialBank", "monomials", "place"]


def monomials(
    inputs: int, degree: int, *, most: tuple[int, ...] | None = None
) -> Int[np.ndarray, "p d"]:
    """All products of at most ``degree`` of the inputs; an entry of 0 stands for the constant 1.

    ``most`` caps the power of each input: a column with k distinct values determines no power
    above k − 1 (a 0/1 column equals its own powers).

    >>> monomials(2, 2).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]
    >>> monomials(2, 2, most=(1, 2)).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]]
    """
    caps = most or (degree,) * inputs
    rows = []
    for row in itertools.combinations_with_replacement(range(inputs + 1), degree):
        if all(row.count(i) <= caps[i - 1] for i in set(row) if i):
            rows.append(row)
    return np.array(rows, np.int32).reshape(-1, degree)


def place(
    terms: Int[np.ndarray, "p d"], weight: Float[np.ndarray, "*m p"], inputs: int, degree: int
) -> Float[np.ndarray, "*m a b"]:
    """The matrix C of a polynomial given by its ``terms`` and their weights.

    >>> C = place(np.array([[0, 0], [1, 2]]), np.array([5.0, 3.0]), inputs=2, degree=2)
    >>> C[0, 0], C[1, 2]
    (np.float64(5.0), np.float64(3.0))
    """
    base, half = inputs + 1, degree // 2
    full = np.zeros((len(terms), degree), np.int64)
    full[:, degree - terms.shape[1] :] = terms
    out = np.zeros((*weight.shape[:-1], base**half, base ** (degree - half)))
    digits = base ** np.arange(degree)[::-1]
    row = full[:, :half] @ (digits[:half] // base ** (degree - half))
    np.add.at(out, (..., row, full[:, half:] @ digits[half:]), weight)  # type: ignore[arg-type]
    return out


def _power(factors: Float[Array, "n f"], size: int) -> Float[Array, "n s"]:
    """The Kronecker power of each row of ``factors`` that has ``size`` entries."""
    out = jnp.ones_like(factors[..., :1])
    while out.shape[-1] < size:
        out = (out[..., :, None] * factors[..., None, :]).reshape(*out.shape[:-1], -1)
    return out


class PolynomialBank(InvertibleBank):
    """z' = r·z + s·Σ_ab A_a C_ab B_b + s·σ·g(u), u ~ N(0, 1).

    With x̃ = (1, x), A = x̃ ⊗ … ⊗ x̃ (⌊p/2⌋ times) and B = x̃ ⊗ … ⊗ x̃ (⌈p/2⌉ times): every product of
    at most p inputs is one entry of A Bᵀ, so a polynomial of degree p is a bilinear form and costs
    one small matrix product instead of p gathers a term. Inputs are clipped to half a range beyond
    the training data's, so that a rollout that leaves the data cannot explode; g is the map of
    ``mechanisms.noise``.
    """

    targets: Int[Array, " n"]
    columns: Int[Array, "n k"]
    mask: Float[Array, "n k"]
    residual: Float[Array, " n"]
    scale: Float[Array, " n"]
    coefficient: Float[Array, "n a b"]
    low: Float[Array, "n k"]
    high: Float[Array, "n k"]
    sigma: Float[Array, " n"]
    knots: Float[Array, "n knots"]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape n 1"]:
        """Standard normal draws."""
        return jax.random.normal(key, (*shape, len(self.targets), 1))

    def _location(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        inside = jnp.clip(inputs, self.low, self.high)
        factors = jnp.concatenate([jnp.ones_like(inside[..., :1]), inside], -1)
        left, right = (_power(factors, size) for size in self.coefficient.shape[-2:])
        value = jnp.sum(left * jnp.einsum("nab,nb->na", self.coefficient, right), -1)
        return self.residual * previous + self.scale * value

    def sample(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], noise: Float[Array, "n 1"]
    ) -> Float[Array, " n"]:
        """r·z + location + σ·g(u)."""
        location = self._location(inputs, previous)
        return location + self.scale * self.sigma * warp(noise[..., 0], self.knots)

    def _epsilon(self, inputs, previous, value):
        return (value - self._location(inputs, previous)) / (self.scale * self.sigma)

    def log_prob(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """log N(u) − log g'(u) − log σ."""
        epsilon = self._epsilon(inputs, previous, value)
        u = inverse(epsilon, self.knots)
        normal = gaussian_log_prob(u, jnp.ones_like(u))
        return normal - log_slope(epsilon, self.knots) - jnp.log(self.scale * self.sigma)

    def abduct(
        self, inputs: Float[Array, "n k"], previous: Float[Array, " n"], value: Float[Array, " n"]
    ) -> Float[Array, "n 1"]:
        """u = g⁻¹((z' − location)/σ)."""
        return inverse(self._epsilon(inputs, previous, value), self.knots)[..., None]
