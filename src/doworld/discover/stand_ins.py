"""Edges that two variables which nearly repeat each other may stand in for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from doworld.discover.time.conflicts import partial_correlation
from doworld.discover.time.design import Block
from doworld.graph import Edge, Evidence, Mark, Prior, Unidentified

__all__ = ["stand_ins"]

TEST = "partial correlation without {}, which nearly repeats it"


def stand_ins(
    blocks: Iterable[Block],
    links: Sequence[Edge],
    near: Sequence[Unidentified],
    prior: Prior,
    cut: float,
) -> list[Edge]:
    """Doubtful edges: those of one of a near pair put in the place of the other's, and lost ones.

    Where the graph holds an edge of one, the other's is as good but for a few rows. Where it holds
    neither, because each says nothing given the other, each is tested without the other at ``cut``,
    given the target's causes in the graph.
    """
    pairs = [(f.variable, f.others[0]) for f in near if len(f.others) == 1]
    held = {(e.source, e.target, e.lag) for e in links}
    held |= {(b, a, 0) for a, b, lag in held if lag == 0}
    out: dict[tuple[str, str, int], Edge] = {}

    def add(edge: Edge) -> None:
        key = edge.source, edge.target, edge.lag
        if key not in held and prior.allows(*key) and (edge.source != edge.target or edge.lag):
            out.setdefault(key, edge)

    for a, b in pairs:
        twin = {a: b, b: a}
        for e in links:
            inner = {e.source, e.target} == {a, b}
            note = "as good as the edge of {} but for few rows"
            if not inner and e.source in twin:
                add(_placed(e, twin[e.source], e.target, note.format(e.source)))
            if not inner and e.target in twin:
                add(_placed(e, e.source, twin[e.target], note.format(e.target)))
    for block in blocks:
        for a, b in pairs:
            for edge in _lost(block, links, a, b, cut):
                add(edge)
    return list(out.values())


def _placed(edge: Edge, source: str, target: str, note: str) -> Edge:
    proof = edge.evidence and replace(edge.evidence, note=note)
    return replace(edge, source=source, target=target, evidence=proof)


def _lost(block: Block, links: Sequence[Edge], a: str, b: str, cut: float) -> Iterable[Edge]:
    """The edges of both where the graph has neither, though either alone would be one."""
    at = {(c.name, c.lag): i for i, c in enumerate(block.candidates)}
    for t, target in enumerate(block.targets):
        own = {
            (e.source, e.lag)
            for e in links
            if e.target == target.name and e.mark is Mark.DIRECTED and e.lag
        }
        y = block.increments(target.columns)[:]
        if target.name in (a, b):
            y = block.outcomes[:, list(target.columns)]
        for lag in sorted({k for _, k in at}):
            both = [(a, lag), (b, lag)]
            if not all(n in at and block.allowed[at[n], t] for n in both) or own & set(both):
                continue
            given = block.inputs[:, block.columns_of(at[n] for n in own if n in at)]
            for node, other in (both, both[::-1]):
                x = block.inputs[:, list(block.candidates[at[node]].columns)]
                p, r = partial_correlation(x, y, given)
                if p <= cut:
                    note = f"either it or {other[0]}'s: given both, few rows tell which"
                    proof = Evidence(TEST.format(other[0]), r, p, len(x), note)
                    yield Edge(node[0], target.name, lag, Mark.DIRECTED, 0.5, r, proof)
