"""Mixed graphs: directed edges, and bidirected ones for unobserved common causes."""

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from doworld._core.errors import GraphError, UnknownNameError

__all__ = ["MixedGraph"]

N = TypeVar("N", bound=Hashable)


@dataclass(frozen=True)
class MixedGraph(Generic[N]):
    """An acyclic directed mixed graph (ADMG; Richardson 2003) over any hashable nodes.

    ``a -> b`` says that a is a cause of b, ``a <-> b`` that something unobserved moves both. The
    order of ``nodes`` decides every order that is otherwise free, so results can be repeated.

    Attributes:
        nodes: the observed variables.
        directed: pairs (cause, effect).
        bidirected: pairs with an unobserved common cause; kept in the order of ``nodes``.

    Raises ``UnknownNameError`` for an edge of an unknown node and ``GraphError`` for one of a node
    with itself. A cycle is found by ``order``, not here: separation is defined without it.

    >>> bow = MixedGraph.of("x -> y", "x <-> y")
    >>> [sorted(district) for district in bow.districts()]
    [['x', 'y']]
    """

    nodes: tuple[N, ...]
    directed: frozenset[tuple[N, N]] = frozenset()
    bidirected: frozenset[tuple[N, N]] = frozenset()

    def __post_init__(self) -> None:
        known = set(self.nodes)
        for pair in (*self.directed, *self.bidirected):
            for node in pair:
                if node not in known:
                    raise UnknownNameError("node", node, map(str, self.nodes))
            if pair[0] == pair[1]:
                raise GraphError(f"{pair[0]!r} has an edge with itself. Drop it.")
        at = {n: i for i, n in enumerate(self.nodes)}
        both = frozenset((a, b) if at[a] < at[b] else (b, a) for a, b in self.bidirected)
        object.__setattr__(self, "bidirected", both)

    @staticmethod
    def of(*edges: str) -> "MixedGraph[str]":
        """A graph from words like ``"x -> y"``, ``"x <-> y"``, ``"x -> y -> z"`` or ``"x"``.

        >>> MixedGraph.of("a -> b -> c").order()
        ('a', 'b', 'c')
        """
        nodes: dict[str, None] = {}
        directed, bidirected = set(), set()
        for text in edges:
            words = text.split()
            nodes.update(dict.fromkeys(words[::2]))
            for a, arrow, b in zip(words[::2], words[1::2], words[2::2], strict=False):
                if arrow not in ("->", "<->"):
                    raise GraphError(f"{arrow!r} in {text!r} is no edge. Write -> or <->.")
                (directed if arrow == "->" else bidirected).add((a, b))
        return MixedGraph(tuple(nodes), frozenset(directed), frozenset(bidirected))

    @cached_property
    def position(self) -> Mapping[N, int]:
        """Where each node stands in ``nodes``."""
        return {n: i for i, n in enumerate(self.nodes)}

    @cached_property
    def parents(self) -> Mapping[N, frozenset[N]]:
        """The causes of each node."""
        return self._near((b, a) for a, b in self.directed)

    @cached_property
    def children(self) -> Mapping[N, frozenset[N]]:
        """The effects of each node."""
        return self._near(self.directed)

    @cached_property
    def spouses(self) -> Mapping[N, frozenset[N]]:
        """The nodes that share an unobserved cause with each node."""
        return self._near(p for a, b in self.bidirected for p in ((a, b), (b, a)))

    def _near(self, pairs: Iterable[tuple[N, N]]) -> Mapping[N, frozenset[N]]:
        out: dict[N, set[N]] = {n: set() for n in self.nodes}
        for a, b in pairs:
            out[a].add(b)
        return {n: frozenset(s) for n, s in out.items()}

    def sorted(self, nodes: Iterable[N]) -> tuple[N, ...]:
        """The given nodes in the order of ``nodes``."""
        return tuple(sorted(nodes, key=self.position.__getitem__))

    def ancestors(self, of: Iterable[N]) -> frozenset[N]:
        """Every node with a directed path to one of ``of``, these included."""
        return _closed(of, self.parents)

    def descendants(self, of: Iterable[N]) -> frozenset[N]:
        """Every node with a directed path from one of ``of``, these included."""
        return _closed(of, self.children)

    def order(self) -> tuple[N, ...]:
        """The nodes, causes before effects; raises ``GraphError`` for a cycle."""
        return self._ordered

    @cached_property
    def _ordered(self) -> tuple[N, ...]:
        waiting = {n: len(self.parents[n]) for n in self.nodes}
        ready = deque(n for n in self.nodes if not waiting[n])
        out: list[N] = []
        while ready:
            node = ready.popleft()
            out.append(node)
            for child in self.sorted(self.children[node]):
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        if len(out) < len(self.nodes):
            left = ", ".join(str(n) for n in self.nodes if waiting[n] > 0)
            raise GraphError(f"directed edges form a cycle among {left}. Drop one of them.")
        return tuple(out)

    def subgraph(self, keep: Iterable[N]) -> "MixedGraph[N]":
        """The graph of some nodes and the edges among them."""
        kept = frozenset(keep)
        if len(kept) == len(self.nodes):
            return self
        return MixedGraph(
            tuple(n for n in self.nodes if n in kept),
            frozenset(e for e in self.directed if e[0] in kept and e[1] in kept),
            frozenset(e for e in self.bidirected if e[0] in kept and e[1] in kept),
        )

    def cut(self, into: Iterable[N] = (), out_of: Iterable[N] = ()) -> "MixedGraph[N]":
        """Without the edges that point into ``into``, nor the directed ones out of ``out_of``."""
        heads, tails = frozenset(into), frozenset(out_of)
        if not heads and not tails:
            return self
        return MixedGraph(
            self.nodes,
            frozenset(e for e in self.directed if e[1] not in heads and e[0] not in tails),
            frozenset(e for e in self.bidirected if heads.isdisjoint(e)),
        )

    def districts(self) -> tuple[frozenset[N], ...]:
        """The sets of nodes linked by bidirected paths (c-components; Tian & Pearl 2002)."""
        return self._districts

    @cached_property
    def _districts(self) -> tuple[frozenset[N], ...]:
        out: list[frozenset[N]] = []
        seen: set[N] = set()
        for node in self.nodes:
            if node not in seen:
                own = _closed((node,), self.spouses)
                seen |= own
                out.append(own)
        return tuple(out)

    def district(self, node: N) -> frozenset[N]:
        """The district that a node belongs to."""
        return _closed((node,), self.spouses)

    def connected(self, start: Iterable[N], given: Iterable[N] = ()) -> frozenset[N]:
        """Every node with an open path from ``start`` (Bayes-ball; Shachter 1998).

        A path is open where each collider on it is, or has a descendant, in ``given`` and no other
        node of it is (m-separation; Richardson 2003). ``start`` is included, ``given`` is not.
        """
        known = frozenset(given)
        above = self.ancestors(known)
        # a state is a node and whether the path enters it by an arrowhead
        queue: deque[tuple[N, bool]] = deque((s, False) for s in start)
        seen = set(queue)
        while queue:
            node, into = queue.popleft()
            passes = node not in known
            ahead: list[tuple[N, bool]] = []
            if passes:  # out by a tail
                ahead += [(n, True) for n in self.children[node]]
            if (into and node in above) or (not into and passes):  # out by an arrowhead at it
                ahead += [(n, False) for n in self.parents[node]]
                ahead += [(n, True) for n in self.spouses[node]]
            for state in ahead:
                if state not in seen:
                    seen.add(state)
                    queue.append(state)
        return frozenset(node for node, _ in seen if node not in known)

    def separated(self, one: Iterable[N], other: Iterable[N], given: Iterable[N] = ()) -> bool:
        """Whether ``given`` m-separates two sets of nodes.

        >>> g = MixedGraph.of("a -> b", "c -> b")
        >>> g.separated("a", "c"), g.separated("a", "c", "b")
        (True, False)
        """
        return self.connected(one, given).isdisjoint(other)

    def __str__(self) -> str:
        at = self.position
        directed = sorted(self.directed, key=lambda e: (at[e[0]], at[e[1]]))
        both = sorted(self.bidirected, key=lambda e: (at[e[0]], at[e[1]]))
        lone = [n for n in self.nodes if not any(n in e for e in (*directed, *both))]
        parts = [f"{a} -> {b}" for a, b in directed] + [f"{a} <-> {b}" for a, b in both]
        return ", ".join([*parts, *map(str, lone)])


def _closed(start: Iterable[N], step: Mapping[N, frozenset[N]]) -> frozenset[N]:
    found = set(start)
    frontier = list(found)
    while frontier:
        more = step[frontier.pop()] - found
        found |= more
        frontier += more
    return frozenset(found)
