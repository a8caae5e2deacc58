"""Rung 3: what would have happened in this episode: abduction, action, prediction (Pearl 2009)."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from doworld.infer.compose import assemble, refusal, why_of
from doworld.infer.counterfactual.additive import Linear, linear_of
from doworld.infer.counterfactual.belongs import check_logged, check_schema
from doworld.infer.counterfactual.bounds import ambiguous, bounded
from doworld.infer.counterfactual.fact import Fact, Otherwise, fact_of, luck_of
from doworld.infer.counterfactual.replay import complete, replay, stacked
from doworld.infer.engine import PATHS, Draws, key_of
from doworld.infer.reach import Reach
from doworld.infer.setup import ASSUMED, targets_of
from doworld.infer.support import support
from doworld.mechanisms import StochasticBank
from doworld.model.doubt import doubtful
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual, Population, Status
from doworld.query.words import phrase
from doworld.query.worlds_details import Worlds

__all__ = ["counterfactual"]

UNCALIBRATED = (
    "the interval holds what parameters and edges leave open; forecasts' calibration may widen it, "
    "since no counterfactual was ever logged to calibrate on"
)


def counterfactual(model: WorldModel, query: Counterfactual, *, seed: int = 0) -> Answer:
    """All rows of the episode, had the interventions been made.

    Each member's noise is recovered from the logged rows and replayed in every altered world; what
    comes out is fact + (altered replay − factual replay), so rounding never looks like an effect.
    Where an effect runs through a mechanism whose noise cannot be recovered (a level), the answer
    is ``bounded``, with the Gumbel-max estimate (Oberst & Sontag 2019) named as an assumption.

    Laws: interventions that state the fact return the fact; rows before the first intervention and
    variables that it cannot reach keep their logged values.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question.
    """
    past = query.episode
    check_schema(model.schema, past)
    if isinstance(past, Population) or (model.schema.static and past.length > 1):
        return _many(model, query, seed)
    members, model = model.dynamics.members, doubtful(model)
    samples = max(query.samples * members // model.dynamics.members, 1)  # as many draws in all
    targets = targets_of(model.schema, query.target)
    reach = Reach.of(model)
    fact = fact_of(model, past, targets, reach, seed=seed)
    check_logged(model.schema, targets, fact.logged)
    worlds = [fact.otherwise(done, name) for name, done in query.worlds.items()]
    if (refused := refused_of(model, query, targets)) is not None:
        return refused
    asked = singles(query)
    if (linear := _linear(worlds)) is not None:
        answers = [
            _answer(each, own, linear.whole(each.setup.done, targets, fact.filled.values[:1]))
            for each, own in zip(worlds, asked, strict=True)
        ]
        return side_by_side(query, answers, worlds)
    key = key_of(seed)
    rows = _completed(fact, worlds, samples, key)
    every = stacked([fact.world, *(w.world for w in worlds)])
    luck = luck_of(fact, every, rows.shape[1])
    second = jax.random.fold_in(key, 2)
    out = replay(model.dynamics, fact.window, rows, every, luck=luck, key=second)
    answers = []
    for n, (each, own) in enumerate(zip(worlds, asked, strict=True), 1):
        values = each.values(rows, out[:, :, n], out[:, :, 0])
        answer = _answer(each, own, values)
        vague = ambiguous(each.setup, each.reached, unsure(model), changed(each, out[:, :, [0, n]]))
        if vague[:, list(targets)].any():
            third = jax.random.fold_in(key, 3)
            answer = bounded(answer, each, rows, out[:, :, [0, n]], values, vague, third)
        answers.append(answer)
    return side_by_side(query, answers, worlds)


def _linear(worlds: Sequence[Otherwise]) -> Linear | None:
    """The linear mechanisms that alone stand between what is done and the targets; else None."""
    fact = worlds[0].fact
    linear = linear_of(fact.model)
    if linear is None or not fact.complete:
        return None
    values = fact.filled.values[:1]
    every = (linear.answers(w.setup.done, fact.targets, values) for w in worlds)
    return linear if all(every) else None


def _many(model: WorldModel, query: Counterfactual, seed: int) -> Answer:
    from doworld.infer.counterfactual.population import population

    if not model.schema.static or linear_of(model) is None:
        model = doubtful(model)  # else the closed form, which says what it leaves out
    targets = targets_of(model.schema, query.target)
    return population(model, query, targets, Reach.of(model), seed=seed)


def singles(query: Counterfactual) -> list[Counterfactual]:
    """The question about each world alone."""
    if not query.alternatives:
        return [query]
    worlds = query.worlds.values()
    return [query.model_copy(update={"interventions": w, "alternatives": {}}) for w in worlds]


def refused_of(model: WorldModel, query: Counterfactual, targets: Sequence[int]) -> Answer | None:
    """``not_identified`` where the log cannot say what is done in one of the worlds, else None."""
    names = [model.schema.names[t] for t in targets]
    for asked in singles(query):
        refused = refusal(model, asked, names)
        if refused is not None:
            return refused.model_copy(update={"query": query})
    return None


def side_by_side(
    query: Counterfactual, answers: Sequence[Answer], worlds: Sequence[Otherwise]
) -> Answer:
    """The first world's answer, with all of them in its details where there are several."""
    if not query.alternatives:
        return answers[0]
    words = [(w.name, "; ".join(phrase(i) for i in w.interventions)) for w in worlds]
    summary = "Had it been otherwise, in " + " | ".join(w.name for w in worlds)
    warnings = tuple(dict.fromkeys(w for a in answers for w in a.why.warnings))
    assumptions = tuple(dict.fromkeys(a for each in answers for a in each.why.assumptions))
    worst, asked = min(zip(answers, worlds, strict=True), key=lambda pair: _least(pair[0]))
    support = worst.why.support
    why = answers[0].why.model_copy(
        update={
            "summary": summary,
            "warnings": warnings,
            "assumptions": assumptions,
            "support": support if worst.why.outside is None else f"In {asked.name}: {support}",
            "outside": worst.why.outside,
        }
    )
    update = {"query": query, "details": Worlds.of(answers, words), "why": why}
    if any(a.status == "bounded" for a in answers):
        update["status"] = Status.BOUNDED
    return answers[0].model_copy(update=update)


