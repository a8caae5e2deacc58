"""The score of several environments: against plain regressions, and what it must not forget."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from doworld.discover.numerics.heldout import HeldOut
from doworld.discover.numerics.units import Units
from doworld.discover.order.shared import DEGREE, SharedScore
from doworld.discover.order.sharing import RATHER, Sums


def moved(rng, rows, environments):
    """Three variables; the second's mechanism differs in the last environment."""
    place = np.repeat(np.arange(environments), rows)
    last = place == environments - 1
    x = rng.standard_normal((len(place), 3))
    x[:, 1] = np.where(last, -0.3, 1.0) * x[:, 0] + x[:, 1] + 1.5 * last
    x[:, 2] += np.tanh(x[:, 1]) - x[:, 0]
    return x, place


def shared_by_all(x, y, place, penalty):
    """The best of all ways without environments set apart, by least squares on the rows."""
    every = [(place == e).astype(float)[:, None] for e in np.unique(place)]
    best = -np.inf
    for level, weights, noise in product((False, True), repeat=3):
        parts = every if level else [np.ones((len(y), 1))]
        parts = parts + ([x * e for e in every] if weights and x.size else [x])
        design = np.concatenate(parts, 1)
        left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        groups = [e[:, 0] > 0 for e in every] if noise else [np.ones(len(y), bool)]
        fit = -sum(g.sum() * np.log((left[g] ** 2).mean()) for g in groups)
        price = penalty * (design.shape[1] + len(groups))
        best = max(best, fit - price - RATHER * (level or noise or (weights and bool(x.size))))
    return best


def test_two_environments_as_by_plain_regressions():
    table, place = moved(np.random.default_rng(0), 150, 2)
    score = SharedScore.of(table, place, penalty=np.log(300))
    for target, given in ((0, ()), (1, ()), (1, (0,)), (2, (0, 1)), (0, (1, 2))):
        y = score.features[:, 1 + DEGREE * target]
        straight = score.features[:, [1 + DEGREE * p for p in given]]
        bent = score.features[:, [1 + DEGREE * p + k for p in given for k in range(DEGREE)]]
        best = max(shared_by_all(x, y, place, score.penalty) for x in (straight, bent))
        assert score.local(target, sum(1 << p for p in given)) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("environments", [2, 5])
def test_what_is_shared_is_not_free(environments):
    rng = np.random.default_rng(0)
    table, place = rng.standard_normal((500, 2)), np.arange(500) % environments
    score = SharedScore.of(table, place, penalty=np.log(500))
    # a level and a noise for all, which explain nothing of a column of mean 0 and variance 1
    assert score.local(0, 0) == pytest.approx(-2 * score.penalty, abs=1e-4)


def test_a_known_change_is_on_its_own():
    table, place = moved(np.random.default_rng(0), 150, 2)
    altered = np.zeros((3, 2), bool)
    altered[1, 1] = True
    score = SharedScore.of(table, place, np.log(300), altered=altered)
    z = score.features[:, [1, 1 + DEGREE]]
    alone = 0.0
    for e in (0, 1):
        x, y = np.c_[np.ones(150), z[place == e, :1]], z[place == e, 1]
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        alone -= 150 * np.log((left**2).mean())
    assert score.local(1, 1) >= alone - 6 * score.penalty - 2 * np.log(2) - RATHER - 1e-3


@pytest.mark.parametrize("environments", [2, 4])
def test_resamples_are_scored_as_if_alone(environments):
    table, place = moved(np.random.default_rng(1), 60, environments)
    score = SharedScore.of(table, place, penalty=np.log(len(place)))
    for again in score.resamples(3, np.random.default_rng(2)):
        own = Sums(again.sums.squares[[again.draw]], again.sums.rows[[again.draw]])
        alone = replace(again, sums=own, draw=0, known={})
        for target, given in ((0, 0), (1, 1), (2, 3), (0, 6)):
            assert alone.local(target, given) == pytest.approx(again.local(target, given))
            assert again.local(target, given) != pytest.approx(score.local(target, given))


def test_losses_are_those_of_the_predictions():
    rng = np.random.default_rng(0)
    table, outcomes = rng.standard_normal((90, 6)), rng.standard_normal((90, 2))
    unit = np.arange(90)
    model = HeldOut(table, outcomes, Units(unit, 90, unit % 4, 4, episodes=True))
    models = [np.array([0, 2]), np.arange(6), np.array([3])]
    said = [((outcomes - model.predict(terms)) ** 2).mean(0) for terms in models]
    assert model.losses(models) == pytest.approx(np.array(said), rel=1e-9)
