"""Instruments, also conditional ones, and front-door sets."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from doworld.graph import MixedGraph
from doworld.identify.adjustment import causal_nodes, without_causal
from doworld.identify.effects import checked
from doworld.identify.estimand import Expression, Probability, product, total
from doworld.identify.separators import minimal, sides

__all__ = ["Instrument", "front_door", "front_door_formula", "instruments", "valid_front_door"]

Node = Hashable
SETS = 40
"""Minimal sets that are tried for one instrument."""


@dataclass(frozen=True)
class Instrument:
    """``node`` acts on the outcome only by the treatment, once ``given`` is held fixed."""

    node: Node
    given: tuple[Node, ...] = ()


def instruments(graph: MixedGraph, treatment: Node, outcome: Node) -> Iterator[Instrument]:
    r"""Every node that is an instrument for the effect of treatment x on outcome y, one by one.

    z is one given W if W holds no descendant of x or y, m-separates z from y in the graph without
    the first edges of the causal paths, and leaves z tied to x (Brito & Pearl 2002). For each z
    the sets tried are the minimal ones, at most 40.

    >>> [i.node for i in instruments(MixedGraph.of("z -> x -> y", "x <-> y"), "x", "y")]
    ['z']
    >>> list(instruments(MixedGraph.of("w -> z -> x -> y", "w -> y", "x <-> y"), "x", "y"))
    [Instrument(node='z', given=('w',))]
    """
    x, y = checked(graph, [treatment], [outcome])
    without = without_causal(graph, x, y)
    below = graph.descendants(x | y)
    for z in graph.nodes:
        if z in below:
            continue
        one = frozenset({z})
        found = sides(without, one, y, frozenset(graph.nodes) - below - one)
        if found is None:
            continue
        for given in islice(minimal(found), SETS):
            if not graph.separated(one, x, given):
                yield Instrument(z, graph.sorted(given))
                break


def valid_front_door(
    graph: MixedGraph, treatment: Node, outcome: Node, through: Iterable[Node]
) -> bool:
    """Pearl's front-door criterion: M catches every directed path from x to y, nothing confounds
    x and M, and x closes all back doors from M to y.

    >>> valid_front_door(MixedGraph.of("x -> m -> y", "x <-> y"), "x", "y", ["m"])
    True
    """
    x, y = checked(graph, [treatment], [outcome])
    m, _ = checked(graph, through, x | y)
    if y & graph.cut(into=m).descendants(x):
        return False
    if not graph.cut(out_of=x).separated(x, m):
        return False
    return graph.cut(out_of=m).separated(m, y, x)


def front_door(graph: MixedGraph, treatment: Node, outcome: Node) -> tuple[Node, ...] | None:
    """A minimal front-door set, or None where there is none (Jeong, Tian & Bareinboim 2022).

    Only nodes on the causal paths can help. Those confounded with x are dropped first, then those
    whose back doors x leaves open, until nothing changes; if what is left catches every path, it is
    thinned one by one.
    """
    x, y = checked(graph, [treatment], [outcome])
    may = causal_nodes(graph, x, y) - y
    cut = graph.cut(out_of=x)
    may = frozenset(m for m in may if cut.separated(x, [m]))
    keep = set(may)
    while keep:
        away = [m for m in keep if not graph.cut(out_of=keep).separated([m], y, x)]
        if not away:
            break
        keep -= set(away)
    if not keep or not valid_front_door(graph, treatment, outcome, keep):
        return None
    for m in graph.sorted(keep):
        if len(keep) > 1 and valid_front_door(graph, treatment, outcome, keep - {m}):
            keep.discard(m)
    return graph.sorted(keep)


def front_door_formula(
    graph: MixedGraph, treatment: Node, outcome: Node, through: Iterable[Node]
) -> Expression:
    """Σ_m P(m | x) Σ_x' P(y | x', m) P(x')."""
    m = graph.sorted(through)
    law = product([Probability((outcome,), (treatment, *m)), Probability((treatment,))])
    return total(m, product([Probability(m, (treatment,)), total((treatment,), law)]))
