"""Direct and indirect effects: past a mediator, and through it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from doworld.infer.effects import discrete
from doworld.infer.effects.adjustment import FEWEST, described, too_few
from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found, shown
from doworld.infer.effects.discrete import Estimate, mean_of, smallest
from doworld.infer.effects.learners import Features, folds, logistic, ridge
from doworld.infer.effects.overlap import lacking, overlap
from doworld.infer.effects.refute import refute
from doworld.infer.effects.sample import Sample, gather
from doworld.query.effect_details import Overlap

__all__ = ["by_mediation", "nested", "shared_by"]

FOLDS = 5


def by_mediation(case: Case) -> Found:
    """NDE, NIE or CDE of a treatment of two levels by multiply robust scores.

    Raises ``UnanswerableError`` where the treatment is a number, or the mediator's level is rare.
    """
    query = case.query
    if not case.asked.discrete or len(case.asked.levels) != 2:
        raise UnanswerableError(
            f"{query.treatment} has no two levels, and effects past and through a mediator are "
            "computed for two.",
            "Give two values that many rows have, levels=(control, treated), or cut the treatment "
            "into two levels.",
        )
    if query.estimand == "cde":
        return _controlled(case)
    own, through = _rows(case)
    high = own.treatment == case.asked.levels[1]
    shared = shared_by(case, own)
    found = _effects(own, high, through, case.seed)
    mine = "direct (NDE)" if query.estimand == "nde" else "indirect (NIE)"
    level = query.level

    place = {row: i for i, row in enumerate(own.at.tolist())}

    def again(part: Sample, seed: int) -> Estimate:
        m = through[[place[row] for row in part.at.tolist()]]
        return _effects(part, part.treatment == case.asked.levels[1], m, seed)[mine]

    return Found(
        what="E[Y(1, M(0)) − Y(0, M(0))]"
        if query.estimand == "nde"
        else "E[Y(0, M(1)) − Y(0, M(0))]",
        population=_population(case),
        method="multiply robust scores (Tchetgen Tchetgen and Shpitser 2012)",
        headline=(shown(mine, found[mine], level, rows=len(own)),),
        sample=own,
        overlap=shared,
        support=1 - shared.outside,
        estimators=tuple(
            shown(name, found[name], level) for name in sorted(found, key=lambda name: name != mine)
        ),
        alike=False,
        refutations=refute(own, again, controls={}, seed=case.seed, fixed=bool(case.route.adjust)),
        assumptions=(
            "Given what is held fixed, nothing unrecorded moves two of treatment, mediator and "
            "outcome together.",
        ),
    )


def _population(case: Case) -> str:
    part = set(case.query.given) - set(case.query.mediator)
    return "over rows that are as given" if part else "over all rows"


def shared_by(case: Case, sample: Sample) -> Overlap:
    """The overlap of the two levels compared; ``UnanswerableError`` where there is too little."""
    if len(sample) < FEWEST:
        raise UnanswerableError(*too_few(len(sample)))
    levels = np.array(case.asked.levels)
    found = overlap(discrete.nuisance(sample, levels, seed=case.seed), case.asked.names)
    reason = lacking(found)
    if reason:
        raise UnanswerableError(
            reason,
            f"Log rows in which {case.query.treatment} varies among alike units.",
            found,
        )
    return found


def _rows(case: Case) -> tuple[Sample, Float[np.ndarray, "rows mediators"]]:
    """The rows compared, and the mediators there."""
    query, lag = case.query, case.asked.lag
    nodes = []
    for name in query.mediator:
        rows = [k for n, k in case.paths.between() if n == name]
        nodes.append((name, min(rows, default=lag) - lag))
    own = case.sample(needed=nodes)
    blocks = [gather_column(case, node, own) for node in nodes]
    keep = np.isin(own.treatment, case.asked.levels) & described(case, own)
    return own.part(keep), np.column_stack(blocks)[keep]


def gather_column(case: Case, node: tuple[str, int], own: Sample) -> np.ndarray:
    """A node's columns at the rows of a sample, a category as one column a level."""
    found = gather(
        case.log, case.query.treatment, case.query.outcome, case.asked.lag, [(node[0], node[1])]
    )
    at = {row: i for i, row in enumerate(found.at.tolist())}
    return found.covariates[[at[row] for row in own.at.tolist()]]


