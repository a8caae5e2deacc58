"""Effects of levels: doubly robust scores, cross-fitted, beside the plain estimators."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.infer.effects.learners import Features, folds, logistic, odds, ridge
from doworld.infer.effects.sample import Sample

__all__ = ["Estimate", "Nuisance", "estimates", "mean_of", "nuisance", "scores", "smallest"]

FOLDS = 5


def smallest(rows: int) -> float:
    """What propensities are at least taken to be: 5/(√n ln n) (Gruber et al. 2022).

    >>> round(smallest(1000), 3)
    0.023
    """
    return min(0.1, float(5 / (np.sqrt(max(rows, 3)) * np.log(max(rows, 3)))))


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error."""

    value: float
    error: float

    def interval(self, level: float) -> tuple[float, float]:
        """The normal interval of that level."""
        from scipy.stats import norm

        half = float(norm.ppf(0.5 + level / 2)) * self.error
        return self.value - half, self.value + half


@dataclass(frozen=True, eq=False)
class Nuisance:
    """What the comparison is computed with, each row predicted by fits that never saw its unit.

    Attributes:
        chosen: which of the levels compared each row has; −1 for another one.
        outcome: μ_a(x), the expected outcome under each level.
        propensity: e_a(x), the probability of each level, not clipped.
    """

    chosen: Int[np.ndarray, " rows"]
    outcome: Float[np.ndarray, "rows levels"]
    propensity: Float[np.ndarray, "rows levels"]

    def part(self, keep: np.ndarray) -> "Nuisance":
        """Some of the rows."""
        return Nuisance(self.chosen[keep], self.outcome[keep], self.propensity[keep])


def nuisance(
    sample: Sample, levels: Float[np.ndarray, " levels"], *, seed: int, repeats: int = 1
) -> Nuisance:
    """Cross-fitted outcome regressions by level and propensities (Chernozhukov et al. 2018).

    The splits are drawn ``repeats`` times and predictions averaged, so that no single split
    decides.
    """
    chosen = np.full(len(sample), -1)
    for k, level in enumerate(levels):
        chosen[sample.treatment == level] = k
    features = Features.of(sample.covariates)
    binary = bool(np.isin(sample.outcome, (0.0, 1.0)).all())
    outcome = np.zeros((len(sample), len(levels)))
    propensity = np.zeros((len(sample), len(levels)))
    rest = bool((chosen < 0).any())
    codes = np.where(chosen < 0, len(levels), chosen)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat, 3])
        fold = folds(sample.unit, FOLDS, rng)
        for k in range(FOLDS):
            held, train = fold == k, fold != k
            if not held.any():
                continue
            p = odds(features.table[train], codes[train], features.table[held], len(levels) + rest)
            propensity[held] += p[:, : len(levels)] / repeats
            for j in range(len(levels)):
                own = train & (chosen == j)
                outcome[held, j] += _outcome(features, sample.outcome, own, held, binary) / repeats
    return Nuisance(chosen, outcome, propensity)


def _outcome(
    features: Features, y: np.ndarray, own: np.ndarray, held: np.ndarray, binary: bool
) -> np.ndarray:
    if not own.any():
        return np.full(int(held.sum()), float(y.mean()))
    table = features.table if own.sum() > 3 * features.table.shape[1] else features.plain
    if binary:
        return logistic(table[own], y[own] > 0.5, table[held])
    return ridge(table[own], y[own], table[held])


def scores(sample: Sample, fitted: Nuisance) -> Float[np.ndarray, "rows levels"]:
    r"""φ_a = μ_a(x) + 1[A = a]/e_a(x) · (Y − μ_a(x)), whose mean is E[Y(a)].

    Right where either μ or e is (Robins, Rotnitzky and Zhao 1994).
    """
    e = np.maximum(fitted.propensity, smallest(len(sample)))
    mark = fitted.chosen[:, None] == np.arange(e.shape[1])
    return fitted.outcome + mark / e * (sample.outcome[:, None] - fitted.outcome)


def mean_of(values: Float[np.ndarray, " rows"], unit: Int[np.ndarray, " rows"]) -> Estimate:
    """The mean, with an error that lets the rows of one unit depend on each other.

    >>> mean_of(np.array([0.0, 2.0, 0.0, 2.0]), np.array([0, 1, 2, 3])).value
    1.0
    """
    n = len(values)
    mean = float(values.mean())
    total = np.bincount(np.unique(unit, return_inverse=True)[1], weights=values - mean)
    count = len(total)
    if count < 2:
        return Estimate(mean, float("inf"))
    return Estimate(mean, float(np.sqrt((total**2).sum() * count / (count - 1)) / n))


def estimates(
    sample: Sample, fitted: Nuisance, low: int, high: int, *, treated: bool = False
) -> dict[str, Estimate]:
    """The contrast of two levels by four estimators; ``treated``: among rows at ``high``.

    ``crude`` compares means as logged, ``regression`` is the g-formula E[μ_1 − μ_0], ``weighting``
    the Hájek estimator, ``doubly robust`` the mean of the scores (for the treated: Hahn 1998's
    efficient influence function). Weighting's error takes the propensities as known; regression,
    which has no error of its own without a model of the outcome, shows that of the scores.
    """
    y, unit = sample.outcome, sample.unit
    is_low, is_high = fitted.chosen == low, fitted.chosen == high
    e = np.maximum(fitted.propensity, smallest(len(sample)))
    mu = fitted.outcome
    share = is_high.mean()
    gain = mu[:, high] - mu[:, low]
    if treated:
        weight_low = is_low * e[:, high] / e[:, low]
        weight_high = is_high.astype(float)
        score = (is_high * (y - mu[:, low]) - weight_low * (y - mu[:, low])) / share
        mean = float(score.mean())
        robust = mean_of(score - is_high / share * mean + mean, unit)
        regressed = float((is_high * (y - mu[:, low])).mean() / share)
    else:
        weight_low, weight_high = is_low / e[:, low], is_high / e[:, high]
        phi = scores(sample, fitted)
        robust = mean_of(phi[:, high] - phi[:, low], unit)
        regressed = float(gain.mean())
    return {
        "doubly robust": robust,
        "regression": Estimate(regressed, robust.error),
        "weighting": _difference(y, weight_low, weight_high, unit),
        "crude": _difference(y, is_low.astype(float), is_high.astype(float), unit),
    }


def _difference(y: np.ndarray, low: np.ndarray, high: np.ndarray, unit: np.ndarray) -> Estimate:
    """The difference of two weighted means, linearised."""
    a, b = float(high @ y / high.sum()), float(low @ y / low.sum())
    pull = high * (y - a) / high.mean() - low * (y - b) / low.mean()
    return Estimate(a - b, mean_of(pull, unit).error)
