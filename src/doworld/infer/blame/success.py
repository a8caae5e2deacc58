"""Whether an episode succeeded: a goal or a predicate, judged for many alternative worlds."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import DoworldError, QueryError, UnknownNameError
from doworld.data import Kind, Role, Schema
from doworld.model.world import WorldModel
from doworld.query import Band, Blame, Goal
from doworld.query.blame import Unwritten

__all__ = ["EpisodeView", "GoalJudge", "Judge", "PredicateJudge", "judge_of"]

SLACK = 1e-5
"""Standard deviations that rounding may take a value beyond a limit."""

Rows = Float[np.ndarray, "worlds rows variables"]


class EpisodeView:
    """An episode as a predicate sees it: ``ep["theta"]`` or ``ep.theta`` is an array by row.

    States and contexts have T + 1 rows, actions and rewards T: the last state led to nothing.
    Categories are read by name. Raises ``UnknownNameError`` for a name that does not exist.
    """

    def __init__(self, schema: Schema, rows: Any, label: str, read: set[str]) -> None:
        self.schema, self.label = schema, label
        self._rows, self._read = rows, read

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return self.schema.names

    @property
    def steps(self) -> int:
        """T, the number of transitions."""
        return len(self._rows) - 1

    @property
    def times(self) -> Float[np.ndarray, " rows"]:
        """The time of every row, in the schema's unit."""
        return np.arange(len(self._rows)) * self.schema.step

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):
            raise QueryError(
                f"ep[{name!r}] is read by a success predicate, and an episode is read by name. "
                f"Write ep[{self.schema.names[0]!r}][{name!r}]."
            )
        at = self.schema.position(name)
        self._read.add(name)
        variable = self.schema.variables[at]
        values = self._rows[:, at]
        if variable.role is Role.ACTION:
            values = values[:-1]
        elif variable.role is Role.REWARD:
            values = values[1:]
        if variable.kind is Kind.CATEGORICAL:
            return np.array(variable.categories)[np.asarray(values).round().astype(int)]
        return values

    def column(self, name: str) -> Any:
        """One variable over time."""
        return self[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]


class Judge(ABC):
    """Success of many worlds, and where it can be measured, how far each is from it."""

    @abstractmethod
    def __call__(self, rows: Rows) -> tuple[Bool[np.ndarray, " worlds"], np.ndarray | None]:
        """(success, shortfall) of rows 0…T in the variables' own units; shortfall 0 is success."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The variables that success depends on."""

    def affordable(self, worlds: int) -> int:
        """How many of ``worlds`` may be judged in the time that is left."""
        return worlds


def _whole(schema: Schema, rows: Rows) -> Rows:
    """Counts as whole numbers, which a shifted one is not in general."""
    counts = [i for i, v in enumerate(schema.variables) if v.kind is Kind.COUNT]
    if not counts:
        return rows
    rows = rows.copy()
    rows[..., counts] = np.round(rows[..., counts])
    return rows


