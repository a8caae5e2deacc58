"""Decomposable scores of a table: how well given variables explain another, and at what price."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import lgamma
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer
from scipy import stats
from scipy.special import gammaln

from doworld.discover.numerics.stratified import stratified

__all__ = ["GaussianScore", "MultinomialScore", "Score", "Strength"]

RIDGE = 1e-9
"""Added to every variance, so that a determined variable has a large score, not an infinite one."""
LARGEST_TABLE = (1 << 16) - 1
KEPT_CODES = 20_000_000
"""Rows of mixed-radix codes that are kept in memory, summed over sets of variables."""
PRIOR_ROWS = 1.0
BLOCKS = 64
"""Rows of a table are resampled in this many random groups."""


@dataclass(frozen=True)
class Strength:
    """A link tested given the target's other parents: statistic, p-value, standardised effect.

    ``rows`` is how many the test rests on, 0 for all of the table.
    """

    statistic: float
    p_value: float
    effect: float
    rows: int = 0


@runtime_checkable
class Score(Protocol):
    """What the search asks of a table; higher scores are better.

    Variables are numbers, and sets of variables the integers in which their bits are set.
    """

    def local(self, target: int, given: int) -> float:
        """The score of ``target`` with the parents ``given``."""
        ...

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """By how much each candidate would raise the score of ``target`` as one more parent."""
        ...

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Whether ``parent`` says more of ``target`` than the parents ``given`` do."""
        ...

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["Score"]:
        """The scores of tables of rows drawn with replacement."""
        ...


def bits(mask: int) -> list[int]:
    """The numbers whose bits are set, in rising order."""
    out = []
    while mask:
        low = mask & -mask
        out.append(low.bit_length() - 1)
        mask ^= low
    return out


