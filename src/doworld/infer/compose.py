"""From draws to an answer: estimates, intervals, the split of uncertainty, support and grounds."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Variable
from doworld.identify import Bounded, Identified, NotIdentified
from doworld.infer.engine import Draws
from doworld.infer.extrapolation import extrapolated
from doworld.infer.grounds import relied_on, verdict_of, weakest, worries
from doworld.infer.no_assumption import unfounded, widest
from doworld.infer.setup import Setup
from doworld.infer.support import OUTSIDE, Support, leaves_first, support
from doworld.infer.uncertainty import interval, split, widening
from doworld.model.world import WorldModel
from doworld.query import Answer, Query, Series, Status, Why
from doworld.query.words import phrase

__all__ = ["answer", "assemble", "refusal", "series_of", "summary_of", "why_of"]

PAST = 200
"""Rows before the question that an answer carries along for comparison."""


def answer(setup: Setup, query: Query, draws: Draws, *, extra: Sequence[str] = ()) -> Answer:
    """The answer to ``query`` from rollouts of ``setup``; ``extra`` are further assumptions."""
    cut = setup.done.cut[setup.first :]
    found = support(
        setup.model,
        setup.reach,
        past=setup.window,
        paths=draws.paths,
        cut=cut,
        trust=setup.trust,
    )
    why = why_of(setup, query, draws, found, extra)
    ahead = np.maximum(np.arange(setup.first, setup.last + 1), 1)
    return assemble(setup, query, draws, found, ahead=ahead, why=why)


def assemble(
    setup: Setup,
    query: Query,
    draws: Draws,
    found: Support,
    *,
    ahead: np.ndarray,
    why: Why,
    narrowest: float = 0.0,
    acted: np.ndarray | None = None,
) -> Answer:
    """Series and grounds in one answer; ``ahead`` counts rows since the fact, for calibration.

    Calibration comes from forecasts; where it does not apply as it stands, ``narrowest`` = 1 lets
    it widen intervals and never narrow them. ``acted`` tells where, of rows 0…last, an intervention
    is known to change anything; None where only a rollout can tell.
    """
    model = setup.model
    rows = np.arange(setup.first, setup.last + 1)
    cut = setup.done.cut[setup.first :]
    past_rows = np.arange(len(setup.logged)) + setup.logged_from
    series = [
        series_of(
            model,
            target,
            draws.values[..., n],
            rows,
            query.level,
            support=found.total[:, target],
            widen=np.maximum(widening(model.calibration, target, ahead), narrowest),
            past=(past_rows, setup.logged[:, target]),
            at_most=~cut[:, target],
        )
        for n, target in enumerate(setup.targets)
    ]
    names = [s.variable for s in series]
    whole = Answer(
        query=query,
        status=Status.IDENTIFIED,
        level=query.level,
        series=tuple(series),
        why=why,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
    )
    founded = unfounded(whole, setup, found, acted)
    return founded.with_draws(lambda: {n: draws.values[..., i] for i, n in enumerate(names)})


def why_of(
    setup: Setup, query: Query, draws: Draws, found: Support, extra: Sequence[str] = ()
) -> Why:
    """What the answer rests on."""
    model = setup.model
    done = getattr(query, "interventions", ())
    causes = list(dict.fromkeys(i.variable for i in done))
    assumed, warned = worries(model, causes, setup.names)
    edges = relied_on(model.graph, causes, setup.names)
    words, outside = _support_words(setup, draws, found)
    lawful, blind = extrapolated(
        model, found, relevant=setup.reach.ancestors(list(setup.targets)), first=setup.first
    )
    if draws.diverged:
        warned.append(
            f"{draws.diverged:.0%} of the rollouts ran away and were cut off: "
            "the model is asked far outside what it knows."
        )
    verdict = verdict_of(model, query)
    caveats = verdict.caveats if isinstance(verdict, Identified) else ()
    return Why(
        summary=summary_of(query),
        adjustment=" ".join(verdict.steps) if isinstance(verdict, Identified) else "",
        assumptions=(*assumed, *setup.assumptions, *extra, *lawful),
        edges=tuple(f"{e}, probability {e.probability:.2f}" for e in edges),
        weakest_edge=weakest(edges),
        support=words,
        outside=outside,
        rows=model.rows,
        warnings=(*setup.warnings, *warned, *caveats, *blind),
    )


def _support_words(setup: Setup, draws: Draws, found: Support) -> tuple[str, int | None]:
    relevant = setup.reach.ancestors(list(setup.targets))
    asked = found.total[:, list(setup.targets)].min(1)
    low = np.flatnonzero(asked < OUTSIDE)
    outside = int(low[0]) + setup.first if len(low) else None
    middle = np.median(draws.paths, 0)
    if len(setup.window):  # the row before the first, as found.within has it
        middle = np.concatenate([setup.window[:1], middle])
    cause = leaves_first(setup.model, found, rows=middle, relevant=relevant, first=setup.first)
    if cause is None:
        return "Inside the data throughout.", outside
    return cause[1], outside


def summary_of(query: Query) -> str:
    """The question in one line."""
    done = getattr(query, "interventions", ())
    if not done:
        return "Prediction without intervention"
    words = "; ".join(phrase(i) for i in done)
    return f"Had it been otherwise: {words}" if query.kind == "counterfactual" else f"do: {words}"


def refusal(model: WorldModel, query: Query, names: Sequence[str]) -> Answer | None:
    """``not_identified`` where the gate says that simulation is no answer, else None."""
    verdict = verdict_of(model, query)
    match verdict:
        case Identified(estimand=estimand) if estimand.simulates:
            return None
        case Identified(estimand=estimand):
            reason = f"An unobserved cause would share in what is simulated. {verdict.steps[0]}"
            fix = (
                "The log itself gives the effect on its own population, by "
                f"{estimand.way.value}: {estimand}. Ask Effect."
            )
            edge = ""
        case Bounded():
            reason, edge = verdict.reason, ""
            fix = verdict.fix or "Ask Effect for the bounds."
        case NotIdentified():
            reason, fix, edge = verdict.reason, verdict.fix, verdict.edge
    series = (Series(variable=n, unit=model.schema[n].unit, rows=(), estimate=None) for n in names)
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=query.level,
        series=tuple(series),
        why=Why(summary=summary_of(query), weakest_edge=edge, rows=model.rows, warnings=(reason,)),
        fix=fix,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
    )


def series_of(
    model: WorldModel,
    column: int,
    values: Float[np.ndarray, "members samples rows"],
    rows: np.ndarray,
    level: float,
    *,
    support: np.ndarray,
    widen: np.ndarray,
    past: tuple[np.ndarray, np.ndarray],
    at_most: np.ndarray,
) -> Series:
    """One variable's draws as a ``Series``; ``at_most`` marks rows that keep to the bounds."""
    variable = model.schema.variables[column]
    structural = np.array(model.members_of_structure or (False,) * len(values), bool)
    kept = past[0] > -PAST
    common = {
        "variable": variable.name,
        "unit": variable.unit,
        "rows": rows.tolist(),
        "support": np.clip(support, 0.0, 1.0).tolist(),
        "categories": variable.categories,
        "past_rows": past[0][kept].tolist(),
        "past": [None if np.isnan(v) else float(v) for v in past[1][kept]],
    }
    if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
        return Series(**common, **_levels(variable, values, level, structural))
    values = _held(model, column, values)
    parts = split(values, structural)
    sure = values.min((0, 1)) == values.max((0, 1))  # a mean of equal numbers rounds
    estimate = np.where(sure, values[0, 0], values.mean((0, 1)))
    ends = {}
    for name, own in (("", level), ("half_", 0.5)):
        low, high = interval(values, own, widen)
        low, high = _inside(variable, low, high, at_most)
        ends[f"{name}lower"] = np.minimum(low, estimate).tolist()
        ends[f"{name}upper"] = np.maximum(high, estimate).tolist()
    return Series(
        **common,
        **ends,
        estimate=estimate.tolist(),
        noise=np.where(sure, 0.0, parts.noise).tolist(),
        parameters=np.where(sure, 0.0, parts.parameters).tolist(),
        structure=np.where(sure, 0.0, parts.structure).tolist(),
    )


