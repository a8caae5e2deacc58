"""Rung 2 with other rules: what follows in a world that the log has never seen."""

import numpy as np

from doworld.infer.compose import answer, refusal
from doworld.infer.do import do
from doworld.infer.engine import draw, key_of
from doworld.infer.evidence import reweigh
from doworld.infer.extrapolation import extrapolated
from doworld.infer.rules import AlteredWorld, altered
from doworld.infer.setup import Setup, prepare
from doworld.infer.support import OUTSIDE, support
from doworld.model.world import WorldModel
from doworld.query import Answer, Do, Imagine, Status
from doworld.query.imagine_details import Broken, ImagineDetails
from doworld.query.rule import rule_words
from doworld.query.words import phrase

__all__ = ["imagine"]

NOTHING = "No rule is changed: this is the world of the log."


def imagine(model: WorldModel, query: Imagine, *, seed: int = 0) -> Answer:
    """Rows 1…horizon under other rules, beside the same rows under the rules of the log.

    Both worlds share their noise. The status stays ``identified`` where laws or the log carry the
    new world; where most of what is asked rests on networks outside their data it is
    ``not_identified``. Laws: without rules the numbers are those of ``Do``.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question.
    """
    world = altered(model, query.rules)
    common = {f: getattr(query, f) for f in Do.model_fields if f not in ("kind", "interventions")}
    before = Do(**common, interventions=query.interventions)
    after = Do(**common, interventions=(*query.interventions, *world.interventions))
    setup = prepare(
        world.model,
        after.given,
        horizon=after.horizon,
        target=after.target,
        planned=after.planned,
        interventions=after.interventions,
    )
    old = do(model, before, seed=seed)
    refused = refusal(model, query, setup.names) or refusal(world.model, after, setup.names)
    if old.status is Status.NOT_IDENTIFIED or refused is not None:
        found = refused or old
        why = found.why.model_copy(update={"summary": _summary(query)})
        return found.model_copy(update={"query": query, "why": why})
    draws, notes = reweigh(setup, draw(setup, after.samples, key_of(seed)), seed=seed)
    new = answer(setup, after, draws, extra=(*world.notes, *notes))
    blind = _blind(setup, draws.paths)
    why = new.why.model_copy(
        update={
            "summary": _summary(query),
            "warnings": (*(world.idle if query.rules else (NOTHING,)), *new.why.warnings),
            "adjustment": " ".join(
                w for w in (new.why.adjustment, "Both worlds share their noise.") if w
            ),
        }
    )
    out = new.model_copy(
        update={"query": query, "why": why, "details": _details(query, world, old, new)}
    )
    return _refused(out, blind) if blind else out


def _summary(query: Imagine) -> str:
    rules = "; ".join(rule_words(r) for r in query.rules) or "the rules of the log"
    done = "; ".join(phrase(i) for i in query.interventions)
    return f"imagine: {rules}" + (f" | do: {done}" if done else "")


def _details(query: Imagine, world: AlteredWorld, old: Answer, new: Answer) -> ImagineDetails:
    return ImagineDetails(
        rules=tuple(rule_words(r) for r in query.rules),
        old=old.series,
        broken=tuple(b for s in new.series if (b := _broken(old[s.variable], s)) is not None),
        mechanisms=world.mechanisms,
        edges=world.edges,
    )


def _broken(old, new) -> Broken | None:
    """Where the new estimate leaves the old interval."""
    if old.lower is None or new.estimate is None or old.estimate is None:
        return None
    middle, slack = np.array(new.estimate), 1e-6 * (1 + np.abs(old.estimate))
    left = (middle < np.array(old.lower) - slack) | (middle > np.array(old.upper) + slack)
    if not left.any():
        return None
    rows = np.array(new.rows)[left]
    at = int(np.argmax(np.where(left, np.abs(middle - np.array(old.estimate)), -1)))
    return Broken(
        variable=new.variable,
        rows=tuple(rows.tolist()),
        worst=int(new.rows[at]),
        old=old.label(old.estimate[at]),
        new=new.label(float(middle[at])),
    )


def _blind(setup: Setup, paths: np.ndarray) -> list[str]:
    """Why no law and no data carry most of what is asked; empty where they do."""
    found = support(
        setup.model,
        setup.reach,
        past=setup.window,
        paths=paths,
        cut=setup.done.cut[setup.first :],
        trust=setup.trust,
    )
    outside = (found.local < OUTSIDE).mean(0)
    relevant = setup.reach.ancestors(list(setup.targets))
    mostly = [i for i in relevant if outside[i] > 0.5]
    return extrapolated(setup.model, found, relevant=mostly, first=setup.first)[1]


def _refused(answer: Answer, blind: list[str]) -> Answer:
    lost = dict.fromkeys(("estimate", "lower", "upper", "half_lower", "half_upper"))
    series = tuple(s.model_copy(update={**lost, "probabilities": ()}) for s in answer.series)
    why = answer.why.model_copy(
        update={"warnings": tuple(dict.fromkeys((*blind, *answer.why.warnings)))}
    )
    fix = (
        "Give the law of what leaves its data (Known), log such rows, or imagine a world that is "
        "nearer to the log."
    )
    details = answer.details.model_copy(update={"broken": ()}) if answer.details else None
    update = {
        "series": series,
        "why": why,
        "fix": fix,
        "status": Status.NOT_IDENTIFIED,
        "details": details,
    }
    return answer.model_copy(update=update)
