"""Doubt of laws that leave nothing: a variable that never varies."""

import numpy as np

from doworld.model import doubt


def test_a_law_that_leaves_nothing_has_finite_doubt_without_size():
    rng = np.random.default_rng(0)
    wave = rng.normal(size=(200, doubt.WAVES))
    location, log_scale = doubt._draws(wave, np.zeros(200), np.full(200, 1e-3), rng)
    assert np.isfinite(location).all()
    assert np.isfinite(log_scale).all()
    assert np.abs(location).max() < 1e-3
