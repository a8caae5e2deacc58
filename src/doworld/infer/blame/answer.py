"""From what was found out about a failure to an answer: series, details, grounds, paragraph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from doworld.data import Kind, Policy, Role
from doworld.infer.blame.alternatives import Change
from doworld.infer.blame.bounds import Pair
from doworld.infer.blame.success import GoalJudge
from doworld.infer.blame.words import headword, paragraph
from doworld.infer.grounds import relied_on, weakest, worries
from doworld.infer.support import OUTSIDE, leaves_first
from doworld.model.world import WorldModel
from doworld.query import Answer, Blame, Series, Status, Why
from doworld.query.blame_details import Alternative, BlameDetails, Share, Trace
from doworld.query.blame_details import Change as Told
from doworld.query.words import spans

if TYPE_CHECKING:
    from doworld.infer.blame.find import Findings

__all__ = ["answered"]

TRACES = 3
"""Variables that are shown as they were and as they would have been."""

LEAST = 25


def answered(model: WorldModel, query: Blame, found: "Findings") -> Answer:
    """The answer."""
    details = _details(model, query, found)
    survey = found.survey
    rows = tuple(int(r) for r in survey.rows)
    within, words, outside = _support(found)
    lower, upper = _interval(found)
    common = {"rows": rows, "unit": "probability", "support": tuple(within.tolist())}
    gain = Series(
        variable="success",
        estimate=tuple(survey.necessity.tolist()),
        lower=lower,
        upper=upper,
        **common,
    )
    ahead = Series(
        variable="success from here", estimate=tuple(found.prospect.ahead.tolist()), **common
    )
    return Answer(
        query=query,
        status=Status.BOUNDED if found.bounded or _unfounded(found) else Status.IDENTIFIED,
        level=query.level,
        series=(gain, ahead),
        why=_why(model, found, details, words, outside),
        fix=found.fix,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
        details=details,
    )


def _interval(found: "Findings"):
    """Lower and upper ends of P(success) by row."""
    lost = found.base.lost
    lower, upper = np.where(lost, 0.0, found.bounds.lower), np.where(lost, 1.0, found.bounds.upper)
    return tuple(lower.tolist()), tuple(upper.tolist())


def _unfounded(found: "Findings") -> bool:
    """Whether the log does not vouch for what the answer says of its best change, or of any."""
    base, at = found.base, found.moment.at
    return bool(base.doubt.any() or (base.lost.any() if at is None else base.lost[at]))


def _details(model: WorldModel, query: Blame, found: "Findings") -> BlameDetails:
    survey, when, ahead = found.survey, found.moment, found.prospect
    at = when.at
    best = None if at is None else survey.best[at]
    changes = found.together.changes if best or found.together.success > 0 else ()
    chance = survey.chance
    lower, upper = _interval(found)
    details = BlameDetails(
        best=None if best is None else _told(found, best),
        success=0.0 if at is None else float(survey.necessity[at]),
        lower=0.0 if at is None else lower[at],
        upper=0.0 if at is None else upper[at],
        chance=0.0 if at is None else float(when.chance[at]),
        likely=when.likely,
        ties=tuple(int(survey.rows[n]) for n in when.ties),
        always=bool(np.nanmin(chance, initial=1.0) >= 1.0),
        least=_least(found, best, query),
        rows=tuple(int(r) for r in survey.rows),
        logged={model.schema.names[i]: _logged(found, i) for i in found.columns},
        alternatives=tuple(
            Alternative(
                variable=model.schema.names[i],
                value=_cell(model, i, v),
                success=tuple(None if np.isnan(p) else float(p) for p in chance[:, n]),
            )
            for n, (i, v) in enumerate(survey.pairs)
        ),
        changes=tuple(_told(found, c) for c in changes),
        together=found.together.success,
        method=found.together.method,
        necessity=tuple(survey.necessity.tolist()),
        sufficiency=tuple(None if np.isnan(p) else float(p) for p in ahead.sufficiency),
        both=tuple(ahead.both.tolist()),
        open=tuple(found.bounds.open.tolist()),
        unfounded=tuple(found.base.lost.tolist()),
        sufficiency_bounds=_let_go(found, found.bounds.sufficiency),
        both_bounds=_let_go(found, found.bounds.both),
        still=tuple(ahead.still.tolist()),
        ahead=tuple(ahead.ahead.tolist()),
        randomised=model.schema.policy is Policy.RANDOMISED,
        helped=tuple(ahead.helped.tolist()),
        turning=ahead.turning,
        no_return=ahead.no_return,
        shares=_shares(model, found),
        shared=found.shares.whole,
        exact=found.shares.exact,
        traces=_traces(model, query, found, changes),
        draws=(
            int(np.prod(found.inquiry.rows.shape[:2])),
            int(np.prod(found.inquiry.fresh_rows.shape[:2])),
        ),
        thinned=survey.thinned,
    )
    text = paragraph(details, steps=found.inquiry.episode.steps, bounded=found.bounded)
    return details.model_copy(update={"text": text})


def _let_go(found: "Findings", pairs: Sequence[Pair | None]) -> tuple[Pair | None, ...]:
    """The bounds of each row, [0, 1] where the log vouches for nothing."""
    lost = found.base.lost.tolist()
    return tuple((0.0, 1.0) if gone else own for gone, own in zip(lost, pairs, strict=True))


def _cell(model: WorldModel, column: int, value: float) -> float | str | bool:
    label = model.schema.variables[column].label(float(value))
    return label if isinstance(label, str) else float(value)


def _told(found: "Findings", change: Change) -> Told:
    episode = found.inquiry.episode
    variable = episode.model.schema.variables[change.variable]
    return Told(
        variable=variable.name,
        row=change.row,
        was=_cell(episode.model, change.variable, episode.values[change.row, change.variable]),
        instead=_cell(episode.model, change.variable, change.value),
        unit=variable.unit,
    )


def _logged(found: "Findings", column: int) -> tuple[float | str | bool | None, ...]:
    episode = found.inquiry.episode
    values = episode.logged[found.survey.rows, column]
    return tuple(None if np.isnan(v) else _cell(episode.model, column, v) for v in values)


def _least(found: "Findings", best: Change | None, query: Blame) -> Told | None:
    """The smallest change of the same action at the same row that makes success likely."""
    episode = found.inquiry.episode
    if best is None or found.survey.necessity.max() < 0.5:
        return None
    variable = episode.model.schema.variables[best.variable]
    if variable.kind is not Kind.CONTINUOUS or variable.name in query.alternatives:
        return None
    was = float(episode.values[best.row, best.variable])
    values = np.linspace(was, best.value, LEAST + 1)[1:]
    chance = found.inquiry.of([(Change(best.row, best.variable, float(v)),) for v in values]).chance
    likely = np.flatnonzero(chance >= 0.5)
    if not len(likely):
        return None
    return _told(found, Change(best.row, best.variable, float(values[likely[0]])))


def _shares(model: WorldModel, found: "Findings") -> tuple[Share, ...]:
    out = []
    for player, value, error in zip(
        found.players, found.shares.value, found.shares.error, strict=True
    ):
        name = model.schema.names[player.variable]
        rows = f"rows {player.first}–{player.last}"
        rows = f"row {player.first}" if player.first == player.last else rows
        out.append(
            Share(
                name=f"{name}, {rows}" if player.kind == "action" else f"{name}: its own noise",
                kind="action" if player.kind == "action" else "noise",
                value=float(value),
                error=float(error),
                variable=name,
                first=player.first,
                last=player.last,
            )
        )
    return tuple(out)


def _traces(model: WorldModel, query: Blame, found: "Findings", changes) -> tuple[Trace, ...]:
    """The variables that decided, the one that failed most first, under the best changes."""
    episode, judge = found.inquiry.episode, found.inquiry.judge
    order = list(found.targets)
    if isinstance(judge, GoalJudge):
        short = judge.by_variable(episode.values[None])
        order.sort(key=lambda i: -short[i])
    paths = None
    if changes:
        paths = found.inquiry.paths(found.together.changes)
    tail = (1 - query.level) / 2
    out = []
    for i in order[:TRACES]:
        variable = model.schema.variables[i]
        was = tuple(None if np.isnan(v) else float(v) for v in episode.logged[:, i])
        ranges = {}
        if isinstance(judge, GoalJudge):
            ranges = {"bounds": _ends(judge.limit[:, i]), "end": _ends(judge.end[:, i])}
        told = {}
        if paths is not None:
            low, middle, high = np.quantile(paths[..., i], [tail, 0.5, 1 - tail], axis=0)
            told = {
                "instead": tuple(middle.tolist()),
                "lower": tuple(low.tolist()),
                "upper": tuple(high.tolist()),
            }
        out.append(
            Trace(
                variable=variable.name,
                unit=variable.unit,
                was=was,
                categories=variable.categories,
                **ranges,
                **told,
            )
        )
    return tuple(out)


def _ends(pair: np.ndarray) -> tuple[float | None, float | None]:
    low, high = (float(v) if np.isfinite(v) else None for v in pair)
    return low, high


def _support(found: "Findings") -> tuple[np.ndarray, str, int | None]:
    """(support by row of each row's best change, words, first row outside) of the best."""
    base, at = found.base, found.moment.at
    support = None if at is None else base.found[at]
    if at is None or support is None:
        return base.support, "", None
    episode = found.inquiry.episode
    model, columns = episode.model, list(found.targets)
    asked = support.total[:, columns].min(1)
    outside = np.flatnonzero(asked < OUTSIDE)
    first = int(outside[0]) if len(outside) else None
    path = base.paths[at]
    middle = np.concatenate([path[:1], path]) if model.dynamics.max_lag else path
    relevant = episode.reach.ancestors(columns)
    cause = leaves_first(model, support, rows=middle, relevant=relevant, first=0)
    return base.support, "Inside the data throughout." if cause is None else cause[1], first


def _lost(found: "Findings") -> list[str]:
    """At which rows the interval says nothing, and why."""
    out = []
    for where, why in (
        (found.base.doubt, "the action's effects may be another cause's"),
        (found.base.far & ~found.base.doubt, "what follows is outside the data"),
    ):
        rows = found.survey.rows[where].tolist()
        if rows:
            out.append(
                f"At {spans(rows)} the interval is a bound, 0…1, since {why}: the estimate takes "
                "what was learned to hold there."
            )
    return out


def _why(model: WorldModel, found: "Findings", details: BlameDetails, words: str, outside) -> Why:
    schema = model.schema
    causes = [schema.names[i] for i in found.columns]
    names = [schema.names[i] for i in found.targets]
    assumed, warned = worries(model, causes, names)
    edges = relied_on(model.graph, causes, names)
    notes = []
    if found.inquiry.episode.reacts is not None:
        who = ", ".join(sorted(found.query.reacts))
        notes.append(
            f"{who} follows its policy in the rows after the first change, and stays as logged "
            "before; shares and chances from a row on keep the actions as they were."
        )
    elif schema.policy is not Policy.RANDOMISED:
        notes.append("Actions after the change stay as logged: their policy does not react.")
    if found.bounded:
        levels = ", ".join(schema.names[i] for i in found.inquiry.episode.stochastic)
        notes.append(
            f"What {levels} would have been cannot be known from what it was. The estimate assumes "
            "Gumbel-max mechanisms (Oberst & Sontag 2019), and the decisive row is so by it. The "
            "intervals of rows behind levels are bounds over all mechanisms with those chances."
        )
    gaps = [
        schema.names[i]
        for i in schema.positions(Role.STATE)
        if np.isnan(found.inquiry.episode.logged[:, i]).any()
    ]
    if gaps:
        notes.append(f"Missing in the episode and drawn from the model: {', '.join(gaps)}.")
    notes.append(
        "Necessity keeps this episode's noise; sufficiency and chances from a row on draw it anew."
    )
    notes += _lost(found)
    warnings = [*dict.fromkeys((*found.base.why, *found.warnings, *warned))]
    if details.thinned:
        warnings.append("Only some rows were tried at first, and all only around the best.")
    return Why(
        summary=headword(details),
        assumptions=(*assumed, *notes),
        adjustment="The episode's own noise is recovered and replayed, by member.",
        edges=tuple(f"{e}, probability {e.probability:.2f}" for e in edges),
        weakest_edge=weakest(edges),
        support=words,
        outside=outside,
        rows=model.rows,
        warnings=tuple(warnings),
    )
