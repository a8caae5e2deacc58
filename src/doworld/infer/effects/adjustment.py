"""Effects of levels at equal covariates: on everybody, on the treated, on parts of a population."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from doworld._core.errors import QueryError
from doworld.data import Kind
from doworld.infer.effects import discrete
from doworld.infer.effects.asked import UnanswerableError, within
from doworld.infer.effects.beyond import Beyond
from doworld.infer.effects.case import Case, Found, shown
from doworld.infer.effects.discrete import Estimate, Nuisance
from doworld.infer.effects.overlap import inside, lacking, overlap
from doworld.infer.effects.predicted import by_model
from doworld.infer.effects.refute import refute
from doworld.infer.effects.route import named
from doworld.infer.effects.sample import Sample, column
from doworld.infer.effects.sensitivity import sensitivity
from doworld.query import Status
from doworld.query.effect_details import Estimated

__all__ = ["FEWEST", "SIMPLE", "by_adjustment", "described", "strata", "too_few"]

REPEATS = 3
FEWEST = 20
"""Rows below which a stratum gets no number."""
MOST_STRATA = 12
VISIBLE = 0.01
"""Share of units without overlap that is spoken of."""
SIMPLE = "Given what is held fixed, nothing unrecorded moves treatment and outcome together."


def by_adjustment(case: Case) -> Found:
    """The contrasts of the levels by the doubly robust estimator, with everything beside it.

    Raises ``UnanswerableError`` where levels do not overlap.
    """
    sample, fitted, population = _population(case)
    levels = case.asked.levels
    treated = 1 if case.query.estimand == "att" else None
    found = overlap(fitted, case.asked.names, treated=treated)
    reason = lacking(found)
    if reason:
        raise UnanswerableError(
            reason,
            "Ask about those that may have had either (population='overlap'), or log rows in which "
            f"{case.query.treatment} varies among alike units.",
            found,
        )
    warnings: tuple[str, ...] = ()
    beyond = Beyond.of(case, sample)
    if case.query.estimand == "cate":
        points, opened, warnings = _by_stratum(case, sample, fitted, beyond)
    else:
        every = [_contrast(case, sample, fitted, beyond, k) for k in range(1, len(levels))]
        points, opened = [p for p, _ in every], any(o for _, o in every)
    if case.query.estimand == "cate" and case.query.given:
        keep = described(case, sample)
        beside, agreement_rows = _beside(case, sample.part(keep), fitted.part(keep))
    else:
        beside, agreement_rows = _beside(case, sample, fitted)
    first = agreement_rows["doubly robust"]
    return Found(
        what=_what(case),
        population=population,
        method="doubly robust scores, cross-fitted",
        headline=tuple(points),
        sample=sample,
        estimators=tuple(beside),
        overlap=found,
        sensitivity=sensitivity(
            _pair(sample, levels),
            [named([n]) for n in case.route.adjust],
            (levels[0], levels[1]),
            (first.value, first.error),
            alpha=1 - case.query.level,
        ),
        refutations=_refuted(case, sample),
        support=1 - found.outside,
        status=Status.BOUNDED if opened else Status.IDENTIFIED,
        assumptions=(SIMPLE, *((beyond.words(found.outside),) if opened else ())),
        warnings=(*(() if opened else _few(found.outside)), *warnings),
    )


def _few(outside: float) -> tuple[str, ...]:
    """What is said of units that nobody is compared with, too few to open the interval."""
    if outside < VISIBLE:
        return ()
    return (
        f"{outside:.0%} of the units almost surely had the level that they had: what the other one "
        "would have done to them is the regression's word, which no row checks and the interval "
        "does not hold. population='overlap' leaves them out.",
    )


def _population(case: Case) -> tuple[Sample, Nuisance, str]:
    sample = case.sample()
    levels = np.array(case.asked.levels)
    if case.query.estimand != "cate" and case.query.given:
        sample = sample.part(described(case, sample))
    _enough(sample, case)
    fitted = discrete.nuisance(sample, levels, seed=case.seed, repeats=REPEATS)
    who = "among the treated" if case.query.estimand == "att" else "over all rows"
    if case.query.given and case.query.estimand != "cate":
        who += " that are as given"
    if case.query.population == "overlap":
        keep = inside(fitted.propensity)
        who = f"over the {keep.mean():.0%} of rows that may have had either level"
        sample = sample.part(keep)
        _enough(sample, case)
        fitted = discrete.nuisance(sample, levels, seed=case.seed, repeats=REPEATS)
    return sample, fitted, who


def _enough(sample: Sample, case: Case) -> None:
    name = case.query.treatment
    for level, label in zip(case.asked.levels, case.asked.names, strict=True):
        rows = int((sample.treatment == level).sum())
        if rows < 5:
            raise UnanswerableError(
                f"No overlap: {rows} rows have {label} together with a value of "
                f"{case.query.outcome}.",
                f"Log rows with {label}, or compare other levels of {name}.",
            )
    if np.ptp(sample.outcome) == 0:
        raise UnanswerableError(
            f"{case.query.outcome} is the same in all rows compared.",
            f"Log rows in which {case.query.outcome} varies.",
        )


def described(case: Case, sample: Sample, *, besides: Sequence[str] = ()) -> np.ndarray:
    """Which rows are as ``given``, but for the names ``besides``.

    Raises ``QueryError`` for what the treatment moves.
    """
    given = {n: w for n, w in case.query.given.items() if n not in besides}
    moved = {n for n, k in case.paths.below([case.paths.treatment]) if k <= case.asked.lag}
    for name in given:
        node = (name, case.asked.lag)
        if node in case.paths.below([case.paths.treatment]) and name in moved:
            raise QueryError(
                f"{name!r} is moved by {case.query.treatment!r}: parts of the population must be "
                "described by what was so before. Leave it out of given."
            )
    values = {n: column(case.log, n, 0, sample.at) for n in given}
    return within(case.log, given, sample.at, values)


def _what(case: Case) -> str:
    y = case.query.outcome if case.asked.event is None else f"P({case.query.outcome})"
    among = {"att": " | treated", "cate": " | stratum"}.get(case.query.estimand, "")
    return f"E[{y}(treated) − {y}(control){among}]"


def _contrast(
    case: Case, sample: Sample, fitted: Nuisance, beyond: Beyond, high: int
) -> tuple[Estimated, bool]:
    name = _label(case, high)
    if case.query.estimand == "att":
        return beyond.treated(case, sample, fitted, high, name)
    return beyond.contrast(case, sample, fitted, discrete.scores(sample, fitted), high, name)


def _label(case: Case, high: int) -> str:
    base = case.asked.names[0].removeprefix(f"{case.query.treatment} = ")
    other = case.asked.names[high].removeprefix(f"{case.query.treatment} = ")
    return f"{case.query.treatment} {base} → {other}"


def _by_stratum(
    case: Case, sample: Sample, fitted: Nuisance, beyond: Beyond
) -> tuple[list[Estimated], bool, tuple[str, ...]]:
    """Means of the scores by stratum, whether any is a bound, and which have no overlap."""
    phi = discrete.scores(sample, fitted)
    out, without, opened = [], [], False
    reason, parts = "", strata(case, sample)
    for name, keep in parts:
        if keep.sum() < FEWEST:
            continue
        lack = lacking(overlap(fitted.part(keep), case.asked.names))
        if lack:
            without.append(name)
            reason = reason or lack
            continue
        for high in range(1, len(case.asked.levels)):
            label = name if len(case.asked.levels) == 2 else f"{name}: {_label(case, high)}"
            own, fits = sample.part(keep), fitted.part(keep)
            point, wide = beyond.contrast(case, own, fits, phi[keep], high, label)
            out.append(point)
            opened |= wide
    if not out and reason:
        raise UnanswerableError(
            reason,
            f"Log rows in which {case.query.treatment} varies among such units, or describe "
            "another part of the population.",
        )
    if not out:
        raise UnanswerableError(*too_few(int(parts[0][1].sum()) if parts else 0))
    if not without:
        return out, opened, ()
    return out, opened, (f"No number without overlap: {', '.join(without)}.",)


def too_few(rows: int) -> tuple[str, str]:
    """Why so few rows give no effect, and what helps."""
    return (
        f"Only {rows} rows are as given, too few for an effect among them.",
        "Describe a larger part of the population, or log more rows of it.",
    )


def strata(case: Case, sample: Sample) -> list[tuple[str, np.ndarray]]:
    """What ``given`` describes, or each covariate's levels or halves, as names and rows."""
    if case.query.given:
        return [("as given", described(case, sample))]
    return list(_parts(case, sample))[:MOST_STRATA]


