"""How the environments of a static table take part in the search for its graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from doworld._core.errors import SchemaError
from doworld.data import Kind, Role, Trajectories, Variable
from doworld.discover.environments.interventions import Interventions
from doworld.graph import Edge, Prior, Reason, Unidentified

__all__ = ["Comparable", "acted", "check_interventions", "comparable", "with_place", "without"]

FEWEST_ROWS = 20
"""Complete rows of an environment below which it is not compared with others."""
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Comparable:
    """The part of a table whose environments can be compared.

    Attributes:
        log: without the rows of environments that are too small; one environment where fewer than
            two are large enough.
        names: the variables that every environment has values of.
        unidentified: those left out, and why.
        notes: what was left out, in words.
    """

    log: Trajectories
    names: tuple[str, ...]
    unidentified: tuple[Unidentified, ...] = ()
    notes: tuple[str, ...] = ()


def comparable(log: Trajectories, names: Sequence[str]) -> Comparable:
    """Leaves out variables that an environment never saw, and environments of too few rows.

    Where no two environments have twenty complete rows, all rows are taken as of one.
    """
    codes = np.unique(log.environment)
    if len(codes) < 2:
        return Comparable(log, tuple(names))
    place = log.environment[log.episode_of_row]
    known = np.isfinite(log.values[:, [log.schema.position(n) for n in names]])
    counts = np.array([known[place == e].sum(0) for e in codes])
    never = (counts == 0) & (counts.max(1, keepdims=True) > 0)
    gone = never.any(0)
    facts = tuple(
        _unseen(log, names[k], [int(e) for e in codes[never[:, k]]])
        for k in np.flatnonzero(gone).tolist()
    )
    kept = tuple(n for n, g in zip(names, gone, strict=True) if not g)
    whole = known[:, ~gone].all(1)
    rows = {int(e): int((whole & (place == e)).sum()) for e in codes}
    small = [e for e, n in rows.items() if n < FEWEST_ROWS]
    if not small:
        return Comparable(log, kept, facts)
    said = ", ".join(f"{log.schema.environments[e]!r} ({rows[e]})" for e in small[:SHOWN])
    said += f" and {len(small) - SHOWN} more" if len(small) > SHOWN else ""
    if len(small) > len(codes) - 2:
        note = (
            f"environments were not compared: fewer than two have {FEWEST_ROWS} complete rows; too "
            f"small are {said}. All rows were taken as of one environment. Log more rows in each; "
            "for two variables and very many environments there is exchangeable_pair."
        )
        one = replace(log, environment=np.zeros_like(log.environment))
        return Comparable(one, kept, facts, (note,))
    note = (
        f"environments with fewer than {FEWEST_ROWS} complete rows were left out: {said}. Log more "
        "there to have them compared."
    )
    part = log.select(np.flatnonzero(~np.isin(log.environment, small)).tolist())
    return Comparable(part, kept, facts, (note,))


def _unseen(log: Trajectories, name: str, where: list[int]) -> Unidentified:
    places = ", ".join(repr(log.schema.environments[e]) for e in where[:SHOWN])
    places += f" and {len(where) - SHOWN} more" if len(where) > SHOWN else ""
    note = (
        f"{name!r} has no values in environment {places} and was left out: its edges cannot be "
        "compared between environments. Log it everywhere, drop it, or ask of the environments "
        "that have it (log.in_environment)."
    )
    return Unidentified(name, Reason.EMPTY, note)


def check_interventions(log: Trajectories, known: Interventions | None) -> None:
    """Raises where known interventions do not fit a log.

    ``SchemaError`` where it goes over time or nothing is left in which a variable listens to its
    causes; ``UnknownNameError`` for names that the log does not have.
    """
    if known is None:
        return
    known.check(log.schema)
    if not log.schema.static:
        raise SchemaError(
            "interventions are known by environment, which a static table has; this log goes over "
            "time. Record what was done as an action, at the rows at which it was done."
        )
    places = {log.schema.environments[e] for e in np.unique(log.environment)}
    for name in log.schema.names:
        if places <= known.replaced(name):
            raise SchemaError(
                f"{name!r} is Replaced in every environment of this log, so nothing shows what it "
                "listens to. Make it an action, or log an environment that leaves it alone."
            )


def acted(
    log: Trajectories, names: Sequence[str], known: Interventions | None
) -> tuple[Bool[np.ndarray, "names places"], Bool[np.ndarray, "names places"]]:
    """Which of ``names`` are replaced, and which altered, in each environment that the log has."""
    places = [log.schema.environments[e] for e in np.unique(log.environment)]
    none = frozenset[str]()
    hard = [known.replaced(n) if known else none for n in names]
    soft = [known.altered(n) if known else none for n in names]
    shape = len(names), len(places)
    return (
        np.array([[p in on for p in places] for on in hard], bool).reshape(shape),
        np.array([[p in on for p in places] for on in soft], bool).reshape(shape),
    )


def with_place(
    log: Trajectories, prior: Prior, known: Interventions | None
) -> tuple[Trajectories, Prior, str]:
    """The log with its environment as one more context, which acts where people acted.

    The way for tables with levels: P(v | pa(v), e) = P(v | pa(v)) unless the environment is a cause
    of v (Mooij, Magliacane & Claassen 2020, "Joint causal inference from multiple contexts").
    Whether an intervention was hard or soft makes no difference here.
    """
    name = "environment"
    while name in log.schema.index:
        name += "_"
    codes = np.unique(log.environment)
    labels = tuple(log.schema.environments[e] for e in codes)
    place = Variable(name, role=Role.CONTEXT, kind=Kind.CATEGORICAL, categories=labels)
    column = np.searchsorted(codes, log.environment[log.episode_of_row]).astype(float)
    wider = replace(
        log,
        schema=replace(log.schema, variables=(*log.schema.variables, place)),
        values=np.concatenate([log.values, column[:, None]], 1),
    )
    targets = dict.fromkeys(t.variable for e in labels for t in (known.on(e) if known else ()))
    required = (*prior.required, *((name, t, 0) for t in targets))
    return wider, replace(prior, required=required), name


def without(edges: Sequence[Edge], name: str) -> tuple[Edge, ...]:
    """The edges that do not touch a variable."""
    return tuple(e for e in edges if name not in (e.source, e.target))
