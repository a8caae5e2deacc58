"""Rungs 2 and 3: what a treatment does to an outcome, from the rows of a log."""

from doworld._core.errors import QueryError
from doworld.data import Policy, Role, Trajectories
from doworld.graph import CausalGraph
from doworld.infer.effects.adjustment import SIMPLE, by_adjustment
from doworld.infer.effects.asked import Asked, UnanswerableError, asked
from doworld.infer.effects.bounded import by_bounds, by_causation
from doworld.infer.effects.case import Case, Found
from doworld.infer.effects.dose import by_dose
from doworld.infer.effects.front_door import by_front_door
from doworld.infer.effects.gated import route_of
from doworld.infer.effects.instrument import by_instrument
from doworld.infer.effects.mediation import by_mediation
from doworld.infer.effects.paths import Paths, acting
from doworld.infer.effects.tabled import by_formula
from doworld.infer.grounds import relied_on, weakest
from doworld.model.world import WorldModel
from doworld.query import Answer, Effect, Series, Status, Why
from doworld.query.effect_details import EffectDetails, Overlap
from doworld.query.words import number

__all__ = ["effect", "effect_of"]


def effect(model: WorldModel, query: Effect, *, seed: int = 0) -> Answer:
    r"""The effect that ``query`` names, from the rows that the model was learned from.

    The graph says first whether the rows can tell, and what must be held fixed; then

        E[Y(a)] = E[μ_a(X) + 1(A = a)/e_a(X) · (Y − μ_a(X))]

    by cross-fitted regressions μ and propensities e (Robins, Rotnitzky and Zhao 1994; Chernozhukov
    et al. 2018), beside the model's own g-formula and the plain estimators. Overlap, sensitivity
    to unobserved causes and refutations are in ``Answer.details``.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question and for
    a model without rows. Where the data cannot answer, the status is ``not_identified`` or, where
    they leave an interval, ``bounded``.
    """
    if model.log is None:
        raise QueryError(
            "effects are computed from rows, and this model carries none since it was loaded. "
            "Give them: ask(model, query, log=log)."
        )
    if model.log.schema.names != model.schema.names:
        raise QueryError(
            f"the log has the variables {', '.join(model.log.schema.names)}, and the model "
            f"{', '.join(model.schema.names)}. Give the rows of the same variables."
        )
    return effect_of(model.log, model.graph, query, seed=seed, model=model)


def effect_of(
    log: Trajectories,
    graph: CausalGraph,
    query: Effect,
    *,
    seed: int = 0,
    model: WorldModel | None = None,
) -> Answer:
    """As ``effect``, from a log and a graph alone: no mechanism need be learned."""
    question: Asked | None = None
    try:
        question = asked(log, graph, query)
        case = _case(log, graph, question, seed, model)
        return _answer(case, _method(case)(case))
    except UnanswerableError as no:
        return _refusal(log, graph, query, no, question)


def _method(case: Case):
    """What computes the estimand along the route; never for other rows than those asked about."""
    kind, query = case.route.kind, case.query
    if kind == "refused":
        raise UnanswerableError(case.route.reason, case.route.fix)
    level_by_level = case.asked.discrete and query.estimand != "dose"
    pair = level_by_level and query.estimand == "ate" and len(case.asked.levels) == 2
    adjusted = by_adjustment if level_by_level else by_dose
    if query.estimand in ("pn", "ps", "pns"):
        adjusted = by_causation
    elif query.mediator:
        adjusted = by_mediation
    if query.population != "all" and (kind != "adjustment" or adjusted is not by_adjustment):
        raise UnanswerableError(
            "Rows that may have had either level are told apart only where levels are compared at "
            f"equal covariates, not for {query.estimand} of {query.treatment} here.",
            "Leave out population='overlap', or compare levels=(control, treated) that many rows "
            "have.",
        )
    return {
        "bounded": by_bounds,
        "formula": by_formula,
        "instrument": by_instrument,
        "front-door": by_front_door if pair and not query.given else by_formula,
        "adjustment": adjusted,
    }[kind]


def _case(
    log: Trajectories, graph: CausalGraph, question: Asked, seed: int, model: WorldModel | None
) -> Case:
    query = question.query
    paths = Paths.of(
        acting(graph, log.schema, query.treatment), query.treatment, query.outcome, question.lag
    )
    return Case(log, graph, paths, route_of(log, graph, paths, question), question, seed, model)


