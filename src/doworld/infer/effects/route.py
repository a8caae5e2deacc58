"""From the gate's verdict to what computes the effect, or to the refusal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from doworld._core.errors import QueryError
from doworld.data import Schema
from doworld.graph.separation import Node
from doworld.identify.instruments import instruments
from doworld.identify.verdict import Bounded, Estimand, Identified, NotIdentified, Program, Verdict
from doworld.infer.effects.paths import Paths

__all__ = ["Route", "mediated", "named", "route"]

MOST = 8
"""Instruments that are looked at."""


@dataclass(frozen=True)
class Route:
    """How the effect follows from what was logged.

    Nodes are variables and how many rows before the TREATMENT's row they stand (negative: after).

    Attributes:
        kind: by ``adjustment``, ``front-door``, an ``instrument`` or another ``formula``;
            ``bounded`` where several answers fit, ``refused`` where nothing is known.
        adjust: what is held fixed.
        through: the mediators of the front-door.
        instrument: what moves the treatment and the outcome only by it.
        estimand: the formula.
        program: what bounds the answer, where it is bounded.
        words: the same for people.
        reason, fix: of a refusal or a bound.
    """

    kind: Literal["adjustment", "front-door", "instrument", "formula", "bounded", "refused"]
    adjust: tuple[Node, ...] = ()
    through: tuple[Node, ...] = ()
    instrument: tuple[Node, ...] = ()
    estimand: Estimand | None = None
    program: Program | None = None
    words: str = ""
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""
    fix: str = ""
    negative: tuple[Node, ...] = field(default=())


def named(nodes: Iterable[Node]) -> str:
    """Nodes in words.

    >>> named([("x", 0), ("y", 2), ("z", -1)])
    'x, y(t-2), z(t+1)'
    """
    return ", ".join(n if not k else f"{n}(t{-k:+d})" for n, k in nodes) or "nothing"


def route(verdict: Verdict, paths: Paths, schema: Schema) -> Route:
    """What the gate's verdict lets be computed."""
    match verdict:
        case Identified():
            return _identified(verdict, paths)
        case Bounded():
            return _bounded(verdict, paths, schema)
        case NotIdentified():
            return _instrument(verdict, paths) or _refused(verdict)


def _identified(verdict: Identified, paths: Paths) -> Route:
    found = verdict.estimand
    if found.adjustment is not None:
        chosen = _moments(found.adjustment, paths)
        nodes = _ordered(chosen, paths)
        words = f"Compared at equal {named(nodes)}." if nodes else "Compared as they are."
        return Route(
            "adjustment",
            adjust=nodes,
            estimand=found,
            words=" ".join([words, *(s for s in verdict.steps[-1:] if "Valid in each" in s)]),
            warnings=verdict.caveats,
            negative=_ordered(_unmoved(paths, set(chosen)), paths),
        )
    if found.mediators is not None:
        return _through(_moments(found.mediators, paths), (), found, paths)
    return replace(_front_door(found, paths) or Route("formula", estimand=found), words=str(found))


def _moments(nodes: Iterable, paths: Paths) -> list[Node]:
    """Nodes of identification, names in a table, as (name, rows before the outcome)."""
    return [(str(n[0]), int(n[1])) if isinstance(n, tuple) else (str(n), 0) for n in nodes]


def _ordered(nodes: Iterable[Node], paths: Paths) -> tuple[Node, ...]:
    shift = paths.treatment[1]
    return tuple(sorted(((n, k - shift) for n, k in nodes), key=lambda node: (node[1], node[0])))


def _unmoved(paths: Paths, adjust: set[Node], most: int = 3) -> list[Node]:
    """Nodes that the treatment cannot move and that share its causes: negative controls."""
    out: list[Node] = []
    moved = paths.below([paths.treatment])
    last = paths.treatment[1] + 1
    for node in sorted(paths.nodes, key=lambda n: (n[1], n[0])):
        if node in moved or node in adjust or node[1] > last or node == paths.outcome:
            continue
        shares = not paths.apart([paths.treatment], [node], set())
        if shares and paths.apart([paths.treatment], [node], adjust):
            out.append(node)
    return out[:most]


def _through(
    through: Sequence[Node], given: Iterable[Node], found: Estimand, paths: Paths
) -> Route:
    nodes, treatment, outcome = _ordered(through, paths), paths.treatment[0], paths.outcome[0]
    return Route(
        "front-door",
        adjust=_ordered(given, paths),
        through=nodes,
        estimand=found,
        words=f"By the front-door: all of the effect goes through {named(nodes)}, "
        f"which shares no unobserved cause with {treatment} or {outcome}.",
    )


