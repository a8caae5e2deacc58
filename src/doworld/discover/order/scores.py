"""Decomposable scores of a table: how well given variables explain another, and at what price."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy import stats

__all__ = ["BLOCKS", "GaussianScore", "Score", "Strength", "bits", "drawn"]

RIDGE = 1e-9
"""Added to every variance, so that a determined variable has a large score, not an infinite one."""
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


def drawn(rows: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
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
        group, weights = drawn(len(self.table), count, rng)
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
