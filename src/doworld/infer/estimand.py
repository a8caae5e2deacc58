"""Estimands to numbers: expressions evaluated on tables of probabilities."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.identify.estimand import (
    At,
    Constant,
    Difference,
    Expression,
    Mean,
    Probability,
    Product,
    Quotient,
    Sum,
)

__all__ = ["Law", "Laws", "Table", "evaluate"]

Node = Hashable
Law = tuple[str, frozenset]
"""Which law a table holds: the population, "" for the log's own, and what was set in it."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers by the levels of some nodes, one axis a node.

    As a law, P(nodes), or P(nodes | do) with an axis for what was set too.
    """

    nodes: tuple[Node, ...]
    values: Float[np.ndarray, "..."]

    def __post_init__(self) -> None:
        if len(self.nodes) != self.values.ndim or len(set(self.nodes)) < len(self.nodes):
            raise QueryError(
                f"a table of {self.values.ndim} axes has the nodes {self.nodes}. Name each axis "
                "once."
            )

    def at(self, levels: Mapping[Node, int]) -> "Table":
        """The part where some nodes have a level."""
        index = tuple(levels.get(n, slice(None)) for n in self.nodes)
        return Table(
            tuple(n for n in self.nodes if n not in levels), np.asarray(self.values[index])
        )

    def aligned(self, nodes: Sequence[Node]) -> Float[np.ndarray, "..."]:
        """The values with axes in the order of ``nodes``, of length 1 where it has none."""
        order = [self.nodes.index(n) for n in nodes if n in self.nodes]
        shape = [self.values.shape[self.nodes.index(n)] if n in self.nodes else 1 for n in nodes]
        return self.values.transpose(order).reshape(shape)


Laws = Mapping[Law, Table]


def evaluate(
    expression: Expression,
    laws: Table | Laws,
    *,
    values: Mapping[Node, Float[np.ndarray, " levels"]] | None = None,
) -> Table:
    """The expression's value at all levels of its free nodes.

    Args:
        expression: an estimand.
        laws: the joint law of the observed nodes, or several by population and experiment.
        values: what the levels of a node mean as numbers, for means; 0, 1, 2, … unless told.

    Where a cell rests on something that never happens, it is NaN: 0/0 is unknown, but 0 times the
    unknown is 0. Raises ``QueryError`` where a law that the expression names is not there.

    >>> law = Table(("x", "y"), np.array([[0.4, 0.1], [0.1, 0.4]]))
    >>> evaluate(Probability(("y",), ("x",)), law).at({"x": 1}).values.round(3).tolist()
    [0.2, 0.8]
    """
    named = laws if isinstance(laws, Mapping) else {("", frozenset()): laws}
    levels = {n: s for t in named.values() for n, s in zip(t.nodes, t.values.shape, strict=True)}
    meaning = {n: np.arange(s, dtype=float) for n, s in levels.items()} | dict(values or {})
    return _value(expression, _World(named, levels, meaning))


@dataclass(frozen=True, eq=False)
class _World:
    laws: Laws
    levels: Mapping[Node, int]
    meaning: Mapping[Node, np.ndarray]


def _union(parts: Iterable[Table]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(n for t in parts for n in t.nodes))


@singledispatch
def _value(e: Expression, world: _World) -> Table:
    raise QueryError(f"a {type(e).__name__} has no value")


@_value.register
def _(e: Probability, world: _World) -> Table:
    law = world.laws.get((e.domain, frozenset(e.do)))
    wanted = (*e.of, *e.given, *e.do)
    if law is None or not set(wanted) <= set(law.nodes):
        where = f" in {e.domain}" if e.domain else ""
        raise QueryError(
            f"{e}{where} is needed, and no table of it was given. Give the law of "
            f"{', '.join(map(str, wanted))}."
        )
    gone = tuple(i for i, n in enumerate(law.nodes) if n not in wanted)
    joint = Table(tuple(n for n in law.nodes if n in wanted), law.values.sum(gone))
    over = tuple(joint.nodes.index(n) for n in e.of)
    return Table(joint.nodes, _ratio(joint.values, joint.values.sum(over, keepdims=True)))


@_value.register
def _(e: Constant, world: _World) -> Table:
    return Table((), np.array(float(e.value)))


@_value.register
def _(e: Product, world: _World) -> Table:
    parts = [_value(f, world) for f in e.factors]
    nodes = _union(parts)
    out = np.ones([1] * len(nodes))
    for part in parts:
        own = part.aligned(nodes)
        with np.errstate(invalid="ignore"):
            out = np.where((out == 0) | (own == 0), 0.0, out * own)
    return Table(nodes, out)


@_value.register
def _(e: Sum, world: _World) -> Table:
    body = _value(e.body, world)
    absent = [world.levels[n] for n in e.over if n not in body.nodes]
    gone = tuple(body.nodes.index(n) for n in e.over if n in body.nodes)
    kept = tuple(n for n in body.nodes if n not in e.over)
    return Table(kept, np.asarray(body.values.sum(gone) * float(np.prod(absent))))


@_value.register
def _(e: Quotient, world: _World) -> Table:
    top, bottom = _value(e.top, world), _value(e.bottom, world)
    nodes = _union((top, bottom))
    return Table(nodes, _ratio(top.aligned(nodes), bottom.aligned(nodes)))


@_value.register
def _(e: Difference, world: _World) -> Table:
    left, right = _value(e.left, world), _value(e.right, world)
    nodes = _union((left, right))
    return Table(nodes, left.aligned(nodes) - right.aligned(nodes))


@_value.register
def _(e: Mean, world: _World) -> Table:
    body = _value(e.body, world)
    axis = body.nodes.index(e.of)
    kept = tuple(n for n in body.nodes if n != e.of)
    return Table(kept, np.asarray(np.moveaxis(body.values, axis, -1) @ world.meaning[e.of]))


@_value.register
def _(e: At, world: _World) -> Table:
    levels = dict(world.levels)
    bound = dict(e.values)
    levels |= {symbol: levels[node] for node, symbol in bound.items() if node in levels}
    meaning = {symbol: world.meaning[node] for node, symbol in bound.items() if node in levels}
    inner = _World(world.laws, levels, {**world.meaning, **meaning})
    body = _value(e.body, inner)
    named = [bound.get(n, n) for n in body.nodes]
    unique = tuple(dict.fromkeys(named))
    axes = [unique.index(n) for n in named]
    return Table(unique, np.einsum(body.values, axes, list(range(len(unique)))))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    top, bottom = np.broadcast_arrays(top, bottom)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
