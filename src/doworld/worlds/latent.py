"""Discrete worlds with unobserved common causes, whose every law can be summed exactly."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.graph import MixedGraph

__all__ = ["LatentWorld", "random_mixed_graph"]

Node = Hashable
NOISES = 2
"""Values of a node's own noise beside those that force a level."""


@dataclass(frozen=True, eq=False)
class LatentWorld:
    """Each node a function of its parents, of one latent for each bidirected edge, and own noise.

    Under the first values of its noise a node takes each of its levels whatever its causes, so
    everything has positive probability.

    Attributes:
        graph: of the observed nodes.
        levels: how many values each node takes, the same for all.
        chances: of the latents' values, in the order of ``hidden``.
        noises: of the own noises' values, by node.
        tables: node → its level by parents, latents and noise.
    """

    graph: MixedGraph
    levels: int
    hidden: tuple[tuple[Node, Node], ...]
    chances: tuple[Float[np.ndarray, " _"], ...]
    noises: Mapping[Node, Float[np.ndarray, " _"]]
    tables: Mapping[Node, Int[np.ndarray, "..."]]

    @classmethod
    def random(
        cls, graph: MixedGraph, *, seed: int, levels: int = 2, latents: int = 2
    ) -> "LatentWorld":
        """Random functions and chances; ``latents`` is how many values a latent takes.

        >>> world = LatentWorld.random(MixedGraph.of("x -> y", "x <-> y"), seed=0)
        >>> round(float(world.law().sum()), 9)
        1.0
        """
        rng = np.random.default_rng(seed)
        hidden = tuple(sorted(graph.bidirected, key=str))
        tables, noises = {}, {}
        for node in graph.nodes:
            shape = [levels] * len(graph.parents[node])
            shape += [latents for pair in hidden if node in pair]
            table = rng.integers(levels, size=(*shape, levels + NOISES))
            table[..., :levels] = np.arange(levels)
            tables[node] = table
            noises[node] = rng.dirichlet(np.full(levels + NOISES, 2.0))
        chances = tuple(rng.dirichlet(np.full(latents, 2.0)) for _ in hidden)
        return cls(graph, levels, hidden, chances, noises, tables)

    def law(self, do: Sequence[Node] = ()) -> Float[np.ndarray, "..."]:
        """P(nodes) with an axis a node in the graph's order, or P(others | do), an axis for each.

        What is set has probability one at each of its levels.
        """
        at = {n: i for i, n in enumerate(self.graph.nodes)}
        latent = {pair: len(at) + i for i, pair in enumerate(self.hidden)}
        operands: list = []
        for chance, pair in zip(self.chances, self.hidden, strict=True):
            operands += [chance, [latent[pair]]]
        for node in self.graph.nodes:
            if node in do:
                operands += [np.ones(self.levels), [at[node]]]
                continue
            axes = [at[p] for p in self._causes(node)]
            axes += [latent[pair] for pair in self.hidden if node in pair]
            hits = self.tables[node][..., None] == np.arange(self.levels)
            law = np.einsum("...nv,n->...v", hits.astype(float), self.noises[node])
            operands += [law, [*axes, at[node]]]
        return np.einsum(*operands, list(range(len(at))), optimize="greedy")

    def _causes(self, node: Node) -> tuple[Node, ...]:
        return self.graph.sorted(self.graph.parents[node])

    def units(self) -> tuple[Float[np.ndarray, " units"], dict[Node | tuple, np.ndarray]]:
        """The chance of every unit, and its latents' and noises' values by latent and by node."""
        sizes = [len(c) for c in self.chances] + [len(self.noises[n]) for n in self.graph.nodes]
        grid = np.indices(sizes).reshape(len(sizes), -1)
        names = [*(("latent", p) for p in self.hidden), *self.graph.nodes]
        chances = [*self.chances, *(self.noises[n] for n in self.graph.nodes)]
        weight = np.prod([c[g] for c, g in zip(chances, grid, strict=True)], 0)
        return weight, dict(zip(names, grid, strict=True))

    def values(
        self, units: Mapping[Node | tuple, np.ndarray], done: Mapping[Node, np.ndarray | int]
    ) -> dict[Node, Int[np.ndarray, " units"]]:
        """What every node is for every unit, had some nodes the given values."""
        out: dict[Node, np.ndarray] = {}
        for node in self.graph.order():
            own = units[node]
            if node in done:
                out[node] = np.broadcast_to(np.asarray(done[node]), own.shape)
                continue
            index = [out[p] for p in self._causes(node)]
            index += [units["latent", pair] for pair in self.hidden if node in pair]
            out[node] = self.tables[node][(*index, own)]
        return out


def random_mixed_graph(
    nodes: int, *, seed: int, directed: float = 0.4, bidirected: float = 0.3
) -> MixedGraph[str]:
    """A random ADMG: each pair is linked, by either kind of edge, with the given chances.

    >>> len(random_mixed_graph(5, seed=1).nodes)
    5
    """
    rng = np.random.default_rng(seed)
    names = tuple(f"v{i}" for i in range(nodes))
    order = rng.permutation(nodes)
    pairs = [(names[order[i]], names[order[j]]) for i in range(nodes) for j in range(i + 1, nodes)]
    arrows = frozenset(p for p in pairs if rng.uniform() < directed)
    both = frozenset(p for p in pairs if rng.uniform() < bidirected)
    return MixedGraph(names, arrows, both)
