"""A score of smooth nonlinear regressions, which also tells directions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float
from scipy import special, stats
from scipy.linalg import get_lapack_funcs

from doworld.discover.order.scores import BLOCKS, Strength, bits

__all__ = ["AdditiveScore"]

SOLVE, CHOLESKY, FORWARD = get_lapack_funcs(("posv", "potrf", "trtrs"), dtype=np.float64)
"""Called without checks: a search makes tens of thousands of small solves."""
RIDGE = 1e-9
DEGREE = 8
"""The highest polynomial of a parent."""
CROSSED = 3
"""Two parents' polynomials up to this degree are multiplied."""
PLAIN = (1, 3, 5, 8)
WITH_PRODUCTS = (3, 5)
"""Degrees of the classes of regressions, without and with products of two parents."""
MOST_COLUMNS = 1500
"""Products of parents are left out of tables that would have more columns."""
ROWS_A_COLUMN = 4
SQUASH = 1.5
SHAPED = 2.0
"""Times log n, the median of 2n J above which noise counts as not Gaussian."""
SHAPE_ROWS = 2000
"""Rows from which the shape of noise is read at most."""
GAUSSIAN = 0.37457
"""E log cosh u of a standard normal u."""


@dataclass(frozen=True, eq=False)
class _Terms:
    """Which columns of the expanded table belong to a variable or to a pair of them."""

    own: tuple[tuple[int, ...], ...]
    both: dict[tuple[int, int], tuple[int, ...]]

    def ladder(self, parents: Sequence[int], crossed: bool) -> tuple[list[int], list[int]]:
        """Columns by rising degree, and how many of them each class of regressions holds."""
        columns: list[int] = []
        ends: list[int] = []
        low = 0
        for degree in WITH_PRODUCTS if crossed else PLAIN:
            columns += [c for p in parents for c in self.own[p][low:degree]]
            if crossed and not low:
                columns += [c for pair in combinations(parents, 2) for c in self.both[pair]]
            ends.append(len(columns))
            low = degree
        return columns, ends

    def using(self, parent: int) -> frozenset[int]:
        """All columns that a variable takes part in."""
        pairs = (c for pair, columns in self.both.items() if parent in pair for c in columns)
        return frozenset((*self.own[parent], *pairs))


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

    Where noise is not Gaussian, ``shaped`` adds 2n J(e) of the standardised rest e,

        J(e) ≈ 79.047 (E log cosh e − 0.37457)² + 7.4129 (E e exp(−e²/2))²   (Hyvärinen 1998)

    its distance from a Gaussian in nats; then linear effects, too, fit one way only (Shimizu et al.
    2006; Hyvärinen and Smith 2013), and skewed noise is not taken for a bend.

    Attributes:
        table: standardised columns: each variable's polynomials, then products of pairs.
        terms: which column is what.
        penalty: c.
        square: the covariance of the columns in the rows, or in rows drawn from them.
        weight: how often each row was drawn.
        shaped: whether noise may be other than Gaussian.

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
    weight: Float[np.ndarray, " rows"]
    shaped: bool = False
    _known: dict[tuple[int, int], tuple[float, list[int]]] = field(default_factory=dict, repr=False)

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
        return cls(
            table,
            _Terms(own, both),
            penalty,
            _ridged(table.T @ table / len(table)),
            np.ones(len(table)),
        )

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        return self._best(target, given)[0]

    def _best(self, target: int, given: int) -> tuple[float, list[int]]:
        """The best class's score and its columns."""
        known = self._known.get((target, given))
        if known is None:
            parents = bits(given)
            known = self._climb(target, parents, False)
            if len(parents) > 1 and self.terms.both:
                known = max(known, self._climb(target, parents, True), key=lambda k: k[0])
            if self.shaped:
                known = known[0] + self._shape(target, known[1]), known[1]
            self._known[target, given] = known
        return known

    def for_noise(self, parents: Sequence[int]) -> "AdditiveScore":
        """This score, or the one with J where these parents leave most variables noise to shape.

        Where the noise is Gaussian, J is 0 but for chance, and only blurs directions.
        """
        found = [self._shape(t, self._best(t, p)[1]) for t, p in enumerate(parents)]
        if np.median(found) <= SHAPED * np.log(len(self.table)):
            return self
        return replace(self, shaped=True, _known={})

    @cached_property
    def _some(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows from which the shape of noise is read, spread over the table, and their weights."""
        n = len(self.table)
        rows = np.unique(np.linspace(0, n - 1, min(n, SHAPE_ROWS)).astype(int))
        return np.asfortranarray(self.table[rows]), self.weight[rows]

    def _shape(self, target: int, columns: list[int]) -> float:
        """What noise that is not Gaussian adds to twice the log-likelihood: 2n J."""
        goal = self.terms.own[target][0]
        rows, weight = self._some
        left = rows[:, goal]
        if columns:
            among = self.square[np.ix_(columns, columns)]
            _, slope, failed = SOLVE(among, self.square[columns, goal])
            if failed:
                return 0.0
            left = left - rows[:, columns] @ slope
        share = weight / weight.sum()
        left = left - share @ left
        left = left / max(float(np.sqrt(share @ left**2)), RIDGE)
        size = np.abs(left)
        peak = float(share @ (size + np.log1p(np.exp(-2 * size)))) - np.log(2) - GAUSSIAN
        skew = float(share @ (left * np.exp(-(left**2) / 2)))
        return 2 * len(self.table) * (79.047 * peak**2 + 7.4129 * skew**2)

    def _climb(self, target: int, parents: list[int], crossed: bool) -> tuple[float, list[int]]:
        """The best of the classes that are parts of each other.

        With L Lᵀ the covariance of their columns by rising degree and v = L⁻¹ of that with the
        target, the first m columns explain Σ_{k ≤ m} v_k²: one factorisation for all classes.
        """
        columns, ends = self.terms.ladder(parents, crossed)
        most = max(len(self.table) // ROWS_A_COLUMN, len(parents) * (not crossed))
        ends = [m for m in ends if m <= most]
        if not ends:
            return -np.inf, []
        columns = columns[: ends[-1]]
        left = self._left(self.terms.own[target][0], columns)[ends]
        scores = -len(self.table) * np.log(left) - self.penalty * np.array(ends)
        best = int(scores.argmax())
        return float(scores[best]), columns[: ends[best]]

    def _left(self, target: int, columns: list[int]) -> Float[np.ndarray, " counts"]:
        """The variance of the target that the first 0, 1, … columns leave."""
        whole = float(self.square[target, target])
        explained = np.zeros(len(columns) + 1)
        if columns:
            among = self.square[np.ix_(columns, columns)]
            cross = self.square[columns, target]
            lower, failed = CHOLESKY(among, lower=1)
            if failed:
                among.flat[:: len(columns) + 1] += 1e-6
                lower, _ = CHOLESKY(among, lower=1)
            part, _ = FORWARD(lower, cross, lower=1)
            explained[1:] = np.cumsum(part.ravel() ** 2)
        return np.maximum(whole - explained, RIDGE * whole)

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> np.ndarray:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        now = self.local(target, given)
        return np.array([self.local(target, given | 1 << c) - now for c in candidates])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Fisher's F of all columns of ``parent`` in the class that suits all parents best."""
        more = self._best(target, given | 1 << parent)[1]
        gone = self.terms.using(parent)
        fewer = [c for c in more if c not in gone]
        column = self.terms.own[target][0]
        before, after = (float(self._left(column, c)[-1]) for c in (fewer, more))
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
            yield AdditiveScore(
                self.table, self.terms, self.penalty, _ridged(square), weight, self.shaped
            )


def _polynomials(x: Float[np.ndarray, " rows"]) -> Float[np.ndarray, "rows degrees"]:
    """The value and Legendre polynomials of degree 2 … of its squashed self."""
    levels = len(np.unique(x[: 4 * DEGREE]))
    levels = levels if levels > DEGREE else len(np.unique(x))
    u = special.erf(x / SQUASH)
    degrees = range(2, min(DEGREE, levels - 1) + 1)
    return np.column_stack([x, *(special.eval_legendre(k, u) for k in degrees)])


def _ridged(square: np.ndarray) -> np.ndarray:
    return square + RIDGE * np.eye(len(square))
