r"""Whether what a variable does given its causes is the same in all environments.

With y the variable, x its causes, e the environment and D the indicators of all environments but
the largest, the hypothesis is that P(y | x) does not depend on e. It is refuted through

    the answer:  y = g(x) + ε,           E[ε · D h(x)] = 0 with h(x) = (1, x, x² where g is bent)
    the noise:   |ε| = s(x) + δ,         E[δ · D] = 0

g and s are sums of polynomials whose capacity held-out rows choose, and D h(x) is taken free of
them (a score test; doubly robust like the generalised covariance measure of Shah & Peters 2020, so
that causes may be distributed otherwise in every environment). Contributions are summed by unit, an
episode or a block of rows, before their spread is taken, so that neither unequal noise nor noise
that lasts is mistaken for a change. A change of the noise's shape alone is not looked for.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from doworld.discover.numerics.basis import Basis, CapacityClass, build_basis
from doworld.discover.numerics.heldout import HeldOut
from doworld.discover.numerics.samples import Sample
from doworld.discover.numerics.units import Units

__all__ = ["Invariance", "invariance"]

ROWS_PER_TERM = 12
MOST_TERMS = 80
SAME_SPAN = 1e-8
ALIKE = 0.05
HIGHEST_LEVERAGE = 0.9
MOST_RANKED = 12
"""Environments up to which they are ranked anew after each that is put aside."""
FEWEST_UNITS = 48
UNITS_PER_TERM = 6
FOLDS = 4


@dataclass(frozen=True)
class Invariance:
    """What the test of one variable given one set of causes found.

    Attributes:
        p_value: that P(y | x) is the same everywhere; NaN where x itself tells environments apart.
        answer: the p-value of the answer alone.
        noise: the p-value of the noise alone; NaN for a discrete outcome.
        effect: share of the variance unexplained by one answer for all that an answer for each
            environment removes.
        spread: largest over smallest noise scale of an environment.
        differing: codes of environments that are not like the rest; all where none is usual.
    """

    p_value: float
    answer: float
    noise: float
    effect: float
    spread: float
    differing: tuple[int, ...] = ()


def invariance(sample: Sample, *, name_places: bool = False, seed: int = 0) -> Invariance:
    """Tests whether the outcome given the inputs is the same in all environments of the sample.

    ``name_places`` also finds the environments that differ: the one least like the others is put
    aside until the rest are alike.
    """
    found = _tested(sample, _answers(sample, seed))
    if not name_places or not found.p_value <= ALIKE:
        return found
    return replace(found, differing=_differing(sample, seed))


def _differing(sample: Sample, seed: int) -> tuple[int, ...]:
    """What has to be put aside until the rest are alike; all where that leaves only one."""
    places = np.unique(sample.place).tolist()
    left, ranked = list(places), []
    while len(left) > 1:
        rest = sample.only(np.isin(sample.place, left))
        if len(left) < len(places) and not invariance(rest, seed=seed).p_value <= ALIKE:
            return tuple(p for p in places if p not in left)
        if len(left) == 2:
            break  # whichever is put aside, the other is left alone
        if not ranked or len(places) <= MOST_RANKED:
            answers = _answers(_against(rest, left[0]), seed)
            alone = [_tested(_against(rest, p), answers).p_value for p in left]
            ranked = [left[i] for i in np.argsort(alone, kind="stable")]
        left.remove(ranked.pop(0))
    return tuple(places)


def _against(sample: Sample, place: int) -> Sample:
    """The same rows, told apart only by whether they are from one environment."""
    other = (sample.place == place).astype(np.int64)
    return Sample(sample.outcome, sample.inputs, other, sample.unit, sample.discrete)


@dataclass(frozen=True, eq=False)
class _Answer:
    """One column of the outcome and what is chosen for it, however the environments are named."""

    outcome: Float[np.ndarray, " rows"]
    basis: Basis
    chosen: CapacityClass
    units: Units


def _answers(sample: Sample, seed: int) -> list[_Answer]:
    """What is chosen for each column, alike for samples that tell as many environments apart."""
    units = _units(sample, seed)
    most = max(2, min(MOST_TERMS, len(sample.outcome) // ROWS_PER_TERM))
    basis = build_basis(sample.inputs, most)
    centred = sample.outcome - sample.outcome.mean(0)
    scale = np.maximum(sample.outcome.std(0), np.finfo(float).tiny)
    return [_Answer(y, basis, _capacity(basis, y, units), units) for y in (centred / scale).T]


def _tested(sample: Sample, answers: list[_Answer]) -> Invariance:
    """The tests of all columns of the outcome; the least p-value counts as often as it was one."""
    columns = [_column(sample, answer) for answer in answers]
    p = np.array([[c.answer, c.noise] for c in columns])
    known = np.isfinite(p)
    if not known.any():
        return columns[0]
    first = columns[int(np.argmin(np.where(known, p, np.inf).min(1)))]
    return Invariance(
        min(1.0, float(known.sum() * p[known].min())),
        min(1.0, float(len(columns) * np.nanmin(p[:, 0], initial=1.0))),
        first.noise,
        first.effect,
        first.spread,
    )


def _column(sample: Sample, answer: _Answer) -> Invariance:
    y, basis, chosen, units = answer.outcome, answer.basis, answer.chosen, answer.units
    apart = _fixed_apart(sample.inputs, sample.place)
    shapes = _shapes(sample.inputs, bent=chosen.degree > 1)
    common = _orthonormal(np.concatenate([basis.table[:, chosen.terms], shapes, apart], 1))
    indicators = _indicators(sample.place)
    products = (indicators[:, :, None] * shapes[:, None, :]).reshape(len(y), -1)
    changes = _apart(products, common)
    nan = float("nan")
    if not changes.shape[1]:
        return Invariance(nan, nan, nan, 0.0, 1.0)
    own = np.concatenate([common, _orthonormal(changes)], 1)
    error, left = y - common @ (common.T @ y), y - own @ (own.T @ y)
    level = _score(changes, error / np.sqrt(1 - _leverage(common)), units)
    size = np.abs(left) / np.sqrt(1 - _leverage(own))
    noise = nan
    if not sample.discrete:
        grown = basis.table[:, _capacity(basis, size, units).terms]
        noise = _noise(size, indicators, _orthonormal(np.concatenate([common, grown], 1)), units)
    scales = [float(size[sample.place == p].mean()) for p in np.unique(sample.place)]
    spread = max(scales) / max(min(scales), 1e-9)
    free = max(len(y) - own.shape[1], 1), max(len(y) - common.shape[1], 1)
    before = max(float(error @ error) / free[1], np.finfo(float).tiny)
    effect = max(0.0, 1 - float(left @ left) / free[0] / before)
    return Invariance(level, level, noise, effect, 1.0 if sample.discrete else spread)


def _noise(
    size: Float[np.ndarray, " rows"],
    indicators: Float[np.ndarray, "rows others"],
    common: Float[np.ndarray, "rows rank"],
    units: Units,
) -> float:
    """The p-value of equally large noise everywhere, as far as the causes do not say otherwise."""
    shifts = _apart(indicators, common)
    if not shifts.shape[1]:
        return float("nan")
    rest = size - common @ (common.T @ size)
    return _score(shifts, rest / np.sqrt(1 - _leverage(common)), units)


def _units(sample: Sample, seed: int) -> Units:
    """Episodes where there are enough for the test, else contiguous blocks within them."""
    most = (len(np.unique(sample.place)) - 1) * (1 + 2 * sample.inputs.shape[1])
    least = max(FEWEST_UNITS, UNITS_PER_TERM * most)
    _, unit = np.unique(sample.unit, return_inverse=True)
    whole = int(unit.max()) + 1 >= least
    if not whole:
        first = np.r_[0, np.flatnonzero(np.diff(unit)) + 1]
        within = np.arange(len(unit)) - first[unit]
        _, unit = np.unique(
            unit * len(unit) + within // max(1, len(unit) // least), return_inverse=True
        )
    count = int(unit.max()) + 1
    fold = np.random.default_rng(seed).permutation(np.arange(count) % FOLDS)
    return Units(unit, count, fold[unit], FOLDS, whole)


def _capacity(basis: Basis, outcome: Float[np.ndarray, " rows"], units: Units) -> CapacityClass:
    """The class with the lowest held-out loss, without the taste for small ones of discovery.

    What a smaller class leaves out would look like a change wherever causes are distributed
    otherwise.
    """
    model = HeldOut(basis.table, outcome[:, None], units)
    losses = model.losses([c.terms for c in basis.classes])[:, 0]
    return basis.classes[int(np.argmin(losses))]


def _indicators(place: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows others"]:
    """One column an environment but the largest."""
    places, counts = np.unique(place, return_counts=True)
    rest = np.delete(places, int(np.argmax(counts)))
    return (place[:, None] == rest).astype(float)


def _shapes(
    inputs: Float[np.ndarray, "rows inputs"], *, bent: bool
) -> Float[np.ndarray, "rows shapes"]:
    """h(x): a constant, the inputs, and where the answer is bent their calmed squares."""
    spread = inputs.std(0)
    z = (inputs - inputs.mean(0)) / np.where(spread > 0, spread, 1.0)
    parts = [np.ones((len(inputs), 1)), z]
    if bent:
        many = np.array([len(np.unique(c)) > 2 for c in z.T], bool)
        parts.append(np.minimum(z[:, many] ** 2, 4.0))
    return np.concatenate(parts, 1)


def _fixed_apart(
    inputs: Float[np.ndarray, "rows inputs"], place: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows columns"]:
    """Indicators, also times h(x), of environments told apart by inputs that are fixed in each.

    A difference between these may be the doing of such an input, so that it is no change.
    """
    places = np.unique(place)
    fixed = [
        j
        for j in range(inputs.shape[1])
        if np.ptp(inputs[:, j]) > 0 and all(np.ptp(inputs[place == p, j]) == 0 for p in places)
    ]
    if not fixed:
        return np.zeros((len(inputs), 0))
    group = np.unique(inputs[:, fixed], axis=0, return_inverse=True)[1].ravel()
    apart, shapes = _indicators(group), _shapes(inputs, bent=True)
    return (apart[:, :, None] * shapes[:, None, :]).reshape(len(inputs), -1)


def _orthonormal(table: Float[np.ndarray, "rows terms"]) -> Float[np.ndarray, "rows rank"]:
    """An orthonormal basis of the columns' span."""
    size = np.linalg.norm(table, axis=0)
    left, values, _ = np.linalg.svd(table / np.where(size > 0, size, 1.0), full_matrices=False)
    return left[:, values > SAME_SPAN * values.max(initial=1.0)]


