r"""How surprising an outcome is, given its causes and what normal operation taught.

A linear regression with a Gaussian prior on its weights knows how little it knows where causes
stand as they never stood before: with everything in standard units and w ~ N(0, I),

    y* − E[y | x*]  ~  N(0, σ² (1 + 1/n) + x*ᵀ S x*),     S = (XᵀX / σ² + I)⁻¹

(Bishop 2006, "Pattern recognition and machine learning", §3.3; S_N there), σ² by repeated
substitution of the residual variance (MacKay 1992). An effect of a cause out of its range is
therefore no surprise, so that what is surprising points at the mechanism that changed.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld._core.errors import SchemaError
from doworld.data import Kind, Trajectories
from doworld.discover.numerics.samples import Cause, columns_of
from doworld.graph import CausalGraph

__all__ = ["FEWEST_ROWS", "Surprise", "same_variables", "surprises"]

FEWEST_ROWS = 20
"""Known rows of normal operation without which a mechanism is not judged."""
FOLDS = 5
ROUNDS = 6
LEAST_NOISE = 1e-6
"""Variance of the noise, in units of the outcome's own, below which it is taken as this."""


@dataclass(frozen=True, eq=False)
class Surprise:
    """A regression whose prediction errors are put in units of what it expects of them.

    Attributes:
        centre: mean of the inputs it was fitted to.
        level: mean of the outcome.
        weights: of the inputs.
        covariance: S, of the weights.
        noise: σ² (1 + 1/n).

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 1))
    >>> fitted = Surprise.of(x, x[:, 0] + 0.1 * rng.standard_normal(200))
    >>> near, far = fitted(np.array([[0.0], [30.0]]), np.array([1.0, 31.0]))
    >>> bool(near > 8), bool(far < 8)
    (True, True)
    """

    centre: Float[np.ndarray, " inputs"]
    level: float
    weights: Float[np.ndarray, " inputs"]
    covariance: Float[np.ndarray, "inputs inputs"]
    noise: float

    @classmethod
    def of(
        cls, inputs: Float[np.ndarray, "rows inputs"], outcome: Float[np.ndarray, " rows"]
    ) -> "Surprise":
        """The regression of complete rows in standard units."""
        centre, level = inputs.mean(0), float(outcome.mean())
        x, y = inputs - centre, outcome - level
        square, product = x.T @ x, x.T @ y
        noise = 1.0
        weights, covariance = np.zeros(x.shape[1]), np.eye(x.shape[1])
        for _ in range(ROUNDS):
            covariance = np.linalg.inv(square / noise + np.eye(len(square)))
            weights = covariance @ product / noise
            free = len(y) - 1 - float(np.sum(covariance * square)) / noise
            left = y - x @ weights
            noise = max(float(left @ left) / max(free, 1.0), LEAST_NOISE)
        return cls(centre, level, weights, covariance, noise * (1 + 1 / len(y)))

    def __call__(
        self, inputs: Float[np.ndarray, "rows inputs"], outcome: Float[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        """(y − E[y | x]) in units of the standard deviation that was expected of it."""
        x = inputs - self.centre
        variance = self.noise + np.einsum("ri,ij,rj->r", x, self.covariance, x)
        return (outcome - self.level - x @ self.weights) / np.sqrt(variance)


def _held_out(
    inputs: Float[np.ndarray, "rows inputs"],
    outcome: Float[np.ndarray, " rows"],
    known: Bool[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """The surprise of each known row under the regression of the others; NaN elsewhere.

    Folds are contiguous, so that neighbours in time do not stand for each other.
    """
    rows: Int[np.ndarray, " known"] = np.flatnonzero(known)
    fold = np.arange(len(rows)) * FOLDS // max(len(rows), 1)
    out = np.full(len(outcome), np.nan)
    for k in range(FOLDS):
        rest, held = rows[fold != k], rows[fold == k]
        out[held] = Surprise.of(inputs[rest], outcome[rest])(inputs[held], outcome[held])
    return out


def surprises(
    normal: Trajectories,
    log: Trajectories,
    name: str,
    causes: tuple[Cause, ...],
    *,
    online: bool = False,
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "others columns"]]:
    """How surprising ``name`` is in every row of both logs; NaN where it or its past is unknown.

    One column a column of the outcome. Units are those of the rows of both logs together, so that
    what never moved in normal operation has some; ``online`` takes those of normal operation alone
    and passes over rows in which a cause that never moved there does. Missing causes are taken at
    their mean. All NaN where normal operation has fewer than twenty rows.
    """
    n = normal.rows
    y = np.concatenate([_columns(normal, part, name) for part in (normal, log)])
    x = np.concatenate([_inputs(normal, part, causes) for part in (normal, log)])
    whole = np.concatenate([_has_past(part, causes) for part in (normal, log)])
    rows = slice(n if online else None)
    if online:
        still = np.nanmax(x[:n], 0, initial=-np.inf) <= np.nanmin(x[:n], 0, initial=np.inf)
        moved = still & (x != x[:1]) & np.isfinite(x)
        whole &= ~moved.any(1)
    y, x = _scaled(y, rows), np.nan_to_num(_scaled(x, rows))
    y[~whole] = np.nan
    usual, now = np.full(y[:n].shape, np.nan), np.full(y[n:].shape, np.nan)
    for j in range(y.shape[1]):
        known = np.isfinite(y[:n, j])
        if known.sum() >= FEWEST_ROWS:
            usual[:, j] = _held_out(x[:n], y[:n, j], known)
            now[:, j] = Surprise.of(x[:n][known], y[:n, j][known])(x[n:], y[n:, j])
    return usual, now


def same_variables(normal: Trajectories, log: Trajectories, graph: CausalGraph) -> None:
    """Raises ``SchemaError`` or ``UnknownNameError`` where logs and graph do not fit."""
    if normal.schema.variables != log.schema.variables:
        ours, theirs = set(normal.schema.names), set(log.schema.names)
        apart = ", ".join(sorted(ours ^ theirs)) or "roles, kinds or levels of some"
        raise SchemaError(
            f"the two logs do not have the same variables; they differ in {apart}. Select the "
            "columns that both have, and read both with one schema."
        )
    for name in graph.names:
        normal.schema.position(name)


def _columns(
    normal: Trajectories, log: Trajectories, name: str
) -> Float[np.ndarray, "rows columns"]:
    """The columns of a variable of ``log``, with the levels that normal operation has."""
    if normal.schema[name].kind is not Kind.CATEGORICAL:
        return columns_of(log, name)
    column, seen = log.aligned[:, log.schema.position(name)], normal.column(name)
    levels = np.unique(seen[np.isfinite(seen)])
    return np.where(np.isfinite(column)[:, None], column[:, None] == levels, np.nan)


def _inputs(
    normal: Trajectories, log: Trajectories, causes: tuple[Cause, ...]
) -> Float[np.ndarray, "rows inputs"]:
    parts = [np.zeros((log.rows, 0))]
    for name, lag in causes:
        columns = _columns(normal, log, name)
        before = np.full((lag, columns.shape[1]), np.nan)
        parts.append(np.concatenate([before, columns])[: log.rows])
    return np.concatenate(parts, 1)


def _has_past(log: Trajectories, causes: tuple[Cause, ...]) -> Bool[np.ndarray, " rows"]:
    since = np.arange(log.rows) - log.starts[log.episode_of_row]
    return since >= max((lag for _, lag in causes), default=0)


def _scaled(
    table: Float[np.ndarray, "rows columns"], rows: slice
) -> Float[np.ndarray, "rows columns"]:
    """Columns in units of their spread about their mean in ``rows``; 1 where there is none."""
    part = table[rows]
    known = np.isfinite(part)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, part, 0.0).sum(0) / count
    spread = np.sqrt((np.where(known, part - mean, 0.0) ** 2).sum(0) / count)
    level = np.abs(np.where(known, part, 0.0)).max(0, initial=0.0)
    return (table - mean) / np.where(spread > 1e-12 * level, spread, 1.0)