def _least(answer: Answer) -> float:
    """The least support of any target and row."""
    return min((s for series in answer.series for s in series.support), default=1.0)


def _completed(fact: Fact, worlds: Sequence[Otherwise], samples: int, key) -> np.ndarray:
    """The logged rows by member and sample; one sample is enough where nothing is drawn."""
    relevant = fact.reach.ancestors(list(fact.targets))
    noisy = [i for i in stochastic(fact.model) if i in relevant]
    reached = np.any([w.reached for w in worlds], 0)
    drawn = fact.missing[:, relevant].any() or reached[:, noisy].any()
    drawn = drawn or (fact.censored & reached)[:, relevant].any()
    drawn = drawn or any(w.setup.done.chance for w in worlds)
    return complete(
        fact.model.dynamics,
        fact.window,
        fact.rows,
        fact.missing,
        samples=samples if drawn else 1,
        key=jax.random.fold_in(key, 1),
    )


def stochastic(model: WorldModel) -> list[int]:
    """Columns whose mechanism's noise is known only up to a posterior."""
    banks = [b for b in model.dynamics.banks if isinstance(b, StochasticBank)]
    return sorted({int(t) for b in banks for t in np.asarray(b.targets).reshape(-1)})


def unsure(model: WorldModel) -> list[int]:
    """Columns of levels whose noise is known only up to a posterior."""
    return [i for i in stochastic(model) if model.schema.variables[i].levels]


def _answer(world: Otherwise, query: Counterfactual, values: np.ndarray) -> Answer:
    """The answer from (members, samples, rows, variables) of the altered world."""
    fact, setup, model = world.fact, world.setup, world.fact.model
    targets = list(setup.targets)
    members, samples = values.shape[:2]
    number = np.arange(min(PATHS, members * samples))
    draws = Draws(
        values=values[..., targets],
        paths=values[number % members, (number // members) % samples],
    )
    found = support(
        model,
        setup.reach,
        past=setup.window,
        paths=draws.paths,
        cut=setup.done.cut,
        trust=setup.trust,
        fact=~world.reached,
    )
    found = replace(found, total=found.total * np.where(fact.certain, 1.0, ASSUMED))
    when = np.flatnonzero(world.reached.any(1))
    begin = when[0] if len(when) else 0
    ahead = np.maximum(np.arange(len(setup.logged)) - begin, 1)
    why = why_of(setup, query, draws, found)
    why = why.model_copy(
        update={
            "adjustment": " ".join(
                filter(
                    None,
                    (
                        "The episode's own noise is recovered and replayed, by member.",
                        why.adjustment,
                    ),
                )
            ),
            "assumptions": (*why.assumptions, UNCALIBRATED),
        }
    )
    return assemble(
        setup,
        query,
        draws,
        found,
        ahead=ahead,
        why=why,
        narrowest=1.0,
        acted=setup.done.differs(fact.logged),
    )


def changed(world: Otherwise, out: np.ndarray) -> np.ndarray:
    """Rows 0…T in which the altered replay differs from the factual one in any draw."""
    fact = world.fact
    gap = np.abs(out[:, :, 1] - out[:, :, 0]).max((0, 1))[: fact.made] > 1e-5
    if fact.first:
        gap = np.concatenate([world.reached[:1], gap])
    return gap & world.reached
