"""The rows that an effect is computed from: treatment, outcome, what is held fixed, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Kind, Schema, Trajectories
from doworld.graph.separation import Node
from doworld.infer.effects.route import named

__all__ = ["Sample", "column", "gather", "units_of"]

FEWEST_UNITS = 30
"""Episodes below which the rows of one episode are split into blocks, for intervals."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One row a unit, or a row of a log at which the treatment was given.

    Attributes:
        treatment, outcome: numbers, or level codes.
        covariates: what is held fixed; categories as one column a level.
        labels: what each covariate column is.
        node: which of the nodes held fixed each covariate column belongs to.
        unit: the episode, or block of rows, of each row: rows of one unit are not independent.
        at: the treatment's row in the log.
        dropped: rows left out because treatment, outcome or what is held fixed is missing.
    """

    treatment: Float[np.ndarray, " rows"]
    outcome: Float[np.ndarray, " rows"]
    covariates: Float[np.ndarray, "rows columns"]
    labels: tuple[str, ...]
    node: tuple[int, ...]
    unit: Int[np.ndarray, " rows"]
    at: Int[np.ndarray, " rows"]
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def units(self) -> int:
        """How many independent units there are."""
        return len(np.unique(self.unit))

    def part(self, keep: Bool[np.ndarray, " rows"]) -> "Sample":
        """Some of the rows."""
        return replace(
            self,
            treatment=self.treatment[keep],
            outcome=self.outcome[keep],
            covariates=self.covariates[keep],
            unit=self.unit[keep],
            at=self.at[keep],
        )


def column(log: Trajectories, name: str, back: int, at: Int[np.ndarray, " rows"]) -> np.ndarray:
    """A variable ``back`` rows before the rows ``at`` (negative: after), NaN outside it."""
    values = log.aligned[:, log.schema.position(name)]
    wanted = at - back
    inside = (wanted >= 0) & (wanted < log.rows)
    where = np.clip(wanted, 0, log.rows - 1)
    episode = log.episode_of_row
    inside &= episode[where] == episode[at]
    return np.where(inside, values[where], np.nan)


def gather(
    log: Trajectories,
    treatment: str,
    outcome: str,
    lag: int,
    adjust: Sequence[Node],
    needed: Sequence[Node] = (),
) -> Sample:
    """The rows in which treatment, outcome, and the nodes held fixed or ``needed`` were logged.

    Rows that lack what is held fixed cannot be compared at equal values of it. Without them the
    effect is that among the others, as long as the outcome does not decide what is missing; with
    them, at a mean or a mark of its own, what is missing would go on confounding.
    """
    at = np.arange(log.rows)
    a, y = column(log, treatment, 0, at), column(log, outcome, -lag, at)
    whole = ~np.isnan(a) & ~np.isnan(y)
    for name, back in (*adjust, *needed):
        whole &= ~np.isnan(column(log, name, back, at))
    reach = max((back for _, back in adjust), default=0)
    steps = np.diff(log.starts)
    place = at - np.repeat(log.starts[:-1], steps)
    inside = place >= reach
    possible = int((inside & (place + lag < np.repeat(steps, steps))).sum())
    at = at[whole & inside]
    parts, labels, node = [], [], []
    for number, (name, back) in enumerate(adjust):
        block, words = _coded(log.schema, name, back, column(log, name, back, at))
        parts.append(block)
        labels += words
        node += [number] * len(words)
    covariates = np.column_stack(parts) if parts else np.zeros((len(at), 0))
    return Sample(
        a[at], y[at], covariates, tuple(labels), tuple(node), units_of(log, at), at,
        dropped=possible - len(at),
    )  # fmt: skip


def _coded(schema: Schema, name: str, back: int, values: np.ndarray) -> tuple[np.ndarray, list]:
    variable, word = schema[name], named([(name, back)])
    columns, labels = [], []
    if variable.kind is Kind.CATEGORICAL:
        for code in range(variable.levels):
            mark = (values == code).astype(float)
            if 0 < mark.mean() < 1:
                columns.append(mark)
                labels.append(f"{word}={variable.categories[code]}")
        if len(columns) > 1:  # the most frequent is the reference
            drop = int(np.argmax([c.mean() for c in columns]))
            del columns[drop], labels[drop]
    else:
        columns.append(values)
        labels.append(word)
    if not columns:
        return np.zeros((len(values), 0)), []
    return np.column_stack(columns), labels


def units_of(log: Trajectories, at: np.ndarray) -> np.ndarray:
    """Episodes; blocks of consecutive rows where episodes are few; rows of a static table."""
    if log.schema.static:
        return np.arange(len(at))
    episode = log.episode_of_row[at]
    if len(np.unique(episode)) >= FEWEST_UNITS or not len(at):
        return episode
    size = max(1, min(max(10, len(at) // 100), len(at) // FEWEST_UNITS))
    place = at - log.starts[episode]
    whole = episode.astype(np.int64) * (int(place.max()) // size + 1) + place // size
    return np.unique(whole, return_inverse=True)[1].astype(np.int64)
