"""Counts of tables: the same however they are made, and those of the rows that were drawn."""

import numpy as np
import pytest
from scipy.special import gammaln

from doworld.discover.numerics.stratified import coded, stratified
from doworld.discover.order import multinomial
from doworld.discover.order.counting import Rising, packed
from doworld.discover.order.multinomial import MultinomialScore

LEVELS = (2, 3, 4, 2, 5)


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.array([rng.integers(r, size=count) for r in LEVELS])
    codes[1] = np.where(rng.random(count) < 0.6, codes[0], codes[1])
    codes[3] = np.where(rng.random(count) < 0.6, codes[2] % 2, codes[3])
    return codes


def evidence(codes, mask):
    """G(S), row by row."""
    members = [v for v in range(len(codes)) if mask >> v & 1]
    _, counts = np.unique(codes[members], axis=1, return_counts=True)
    share = 1 / np.prod([LEVELS[v] for v in members])
    return float((gammaln(counts + share) - gammaln(share)).sum())


def gain(codes, target, given, candidate):
    more, own = given | 1 << candidate, 1 << target
    one = evidence(codes, more | own) - evidence(codes, more)
    return 2 * (
        one - (evidence(codes, given | own) - (evidence(codes, given) if given else whole(codes)))
    )


def whole(codes):
    return float(gammaln(codes.shape[1] + 1.0) - gammaln(1.0))


@pytest.mark.parametrize("count", [40, 4000])
@pytest.mark.parametrize("narrow", [False, True])
def test_gains_are_those_of_counts_by_hand(count, narrow, monkeypatch):
    monkeypatch.setattr(multinomial, "WIDE", 0 if narrow else 10**9)
    codes = rows(count)
    score = MultinomialScore.of(codes, LEVELS)
    for given in (0, 0b00010, 0b00110, 0b00110):  # the same variables again: in distinct rows
        others = [c for c in (1, 2, 3, 4) if not given >> c & 1]
        by_hand = [gain(codes, 0, given, c) for c in others]
        assert score.gains(0, given, others) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("count", [400, 20_000])
def test_resamples_count_the_rows_they_draw(count):
    codes = rows(count)
    score = MultinomialScore.of(codes, LEVELS)
    made = list(score.resamples(4, np.random.default_rng(3)))
    inner = made[0].evidence.rows
    for draw, again in enumerate(made):
        drawn = np.repeat(codes, inner.weights[draw, inner.group].astype(int), axis=1)
        for given in (0b00010, 0b00110):
            others = [c for c in (2, 3, 4) if not given >> c & 1]
            by_hand = [gain(drawn, 0, given, c) for c in others]
            assert again.gains(0, given, others) == pytest.approx(by_hand, abs=1e-6)
            alone = 2 * (evidence(drawn, given | 1) - evidence(drawn, given))
            assert again.local(0, given) == pytest.approx(alone, abs=1e-6)


def test_factorials_are_the_same_looked_up():
    rising, rng = Rising(50), np.random.default_rng(0)
    counts = rng.integers(51, size=(2, 3, 40))
    shares = [1.0, 0.25, 1e-30]
    first = rising.sums(shares, counts)
    for _ in range(5):
        assert rising.sums(shares, counts) == pytest.approx(first, abs=1e-8)


def test_packed_cells_keep_their_order():
    code = np.array([9, 2, 9, 4])
    assert packed(code, 10)[0].tolist() == [2, 0, 2, 1]
    assert packed(code, 10**9)[0].tolist() == [2, 0, 2, 1]


@pytest.mark.parametrize(
    "values", [[3, 1, 3], [0.5, -1.0, 0.5], [1e18, 2.0, 1e18], ["b", "a", "b"]]
)
def test_codes_are_ranks(values):
    code, count = coded(np.array(values))
    assert (code.tolist(), count) == ([1, 0, 1], 2)


def test_what_has_a_shape_is_tested_alike():
    codes = rows(600)
    strata = codes[2] * 5 + codes[4]
    one = stratified(codes[0], codes[1], strata)
    assert stratified(codes[0], codes[1], strata, (20, 2, 3)) == one
    assert stratified(codes[0], codes[1], strata, (2000, 7, 9)) == one
