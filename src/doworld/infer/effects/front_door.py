"""The effect of levels through mediators that share no unobserved cause with either end."""

import numpy as np
from jaxtyping import Float

from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found, shown
from doworld.infer.effects.discrete import Estimate, mean_of, smallest
from doworld.infer.effects.learners import Features, folds, logistic, ridge
from doworld.infer.effects.mediation import gather_column, shared_by
from doworld.infer.effects.refute import refute
from doworld.infer.effects.route import named
from doworld.infer.effects.sample import Sample

__all__ = ["by_front_door", "scores"]

FOLDS = 5


def by_front_door(case: Case) -> Found:
    """E[Y(1) − Y(0)] by the front-door (Pearl 1995); ``UnanswerableError`` for a number."""
    query = case.query
    if not case.asked.discrete or len(case.asked.levels) != 2 or query.estimand != "ate":
        raise UnanswerableError(
            "By the front-door, only the average effect of a treatment of two levels is computed.",
            "Ask for ate, with levels=(control, treated) that many rows have.",
        )
    through = case.route.through
    own = case.sample(needed=through)
    own = own.part(np.isin(own.treatment, case.asked.levels))
    m = np.column_stack([gather_column(case, node, own) for node in through])
    low, high = case.asked.levels
    shared = shared_by(case, own)

    place = {row: i for i, row in enumerate(own.at.tolist())}

    def estimate(part: Sample, seed: int) -> Estimate:
        rows = m[[place[row] for row in part.at.tolist()]]
        a = part.treatment == high
        gain = scores(part, a, rows, to=True, seed=seed) - scores(
            part, a, rows, to=False, seed=seed
        )
        return mean_of(gain, part.unit)

    found = estimate(own, case.seed)
    a = own.treatment == high
    crude = _difference(own, a)
    name = f"{query.treatment} {low:.4g} → {high:.4g}"
    return Found(
        what=f"E[{query.outcome}(treated) − {query.outcome}(control)]",
        population="over all rows",
        method=f"front-door through {named(through)}, doubly robust (Fulcher et al. 2020)",
        headline=(shown(name, found, query.level, rows=len(own)),),
        sample=own,
        overlap=shared,
        support=1 - shared.outside,
        estimators=(shown("front-door", found, query.level), shown("crude", crude, query.level)),
        refutations=refute(own, estimate, controls={}, seed=case.seed, fixed=False),
        assumptions=(
            f"All of the effect goes through {named(through)}, which nothing unrecorded moves "
            f"together with {query.treatment} or {query.outcome}.",
        ),
    )


def _difference(sample: Sample, a: np.ndarray) -> Estimate:
    y = sample.outcome
    gap = float(y[a].mean() - y[~a].mean())
    pull = a / a.mean() * (y - y[a].mean()) - ~a / (1 - a.mean()) * (y - y[~a].mean())
    return Estimate(gap, mean_of(pull, sample.unit).error)


def scores(
    sample: Sample,
    high: np.ndarray,
    through: Float[np.ndarray, "rows mediators"],
    *,
    to: bool,
    seed: int,
) -> Float[np.ndarray, " rows"]:
    r"""Scores whose mean is E[Y(a*)], a* = ``to`` (Fulcher et al. 2020, theorem 1).

        (Y − μ_A(m,x)) p(m|a*,x)/p(m|A,x) + 1[A=a*]/p(a*|x) (η(m,x) − E[η | a*, x])
            + E[μ_A(M, x) | a*, x],    η(m, x) = Σ_a μ_a(m, x) p(a|x)

    with μ_a(m, x) = E[Y | a, m, x]. The mediators' density stands in it only as a ratio, which two
    classifications of A give.
    """
    x = Features.of(sample.covariates)
    wide = Features.of(np.column_stack([sample.covariates, through]))
    fold = folds(sample.unit, FOLDS, np.random.default_rng([seed, 13]))
    least, y, out = smallest(len(sample)), sample.outcome, np.zeros(len(sample))
    star = high if to else ~high
    for k in range(FOLDS):
        held, train = fold == k, fold != k
        if not held.any():
            continue
        mu = [ridge(wide.table[train & s], y[train & s], wide.table) for s in (~high, high)]
        p = np.clip(logistic(x.table[train], high[train], x.table), least, 1 - least)
        q = np.clip(logistic(wide.table[train], high[train], wide.table), least, 1 - least)
        eta = (1 - p) * mu[0] + p * mu[1]
        own = train & star
        means = [ridge(x.table[own], v[own], x.table[held]) for v in (*mu, eta)]
        a, p_star, q_star = high[held], (p if to else 1 - p)[held], (q if to else 1 - q)[held]
        p_own, q_own = np.where(a, p[held], 1 - p[held]), np.where(a, q[held], 1 - q[held])
        ratio = q_star / q_own * p_own / p_star
        out[held] = (y[held] - np.where(a, mu[1][held], mu[0][held])) * ratio
        out[held] += star[held] / p_star * (eta[held] - means[2])
        out[held] += np.where(a, means[1], means[0])
    return out
