"""Effects of a number: the outcome at each dose, and contrasts of two doses."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import chi2

from doworld.infer.effects.adjustment import SIMPLE, described, strata
from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found, shown
from doworld.infer.effects.discrete import Estimate
from doworld.infer.effects.learners import Features, folds, ridge
from doworld.infer.effects.partially_linear import partially_linear
from doworld.infer.effects.predicted import by_model
from doworld.infer.effects.refute import refute
from doworld.infer.effects.route import named
from doworld.infer.effects.sample import Sample
from doworld.infer.effects.sensitivity import sensitivity
from doworld.query.effect_details import Estimated, Overlap
from doworld.query.words import number

__all__ = ["Curve", "by_dose", "curve"]

FOLDS = 5
GRID, DOSES = 60, 15
MORE_KNOTS, ROWS_PER_KNOT = (5, 7, 9), 60
"""Numbers of knots that are tried beside four, where there are so many rows for each."""
ROWS_PER_RATIO = 16
"""A row weighs p(a)/p(a | x), but no more than √(rows/16)."""
DETERMINED = 0.98
"""Share of the treatment's variance that, once explained, leaves nothing to compare."""
FAR = 3.0
"""Residual standard deviations beyond which a unit could hardly have had a dose."""
MOST_OUTSIDE = 0.3
FEWEST_ROWS = 30
BEND = 0.005
"""p-value below which the curve is not taken for a line; the test leaves out the regressions' own
error, so that 5 % would see bends in one line of three."""


@dataclass(frozen=True, eq=False)
class Curve:
    """E[Y(a)] as a regression of pseudo-outcomes on the dose.

    Attributes:
        weights, covariance: of a constant and the columns of ``basis``.
        knots: of the natural cubic spline; none where the curve is a line.
    """

    weights: Float[np.ndarray, " k"]
    covariance: Float[np.ndarray, "k k"]
    knots: tuple[float, ...]

    def at(self, dose: float) -> Estimate:
        """E[Y(a)]."""
        row = np.r_[1.0, basis(np.array([dose]), self.knots)[0]]
        return self._of(row)

    def contrast(self, low: float, high: float) -> Estimate:
        """E[Y(high) − Y(low)]."""
        rows = basis(np.array([low, high]), self.knots)
        return self._of(np.r_[0.0, rows[1] - rows[0]])

    def _of(self, row: np.ndarray) -> Estimate:
        return Estimate(
            float(row @ self.weights), float(np.sqrt(max(row @ self.covariance @ row, 0.0)))
        )


def basis(dose: Float[np.ndarray, " rows"], knots: tuple[float, ...]) -> np.ndarray:
    """The dose, and the bent terms of a natural cubic spline where there are knots."""
    columns = [dose]
    if knots:
        last, before, width = knots[-1], knots[-2], knots[-1] - knots[0]

        def part(k: float) -> np.ndarray:
            cube = np.maximum(dose - k, 0) ** 3 - np.maximum(dose - last, 0) ** 3
            return cube / (last - k) / width

        columns += [part(k) - part(before) for k in knots[:-2]]
    return np.column_stack(columns)


def curve(sample: Sample, *, seed: int, bent: bool | None = None) -> Curve:
    r"""The doubly robust dose–response curve (Kennedy, Ma, McHugh and Small 2017).

        ξ_i = (Y_i − μ(x_i, a_i)) · p(a_i)/p(a_i | x_i) + mean_j μ(x_j, a_i),

    regressed on a_i, has the mean E[Y(a)] at each a where either μ or p is right; both are fitted
    on other units. p(a | x) is a kernel density of standardised residuals. The curve is a line
    unless bent terms fit better than chance (Wald, 0.5 %); ``bent`` decides it instead.
    """
    xi, beside = pseudo_outcomes(sample, seed)
    a = sample.treatment
    few = len(np.unique(a)) < 8
    fits = []
    for count in (4, *(c for c in MORE_KNOTS if len(a) >= ROWS_PER_KNOT * c)):
        knots = tuple(np.unique(np.quantile(a, np.linspace(0.03, 0.97, count))).tolist())
        if len(knots) >= 3 and not few:
            fits.append(_fit(xi, beside, a, knots, sample.unit))
    line = _fit(xi, beside, a, (), sample.unit)
    if not fits or bent is False:
        return line[0]
    best = int(np.argmin([left for _, left in fits]))
    chosen = fits[min(best + 1, len(fits) - 1) if best else 0][0]
    if bent:
        return chosen
    extra = slice(2, len(fits[0][0].weights))
    w, cov = fits[0][0].weights[extra], fits[0][0].covariance[extra, extra]
    wald = float(w @ np.linalg.pinv(cov) @ w)
    return chosen if chi2.sf(wald, len(w)) < BEND else line[0]