def nested(
    sample: Sample,
    high: Float[np.ndarray, " rows"] | np.ndarray,
    through: Float[np.ndarray, "rows mediators"],
    *,
    seed: int,
) -> Float[np.ndarray, " rows"]:
    r"""Scores whose mean is E[Y(1, M(0))] (Tchetgen Tchetgen and Shpitser 2012, theorem 1).

        1[A=1]/p(0|x) · p(0|m,x)/p(1|m,x) · (Y − μ(m,x)) + 1[A=0]/p(0|x) · (μ(m,x) − ν(x)) + ν(x)

    with μ(m, x) = E[Y | A=1, m, x] and ν(x) = E[μ(M, x) | A=0, x]. The mediators' density stands in
    it only as a ratio, which two classifications of A give, so they may be of any kind.
    """
    x = Features.of(sample.covariates)
    wide = Features.of(np.column_stack([sample.covariates, through]))
    fold = folds(sample.unit, FOLDS, np.random.default_rng([seed, 9]))
    least, y, out = smallest(len(sample)), sample.outcome, np.zeros(len(sample))
    for k in range(FOLDS):
        held, train = fold == k, fold != k
        with_a, without = train & high, train & ~high
        if not held.any():
            continue
        if with_a.sum() < 5 or without.sum() < 5:
            raise UnanswerableError(
                f"Only {int(high.sum())} of {len(sample)} rows have one of the levels compared.",
                "Log more rows of both levels.",
            )
        mu = ridge(wide.table[with_a], y[with_a], wide.table)
        nu = ridge(x.table[without], mu[without], x.table[held])
        p = np.clip(logistic(x.table[train], high[train], x.table[held]), least, 1 - least)
        q = np.clip(logistic(wide.table[train], high[train], wide.table[held]), least, 1 - least)
        a = high[held]
        ratio = (1 - q) / q / (1 - p)
        out[held] = a * ratio * (y[held] - mu[held]) + ~a / (1 - p) * (mu[held] - nu) + nu
    return out


def _effects(
    sample: Sample, high: np.ndarray, through: np.ndarray, seed: int
) -> dict[str, Estimate]:
    """Natural effects (Pearl 2001), each against nobody treated; the first and third add up."""
    coded = replace(sample, treatment=high.astype(float))
    phi = discrete.scores(coded, discrete.nuisance(coded, np.array([0.0, 1.0]), seed=seed))
    past = nested(coded, high, through, seed=seed)  # Y(1, M(0))
    only = nested(coded, ~high, through, seed=seed)  # Y(0, M(1))
    scores = {
        "direct (NDE)": past - phi[:, 0],
        "indirect (NIE)": only - phi[:, 0],
        "indirect, with the direct one": phi[:, 1] - past,
        "total": phi[:, 1] - phi[:, 0],
    }
    return {name: mean_of(score, sample.unit) for name, score in scores.items()}


def _controlled(case: Case) -> Found:
    """E[Y(1, m) − Y(0, m)]: treatment and mediator as one treatment of their pairs."""
    query = case.query
    if len(query.mediator) != 1 or query.mediator[0] not in query.given:
        raise UnanswerableError(
            "A controlled direct effect holds one mediator at a level, and none is given.",
            "Say which, as in mediator='M', given={'M': 1}.",
        )
    name = query.mediator[0]
    value = query.given[name]
    if not isinstance(value, float | int | str | bool):
        raise UnanswerableError(
            f"{name} is given as a range, and a controlled direct effect holds it at one level.",
            f"Give one level of {name}.",
        )
    own, through = _rows_of_level(case, name)
    held = through == case.log.schema[name].code(value)
    high = own.treatment == case.asked.levels[1]
    pair = np.where(held, high.astype(float), 2.0)
    for wanted in (0.0, 1.0):
        if (pair == wanted).sum() < 20:
            raise UnanswerableError(
                f"No overlap: {int((pair == wanted).sum())} rows have {name} = {value} and "
                f"{case.asked.names[int(wanted)]}.",
                f"Hold {name} at a level that both have, or log more rows.",
            )
    coded = replace(own, treatment=pair)

    def estimate(part: Sample, seed: int) -> Estimate:
        fitted = discrete.nuisance(part, np.array([0.0, 1.0]), seed=seed)
        phi = discrete.scores(part, fitted)
        return mean_of(phi[:, 1] - phi[:, 0], part.unit)

    fitted = discrete.nuisance(coded, np.array([0.0, 1.0]), seed=case.seed)
    held_at = [f"{label} and {name} = {value}" for label in case.asked.names]
    shared = overlap(fitted, held_at)
    if reason := lacking(shared):
        raise UnanswerableError(
            reason, f"Hold {name} at a level that alike units have under both, or log more rows.",
            shared,
        )  # fmt: skip
    found = estimate(coded, case.seed)
    return Found(
        what=f"E[Y(1, {name} = {value}) − Y(0, {name} = {value})]",
        population=_population(case),
        method="doubly robust scores of treatment and mediator together",
        headline=(shown(f"with {name} held", found, query.level, rows=len(own)),),
        sample=own,
        overlap=shared,
        support=1 - shared.outside,
        refutations=refute(
            coded, estimate, controls={}, seed=case.seed, fixed=bool(case.route.adjust)
        ),
        assumptions=(
            "Given what is held fixed, nothing unrecorded moves two of treatment, mediator and "
            "outcome together.",
        ),
    )


def _rows_of_level(case: Case, name: str) -> tuple[Sample, np.ndarray]:
    from doworld.infer.effects.sample import column

    lag = case.asked.lag
    rows = [k for n, k in case.paths.between() if n == name]
    back = min(rows, default=lag) - lag
    own = case.sample(needed=[(name, back)])
    keep = np.isin(own.treatment, case.asked.levels)
    own = own.part(keep & described(case, own, besides=(name,)))
    return own, column(case.log, name, back, own.at)
