"""Rows that were kept by what they hold: whether effects can still be told from them."""

from collections.abc import Collection, Hashable, Iterable
from itertools import islice

from doworld.data import Schema
from doworld.graph import CausalGraph, MixedGraph
from doworld.identify.adjustment import (
    adjusted,
    forbidden_nodes,
    optimal_adjustment,
    valid_adjustment,
)
from doworld.identify.effects import words
from doworld.identify.facts import Facts
from doworld.identify.mixed import mixed_worlds
from doworld.identify.verdict import Cause, Estimand, Identified, NotIdentified, Way

__all__ = [
    "MOST_WORLDS",
    "among_kept",
    "kept_by",
    "later_kept",
    "moments",
    "refused_of_kept",
    "simulated_of_kept",
    "spoils",
]

Node = Hashable
MOST_WORLDS = 27
"""Graphs that open edges may stand for, beyond which the gate refuses instead of looking."""


def kept_by(graph: CausalGraph, facts: Facts, asked: Collection[str]) -> tuple[str, ...]:
    """The variables that rows were kept by: those that never varied though the graph moves them."""
    return tuple(
        n
        for n in facts.unvaried
        if n in graph.names and n not in asked and any(p != n for p, _ in graph.parents(n))
    )


def moments(world: MixedGraph, names: Collection[str]) -> frozenset[Node]:
    """Every node of a world that stands for one of ``names``."""
    return frozenset(n for n in world.nodes if (n[0] if isinstance(n, tuple) else n) in names)


def spoils(world: MixedGraph, x: Node, y: Node, given: Iterable[Node], kept: Collection[Node]):
    """Whether keeping rows by ``kept`` breaks an adjustment for ``given`` that would be valid."""
    own = frozenset({x}), frozenset({y})
    chosen = frozenset(given)
    if forbidden_nodes(world, *own) & set(kept):
        return True
    whole = chosen | set(kept)
    return valid_adjustment(world, x, y, chosen) and not valid_adjustment(world, x, y, whole)


def among_kept(
    world: MixedGraph, x: Node, y: Node, given: Collection[Node], kept: frozenset[Node]
) -> Identified | NotIdentified | None:
    r"""The verdict where all rows have one value of ``kept`` (s); None where s tells nothing.

    Σ_z P(y | x, z, s) P(z | s) is the effect among the rows kept if (z, s) meets the adjustment
    criterion: s is moved by nothing behind the treatment, and closes or leaves closed every other
    path (Correa & Bareinboim 2017, their criterion with selected rows alone). If any set that
    holds s meets it, one of those tried does (van der Zander, Liśkiewicz & Textor 2019).
    """
    own = frozenset({x}), frozenset({y})
    near = (world.ancestors([x, y, *given]) | set(given)) - kept
    if all(world.separated([s], near) for s in kept):
        return None
    bad = forbidden_nodes(world, *own) | {x, y}
    best = frozenset(optimal_adjustment(world, x, y) or ())
    behind = world.ancestors([x, y, *kept, *given])
    for chosen in (best, best.union(*(world.parents[s] for s in kept)), behind):
        whole = (frozenset(chosen) - bad) | kept | set(given)
        if valid_adjustment(world, x, y, whole):
            z = world.sorted(whole - kept)
            formula = adjusted(world, *own, z)
            names = words(world, kept)
            return Identified(
                Estimand(formula, Way.ADJUSTMENT, z),
                (f"Adjusting for {words(world, z) or 'nothing'}, among rows kept by {names}.",),
                (f"All rows have one value of {names}: the effect is that among such rows.",),
            )
    return refused_of_kept(sorted({str(n[0] if isinstance(n, tuple) else n) for n in kept}), words(
        world, [y]
    ))  # fmt: skip


def later_kept(graph: CausalGraph, outcome: str, kept: Collection[str]) -> NotIdentified | None:
    """The refusal where rows over time were kept by what the outcome moves, also rows later."""
    hit = sorted(set(kept) & graph.descendants(outcome))
    return refused_of_kept(hit, outcome) if hit else None


def refused_of_kept(kept: Iterable[str], on: str) -> NotIdentified:
    """The refusal of an effect on ``on`` where rows were selected by ``kept``."""
    names = ", ".join(kept)
    return NotIdentified(
        f"{names} never varies in the log, and the graph says that the variables asked about move "
        f"it: rows were kept by {names}, and among them what moves it goes together without being "
        f"an effect on {on}.",
        f"Log the rows that were left out too, whatever their {names}; or, where nobody selected "
        f"rows by {names}, leave it out of the graph.",
        Cause.SELECTION,
    )


def simulated_of_kept(
    graph: CausalGraph,
    schema: Schema,
    causes: Collection[str],
    targets: Collection[str],
    facts: Facts,
) -> NotIdentified | None:
    """The refusal where laws on the way from causes to targets were learned from kept rows.

    The law of v that the rows show is its own only if v is independent of s given its parents.
    """
    kept = kept_by(graph, facts, causes)
    if not kept or not causes:
        return None
    below = set().union(*(graph.descendants(c) for c in causes)) - set(causes) - set(kept)
    above = set().union(*(graph.ancestors(t) for t in targets)) | set(targets)
    moved = sorted(below & above)
    if schema.static:
        worlds = list(islice(mixed_worlds(graph, (*causes, *targets, *kept)), MOST_WORLDS))
        hit = [
            v
            for v in moved
            if any(not w.separated([v], set(kept) - w.parents[v], w.parents[v]) for w in worlds)
        ]
    else:
        hit = [v for v in moved if set(kept) & graph.descendants(v)]
    return refused_of_kept(kept, ", ".join(hit)) if hit else None
