"""Partial ancestral graphs: what independencies say where common causes may be unobserved."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import permutations

import numpy as np
from jaxtyping import Int

__all__ = ["End", "Ends", "InSeparator", "oriented"]


class End(IntEnum):
    """The mark at one end of an edge: an arrowhead is no ancestor of the other end, a tail is."""

    NONE = 0
    CIRCLE = 1
    ARROW = 2
    TAIL = 3


Ends = Int[np.ndarray, "nodes nodes"]
"""``[i, j]``: the ``End`` at j of the edge between i and j; ``NONE`` where there is no edge."""
InSeparator = Callable[[int, int, int], bool]
"""Whether k is in the set that separates i and j, called with (i, k, j)."""


def oriented(ends: Ends, inside: InSeparator) -> Ends:
    r"""The marks that follow from known ones where neither selection nor feedback is at work.

    Applies rules R1–R4 and R8–R10 of Zhang (2008) until none says more; they are complete there
    once all unshielded colliders are marked. A circle is overwritten, another mark never. ``ends``
    holds every adjacency and the arrowheads of colliders.

    >>> ends = np.zeros((4, 4), int)
    >>> for i, j in [(0, 2), (1, 2), (2, 3)]:
    ...     ends[i, j] = ends[j, i] = End.CIRCLE
    >>> ends[0, 2] = ends[1, 2] = End.ARROW
    >>> out = oriented(ends, lambda i, k, j: k == 2)
    >>> End(out[2, 3]).name, End(out[3, 2]).name, End(out[2, 0]).name
    ('ARROW', 'TAIL', 'CIRCLE')
    """
    out = ends.copy()
    while True:
        before = out.copy()
        _away_from_colliders(out)
        _along_paths(out)
        _double_triangles(out)
        _discriminating(out, inside)
        _tails(out)
        if (out == before).all():
            return out


def _near(ends: Ends, i: int) -> list[int]:
    return np.flatnonzero(ends[i]).tolist()


def _mark(ends: Ends, i: int, j: int, end: End) -> None:
    """Sets the mark at j of the edge i – j where it is still open."""
    if ends[i, j] == End.CIRCLE:
        ends[i, j] = end


def _away_from_colliders(ends: Ends) -> None:
    """R1: a *→ b o–* c with a, c not linked gives b → c."""
    for a, b in np.argwhere(ends == End.ARROW).tolist():
        for c in _near(ends, b):
            if c != a and not ends[a, c] and ends[c, b] == End.CIRCLE:
                ends[c, b] = End.TAIL
                _mark(ends, b, c, End.ARROW)


def _along_paths(ends: Ends) -> None:
    """R2: a → b *→ c or a *→ b → c, and a *–o c, gives a *→ c."""
    for a, c in np.argwhere(ends == End.CIRCLE).tolist():
        for b in _near(ends, a):
            if ends[a, b] != End.ARROW or ends[b, c] != End.ARROW:
                continue
            if End.TAIL in (ends[b, a], ends[c, b]):
                ends[a, c] = End.ARROW
                break


def _double_triangles(ends: Ends) -> None:
    """R3: a *→ b ←* c, a *–o d o–* c, a and c not linked, d *–o b, gives d *→ b."""
    for d, b in np.argwhere(ends == End.CIRCLE).tolist():
        both = [a for a in _near(ends, d) if ends[a, b] == End.ARROW and ends[a, d] == End.CIRCLE]
        if any(not ends[a, c] for a, c in permutations(both, 2)):
            ends[d, b] = End.ARROW


def _discriminating(ends: Ends, inside: InSeparator) -> None:
    """R4: on a path that discriminates b between a and c, the separating set decides about b."""
    for c, b in np.argwhere(ends == End.CIRCLE).tolist():
        for a in _near(ends, b):
            if not (ends[b, a] == End.ARROW and ends[a, c] == End.ARROW and ends[c, a] == End.TAIL):
                continue
            d = _discriminator(ends, a, b, c)
            if d is None:
                continue
            if inside(d, b, c):
                ends[c, b] = End.TAIL
                _mark(ends, b, c, End.ARROW)
            else:
                _mark(ends, a, b, End.ARROW)
                _mark(ends, b, c, End.ARROW)
                ends[c, b] = End.ARROW
            break


def _discriminator(ends: Ends, a: int, b: int, c: int) -> int | None:
    """The first node d of a path d *→ … ↔ a ↔ b whose inner nodes are all parents of c."""
    queue, seen = [a], {a, b, c}
    while queue:
        at = queue.pop(0)
        for d in _near(ends, at):
            if d in seen or ends[d, at] != End.ARROW:
                continue
            if not ends[d, c]:
                return d
            # an inner node collides on the path and is a parent of c
            if ends[at, d] == End.ARROW and ends[d, c] == End.ARROW and ends[c, d] == End.TAIL:
                seen.add(d)
                queue.append(d)
    return None


def _tails(ends: Ends) -> None:
    """R8–R10: a o→ c becomes a → c where a is an ancestor of c in every graph."""
    for c, a in np.argwhere(ends == End.CIRCLE).tolist():
        if ends[a, c] == End.ARROW and (
            _ancestor_between(ends, a, c) or _uncovered_to(ends, a, c) or _two_ways(ends, a, c)
        ):
            ends[c, a] = End.TAIL


def _ancestor_between(ends: Ends, a: int, c: int) -> bool:
    """R8: a → b → c, or a –o b → c."""
    return any(
        ends[b, a] == End.TAIL
        and ends[a, b] in (End.ARROW, End.CIRCLE)
        and ends[b, c] == End.ARROW
        and ends[c, b] == End.TAIL
        for b in _near(ends, a)
    )


def _uncovered_to(ends: Ends, a: int, c: int) -> bool:
    """R9: an uncovered path from a over b to c, no edge of it into a, with b and c not linked."""
    return any(not ends[path[1], c] for path in _uncovered(ends, a, c) if len(path) > 2)


def _two_ways(ends: Ends, a: int, c: int) -> bool:
    """R10: uncovered paths from a to two parents of c that leave a over unlinked nodes."""
    parents = [b for b in _near(ends, c) if ends[b, c] == End.ARROW and ends[c, b] == End.TAIL]
    starts = {b: {p[1] for p in _uncovered(ends, a, b)} for b in parents if b != a}
    return any(
        first != second and not ends[first, second]
        for b, d in permutations(starts, 2)
        for first in starts[b]
        for second in starts[d]
    )


def _uncovered(ends: Ends, start: int, goal: int) -> Iterator[list[int]]:
    """Paths that may be directed from start to goal, of which no node sees the next but one.

    No edge of them has an arrowhead at its first or a tail at its second node.
    """
    stack = [[start]]
    while stack:
        path = stack.pop()
        at = path[-1]
        if at == goal:
            yield path
            continue
        for n in _near(ends, at):
            open_edge = ends[n, at] != End.ARROW and ends[at, n] != End.TAIL
            if n in path or not open_edge or (len(path) > 1 and ends[path[-2], n]):
                continue
            stack.append([*path, n])
