"""What an effect may be where the rows leave it open, and the probabilities of causation."""

from dataclasses import replace

import numpy as np

from doworld.identify.verdict import Program
from doworld.infer.bounding import Bound, Counts, tian_pearl
from doworld.infer.bounding.gate import solve_program
from doworld.infer.effects import discrete
from doworld.infer.effects.adjustment import FEWEST, SIMPLE, described, too_few
from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found
from doworld.infer.effects.discrete import mean_of
from doworld.infer.effects.overlap import lacking, overlap
from doworld.query import Status
from doworld.query.effect_details import Estimated
from doworld.query.words import number

__all__ = ["by_bounds", "by_causation"]

MOST_CELLS, MOST_TYPES = 64, 20_000
"""Cells and response types of a program, beyond which it looks at fewer variables."""
TWO_LEVELS = "{} is of a treatment and an outcome of two levels each."
CUT = "Cut them into two levels, or ask for the average effect (ate)."

WORDS = {
    "pn": "P(without it, no outcome | both were)",
    "ps": "P(with it, the outcome | neither was)",
    "pns": "P(with it the outcome, without it none)",
}


def by_bounds(case: Case) -> Found:
    """The least and the greatest effect that the rows allow, with sampling error.

    By the linear program of the gate where variables of a table are discrete, else by what the
    outcome can be at all (Manski 1990). Raises ``UnanswerableError`` with the route's own reason
    where a variable has no levels.
    """
    program = case.route.program
    if program is not None and case.log.schema.static and not case.query.given:
        return _by_program(case, program)
    return _by_range(case)


def _by_program(case: Case, program: Program) -> Found:
    query, schema = case.query, case.log.schema
    names = (query.treatment, query.outcome)
    if query.estimand not in ("ate", "att", "pn", "ps", "pns"):
        raise UnanswerableError(
            case.route.reason, f"{case.route.fix} A bound is to be had of ate or att."
        )
    if query.estimand in ("pn", "ps", "pns") and any(schema[n].levels != 2 for n in names):
        raise UnanswerableError(TWO_LEVELS.format(query.estimand.upper()), CUT)
    worth = case.asked.outcome_of(np.arange(float(schema[query.outcome].levels))).tolist()
    chosen = _counted(case, program)
    points, bounds = [], []
    for k, treated in enumerate(case.asked.levels[1:], start=1):
        levels = int(case.asked.levels[0]), int(treated)
        found = _solved(case, program, chosen, levels, worth)
        _fits(found, query.treatment)
        name = f"{case.asked.names[0]} → {case.asked.names[k]}"
        points.append(_point(case, found, name))
        bounds.append(found)
    what = WORDS.get(query.estimand, "E[Y(b) − Y(a)]")
    return _bounded(case, tuple(points), bounds[0], what)


def _fits(bound: Bound, treatment: str) -> None:
    """Raises ``UnanswerableError`` where the rows contradict the graph."""
    if bound.refuted:
        raise UnanswerableError(
            "The rows contradict the graph: no world with its hidden causes gives them.",
            "Give an edge or a hidden cause that was left out, or log rows in which "
            f"{treatment} is set at random.",
        )


def _counted(case: Case, program: Program) -> list[str]:
    """What is counted: treatment, outcome, instruments, then causes nearest first, while few."""
    schema, graph = case.log.schema, program.graph
    first = [program.treatment, program.outcome, *program.instruments]
    above = graph.ancestors([program.treatment, program.outcome])
    beside = [n for n in reversed(graph.order()) if n in above and n not in first]
    out, cells = [], 1
    for node in (*first, *beside):
        levels = schema[str(node)].levels
        needed = node in (program.treatment, program.outcome)
        if needed or (levels and cells * levels <= MOST_CELLS):
            out.append(str(node))
            cells *= levels
    return out


def _solved(
    case: Case, program: Program, names: list[str], levels: tuple[int, int], worth
) -> Bound:
    """The narrowest that can be had: with fewer variables where more open too many types."""
    best: Bound | None = None
    for count in range(len(names), 1, -1):
        counts = Counts.of(case.log, names[:count])
        found = solve_program(
            program, counts, levels=levels, values=worth, level=case.query.level, most=MOST_TYPES
        )
        if best is None or best.method == "natural range":
            best = found
        if best.method != "natural range":
            break
    assert best is not None
    return best