def _answer(case: Case, found: Found) -> Answer:
    query, schema = case.query, case.log.schema
    edges = relied_on(case.graph, [query.treatment], [query.outcome])
    scale = schema[query.outcome].unit if case.asked.event is None else ""
    details = EffectDetails(
        treatment=query.treatment,
        outcome=query.outcome,
        what=found.what,
        population=found.population,
        method=found.method,
        scale=scale,
        points=found.headline,
        estimators=found.estimators,
        agreement=_agreement(found),
        overlap=found.overlap,
        sensitivity=found.sensitivity,
        refutations=found.refutations,
        dose=found.dose,
        rows=len(found.sample),
        units=found.sample.units,
    )
    assumptions, warnings = _grounds(case, found)
    series = Series(
        variable=query.outcome,
        unit=scale,
        rows=tuple(range(len(found.headline))),
        estimate=tuple(p.estimate for p in found.headline),
        lower=tuple(p.lower for p in found.headline),
        upper=tuple(p.upper for p in found.headline),
        support=(found.support,) * len(found.headline),
    )
    return Answer(
        query=query,
        status=found.status,
        level=query.level,
        series=(series,),
        why=Why(
            summary=_summary(case, found),
            assumptions=assumptions,
            adjustment=case.route.words,
            edges=tuple(f"{e}, probability {e.probability:.2f}" for e in edges),
            weakest_edge=weakest([e for e in edges if e.probability < 1]),
            rows=case.log.rows,
            warnings=warnings,
            refutations=tuple(str(r) for r in found.refutations),
        ),
        fix=found.fix,
        step=schema.step,
        time_unit=schema.time_unit,
        details=details,
    )


def _summary(case: Case, found: Found) -> str:
    query = case.query
    later = f", {case.asked.lag} row{'s' * (case.asked.lag != 1)} later" if case.asked.lag else ""
    head = f"Effect of {query.treatment} on {query.outcome}{later}"
    if len(found.headline) != 1:
        return head
    p = found.headline[0]
    return f"{head}: {number(p.estimate)} [{number(p.lower)}, {number(p.upper)}]"


def _agreement(found: Found) -> str:
    """Whether the estimators that hold the same things fixed tell one story."""
    same = [e for e in found.estimators if e.name not in ("crude", "two-stage, unadjusted")]
    if len(same) < 2 or not found.alike:
        return ""
    first = same[0]
    far = [e.name for e in same[1:] if not first.lower <= e.estimate <= first.upper]
    if not far:
        return "The estimators agree: each lies inside the first one's interval."
    return f"Not in agreement: {', '.join(far)} lies outside the first one's interval."


def _grounds(case: Case, found: Found) -> tuple[tuple[str, ...], tuple[str, ...]]:
    query, schema, route_of = case.query, case.log.schema, case.route
    assumptions = [*route_of.assumptions, *found.assumptions]
    variable = schema[query.treatment]
    if variable.role is Role.ACTION and schema.policy is Policy.RANDOMISED:
        # which is all that it stands in for: mediators, bounds and doses assume what they do
        kept = [a for a in assumptions if a != SIMPLE]
        assumptions = [f"The logged {query.treatment} was randomised.", *kept]
    warnings = [*route_of.warnings, *found.warnings]
    if found.sample.dropped:
        share = found.sample.dropped / max(found.sample.dropped + len(found.sample), 1)
        if share >= 0.001:
            warnings.append(
                f"{share:.1%} of the rows lack the treatment, the outcome or what is held fixed "
                "and are left out, as if they lacked it by chance."
            )
    acts = query.outcome in case.graph.descendants(query.treatment)
    if not acts and query.adjust is None:
        warnings.append(
            f"By the graph {query.treatment} does not act on {query.outcome}: the number tests "
            "that."
        )
    warnings += [
        f"Refutation failed: {r.name}: {r.words}." for r in found.refutations if not r.passed
    ]
    return tuple(assumptions), tuple(warnings)


def _refusal(
    log: Trajectories,
    graph: CausalGraph,
    query: Effect,
    no: UnanswerableError,
    question: Asked | None,
) -> Answer:
    details = None
    if isinstance(no.details, Overlap):
        details = EffectDetails(
            treatment=query.treatment, outcome=query.outcome, what="", overlap=no.details
        )
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=query.level,
        series=(
            Series(
                variable=query.outcome,
                unit=log.schema[query.outcome].unit,
                rows=(),
                estimate=None,
            ),
        ),
        why=Why(
            summary=f"Effect of {query.treatment} on {query.outcome}",
            rows=log.rows,
            warnings=(no.reason,),
        ),
        fix=no.fix,
        step=log.schema.step,
        time_unit=log.schema.time_unit,
        details=details,
    )
