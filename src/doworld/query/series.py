"""One variable of an answer, row by row."""

import numpy as np
from pydantic import BaseModel, ConfigDict

__all__ = ["Series"]


class Series(BaseModel):
    """One variable over the rows of an answer, in its own unit.

    Attributes:
        rows: rows counted from the query's start (row 0 is given).
        estimate: the mean, or the most probable level; None where the status is
            ``not_identified``. Categories are level codes, named in ``categories``.
        lower, upper: ends of the interval at the answer's level, or of the bound.
        half_lower, half_upper: ends of the 50 % interval.
        noise, parameters, structure: standard deviations from the world's own noise, from
            mechanisms that few data leave open, and from edges that the data leave open; their
            squares add up. Of a level, they are of whether it is the most probable one.
        support: 0…1, how far inside its data the model is asked at this row.
        probabilities: of every level at every row; empty for numbers.
        probabilities_lower, probabilities_upper: where the status is ``bounded``, bounds on them
            over all models compatible with the mechanisms.
        past_rows, past: what was given or logged, for comparison.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    unit: str = ""
    rows: tuple[int, ...]
    estimate: tuple[float, ...] | None
    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    half_lower: tuple[float, ...] | None = None
    half_upper: tuple[float, ...] | None = None
    noise: tuple[float, ...] = ()
    parameters: tuple[float, ...] = ()
    structure: tuple[float, ...] = ()
    support: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    probabilities_lower: tuple[tuple[float, ...], ...] = ()
    probabilities_upper: tuple[tuple[float, ...], ...] = ()
    past_rows: tuple[int, ...] = ()
    past: tuple[float | None, ...] = ()

    def label(self, value: float) -> str:
        """A value as people read it: a category's name, or a number with its unit."""
        from doworld.query.words import number

        if self.categories:
            return self.categories[int(np.clip(round(value), 0, len(self.categories) - 1))]
        return number(value)
