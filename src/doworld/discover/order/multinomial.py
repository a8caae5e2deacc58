"""The score of a table of levels: evidence for tables of conditional probabilities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from doworld.discover.numerics.stratified import stratified
from doworld.discover.order.counting import Evidence, Rising, Rows
from doworld.discover.order.scores import Strength, drawn

__all__ = ["MultinomialScore"]

WIDE = 10_000_000
"""Codes up to which each takes eight bytes, which is quicker to count."""


@dataclass(frozen=True, eq=False)
class MultinomialScore:
    r"""The evidence for tables of conditional probabilities with one uniform prior on all cells.

        s(t | P) = 2 (G(P ∪ t) − G(P)),   G(S) = Σ_s [log Γ(N_s + a/q_S) − log Γ(a/q_S)]

    with N_s the rows in each of the q_S cells of S and a the prior's rows (BDeu; Heckerman, Geiger
    and Chickering 1995; a = N′ there). Only cells with rows count. Each G is counted once,
    whichever variable of S is the target (``doworld.discover.order.counting``).

    Attributes:
        evidence: the table, and what has been counted of it.
        draw: which resample is scored.

    >>> codes = np.array([[0, 0, 1, 1] * 20, [0, 0, 1, 1] * 20, [0, 1, 0, 1] * 20])
    >>> (MultinomialScore.of(codes, [2, 2, 2]).gains(0, 0, [1, 2]) > 0).tolist()
    [True, False]
    """

    evidence: Evidence
    draw: int = 0

    @classmethod
    def of(
        cls, codes: Integer[np.ndarray, "variables rows"], levels: Sequence[int]
    ) -> "MultinomialScore":
        """The score of a table of codes 0 … levels − 1, one row a variable."""
        codes = codes.astype(np.int64 if codes.size <= WIDE else np.min_scalar_type(max(levels)))
        rows = Rows(codes, tuple(levels), None, None, np.ones((1, 1)))
        return cls(Evidence(rows, Rising(rows.count)))

    @property
    def levels(self) -> tuple[int, ...]:
        """How many levels each variable has."""
        return self.evidence.rows.levels

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        return 2 * self.evidence.local(target, given)[self.draw]

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        return 2 * self.evidence.gains(target, given, candidates)[self.draw]

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Pearson's X² within the strata of the given parents, as a standard-normal score.

        The effect is the share of the strongest dependence that there could be.
        """
        rows = self.evidence.rows
        cells, levels = rows.cells(given), rows.levels
        shape = cells.size, levels[parent], levels[target]
        found = stratified(rows.codes[parent], rows.codes[target], cells.of, shape)
        return Strength(found.score, found.p_value, found.effect)

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["MultinomialScore"]:
        """Rows drawn with replacement, in random groups; one pass counts for all resamples."""
        rows = self.evidence.rows
        group, weights = drawn(rows.count, count, rng)
        largest = int((weights @ np.bincount(group)).max())
        again = Rows(rows.codes, rows.levels, None, group, weights.astype(float), rows.known)
        shared = Evidence(again, Rising(largest))
        for draw in range(count):
            yield MultinomialScore(shared, draw)
