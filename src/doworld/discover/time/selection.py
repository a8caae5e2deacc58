"""Parents by forward selection where there are too many candidates for the rows."""

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr

from doworld.discover.numerics.standard import Standardised, Table, standardise
from doworld.discover.numerics.units import Units
from doworld.discover.time.linear import PartialTests, normal_score, partial_tests

__all__ = ["selected_tests"]

MOST_PARENTS = 25
ENTRY_LEVEL = 0.05
STAY_LEVEL = 0.01


def select_parents(
    square: Float[np.ndarray, "columns columns"],
    product: Float[np.ndarray, " columns"],
    rows: int,
    level: float,
) -> list[int]:
    """Forward selection on a correlation matrix, then backward pruning.

    The column with the largest partial correlation enters while its p-value is below
    ``level`` / columns; at the end columns above ``STAY_LEVEL`` leave.
    """
    columns = len(product)
    limit = min(MOST_PARENTS, max(1, rows // 8))
    free = np.ones(columns, bool)
    kept: list[int] = []
    while len(kept) < limit:
        part, left = product.copy(), np.ones(columns)
        unexplained = 1.0
        if kept:
            inverse = np.linalg.inv(square[np.ix_(kept, kept)])
            cross = square[:, kept] @ inverse
            part = product - cross @ product[kept]
            left = 1 - np.einsum("ij,ij->i", cross, square[:, kept])
            unexplained = 1 - float(product[kept] @ inverse @ product[kept])
        usable = free & (left > 1e-8)
        if unexplained <= 1e-12 or not usable.any():
            break
        partial = np.where(usable, part / np.sqrt(np.maximum(left * unexplained, 1e-300)), 0.0)
        best = int(np.argmax(np.abs(partial)))
        r = min(abs(partial[best]), 1 - 1e-15)
        freedom = max(rows - len(kept) - 2, 1)
        if 2 * stdtr(freedom, -r * np.sqrt(freedom / (1 - r * r))) > level / columns:
            break
        kept.append(best)
        free[best] = False
    return _prune(square, product, rows, kept)


def _prune(square, product, rows: int, kept: list[int]) -> list[int]:
    while kept:
        inverse = np.linalg.inv(square[np.ix_(kept, kept)])
        weights = inverse @ product[kept]
        freedom = max(rows - len(kept) - 1, 1)
        noise = max(1 - float(product[kept] @ weights), 1e-15) / freedom
        t = np.abs(weights) / np.sqrt(noise * np.diag(inverse))
        worst = int(np.argmin(t))
        if 2 * stdtr(freedom, -t[worst]) <= STAY_LEVEL:
            break
        kept = kept[:worst] + kept[worst + 1 :]
    return kept


def selected_tests(
    inputs: Standardised,
    outcomes: Table,
    units: Units,
    steady: np.ndarray,
) -> PartialTests:
    """Each column's partial correlation with each outcome given the outcome's selected parents.

    Parents first, then a conditional test of every candidate, is the order of PCMCI (Runge et al.
    2019); the parents hold the outcome's own past, so autocorrelation does not inflate the tests.
    Selected columns get the variance of ``partial_tests``, the others the classical one.
    """
    x = inputs.part(slice(None))
    y, spread = standardise(outcomes[:])
    n, p = x.shape
    square, products = x.T @ x / n, x.T @ y / n
    shape = products.shape
    coefficient, statistic, p_value = np.zeros(shape), np.zeros(shape), np.ones(shape)
    gain = np.zeros(shape)
    residual = np.empty_like(y)
    for j in range(y.shape[1]):
        kept = select_parents(square, products[:, j], n, ENTRY_LEVEL)
        inner = None
        if kept:
            own = Standardised(x[:, kept])
            inner = partial_tests(own, y[:, [j]], units, steady[kept], influences=False)
        residual[:, j] = inner.residual[:, 0] if inner else y[:, j]
        beta, t, freedom = _outside(square, products[:, j], kept, n)
        coefficient[:, j], statistic[:, j] = beta, t
        p_value[:, j] = 2 * stdtr(freedom, -np.abs(t))
        gain[:, j] = t**2 / (t**2 + freedom)
        if inner:
            coefficient[kept, j] = inner.coefficient[:, 0]
            statistic[kept, j] = inner.statistic[:, 0]
            p_value[kept, j] = inner.p_value[:, 0]
            gain[kept, j] = inner.gain[:, 0]
    return PartialTests(
        coefficient=coefficient,
        statistic=statistic,
        score=normal_score(p_value, statistic),
        p_value=p_value,
        gain=gain,
        influence=np.zeros((0, *shape), np.float32),
        residual=residual,
        precision=np.eye(p) / n,
        spread=spread,
        freedom=n - 2,
    )


def _outside(square, product, kept: list[int], n: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Coefficient and t statistic of every column given ``kept``; 0 where that explains it."""
    freedom = max(n - len(kept) - 2, 1)
    left, part, unexplained = np.ones(len(product)), product, 1.0
    if kept:
        cross = square[:, kept] @ np.linalg.inv(square[np.ix_(kept, kept)])
        left = 1 - np.einsum("ij,ij->i", cross, square[:, kept])
        part = product - cross @ product[kept]
        unexplained = max(
            1 - float(product[kept] @ np.linalg.solve(square[np.ix_(kept, kept)], product[kept])),
            1e-15,
        )
    usable = left > 1e-8
    left = np.where(usable, left, 1.0)
    beta = np.where(usable, part / left, 0.0)
    r = np.clip(np.where(usable, part / np.sqrt(left * unexplained), 0.0), -1 + 1e-15, 1 - 1e-15)
    return beta, r * np.sqrt(freedom / (1 - r**2)), freedom