def _fit(
    xi: np.ndarray, beside: tuple[np.ndarray, np.ndarray], a: np.ndarray, knots: tuple,
    unit: np.ndarray,
) -> tuple[Curve, float]:  # fmt: skip
    """The curve, and its mean squared error on left-out rows."""
    table = np.column_stack([np.ones(len(a)), basis(a, knots)])
    inverse = np.linalg.pinv(table.T @ table)
    weights = inverse @ table.T @ xi
    leverage = np.einsum("ij,jk,ik->i", table, inverse, table)
    left = float((((xi - table @ weights) / np.maximum(1 - leverage, 0.05)) ** 2).mean())
    grid, own = beside
    wide = np.column_stack([np.ones(len(grid)), basis(grid, knots)])
    # a row counts by its own outcome, and as one of the rows that μ is averaged over
    pull = (table * (xi - table @ weights)[:, None]) @ inverse
    pull += own @ np.linalg.pinv(wide).T / len(a)
    at = np.unique(unit, return_inverse=True)[1]
    total = np.zeros((at.max() + 1, table.shape[1]))
    np.add.at(total, at, pull)
    count = len(total)
    inner = total.T @ total * count / max(count - 1, 1)
    return Curve(weights, inner, knots), left


def pseudo_outcomes(
    sample: Sample, seed: int
) -> tuple[Float[np.ndarray, " rows"], tuple[np.ndarray, np.ndarray]]:
    """ξ of ``curve``; some doses, and by row μ(x, dose) less its mean over the rows."""
    a, y = sample.treatment, sample.outcome
    features = Features.of(sample.covariates)
    fold = folds(sample.unit, FOLDS, np.random.default_rng([seed, 5]))
    knots = tuple(np.unique(np.quantile(a, (0.03, 0.27, 0.5, 0.73, 0.97))).tolist())
    knots = knots if len(knots) == 5 else ()
    grid = np.quantile(a, np.linspace(0, 1, GRID))
    z = (a - a.mean()) / a.std()
    z_grid, z_knots = (grid - a.mean()) / a.std(), tuple((k - a.mean()) / a.std() for k in knots)
    table = features.with_treatment(basis(z, z_knots))
    xi = np.zeros(len(a))
    some = ((np.arange(DOSES) + 0.5) * GRID / DOSES).astype(int)
    own = np.zeros((len(a), DOSES))
    for k in range(FOLDS):
        held, train = fold == k, fold != k
        if not held.any():
            continue
        # a regression that is linear in the terms of x averages them by their means
        wide = basis(z_grid, z_knots)
        mean_row = Features(
            np.broadcast_to(features.plain[train].mean(0), (GRID, features.plain.shape[1])),
            np.broadcast_to(features.table[train].mean(0), (GRID, features.table.shape[1])),
        ).with_treatment(wide)
        part = Features(features.plain[held], features.table[held])
        each = [
            part.with_treatment(np.broadcast_to(wide[g], (int(held.sum()), wide.shape[1])))
            for g in some
        ]
        fit = ridge(table[train], y[train], np.vstack([table[held], mean_row, *each]))
        mu, level = fit[: held.sum()], fit[held.sum() : held.sum() + GRID]
        own[held] = fit[held.sum() + GRID :].reshape(DOSES, -1).T - level[some]
        ratio = _ratio(features.table, a, train, held)
        smooth = np.interp(a[held], grid, level)
        xi[held] = (y[held] - mu) * ratio + smooth
    return xi, (grid[some], own)


