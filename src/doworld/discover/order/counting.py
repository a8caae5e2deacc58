"""How many rows of a table hold each combination of levels, and what that is evidence of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import lgamma

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import gammaln

__all__ = ["Cells", "Evidence", "Rising", "Rows", "packed"]

PRIOR_ROWS = 1.0
LEAST_SHARE = 1e-30
KEPT_CODES = 5_000_000
"""Numbers of cells that are kept in memory, summed over sets of variables."""
AT_ONCE = 1 << 16
"""Rows times candidates that are counted at once."""
SPARSE = 16
"""Cells of a table for each row, beyond which only those that occur are numbered."""
MOST_DISTINCT = 24
"""Variables whose distinct rows are worth listing; of more, nearly every row is distinct."""


@dataclass(frozen=True, eq=False)
class Rising:
    r"""The logarithm of a rising factorial, log Γ(N + a) − log Γ(a) = Σ_{i<N} log(a + i).

    Attributes:
        most: the largest N.
        asked: by a, how many values were computed one by one.
        known: by a, the values at N = 0 … ``most``, where that many were asked for.

    >>> float(Rising(5)(1.0, np.array([0, 3])) @ [1.0, 1.0]) - np.log(6)
    0.0
    """

    most: int
    asked: dict[float, int] = field(default_factory=dict)
    known: dict[float, Float[np.ndarray, " counts"]] = field(default_factory=dict)

    def __call__(self, a: float, counts: Integer[np.ndarray, "*shape"]) -> np.ndarray:
        """The value at each count."""
        table = self.known.get(a)
        if table is None:
            asked = self.asked[a] = self.asked.get(a, 0) + counts.size
            if asked < self.most:
                return gammaln(counts + a) - lgamma(a)
            if len(self.known) * self.most >= KEPT_CODES:
                self.known.pop(next(iter(self.known)))
            table = self.known[a] = np.zeros(self.most + 1)
            np.cumsum(np.log(a + np.arange(self.most)), out=table[1:])
        return table.take(counts)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cell of each row, how many cells are numbered, and how many the whole table has."""

    of: Integer[np.ndarray, " rows"]
    size: int
    whole: float


