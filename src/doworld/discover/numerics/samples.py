"""Complete rows of a variable and its supposed causes, with the environment of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld._core.errors import DataError
from doworld.data import Kind, Trajectories

__all__ = ["Cause", "Sample", "columns_of", "fewest_rows", "sample_of", "several_environments"]

Cause = tuple[str, int]
"""A variable and how many rows back it stands."""
FEWEST_ROWS = 12
MOST_ROWS = 20_000
"""Beyond these a test is sharp enough, and only slower."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Complete rows of one variable and its supposed causes.

    Attributes:
        outcome: the variable; one column a level but one where it is categorical.
        inputs: its causes.
        place: the environment of each row, as a code.
        unit: rows that belong together.
        discrete: whether the outcome has levels, whose noise follows from their mean.
    """

    outcome: Float[np.ndarray, "rows columns"]
    inputs: Float[np.ndarray, "rows inputs"]
    place: Int[np.ndarray, " rows"]
    unit: Int[np.ndarray, " rows"]
    discrete: bool = False

    def only(self, kept: Bool[np.ndarray, " rows"]) -> "Sample":
        """The sample of some of the rows."""
        return Sample(
            self.outcome[kept], self.inputs[kept], self.place[kept], self.unit[kept], self.discrete
        )


def fewest_rows(inputs: int) -> int:
    """Rows of an environment below which it says too little to be compared."""
    return FEWEST_ROWS + 2 * inputs


def several_environments(log: Trajectories) -> None:
    """Raises ``DataError`` where a log has one environment only."""
    if len(np.unique(log.environment)) < 2:
        raise DataError(
            f"all {len(log)} episodes of this log are from one environment, so nothing can differ "
            "between environments. Name the column that tells them apart (environment=…), or join "
            "logs that were read with it."
        )


def sample_of(log: Trajectories, target: str, causes: Sequence[Cause]) -> tuple[Sample | None, str]:
    """Complete rows of a variable and its causes, and a note of the environments left out.

    None where fewer than two environments have enough of them. Rows never reach across episodes.
    Raises ``UnknownNameError``.
    """
    since = np.arange(log.rows) - log.starts[log.episode_of_row]
    rows = np.flatnonzero(since >= max((lag for _, lag in causes), default=0))
    outcome = columns_of(log, target)[rows]
    parts = [columns_of(log, name)[rows - lag] for name, lag in causes]
    inputs = np.concatenate([np.zeros((len(rows), 0)), *parts], 1)
    whole = np.isfinite(outcome).all(1) & np.isfinite(inputs).all(1)
    place = log.environment[log.episode_of_row[rows]]
    least = fewest_rows(inputs.shape[1])
    counts = {int(e): int((place[whole] == e).sum()) for e in np.unique(log.environment)}
    small = [e for e, n in counts.items() if n < least]
    few = ", ".join(f"{log.schema.environments[e]!r} ({counts[e]} rows)" for e in small[:5])
    few += f" and {len(small) - 5} more" if len(small) > 5 else ""
    if len(counts) - len(small) < 2:
        return None, (
            f"{target!r} cannot be compared between environments: fewer than two have the {least} "
            f"complete rows that this asks for; too small are {few}. Log more rows in each; for "
            "two variables and very many environments there is exchangeable_pair."
        )
    kept = whole & ~np.isin(place, small)
    note = f"{target!r} was compared without environments of too few rows: {few}." if small else ""
    kept &= _spread_out(place, kept)
    discrete = log.schema[target].levels > 0
    unit = log.episode_of_row[rows]
    return Sample(outcome[kept], inputs[kept], place[kept], unit[kept], discrete), note


def _spread_out(
    place: Int[np.ndarray, " rows"], kept: Bool[np.ndarray, " rows"]
) -> Bool[np.ndarray, " rows"]:
    """Rows evenly spread where an environment has more than its part of the most."""
    out = np.zeros(len(place), bool)
    places = np.unique(place[kept])
    for e in places:
        rows = np.flatnonzero(kept & (place == e))
        out[rows[:: -(-len(rows) * len(places) // MOST_ROWS)]] = True
    return out


def columns_of(log: Trajectories, name: str) -> Float[np.ndarray, "rows columns"]:
    """A variable as numbers: itself, or one indicator a level but the first that occurs.

    Raises ``UnknownNameError``.
    """
    column = log.aligned[:, log.schema.position(name)]
    if log.schema[name].kind is not Kind.CATEGORICAL:
        return column[:, None]
    levels = np.unique(column[np.isfinite(column)])[1:]
    out = (column[:, None] == levels).astype(float)
    out[~np.isfinite(column)] = np.nan
    return out
