"""Rung 3: which action, variable or mechanism made an episode fail, and what would save it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import jax
from pydantic import TypeAdapter

from doworld.data import Role
from doworld.infer.blame.alternatives import Episode
from doworld.infer.blame.answer import answered
from doworld.infer.blame.bounds import Bounds, bounds
from doworld.infer.blame.budget import Together, together
from doworld.infer.blame.foundation import Foundation, foundation
from doworld.infer.blame.inquiry import Inquiry, actions_of, values_of
from doworld.infer.blame.moment import Moment, Prospect, moment, prospect
from doworld.infer.blame.shares import Player, players, shares
from doworld.infer.blame.success import Judge, judge_of
from doworld.infer.blame.survey import Survey, survey
from doworld.infer.compose import refusal
from doworld.infer.engine import key_of
from doworld.infer.history import table
from doworld.infer.shapley import Shares
from doworld.model.world import Doubts, WorldModel
from doworld.query import Answer, Blame, Counterfactual, Follow, Set, Status, Why
from doworld.query.given import Given

__all__ = ["Findings", "blame"]

GIVEN = TypeAdapter(Given)
SEEN = 200
"""Logged episodes that are looked at for one that succeeded."""

LOOK = 3
"""Changes that are tried together where no single one makes success likely."""
HOPELESS = (
    "Success holds in no world that was tried, whatever the actions and the noise: nothing is to "
    "blame for missing what may never hold."
)


@dataclass(frozen=True, eq=False)
class Findings:
    """All that was found out about a failed episode.

    Attributes:
        columns: the actions that may have been otherwise.
        targets: the variables that decide success.
        bounded: whether levels on the way leave the answer open.
        bounds: the interval of every row.
        base: whether the log vouches for it.
    """

    inquiry: Inquiry
    columns: tuple[int, ...]
    targets: tuple[int, ...]
    survey: Survey
    prospect: Prospect
    moment: Moment
    together: Together
    players: tuple[Player, ...]
    shares: Shares
    bounded: bool
    bounds: Bounds
    base: Foundation
    query: Blame
    warnings: tuple[str, ...]
    fix: str = ""


def blame(model: WorldModel, query: Blame, *, seed: int = 0) -> Answer:
    """What made the episode fail: t* = argmax_t max_a' P(success | do(a_t = a'), same noise).

    Every alternative of every action at every row is replayed with the episode's own noise, member
    by member (abduction, action, prediction: Pearl 2009, ch. 7). With it come the best few changes
    within the budget; necessity, sufficiency and both of each row's action (Pearl 2009, ch. 9; the
    latter two over fresh noise after the row); the row after which success was no longer likely;
    and Shapley shares of actions and of variables' own noise.

    Where levels lie between the action and success, their noise is not recoverable: the answer is
    ``bounded``, its estimate (and t* with it) assumes Gumbel-max mechanisms, and its interval is a
    bound whatever the mechanisms. Where a change leads out of the data, or the action's effects are
    suspected to be another cause's, the interval is [0, 1]. An action whose effect the log cannot
    tell is left out; where none is left, or nothing failed, the answer is
    ``not_identified`` and says what to do.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question, and
    where the predicate raises or returns no verdict.
    """
    # changes are tried, and levels bounded, by the mechanisms themselves, without their doubt
    episode = Episode.of(replace(model, doubts=Doubts()), query)
    judge = judge_of(model, query, episode.label)
    columns = actions_of(model, query)
    verdict, _ = judge(episode.values[None])
    if verdict[0]:
        return _refused(
            model,
            query,
            "The episode succeeded as it was: there is no failure to blame on anything.",
            "Ask about an episode that failed, or say more strictly what success is.",
        )
    targets = _targets(model, query, judge.names)
    open_columns, refused, warnings = _sieved(model, query, columns, targets, episode.steps)
    if not open_columns:
        assert refused is not None
        return refused
    key = key_of(seed)
    drawn = episode.posterior(open_columns, list(targets))
    size = query.samples if drawn else 1
    inquiry = Inquiry(
        episode=episode,
        judge=judge,
        rows=episode.completed(size, jax.random.fold_in(key, 1)),
        fresh_rows=episode.completed(query.samples, jax.random.fold_in(key, 1)),
        key=key,
    )
    tried = survey(inquiry, query, open_columns)
    targets = _targets(model, query, judge.names)
    ahead = prospect(inquiry, query, tried, open_columns, seed=seed)
    when = moment(tried, ahead, level=query.level, seed=seed)
    ends = bounds(inquiry, query, tried, when, ahead, targets, seed=seed)
    base = foundation(inquiry, tried, targets)
    most = query.budget
    if tried.necessity.max(initial=0.0) < 0.5:
        most = max(most, LOOK)
    best = together(inquiry, tried, most, seed=seed) if most > 1 else _single(tried, when)
    decisive = None if when.at is None else int(tried.rows[when.at])
    who = players(inquiry, open_columns, targets, decisive)
    shared = shares(inquiry, who, seed=seed)
    hopeless = not (best.success or ahead.helped.any() or shared.whole)
    less = "Say less strictly what success is, or name alternatives that may reach it."
    if hopeless and (unseen := _never_seen(model, judge)):
        return _refused(model, query, f"{HOPELESS} Nor does it in {unseen} logged episodes.", less)
    found = Findings(
        inquiry=inquiry,
        columns=tuple(open_columns),
        targets=targets,
        survey=tried,
        prospect=ahead,
        moment=when,
        together=best,
        players=tuple(who),
        shares=shared,
        bounded=bool(ends.open.any()),
        bounds=ends,
        base=base,
        query=query,
        warnings=(HOPELESS, *warnings) if hopeless else tuple(warnings),
        fix=less if hopeless else "",
    )
    return answered(model, query, found)


def _never_seen(model: WorldModel, judge: Judge) -> int:
    """How many logged episodes were judged, all of them failures; 0 where one was none."""
    log = () if model.log is None else model.log
    count = 0
    for episode in islice((e for e in log if e.steps), SEEN):
        rows = table(model.schema, GIVEN.validate_python(episode))
        if judge(rows[None])[0][0]:
            return 0
        count += 1
    return count


def _single(tried: Survey, when: Moment) -> Together:
    how = "every single change was tried"
    if when.at is None:
        return Together((), 0.0, how)
    change = tried.best[when.at]
    assert change is not None
    return Together((change,), float(tried.necessity[when.at]), how)


def _targets(model: WorldModel, query: Blame, named: Sequence[str]) -> tuple[int, ...]:
    """The states and rewards that success reads; all states where it reads none by name."""
    schema = model.schema
    kept = [n for n in named if schema[n].role in (Role.STATE, Role.REWARD)]
    return tuple(schema.position(n) for n in kept or schema.of(Role.STATE))


def _sieved(
    model: WorldModel, query: Blame, columns: Sequence[int], targets: Sequence[int], steps: int
):
    """(columns whose effect the log can tell, the refusal of the last other, warnings)."""
    schema = model.schema
    names = [schema.names[t] for t in targets]
    good, refused, warnings = [], None, []
    for i in columns:
        values = values_of(model, query, i)
        variable = schema.variables[i]
        sets = [Set(variable.name, _cell(variable.label(float(v))), at=0) for v in values[:2]]
        later = [Follow(n, p, at=range(1, steps)) for n, p in query.reacts.items() if steps > 1]
        proxy = Counterfactual(
            episode=query.episode, interventions=(*sets[-1:], *later), target=tuple(names)
        )
        own = refusal(model, proxy, names)
        if own is None:
            good.append(i)
            continue
        refused = own.model_copy(update={"query": query})
        why = own.why.model_copy(update={"summary": "What made the episode fail"})
        refused = refused.model_copy(update={"why": why})
        warnings += [f"{variable.name} is left out: {w}" for w in own.why.warnings]
    return good, refused, warnings


def _cell(label: object) -> float | str | bool:
    return label if isinstance(label, str | bool) else float(label)  # type: ignore[arg-type]


def _refused(model: WorldModel, query: Blame, why: str, fix: str) -> Answer:
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=query.level,
        why=Why(summary="What made the episode fail", warnings=(why,), rows=model.rows),
        fix=fix,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
    )