def packed(code: Integer[np.ndarray, " rows"], size: int) -> tuple[np.ndarray, int]:
    """The same cells, 0 … ``size`` − 1, numbered without those that never occur; and how many.

    >>> packed(np.array([5, 0, 5]), 6)[0].tolist()
    [1, 0, 1]
    """
    if size > SPARSE * len(code) + AT_ONCE:
        present, code = np.unique(code, return_inverse=True)
        return code, len(present)
    present = np.flatnonzero(np.bincount(code, minlength=size))
    number = np.empty(size, np.int64)
    number[present] = np.arange(len(present))
    return number.take(code), len(present)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of levels, and how often each is drawn.

    Attributes:
        codes: the codes 0 … r − 1 of each variable.
        levels: r of each variable.
        times: how often each row is drawn; None where its group says it.
        group: the group of each row; None where there is one.
        weights: how often each group is drawn.
        known: cells by set of variables.
    """

    codes: dict[int, Integer[np.ndarray, " rows"]]
    levels: tuple[int, ...]
    times: Float[np.ndarray, "draws rows"] | None
    group: Integer[np.ndarray, " rows"] | None
    weights: Float[np.ndarray, "draws groups"]
    known: dict[int, Cells] = field(default_factory=dict)

    @cached_property
    def count(self) -> int:
        """How many rows are listed."""
        return len(next(iter(self.codes.values())))

    @cached_property
    def copies(self) -> int:
        """How many tables are counted at once: draws, or groups."""
        return len(self.weights) if self.times is not None else self.weights.shape[1]

    def cells(self, mask: int) -> Cells:
        """The cell of each row in the table of the variables whose bits are set."""
        known = self.known.get(mask)
        if known is None:
            if len(self.known) * self.count >= KEPT_CODES:
                self.known.pop(next(iter(self.known)))
            last = mask.bit_length() - 1
            none = Cells(np.zeros(self.count, np.int64), 1, 1.0)
            known = self.join(self.cells(mask ^ 1 << last), last) if mask else none
            self.known[mask] = known
        return known

    def join(self, cells: Cells, variable: int) -> Cells:
        """Mixed-radix codes with one more variable."""
        levels = self.levels[variable]
        code, size = cells.of * levels + self.codes[variable], cells.size * levels
        if size > 2 * self.count + AT_ONCE // 16:
            code, size = packed(code, size)
        return Cells(code, size, cells.whole * levels)

    def counts(
        self, code: Integer[np.ndarray, "*rows"], size: int
    ) -> Integer[np.ndarray, "draws cells"]:
        """How often each of ``size`` cells is drawn; ``code`` may list all rows several times."""
        if self.times is not None:
            draws = len(self.times)
            code = code.reshape(1, -1, self.count)
            if draws > 1:
                code = code + (np.arange(draws) * size)[:, None, None]
            times = np.broadcast_to(self.times[:, None], code.shape)
            found = np.bincount(code.ravel(), times.ravel(), minlength=draws * size)
            return found.reshape(draws, size).astype(np.int64)
        if self.group is None:
            return np.bincount(code.ravel(), minlength=size)[None]
        groups = self.weights.shape[1]
        found = np.bincount((self.group * size + code).ravel(), minlength=groups * size)
        return (self.weights @ found.reshape(groups, size).astype(float)).astype(np.int64)

    def distinct(self, mask: int) -> "Rows | None":
        """The distinct rows of some variables; None where counting in them is no quicker."""
        cells = self.cells(mask)
        code, size = packed(cells.of, cells.size)
        if 2 * size * len(self.weights) > self.count:
            return None
        codes = {}
        for v in (v for v in range(mask.bit_length()) if mask >> v & 1):
            codes[v] = np.empty(size, np.int64)
            codes[v][code] = self.codes[v]
        times = self.counts(code, size).astype(float)
        return Rows(codes, self.levels, times, None, self.weights)


@dataclass(frozen=True, eq=False)
class Evidence:
    r"""The evidence G(S) of sets of variables S, each counted once and remembered, by draw.

        G(S) = Σ_s [log Γ(N_s + a/q_S) − log Γ(a/q_S)]

    with N_s the rows in each of the q_S cells of S and a = ``PRIOR_ROWS`` the prior's rows. What is
    asked for again and again of the same variables is counted on their distinct rows.

    Attributes:
        rows: all rows.
        rising: the terms of the sum.
        known: G by set.
        distinct: the distinct rows of sets of variables that were asked for; None the first time.
        gained: see ``gains``.
    """

    rows: Rows
    rising: Rising
    known: dict[int, list[float]] = field(default_factory=dict)
    distinct: dict[int, Rows | None] = field(default_factory=dict)
    gained: dict[tuple[int, int, tuple[int, ...]], np.ndarray] = field(default_factory=dict)

    def of(self, mask: int) -> list[float]:
        """G(S) by draw."""
        known = self.known.get(mask)
        if known is None:
            last = next(reversed(self.distinct), 0)
            rows = self.distinct.get(last) if mask & ~last == 0 else None
            known = self.known[mask] = self._sum(rows or self.rows, mask)
        return known

    def local(self, target: int, given: int) -> list[float]:
        """G(P ∪ t) − G(P) by draw."""
        pairs = zip(self.of(given | 1 << target), self.of(given), strict=True)
        return [whole - part for whole, part in pairs]

    def gains(
        self, target: int, given: int, candidates: Sequence[int]
    ) -> Float[np.ndarray, "draws c"]:
        """By how much each candidate raises G(P ∪ t) − G(P) as one more of P."""
        key = target, given, tuple(candidates)
        found = self.gained.get(key)
        if found is None:
            both, known = given | 1 << target, self.known
            news = [c for c in candidates if both | 1 << c not in known or given | 1 << c not in known]
            if news:
                self._count(target, given, news, candidates)
            one = np.array([known[both | 1 << c] for c in candidates])
            one -= [known[given | 1 << c] for c in candidates]
            found = one.T - np.array(self.local(target, given))[:, None]
            if len(found) > 1:
                self.gained[key] = found
        return found

    def _count(self, target: int, given: int, news: list[int], among: Sequence[int]) -> None:
        """Counts the tables of P, t and each new candidate, those of as many levels together."""
        rows = self._rows(given | 1 << target, among)
        alike: dict[int, list[int]] = {}
        for c in news:
            alike.setdefault(rows.levels[c], []).append(c)
        cells, own = rows.cells(given), rows.levels[target]
        base = cells.of * own + rows.codes[target]
        for levels, some in alike.items():
            size = cells.size * own * levels
            if size * rows.copies > SPARSE * rows.count + AT_ONCE:
                for c in some:
                    for mask in (given | 1 << target | 1 << c, given | 1 << c):
                        if mask not in self.known:
                            self.known[mask] = self._sum(rows, mask)
                continue
            many = max(1, AT_ONCE // max(rows.count, size * rows.copies))
            for at in range(0, len(some), many):
                self._together(rows, target, given, some[at : at + many], base * levels)

    def _rows(self, both: int, among: Sequence[int]) -> Rows:
        """The rows to count in: the distinct ones where the same variables are asked of again."""
        mask = both
        for c in among:
            mask |= 1 << c
        if mask.bit_count() > MOST_DISTINCT:
            return self.rows
        if mask not in self.distinct and self.rows.group is None:
            self.distinct[mask] = None
            return self.rows
        found = self.distinct.pop(mask, None) or self.rows.distinct(mask) or self.rows
        self.distinct[mask] = found
        return found

    def _together(
        self, rows: Rows, target: int, given: int, some: list[int], base: np.ndarray
    ) -> None:
        """Counts the tables of candidates of as many levels, the target's level before theirs."""
        cells, own, levels = rows.cells(given), rows.levels[target], rows.levels[some[0]]
        size = cells.size * own * levels
        code = np.empty((len(some), rows.count), np.int64)
        for k, c in enumerate(some):
            np.add(base, rows.codes[c], out=code[k])
            if k:
                code[k] += k * size
        counts = rows.counts(code, size * len(some))
        draws, whole = len(counts), cells.whole * levels
        apart = counts.reshape(draws, len(some), cells.size, own, levels)
        wide = self._terms(whole * own, apart.reshape(draws, len(some), -1))
        narrow = self._terms(whole, apart.sum(3).reshape(draws, len(some), -1))
        for c, with_target, without in zip(some, wide.T.tolist(), narrow.T.tolist(), strict=True):
            self.known[given | 1 << target | 1 << c] = with_target
            self.known[given | 1 << c] = without

    def _terms(self, whole: float, counts: np.ndarray) -> np.ndarray:
        return self.rising(max(PRIOR_ROWS / whole, LEAST_SHARE), counts).sum(-1)

    def _sum(self, rows: Rows, mask: int) -> list[float]:
        cells = rows.cells(mask)
        code, size = cells.of, cells.size
        if size * rows.copies > SPARSE * rows.count:
            code, size = packed(code, size)
        return self._terms(cells.whole, rows.counts(code, size)).tolist()
