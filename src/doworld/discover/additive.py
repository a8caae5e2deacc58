"""A score of smooth nonlinear regressions, which also tells directions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float
from scipy import special, stats
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from doworld.discover.scores import BLOCKS, Strength, bits

__all__ = ["AdditiveScore"]

RIDGE = 1e-9
DEGREE = 8
"""The highest polynomial of a parent."""
CROSSED = 3
"""Two parents' polynomials up to this degree are multiplied."""
RUNGS = ((1, False), (3, False), (5, False), (8, False), (3, True), (5, True))
"""Classes of regressions: the degree, and whether parents interact."""
MOST_COLUMNS = 1500
"""Products of parents are left out of tables that would have more columns."""
SQUASH = 1.5


@dataclass(frozen=True, eq=False)
class _Terms:
    """Which columns of the expanded table belong to a variable or to a pair of them."""

    own: tuple[tuple[int, ...], ...]
    both: dict[tuple[int, int], tuple[int, ...]]

    def of(self, parents: Sequence[int], degree: int, crossed: bool) -> list[int]:
        """The columns of a class of regressions on ``parents``."""
        out = [c for p in parents for c in self.own[p][:degree]]
        if crossed:
            out += [c for pair in combinations(sorted(parents), 2) for c in self.both[pair]]
        return out


@dataclass(frozen=True, eq=False)
class AdditiveScore:
    r"""The information criterion of smooth regressions with additive noise.

        s(t | P) = max_k −n log (RSS_k / n) − c m_k

    over classes k of regressions with m_k columns: sums of polynomials of each parent, with or
    without products of two parents' (causal additive models; Bühlmann, Peters and Ernest 2014; the
    criterion is Schwarz's where c = log n). Unlike a linear Gaussian score it differs between
    graphs of one equivalence class: a smooth effect with additive noise fits one way only, except
    where it is linear and Gaussian (Hoyer et al. 2009). Polynomials are Legendre's, of values drawn
    to [−1, 1] by a sigmoid; the first is the value itself. All is read from one matrix.

    Attributes:
        table: standardised columns: each variable's polynomials, then products of pairs.
        terms: which column is what.
        penalty: c.
        square: the covariance of the columns in the rows, or in rows drawn from them.

    >>> x = np.random.default_rng(0).standard_normal(300)
    >>> y = np.cos(2 * x) + 0.3 * np.random.default_rng(1).standard_normal(300)
    >>> score = AdditiveScore.of(np.column_stack([x, y]), np.log(300))
    >>> bool(score.local(0, 0) + score.local(1, 1) > score.local(1, 0) + score.local(0, 2) + 50)
    True
    """

    table: Float[np.ndarray, "rows columns"]
    terms: _Terms
    penalty: float
    square: Float[np.ndarray, "columns columns"]
    _known: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, values: Float[np.ndarray, "rows variables"], penalty: float) -> "AdditiveScore":
        """The score of a table of numbers."""
        scaled = (values - values.mean(0)) / values.std(0)
        parts = [_polynomials(x) for x in scaled.T]
        ends = np.cumsum([0, *(p.shape[1] for p in parts)]).tolist()
        own = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
        both: dict[tuple[int, int], tuple[int, ...]] = {}
        d, at = len(parts), ends[-1]
        if at + d * (d - 1) // 2 * CROSSED**2 <= MOST_COLUMNS:
            for i, j in combinations(range(d), 2):
                a, b = parts[i][:, :CROSSED], parts[j][:, :CROSSED]
                parts.append((a[:, :, None] * b[:, None, :]).reshape(len(a), -1))
                both[i, j] = tuple(range(at, at + parts[-1].shape[1]))
                at += len(both[i, j])
        table = np.hstack(parts)
        table = table - table.mean(0)
        spread = table.std(0)
        table = table / np.where(spread > 1e-9, spread, 1.0)
        return cls(table, _Terms(own, both), penalty, table.T @ table / len(table))

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        return self._best(target, given)[0]

    def _best(self, target: int, given: int) -> tuple[float, int]:
        """The best class's score and its number."""
        known = self._known.get((target, given))
        if known is None:
            parents = bits(given)
            each = [self._class(target, parents, k) for k in range(len(RUNGS))]
            known = self._known[target, given] = max((v, -k) for k, v in enumerate(each))
        return known[0], -known[1]

    def _class(self, target: int, parents: list[int], rung: int) -> float:
        degree, crossed = RUNGS[rung]
        if rung and (not parents or (crossed and (len(parents) < 2 or not self.terms.both))):
            return -np.inf
        columns = self.terms.of(parents, degree, crossed)
        if len(columns) > len(self.table) // 4 and rung:
            return -np.inf
        left = self._left(self.terms.own[target][0], columns)
        return float(-len(self.table) * np.log(left) - self.penalty * len(columns))

    def _left(self, target: int, columns: list[int]) -> float:
        """The share of the target's variance that columns leave."""
        whole = float(self.square[target, target])
        if not columns:
            return max(whole, RIDGE)
        among = self.square[columns][:, columns]
        among[np.diag_indices_from(among)] += RIDGE * len(columns)
        cross = self.square[columns, target]
        try:
            part = cho_solve(cho_factor(among, check_finite=False), cross, check_finite=False)
        except LinAlgError:
            part = np.linalg.lstsq(among, cross, rcond=None)[0]
        return max(whole - float(cross @ part), RIDGE * whole)

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> np.ndarray:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        now = self.local(target, given)
        return np.array([self.local(target, given | 1 << c) - now for c in candidates])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Fisher's F of all columns of ``parent`` in the class that suits all parents best."""
        both = given | 1 << parent
        degree, crossed = RUNGS[self._best(target, both)[1]]
        more = self.terms.of(bits(both), degree, crossed)
        fewer = self.terms.of(bits(given), degree, crossed)
        column = self.terms.own[target][0]
        before, after = self._left(column, fewer), self._left(column, more)
        added = len(more) - len(fewer)
        freedom = max(len(self.table) - len(more) - 1, 1)
        statistic = max(before - after, 0.0) / added / (after / freedom)
        p = float(stats.f.sf(statistic, added, freedom))
        return Strength(float(statistic), p, float(max(1 - after / before, 0.0)))

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["AdditiveScore"]:
        """Rows drawn with replacement, in random groups."""
        n = len(self.table)
        blocks = min(BLOCKS, n)
        group = rng.permutation(np.arange(n) % blocks)
        weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), count)
        for weight in weights[:, group].astype(float):
            weighted = self.table * weight[:, None]
            mean = weighted.sum(0) / weight.sum()
            square = weighted.T @ self.table / weight.sum() - np.outer(mean, mean)
            yield AdditiveScore(self.table, self.terms, self.penalty, square)


def _polynomials(x: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows degrees"]:
    """The value and Legendre polynomials of degree 2 … of its squashed self."""
    levels = len(np.unique(x[: 4 * DEGREE]))
    levels = levels if levels > DEGREE else len(np.unique(x))
    u = special.erf(x / SQUASH)
    degrees = range(2, min(DEGREE, levels - 1) + 1)
    return np.column_stack([x, *(special.eval_legendre(k, u) for k in degrees)])