@dataclass(frozen=True, eq=False)
class GoalJudge(Judge):
    """shortfall = Σ_v max_t d(z_v(t), limit_v) + Σ_v d(z_v(T), keep_v) + Σ_v d(z_v(T), target_v),

    d the distance beyond the range in standard deviations of the log; a target's range is as wide
    as its tolerance on both sides. Success is a shortfall of 0.
    """

    schema: Schema
    limit: Float[np.ndarray, "2 variables"]
    end: Float[np.ndarray, "2 variables"]
    scale: Float[np.ndarray, " variables"]
    named: tuple[str, ...]

    @classmethod
    def of(cls, goal: Goal, model: WorldModel, tolerance: float | dict[str, float]) -> "GoalJudge":
        """The goal as arrays; raises ``UnknownNameError`` or ``QueryError`` as it is malformed."""
        schema, size = model.schema, len(model.schema)
        named = tuple(dict.fromkeys((*goal.limit, *goal.keep, *goal.target)))
        if not named:
            raise QueryError(
                "the goal has no limit, keep or target, so it says not what success is. Give one, "
                "as in Goal(limit={'T': (None, 60)}), or a predicate."
            )
        ranges = np.stack([np.full(size, -np.inf), np.full(size, np.inf)])
        limit, end = ranges.copy(), ranges.copy()
        for bands, where in ((goal.limit, limit), (goal.keep, end)):
            for name, band in bands.items():
                _cut(where, schema.position(name), band)
        for name, value in goal.target.items():
            at = schema.position(name)
            wide = _tolerance(tolerance, name, float(model.scale[at]), schema)
            middle = schema.variables[at].code(value)
            _cut(end, at, Band(low=middle - wide, high=middle + wide))
        for name in named:
            at = schema.position(name)
            low, high = np.maximum(limit[0, at], end[0, at]), np.minimum(limit[1, at], end[1, at])
            if limit[0, at] > limit[1, at] or low > high:
                raise QueryError(f"no value of {name!r} can meet the goal: its ranges are apart.")
        return cls(schema, limit, end, np.asarray(model.scale), named)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that the goal names."""
        return self.named

    def __call__(self, rows: Rows) -> tuple[Bool[np.ndarray, " worlds"], np.ndarray]:
        """See ``Judge``."""
        rows = _whole(self.schema, rows)
        late = self.schema.positions(Role.ACTION)
        seen = rows[:, 1:].copy()
        if late:
            seen[..., late] = rows[:, :-1][..., late]
        short = _beyond(seen, self.limit, self.scale).max(1).sum(-1)
        short = short + _beyond(seen[:, -1], self.end, self.scale).sum(-1)
        return short <= 0, short

    def by_variable(self, rows: Rows) -> Float[np.ndarray, " variables"]:
        """The mean shortfall of each variable."""
        rows = _whole(self.schema, rows)
        whole = _beyond(rows[:, 1:], self.limit, self.scale).max(1)
        return (whole + _beyond(rows[:, -1], self.end, self.scale)).mean(0)


def _cut(where: np.ndarray, at: int, band: Band) -> None:
    if band.low is not None:
        where[0, at] = max(where[0, at], band.low)
    if band.high is not None:
        where[1, at] = min(where[1, at], band.high)


def _tolerance(tolerance: float | dict[str, float], name: str, scale: float, schema: Schema):
    if schema[name].levels:
        return 0.0
    if not isinstance(tolerance, dict):
        return tolerance * scale
    unknown = [n for n in tolerance if n not in schema.index]
    if unknown:
        raise UnknownNameError("variable", unknown[0], schema.names)
    return tolerance.get(name, 0.25 * scale)


def _beyond(rows: np.ndarray, ranges: np.ndarray, scale: np.ndarray) -> np.ndarray:
    far = np.maximum(np.maximum(ranges[0] - rows, rows - ranges[1]), 0.0) / scale
    return np.where(far <= SLACK, 0.0, far)


@dataclass(frozen=True, eq=False)
class PredicateJudge(Judge):
    """A function of one episode, called world by world.

    Where that would take long it is tried as a vectorised JAX function, and kept as one if it gives
    the same verdicts.
    """

    schema: Schema
    predicate: Callable[[Any], Any]
    label: str
    seconds: float
    read: set[str] = field(default_factory=set)
    clock: dict[str, float] = field(default_factory=lambda: {"calls": 0, "spent": 0.0})

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that the predicate has read so far."""
        return tuple(n for n in self.schema.names if n in self.read)

    @property
    def pace(self) -> float:
        """Seconds a call."""
        return self.clock["spent"] / max(self.clock["calls"], 1)

    def affordable(self, worlds: int) -> int:
        """See ``Judge``."""
        if self.clock.get("vectorised") or not self.clock["calls"]:
            return worlds
        left = self.seconds - self.clock["spent"]
        return int(min(worlds, max(left, 0.0) / max(self.pace, 1e-9)))

    def one(self, rows: Float[np.ndarray, "rows variables"]) -> bool:
        """The verdict on one episode; raises ``QueryError`` where the predicate fails."""
        began = time.monotonic()
        view = EpisodeView(self.schema, rows, self.label, self.read)
        try:
            verdict = self.predicate(view)
        except DoworldError:
            raise
        except Exception as error:
            raise QueryError(
                f"the success predicate raised {type(error).__name__}: {_line(error)}. It gets an "
                f"episode ep of {len(rows)} rows, where ep[{self.schema.names[0]!r}] is an array. "
                "Correct it and ask again."
            ) from error
        self.clock["spent"] += time.monotonic() - began
        self.clock["calls"] += 1
        if isinstance(verdict, bool | np.bool_):
            return bool(verdict)
        array = np.asarray(verdict)
        if array.shape == () and array.dtype == bool:
            return bool(array)
        said = f"an array of shape {array.shape}" if array.shape else repr(verdict)
        raise QueryError(
            f"the success predicate returned {said}, not True or False. "
            "Reduce it, as in bool((ep['T'] < 60).all())."
        )

    def __call__(self, rows: Rows) -> tuple[Bool[np.ndarray, " worlds"], None]:
        """See ``Judge``."""
        rows = _whole(self.schema, rows)
        if "vectorised" not in self.clock and len(rows) * self.pace > 1.0:
            self._try(rows[:16])
        if self.clock.get("vectorised"):
            return self._vectorised(rows), None
        return np.array([self.one(r) for r in rows], bool), None

    def _try(self, rows: Rows) -> None:
        """Finds out whether the predicate can be vectorised: no error and the same verdicts."""
        self.clock["vectorised"] = 0
        own = np.array([self.one(r) for r in rows], bool)
        try:
            same = np.array_equal(self._vectorised(rows), own)
        except Exception:  # whatever a foreign function does under tracing, it is called singly
            return
        self.clock["vectorised"] = int(same)

    def _vectorised(self, rows: Rows) -> Bool[np.ndarray, " worlds"]:
        import jax
        import jax.numpy as jnp

        from doworld.model.simulate import bucket

        def verdict(own):
            return jnp.asarray(
                self.predicate(EpisodeView(self.schema, own, self.label, self.read))
            ).reshape(())

        size = bucket(len(rows))
        padded = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), 0)])
        out = np.asarray(jax.vmap(verdict)(jnp.asarray(padded)))[: len(rows)]
        if out.dtype != bool:
            raise TypeError("no verdict")
        return out


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120] if text else "no message"


def judge_of(model: WorldModel, query: Blame, label: str) -> Judge:
    """What decides success in ``query``; raises ``QueryError`` where nothing can."""
    if isinstance(query.success, Goal):
        return GoalJudge.of(query.success, model, query.tolerance)
    if isinstance(query.success, Unwritten):
        raise QueryError(
            f"the question was written down, and its predicate {query.success.predicate!r} was not "
            "kept. Give the function again as success, or a Goal."
        )
    return PredicateJudge(model.schema, query.success, label, query.seconds)
