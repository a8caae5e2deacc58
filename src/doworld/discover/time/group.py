"""Whether a source matters at all: all its lags together, where single lags hide each other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld.discover.numerics.standard import standardise
from doworld.discover.numerics.units import Units
from doworld.discover.time.design import Block

__all__ = ["GROUP_TEST", "GroupTest", "group_tests"]

GROUP_TEST = "held-out loss without all its lags (signed ranks over blocks); effect: share of loss"
FOLDS = 5
MOST_SOURCES = 30
FEWEST_UNITS = 12
RIDGE = 1e-6
RESAMPLES = 200


@dataclass(frozen=True)
class GroupTest:
    """One source and target: p-value, share of held-out loss, and how often resampling agrees."""

    source: str
    target: int
    p_value: float
    gain: float
    probability: float


def group_tests(block: Block, budget: Budget = UNLIMITED) -> list[GroupTest]:
    """Tests every source that has several lags against every target but itself.

    With L⁻ and L the held-out squared losses per block without and with all lags of the source,
    the signed-rank test (Wilcoxon 1945) asks whether L⁻ − L tends to be positive. A source that
    adds nothing makes held-out losses worse, so the test errs on the safe side, and a few violent
    blocks weigh no more than others. Nothing is tested for more than 30 sources.
    """
    lags: dict[str, list[int]] = {}
    for i, candidate in enumerate(block.candidates):
        lags.setdefault(candidate.name, []).append(i)
    several = {name: own for name, own in lags.items() if len(own) > 1}
    if not several or len(lags) > MOST_SOURCES or block.units.count < FEWEST_UNITS:
        return []
    x, _ = standardise(block.inputs)
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    folded = _Folded(x, block.units, np.random.default_rng(0).permutation(block.units.count))
    models: dict[bytes, _Model] = {}
    asked: list[tuple[str, int]] = []
    gained: list[np.ndarray] = []
    losses: list[float] = []
    for t, target in enumerate(block.targets):
        if budget.over():
            budget.cut("no tests of all lags of a source together")
            break
        if len(target.columns) != 1:
            continue
        allowed = block.allowed[:, t]
        model = models.get(allowed.tobytes())
        if model is None:
            kept = block.columns_of(np.flatnonzero(allowed).tolist())
            model = models[allowed.tobytes()] = _Model.of(folded, [*kept, x.shape[1] - 1])
        error, weights = model.fit(block.increments([target.columns[0]])[:][:, 0])
        whole = folded.by_unit(error**2)
        for name, own in several.items():
            tried = block.columns_of([i for i in own if allowed[i]])
            if name == target.name or not tried:
                continue
            without = folded.by_unit((error + model.lost(weights, tried)) ** 2)
            asked.append((name, t))
            gained.append(without - whole)
            losses.append(float(without.sum()))
    return _tested(asked, np.array(gained), np.array(losses)) if asked else []


@dataclass(frozen=True, eq=False)
class _Folded:
    """A table whose units are dealt into folds, and sums over it."""

    x: Float[np.ndarray, "rows columns"]
    units: Units
    order: np.ndarray

    @cached_property
    def held(self) -> tuple[np.ndarray, ...]:
        """The rows of each fold."""
        fold = (self.order % FOLDS)[self.units.unit]
        return tuple(np.flatnonzero(fold == k) for k in range(FOLDS))

    @cached_property
    def grams(self) -> tuple[np.ndarray, ...]:
        """XᵀX of each fold."""
        return tuple(self.x[rows].T @ self.x[rows] for rows in self.held)

    def by_unit(self, of_rows: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " units"]:
        """Means over units."""
        size = np.bincount(self.units.unit, minlength=self.units.count)
        total = np.bincount(self.units.unit, of_rows, minlength=self.units.count)
        return total / np.maximum(size, 1)


@dataclass(frozen=True, eq=False)
class _Model:
    """Ridge regressions on some columns, fitted without each fold in turn.

    With P = (XᵀX + λI)⁻¹ of the other folds and w = PXᵀy, leaving out the columns S gives the
    weights w − P_S P_SS⁻¹ w_S, so that its errors need no further fit.
    """

    folded: _Folded
    columns: list[int]
    inverses: tuple[np.ndarray, ...]
    spread: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, folded: _Folded, columns: list[int]) -> "_Model":
        total = sum(folded.grams)
        penalty = RIDGE * len(folded.x) * np.eye(len(columns))
        own = np.ix_(columns, columns)
        inverses = tuple(np.linalg.inv((total - g)[own] + penalty) for g in folded.grams)
        held = zip(folded.held, inverses, strict=True)
        spread = tuple(folded.x[rows][:, columns] @ inverse for rows, inverse in held)
        return cls(folded, columns, inverses, spread)

    def fit(self, y: Float[np.ndarray, " rows"]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Held-out errors, and the weights of each fold."""
        x, held = self.folded.x[:, self.columns], self.folded.held
        products = [x[rows].T @ y[rows] for rows in held]
        total = sum(products)
        weights = [p @ (total - own) for p, own in zip(self.inverses, products, strict=True)]
        error = np.empty_like(y)
        for rows, weight in zip(held, weights, strict=True):
            error[rows] = y[rows] - x[rows] @ weight
        return error, weights

    def lost(self, weights: list[np.ndarray], gone: list[int]) -> Float[np.ndarray, " rows"]:
        """What the held-out errors rise by without the columns ``gone``."""
        at = [self.columns.index(c) for c in gone]
        out = np.empty(len(self.folded.x))
        parts = zip(self.folded.held, self.inverses, self.spread, weights, strict=True)
        for rows, inverse, spread, weight in parts:
            out[rows] = spread[:, at] @ np.linalg.solve(inverse[np.ix_(at, at)], weight[at])
        return out


def _tested(
    asked: list[tuple[str, int]], gained: Float[np.ndarray, "pairs units"], losses: np.ndarray
) -> list[GroupTest]:
    """Signed ranks of what the losses rise by, all pairs at once, and how often draws agree."""
    p = np.ones(len(asked))
    some = np.asarray(gained.any(1))
    if some.any():
        ranks = stats.wilcoxon(gained[some], alternative="greater", axis=1)
        p[some] = ranks.pvalue  # type: ignore[union-attr]
    size = gained.shape[1]
    draws = np.random.default_rng(1).integers(size, size=(RESAMPLES, size))
    agrees = [float(np.mean(np.median(g[draws], axis=1) > 0)) for g in gained]
    gain = np.where(some, gained.sum(1) / np.where(some, losses, 1.0), 0.0)
    return [
        GroupTest(name, t, float(p[k]), float(gain[k]), agrees[k] if some[k] else 0.0)
        for k, (name, t) in enumerate(asked)
    ]
