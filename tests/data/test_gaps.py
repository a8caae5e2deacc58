"""Gaps are filled from the same episode's past, and from nowhere else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from doworld.data.gaps import carried

CELL = st.one_of(st.just(float("nan")), st.floats(-9, 9))


@given(st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=4))
def test_each_episode_is_filled_by_its_own_past(episodes):
    starts = np.concatenate([[0], np.cumsum([len(e) for e in episodes])])
    values = np.array([cell for e in episodes for cell in e])[:, None]
    expected = []
    for episode in episodes:
        last = np.nan
        for cell in episode:
            last = last if np.isnan(cell) else cell
            expected.append(last)
    np.testing.assert_array_equal(carried(values, starts)[:, 0], expected)
