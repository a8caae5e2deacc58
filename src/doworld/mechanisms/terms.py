"""The language that laws are written in: sums of constants times products of simple factors.

A factor is one function of an input, or of two, in their own units; a term is a product of factors.
Written as three arrays (what is done, which input is read, with which parameter), two laws of the
same shape are the same computation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["Factor", "Operation", "Term", "decoded", "encoded", "products", "values"]


class Operation(IntEnum):
    """What a factor does with its input x and its parameter p."""

    ONE = 0
    """1; padding."""
    IDENTITY = 1
    """x."""
    RECIPROCAL = 2
    """1/x, with x kept from crossing 0: at least p where p > 0, at most p where p < 0."""
    SINE = 3
    """sin(p·x)."""
    COSINE = 4
    """cos(p·x)."""
    ABOVE = 5
    """The positive part max(x − p, 0)."""
    STEP = 6
    """1 where x > p, else 0."""
    ROOT = 7
    """√max(x, 0)."""
    SIZE = 8
    """|x|."""
    NORM = 9
    """√(x² + y²), with y the input number p."""


@dataclass(frozen=True, order=True)
class Factor:
    """One function of input number ``reads``, and of input number ``parameter`` if a ``NORM``."""

    reads: int
    operation: Operation
    parameter: float = 1.0

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of all inputs that it reads.

        >>> Factor(0, Operation.NORM, 1.0).inputs
        (0, 1)
        """
        second = (int(self.parameter),) if self.operation is Operation.NORM else ()
        return (self.reads, *second)

    def renumbered(self, numbers: Sequence[int]) -> "Factor":
        """The same of the inputs that stand at ``numbers``.

        >>> Factor(0, Operation.NORM, 1.0).renumbered([3, 5]).inputs
        (3, 5)
        """
        at = [int(numbers[i]) for i in self.inputs]
        return replace(self, reads=at[0], **({"parameter": float(at[1])} if at[1:] else {}))


FLAT = 1e-12
"""Below it a root is 0, and its slope too."""

Term = tuple[Factor, ...]
"""A product of factors; the empty product is the constant 1."""


def encoded(
    laws: Sequence[Sequence[Term]],
) -> tuple[Int[np.ndarray, "n p f"], Int[np.ndarray, "n p f"], Float[np.ndarray, "n p f"]]:
    """Operation, input and parameter of every factor of the terms of n laws, padded with ones.

    >>> terms = [[(), (Factor(2, Operation.SINE), Factor(0, Operation.IDENTITY))]]
    >>> operation, reads, _ = encoded(terms)
    >>> operation.tolist(), reads.tolist()
    ([[[0, 0], [3, 1]]], [[[0, 0], [2, 0]]])
    """
    terms = max([1, *(len(law) for law in laws)])
    factors = max([1, *(len(term) for law in laws for term in law)])
    shape = (len(laws), terms, factors)
    operation, reads = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    parameter = np.ones(shape, np.float32)
    for i, law in enumerate(laws):
        for j, term in enumerate(law):
            for k, factor in enumerate(term):
                operation[i, j, k], reads[i, j, k] = factor.operation, factor.reads
                parameter[i, j, k] = factor.parameter
    return operation, reads, parameter


def decoded(
    operation: Int[np.ndarray, "p f"],
    reads: Int[np.ndarray, "p f"],
    parameter: Float[np.ndarray, "p f"],
) -> list[Term]:
    """The terms that ``encoded`` wrote."""
    return [
        tuple(
            Factor(int(i), Operation(int(op)), float(at))
            for op, i, at in zip(*row, strict=True)
            if op != Operation.ONE
        )
        for row in zip(operation, reads, parameter, strict=True)
    ]


def values(
    x: Float[Array, "*shape"],
    second: Float[Array, "*shape"],
    operation: Int[Array, "*shape"],
    parameter: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """The factors at their inputs ``x``, and y ``second`` where they read two."""
    one = jnp.ones_like(x)
    # every branch is computed: what another operation reads must not poison the gradient
    kept = jnp.where(parameter > 0, jnp.maximum(x, parameter), jnp.minimum(x, parameter))
    divisor = jnp.where(operation == Operation.RECIPROCAL, kept, one)
    angle = jnp.where(operation == Operation.COSINE, 0.5 * jnp.pi, 0.0) + parameter * x
    out = jnp.where(operation == Operation.IDENTITY, x, one)
    out = jnp.where(operation == Operation.RECIPROCAL, 1.0 / divisor, out)
    turning = (operation == Operation.SINE) | (operation == Operation.COSINE)
    out = jnp.where(turning, jnp.sin(angle), out)
    out = jnp.where(operation == Operation.ABOVE, jnp.maximum(x - parameter, 0.0), out)
    out = jnp.where(operation == Operation.STEP, (x > parameter).astype(x.dtype), out)
    out = jnp.where(operation == Operation.SIZE, jnp.abs(x), out)
    square = jnp.where(operation == Operation.ROOT, x, x**2 + second**2)
    rooted = (operation == Operation.ROOT) | (operation == Operation.NORM)
    root = jnp.sqrt(jnp.where(rooted, jnp.maximum(square, FLAT), one))
    return jnp.where(rooted, jnp.where(square > FLAT, root, 0.0), out)


def _column(inputs: np.ndarray, factor: Factor) -> np.ndarray:
    x, p = inputs[:, factor.reads], factor.parameter
    match factor.operation:
        case Operation.RECIPROCAL:
            out = 1.0 / (np.maximum(x, p) if p > 0 else np.minimum(x, p))
        case Operation.SINE:
            out = np.sin(p * x)
        case Operation.COSINE:
            out = np.cos(p * x)
        case Operation.ABOVE:
            out = np.maximum(x - p, 0.0)
        case Operation.STEP:
            out = (x > p).astype(float)
        case Operation.ROOT:
            out = np.sqrt(np.maximum(x, 0.0))
        case Operation.SIZE:
            out = np.abs(x)
        case Operation.NORM:
            out = np.hypot(x, inputs[:, int(p)])
        case Operation.IDENTITY:
            out = x
        case _:
            out = np.ones_like(x)
    return out


def products(
    inputs: Float[np.ndarray, "rows k"], terms: Sequence[Term]
) -> Float[np.ndarray, "rows p"]:
    """Every term at every row, in float64.

    >>> rows = np.array([[2.0, 0.5]])
    >>> half = Factor(1, Operation.RECIPROCAL, 0.1)
    >>> products(rows, [(), (Factor(0, Operation.IDENTITY), half)]).tolist()
    [[1.0, 4.0]]
    """
    known: dict[Factor, np.ndarray] = {}
    out = np.ones((len(inputs), len(terms)))
    for j, term in enumerate(terms):
        for factor in term:
            if factor not in known:
                known[factor] = _column(inputs, factor)
            out[:, j] *= known[factor]
    return out
