"""The discovered graph beside the published one."""

from doworld.graph import CausalGraph
from doworld.session.tour.checks import Check

__all__ = ["check_graph"]


def check_graph(found: CausalGraph, truth: CausalGraph) -> Check:
    """Edges found, missed and spurious; a missed edge is named."""
    have = {(e.source, e.target) for e in found.edges()}
    want = {(e.source, e.target) for e in truth.edges()}
    missed, spurious = sorted(want - have), sorted(have - want)
    words = f"{len(have & want)} of {len(want)} edges, {len(spurious)} spurious"
    parts = []
    if missed:
        parts.append("not shown by the data: " + ", ".join(f"{a} → {b}" for a, b in missed))
    if spurious:
        parts.append("spurious: " + ", ".join(f"{a} → {b}" for a, b in spurious))
    return Check(
        "graph",
        "every edge of the published equations, none spurious",
        words,
        not missed and not spurious,
        detail="; ".join(parts),
    )