def _apart(
    table: Float[np.ndarray, "rows terms"], common: Float[np.ndarray, "rows rank"]
) -> Float[np.ndarray, "rows kept"]:
    """The columns free of ``common``, without those that are nothing else."""
    left = table - common @ (common.T @ table)
    size = np.linalg.norm(left, axis=0) / np.maximum(np.linalg.norm(table, axis=0), 1e-300)
    return left[:, size > np.sqrt(SAME_SPAN)]


def _leverage(basis: Float[np.ndarray, "rows rank"]) -> Float[np.ndarray, " rows"]:
    return np.minimum((basis**2).sum(1), HIGHEST_LEVERAGE)


def _score(
    changes: Float[np.ndarray, "rows terms"], error: Float[np.ndarray, " rows"], units: Units
) -> float:
    """The p-value of E[changes · error] = 0, contributions summed by unit (Hotelling's F)."""
    count = units.count
    sums = np.zeros((count, changes.shape[1]))
    np.add.at(sums, units.unit, changes * error[:, None])
    scale = np.sqrt((sums**2).sum(0))
    sums = sums[:, scale > 0] / scale[scale > 0]
    values, vectors = np.linalg.eigh(sums.T @ sums)
    live = values > 1e-9 * values.max(initial=0.0)
    q = int(live.sum())
    if not q or count <= q + 1:
        return 1.0
    total = float((((sums.sum(0) @ vectors[:, live]) ** 2) / values[live]).sum())
    if total >= count:
        return 0.0
    return float(stats.f.sf(total * (count - q) / (q * (count - total)), q, count - q))
