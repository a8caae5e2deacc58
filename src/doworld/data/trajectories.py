"""Logs in memory: episodes of T+1 states and T actions as one array of rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doworld._core.errors import DataError, UnknownNameError
from doworld.data.schema import Kind, Role, Schema

__all__ = ["Episode", "Trajectories"]


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode or a row range of one: row t holds the state at t and the action taken at t.

    ``values`` has T+1 rows for T actions; the last row's action led to no logged state. Missing
    values are NaN; categorical columns hold level codes.
    """

    schema: Schema
    values: Float[np.ndarray, "rows variables"]
    times: Float[np.ndarray, " rows"]
    environment: str = "default"
    terminated: bool = False
    truncated: bool = False
    label: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def steps(self) -> int:
        """T, the number of transitions."""
        return max(len(self.values) - 1, 0)

    def __getitem__(self, rows: slice) -> "Episode":
        """A row range of this episode, as ``given`` of a query, say."""
        whole = rows.indices(len(self))[1] >= len(self)
        return replace(
            self,
            values=self.values[rows],
            times=self.times[rows],
            terminated=self.terminated and whole,
            truncated=self.truncated or not whole,
        )

    def column(self, name: str) -> Float[np.ndarray, " rows"]:
        """One variable over time; raises ``UnknownNameError``."""
        return self.values[:, self.schema.position(name)]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """A log: episodes of unequal length in several environments, stored as one array of rows.

    Attributes:
        schema: the variables, time step and environments.
        values: all rows of all episodes one after the other; NaN where missing; codes for levels.
        starts: row where each episode begins, and one past the last row.
        times: time of each row in ``schema.time_unit``.
        environment: index into ``schema.environments`` of each episode.
        terminated: the world ended the episode (it fell, it broke, it arrived).
        truncated: the log ends but the world went on; not the same thing.
        labels: the episodes' names in the source.
        propensity: probability of each row's action under the logging policy; NaN where unknown.
        notes: what a reader changed or noticed, in words.
    """

    schema: Schema
    values: Float[np.ndarray, "rows variables"]
    starts: Int[np.ndarray, " episodes_and_end"]
    times: Float[np.ndarray, " rows"]
    environment: Int[np.ndarray, " episodes"]
    terminated: Bool[np.ndarray, " episodes"]
    truncated: Bool[np.ndarray, " episodes"]
    labels: tuple[str, ...]
    propensity: Float[np.ndarray, " rows"] | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(self.schema)):
            raise DataError(
                f"values have shape {self.values.shape}, but there are {len(self.times)} times and "
                f"{len(self.schema)} variables. Give one row a time and one column a variable."
            )

    def __len__(self) -> int:
        """The number of episodes."""
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[Episode]:
        return (self.episode(i) for i in range(len(self)))

    def __getitem__(self, which: int | slice) -> "Episode | Trajectories":
        """Episode number ``which``, or a log of a slice of the episodes."""
        if isinstance(which, slice):
            return self.select(range(len(self))[which])
        return self.episode(which)

    def episode(self, number: int) -> Episode:
        """Episode ``number`` (negative counts from the end); raises ``UnknownNameError``."""
        if not -len(self) <= number < len(self):
            raise UnknownNameError("episode", number, (f"0…{len(self) - 1}",))
        number %= len(self)
        rows = slice(self.starts[number], self.starts[number + 1])
        return Episode(
            schema=self.schema,
            values=self.values[rows],
            times=self.times[rows],
            environment=self.schema.environments[self.environment[number]],
            terminated=bool(self.terminated[number]),
            truncated=bool(self.truncated[number]),
            label=self.labels[number],
        )

    @property
    def rows(self) -> int:
        """The number of rows of all episodes together."""
        return len(self.times)

    @property
    def transitions(self) -> int:
        """The number of transitions of all episodes together."""
        return int(np.maximum(np.diff(self.starts) - 1, 0).sum())

    @property
    def episode_of_row(self) -> Int[np.ndarray, " rows"]:
        """The episode number of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @property
    def missing(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a value is missing; the empty action and reward of a last row do not count."""
        mask = np.isnan(self.values)
        if not self.schema.static:
            last = self.starts[1:] - 1
            late = self.schema.positions(Role.ACTION, Role.REWARD)
            mask[np.ix_(last, late)] = False
        return mask

    def column(self, name: str) -> Float[np.ndarray, " rows"]:
        """One variable over all rows; raises ``UnknownNameError``."""
        return self.values[:, self.schema.position(name)]

    @property
    def aligned(self) -> Float[np.ndarray, "rows variables"]:
        """The values with each reward moved to the row it arrives in.

        A log's row t holds the reward of the transition t → t+1; here it stands in row t+1, so
        that state and reward of one transition are targets in one row and the sources are earlier.
        """
        rewards = self.schema.positions(Role.REWARD)
        if not rewards or self.schema.static:
            return self.values
        moved = self.values.copy()
        moved[1:, rewards] = self.values[:-1, rewards]
        moved[np.ix_(self.starts[:-1], rewards)] = np.nan
        return moved

    def windows(self, length: int, stride: int = 1) -> Int[np.ndarray, " windows"]:
        """The first rows of all runs of ``length`` rows that lie inside one episode.

        Episodes are never glued together. ``stride`` counts within each episode.
        """
        parts = [
            np.arange(a, b - length + 1, stride)
            for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)
            if b - a >= length
        ]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def select(self, episodes: Sequence[int]) -> "Trajectories":
        """The log of the episodes with these numbers, in this order."""
        numbers = np.asarray(list(episodes), np.int64)
        spans = [np.arange(self.starts[i], self.starts[i + 1]) for i in numbers]
        rows = np.concatenate(spans) if spans else np.zeros(0, np.int64)
        lengths = [len(s) for s in spans]
        return replace(
            self,
            values=self.values[rows],
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            times=self.times[rows],
            environment=self.environment[numbers],
            terminated=self.terminated[numbers],
            truncated=self.truncated[numbers],
            labels=tuple(self.labels[i] for i in numbers),
            propensity=None if self.propensity is None else self.propensity[rows],
        )

    def in_environment(self, name: str) -> "Trajectories":
        """The episodes of one environment; raises ``UnknownNameError``."""
        if name not in self.schema.environments:
            raise UnknownNameError("environment", name, self.schema.environments)
        code = self.schema.environments.index(name)
        return self.select(np.flatnonzero(self.environment == code).tolist())

    def split(self, fraction: float, *, seed: int = 0) -> tuple["Trajectories", "Trajectories"]:
        """Two logs without a common row: whole episodes at random, or by time in one episode.

        The second holds about ``fraction`` of the rows.
        """
        if len(self) == 1:
            only = self.episode(0)
            cut = max(1, round(len(only) * (1 - fraction)))
            return self._part(0, cut), self._part(cut, len(only))
        order = np.random.default_rng(seed).permutation(len(self))
        share = np.cumsum(np.diff(self.starts)[order]) / max(self.rows, 1)
        held = int(np.clip(np.searchsorted(share, fraction) + 1, 1, len(self) - 1))
        return self.select(sorted(order[held:])), self.select(sorted(order[:held]))

    def _part(self, first: int, last: int) -> "Trajectories":
        part = self.episode(0)[first:last]
        return replace(
            self,
            values=part.values,
            starts=np.array([0, len(part)]),
            times=part.times,
            terminated=np.array([part.terminated]),
            truncated=np.array([part.truncated]),
            propensity=None if self.propensity is None else self.propensity[first:last],
        )

    def frame(self) -> pl.DataFrame:
        """The log as a Polars frame: episode, time, environment, then the variables as labels."""
        env = np.array(self.schema.environments)[self.environment]
        columns: dict[str, object] = {
            "episode": np.array(self.labels)[self.episode_of_row],
            "time": self.times,
            "environment": env[self.episode_of_row],
        }
        for i, variable in enumerate(self.schema.variables):
            values = self.values[:, i]
            if variable.kind is Kind.CATEGORICAL:
                columns[variable.name] = [
                    None if np.isnan(v) else variable.categories[int(v)] for v in values
                ]
            else:
                columns[variable.name] = pl.Series(values).fill_nan(None)
        return pl.DataFrame(columns)