def _front_door(found: Estimand, paths: Paths) -> Route | None:
    """The estimator of the front-door where a formula is one, given causes that nothing moves."""
    treatment, outcome = paths.treatment, paths.outcome
    between = paths.between() - {outcome}
    first = paths.children(treatment) & between
    for through in [{n} for n in sorted(between)] + [first]:
        if not through or paths.between(avoid=through):
            continue
        given = paths.above([treatment, outcome, *through]) - paths.below([treatment])
        before = paths.idle([treatment]).apart([treatment], through, given)
        after = paths.idle(through).apart(through, [outcome], given | {treatment})
        if before and after:
            return _through(sorted(through), given, found, paths)
    return None


def _bounded(verdict: Bounded, paths: Paths, schema: Schema) -> Route:
    """A bound; the instrument where only a number that was not cut into levels is one."""
    found = _instrument(verdict, paths)
    if found is not None and not any(schema[n].levels for n, _ in found.instrument):
        return found
    return Route(
        "bounded",
        program=verdict.program,
        words="Bounded by what every world with this graph and these rows allows.",
        reason=verdict.reason,
        fix=verdict.fix,
    )


def _instrument(verdict: Bounded | NotIdentified, paths: Paths) -> Route | None:
    """A node that moves the treatment and has no other way to the outcome, given some causes."""
    if isinstance(verdict, NotIdentified) and verdict.hedge is None:
        return None
    treatment, outcome, shift = paths.treatment, paths.outcome, paths.treatment[1]
    found = [
        i
        for i in islice(instruments(paths.world, treatment, outcome), MOST)
        if isinstance(i.node, tuple) and i.node[1] >= shift
    ]
    if not found:
        return None
    own = paths.parents(treatment)
    best = min(found, key=lambda i: (i.node not in own, len(i.given), str(i.node)))
    nodes = _ordered(_moments([best.node], paths), paths)
    fixed = _ordered(_moments(best.given, paths), paths)
    beside = f" at equal {named(fixed)}" if fixed else ""
    return Route(
        "instrument", adjust=fixed, instrument=nodes, words=f"By the instrument {named(nodes)}"
        f"{beside}."
    )  # fmt: skip


def _refused(verdict: NotIdentified) -> Route:
    fix = verdict.fix.rstrip(".")
    if verdict.hedge is not None:
        fix += ", or name an instrument (instrument=…)"
    return Route(
        "refused",
        reason=verdict.reason,
        fix=f"{fix}; or take responsibility for a set (adjust=…).",
    )


def mediated(paths: Paths, mediators: Sequence[Node], part: Iterable[Node] = ()) -> Route:
    """What must be held fixed for direct and indirect effects (Pearl 2001; VanderWeele 2015).

    Neither treatment and outcome, treatment and mediator, nor mediator and outcome may share a
    cause that is not held fixed, and none that is held fixed may be moved by the treatment.
    ``part`` describes the part of the population that is asked about, and is held fixed too.
    """
    treatment, outcome = paths.treatment, paths.outcome
    through = set(mediators)
    for node in through - paths.between():
        raise QueryError(
            f"{node[0]!r} is not on the way from {treatment[0]} to {outcome[0]}: the graph has no "
            "path through it. Name a mediator that is, or ask for the total effect (ate)."
        )
    moved = paths.below([treatment])
    near = set(paths.parents(treatment)).union(
        *(paths.parents(n) for n in paths.between()), paths.parents(outcome)
    )
    for candidate in (near, paths.above([treatment, outcome, *through])):
        given = (candidate | set(part)) - moved
        cut = paths.idle([treatment])
        apart = cut.apart([treatment], [outcome, *through], given)
        after = paths.idle(through).apart(through, [outcome], given | {treatment})
        if apart and after:
            nodes = _ordered(given, paths)
            return Route(
                "adjustment",
                adjust=nodes,
                words=f"Compared at equal {named(nodes)}." if nodes else "Compared as they are.",
                assumptions=(
                    f"Nothing that {treatment[0]} moves acts on both "
                    f"{', '.join(n for n, _ in through)} and {outcome[0]} (cross-world "
                    "independence, Pearl 2001).",
                ),
            )
    names = ", ".join(sorted(n for n, _ in through))
    return Route(
        "refused",
        reason=f"{names} and {outcome[0]} share a cause that is unobserved or that "
        f"{treatment[0]} moves, so direct and indirect effects cannot be told apart.",
        fix=f"Log what moves both, name all variables on the way as mediator, or ask for the total "
        f"effect of {treatment[0]}.",
    )
