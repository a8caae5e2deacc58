"""A graph's paths between one treatment and one outcome, unrolled over the rows that matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from doworld.data import Policy, Role, Schema
from doworld.graph import CausalGraph, Edge, Mark, MixedGraph
from doworld.graph.separation import Node, unrolled

__all__ = ["Paths", "acting", "shortest"]


def acting(graph: CausalGraph, schema: Schema, treatment: str) -> CausalGraph:
    """The graph without open edges, with what a policy that nobody randomised may have seen.

    Where the graph holds no cause of an action that was not randomised, every variable that the
    action does not act on within the row may be one.

    >>> from doworld.data import Variable
    >>> schema = Schema((Variable("x"), Variable("a", Role.ACTION)))
    >>> [str(e) for e in acting(CausalGraph(("x", "a"), (Edge("a", "x"),)), schema, "a").edges()]
    ['a(t-1) --> x(t)', 'x(t) --> a(t)']
    """
    links = [e for e in graph.edges() if e.mark in (Mark.DIRECTED, Mark.BIDIRECTED)]
    free = schema[treatment].role is Role.ACTION and schema.policy is not Policy.RANDOMISED
    if free and not any(e.target == treatment for e in links):
        below = _within_row(links, treatment)
        roles = (Role.STATE, Role.CONTEXT)
        links += [Edge(n, treatment, 0) for n in schema.of(*roles) if n not in below]
    return replace(graph, links=tuple(links), local=())


def _within_row(links: Sequence[Edge], start: str) -> set[str]:
    found, frontier = {start}, [start]
    while frontier:
        at = frontier.pop()
        for e in links:
            if e.lag == 0 and e.mark is Mark.DIRECTED and e.source == at and e.target not in found:
                found.add(e.target)
                frontier.append(e.target)
    return found


def shortest(graph: CausalGraph, treatment: str, outcome: str) -> int | None:
    """The fewest rows in which the treatment reaches the outcome; None where it never does."""
    best, frontier = {treatment: 0}, [treatment]
    while frontier:
        at = frontier.pop(0)
        for child, lag in graph.children(at):
            if best[at] + lag < best.get(child, 10**9):
                best[child] = best[at] + lag
                frontier.append(child)
    return best.get(outcome)


@dataclass(frozen=True, eq=False)
class Paths:
    """One treatment ``lag`` rows before one outcome, in a graph unrolled over time.

    A node is a variable and how many rows before the OUTCOME's row it stands.
    """

    parents: dict[Node, set[Node]]
    hidden: set[frozenset[Node]]
    treatment: Node
    outcome: Node

    @classmethod
    def of(cls, graph: CausalGraph, treatment: str, outcome: str, lag: int) -> "Paths":
        """``graph`` has directed and bidirected edges only (see ``acting``)."""
        rows = 1 if graph.max_lag == 0 and lag == 0 else lag + 1 + 2 * max(graph.max_lag, 1)
        world = unrolled(graph.names, graph.edges(), rows)
        parents = {n: set(own) for n, own in world.parents.items()}
        hidden = {frozenset(pair) for pair in world.bidirected}
        return cls(parents, hidden, (treatment, lag), (outcome, 0))

    @cached_property
    def world(self) -> MixedGraph[Node]:
        """The same as a mixed graph."""
        directed = frozenset((p, n) for n, own in self.parents.items() for p in own)
        both = frozenset((min(pair), max(pair)) for pair in self.hidden)
        return MixedGraph(tuple(self.parents), directed, both)

    def children(self, node: Node) -> set[Node]:
        """The nodes that ``node`` acts on directly."""
        return {n for n, own in self.parents.items() if node in own}

    def below(self, nodes: Iterable[Node]) -> set[Node]:
        """The nodes and everything that they act on."""
        acts: dict[Node, list[Node]] = {}
        for child, own in self.parents.items():
            for parent in own:
                acts.setdefault(parent, []).append(child)
        return _closure(nodes, acts)

    def above(self, nodes: Iterable[Node]) -> set[Node]:
        """The nodes and everything that acts on them."""
        return _closure(nodes, self.parents)

    def between(self, start: Node | None = None, avoid: Iterable[Node] = ()) -> set[Node]:
        """The nodes on directed ways from ``start``, else the treatment, to the outcome."""
        first = self.treatment if start is None else start
        barred = self.without(avoid)
        down, up = barred.below([first]), barred.above([self.outcome])
        return (down & up) - {first} if self.outcome in down else set()

    def without(self, nodes: Iterable[Node]) -> "Paths":
        """The same with all edges into and out of ``nodes`` cut."""
        gone = set(nodes)
        parents = {n: (set() if n in gone else own - gone) for n, own in self.parents.items()}
        return replace(self, parents=parents)

    def idle(self, nodes: Iterable[Node], only: Iterable[Node] | None = None) -> "Paths":
        """The same with the edges out of ``nodes`` cut, or only those into ``only``."""
        gone = set(nodes)
        ends = self.parents.keys() if only is None else set(only)
        parents = {n: (own - gone if n in ends else own) for n, own in self.parents.items()}
        return replace(self, parents=parents)

    def apart(self, one: Iterable[Node], other: Iterable[Node], given: Iterable[Node]) -> bool:
        """Whether ``given`` m-separates every node of ``one`` from every node of ``other``."""
        known, goal = set(given), set(other)
        if goal & known:
            return False
        return self.world.separated([n for n in one if n not in known], goal, known)


def _closure(start: Iterable[Node], step: dict) -> set[Node]:
    found, frontier = set(start), list(start)
    while frontier:
        for node in step.get(frontier.pop(), ()):
            if node not in found:
                found.add(node)
                frontier.append(node)
    return found
