"""Logs in memory: episodes of T+1 states and T actions as one array of rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doworld._core.errors import DataError, UnknownNameError
from doworld._core.progress import Progress, Quiet
from doworld.data.schema import Kind, Policy, Role, Schema, Variable

if TYPE_CHECKING:
    from doworld.data.summary import Summary

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

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        state: str | Iterable[str],
        action: str | Iterable[str] = (),
        context: str | Iterable[str] = (),
        reward: str | Iterable[str] | None = None,
        episode: str | None = None,
        time: str | None = None,
        environment: str | None = None,
        propensity: str | None = None,
        terminated: str | None = None,
        truncated: str | None = None,
        policy: Policy = Policy.UNKNOWN,
        step: float | None = None,
        time_unit: str | None = None,
        variables: Mapping[str, Variable] | None = None,
    ) -> "Trajectories":
        """A log from a pandas or Polars frame whose row t holds state and action at t.

        ``doworld.data.frame`` says how rows become episodes, ``doworld.data.roles.Roles`` what
        each argument means and ``doworld.data.columns.encode`` how kinds are decided. Raises
        ``UnknownNameError`` for a column that does not exist, ``SchemaError`` for two roles of one
        column, ``DataError`` for ±inf, duplicated time stamps, columns without any value, 0 rows;
        warns of constant variables, unsorted rows and units that look mixed.

        >>> import polars as pl
        >>> df = pl.DataFrame({"t": [0.0, 1.0, 2.0], "T": [20.5, 21.0, 22.5], "Q": [0, 1, None]})
        >>> log = Trajectories.from_frame(df, state=["T"], action=["Q"], time="t")
        >>> len(log), log.transitions, log.schema["Q"].kind.value
        (1, 2, 'binary')
        """
        from doworld.data.frame import from_table
        from doworld.data.roles import Roles, as_names

        roles = Roles(
            state=as_names(state),
            action=as_names(action),
            context=as_names(context),
            reward=as_names(reward),
            episode=episode,
            time=time,
            environment=environment,
            propensity=propensity,
            terminated=terminated,
            truncated=truncated,
            policy=policy,
            step=step,
            time_unit=time_unit,
            variables=variables or {},
        )
        return from_table(frame, roles)

    @classmethod
    def from_gymnasium(
        cls,
        env: Any,
        *,
        policy: Any = "random",
        episodes: int | None = None,
        steps: int | None = None,
        seed: int = 0,
        num_envs: int = 1,
        max_steps: int | None = None,
        reward: bool = False,
        names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
        context: Mapping[str, Any] | None = None,
        apply: Callable[[Any, Mapping[str, Any]], None] | None = None,
        chosen: Policy | None = None,
        progress: Progress | None = None,
    ) -> "Trajectories":
        """A log collected from a Gymnasium environment, by id or by a function that makes one.

        ``doworld.data.gymnasium.collect`` says what each argument means. Raises
        ``MissingExtraError`` where Gymnasium is not installed.

        >>> log = Trajectories.from_gymnasium("CartPole-v1", episodes=2, seed=0)
        >>> log.schema.names
        ('x', 'x_dot', 'theta', 'theta_dot', 'action')
        """
        from doworld.data.gymnasium import collect

        return collect(
            env,
            policy=policy,
            episodes=episodes,
            steps=steps,
            seed=seed,
            num_envs=num_envs,
            max_steps=max_steps,
            reward=reward,
            names=names,
            action_names=action_names,
            context=context or {},
            apply=apply,
            chosen=chosen,
            progress=progress or Quiet(),
        )

    @classmethod
    def from_minari(
        cls,
        dataset: Any,
        *,
        names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> "Trajectories":
        """A log from a Minari dataset or its id; see ``doworld.data.minari.from_minari``."""
        from doworld.data.minari import from_minari

        return from_minari(dataset, names=names, action_names=action_names)

    def to_minari(self, dataset_id: str, **about: Any) -> Any:
        """Stores the log as a local Minari dataset; see ``doworld.data.minari.to_minari``."""
        from doworld.data.minari import to_minari

        return to_minari(self, dataset_id, **about)

    def resample(self, step: float, **how: Any) -> "Trajectories":
        """The log on a grid of ``step``, each episode by itself; see ``doworld.data.resample``."""
        from doworld.data.resample import resample

        return resample(self, step, **how)

    def summary(self) -> "Summary":
        """What a person wants to know of the log first; see ``doworld.data.summary``."""
        from doworld.data.summary import summarise

        return summarise(self)

    def write(self, path: str | Path) -> Path:
        """Writes a table that ``read`` brings back, and its path; see ``doworld.data.write``."""
        from doworld.data.write import write

        return write(self, path)

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
            mask[last[:, None], late] = False
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
        moved[self.starts[:-1, None], rewards] = np.nan
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

    def select(self, episodes: Sequence[int] | Int[np.ndarray, " chosen"]) -> "Trajectories":
        """The log of the episodes with these numbers, in this order."""
        numbers = np.asarray(list(episodes), np.int64)
        spans = [np.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in numbers]
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
        return self.select(np.sort(order[held:])), self.select(np.sort(order[:held]))

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

    @property
    def index_names(self) -> tuple[str, str, str]:
        """What ``frame`` calls its columns of episode, time and environment.

        A variable of that name keeps it, and the index column gets an underscore.
        """

        def free(name: str) -> str:
            return free(f"{name}_") if name in self.schema.index else name

        return free("episode"), free("time"), free("environment")

    def frame(self) -> pl.DataFrame:
        """The log as a Polars frame: episode, time, environment, then the variables as labels."""
        env = np.array(self.schema.environments)[self.environment]
        episode, time, environment = self.index_names
        columns: dict[str, object] = {
            episode: np.array(self.labels, dtype=str)[self.episode_of_row],
            time: self.times,
            environment: env[self.episode_of_row],
        }
        for i, variable in enumerate(self.schema.variables):
            values = self.values[:, i]
            if variable.kind is Kind.CATEGORICAL:
                names = [None if np.isnan(v) else variable.categories[int(v)] for v in values]
                columns[variable.name] = pl.Series(names, dtype=pl.String)
            else:
                columns[variable.name] = pl.Series(values).fill_nan(None)
        return pl.DataFrame(columns)
