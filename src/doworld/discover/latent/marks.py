"""A partial ancestral graph as edges, reasons in words, and what it leaves unidentified."""

from collections.abc import Sequence
from dataclasses import replace

from doworld.data import Schema
from doworld.discover.latent.search import Ancestral, Denial
from doworld.graph import Edge, Mark, Reason, Unidentified
from doworld.graph.ancestral import End

__all__ = ["Marked", "confounded", "marked"]

Marked = tuple[list[Edge], list[str], list[Unidentified]]


def marked(
    found: Ancestral, edges: Sequence[Edge], names: Sequence[str], schema: Schema, *, whole: bool
) -> Marked:
    """The edges with the marks of ``found``, notes, and a fact for each unobserved cause.

    Not ``whole``: only edges that touch an end of a pair with an unobserved cause, or of an edge
    removed for its sake, take its marks, and others where it contradicts their direction: their
    direction was found under an assumption that is refuted there.
    """
    at = {n: i for i, n in enumerate(names)}
    near = {i for pair in (*found.hidden, *found.removed) for i in pair}
    kept: list[Edge] = []
    for edge in edges:
        if edge.source not in at or edge.target not in at:
            kept.append(edge)
            continue
        i, j = at[edge.source], at[edge.target]
        pair = (min(i, j), max(i, j))
        if pair in found.open:
            kept.append(_opened(edge, _why(found, pair, names), found.open[pair]))
            continue
        if not (whole or found.hidden):
            kept.append(edge)
            continue
        if found.ends[i, j] == End.NONE:
            continue
        wrong = edge.mark is Mark.DIRECTED and found.ends[j, i] == End.ARROW
        touched = i in near or j in near
        kept.append(_edge(found, edge, at, names, schema) if whole or touched or wrong else edge)
    return (
        kept,
        _notes(found, names, whole=whole),
        [confounded(e) for e in kept if e.mark is Mark.BIDIRECTED],
    )


def _edge(
    found: Ancestral, edge: Edge, at: dict[str, int], names: Sequence[str], schema: Schema
) -> Edge:
    """The edge with both marks of the graph; a doubly denied one only where both ends are."""
    i, j = at[edge.source], at[edge.target]
    one, other = found.ends[j, i], found.ends[i, j]
    first, last = edge.source, edge.target
    if End.TAIL in (one, other):
        mark = Mark.DIRECTED
        first, last = (first, last) if one == End.TAIL else (last, first)
    elif one == other == End.ARROW:
        mark = Mark.BIDIRECTED
    elif one == other:
        mark = Mark.CIRCLE
    else:
        mark = Mark.PARTIAL
        first, last = (first, last) if other == End.ARROW else (last, first)
    if mark in (Mark.BIDIRECTED, Mark.CIRCLE):
        first, last = sorted((first, last), key=schema.position)
    note = ""
    if mark is Mark.BIDIRECTED:
        note = _why(found, (min(i, j), max(i, j)), names)
    elif mark is not Mark.DIRECTED:
        note = "an unobserved common cause is not ruled out here"
    return _noted(replace(edge, source=first, target=last, mark=mark), note)


def _opened(edge: Edge, why: str, chance: float) -> Edge:
    """A directed edge whose tail is in doubt."""
    note = f"{why}; or else effects cancel by chance (about {chance:.0%})"
    mark = Mark.PARTIAL if edge.mark is Mark.DIRECTED else Mark.CIRCLE
    return _noted(replace(edge, mark=mark), note)


def _noted(edge: Edge, note: str) -> Edge:
    if edge.evidence is None:
        return edge
    return replace(edge, evidence=replace(edge.evidence, note=note))


def _why(found: Ancestral, pair: tuple[int, int], names: Sequence[str]) -> str:
    """Why neither end of a pair is a cause of the other."""
    every = [found.denials[p][0] for p in (pair, (pair[1], pair[0])) if p in found.denials]
    return "; ".join(_words(d, names) for d in every) or "its marks follow from others'"


def _words(denial: Denial, names: Sequence[str]) -> str:
    given = ", ".join(names[k] for k in denial.given)
    mover, at, other = names[denial.mover], names[denial.at], names[denial.other]
    return (
        f"{mover} and {other} are independent{f' given {given}' if given else ''} "
        f"(p = {denial.silent:.2g}) but not given {at} too (p = {denial.clear:.1g}), so {at} is no "
        f"cause of {other}"
    )


def _notes(found: Ancestral, names: Sequence[str], *, whole: bool) -> list[str]:
    notes = []
    if whole:
        notes.append(
            "no unobserved common cause was ruled out: edges have the marks that hold in every "
            "graph with the same independencies (FCI's rules)."
        )
    for i, j in found.hidden:
        notes.append(
            f"{names[i]} <-> {names[j]}: an unobserved common cause. {_why(found, (i, j), names)}."
        )
    for i, j in found.open:
        notes.append(
            f"{names[i]} and {names[j]} may share an unobserved cause. "
            f"{_why(found, (i, j), names)}; or else effects cancel by chance."
        )
    if not whole:
        for i, j in found.removed if found.hidden else ():
            notes.append(
                f"{names[i]} and {names[j]} are not linked, though an order without unobserved "
                "causes would link them."
            )
    return notes


def confounded(edge: Edge) -> Unidentified:
    """What an edge with an unobserved common cause says of both its ends."""
    note = (
        f"An unobserved common cause moves {edge.source} and {edge.target} together ({edge}): what "
        "the log shows of them together is not what do() on one would do to the other. Log rows in "
        "which one is set at random, or measure the common cause."
    )
    return Unidentified(edge.source, Reason.CONFOUNDED, note, (edge.target,))
