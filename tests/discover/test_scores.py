"""Laws of the scores, and of the search over orders that uses them."""

import numpy as np
import pytest

from doworld._core.errors import GraphError
from doworld.discover.numerics.standard import standardise
from doworld.discover.order.multinomial import MultinomialScore
from doworld.discover.order.permutation import Constraints, search
from doworld.discover.order.scores import GaussianScore, bits


def gaussian(rng, groups):
    columns = [tuple(range(sum(groups[:i]), sum(groups[: i + 1]))) for i in range(len(groups))]
    table = rng.standard_normal((300, sum(groups)))
    table[:, 1:] += 0.6 * table[:, :-1]
    return GaussianScore.of(standardise(table)[0], columns, np.log(300))


def multinomial(rng):
    codes = rng.integers(3, size=(4, 300))
    codes[1:] = np.where(rng.random((3, 300)) < 0.4, codes[:-1], codes[1:])
    return MultinomialScore.of(codes, [3] * 4)


SCORES = {
    "numbers": lambda rng: gaussian(rng, [1, 1, 1, 1]),
    "groups": lambda rng: gaussian(rng, [1, 3, 2, 1]),
    "levels": multinomial,
}


@pytest.fixture(params=SCORES)
def score(request):
    return SCORES[request.param](np.random.default_rng(0))


def test_a_gain_is_a_difference_of_scores(score):
    gains = score.gains(0, 0b0010, [2, 3])
    whole = score.local(0, 0b0010)
    assert gains == pytest.approx(
        [score.local(0, 0b0110) - whole, score.local(0, 0b1010) - whole], abs=1e-6
    )


def test_equivalent_graphs_score_the_same(score):
    one = score.local(0, 0) + score.local(1, 0b0001) + score.local(2, 0b0011)
    other = score.local(2, 0) + score.local(1, 0b0100) + score.local(0, 0b0110)
    assert one == pytest.approx(other, abs=1e-5)


def test_resamples_are_the_score_of_the_rows_drawn(score):
    again = list(score.resamples(3, np.random.default_rng(1)))
    values = [s.local(1, 0b0001) for s in again]
    assert len(set(values)) == 3
    assert np.mean(values) == pytest.approx(score.local(1, 0b0001), rel=0.3)


def test_the_gaussian_test_is_that_of_a_regression():
    rng = np.random.default_rng(0)
    score = gaussian(rng, [1, 1, 1, 1])
    x = score.table
    found = score.test(2, 0b1000, 1)
    design = np.c_[x[:, [1, 3]], np.ones(300)]
    weight, (rest,), *_ = np.linalg.lstsq(design, x[:, 2], rcond=None)
    error = np.sqrt(rest / 297 * np.linalg.inv(design.T @ design)[0, 0])
    assert found.statistic == pytest.approx(weight[0] / error, rel=1e-4)
    assert found.effect == pytest.approx(weight[0], rel=1e-4)


def limits(required=(), forbidden=()):
    allowed, wanted = ~np.eye(4, dtype=bool), np.zeros((4, 4), bool)
    for i, j in required:
        wanted[i, j], allowed[j, i] = True, False
    for i, j in forbidden:
        allowed[i, j] = False
    return Constraints(allowed, wanted, (0.0,) * 4, 4)


def test_the_search_keeps_to_what_is_known(score):
    for required, forbidden in [([(3, 0)], [(0, 1)]), ([(2, 1), (1, 0)], [(3, 2), (2, 3)])]:
        known = limits(required, forbidden)
        found = search(score, known, kicks=2, rng=np.random.default_rng(0))
        assert (found.dag | ~known.required).all()
        assert not (found.dag & ~known.allowed & ~known.required).any()
        place = np.argsort(found.order)
        assert all(place[i] < place[j] for i, j in np.argwhere(found.dag))


def test_the_score_of_an_order_is_that_of_its_parents(score):
    found = search(score, limits(), kicks=2, rng=np.random.default_rng(0))
    each = [score.local(j, mask) for j, mask in enumerate(found.parents)]
    assert found.score == pytest.approx(sum(each))
    assert all(j not in bits(mask) for j, mask in enumerate(found.parents))


def test_required_cycles_are_refused(score):
    with pytest.raises(GraphError, match="cycle"):
        search(score, limits([(0, 1), (1, 2), (2, 0)]), kicks=1, rng=np.random.default_rng(0))