def _by_range(case: Case) -> Found:
    """Manski's bound by what the outcome can be, rows of one unit dependent on each other.

    E[Y; A = a] + l P(A ≠ a)  ≤  E[Y(a)]  ≤  E[Y; A = a] + h P(A ≠ a)
    """
    query, asked = case.query, case.asked
    variable = case.log.schema[query.outcome]
    if not asked.discrete or query.estimand != "ate" or query.given or query.population != "all":
        raise UnanswerableError(case.route.reason, case.route.fix)
    sample = case.sample()
    low, high = (0.0, 1.0) if asked.event is not None or variable.levels == 2 else variable.bounds
    notes: tuple[str, ...] = ()
    if variable.levels > 2 and asked.event is None:
        low, high = 0.0, float(variable.levels - 1)
    if not np.isfinite((low, high)).all():
        if case.route.program is not None:
            raise UnanswerableError(case.route.reason, case.route.fix)
        least, most = float(sample.outcome.min()), float(sample.outcome.max())
        low, high = max(low, least), min(high, most)
        notes = (
            f"No {query.outcome} would lie outside the logged {number(low)} … {number(high)}; "
            "give its bounds in the schema where it may.",
        )
    arms = [
        [np.where(sample.treatment == a, sample.outcome, end) for end in (low, high)]
        for a in asked.levels
    ]
    contrasts = [
        [mean_of(arm[i] - arms[0][1 - i], sample.unit) for i in (0, 1)] for arm in arms[1:]
    ]
    points = []
    for k, ends in enumerate(contrasts, start=1):
        points.append(
            Estimated(
                name=f"{asked.names[0]} → {asked.names[k]}",
                estimate=(ends[0].value + ends[1].value) / 2,
                lower=ends[0].interval(query.level)[0],
                upper=ends[1].interval(query.level)[1],
                rows=len(sample),
            )
        )
    first, nothing = contrasts[0], "Nothing is assumed of how the treatment was chosen."
    bound = Bound(
        lower=first[0].value,
        upper=first[1].value,
        low=points[0].lower,
        high=points[0].upper,
        level=query.level,
        method="Manski",
        assumptions=notes or (nothing,),
    )
    return _bounded(case, tuple(points), bound, "E[Y(b) − Y(a)]")


def by_causation(case: Case) -> Found:
    """PN, PS or PNS within Tian and Pearl's bounds, the chances under both levels held fixed for.

    P(y_x) and P(y_x') are the doubly robust means; they enter the bounds as a trial of as many rows
    as their errors are worth.
    """
    query, schema = case.query, case.log.schema
    names = (query.treatment, query.outcome)
    if len(case.asked.levels) != 2 or not case.asked.discrete or schema[names[1]].levels != 2:
        raise UnanswerableError(TWO_LEVELS.format(query.estimand.upper()), CUT)
    sample = case.sample()
    sample = sample.part(np.isin(sample.treatment, case.asked.levels) & described(case, sample))
    if len(sample) < FEWEST:
        raise UnanswerableError(*too_few(len(sample)))
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
    _fits(bound, query.treatment)
    point = _point(case, bound, query.estimand.upper())
    out = _bounded(case, (point,), bound, WORDS[query.estimand])
    who = "over rows that are as given" if query.given else out.population
    assumed = (SIMPLE, *bound.assumptions)
    return replace(out, sample=sample, population=who, overlap=shared, assumptions=assumed)


def _point(case: Case, bound: Bound, name: str) -> Estimated:
    return Estimated(
        name=name,
        estimate=(bound.lower + bound.upper) / 2,
        lower=bound.low,
        upper=bound.high,
        rows=len(case.sample()),
    )


def _bounded(case: Case, points: tuple[Estimated, ...], bound: Bound, what: str) -> Found:
    """The answer; ``bound`` is of the first contrast."""
    return Found(
        what=what,
        population="among the treated" if case.query.estimand == "att" else "over all rows",
        method=f"{bound.method} bound, {bound.lower:.3g} … {bound.upper:.3g} before sampling error",
        headline=points,
        sample=case.sample(),
        status=Status.BOUNDED,
        assumptions=bound.assumptions,
        warnings=(case.route.reason, *bound.notes) if case.route.reason else bound.notes,
        fix=case.route.fix,
    )
