"""The linear program itself: the least and greatest value that fits the cells."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack, vstack

__all__ = ["Constraints", "nearest", "solve"]

OFF = 1e-9
"""Slack of an equality, for rounding in the observed frequencies."""


@dataclass(frozen=True, eq=False)
class Constraints:
    """low ≤ A q ≤ high, q ≥ 0, Σ q = 1; A has a 1 where a type falls into a cell.

    Attributes:
        cells: the cell that each type falls into, by context.
        low, high: of each cell; contexts one after the other.
    """

    cells: Int[np.ndarray, "types contexts"]
    low: Float[np.ndarray, " cells"]
    high: Float[np.ndarray, " cells"]

    def matrix(self) -> csr_array:
        """A."""
        types, contexts = self.cells.shape
        columns = np.repeat(np.arange(types), contexts)
        ones = np.ones(types * contexts)
        shape = (len(self.low), types)
        return coo_array((ones, (self.cells.ravel(), columns)), shape=shape).tocsr()


def nearest(constraints: Constraints, value: Float[np.ndarray, " cells"]) -> np.ndarray:
    """The cells closest to ``value``, by the sum of differences, that some types can have."""
    a = constraints.matrix()
    cells, types = len(constraints.low), len(constraints.cells)
    slack = coo_array(np.eye(cells)) if cells else coo_array((0, 0))
    cost = np.concatenate([np.zeros(types), np.ones(2 * cells)])
    total = coo_array(np.concatenate([np.ones(types), np.zeros(2 * cells)])[None])
    equal = vstack([hstack([a, slack, -slack]), total]).tocsr()
    found = linprog(cost, A_eq=equal, b_eq=[*value, 1.0], method="highs")
    return a @ found.x[:types]


def solve(
    constraints: Constraints,
    objective: Float[np.ndarray, " types"],
    evidence: tuple[Float[np.ndarray, " types"], Float[np.ndarray, " types"]] | None = None,
) -> float | None:
    """min c·q, or min c·q / d·q for some d between the two of ``evidence``; None if nothing fits.

    The ratio becomes linear in y = t q with d·y = 1 (Charnes & Cooper 1962).
    """
    a, types = constraints.matrix(), len(constraints.cells)
    low, high = constraints.low[:, None], constraints.high[:, None]
    above, below = np.maximum(low - OFF, 0.0), high + OFF
    if evidence is None:
        found = linprog(
            objective,
            A_ub=vstack([a, -a]) if len(low) else None,
            b_ub=np.concatenate([below, -above])[:, 0] if len(low) else None,
            A_eq=np.ones((1, types)),
            b_eq=[1.0],
            method="highs",
        )
        return float(found.fun) if found.status == 0 else None
    least, most = evidence
    rows = [
        hstack([a, coo_array(-below)]),
        hstack([-a, coo_array(above)]),
        coo_array(np.append(least, 0.0)[None]),
        coo_array(-np.append(most, 0.0)[None]),
    ]
    limits = np.concatenate([np.zeros(2 * len(low)), [1.0, -1.0]])
    total = np.append(np.ones(types), -1.0)[None]
    found = linprog(
        np.append(objective, 0.0),
        A_ub=vstack(rows).tocsr(),
        b_ub=limits,
        A_eq=total,
        b_eq=[0.0],
        method="highs",
    )
    return float(found.fun) if found.status == 0 else None
