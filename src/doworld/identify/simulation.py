"""Whether rolling a graph's mechanisms forward draws from the world after an intervention."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from doworld.graph import CausalGraph, Edge, Mark, MixedGraph
from doworld.identify.mixed import may_act

__all__ = ["Simulation", "simulated"]

Moment = tuple[str, int]
MOST_WORK = 40_000
"""Nodes that are visited; a larger graph is judged more harshly, not longer."""
REGIME: Hashable = ("do", -1)


@dataclass(frozen=True)
class Simulation:
    """Which edge forbids simulation, and which only bends its joint law.

    Attributes:
        edge: an edge for which the mechanisms that were learned do not hold after the
            intervention; None where they all do.
        joint: an edge by which two of the mechanisms' noises may move together; simulation draws
            them apart, so means of linear laws hold, and spreads and other means may not.
        cut: whether the graph was too large to be searched in full.
    """

    edge: Edge | None = None
    joint: Edge | None = None
    cut: bool = False


def simulated(
    graph: CausalGraph,
    causes: Collection[str],
    targets: Collection[str],
    *,
    throughout: Collection[str] = (),
) -> Simulation:
    r"""Whether the directed edges' mechanisms, rolled forward, give P(targets | do(causes)).

    With D the targets' ancestors among directed edges, simulation draws from Π_{v∈D} P(v | pa(v)).
    That is the law after the intervention if for each v of D, in every graph that the open edges
    allow, (1) its law is untouched, v ⫫ F | pa(v) with F a parent of all that is done (Dawid
    2021), and (2) it has no further ties, v ⫫ D's earlier nodes | pa(v). ``o->`` may be ``-->``,
    ``<->`` or both, ``o-o`` also the reverse, ``---`` either direction. Over time all rows are
    looked at, as if the intervention were at any of them, and an unobserved cause of what is done
    may last: it is taken to act at every lag up to the graph's longest.

    Args:
        graph: what the model follows; its open edges are in no mechanism.
        causes: what is done, softly or not.
        targets: what is asked about.
        throughout: causes that are set in every row, so that their own mechanisms are idle.

    >>> from doworld.graph import Mark
    >>> hidden = Edge("y", "x", 0, Mark.BIDIRECTED)
    >>> g = CausalGraph(("x", "y"), (Edge("x", "y", 0), hidden), max_lag=0)
    >>> simulated(g, ["x"], ["y"]).edge == hidden, simulated(g, ["y"], ["x"]).edge
    (True, None)
    """
    open_edges = [e for e in graph.edges() if e.mark is not Mark.DIRECTED]
    if not open_edges:
        return Simulation()
    case = _Case(graph, frozenset(causes), frozenset(targets), frozenset(throughout))
    relevant = [e for e in open_edges if {e.source, e.target} <= case.above]
    if not relevant:
        return Simulation()
    if case.work(relevant) > MOST_WORK:
        return case.harsh(relevant)
    meter = _Meter(MOST_WORK)
    broken = case.judged(relevant, meter)
    if broken.edge is None:
        return broken
    for edge in relevant:  # the first that alone forbids
        if meter.left < case.work([edge]):
            break
        if case.judged([edge], meter).edge is not None:
            return Simulation(edge, broken.joint)
    return broken


@dataclass
class _Meter:
    """How many nodes may still be visited."""

    left: int


@dataclass(frozen=True)
class _Case:
    graph: CausalGraph
    causes: frozenset[str]
    targets: frozenset[str]
    throughout: frozenset[str]

    @cached_property
    def above(self) -> frozenset:
        """Names that may act on a target, whichever way open edges point."""
        return may_act(self.graph, self.targets)

    @cached_property
    def rows(self) -> int:
        """Rows that hold a path through every relevant variable at the longest lag."""
        longest = max((e.lag for e in self.graph.links), default=0)
        return 1 + longest * (len(self.above) + 1)

    @cached_property
    def laws(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """(cause, lag) of every mechanism."""
        out: dict[str, list[tuple[str, int]]] = {n: [] for n in self.graph.names}
        for e in self.graph.links:
            if e.mark is Mark.DIRECTED:
                out[e.target].append((e.source, e.lag))
        return {n: tuple(causes) for n, causes in out.items()}

    @cached_property
    def used(self) -> tuple[str, ...]:
        """Names whose mechanisms the simulation of a target runs."""
        found, frontier = set(self.targets), [t for t in self.targets if t not in self.idle]
        while frontier:
            more = {p for p, _ in self.laws[frontier.pop()]} - found
            found |= more
            frontier += [n for n in more if n not in self.idle]
        return tuple(n for n in self.graph.names if n in found and n not in self.idle)

    @cached_property
    def idle(self) -> frozenset[str]:
        """Names whose own mechanism never acts."""
        static = not any(e.lag for e in self.graph.links)
        return self.throughout | (self.causes if static else frozenset())

    def work(self, edges: Sequence[Edge]) -> int:
        """About how many nodes a judgement visits."""
        touched = {n for e in edges for n in (e.source, e.target)}
        return self.rows * len(self.above) * (1 + len(touched & set(self.used)))

    def judged(self, edges: Sequence[Edge], meter: _Meter) -> Simulation:
        """The verdict where just these edges are not directed.

        First with two-way edges as if they pointed both ways at once, which is the harshest; if
        that forbids, and while the meter lasts, each way by itself.
        """
        cost = self.work(edges)
        out = self._judged(edges, self._world(edges))
        meter.left -= cost
        two_way = [e for e in edges if e.mark in (Mark.UNDIRECTED, Mark.CIRCLE) and not e.lag]
        if (out.edge is None and out.joint is None) or not two_way:
            return out
        if cost * 2 ** len(two_way) > meter.left:
            return out
        meter.left -= cost * 2 ** len(two_way)
        ways = [self._judged(edges, w) for w in self._worlds(edges, two_way)]
        return Simulation(
            next((w.edge for w in ways if w.edge), None),
            next((w.joint for w in ways if w.joint), None),
        )

    def _worlds(self, edges: Sequence[Edge], two_way: Sequence[Edge]) -> Iterator[MixedGraph]:
        """Every way to point the open edges, those with cycles in a row left out."""
        fixed = {
            (e.source, e.target) for e in self.graph.links if not e.lag and e.mark is Mark.DIRECTED
        }
        for turned in product((False, True), repeat=len(two_way)):
            arrows = {
                (e.target, e.source) if t else (e.source, e.target)
                for e, t in zip(two_way, turned, strict=True)
            }
            if not _cyclic(fixed | arrows):
                yield self._world(edges, frozenset(arrows))

    def _world(
        self, edges: Sequence[Edge], arrows: frozenset[tuple[str, str]] | None = None
    ) -> MixedGraph:
        """All edges that may be, unrolled, with a regime node above what is done.

        ``arrows`` chooses the directions of two-way edges within a row; None takes both.
        """
        directed, both = set(), set()
        above, rows = self.above, self.rows
        kept = [e for e in self.graph.links if e.mark is Mark.DIRECTED]
        for e in (*kept, *edges):
            if not {e.source, e.target} <= above:
                continue
            if e.mark in (Mark.BIDIRECTED, Mark.PARTIAL, Mark.CIRCLE):
                both |= self._hidden(e)
            for t in range(rows - e.lag):
                one, other = (e.source, t + e.lag), (e.target, t)
                ahead, back = e.mark is not Mark.BIDIRECTED, False
                if e.mark in (Mark.UNDIRECTED, Mark.CIRCLE) and not e.lag:
                    ahead = arrows is None or (e.source, e.target) in arrows
                    back = arrows is None or (e.target, e.source) in arrows
                directed |= {(one, other)} if ahead else set()
                directed |= {(other, one)} if back else set()
        nodes: list[Hashable] = [
            (n, t) for t in range(rows) for n in self.graph.names if n in above
        ]
        directed |= {(REGIME, (c, t)) for c in self.causes & above for t in range(rows)}
        return MixedGraph((REGIME, *nodes), frozenset(directed), frozenset(both))

    def _hidden(self, edge: Edge) -> set[tuple[Moment, Moment]]:
        """The pairs that an unobserved cause moves; one of what is done may last for some rows."""
        rows, lags = self.rows, {edge.lag}
        if not self.causes.isdisjoint((edge.source, edge.target)):
            longest = max((e.lag for e in self.graph.links), default=0)
            lags |= set(range(-longest, longest + 1))
        return {
            ((edge.source, t + k), (edge.target, t))
            for k in lags
            for t in range(max(-k, 0), rows - max(k, 0))
            if (edge.source, k) != (edge.target, 0)
        }

    def _judged(self, edges: Sequence[Edge], world: MixedGraph) -> Simulation:
        touched = {n for e in edges for n in (e.source, e.target)}
        harm: Edge | None = None
        joint: Edge | None = None
        for name in self.used:
            if name not in touched:
                continue
            blame = next(e for e in edges if name in (e.source, e.target))
            own = world
            if name in self.causes:  # at a row at which nobody intervenes
                arrows = world.directed - {(REGIME, (name, 0))}
                own = MixedGraph(world.nodes, arrows, world.bidirected)
            if REGIME in own.connected([(name, 0)], self._law(name, 0)):
                harm = harm or blame
            elif joint is None and self._tied(world, name):
                joint = blame
        return Simulation(harm, joint)

    def _law(self, name: str, row: int) -> list[Moment]:
        """The causes that the mechanism of a variable has in one row."""
        rows = self.rows
        return [(p, row + k) for p, k in self.laws[name] if row + k < rows]

    def _tied(self, world: MixedGraph, name: str) -> bool:
        """Whether more than its causes moves a variable with what a target is simulated from."""
        for behind in self._behind:
            row = min((t for n, t in behind if n == name), default=None)
            if row is None:
                continue
            node = (name, row)
            near = world.connected([node], self._law(name, row)) - world.descendants([node])
            if near & behind:
                return True
        return False

    @cached_property
    def _behind(self) -> list[frozenset[Moment]]:
        """For each target, what its value in the last row is simulated from."""
        kept = [e for e in self.graph.links if e.mark is Mark.DIRECTED]
        above, rows = self.above, self.rows
        arrows = frozenset(
            ((e.source, t + e.lag), (e.target, t))
            for e in kept
            if {e.source, e.target} <= above and e.target not in self.idle
            for t in range(rows - e.lag)
        )
        world = MixedGraph(tuple((n, t) for t in range(rows) for n in above), arrows)
        return [world.ancestors([(t, 0)]) for t in self.targets]

    def harsh(self, edges: Sequence[Edge]) -> Simulation:
        """A judgement without search: any open edge behind an effect of what is done forbids."""
        below = frozenset[str]().union(*(self.graph.descendants(c) for c in self.causes))
        hit = next((e for e in edges if not below.isdisjoint((e.source, e.target))), None)
        return Simulation(hit, edges[0], cut=True)


def _cyclic(arrows: set[tuple[str, str]]) -> bool:
    left = set(arrows)
    while left:
        heads = {b for _, b in left}
        roots = {e for e in left if e[0] not in heads}
        if not roots:
            return True
        left -= roots
    return False
