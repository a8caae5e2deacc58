"""How many rows of a table hold each combination of levels, and what that is evidence of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

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
PAYS = 0.4
"""Logarithms of Γ that take as long as one entry of their table."""
SPARSE = 16
"""Cells of a table for each row, beyond which only those that occur are numbered."""
QUICKER = 4
"""Distinct rows of all draws for each row, up to which they are quicker to count than groups."""
MOST_DRAWN = 1_000_000
MOST_DISTINCT = 20
"""Variables whose distinct rows are worth listing; of more, nearly every row is distinct."""


class Rising:
    r"""Logarithms of rising factorials, log Γ(N + a) − log Γ(a) = Σ_{i<N} log(a + i), summed.

    Where many are asked for with one a, they are looked up in a table of N = 0 … ``most``.

    >>> round(float(np.exp(Rising(5).sums([1.0], np.array([[[0, 3]]]))[0, 0])), 9)
    6.0
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._asked: dict[float, int] = {}
        self._place: dict[float, int] = {}
        self._tables = np.empty((0, most + 1))

    def sums(
        self, shares: Sequence[float], counts: Integer[np.ndarray, "draws tables cells"]
    ) -> Float[np.ndarray, "draws tables"]:
        """The sum over the cells of each table, with its own a."""
        each = counts.shape[0] * counts.shape[2]
        places = [self._of(a, each) for a in shares]
        if min(places) < 0:
            some = np.array(shares)[:, None]
            return (gammaln(counts + some) - gammaln(some)).sum(-1)
        at = counts + (np.array(places) * (self.most + 1))[:, None]
        return self._tables.ravel().take(at).sum(-1)

    def _of(self, share: float, values: int) -> int:
        """Where the table of a stands; −1 where too few values were asked for to make one."""
        place = self._place.get(share)
        if place is not None:
            return place
        asked = self._asked[share] = self._asked.get(share, 0) + values
        place = len(self._place)
        if asked < PAYS * self.most or place * self.most >= KEPT_CODES:
            return -1
        if place == len(self._tables):
            wider = np.empty((2 * place + 8, self.most + 1))
            wider[:place] = self._tables
            self._tables = wider
        self._place[share] = place
        row = self._tables[place]
        row[0] = 0.0
        np.cumsum(np.log(share + np.arange(self.most)), out=row[1:])
        return place


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

    codes: Integer[np.ndarray, "variables rows"]
    levels: tuple[int, ...]
    times: Float[np.ndarray, "draws rows"] | None
    group: Integer[np.ndarray, " rows"] | None
    weights: Float[np.ndarray, "draws groups"]
    known: dict[int, Cells] = field(default_factory=dict)

    @cached_property
    def count(self) -> int:
        """How many rows are listed."""
        return self.codes.shape[1]

    @cached_property
    def copies(self) -> int:
        """How many tables are counted at once: draws, or groups."""
        return self.weights.shape[0 if self.times is not None else 1]

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

    def counts(self, code: Integer[np.ndarray, " rows"], size: int) -> np.ndarray:
        """How often each of ``size`` cells is drawn: ``[draw, cell]``."""
        return self.several(code, None, size)[:, 0]

    def several(
        self,
        code: Integer[np.ndarray, " rows"],
        beside: list[int] | None,
        size: int,
    ) -> Integer[np.ndarray, "draws tables cells"]:
        """The counts of the cells ``code`` + each variable ``beside`` it; of ``code`` for None."""
        if self.times is None:
            return self._grouped(code, beside, size)
        draws, tables = len(self.times), 1
        if beside is not None:
            tables = len(beside)
            code = self.codes[beside] + (code + (np.arange(tables) * size)[:, None])
        if draws > 1:
            code = code + (np.arange(draws) * (size * tables))[:, None, None]
        times = self.times.reshape(draws, 1, -1).repeat(tables, 1)
        found = np.bincount(code.ravel(), times.ravel(), minlength=draws * tables * size)
        return found.reshape(draws, tables, size).astype(np.int64)

    def _grouped(self, code: np.ndarray, beside: list[int] | None, size: int) -> np.ndarray:
        groups = self.weights.shape[1]
        if self.group is not None:
            code = code + self.group * size
        every = [code] if beside is None else (code + self.codes[c] for c in beside)
        found = np.stack([np.bincount(one, minlength=groups * size) for one in every])
        if self.group is None:
            return found[None]
        each = found.reshape(len(found), groups, size).astype(float)
        return (self.weights @ each).astype(np.int64).transpose(1, 0, 2)

    def distinct(self, mask: int) -> "Rows | None":
        """The distinct rows of some variables; None where counting in them is no quicker."""
        members = [v for v in range(mask.bit_length()) if mask >> v & 1]
        if self.group is None:
            shape = [self.levels[v] for v in members]
            if prod(shape) >= 1 << 60:
                return None
            code = self.codes[members[0]].astype(np.int64)
            for v in members[1:]:
                code = code * self.levels[v] + self.codes[v]
            present, found = np.unique(code, return_counts=True)
            if 2 * len(present) > self.count:
                return None
            some, times = np.unravel_index(present, shape), found[None]
        else:
            cells = self.cells(mask)
            code, size = packed(cells.of, cells.size)
            if size * len(self.weights) > min(QUICKER * self.count, MOST_DRAWN):
                return None
            times, some = self.counts(code, size), np.empty((len(members), size), np.int64)
            some[:, code] = self.codes[members]
        codes = np.zeros((len(self.levels), times.shape[1]), np.int64)
        codes[members] = some
        return Rows(codes, self.levels, times.astype(float), None, self.weights)


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
        locals, gained: what ``local`` and ``gains`` answered.
    """

    rows: Rows
    rising: Rising
    known: dict[int, list[float]] = field(default_factory=dict)
    distinct: dict[int, Rows | None] = field(default_factory=dict)
    locals: dict[tuple[int, int], list[float]] = field(default_factory=dict)
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
        found = self.locals.get((target, given))
        if found is None:
            pairs = zip(self.of(given | 1 << target), self.of(given), strict=True)
            found = self.locals[target, given] = [whole - part for whole, part in pairs]
        return found

    def gains(
        self, target: int, given: int, candidates: Sequence[int]
    ) -> Float[np.ndarray, "draws c"]:
        """By how much each candidate raises G(P ∪ t) − G(P) as one more of P."""
        key = target, given, tuple(candidates)
        found = self.gained.get(key)
        if found is None:
            known, own = self.known, 1 << target
            sets = [given | 1 << c for c in candidates]
            some = zip(candidates, sets, strict=True)
            news = [c for c, s in some if s not in known or s | own not in known]
            if news:
                self._count(target, given, news, candidates)
            found = np.array([known[s | own] for s in sets]) - np.array([known[s] for s in sets])
            found = found.T - np.array(self.local(target, given))[:, None]
            if len(found) > 1:  # one draw asks once
                self.gained[key] = found
        return found

    def _count(self, target: int, given: int, news: list[int], among: Sequence[int]) -> None:
        """Counts the tables of P, t and each new candidate together, P with it by adding up t's."""
        rows = self._rows(given | 1 << target, among)
        cells, own = rows.cells(given), rows.levels[target]
        most = max(rows.levels[c] for c in news)
        size = cells.size * own * most
        if size * rows.copies > SPARSE * rows.count + AT_ONCE:
            for c in news:
                for mask in (given | 1 << target | 1 << c, given | 1 << c):
                    if mask not in self.known:
                        self.known[mask] = self._sum(rows, mask)
            return
        code = (rows.codes[target].astype(np.int64) * cells.size + cells.of) * most
        many = max(1, AT_ONCE // (rows.count if rows.times is None else rows.times.size))
        for at in range(0, len(news), many):
            some = news[at : at + many]
            counts = rows.several(code, some, size)
            apart = counts.reshape(*counts.shape[:2], own, -1)
            wholes = [cells.whole * rows.levels[c] for c in some]
            narrow = self._terms(wholes, apart.sum(2))
            wide = self._terms([whole * own for whole in wholes], counts)
            for c, without, with_target in zip(some, narrow, wide, strict=True):
                self.known[given | 1 << c] = without
                self.known[given | 1 << target | 1 << c] = with_target

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

    def _terms(
        self, wholes: list[float], counts: Integer[np.ndarray, "draws tables cells"]
    ) -> list[list[float]]:
        """The sums of each table, by table and draw; ``wholes`` are the cells of each."""
        shares = [max(PRIOR_ROWS / whole, LEAST_SHARE) for whole in wholes]
        return self.rising.sums(shares, counts).T.tolist()

    def _sum(self, rows: Rows, mask: int) -> list[float]:
        cells = rows.cells(mask)
        code, size = cells.of, cells.size
        if size * rows.copies > SPARSE * rows.count:
            code, size = packed(code, size)
        return self._terms([cells.whole], rows.counts(code, size)[:, None])[0]