def _drawn(rows: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random groups of rows, and how often each is drawn in each resample."""
    blocks = min(BLOCKS, rows)
    group = rng.permutation(np.arange(rows) % blocks)
    return group, rng.multinomial(blocks, np.full(blocks, 1 / blocks), count)


@dataclass(frozen=True, eq=False)
class GaussianScore:
    r"""The Bayesian information criterion of linear Gaussian regressions.

        s(t | P) = −n log |Σ_{tt·P}| − c |t| |P|                  (Schwarz 1978, times 2, c = log n)

    Σ_{tt·P} is the covariance of the target's columns that the parents' columns leave, |t| and |P|
    the numbers of columns. A categorical variable stands as indicator columns (the degenerate
    Gaussian score; Andrews, Ramsey and Cooper 2019). Every score is read from one matrix.

    Attributes:
        table: standardised columns, one row each.
        columns: the columns of each variable.
        penalty: c, at least log n.
        correlation: of the columns, in the rows of ``table`` or drawn from them.

    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> x[:, 1] += x[:, 0]
    >>> score = GaussianScore.of((x - x.mean(0)) / x.std(0), [(0,), (1,)], np.log(100))
    >>> bool(score.gains(1, 0, [0])[0] > 30)
    True
    """

    table: Float[np.ndarray, "rows columns"]
    columns: tuple[tuple[int, ...], ...]
    penalty: float
    correlation: Float[np.ndarray, "columns columns"]

    @classmethod
    def of(
        cls,
        table: Float[np.ndarray, "rows columns"],
        columns: Sequence[Sequence[int]],
        penalty: float,
    ) -> "GaussianScore":
        """The score of a standardised table."""
        groups = tuple(tuple(c) for c in columns)
        return cls(table, groups, penalty, _ridged(table.T @ table / len(table)))

    @property
    def scalar(self) -> bool:
        """Whether every variable is one column."""
        return len(self.columns) == self.correlation.shape[0]

    def _of(self, mask: int) -> list[int]:
        return [c for i in bits(mask) for c in self.columns[i]]

    def _left(self, kept: list[int], given: int) -> np.ndarray:
        """The covariance of the ``kept`` columns that the ``given`` variables leave."""
        rows = self.correlation[kept]
        square = rows[:, kept]
        if not given:
            return square
        cause = self._of(given)
        cross, among = rows[:, cause], self.correlation[cause][:, cause]
        return square - cross @ np.linalg.solve(among, cross.T)

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        own, cause = list(self.columns[target]), self._of(given)
        if len(own) == 1:
            both = own + cause
            precision = np.linalg.inv(self.correlation[both][:, both])[0, 0]
            logdet = -np.log(max(precision, RIDGE))
        else:
            logdet = _logdet(self._left(own, given))
        return float(-len(self.table) * logdet - self.penalty * len(own) * len(cause))

    def determined(self, target: int, given: int, share: float) -> bool:
        """Whether less than ``share`` of a column's variance is left given the parents."""
        left = self._left(list(self.columns[target]), given)
        return len(left) == 1 and float(left[0, 0]) < share

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> np.ndarray:
        """s(t | P ∪ c) − s(t | P) for each candidate c: −n log(1 − r²) − penalty for one column."""
        if not self.scalar:
            return self._group_gains(target, given, candidates)
        kept = [target, *candidates]
        covariance, variance = self.correlation[target, kept], np.ones(len(kept)) + RIDGE
        if given:
            cause = bits(given)
            rows = self.correlation[cause]
            cross = rows[:, kept]
            weight = np.linalg.solve(rows[:, cause], cross)
            covariance = covariance - weight[:, 0] @ cross
            variance = np.maximum(variance - (cross * weight).sum(0), RIDGE)
        share = covariance[1:] ** 2 / (variance[0] * variance[1:])
        return -len(self.table) * np.log1p(-np.minimum(share, 1 - 1e-12)) - self.penalty

    def _group_gains(self, target: int, given: int, candidates: Sequence[int]) -> np.ndarray:
        own = len(self.columns[target])
        kept = [*self.columns[target], *(c for k in candidates for c in self.columns[k])]
        left = self._left(kept, given)
        base = _logdet(left[:own, :own])
        out, at = np.zeros(len(candidates)), own
        for k, candidate in enumerate(candidates):
            size = len(self.columns[candidate])
            rows = [*range(own), *range(at, at + size)]
            at += size
            both, alone = left[rows][:, rows], left[at - size : at, at - size : at]
            gain = base + _logdet(alone) - _logdet(both)
            out[k] = len(self.table) * max(gain, 0.0) - self.penalty * own * size
        return out

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Student's t of a partial correlation; Bartlett's χ² where a variable has more columns."""
        left_columns, right = self.columns[target], self.columns[parent]
        a, b = len(left_columns), len(right)
        conditions = sum(len(self.columns[i]) for i in bits(given))
        left = self._left([*left_columns, *right], given)
        if a == b == 1:
            covariance, spread = left[0, 1], np.sqrt(left[0, 0] * left[1, 1])
            r = float(np.clip(covariance / max(spread, RIDGE), -1 + 1e-12, 1 - 1e-12))
            freedom = max(len(self.table) - conditions - 2, 1)
            t = r * np.sqrt(freedom / (1 - r**2))
            effect = covariance / max(left[1, 1], RIDGE)
            return Strength(float(t), float(2 * stats.t.sf(abs(t), freedom)), float(effect))
        log_wilks = min(_logdet(left) - _logdet(left[:a, :a]) - _logdet(left[a:, a:]), 0.0)
        rows = max(len(self.table) - 1 - conditions - (a + b + 1) / 2, 1)
        statistic = -rows * log_wilks
        effect = np.sqrt(-np.expm1(log_wilks))
        return Strength(float(statistic), float(stats.chi2.sf(statistic, a * b)), float(effect))

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["GaussianScore"]:
        """Rows drawn with replacement, in random groups."""
        group, weights = _drawn(len(self.table), count, rng)
        for weight in weights[:, group].astype(float):
            weighted = self.table * weight[:, None]
            mean = weighted.sum(0) / weight.sum()
            square = weighted.T @ self.table / weight.sum() - np.outer(mean, mean)
            scale = np.sqrt(np.maximum(np.diag(square), RIDGE))
            correlation = _ridged(square / np.outer(scale, scale))
            yield GaussianScore(self.table, self.columns, self.penalty, correlation)


def _ridged(square: np.ndarray) -> np.ndarray:
    return square + RIDGE * np.eye(len(square))


def _logdet(square: np.ndarray) -> float:
    sign, value = np.linalg.slogdet(square)
    return float(value) if sign > 0 else len(square) * float(np.log(RIDGE))


@dataclass(frozen=True, eq=False)
class _Counts:
    """The evidence G(S) of sets of variables S, by resample, each counted once and remembered."""

    codes: Integer[np.ndarray, "variables rows"]
    levels: tuple[int, ...]
    group: Integer[np.ndarray, " rows"]
    weights: Integer[np.ndarray, "draws groups"]
    known: dict[int, np.ndarray] = field(default_factory=dict)
    recent: dict[int, "_Cells"] = field(default_factory=dict)

    def cells(self, mask: int) -> "_Cells":
        """The cell of each row in the table of ``mask``."""
        known = self.recent.get(mask)
        if known is None:
            if len(self.recent) * len(self.group) >= KEPT_CODES:
                self.recent.pop(next(iter(self.recent)))
            known = self.recent[mask] = self._cells(mask)
        return known

    def _cells(self, mask: int) -> "_Cells":
        if not mask:
            return _Cells(np.zeros(self.codes.shape[1], np.uint16), 1, 1.0)
        last = mask.bit_length() - 1
        return self._join(self.cells(mask ^ (1 << last)), last)

    def _join(self, cells: "_Cells", variable: int) -> "_Cells":
        """Mixed-radix codes with one more variable, packed where the table would be large."""
        levels = self.levels[variable]
        size, whole = cells.size * levels, cells.whole * levels
        if size <= LARGEST_TABLE:
            return _Cells(cells.of * np.uint16(levels) + self.codes[variable], size, whole)
        joint = cells.of.astype(np.int64) * levels + self.codes[variable]
        present, joint = np.unique(joint, return_inverse=True)
        narrow = np.uint16 if len(present) <= LARGEST_TABLE else np.int64
        return _Cells(joint.astype(narrow), len(present), whole)

    def evidence(self, mask: int) -> np.ndarray:
        """G(S) by resample."""
        known = self.known.get(mask)
        if known is None:
            known = self.known[mask] = self._sum(self.cells(mask))
        return known

    def with_one(self, mask: int, variable: int) -> np.ndarray:
        """G(S ∪ v), without keeping the codes."""
        both = mask | 1 << variable
        known = self.known.get(both)
        if known is None:
            known = self.known[both] = self._sum(self._join(self.cells(mask), variable))
        return known

    def _sum(self, cells: "_Cells") -> np.ndarray:
        share = max(PRIOR_ROWS / cells.whole, 1e-30)
        none = lgamma(share)
        counts = self.table(cells)
        if len(counts) == 1:
            seen = counts[counts > 0]
            return np.array([gammaln(seen + share).sum() - none * len(seen)])
        which, at = np.nonzero(counts)
        terms = gammaln(counts[which, at] + share) - none
        return np.bincount(which, terms, minlength=len(counts))

    def table(self, cells: "_Cells") -> np.ndarray:
        """How many rows each cell holds, by resample."""
        groups, cell, size = self.weights.shape[1], cells.of, cells.size
        if groups == 1:
            return np.bincount(cell, minlength=size)[None]
        if size * groups > 16 * len(cell):
            present, cell = np.unique(cell, return_inverse=True)
            size = len(present)
        counts = np.bincount(self.group * size + cell, minlength=groups * size)
        return self.weights @ counts.reshape(groups, size).astype(float)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The cell of each row, how many cells are numbered, and how many the whole table has."""

    of: Integer[np.ndarray, " rows"]
    size: int
    whole: float


@dataclass(frozen=True, eq=False)
class MultinomialScore:
    r"""The evidence for tables of conditional probabilities with one uniform prior on all cells.

        s(t | P) = 2 (G(P ∪ t) − G(P)),   G(S) = Σ_s [log Γ(N_s + a/q_S) − log Γ(a/q_S)]

    with N_s the rows in each of the q_S cells of S and a = ``PRIOR_ROWS`` the prior's rows (BDeu;
    Heckerman, Geiger and Chickering 1995; a = N′ there). Only cells with rows count. Each G is
    counted once, whichever variable of S is the target.

    Attributes:
        counts: the codes 0 … r − 1 of each variable and what has been counted.
        draw: which resample is scored.

    >>> codes = np.array([[0, 0, 1, 1] * 20, [0, 0, 1, 1] * 20, [0, 1, 0, 1] * 20])
    >>> (MultinomialScore.of(codes, [2, 2, 2]).gains(0, 0, [1, 2]) > 0).tolist()
    [True, False]
    """

    counts: _Counts
    draw: int = 0

    @classmethod
    def of(
        cls, codes: Integer[np.ndarray, "variables rows"], levels: Sequence[int]
    ) -> "MultinomialScore":
        """The score of a table of codes 0 … levels − 1, one row a variable."""
        one = np.zeros(codes.shape[1], np.int64)
        narrow = np.uint16 if max(levels) <= LARGEST_TABLE else np.int64
        weights = np.ones((1, 1), np.int64)
        return cls(_Counts(codes.astype(narrow), tuple(levels), one, weights))

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        evidence = self.counts.evidence
        return float(2 * (evidence(given | 1 << target) - evidence(given))[self.draw])

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> np.ndarray:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        counts, both = self.counts, given | 1 << target
        now = counts.evidence(both) - counts.evidence(given)
        after = [counts.with_one(both, c) - counts.with_one(given, c) for c in candidates]
        return 2 * np.array([(a - now)[self.draw] for a in after])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Pearson's X² within the strata of the given parents, as a standard-normal score.

        The effect is the share of the strongest dependence that there could be.
        """
        strata = self.counts.cells(given).of.astype(np.int64)
        x, y = self.counts.codes[[parent, target]].astype(np.int64)
        found = stratified(x, y, strata)
        return Strength(found.score, found.p_value, found.effect)

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["MultinomialScore"]:
        """Rows drawn with replacement, in random groups; one pass counts for all resamples."""
        group, weights = _drawn(self.counts.codes.shape[1], count, rng)
        shared = _Counts(self.counts.codes, self.counts.levels, group, weights)
        for draw in range(count):
            yield MultinomialScore(shared, draw)
