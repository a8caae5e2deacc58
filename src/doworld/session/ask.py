"""Any question, one door."""

from functools import singledispatch
from typing import Any

from doworld._core.errors import QueryError
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual, Do, Plan, Predict

__all__ = ["ask"]


def ask(model: WorldModel, query: Any, *, seed: int = 0) -> Answer:
    """Answers ``query`` by ``model``; the same seed gives the same answer.

    Args:
        model: a learned world.
        query: ``Predict``, ``Do``, ``Counterfactual``, ``Plan``, or the same as plain data.
        seed: of the samples.

    Raises ``QueryError``, ``UnknownNameError`` or ``SchemaError`` for a question that is not well
    formed. One that the data cannot answer is an ``Answer`` with status ``not_identified``.
    """
    return _answer(query, model, seed)


@singledispatch
def _answer(query: Any, model: WorldModel, seed: int) -> Answer:
    raise QueryError(
        f"a {type(query).__name__} is not a question. Ask Predict, Do, Counterfactual or Plan."
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
