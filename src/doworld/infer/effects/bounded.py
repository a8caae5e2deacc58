"""What an effect may be where the rows leave it open, and the probabilities of causation."""

from dataclasses import replace

import numpy as np

from doworld.infer.bounding import Bound, Counts, balke_pearl, manski, tian_pearl
from doworld.infer.effects import discrete
from doworld.infer.effects.adjustment import SIMPLE
from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found
from doworld.infer.effects.discrete import mean_of
from doworld.infer.effects.overlap import lacking, overlap
from doworld.query import Status
from doworld.query.effect_details import Estimated

__all__ = ["by_bounds", "by_causation"]

WORDS = {
    "pn": "P(without it, no outcome | both were)",
    "ps": "P(with it, the outcome | neither was)",
    "pns": "P(with it the outcome, without it none)",
}


def by_bounds(case: Case) -> Found:
    """Balke and Pearl's bound where there is an instrument, else Manski's.

    Raises ``UnanswerableError`` with the route's own reason where variables have no levels.
    """
    query, schema = case.query, case.log.schema
    names = (query.treatment, query.outcome)
    if not schema.static or query.estimand != "ate" or any(schema[n].levels != 2 for n in names):
        raise UnanswerableError(case.route.reason, case.route.fix)
    found: Bound | None = None
    for instrument, _ in case.route.instrument:
        if schema[instrument].levels == 2:
            counts = Counts.of(case.log, (instrument, *names))
            found = balke_pearl(counts, instrument, *names, level=query.level)
    if found is None:
        found = manski(Counts.of(case.log, names), *names, level=query.level, seed=case.seed)
    if found.refuted:
        raise UnanswerableError(
            f"The rows contradict the instrument: {'; '.join(found.assumptions)}",
            "Drop the instrument, or log rows in which the treatment is set at random.",
        )
    return _found(case, found, f"{query.treatment} 0 → 1", "E[Y(1) − Y(0)]")


def by_causation(case: Case) -> Found:
    """PN, PS or PNS within Tian and Pearl's bounds, the chances under both levels held fixed for.

    P(y_x) and P(y_x') are the doubly robust means; they enter the bounds as a trial of as many rows
    as their errors are worth.
    """
    query, schema = case.query, case.log.schema
    names = (query.treatment, query.outcome)
    if len(case.asked.levels) != 2 or not case.asked.discrete or schema[names[1]].levels != 2:
        raise UnanswerableError(
            f"{query.estimand.upper()} is of a treatment and an outcome of two levels each.",
            "Cut them into two levels, or ask for the average effect (ate).",
        )
    sample = case.sample()
    sample = sample.part(np.isin(sample.treatment, case.asked.levels))
    fitted = discrete.nuisance(sample, np.array(case.asked.levels), seed=case.seed, repeats=3)
    shared = overlap(fitted, case.asked.names)
    reason = lacking(shared)
    if reason:
        raise UnanswerableError(
            reason, f"Log rows in which {names[0]} varies among alike units.", shared
        )
    phi = discrete.scores(sample, fitted)
    arms = np.zeros((2, 2))
    for k in (0, 1):
        e = mean_of(phi[:, k], sample.unit)
        p = float(np.clip(e.value, 1e-6, 1 - 1e-6))
        worth = p * (1 - p) / max(e.error**2, 1e-12)
        arms[k] = worth * (1 - p), worth * p
    seen = np.zeros((2, 2))
    np.add.at(seen, (fitted.chosen, sample.outcome.astype(int)), 1)
    both = tian_pearl(Counts(names, seen), *names, trial=Counts(names, arms), level=query.level)
    bound = getattr(both, query.estimand)
    out = _found(case, bound, query.estimand.upper(), WORDS[query.estimand])
    return replace(out, sample=sample, overlap=shared, assumptions=(SIMPLE, *bound.assumptions))


def _found(case: Case, bound: Bound, name: str, what: str) -> Found:
    sample = case.sample()
    point = Estimated(
        name=name,
        estimate=(bound.lower + bound.upper) / 2,
        lower=bound.low,
        upper=bound.high,
        rows=len(sample),
    )
    return Found(
        what=what,
        population="over all rows",
        method=f"{bound.method} bound, {bound.lower:.3g} … {bound.upper:.3g} before sampling error",
        headline=(point,),
        sample=sample,
        status=Status.BOUNDED,
        assumptions=bound.assumptions,
        warnings=(case.route.reason, *bound.notes) if case.route.reason else bound.notes,
        fix=case.route.fix,
    )
