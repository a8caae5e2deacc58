"""How much an action varies given the state: what a log can tell apart from its logging policy.

For each action a the *free share* is the part of its variance that the state does not predict,

    free(a) = min over regressions f of  E[(a − f(s_t, s_{t−1}, c_t))²] / Var(a),

with s the states and c the contexts, estimated on held-out blocks of rows (5-fold). Categorical
actions are taken as indicators, whose summed variance is the Gini impurity. Three regressions that
fail in different places compete, and the best counts: ridge on squares, products and thresholds
(linear and gently curved laws), a regression tree (rules with thresholds) and nearest neighbours
(smooth laws of any shape). A free share near 0 means that "the action was a" and "the state was one
in which the policy does a" cannot be told apart (no overlap; Rosenbaum & Rubin 1983). In a static
table the states may be what the action brings about, so only contexts are regressed on.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from doworld.data.schema import Kind, Role, Variable
from doworld.data.trajectories import Trajectories

__all__ = ["Freedom", "freedom"]

_MOST_ROWS = 3000
_MOST_COLUMNS = 60
_FOLDS = 5
_FIXED, _NEARLY = 0.02, 0.1

Matrix = Float[np.ndarray, "rows columns"]
Targets = Float[np.ndarray, "rows outputs"]


@dataclass(frozen=True)
class Freedom:
    """How freely one action was chosen in a log.

    Attributes:
        name: the action.
        varies: whether it takes more than one value.
        free: share of its variance that the state does not predict, 0…1; NaN where there are too
            few rows to tell.
    """

    name: str
    varies: bool
    free: float

    @property
    def fixed(self) -> bool:
        """Whether it varies, but as a function of the state."""
        return self.varies and self.free < _FIXED

    @property
    def nearly_fixed(self) -> bool:
        """Whether it is almost a function of the state, though not quite."""
        return self.varies and _FIXED <= self.free < _NEARLY

    @property
    def verdict(self) -> str:
        """What the log cannot answer about this action, in one sentence; "" when all is well."""
        if not self.varies:
            return (
                f"{self.name} never varies: what it does, do({self.name}=…) and plans with it "
                "cannot be learned from this log"
            )
        if self.fixed:
            return (
                f"{self.name} is a function of the state (or the state of its row already shows "
                f"it): what do({self.name}=…), plans and counterfactuals that change {self.name} "
                "would do cannot be told apart from what the state itself does. Log runs in which "
                "it is varied at random"
            )
        if self.nearly_fixed:
            return (
                f"{self.name} is almost a function of the state ({self.free:.0%} is free): answers "
                f"that change {self.name} rest on few rows. Log runs in which it is varied"
            )
        return ""


def freedom(log: Trajectories) -> tuple[Freedom, ...]:
    """How freely each action of a log was chosen.

    >>> import polars as pl
    >>> x = np.random.default_rng(0).normal(size=300)
    >>> frame = pl.DataFrame({"t": range(300), "x": x, "u": (x > 0).astype(int)})
    >>> only, = freedom(Trajectories.from_frame(frame, state="x", action="u", time="t"))
    >>> only.free < 0.02
    True
    """
    names = log.schema.of(Role.ACTION)
    if not names:
        return ()
    rows, before = _rows(log)
    features = _features(log, rows, before)
    return tuple(_one(log, log.schema[name], rows, features) for name in names)


def _one(log: Trajectories, action: Variable, rows: np.ndarray, features: Matrix) -> Freedom:
    every = log.column(action.name)
    known = every[~np.isnan(every)]
    if len(known) and known.min() == known.max():
        return Freedom(action.name, False, 0.0)
    values = every[rows]
    there = ~np.isnan(values)
    if there.sum() < 30 or np.ptp(values[there]) == 0:
        return Freedom(action.name, True, float("nan"))
    targets = _targets(action, values[there])
    return Freedom(action.name, True, _free_share(features[there], targets))


def _rows(log: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose action led to a transition, at most ``_MOST_ROWS``, and the rows before them."""
    every = np.arange(log.rows)
    if log.schema.static:
        rows = before = every
    else:
        last, first = np.zeros((2, log.rows), bool)
        last[log.starts[1:] - 1] = first[log.starts[:-1]] = True
        rows = np.flatnonzero(~last & ~first)
        if len(rows) < 0.5 * log.transitions:
            rows = np.flatnonzero(~last)
        before = np.where(first[rows], rows, rows - 1)
    if len(rows) > _MOST_ROWS:
        # whole stretches, so that held-out blocks stay apart in time
        pick = np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64)
        rows, before = rows[pick], before[pick]
    return rows, before


def _features(log: Trajectories, rows: np.ndarray, before: np.ndarray) -> Matrix:
    """Standardised states now and one row earlier, and contexts now."""
    columns = []
    parts = [(Role.CONTEXT, rows)]
    if not log.schema.static:
        parts = [(Role.STATE, rows), (Role.CONTEXT, rows), (Role.STATE, before)]
    for role, which in parts:
        for i in log.schema.positions(role):
            variable, values = log.schema.variables[i], log.values[which, i]
            if variable.kind is Kind.CATEGORICAL and variable.levels <= 12:
                columns += [(values == code).astype(np.float64) for code in range(variable.levels)]
            else:
                columns.append(values)
    standard = [z for c in columns if (z := _standard(c)) is not None]
    if not standard:
        return np.zeros((len(rows), 0))
    return np.column_stack(standard[:_MOST_COLUMNS])


