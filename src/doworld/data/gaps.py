"""Gaps in rows, filled by what was known before."""

import numpy as np
from jaxtyping import Float, Int

__all__ = ["carried"]


def carried(
    values: Float[np.ndarray, "rows variables"],
    starts: Int[np.ndarray, " episodes_and_end"] | None = None,
) -> Float[np.ndarray, "rows variables"]:
    """Each gap takes the last value of its column in the same episode; NaN before the first.

    ``starts`` are the rows where episodes begin, and one past the last; None: all is one episode.

    >>> carried(np.array([[np.nan], [1.0], [np.nan], [np.nan]]), np.array([0, 3, 4])).T
    array([[nan,  1.,  1., nan]])
    """
    rows = np.arange(len(values))[:, None]
    begin = 0 if starts is None else np.repeat(starts[:-1], np.diff(starts))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, rows), axis=0)
    return np.where(last < begin, np.nan, np.take_along_axis(values, last, 0))
