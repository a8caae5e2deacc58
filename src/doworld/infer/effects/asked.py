"""A question about an effect, checked against the log it is asked of."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError, SchemaError
from doworld.data import Kind, Schema, Trajectories
from doworld.graph import CausalGraph
from doworld.graph.separation import Node
from doworld.infer.effects.paths import shortest
from doworld.infer.unanswerable import UnanswerableError
from doworld.query import Effect
from doworld.query.goal import Band
from doworld.query.words import number

__all__ = ["Asked", "UnanswerableError", "asked", "nodes_of", "within"]

FEW_VALUES = 6
"""A number with at most this many values is compared level by level."""


@dataclass(frozen=True)
class Asked:
    """A question whose names and levels exist.

    Attributes:
        lag: rows from treatment to outcome.
        levels: the values compared, control first.
        discrete: whether they are compared level by level, or along a line.
        names: the levels as people read them.
        event: code of the outcome's level whose probability is meant; None for a number.
    """

    query: Effect
    lag: int
    levels: tuple[float, ...]
    discrete: bool
    names: tuple[str, ...]
    event: float | None = None

    def outcome_of(self, values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
        """The outcome as a number: itself, or 1 where it has the level meant."""
        if self.event is None:
            return values
        return np.where(np.isnan(values), np.nan, (values == self.event).astype(float))


def asked(log: Trajectories, graph: CausalGraph, query: Effect) -> Asked:
    """Checks names and levels.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a question that is not well
    formed, and ``UnanswerableError`` where treatment or outcome never varied.
    """
    schema = log.schema
    for name in (
        query.treatment,
        query.outcome,
        *query.mediator,
        *(query.adjust or ()),
        *query.instrument,
        *query.negative_controls,
        *query.given,
    ):
        schema.position(name)
    if query.treatment == query.outcome and (schema.static or not query.lag):
        raise QueryError(
            f"treatment and outcome are both {query.treatment!r}. Name two variables"
            + ("." if schema.static else ", or a lag of one row or more.")
        )
    _roles(query, schema)
    lag = _lag(graph, schema, query)
    _varied(log, query)
    levels, discrete = _levels(log, query)
    event = _event(schema, query)
    variable = schema[query.treatment]
    names = tuple(f"{query.treatment} = {_name(variable.label(v))}" for v in levels)
    return Asked(query, lag, levels, discrete, names, event)


def _name(label: object) -> str:
    return number(label) if isinstance(label, float) else str(label)


def _roles(query: Effect, schema: Schema) -> None:
    ends = {query.treatment} if not schema.static else {query.treatment, query.outcome}
    for what, names in (
        ("adjust", query.adjust or ()),
        ("mediator", query.mediator),
        ("instrument", query.instrument),
        ("negative_controls", query.negative_controls),
        ("given", query.given if query.estimand != "cde" else ()),
    ):
        for name in names:
            if name in ends:
                role = "treatment" if name == query.treatment else "outcome"
                raise QueryError(
                    f"{name!r} is the {role} and cannot stand in {what}. Leave it out."
                )
    direct = query.estimand in ("nde", "nie", "cde")
    if direct and not query.mediator:
        raise QueryError(
            f"{query.estimand} asks for an effect past or through something, and no mediator is "
            "named. Give mediator='NAME'."
        )
    if query.mediator and not direct:
        raise QueryError(
            f"a mediator is named, and {query.estimand} takes the ways through it along. Ask for "
            "nde, nie or cde, or leave the mediator out."
        )


def _lag(graph: CausalGraph, schema: Schema, query: Effect) -> int:
    if schema.static:
        if query.lag:
            raise QueryError(
                f"lag {query.lag} is given, and the log is a static table without time. Leave it "
                "out."
            )
        return 0
    if query.lag is not None:
        return query.lag
    found = shortest(graph, query.treatment, query.outcome)
    return 1 if found is None else found


def _varied(log: Trajectories, query: Effect) -> None:
    for role, name in (("treatment", query.treatment), ("outcome", query.outcome)):
        values = log.column(name)
        seen = np.unique(values[~np.isnan(values)])
        if len(seen) == 0:
            raise UnanswerableError(
                f"The {role} {name} has no value in any row of the log.",
                f"Log rows in which {name} was measured.",
            )
        if len(seen) == 1:
            what = _name(log.schema[name].label(float(seen[0])))
            raise UnanswerableError(
                f"The {role} {name} is {what} in every row of the log, so there is nothing to "
                "compare" + (" with: no overlap at all." if role == "treatment" else "."),
                f"Log rows in which {name} takes other values"
                + (" (for a treatment: units that had it)." if role == "treatment" else "."),
            )


def _levels(log: Trajectories, query: Effect) -> tuple[tuple[float, ...], bool]:
    variable = log.schema[query.treatment]
    values = log.column(query.treatment)
    values = values[~np.isnan(values)]
    seen, counts = np.unique(values, return_counts=True)
    discrete = variable.kind in (Kind.CATEGORICAL, Kind.BINARY) or len(seen) <= 2
    if query.levels is not None:
        if len(query.levels) < (1 if query.estimand == "dose" else 2):
            raise QueryError("an effect compares two levels. Give levels=(control, treated).")
        codes = tuple(variable.code(v) for v in query.levels)
        if len(set(codes)) < len(codes):
            raise QueryError(f"levels {query.levels!r} name one value twice. Name different ones.")
        few = len(seen) <= FEW_VALUES and set(codes) <= set(seen.tolist())
        discrete = discrete or (few and query.estimand != "dose")
        _reached(variable.name, codes, seen, discrete=discrete, label=variable.label)
        return codes, discrete
    if query.estimand == "dose" and not discrete:
        return tuple(np.unique(np.quantile(values, np.linspace(0.05, 0.95, 13))).tolist()), False
    if discrete and len(seen) == 2:
        return tuple(seen.tolist()), True
    if discrete:
        first = int(counts.argmax())
        rest = [s for i, s in enumerate(seen.tolist()) if i != first]
        return (float(seen[first]), *rest), True
    low, high = np.quantile(values, (0.25, 0.75)).tolist()
    if low == high:
        low, high = float(seen[0]), float(seen[-1])
    return (low, high), False


def _reached(name: str, codes: tuple, seen: np.ndarray, *, discrete: bool, label) -> None:
    """Refuses levels that no row of the log shows, or that lie outside the logged range."""
    for code in codes:
        if discrete and code not in seen:
            raise UnanswerableError(
                f"No row of the log has {name} = {_name(label(code))}.",
                f"Compare levels that were logged, or log rows with {name} = {_name(label(code))}.",
            )
        if not discrete and not seen[0] <= code <= seen[-1]:
            raise UnanswerableError(
                f"{name} = {number(code)} lies outside the logged {number(seen[0])} … "
                f"{number(seen[-1])}: an effect there would be extrapolation.",
                f"Ask inside that range, or log rows with {name} near {number(code)}.",
            )


def _event(schema: Schema, query: Effect) -> float | None:
    variable = schema[query.outcome]
    if query.event is not None:
        if variable.kind not in (Kind.CATEGORICAL, Kind.BINARY):
            raise SchemaError(
                f"{query.outcome!r} is {variable.kind.value}, and event={query.event!r} names a "
                "level. Leave event out."
            )
        return variable.code(query.event)
    if variable.kind is not Kind.CATEGORICAL:
        return None
    if variable.levels == 2:
        return 1.0
    shown = ", ".join(variable.categories[:6])
    raise QueryError(
        f"{query.outcome!r} has the levels {shown}, and an effect is on the probability of one. "
        f"Name it: event={variable.categories[0]!r}."
    )


def nodes_of(names: tuple[str, ...]) -> tuple[Node, ...]:
    """Variables at the treatment's row."""
    return tuple((n, 0) for n in names)


def within(log: Trajectories, given: dict, at: np.ndarray, values: dict) -> np.ndarray:
    """Which rows have what ``given`` describes; raises ``UnknownNameError`` for a level."""
    keep = np.ones(len(at), bool)
    for name, wanted in given.items():
        column = values[name]
        if isinstance(wanted, Band):
            keep &= ~np.isnan(column)
            keep &= column >= (-np.inf if wanted.low is None else wanted.low)
            keep &= column <= (np.inf if wanted.high is None else wanted.high)
        else:
            keep &= column == log.schema[name].code(wanted)
    return keep
