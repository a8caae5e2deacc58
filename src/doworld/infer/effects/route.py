"""The gate of effects: which comparison the graph allows, or why none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from doworld._core.errors import QueryError
from doworld.graph.separation import Node
from doworld.infer.effects.paths import Paths

__all__ = ["Route", "mediated", "named", "route"]


@dataclass(frozen=True)
class Route:
    """How the effect follows from what was logged.

    Nodes are variables and how many rows before the TREATMENT's row they stand (negative: after).

    Attributes:
        kind: by ``adjustment``, ``front-door`` or an ``instrument``; ``refused`` where by none.
        adjust: what is held fixed.
        through: the mediators of the front-door.
        instrument: what moves the treatment and the outcome only by it.
        words: the same for people.
        reason, fix: of a refusal.
    """

    kind: Literal["adjustment", "front-door", "instrument", "refused"]
    adjust: tuple[Node, ...] = ()
    through: tuple[Node, ...] = ()
    instrument: tuple[Node, ...] = ()
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


def route(paths: Paths, *, extra: Sequence[Node] = ()) -> Route:
    """The first that holds of adjustment, front-door and instrument.

    Adjustment takes the parents of the nodes between treatment and outcome, which gives the
    smallest variance (Henckel, Perković and Maathuis 2022), else the causes of the treatment, else
    every cause of either; one of these is valid where any set is (van der Zander, Liśkiewicz and
    Textor 2019). ``extra`` must be among the set.
    """
    shift = paths.treatment[1]
    found = _adjustment(paths, set(extra))
    if found is not None:
        nodes = _ordered(found, shift)
        return Route(
            "adjustment",
            adjust=nodes,
            words=f"Compared at equal {named(nodes)}." if nodes else "Compared as they are.",
            negative=_ordered(_unmoved(paths, found), shift),
        )
    if extra:
        return _refused(paths)
    return _front_door(paths) or _instrument(paths) or _refused(paths)


def _ordered(nodes: Iterable[Node], shift: int) -> tuple[Node, ...]:
    return tuple(sorted(((n, k - shift) for n, k in nodes), key=lambda node: (node[1], node[0])))


def _adjustment(paths: Paths, extra: set[Node]) -> set[Node] | None:
    treatment, outcome = paths.treatment, paths.outcome
    between = paths.between()
    forbidden = paths.below(between) | {treatment, outcome}
    if extra & forbidden:
        return None
    parents = set(paths.parents(treatment))
    best = {p for n in between for p in paths.parents(n)} if between else parents
    above = paths.above([treatment, outcome])
    test = paths.idle([treatment], only=between)
    for candidate in (best, parents, best | parents, above):
        nodes = (candidate | extra) - forbidden
        if test.apart([treatment], [outcome], nodes):
            return set(nodes)
    return None


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


def _front_door(paths: Paths) -> Route | None:
    """Pearl's front-door, given the causes that nothing on the way moves."""
    treatment, outcome, shift = paths.treatment, paths.outcome, paths.treatment[1]
    between = paths.between() - {outcome}
    first = paths.children(treatment) & between
    for through in [{n} for n in sorted(between)] + [first]:
        if not through or paths.between(avoid=through):
            continue
        moved = paths.below([treatment])
        causes = paths.above([treatment, outcome, *through]) - moved
        for given in (set(), causes):
            before = paths.idle([treatment]).apart([treatment], through, given)
            after = paths.idle(through).apart(through, [outcome], given | {treatment})
            if before and after:
                nodes = _ordered(through, shift)
                return Route(
                    "front-door",
                    adjust=_ordered(given, shift),
                    through=nodes,
                    words=f"By the front-door: all of the effect goes through {named(nodes)}, "
                    f"which shares no unobserved cause with {treatment[0]} or {outcome[0]}.",
                )
    return None


def _instrument(paths: Paths) -> Route | None:
    """A node that moves the treatment and has no other way to the outcome, given some causes."""
    treatment, outcome, shift = paths.treatment, paths.outcome, paths.treatment[1]
    without = paths.idle([treatment])
    barred = paths.below([treatment]) | {outcome}
    near = [n for n in paths.nodes if shift <= n[1] <= shift + 2 and n not in barred]
    for node in sorted(near, key=lambda n: (n not in paths.parents(treatment), n[1], n[0])):
        causes = (paths.above([outcome, node]) - barred) - paths.below([node])
        for given in (set(), causes, causes - {treatment}):
            if without.apart([node], [outcome], given) and not paths.apart(
                [node], [treatment], given
            ):
                nodes = _ordered([node], shift)
                fixed = _ordered(given, shift)
                beside = f" at equal {named(fixed)}" if fixed else ""
                return Route(
                    "instrument",
                    adjust=fixed,
                    instrument=nodes,
                    words=f"By the instrument {named(nodes)}{beside}.",
                )
    return None


def _refused(paths: Paths) -> Route:
    treatment, outcome = paths.treatment[0], paths.outcome[0]
    shared = sorted({n for n, _ in paths.world.spouses[paths.treatment]})
    others = ", ".join(n for n in shared if n != treatment) or outcome
    return Route(
        "refused",
        reason=f"Unobserved causes move {treatment} together with {others}, and no set of logged "
        f"variables, front-door or instrument takes them out of the effect on {outcome}.",
        fix=f"Log what moves both, or log rows in which {treatment} is set at random, or name an "
        "instrument (instrument=…); or take responsibility for a set (adjust=…).",
    )


def mediated(paths: Paths, mediators: Sequence[Node]) -> Route:
    """What must be held fixed for direct and indirect effects (Pearl 2001; VanderWeele 2015).

    Neither treatment and outcome, treatment and mediator, nor mediator and outcome may share a
    cause that is not held fixed, and none that is held fixed may be moved by the treatment.
    """
    treatment, outcome, shift = paths.treatment, paths.outcome, paths.treatment[1]
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
        given = candidate - moved
        cut = paths.idle([treatment])
        apart = cut.apart([treatment], [outcome, *through], given)
        after = paths.idle(through).apart(through, [outcome], given | {treatment})
        if apart and after:
            nodes = _ordered(given, shift)
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