def _standard(column: np.ndarray) -> np.ndarray | None:
    known = ~np.isnan(column)
    if not known.any():
        return None
    centre, scale = column[known].mean(), column[known].std()
    if not scale > 1e-12 * max(abs(centre), 1e-300):
        return None
    return np.where(known, (column - centre) / scale, 0.0)


def _targets(action: Variable, values: np.ndarray) -> Targets:
    if action.kind is Kind.CATEGORICAL:
        codes, counts = np.unique(values, return_counts=True)
        codes = codes[np.argsort(-counts)][:12]
        return (values[:, None] == codes).astype(np.float64)
    if action.kind is Kind.BINARY:
        return values[:, None]
    return ((values - values.mean()) / values.std())[:, None]


def _free_share(features: Matrix, targets: Targets) -> float:
    """The best regression's held-out share of unexplained variance."""
    total = ((targets - targets.mean(axis=0)) ** 2).sum()
    if features.shape[1] == 0:
        return 1.0
    block = np.arange(len(targets)) * _FOLDS // len(targets)
    errors = np.zeros(3)
    for fold in range(_FOLDS):
        train, test = block != fold, block == fold
        x, y, at = features[train], targets[train], features[test]
        curved, curved_at = np.split(_ridge(x, y, np.concatenate([x, at])), [len(x)])
        slant = _direction(x, y)
        # with linear guesses as columns, the tree can also cut along a slanted boundary
        wide, wide_at = np.c_[x, curved, x @ slant], np.c_[at, curved_at, at @ slant]
        guesses = (curved_at, _tree(wide, y, wide_at), _neighbours(x, y, at))
        errors += [((targets[test] - guess) ** 2).sum() for guess in guesses]
    return float(min(errors.min() / total, 1.0))


def _ridge(x: Matrix, y: Targets, at: Float[np.ndarray, "others columns"]) -> np.ndarray:
    cuts = np.quantile(x, (0.2, 0.4, 0.6, 0.8), axis=0)

    def expand(z: np.ndarray) -> np.ndarray:
        z = np.clip(z, -6, 6)
        parts = [np.ones((len(z), 1)), z, z**2]
        parts += [(z > cut).astype(np.float64) for cut in cuts]
        parts += [np.maximum(z - cut, 0) for cut in cuts]
        if z.shape[1] <= 12:
            i, j = np.triu_indices(z.shape[1], 1)
            parts.append(z[:, i] * z[:, j])
        return np.concatenate(parts, axis=1)

    design = expand(x)
    gram = design.T @ design + 1e-3 * np.eye(design.shape[1])
    return expand(at) @ np.linalg.solve(gram, design.T @ y)


def _direction(x: Matrix, y: Targets) -> Float[np.ndarray, "columns outputs"]:
    """The direction along which each output changes: logistic regression for 0/1, else linear."""
    damp = 1e-3 * np.eye(x.shape[1])
    if not np.isin(y, (0, 1)).all():
        return np.linalg.solve(x.T @ x + damp, x.T @ y)
    found = np.zeros((x.shape[1], y.shape[1]))
    centre = x.mean(axis=0)
    z = x - centre
    for output in range(y.shape[1]):
        weight, bias = np.zeros(x.shape[1]), 0.0
        for _ in range(12):
            chance = 1 / (1 + np.exp(-np.clip(z @ weight + bias, -30, 30)))
            curve = np.maximum(chance * (1 - chance), 1e-4)
            rest = y[:, output] - chance
            weight = weight + np.linalg.solve(
                (z * curve[:, None]).T @ z + damp, z.T @ rest - 1e-3 * weight
            )
            bias += rest.sum() / curve.sum()
        found[:, output] = weight
    return found


def _neighbours(x: Matrix, y: Targets, at: Float[np.ndarray, "others columns"]) -> np.ndarray:
    _, near = KDTree(x).query(at, k=min(5, len(x)))
    return y[near.reshape(len(at), -1)].mean(axis=1)


def _tree(
    x: Matrix, y: Targets, at: Float[np.ndarray, "others columns"], depth: int = 6
) -> np.ndarray:
    """A regression tree's guess; splits minimise the squared error (Breiman et al. 1984)."""
    guess = np.tile(y.mean(axis=0), (len(at), 1))
    split = _split(x, y) if depth and len(y) >= 10 else None
    if split is None:
        return guess
    column, cut = split
    left, left_at = x[:, column] <= cut, at[:, column] <= cut
    for part, part_at in ((left, left_at), (~left, ~left_at)):
        if part_at.any():
            guess[part_at] = _tree(x[part], y[part], at[part_at], depth - 1)
    return guess


def _split(x: Matrix, y: Targets) -> tuple[int, float] | None:
    """The best column and threshold; None where no split helps."""
    count = len(y)
    order = np.argsort(x, axis=0, kind="stable")
    ordered = np.take_along_axis(x, order, axis=0)
    sums = np.cumsum(y[order], axis=0)[:-1]
    left = np.arange(1, count)[:, None, None]
    whole = y.sum(axis=0)
    gain = (sums**2 / left + (whole - sums) ** 2 / (count - left)).sum(axis=2)
    gain = np.where(ordered[1:] > ordered[:-1], gain, -np.inf)
    edge = min(3, count // 3)
    gain[:edge] = gain[count - 1 - edge :] = -np.inf
    row, column = np.unravel_index(int(gain.argmax()), gain.shape)
    base = (whole**2).sum() / count
    if not gain[row, column] > base + 1e-9 * max(float((y**2).sum()), 1e-300):
        return None
    return int(column), float((ordered[row, column] + ordered[row + 1, column]) / 2)
