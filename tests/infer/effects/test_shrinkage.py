"""Predictions shrink effects; both corrections give them back."""

import numpy as np
import pytest

from doworld.infer.effects.shrinkage import calibrated, tweedie


def predicted(seed=0, size=6000):
    """A treatment moves the truth by 1; a regression on a noisy sign of it predicts the truth."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, size)
    y = a + rng.normal(size=size)
    seen = y + rng.normal(size=size)
    slope = np.cov(seen, y)[0, 1] / seen.var()
    guess = y.mean() + slope * (seen - seen.mean())
    return a, y, guess


def gap(values, a):
    return values[a == 1].mean() - values[a == 0].mean()


def test_both_corrections_undo_the_shrinkage():
    a, y, guess = predicted()
    assert gap(guess, a) < 0.7
    held = slice(0, 3000)
    line = calibrated(guess[held], y[held])
    assert gap(line.undo(guess), a) == pytest.approx(1.0, abs=0.08)
    error = float((y - guess)[held].std())
    assert gap(tweedie(guess, error), a) == pytest.approx(1.0, abs=0.12)


def test_what_does_not_follow_the_truth_cannot_be_calibrated():
    with pytest.raises(ValueError, match="do not rise"):
        calibrated(np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0]))
