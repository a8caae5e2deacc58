"""Partial correlations of all candidates with all targets from one correlation matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtr

from doworld.discover.numerics.standard import Standardised, Table
from doworld.discover.numerics.threads import all_threads
from doworld.discover.numerics.units import Units
from doworld.discover.time.results import INFLUENCE_LIMIT

__all__ = ["PartialTests", "partial_tests"]


@dataclass(frozen=True, eq=False)
class PartialTests:
    """Every column's partial regression on every outcome, given all the other columns.

    ``coefficient`` is standardised; ``score`` is the standard-normal equivalent of ``statistic``;
    ``residual`` is what the columns leave of the standardised outcomes; ``precision`` is the
    inverse of the columns' correlation matrix times the number of rows; ``spread`` holds the
    outcomes' standard deviations.
    """

    coefficient: Float[np.ndarray, "columns outcomes"]
    statistic: Float[np.ndarray, "columns outcomes"]
    score: Float[np.ndarray, "columns outcomes"]
    p_value: Float[np.ndarray, "columns outcomes"]
    gain: Float[np.ndarray, "columns outcomes"]
    influence: Float[np.ndarray, "units columns outcomes"]
    residual: Float[np.ndarray, "rows outcomes"]
    precision: Float[np.ndarray, "columns columns"]
    spread: Float[np.ndarray, " outcomes"]
    freedom: int


def normal_score(p_value: np.ndarray | float, sign: np.ndarray | float) -> Any:
    """The standard-normal value with the same two-sided p-value."""
    return -np.sign(sign) * ndtri(np.clip(p_value, 1e-300, 1.0) / 2)


def partial_tests(
    x: Standardised,
    outcomes: Table,
    units: Units,
    steady: np.ndarray,
    *,
    influences: bool = True,
) -> PartialTests:
    r"""Tests of β_ij = 0 in y_j = Σ_i β_ij x_i + ε_j for all i and j at once.

    With P = (XᵀX)⁻¹, β = P Xᵀy, and r_i = XP_i / P_ii the part of x_i that the other columns do
    not explain, the variance of β_ij that holds without equal noise everywhere is

        V_ij = Σ_t r_ti² e_tj² / (1 − h_t)² / (Σ_t r_ti²)²          (HC3; MacKinnon and White 1985)

    for all pairs one matrix product. Degrees of freedom follow from how few rows carry the
    variance (Satterthwaite), so an input that moved ten times counts as ten events. ``steady``
    columns, constant within episodes, get a variance from whole units instead of rows. Each unit's
    influence is kept where ``influences`` are wanted and not too many.
    """
    y = Standardised(outcomes)
    n, p, q = *x.table.shape, outcomes.shape[1]
    with all_threads(n * p * q):
        products = sum((x.part(rows).T @ y.part(rows) for rows in x.pieces), np.zeros((p, q)))
        precision = np.linalg.inv(x.square())
        coefficient = precision @ products
        detailed = (influences or steady.any()) and units.count * p * q <= INFLUENCE_LIMIT
        residual, sums = _sums(x, y, coefficient, precision, units if detailed else None)
    return _finish(coefficient, residual, precision, sums, steady=steady, spread=y.scale)


def _sums(
    x: Standardised,
    y: Standardised,
    coefficient: Float[np.ndarray, "columns outcomes"],
    precision: Float[np.ndarray, "columns columns"],
    units: Units | None,
) -> tuple[Float[np.ndarray, "rows outcomes"], "_Sums"]:
    """The residuals, and what the variances are made of; by unit where ``units`` are given."""
    shape, n = coefficient.shape, y.table.shape[0]
    residual = np.empty((n, shape[1]))
    second, fourth = np.zeros(shape), np.zeros(shape)
    influence = np.zeros((units.count if units else 0, *shape), np.float32)
    for rows in x.pieces:
        part = x.part(rows)
        residual[rows] = y.part(rows) - part @ coefficient
        apart = part @ precision
        leverage = np.minimum(np.einsum("ij,ij->i", apart, part) + 1 / n, 0.9)
        e = residual[rows] / (1 - leverage)[:, None]
        if units:
            for u in np.unique(units.unit[rows]):
                of = units.unit[rows] == u
                influence[u] += apart[of].T @ e[of]
        apart *= apart
        e *= e
        second += apart.T @ e
        apart *= apart
        e *= e
        fourth += apart.T @ e
    return residual, _Sums(second, fourth, influence)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over rows of the squared and fourth powers of r·e, and sums of r·e by unit."""

    second: Float[np.ndarray, "columns outcomes"]
    fourth: Float[np.ndarray, "columns outcomes"]
    influence: Float[np.ndarray, "units columns outcomes"]


def _finish(
    coefficient: np.ndarray,
    residual: np.ndarray,
    precision: np.ndarray,
    sums: _Sums,
    *,
    steady: np.ndarray,
    spread: np.ndarray,
) -> PartialTests:
    """Statistics and p-values from the accumulated sums."""
    freedom = len(residual) - len(precision) - 1
    influence = sums.influence
    tiny = np.finfo(float).tiny
    variance = np.maximum(sums.second, tiny)
    events = np.clip(3 * sums.second**2 / np.maximum(sums.fourth, tiny), 1.0, freedom)
    count = len(influence)
    if steady.any() and count > 2:
        clustered = (influence[:, steady].astype(float) ** 2).sum(0) * count / (count - 1)
        variance[steady] = np.maximum(clustered, tiny)
        events[steady] = count - 1
    error = np.sqrt(variance)
    statistic = coefficient / error
    p_value = 2 * stdtr(events, -np.abs(statistic))
    score = normal_score(p_value, statistic)
    plain = np.einsum("ij,ij->j", residual, residual) / freedom * np.diag(precision)[:, None]
    t2 = coefficient**2 / np.maximum(plain, tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = np.where(statistic == 0, 1.0, score / statistic) / error
        for part in influence:  # one unit at a time: all of them are the largest array there is
            part[:] = np.nan_to_num(part * turn)
    return PartialTests(
        coefficient,
        statistic,
        score,
        p_value,
        t2 / (t2 + freedom),
        influence,
        residual,
        precision,
        spread,
        freedom,
    )
