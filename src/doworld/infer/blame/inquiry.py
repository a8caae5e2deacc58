"""What became of an episode under changes: verdicts of success, draw by draw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from doworld._core.errors import QueryError
from doworld.data import Kind, Role, Variable
from doworld.infer.blame.alternatives import Change, Episode, Otherwise, run
from doworld.infer.blame.success import Judge, PredicateJudge
from doworld.model.world import WorldModel
from doworld.query import Blame

__all__ = ["Inquiry", "Verdicts", "actions_of", "typical_actions", "values_of"]


MOST_ROWS = 50_000_000
"""Rows that are simulated for what was to be expected from each row on: about 20 s."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Success of every world by member and draw; how far each is from it where it is measured."""

    success: Bool[np.ndarray, "members samples worlds"]
    shortfall: Float[np.ndarray, "members samples worlds"] | None

    @property
    def chance(self) -> Float[np.ndarray, " worlds"]:
        """P(success)."""
        return self.success.mean((0, 1))

    @property
    def score(self) -> Float[np.ndarray, " worlds"]:
        """P(success), and among equals the nearer to it first."""
        if self.shortfall is None:
            return self.chance
        return self.chance - 1e-3 * np.tanh(self.shortfall.mean((0, 1)))


@dataclass(frozen=True, eq=False)
class Inquiry:
    """An episode, what decides success, and the draws that stand for what is not known of it.

    Attributes:
        rows: the logged rows by member and draw, gaps filled.
        fresh_rows: the same for as many draws as fresh noise needs.
    """

    episode: Episode
    judge: Judge
    rows: Float[np.ndarray, "members samples steps variables"]
    fresh_rows: Float[np.ndarray, "members draws steps variables"]
    key: PRNGKeyArray

    def of(
        self, sets: Sequence[tuple[Change, ...]], fresh_from: Sequence[int] | None = None
    ) -> Verdicts:
        """Verdicts had each set of changes been made; noise anew after row ``fresh_from``."""

        def worlds(part: slice) -> Otherwise:
            anew = None if fresh_from is None else fresh_from[part]
            return self.episode.changed(sets[part], anew)

        return self.worlds(worlds, len(sets), fresh=fresh_from is not None)

    def worlds(self, worlds, total: int, *, fresh: bool, reference=None) -> Verdicts:
        """Verdicts of any worlds; see ``run``."""
        rows = self.fresh_rows if fresh else self.rows
        own = jax.random.fold_in(self.key, 7)
        success, short = [], []
        for _, raw in run(self.episode, rows, worlds, total, key=own, reference=reference):
            shape = raw.shape[:3]
            verdict, far = self.judge(raw.reshape(-1, *raw.shape[3:]))
            success.append(verdict.reshape(shape))
            short.append(None if far is None else far.reshape(shape))
        known = [s for s in short if s is not None]
        return Verdicts(
            np.concatenate(success, 2),
            np.concatenate(known, 2) if len(known) == len(short) else None,
        )

    def paths(self, changes: tuple[Change, ...]) -> Float[np.ndarray, "draws rows variables"]:
        """Whole trajectories of one world, this episode's noise."""
        own = jax.random.fold_in(self.key, 7)
        build = lambda part: self.episode.changed([changes][part])  # noqa: E731
        (_, raw), *_ = run(self.episode, self.rows, build, 1, key=own)
        return raw[:, :, 0].reshape(-1, *raw.shape[3:])

    def each(self, changes: Sequence[Change]) -> Float[np.ndarray, "worlds rows variables"]:
        """One trajectory of every change's own world, this episode's noise, members in turn."""
        own, out = jax.random.fold_in(self.key, 7), []
        build = lambda part: self.episode.changed([(c,) for c in changes[part]])  # noqa: E731
        for part, raw in run(self.episode, self.rows, build, len(changes), key=own):
            worlds = np.arange(raw.shape[2])
            out.append(raw[(worlds + part.start) % len(raw), 0, worlds])
        return np.concatenate(out)

    def thrifty(self, worlds: int) -> "Inquiry":
        """The same with as few fresh draws as time allows for so many worlds, one at least.

        Every row of an episode begins worlds that are as long as the episode, so that draws have to
        be fewer where it is long; a predicate may be slow besides.
        """
        members, samples, padded, _ = self.fresh_rows.shape
        each = max(worlds * members, 1)
        fewer = max(MOST_ROWS // (each * padded), 1)
        if isinstance(self.judge, PredicateJudge):
            can = self.judge.affordable(each * min(fewer, samples))
            fewer = min(fewer, max(can // each, 1))
        if fewer >= samples:
            return self
        size = 1 << (fewer.bit_length() - 1)
        return replace(self, fresh_rows=self.fresh_rows[:, :size])


def values_of(model: WorldModel, query: Blame, column: int) -> Float[np.ndarray, " values"]:
    """The values of an action that are tried: its levels, or quantiles of the log."""
    variable = model.schema.variables[column]
    if variable.name in query.alternatives:
        return _asked(variable, query.alternatives[variable.name])
    if variable.levels:
        return np.arange(float(variable.levels))
    low, high = float(model.reference.low[column]), float(model.reference.high[column])
    if not (np.isfinite(low) and np.isfinite(high)):
        return np.zeros(0)
    values = np.linspace(low, high, query.grid)
    if model.log is not None and variable.name in model.log.schema.index:
        logged = model.log.values[:, model.log.schema.position(variable.name)]
        logged = logged[np.isfinite(logged)]
        if len(logged):
            values = np.quantile(logged, np.linspace(0, 1, query.grid))
            few = np.unique(logged)
            values = few if len(few) <= query.grid else values
    if variable.kind is Kind.COUNT:
        values = np.round(values)
    return np.unique(np.clip(values, *variable.bounds))


def _asked(variable: Variable, cells: tuple) -> Float[np.ndarray, " values"]:
    codes = np.array([variable.code(c) for c in cells], float)
    low, high = variable.bounds
    if not len(codes) or not np.isfinite(codes).all():
        raise QueryError(f"the alternatives of {variable.name!r} hold no finite value. Give some.")
    if not variable.levels and ((codes < low) | (codes > high)).any():
        raise QueryError(
            f"the alternatives of {variable.name!r} leave its bounds {low:g}…{high:g}. "
            "Give values inside them, or widen the bounds in the schema."
        )
    return np.unique(codes)


def actions_of(model: WorldModel, query: Blame) -> list[int]:
    """The columns of the actions that may have been otherwise; raises ``QueryError``."""
    schema = model.schema
    for name in (*query.actions, *query.alternatives, *query.reacts):
        if schema[name].role is not Role.ACTION:
            raise QueryError(
                f"{name!r} is a {schema[name].role.value}, and Blame changes actions. "
                f"Name one of: {', '.join(schema.of(Role.ACTION))}."
            )
    return [schema.position(n) for n in query.actions or schema.of(Role.ACTION)]


def typical_actions(
    inquiry: Inquiry, columns: Sequence[int], seed: int
) -> Float[np.ndarray, "samples rows variables"]:
    """Typical actions by draw, row and variable, scaled: draws of the log, or of its range."""
    model = inquiry.episode.model
    samples, steps, size = inquiry.fresh_rows.shape[1:]
    rng = np.random.default_rng([seed, 17])
    out = np.zeros((samples, steps + 1, size))
    for i in sorted(set(columns)):
        variable, shape = model.schema.variables[i], (samples, steps + 1)
        logged = np.zeros(0)
        if model.log is not None and variable.name in model.log.schema.index:
            logged = model.log.values[:, model.log.schema.position(variable.name)]
            logged = logged[np.isfinite(logged)]
        if len(logged):
            drawn = rng.choice(logged, shape)
        elif variable.levels:
            drawn = rng.integers(variable.levels, size=shape)
        else:
            drawn = rng.uniform(model.reference.low[i], model.reference.high[i], shape)
        out[:, :, i] = (drawn - model.center[i]) / model.scale[i]
    return out.astype(np.float32)
