"""Whether a source matters at all: all its lags together, where single lags hide each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld.discover.numerics.standard import standardise
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
    fold = np.random.default_rng(0).permutation(block.units.count) % FOLDS
    grams = [x[rows].T @ x[rows] for rows in (fold[block.units.unit] == k for k in range(FOLDS))]
    out = []
    for t, target in enumerate(block.targets):
        if budget.over():
            budget.cut("no tests of all lags of a source together")
            break
        if len(target.columns) != 1:
            continue
        column = target.columns[0]
        y = block.increments([column])[:][:, 0]
        allowed = [i for i in range(len(block.candidates)) if block.allowed[i, t]]
        whole = _losses(x, y, grams, fold, block=block, kept=allowed)
        for name, own in several.items():
            tried = [i for i in own if i in allowed]
            if name == target.name or not tried:
                continue
            rest = [i for i in allowed if i not in tried]
            without = _losses(x, y, grams, fold, block=block, kept=rest)
            out.append(_test(name, t, without - whole, without))
    return out


def _losses(x, y, grams, fold, *, block: Block, kept: list[int]) -> Float[np.ndarray, " units"]:
    """Mean squared held-out error of each unit, by ridge on the candidates ``kept``."""
    columns = np.array([*block.columns_of(kept), x.shape[1] - 1])
    total = sum(grams)
    penalty = RIDGE * len(x) * np.eye(len(columns))
    squared = np.empty_like(y)
    for k, gram in enumerate(grams):
        out = fold[block.units.unit] == k
        inner = (total - gram)[np.ix_(columns, columns)]
        weight = np.linalg.solve(inner + penalty, x[~out][:, columns].T @ y[~out])
        squared[out] = (y[out] - x[out][:, columns] @ weight) ** 2
    count = np.bincount(block.units.unit, minlength=block.units.count)
    summed = np.bincount(block.units.unit, squared, minlength=block.units.count)
    return summed / np.maximum(count, 1)


def _test(name: str, target: int, gained: np.ndarray, without: np.ndarray) -> GroupTest:
    if not np.any(gained):
        return GroupTest(name, target, 1.0, 0.0, 0.0)
    p = float(stats.wilcoxon(gained, alternative="greater").pvalue)  # type: ignore[union-attr]
    draws = np.random.default_rng(1).integers(len(gained), size=(RESAMPLES, len(gained)))
    agrees = float(np.mean(np.median(gained[draws], axis=1) > 0))
    return GroupTest(name, target, p, float(gained.sum() / without.sum()), agrees)
