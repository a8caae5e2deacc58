"""Rung 1: what follows from this state and these planned values."""

from doworld.infer.compose import answer
from doworld.infer.engine import draw, key_of
from doworld.infer.evidence import reweigh
from doworld.infer.no_assumption import SUSPECTED
from doworld.infer.setup import prepare
from doworld.model.world import WorldModel
from doworld.query import Answer, Predict

__all__ = ["predict"]


def predict(model: WorldModel, query: Predict, *, seed: int = 0) -> Answer:
    """Rows 1…horizon by rollouts of every member; a static table answers for its one row.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question.
    """
    setup = prepare(
        model,
        query.given,
        horizon=query.horizon,
        target=query.target,
        planned=query.planned,
    )
    draws, notes = reweigh(setup, draw(setup, query.samples, key_of(seed)), seed=seed)
    found = answer(setup, query, draws, extra=notes)
    doubts = [
        f"{fact.note} Planned values of {fact.variable} are read as if its own policy had chosen "
        "them; what setting them does, Do answers."
        for fact in model.graph.unidentified
        if fact.reason in SUSPECTED and fact.variable in query.planned
    ]
    if not doubts:
        return found
    why = found.why.model_copy(update={"warnings": (*doubts, *found.why.warnings)})
    return found.model_copy(update={"why": why})