def _ratio(
    table: np.ndarray, a: np.ndarray, train: np.ndarray, held: np.ndarray
) -> Float[np.ndarray, " held"]:
    """p(a)/p(a | x) of the held rows, cut off, with a mean of 1."""
    if table.shape[1] == 0:
        return np.ones(int(held.sum()))
    mean = ridge(table[train], a[train], table)
    rest = a - mean
    spread = np.exp(0.5 * ridge(table[train], np.log(rest[train] ** 2 + 1e-12 * a.var()), table))
    standard = rest / spread
    scale = float(standard[train].std()) or 1.0
    spread, standard = spread * scale, standard / scale
    nodes = np.quantile(standard[train], (np.arange(200) + 0.5) / 200)
    width = 1.06 * len(nodes) ** -0.2

    def density(u: np.ndarray) -> np.ndarray:
        line = np.linspace(nodes[0] - 6 * width, nodes[-1] + 6 * width, 400)
        gap = (line[:, None] - nodes) / width
        values = np.exp(-0.5 * gap**2).mean(1) / (width * np.sqrt(2 * np.pi))
        return np.interp(u, line, values, left=0.0, right=0.0)

    own = density(standard[held]) / spread[held]
    few = np.flatnonzero(train)[:: max(1, int(train.sum()) // 300)]
    gap = (a[held][:, None] - mean[few]) / spread[few]
    whole = (density(gap) / spread[few]).mean(1)
    most = max(2.0, float(np.sqrt(len(a) / ROWS_PER_RATIO)))
    ratio = np.minimum(whole / np.maximum(own, 1e-12), most)
    return ratio / ratio.mean()


def dose_overlap(sample: Sample, doses: tuple[float, ...], names: tuple[str, ...]) -> Overlap:
    """How much of the dose is left to compare at equal covariates, and at which doses."""
    a = sample.treatment
    table = Features.of(sample.covariates).table
    mean = np.full(len(a), a.mean())
    if table.shape[1]:
        fold = folds(sample.unit, FOLDS, np.random.default_rng(7))
        for k in range(FOLDS):
            held = fold == k
            mean[held] = ridge(table[~held], a[~held], table[held])
    rest = a - mean
    spread = float(rest.std()) or 1e-12
    far = np.abs(np.array(doses)[:, None] - mean) > FAR * spread
    near = np.abs(np.array(doses)[:, None] - a) < 0.25 * a.std()
    return Overlap(
        levels=names,
        counts=tuple(int(n) for n in near.sum(1)),
        effective=tuple(float(n) for n in (near & ~far).sum(1)),
        outside=float(far.any(0).mean()),
        explained=float(np.clip(1 - rest.var() / a.var(), 0, 1)),
    )


def by_dose(case: Case) -> Found:
    """The curve, or the contrast of two doses.

    Where the curve is no different from a line, the contrast is the partially linear one, whose
    error is smaller; else it is read off the curve. Both stand side by side.

    Raises ``UnanswerableError`` where what is held fixed determines the dose.
    """
    if case.query.estimand == "att":
        raise UnanswerableError(
            f"{case.query.treatment} is a number: there is no group of the treated.",
            "Give levels=(control, treated) that many rows have, cut it into levels, or ask cate "
            "of a part of the population (given=…).",
        )
    sample = case.sample()
    if case.query.given:
        sample = sample.part(described(case, sample))
    if len(sample) < FEWEST_ROWS or np.ptp(sample.treatment) == 0 or np.ptp(sample.outcome) == 0:
        raise UnanswerableError(
            f"Only {len(sample)} rows can be compared, or nothing varies among them.",
            "Log more rows, or describe a larger part of the population.",
        )
    doses, asked_curve = case.asked.levels, case.query.estimand == "dose"
    found = dose_overlap(sample, doses, case.asked.names)
    _overlaps(case, found)
    fitted = curve(sample, seed=case.seed)
    level = case.query.level
    linear = partially_linear(sample, seed=case.seed)
    low, high = (doses[0], doses[-1]) if asked_curve else doses[:2]
    span = high - low
    whole = Estimate(linear.value * span, linear.error * abs(span))
    robust = fitted.contrast(low, high)
    straight = not fitted.knots and not asked_curve
    first = whole if straight else robust
    label = f"{case.query.treatment} {number(low)} → {number(high)}"

    def contrast(dose: float) -> Estimate:
        far = dose - low
        if straight:
            return Estimate(linear.value * far, linear.error * abs(far))
        return fitted.contrast(low, dose)

    if asked_curve:
        points = [_dose(case, fitted, d, level) for d in doses]
    elif case.query.estimand == "cate" and not case.query.given:
        points = _by_stratum(case, sample, (low, high), label)
    else:
        points = [
            shown(f"{case.query.treatment} {number(low)} → {number(d)}", contrast(d), level)
            for d in doses[1:]
        ]
    both = {"doubly robust curve": robust, "partially linear": whole}
    order = sorted(both, reverse=straight)
    beside = {n: both[n] for n in order} | by_model(case, sample) | {"crude": _crude(sample, span)}
    return Found(
        what=f"E[{case.query.outcome}(a)]" if asked_curve else f"E[Y] at {label}",
        population="over all rows" if not case.query.given else "over rows that are as given",
        method="cross-fitted residuals, as the curve is no different from a line"
        if straight
        else "doubly robust dose curve, cross-fitted",
        headline=tuple(points),
        sample=sample,
        estimators=tuple(shown(n, e, level) for n, e in beside.items()),
        overlap=found,
        sensitivity=sensitivity(
            sample,
            [named([n]) for n in case.route.adjust],
            (low, high),
            (first.value, first.error),
            alpha=1 - level,
        ),
        refutations=_refuted(case, sample, span),
        support=1 - found.outside,
        assumptions=(SIMPLE,),
        dose=asked_curve,
    )


def _by_stratum(
    case: Case, sample: Sample, doses: tuple[float, float], label: str
) -> list[Estimated]:
    """The contrast of two doses within each stratum in which both may have been."""
    out = []
    for name, keep in strata(case, sample):
        part = sample.part(keep)
        if len(part) < FEWEST_ROWS or np.ptp(part.treatment) == 0 or np.ptp(part.outcome) == 0:
            continue
        shared = dose_overlap(part, doses, case.asked.names[:2])
        if (shared.explained or 0.0) > DETERMINED or shared.outside > MOST_OUTSIDE:
            continue
        found = curve(part, seed=case.seed).contrast(*doses)
        out.append(shown(f"{name}: {label}", found, case.query.level, rows=len(part)))
    if not out:
        raise UnanswerableError(
            "No stratum has rows enough whose dose could have been either of those compared.",
            "Describe a part of the population (given=…), or log more rows.",
        )
    return out


def _overlaps(case: Case, found: Overlap) -> None:
    fix = f"Log rows in which {case.query.treatment} is varied at random among alike units."
    assert found.explained is not None
    if found.explained > DETERMINED:
        raise UnanswerableError(
            f"No overlap: what is held fixed explains {found.explained:.1%} of "
            f"{case.query.treatment}, so its effect cannot be told from theirs.",
            fix,
            found,
        )
    if found.outside > MOST_OUTSIDE:
        raise UnanswerableError(
            f"No overlap: {found.outside:.0%} of the rows could hardly have had the values "
            "compared, given what is held fixed.",
            f"Compare values that are nearer to each other, or: {fix[0].lower()}{fix[1:]}",
            found,
        )


def _dose(case: Case, fitted: Curve, dose: float, level: float) -> Estimated:
    name = f"{case.query.treatment} = {number(dose)}"
    return shown(name, fitted.at(dose), level, value=dose)


def _crude(sample: Sample, span: float) -> Estimate:
    bare = Sample(
        sample.treatment, sample.outcome, np.zeros((len(sample), 0)), (), (), sample.unit, sample.at
    )
    found = partially_linear(bare, seed=0)
    return Estimate(found.value * span, found.error * abs(span))


def _refuted(case: Case, sample: Sample, span: float):
    def again(part: Sample, seed: int) -> Estimate:
        found = partially_linear(part, seed=seed)
        return Estimate(found.value * span, found.error * abs(span))

    kept = sample.at.tolist()
    controls = {n: s.part(np.isin(s.at, kept)) for n, s in case.controls().items()}
    return refute(sample, again, controls=controls, seed=case.seed, fixed=bool(case.route.adjust))
