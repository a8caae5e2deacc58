r"""Prior probabilities as odds: weights of tests, and a prior over graphs in a search.

A test of a hypothesis with prior odds o gets the weight w = o / mean(o) over all tests, and p/w
takes the place of its p-value. Weights are fixed before the data and average 1, so Benjamini and
Hochberg's procedure holds its rate whatever they are (Genovese, Roeder and Wasserman 2006, "False
discovery control with p-value weighting"); a wrong weight costs power, and none in the limit.

In a search, 2 log o is added to the score of every parent set that holds the edge: twice the log of
the prior odds, beside scores that are twice a log evidence and grow with the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.discover.order.scores import Score, Strength, bits
from doworld.discover.time.design import Block
from doworld.discover.time.group import GroupTest
from doworld.graph import Prior

__all__ = ["WithOdds", "kept_odds", "odds_table", "pair_odds", "weighed"]

STRONGEST = 50.0
"""Odds beyond these count as these: an overconfident prior must not silence the data."""

Table = np.ndarray
"""Numbers by [candidate, target]; blocks differ in both."""


def kept_odds(odds: np.ndarray) -> np.ndarray:
    """Odds drawn in to at most ``STRONGEST`` to one."""
    return np.clip(odds, 1 / STRONGEST, STRONGEST)


def weighed(
    prior: Prior,
    blocks: Sequence[Block],
    p_values: Sequence[Table],
    groups: Sequence[Sequence[GroupTest]],
) -> tuple[list[Table], list[np.ndarray]]:
    """The weight of each test of each block, and of its group tests: 1 on average.

    ``p_values`` are NaN where no test was made. A group of lags has the mean odds of its lags.
    """
    if not prior.chances:
        ones = [np.ones((len(b.candidates), len(b.targets))) for b in blocks]
        return ones, [np.ones(len(g)) for g in groups]
    cells, wide = [], []
    for block, own in zip(blocks, groups, strict=True):
        odds = [
            [prior.odds(c.name, t.name, c.lag) for t in block.targets] for c in block.candidates
        ]
        table = kept_odds(np.array(odds, float).reshape(len(block.candidates), len(block.targets)))
        cells.append(table)
        lags = {
            n: [i for i, c in enumerate(block.candidates) if c.name == n]
            for n in {g.source for g in own}
        }
        wide.append(np.array([table[lags[g.source], g.target].mean() for g in own]))
    made = [t[np.isfinite(p)] for t, p in zip(cells, p_values, strict=True)]
    mean = float(np.concatenate([*made, *wide]).mean()) if any(map(len, (*made, *wide))) else 1.0
    return [t / mean for t in cells], [w / mean for w in wide]


def odds_table(prior: Prior, names: Sequence[str]) -> Float[np.ndarray, "nodes nodes"]:
    """``[i, j]``: the prior odds of i → j within a row."""
    rows = [[prior.odds(a, b, 0) if a != b else 1.0 for b in names] for a in names]
    return kept_odds(np.array(rows, float).reshape(len(names), len(names)))


def pair_odds(odds: Float[np.ndarray, "nodes nodes"]) -> Float[np.ndarray, "nodes nodes"]:
    """The odds that two variables are linked either way: what is stated of one way or both.

    The two ways exclude each other within a row, so where both are stated their odds add up.
    """
    other = odds.T
    return np.where(odds == 1, other, np.where(other == 1, odds, odds + other))


@dataclass(frozen=True, eq=False)
class WithOdds:
    """A score with 2 log odds added for every parent; see the module.

    Attributes:
        score: the score of the data.
        bonus: ``[i, j]``: 2 log odds of i → j.

    >>> from doworld.discover.order.multinomial import MultinomialScore
    >>> codes = np.array([[0, 0, 1, 1] * 5, [0, 1, 0, 1] * 5])
    >>> plain = MultinomialScore.of(codes, [2, 2])
    >>> odds = np.array([[1.0, 9.0], [1.0, 1.0]])
    >>> round(float((WithOdds.of(plain, odds).gains(1, 0, [0]) - plain.gains(1, 0, [0]))[0]), 6)
    4.394449
    """

    score: Score
    bonus: Float[np.ndarray, "nodes nodes"]

    @classmethod
    def of(cls, score: Score, odds: Float[np.ndarray, "nodes nodes"]) -> "WithOdds":
        """The score with these prior odds."""
        return cls(score, 2 * np.log(odds))

    def local(self, target: int, given: int) -> float:
        """s(t | P) + Σ 2 log odds."""
        return self.score.local(target, given) + float(self.bonus[bits(given), target].sum())

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """Each candidate's gain, its own odds added."""
        return self.score.gains(target, given, candidates) + self.bonus[list(candidates), target]

    def test(self, target: int, given: int, parent: int) -> Strength:
        """The data's own test."""
        return self.score.test(target, given, parent)

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["WithOdds"]:
        """The resampled scores with the same odds."""
        return (WithOdds(each, self.bonus) for each in self.score.resamples(count, rng))
