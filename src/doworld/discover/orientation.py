"""Which way the links within a row point, where the data allow it."""

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Int

from doworld.discover.skeleton import Skeleton

__all__ = ["orient"]


def orient(
    skeleton: Skeleton,
    known: Bool[np.ndarray, "nodes nodes"],
    barred: Bool[np.ndarray, "nodes nodes"],
    votes: Int[np.ndarray, "nodes nodes"] | None = None,
) -> Bool[np.ndarray, "nodes nodes"]:
    """``out[i, j]``: i may cause j. Both directions true means that the link is open (``---``).

    Prior knowledge comes first (``known`` directions, ``barred`` ones), then v-structures
    i → k ← j, where k does not separate its unlinked neighbours i and j, then ``votes`` from lagged
    causes, then Meek's rules (Meek 1995). A step that would contradict an earlier one, or close a
    cycle, is not taken.
    """
    out = skeleton.linked & ~np.eye(len(skeleton.linked), dtype=bool)
    for i, j in zip(*np.nonzero(out & (known | barred.T)), strict=True):
        _point(out, int(i), int(j))
    for k in range(len(out)):
        around = [int(i) for i in np.flatnonzero(skeleton.linked[k]) if i != k]
        for i, j in combinations(around, 2):
            apart = skeleton.separator.get((i, j))
            if skeleton.linked[i, j] or apart is None or k in apart:
                continue
            if out[i, k] and out[j, k]:
                _point(out, i, k)
                _point(out, j, k)
    if votes is not None:
        order = np.argsort(-(votes - votes.T), axis=None)
        for i, j in zip(*np.unravel_index(order, votes.shape), strict=True):
            if votes[i, j] > votes[j, i]:
                _point(out, int(i), int(j))
    _meek(out)
    return out


def _point(out: np.ndarray, i: int, j: int) -> bool:
    """Makes an open link i → j unless that closes a cycle."""
    if not (out[i, j] and out[j, i]) or _reaches(out, j, i):
        return False
    out[j, i] = False
    return True


def _reaches(out: np.ndarray, start: int, goal: int) -> bool:
    directed = out & ~out.T
    seen, frontier = {start}, [start]
    while frontier:
        for k in np.flatnonzero(directed[frontier.pop()]):
            if k == goal:
                return True
            if int(k) not in seen:
                seen.add(int(k))
                frontier.append(int(k))
    return False


def _meek(out: np.ndarray) -> None:
    changed = True
    while changed:
        changed = False
        directed, linked = out & ~out.T, out | out.T
        for i, j in zip(*np.nonzero(out & out.T), strict=True):
            chain = np.any(directed[:, i] & ~linked[:, j] & (np.arange(len(out)) != j))
            triangle = np.any(directed[i] & directed[:, j])
            open_to = np.flatnonzero(out[i] & out[:, i] & directed[:, j])
            kite = any(not linked[a, b] for a, b in combinations(open_to, 2))
            if (chain or triangle or kite) and _point(out, int(i), int(j)):
                changed = True
                break
