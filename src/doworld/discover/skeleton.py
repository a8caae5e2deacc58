"""Which variables are linked within a row: conditional independence given the past."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from doworld.discover.multiplicity import benjamini_hochberg

__all__ = ["Skeleton", "find_skeleton"]

LARGEST_SET = 4
MOST_SETS = 200


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Undirected links with the sets that separate the others.

    Attributes:
        linked: ``[i, j]``: no set was found that makes i and j independent.
        p_value: the largest p-value of the tests of a pair.
        strength: the partial correlation of that test, in absolute value.
        cut: the p-value up to which a pair counts as linked.
        separator: for each pair that is not linked, the set that separates it.
    """

    linked: Bool[np.ndarray, "nodes nodes"]
    p_value: Float[np.ndarray, "nodes nodes"]
    strength: Float[np.ndarray, "nodes nodes"]
    cut: float
    separator: dict[tuple[int, int], frozenset[int]]


def find_skeleton(
    correlation: Float[np.ndarray, "columns columns"],
    groups: Sequence[Sequence[int]],
    freedom: int,
    *,
    rate: float,
    possible: Bool[np.ndarray, "nodes nodes"],
    required: Bool[np.ndarray, "nodes nodes"],
) -> Skeleton:
    """The PC algorithm's skeleton, order-independent, with false discoveries held at ``rate``.

    ``groups`` are the columns of each node. A pair's p-value is the largest of its tests (Strobl,
    Spirtes and Visweswaran 2019), and Benjamini–Hochberg over all ``possible`` pairs decides
    (Colombo and Maathuis 2014 for the order-independent levels).
    """
    d = len(groups)
    linked = possible | required
    p_value = np.where(np.eye(d, dtype=bool), np.nan, 0.0)
    strength = np.ones((d, d))
    separator: dict[tuple[int, int], frozenset[int]] = {}
    pairs = [(i, j) for i, j in combinations(range(d), 2) if possible[i, j] or possible[j, i]]
    for size in range(LARGEST_SET + 1):
        before = linked.copy()
        for i, j in pairs:
            if not linked[i, j]:
                continue
            for given in _sets(before, i, j, size):
                p, r = independence(correlation, groups, i, j, given=given, freedom=freedom)
                if p > p_value[i, j]:
                    p_value[i, j] = p_value[j, i] = p
                    strength[i, j] = strength[j, i] = r
                if p > rate and not (required[i, j] or required[j, i]):
                    linked[i, j] = linked[j, i] = False
                    separator[i, j] = separator[j, i] = frozenset(given)
                    break
        if not d or not np.any(linked.sum(1) - 1 > size):
            break
    tested = np.array([p_value[i, j] for i, j in pairs])
    cut = benjamini_hochberg(tested, rate)
    for i, j in pairs:
        if linked[i, j] and p_value[i, j] > cut and not (required[i, j] or required[j, i]):
            linked[i, j] = linked[j, i] = False
    return Skeleton(linked, p_value, strength, cut, separator)


def _sets(linked: np.ndarray, i: int, j: int, size: int) -> list[tuple[int, ...]]:
    found: dict[tuple[int, ...], None] = {}
    for near in (i, j):
        around = [int(k) for k in np.flatnonzero(linked[near]) if k not in (i, j)]
        for given in combinations(around, size):
            found.setdefault(given)
            if len(found) >= MOST_SETS:
                return list(found)
    return list(found)


def independence(
    correlation: np.ndarray,
    groups: Sequence[Sequence[int]],
    i: int,
    j: int,
    *,
    given: Sequence[int],
    freedom: int,
) -> tuple[float, float]:
    """p-value and size of the partial correlation of two nodes given others.

    Fisher's z for single columns; Bartlett's χ² on canonical correlations for categorical nodes.
    """
    a, b = list(groups[i]), list(groups[j])
    c = [k for g in given for k in groups[g]]
    both = correlation[np.ix_(a + b, a + b)]
    if c:
        cross = correlation[np.ix_(a + b, c)]
        both = both - cross @ np.linalg.pinv(correlation[np.ix_(c, c)], hermitian=True) @ cross.T
    na = len(a)
    if na == 1 and len(b) == 1:
        r = both[0, 1] / np.sqrt(max(both[0, 0] * both[1, 1], 1e-300))
        r = float(np.clip(r, -1 + 1e-12, 1 - 1e-12))
        z = np.arctanh(r) * np.sqrt(max(freedom - len(c) - 1, 1))
        return float(2 * stats.norm.sf(abs(z))), abs(r)
    left = np.linalg.pinv(both[:na, :na], hermitian=True) @ both[:na, na:]
    right = np.linalg.pinv(both[na:, na:], hermitian=True) @ both[na:, :na]
    squares = np.clip(np.linalg.eigvals(left @ right).real, 0, 1 - 1e-12)
    rows = max(freedom - len(c) - (na + len(b) + 1) / 2, 1)
    p = float(stats.chi2.sf(-rows * np.log1p(-squares).sum(), na * len(b)))
    return p, float(np.sqrt(squares.max(initial=0.0)))
