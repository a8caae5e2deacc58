"""Open-loop error on held-out logs, beside persistence and a linear model, with coverage."""

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld._core.errors import DataError, SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Role, Trajectories
from doworld.infer.engine import MOST, key_of, mirrored_noise, repeated, settled
from doworld.infer.history import fill
from doworld.infer.scores import Evaluation, Guess, Scores
from doworld.infer.uncertainty import interval, widening
from doworld.model.dynamics import World
from doworld.model.simulate import bucket, simulate
from doworld.model.world import WorldModel

__all__ = ["evaluate"]

PATIENCE = 1000
"""Rows before a window in which a last known value is looked for."""


def evaluate(
    model: WorldModel,
    log: Trajectories,
    *,
    horizon: int = 100,
    stride: int = 50,
    level: float = 0.9,
    samples: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """How well the model rolls out a log it has not seen.

    A window begins every ``stride`` rows of every episode and goes ``horizon`` rows ahead, or to
    the episode's end where that is shorter. Logged actions and contexts are given over the window,
    states are not. NRMSE = RMSE over all predicted rows / standard deviation of the log; for a
    variable with levels, the share of wrong levels. Persistence repeats row 0; the linear model is
    ridge ARX with the same lags, fitted on the training log. Missing values are not scored.

    Args:
        model: a learned world.
        log: held-out episodes with the model's variables.
        horizon: rows ahead; 1 for a static table.
        stride: rows between the beginnings of two windows.
        level: of the intervals whose coverage is counted.
        samples: draws per member and window.
        seed: of the draws.
        progress: where to show how far it is.

    Raises ``SchemaError`` where the variables differ, ``DataError`` where no window fits.
    """
    progress = progress or Quiet()
    log = _matched(model, log)
    windows = _windows(model, log, horizon, stride)
    scores = Scores(model, log, windows.steps)
    key = key_of(seed)
    track = progress.task("evaluate", len(windows.rows))
    piece = _piece(model, windows.steps, samples)
    for number, begin in enumerate(range(0, len(windows.rows), piece)):
        some = windows.part(slice(begin, begin + piece))
        given = _Given.of(model, log, some)
        draws = _rollouts(model, given, piece, samples, jax.random.fold_in(key, number))
        guess = _intervals(model, draws, level)
        linear = model.baseline.rollout(given.window, given.exogenous)
        scores.add(given.truth, guess, given.window, linear)
        track.advance(len(some.rows))
    return scores.result(horizon=horizon, stride=stride, level=level, notes=windows.notes)


def _matched(model: WorldModel, log: Trajectories) -> Trajectories:
    """The log in the model's column order and codes; raises ``SchemaError`` where it cannot be."""
    wanted, have = model.schema, log.schema
    absent = [n for n in wanted.names if n not in have.index]
    if absent:
        raise SchemaError(
            f"the log has no {', '.join(map(repr, absent))}, which the model knows. It has "
            f"{', '.join(have.names)}. Read it with the roles of the training log."
        )
    columns = []
    for variable in wanted.variables:
        column = log.values[:, have.position(variable.name)]
        other = have[variable.name]
        if other.role is not variable.role or (other.levels > 0) != (variable.levels > 0):
            raise SchemaError(
                f"{variable.name!r} is {other.kind.value} {other.role.value} in the log and "
                f"{variable.kind.value} {variable.role.value} in the model. Read both alike."
            )
        if other.categories != variable.categories:
            codes = np.array([variable.code(c) for c in other.categories])
            known = ~np.isnan(column)
            column = np.where(known, codes[np.where(known, column, 0).astype(int)], np.nan)
        columns.append(column)
    schema = replace(wanted, environments=have.environments, policy=have.policy)
    return replace(log, schema=schema, values=np.stack(columns, 1))


@dataclass(frozen=True, eq=False)
class _Windows:
    """Where rollouts begin and how far they go.

    Attributes:
        rows: row 0 of each window in the log (the row before, in a static table).
        ahead: rows that each window predicts.
        episode: first row of each window's episode.
        steps: the longest.
    """

    rows: Int[np.ndarray, " windows"]
    ahead: Int[np.ndarray, " windows"]
    episode: Int[np.ndarray, " windows"]
    steps: int
    notes: tuple[str, ...] = ()

    def part(self, which: slice) -> "_Windows":
        """Some of the windows."""
        parts = {n: getattr(self, n)[which] for n in ("rows", "ahead", "episode")}
        return replace(self, **parts)


def _windows(model: WorldModel, log: Trajectories, horizon: int, stride: int) -> _Windows:
    if horizon < 1 or stride < 1:
        raise DataError("horizon and stride count rows. Give at least 1.")
    if model.schema.static:
        first = np.asarray(log.starts[:-1], np.int64)
        return _Windows(first - 1, np.ones(len(first), np.int64), first, 1)
    lags, rows, ahead, episode, short = max(model.dynamics.max_lag, 1), [], [], [], 0
    for a, b in zip(log.starts[:-1], log.starts[1:], strict=True):
        reach = min(horizon, int(b - a) - lags)
        if reach < 1:
            short += 1
            continue
        begins = np.arange(a + lags - 1, b - reach, stride)
        rows.append(begins)
        ahead.append(np.full(len(begins), reach))
        episode.append(np.full(len(begins), a))
    if not rows:
        raise DataError(
            f"no episode of the log is longer than the {lags} rows that the model looks back. "
            "Evaluate on longer episodes."
        )
    lengths = np.concatenate(ahead)
    notes = []
    if (lengths < horizon).any():
        cut = len(np.unique(np.concatenate(episode)[lengths < horizon]))
        notes.append(
            f"{cut} of {len(log)} episodes are shorter than the horizon of {horizon} rows and are "
            f"predicted to their end ({lengths.min()}–{lengths.max()} rows)."
        )
    if short:
        notes.append(f"{short} episodes are too short for {lags} rows of history: left out.")
    return _Windows(
        np.concatenate(rows), lengths, np.concatenate(episode), int(lengths.max()), tuple(notes)
    )


@dataclass(frozen=True, eq=False)
class _Given:
    """Some windows in the variables' own units.

    Attributes:
        window: rows 0, −1, …, the newest first, gaps filled by the last value known then.
        exogenous: rows 1…T, actions and contexts held where missing.
        truth: what really followed; NaN where missing or past the window's end.
    """

    window: Float[np.ndarray, "windows lags variables"]
    exogenous: Float[np.ndarray, "windows steps variables"]
    truth: Float[np.ndarray, "windows steps variables"]

    @classmethod
    def of(cls, model: WorldModel, log: Trajectories, windows: _Windows) -> "_Given":
        """The rows of some windows."""
        values, lags = log.aligned, model.dynamics.max_lag
        back = np.maximum(windows.rows[:, None] - np.arange(lags), windows.episode[:, None])
        steps = np.arange(1, windows.steps + 1)
        inside = steps <= windows.ahead[:, None]
        at = np.minimum(windows.rows[:, None] + steps, len(values) - 1)
        truth = np.where(inside[..., None], values[at], np.nan)
        window = np.empty((len(back), lags, values.shape[1]))
        exogenous = np.empty(truth.shape)
        outside = model.schema.positions(Role.STATE, Role.REWARD)
        for i, (own, first) in enumerate(zip(back, windows.episode, strict=True)):
            # what was known at row 0, and nothing later, fills gaps of the past
            past = values[first : windows.rows[i] + 1]
            whole = fill(past[-PATIENCE:], model.typical).values if len(past) else past
            if lags:
                window[i] = whole[own - windows.rows[i] - 1]
            told = truth[i].copy()
            told[:, outside] = np.nan
            both = np.concatenate([whole[-1:], told])
            exogenous[i] = fill(both, model.typical).values[len(both) - len(told) :]
        return cls(window, exogenous, truth)


def _piece(model: WorldModel, steps: int, samples: int) -> int:
    """Windows per call."""
    each = model.dynamics.members * bucket(steps) * len(model.schema) * bucket(samples)
    return int(np.clip(MOST // (2 * each), 1, 64))


def _rollouts(
    model: WorldModel, given: _Given, piece: int, samples: int, key: PRNGKeyArray
) -> Float[np.ndarray, "members windows samples steps variables"]:
    """Scaled rollouts of all windows; the last piece is padded to the others' shape."""
    count, steps = given.truth.shape[:2]
    size = 1 if model.schema.static else bucket(steps)

    def laid(rows: np.ndarray) -> Array:
        short = [(0, piece - count), (0, 0), (0, 0)]
        whole = np.pad(model.scaled(rows), short, mode="edge").astype(np.float32)
        return jnp.asarray(np.repeat(whole, samples, 0))

    exogenous = np.pad(given.exogenous, [(0, 0), (0, size - steps), (0, 0)], mode="edge")
    width = len(model.schema)
    world = World(
        window=jnp.zeros((model.dynamics.max_lag, width)),
        exogenous=jnp.zeros((size, width)),
        gain=jnp.ones((size, width)),
        offset=jnp.zeros((size, width)),
    )
    own = (laid(given.window), laid(exogenous))
    worlds = repeated(world, piece * samples)
    worlds = eqx.tree_at(lambda w: (w.window, w.exogenous), worlds, own)
    noise = mirrored_noise(model.dynamics, key, worlds=piece, samples=samples, steps=size)
    out = settled(np.asarray(simulate(model.dynamics, worlds, noise)))[0]
    out = out.reshape(len(out), piece, samples, size, -1)
    return out[:, :count, :, :steps]


def _intervals(
    model: WorldModel,
    draws: Float[np.ndarray, "members windows samples steps variables"],
    level: float,
) -> Guess:
    """Middle and ends of every window's draws, in the variables' own units."""
    members, windows, samples, steps, size = draws.shape
    middle = np.empty((windows, steps, size))
    low, high = np.empty_like(middle), np.empty_like(middle)
    ahead = np.arange(1, steps + 1)
    for i in model.schema.positions(Role.STATE):
        variable = model.schema.variables[i]
        values = draws[..., i].astype(float) * model.scale[i] + model.center[i]
        if variable.levels:
            chance = (values[..., None] == np.arange(variable.levels)).mean((0, 2))
            middle[..., i] = chance.argmax(-1)
            low[..., i] = high[..., i] = np.nan
            continue
        middle[..., i] = values.mean((0, 2))
        flat = np.moveaxis(values, 1, 2).reshape(members, samples, windows * steps)
        widen = np.tile(widening(model.calibration, i, ahead), windows)
        ends = interval(flat, level, widen)
        low[..., i], high[..., i] = (e.reshape(windows, steps) for e in ends)
    return Guess(middle, low, high)
