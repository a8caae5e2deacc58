"""The law that the ID algorithm works on: the log's own, or one made of its factors."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from doworld.graph import MixedGraph
from doworld.identify.estimand import Expression, Probability, product, quotient, total

__all__ = ["ChainLaw", "Law", "ObservedLaw"]

Node = Hashable


@dataclass(frozen=True)
class ObservedLaw:
    """P(nodes of ``graph``) itself, after do(``do``), in ``domain``."""

    graph: MixedGraph
    do: tuple[Node, ...] = ()
    domain: str = ""

    def marginal(self, keep: frozenset[Node]) -> "ObservedLaw":
        """The law of an ancestral set."""
        return ObservedLaw(self.graph.subgraph(keep), self.do, self.domain)

    def of(self, nodes: Iterable[Node]) -> Expression:
        """P(nodes)."""
        asked = self.graph.sorted(nodes)
        return Probability(asked, (), self.do, self.domain)

    def factors(self, nodes: frozenset[Node], order: tuple[Node, ...]) -> "ChainLaw":
        r"""Π P(v | its Markov blanket before it), over a district (Tian & Pearl 2002).

        In an ADMG, v is independent of its other predecessors given its district among them and
        the parents of that district (Richardson 2003).
        """
        out = []
        for at, v in enumerate(order):
            if v not in nodes:
                continue
            world = self.graph.subgraph(order[: at + 1])
            district = world.district(v)
            near = district.union(*(world.parents[d] for d in district)) - {v}
            out.append((v, Probability((v,), world.sorted(near), self.do, self.domain)))
        return ChainLaw(tuple(out))


@dataclass(frozen=True)
class ChainLaw:
    """Q(v) = Π_i f_i(v_i | v_1 … v_{i−1}), summed over ``gone``; other nodes have fixed values.

    Attributes:
        chain: (v_i, f_i) in order.
        gone: nodes of the chain that are summed out.
    """

    chain: tuple[tuple[Node, Expression], ...]
    gone: frozenset[Node] = frozenset()

    def marginal(self, keep: frozenset[Node]) -> "ChainLaw":
        """The law of some of its nodes; factors at the end that are summed out drop away."""
        gone = self.gone | {v for v, _ in self.chain if v not in keep}
        chain = list(self.chain)
        while chain and chain[-1][0] in gone:
            gone -= {chain.pop()[0]}
        return ChainLaw(tuple(chain), gone)

    def of(self, nodes: Iterable[Node]) -> Expression:
        """Q(nodes)."""
        wanted = frozenset(nodes)
        law = self.marginal(wanted)
        over = [v for v, _ in law.chain if v in law.gone]
        return total(over, product(f for _, f in law.chain))

    def factors(self, nodes: frozenset[Node], order: tuple[Node, ...]) -> "ChainLaw":
        """Π Q(v | v's predecessors) over some nodes, in the chain's own order, which is causal."""
        if not self.gone:
            return ChainLaw(tuple(link for link in self.chain if link[0] in nodes))
        own = tuple(v for v, _ in self.chain if v not in self.gone)
        out = []
        for at, v in enumerate(own):
            if v in nodes:
                out.append((v, quotient(self.of(own[: at + 1]), self.of(own[:at]))))
        return ChainLaw(tuple(out))


Law = ObservedLaw | ChainLaw
