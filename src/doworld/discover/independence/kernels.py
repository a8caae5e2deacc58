"""Kernels of the kernel test: Gaussian, and the fidelity of simulated quantum circuits."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex, Float

__all__ = ["Circuit", "Gaussian", "Kernel", "factor"]

TIE = 1e-6


@runtime_checkable
class Kernel(Protocol):
    """A positive semidefinite function of two rows with k(a, a) = 1."""

    def embed(self, rows: Float[np.ndarray, "rows columns"]) -> np.ndarray:
        """What the kernel compares of each row; columns have mean 0 and variance 1."""
        ...

    def overlap(self, a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "rows others"]:
        """k for all pairs of embedded rows."""
        ...


@dataclass(frozen=True)
class Gaussian:
    r"""k(a, b) = exp(−‖a − b‖² / 2 p σ²) of rows with p columns; σ is ``width``.

    >>> float(Gaussian(1.0).overlap(np.zeros((1, 2)), np.ones((1, 2)))[0, 0].round(3))
    0.607
    """

    width: float = 1.0

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """The rows themselves."""
        return rows

    def overlap(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """See ``Kernel``."""
        apart = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        return np.exp(-np.maximum(apart, 0.0) / (2 * a.shape[1] * self.width**2))


@dataclass(frozen=True)
class Circuit:
    r"""k(a, b) = |⟨ψ(a)|ψ(b)⟩|², the fidelity of the states that a circuit makes of two rows.

    Each of ``layers`` turns every qubit q by R_y and then R_z through angles of ``scale`` times one
    of the row's columns, each in turn, and then flips the phase of neighbouring qubits that are
    both 1 (controlled Z, in a ring): an angle-encoding feature map with data re-uploading (Havlíček
    et al. 2019; Schuld 2021). The 2^qubits amplitudes are simulated. It is bounded and periodic, so
    a few far-out rows among very few do not rule it.

    >>> state = Circuit(qubits=2).embed(np.array([[0.3], [0.3], [2.0]]))
    >>> Circuit(qubits=2).overlap(state, state).round(3)[0].tolist()[:2]
    [1.0, 1.0]
    """

    qubits: int = 3
    layers: int = 2
    scale: float = 0.6

    def overlap(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """See ``Kernel``."""
        return np.abs(a.conj() @ b.T) ** 2

    def embed(self, rows: np.ndarray) -> Complex[np.ndarray, "rows amplitudes"]:
        """The state vector of each row."""
        n, p = rows.shape
        width = max(self.qubits, p)
        state = np.zeros((n, 2**width), complex)
        state[:, 0] = 1
        sign = _phases(width)
        for layer in range(self.layers):
            for q in range(width):
                angle = self.scale * rows[:, (q + layer) % p]
                state = _turned(state, q, np.pi / 4 + angle / 2, angle * (1 + q % 2))
            state = state * sign
        return state


def _turned(state: np.ndarray, qubit: int, half: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """R_y(2 · half) and then R_z(phase) on one qubit of each row's state."""
    n = len(state)
    pair = state.reshape(n, 2**qubit, 2, -1)
    c, s = np.cos(half)[:, None, None], np.sin(half)[:, None, None]
    turn = np.exp(-0.5j * phase)[:, None, None]
    zero = turn * (c * pair[:, :, 0] - s * pair[:, :, 1])
    one = turn.conj() * (s * pair[:, :, 0] + c * pair[:, :, 1])
    return np.stack([zero, one], 2).reshape(n, -1)


def _phases(qubits: int) -> Float[np.ndarray, " amplitudes"]:
    """±1 by amplitude: controlled Z between neighbours in a ring."""
    one = (np.arange(2**qubits)[:, None] >> np.arange(qubits)) & 1
    pairs = one & np.roll(one, 1, axis=1) if qubits > 2 else one[:, :1] & one[:, 1:]
    return 1.0 - 2.0 * (pairs.sum(1) % 2)


def factor(
    kernel: Kernel, rows: Float[np.ndarray, "rows columns"], most: int, tolerance: float = 1e-4
) -> Float[np.ndarray, "rows rank"]:
    """L with L Lᵀ ≈ the kernel matrix, by pivoted incomplete Cholesky (Fine & Scheinberg 2001).

    At most ``most`` columns, or until no row's own entry is off by more than ``tolerance``. The
    first pivot is the row farthest out, which also breaks ties, so the order of the rows does not
    matter.
    """
    n, seen = len(rows), kernel.embed(rows)
    left = np.ones(n)
    out = np.zeros((n, min(most, n)))
    far = (rows**2).sum(1)
    far = TIE * far / max(float(far.max()), 1e-300)
    pivot = int(np.argmax(far))
    for k in range(out.shape[1]):
        column = kernel.overlap(seen, seen[pivot : pivot + 1])[:, 0] - out[:, :k] @ out[pivot, :k]
        out[:, k] = column / np.sqrt(left[pivot])
        left = np.maximum(left - out[:, k] ** 2, 0.0)
        pivot = int(np.argmax(left + far))
        if left[pivot] < tolerance:
            return out[:, : k + 1]
    return out
