"""Rung 2: what follows if we intervene."""

from doworld.infer.compose import answer, refusal
from doworld.infer.engine import draw, key_of
from doworld.infer.evidence import reweigh
from doworld.infer.setup import prepare
from doworld.model.world import WorldModel
from doworld.query import Answer, Do

__all__ = ["do"]


def do(model: WorldModel, query: Do, *, seed: int = 0) -> Answer:
    """Rows 1…horizon with the interventions' incoming edges cut, under the same noise as Predict.

    Laws: do on a variable that cannot act on a target leaves the target's numbers exactly as
    ``Predict`` gives them; do(v = what v would be anyway) changes nothing.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question; a
    question whose edge nobody can orient is answered with status ``not_identified``.
    """
    setup = prepare(
        model,
        query.given,
        horizon=query.horizon,
        target=query.target,
        planned=query.planned,
        interventions=query.interventions,
    )
    refused = refusal(model, query, setup.names)
    if refused is not None:
        return refused
    draws, notes = reweigh(setup, draw(setup, query.samples, key_of(seed)), seed=seed)
    return answer(setup, query, draws, extra=notes)
