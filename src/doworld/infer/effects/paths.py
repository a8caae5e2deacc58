"""A graph's paths between one treatment and one outcome, unrolled over the rows that matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from doworld.data import Policy, Role, Schema
from doworld.graph import CausalGraph, Edge, Mark
from doworld.graph.mixed import MixedGraph
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

    world: MixedGraph[Node]
    treatment: Node
    outcome: Node

    @classmethod
    def of(cls, graph: CausalGraph, treatment: str, outcome: str, lag: int) -> "Paths":
        """``graph`` has directed and bidirected edges only (see ``acting``)."""
        rows = 1 if graph.max_lag == 0 and lag == 0 else lag + 1 + 2 * max(graph.max_lag, 1)
        world = unrolled(graph.names, graph.edges(), rows)
        return cls(world, (treatment, lag), (outcome, 0))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All of them."""
        return self.world.nodes

    def parents(self, node: Node) -> frozenset[Node]:
        """What acts on ``node`` directly."""
        return self.world.parents[node]

    def children(self, node: Node) -> frozenset[Node]:
        """What ``node`` acts on directly."""
        return self.world.children[node]

    def below(self, nodes: Iterable[Node]) -> frozenset[Node]:
        """The nodes and everything that they act on."""
        return self.world.descendants(nodes)

    def above(self, nodes: Iterable[Node]) -> frozenset[Node]:
        """The nodes and everything that acts on them."""
        return self.world.ancestors(nodes)

    def between(self, avoid: Iterable[Node] = ()) -> frozenset[Node]:
        """The nodes on directed ways from the treatment to the outcome that miss ``avoid``."""
        world = self.world.cut(into=avoid, out_of=avoid)
        down, up = world.descendants([self.treatment]), world.ancestors([self.outcome])
        return (down & up) - {self.treatment} if self.outcome in down else frozenset()

    def idle(self, nodes: Iterable[Node], only: Iterable[Node] | None = None) -> "Paths":
        """The same with the edges out of ``nodes`` cut, or only those into ``only``."""
        gone = set(nodes)
        ends = set(self.nodes if only is None else only)
        kept = frozenset((a, b) for a, b in self.world.directed if a not in gone or b not in ends)
        return replace(self, world=replace(self.world, directed=kept))

    def apart(self, one: Iterable[Node], other: Iterable[Node], given: Iterable[Node]) -> bool:
        """Whether ``given`` m-separates every node of ``one`` from every node of ``other``."""
        known = set(given)
        if known & {*one, *other}:
            return False
        return not self.world.connected(one, known) & set(other)
