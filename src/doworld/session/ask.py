"""Any question, one door."""

from dataclasses import replace
from functools import singledispatch
from typing import Any

from doworld._core.errors import QueryError
from doworld.data import Trajectories
from doworld.model.world import WorldModel
from doworld.query import (
    Answer,
    Blame,
    Counterfactual,
    Do,
    Effect,
    Imagine,
    Plan,
    PolicyValue,
    Predict,
)

__all__ = ["ask"]


def ask(model: WorldModel, query: Any, *, log: Trajectories | None = None, seed: int = 0) -> Answer:
    """Answers ``query`` by ``model``; the same seed gives the same answer.

    Args:
        model: a learned world.
        query: ``Predict``, ``Do``, ``Counterfactual``, ``Plan``, ``Effect``, ``PolicyValue``,
            ``Blame``, ``Imagine``, or the same as plain data.
        log: rows that effects and policy values are computed from; None takes those that the
            model was learned from, which a saved model does not carry.
        seed: of the samples.

    Raises ``QueryError``, ``UnknownNameError`` or ``SchemaError`` for a question that is not well
    formed. One that the data cannot answer is an ``Answer`` with status ``not_identified``.
    """
    return _answer(query, model if log is None else replace(model, log=log), seed)


@singledispatch
def _answer(query: Any, model: WorldModel, seed: int) -> Answer:
    raise QueryError(
        f"a {type(query).__name__} is not a question. Ask Predict, Do, Counterfactual, "
        "Plan, Effect, PolicyValue, Blame or Imagine."
    )


@_answer.register
def _(query: dict, model: WorldModel, seed: int) -> Answer:
    from doworld.query.queries import parse

    return _answer(parse(query), model, seed)


@_answer.register
def _(query: Predict, model: WorldModel, seed: int) -> Answer:
    from doworld.infer import predict

    return predict(model, query, seed=seed)


@_answer.register
def _(query: Do, model: WorldModel, seed: int) -> Answer:
    from doworld.infer import do

    return do(model, query, seed=seed)


@_answer.register
def _(query: Counterfactual, model: WorldModel, seed: int) -> Answer:
    from doworld.infer import counterfactual

    return counterfactual(model, query, seed=seed)


@_answer.register
def _(query: Plan, model: WorldModel, seed: int) -> Answer:
    from doworld.plan import plan

    return plan(model, query, seed=seed)


@_answer.register
def _(query: Effect, model: WorldModel, seed: int) -> Answer:
    from doworld.infer.effect import effect

    return effect(model, query, seed=seed)


@_answer.register
def _(query: PolicyValue, model: WorldModel, seed: int) -> Answer:
    from doworld.infer.policy_value import policy_value

    return policy_value(model, query, seed=seed)


@_answer.register
def _(query: Blame, model: WorldModel, seed: int) -> Answer:
    from doworld.infer.blame import blame

    return blame(model, query, seed=seed)


@_answer.register
def _(query: Imagine, model: WorldModel, seed: int) -> Answer:
    from doworld.infer.imagine import imagine

    return imagine(model, query, seed=seed)