def _parts(case: Case, sample: Sample):
    for name, back in case.route.adjust:
        variable = case.log.schema[name]
        values, word = column(case.log, name, back, sample.at), named([(name, back)])
        seen = np.unique(values[~np.isnan(values)])
        if variable.kind is Kind.CATEGORICAL or len(seen) <= 3:
            for code in seen:
                label = variable.label(float(code))
                text = f"{label:g}" if isinstance(label, float) else str(label)
                yield f"{word} = {text}", values == code
        else:
            cut = float(np.nanmedian(values))
            yield f"{word} ≤ {cut:.4g}", values <= cut
            yield f"{word} > {cut:.4g}", values > cut


def _beside(
    case: Case, sample: Sample, fitted: Nuisance
) -> tuple[list[Estimated], dict[str, Estimate]]:
    treated = case.query.estimand == "att"
    every = discrete.estimates(sample, fitted, 0, 1, treated=treated)
    level = case.query.level
    out = [shown(name, e, level) for name, e in every.items()]
    if not treated:
        out += [shown(n, e, level) for n, e in by_model(case, sample).items()]
    crude = [e for e in out if e.name == "crude"]
    return [e for e in out if e.name != "crude"] + crude, every


def _pair(sample: Sample, levels: Sequence[float] | np.ndarray) -> Sample:
    return sample.part(np.isin(sample.treatment, levels[:2]))


def _refuted(case: Case, sample: Sample):
    levels = np.array(case.asked.levels[:2])
    treated = case.query.estimand == "att"

    def again(part: Sample, seed: int) -> Estimate:
        fitted = discrete.nuisance(part, levels, seed=seed)
        return discrete.estimates(part, fitted, 0, 1, treated=treated)["doubly robust"]

    own = _pair(sample, levels)
    kept = set(own.at.tolist())
    controls = {
        name: _pair(each.part(np.isin(each.at, list(kept))), levels)
        for name, each in case.controls().items()
    }
    return refute(
        replace(own), again, controls=controls, seed=case.seed, fixed=bool(case.route.adjust)
    )