def _held(
    model: WorldModel, column: int, values: Float[np.ndarray, "members samples rows"]
) -> Float[np.ndarray, "members samples rows"]:
    """The draws, those beyond three log ranges held there in rows where the median is inside.

    A few members of a linear law may grow without end where the others do not; should most go
    beyond, then that is what the law says.
    """
    low, high = (float(wall) for wall in widest(model, column))
    if values.min() >= low and values.max() <= high:
        return values
    middle = np.median(values, (0, 1))
    return np.where((low <= middle) & (middle <= high), np.clip(values, low, high), values)


def _inside(variable: Variable, low: np.ndarray, high: np.ndarray, at_most: np.ndarray):
    """An interval cut to the variable's bounds where they hold."""
    least, most = variable.bounds
    return (
        np.where(at_most, np.clip(low, least, most), low),
        np.where(at_most, np.clip(high, least, most), high),
    )


def _levels(
    variable: Variable,
    values: Float[np.ndarray, "members samples rows"],
    level: float,
    structural: np.ndarray,
) -> dict:
    """The most probable level, the probabilities, and the fewest levels that hold ``level``."""
    marks = values[..., None] == np.arange(variable.levels)
    chance = marks.mean((0, 1))
    best = chance.argmax(-1)
    own = np.take_along_axis(marks, best[None, None, :, None], -1)[..., 0].astype(float)
    parts = split(own, structural)
    ends = {}
    for name, wanted in (("", level), ("half_", 0.5)):
        low, high = _smallest_set(chance, wanted)
        ends[f"{name}lower"], ends[f"{name}upper"] = low.tolist(), high.tolist()
    return {
        **ends,
        "estimate": best.astype(float).tolist(),
        "probabilities": chance.tolist(),
        "noise": parts.noise.tolist(),
        "parameters": parts.parameters.tolist(),
        "structure": parts.structure.tolist(),
    }


def _smallest_set(chance: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest code of the most probable levels that together reach ``level``."""
    order = np.argsort(-chance, axis=-1, kind="stable")
    total = np.cumsum(np.take_along_axis(chance, order, -1), -1)
    needed = np.argmax(total >= level - 1e-9, -1)
    inside = np.arange(chance.shape[-1]) <= needed[:, None]
    low = np.where(inside, order, chance.shape[-1]).min(-1)
    high = np.where(inside, order, -1).max(-1)
    return low.astype(float), high.astype(float)
