r"""Linear mechanisms of what acts on a target, and what a few odd rows say of them.

In standard units, with priors as in ``doworld.discover.monitoring.predictive``,

    z_j = b_j + w_jᵀ pa_j + ε_j,    w_j | normal rows ~ N(ŵ_j, S_j),    ε_j ~ N(0, σ_j²).

An odd row may be due to ε_j or to w_j being not quite ŵ_j where its causes never stood before. The
posterior means of both given the odd rows split the surprise r = z − b − ŵᵀpa between them,

    g = (X S Xᵀ + σ² I)⁻¹ r,    w = ŵ + S Xᵀ g,    ε = σ² g,

so that what a cause out of its range may do to its effect is not taken for the effect's own noise.
Positive, strongly skewed variables (times, counts) are taken by their logarithm.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Schema, Trajectories
from doworld.discover.monitoring.predictive import FEWEST_ROWS, Surprise
from doworld.graph import CausalGraph

__all__ = ["Abducted", "Scaled", "abducted", "gradient", "lagged"]

SKEWED = 2.0
"""Skewness of normal operation above which a positive variable is taken by its logarithm."""

Cell = tuple[str, int]
"""A cause and its lag."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """Both logs in units of their joint spread about the mean of normal operation.

    Attributes:
        usual, now: the rows of normal operation and the others.
        logged: variables taken by their logarithm.
        spread: what 1 stands for in a variable's own (or logarithmic) units.
    """

    usual: Float[np.ndarray, "rows variables"]
    now: Float[np.ndarray, "others variables"]
    logged: frozenset[str]
    spread: Float[np.ndarray, " variables"]

    @classmethod
    def of(cls, normal: Trajectories, other: Trajectories) -> "Scaled":
        """Categorical variables count by their codes, as one number."""
        count = normal.rows
        raw = np.concatenate([normal.aligned, other.aligned]).astype(float)
        logged = []
        for i, variable in enumerate(normal.schema.variables):
            known = raw[:count, i][np.isfinite(raw[:count, i])]
            if variable.kind in (Kind.CONTINUOUS, Kind.COUNT) and _skewed(known):
                least = 0.1 * float(np.median(known[known > 0]))
                raw[:, i] = np.log(np.maximum(raw[:, i], 0.0) + least)
                logged.append(variable.name)
        known = np.isfinite(raw)
        filled = np.where(known, raw, 0.0)
        usual = np.maximum(known[:count].sum(0), 1)
        mean = filled[:count].sum(0) / usual
        middle = filled.sum(0) / np.maximum(known.sum(0), 1)
        square = np.where(known, raw - middle, 0.0) ** 2
        spread = np.sqrt(square.sum(0) / np.maximum(known.sum(0), 1))
        spread = np.where(spread > 1e-12 * np.abs(filled).max(0, initial=0.0), spread, 1.0)
        table = (raw - mean) / spread
        return cls(table[:count], table[count:], frozenset(logged), spread)


def _skewed(known: np.ndarray) -> bool:
    if len(known) < FEWEST_ROWS or known.min() < 0 or known.std() <= 1e-12 * abs(known.max()):
        return False
    return float(np.mean(((known - known.mean()) / known.std()) ** 3)) > SKEWED


@dataclass(frozen=True, eq=False)
class Abducted:
    """One mechanism after the odd rows.

    Attributes:
        causes: names and lags.
        weights: w.
        root: S^½ after the odd rows, to draw weights by.
        inputs: the causes in each odd row.
        own: what the causes do not bring, b + ε, in each odd row.
        usual: the same in normal operation, about b; known rows only.
        known: whether there is anything to judge by.
    """

    causes: tuple[Cell, ...]
    weights: Float[np.ndarray, " causes"]
    root: Float[np.ndarray, "causes causes"]
    inputs: Float[np.ndarray, "others causes"]
    own: Float[np.ndarray, " others"]
    usual: Float[np.ndarray, " rows"]
    known: bool

    def drawn(
        self, noise: Float[np.ndarray, " causes"]
    ) -> tuple[Float[np.ndarray, " causes"], Float[np.ndarray, " others"]]:
        """Other weights that are as likely, and what the causes then do not bring."""
        change = self.root @ noise
        return self.weights + change, self.own - self.inputs @ change


def abducted(
    scaled: Scaled, schema: Schema, graph: CausalGraph, target: str
) -> tuple[dict[str, Abducted], Float[np.ndarray, "others variables"]]:
    """The mechanisms of a target and its ancestors, and the odd rows with gaps predicted.

    A missing cause stands at its mean in normal operation, and at its prediction in odd rows; what
    has fewer than twenty normal rows stays at its mean. What came before the first row is unknown.
    """
    levels = graph.levels()
    names = sorted(graph.ancestors(target) | {target}, key=lambda n: (levels[n], n))
    usual, now = np.nan_to_num(scaled.usual), scaled.now.copy()
    for i in range(now.shape[1]):
        if np.isfinite(scaled.usual[:, i]).sum() < FEWEST_ROWS:
            now[:, i] = 0.0
    out = {}
    for name in names:
        i, causes = schema.position(name), graph.parents(name)
        past = lagged(usual, schema, causes)
        known = np.isfinite(scaled.usual[:, i])
        if known.sum() < FEWEST_ROWS:
            nothing = np.zeros((len(now), len(causes)))
            flat = np.zeros((len(causes), len(causes)))
            zero = np.zeros(len(causes))
            out[name] = Abducted(causes, zero, flat, nothing, now[:, i], np.zeros(1), False)
            continue
        fit = Surprise.of(past[known], scaled.usual[known, i])
        inputs = lagged(np.nan_to_num(now), schema, causes)
        gap = ~np.isfinite(now[:, i])
        now[gap, i] = (fit.level + (inputs - fit.centre) @ fit.weights)[gap]
        residual = scaled.usual[known, i] - fit.level - (past[known] - fit.centre) @ fit.weights
        out[name] = _updated(fit, causes, inputs, now[:, i], ~gap, residual)
    return out, now


def _updated(
    fit: Surprise,
    causes: tuple[Cell, ...],
    inputs: np.ndarray,
    outcome: np.ndarray,
    known: np.ndarray,
    usual: np.ndarray,
) -> Abducted:
    """The posterior mean of weights and noise, given the odd rows."""
    x = (inputs - fit.centre)[known]
    surprise = outcome[known] - fit.level - x @ fit.weights
    gain = fit.covariance @ x.T
    whole = x @ gain + fit.noise * np.eye(len(x))
    weights, covariance = fit.weights, fit.covariance
    if len(x):
        weights = weights + gain @ np.linalg.solve(whole, surprise)
        covariance = covariance - gain @ np.linalg.solve(whole, gain.T)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return Abducted(causes, weights, root, inputs, outcome - inputs @ weights, usual, True)


def lagged(rows: np.ndarray, schema: Schema, causes: tuple[Cell, ...]) -> np.ndarray:
    """The causes of each row; what came before the first stands at its mean, 0."""
    out = np.zeros((len(rows), len(causes)))
    for k, (name, lag) in enumerate(causes):
        out[lag:, k] = rows[: len(rows) - lag, schema.position(name)]
    return out


def gradient(
    weights: Mapping[str, tuple[tuple[Cell, ...], Float[np.ndarray, " causes"]]],
    order: tuple[str, ...],
    target: str,
    rows: Float[np.ndarray, " others"],
) -> dict[str, Float[np.ndarray, " others"]]:
    """∂ Σ_t rows_t z_target,t / ∂ z_j,t by variable: how far a push in one row comes through.

    ``order`` has causes before effects within a row.
    """
    count = len(rows)
    out = {name: np.zeros(count) for name in order}
    out[target] = np.array(rows, float)
    for t in range(count - 1, -1, -1):
        for name in reversed(order):
            force = out[name][t]
            if not force:
                continue
            for (cause, lag), w in zip(*weights[name], strict=True):
                if t >= lag and cause in out:
                    out[cause][t - lag] += force * w
    return out
