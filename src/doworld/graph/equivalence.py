"""What a Markov equivalence class says about directions: CPDAGs and Meek's rules."""

import numpy as np
from jaxtyping import Bool

__all__ = ["descendants", "equivalence_class", "implied"]


def descendants(edges: Bool[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """``[i, j]``: a directed path of one edge or more leads from i to j (Warshall 1962).

    >>> descendants(np.eye(3, k=1, dtype=bool)).astype(int).tolist()
    [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    """
    reach = edges.copy()
    for k in range(len(edges)):
        reach |= np.outer(reach[:, k], reach[k])
    return reach


def equivalence_class(
    dag: Bool[np.ndarray, "nodes nodes"], known: Bool[np.ndarray, "nodes nodes"] | None = None
) -> Bool[np.ndarray, "nodes nodes"]:
    """``out[i, j]``: i may cause j in some DAG that says the same about independence as ``dag``.

    Both directions true means that the data leave the edge open. Directed are the v-structures
    i → k ← j with i and j not linked (Verma and Pearl 1990), the edges of ``dag`` that are
    ``known`` to point as they do, and all that follows from both, which Meek's four rules find
    (Meek 1995). ``dag[i, j]``: edge i → j; acyclic, or the result means nothing.

    >>> chain = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
    >>> equivalence_class(chain).astype(int).tolist()
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    >>> collider = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]], bool)
    >>> bool((equivalence_class(collider) == collider).all())
    True
    """
    linked = dag | dag.T
    out = linked.copy()
    apart = ~linked & ~np.eye(len(dag), dtype=bool)
    with_unlinked_parent = dag & ((apart.astype(float) @ dag.astype(float)) > 0)
    fixed = with_unlinked_parent if known is None else with_unlinked_parent | (known & dag)
    out &= ~fixed.T
    while (more := implied(out)).any():
        out &= ~more.T
    return out


def implied(out: Bool[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """The open edges i — j that one of Meek's rules directs i → j (Meek 1995), as a matrix.

    Rule 1: k → i and k, j not linked. Rule 2: i → k → j. Rule 3: i — k → j and i — l → j with k, l
    not linked. Rule 4: i — k → l → j with i, l linked and k, j not.

    >>> out = np.array([[0, 1, 0], [0, 0, 1], [0, 1, 0]], bool)
    >>> implied(out).astype(int).tolist()
    [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    """
    open_ends = out & out.T
    if not open_ends.any():
        return np.zeros_like(out)
    directed = out & ~out.T
    linked = out | out.T
    apart = ~linked & ~np.eye(len(out), dtype=bool)
    arrows = directed.astype(float)
    found = open_ends & ((arrows.T @ apart > 0) | (arrows @ arrows > 0))
    for i, j in np.argwhere(open_ends & ~found):
        near = open_ends[i] & directed[:, j]
        kite = bool(apart[np.ix_(near, near)].any())
        last = linked[i] & directed[:, j]
        first = open_ends[i] & apart[:, j]
        found[i, j] = kite or bool(directed[np.ix_(first, last)].any())
    return found
