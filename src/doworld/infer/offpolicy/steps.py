"""A log's steps as arrays: what was seen, what was done, what it brought, what came next."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld._core.errors import QueryError
from doworld.data import Role, Trajectories
from doworld.infer.unanswerable import UnanswerableError

__all__ = ["Steps", "codes_of", "steps_of"]

FEW = 12
"""Distinct values up to which a column counts as levels."""

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Steps:
    """One entry for each row of a log in which an action was taken.

    Attributes:
        rows: the row in the log.
        episode: its episode's number, counted from 0 among those that have steps.
        time: steps since the episode began.
        seen: states and contexts at the row, by column, and actions that nobody asks about.
        done: actions at the row, by column.
        next: states and contexts one row on; NaN where the log ends.
        fold: which of a few groups of whole episodes (or stretches of the only one) it is in.
        over: the world ended after this step, or nothing is known of what came after.
        seen_names, done_names: the columns.
    """

    rows: Int[np.ndarray, " n"]
    episode: Int[np.ndarray, " n"]
    time: Int[np.ndarray, " n"]
    seen: Float[np.ndarray, "n s"]
    done: Float[np.ndarray, "n a"]
    next: Float[np.ndarray, "n s"]
    fold: Int[np.ndarray, " n"]
    over: Bool[np.ndarray, " n"]
    seen_names: tuple[str, ...]
    done_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def episodes(self) -> int:
        """How many episodes have steps."""
        return int(self.episode[-1]) + 1 if len(self) else 0


def steps_of(
    log: Trajectories, *, actions: tuple[str, ...] | None = None, reward: str = ""
) -> Steps:
    """The steps of a log in which everything needed was logged.

    ``actions`` are those that are asked about, None all of them; others count as seen. An episode's
    last row, whose action led to no logged row, is a step where it earned some of ``reward``, or
    where others like it did.

    Raises ``QueryError`` for a log without actions and ``UnanswerableError`` for one without a
    complete step.
    """
    done_names = log.schema.of(Role.ACTION) if actions is None else actions
    if not done_names:
        raise QueryError(
            "the log has no actions, so there is no policy to speak of. Name its action columns."
        )
    unknown = [n for n in done_names if log.schema[n].role is not Role.ACTION]
    if unknown:
        raise QueryError(
            f"{unknown[0]!r} is a {log.schema[unknown[0]].role.value}, and a policy chooses "
            "actions. Name an action, or declare it as one."
        )
    kept = set(log.schema.of(Role.ACTION)) - set(done_names)
    names = tuple(
        v.name
        for v in log.schema.variables
        if v.role in (Role.STATE, Role.CONTEXT) or v.name in kept
    )
    at = [log.schema.position(n) for n in names]
    do = [log.schema.position(n) for n in done_names]
    values = log.values
    last = np.zeros(log.rows, bool)
    last[log.starts[1:] - 1] = True
    whole = ~np.isnan(values[:, do]).any(1) & ~np.isnan(values[:, at]).any(1)
    if not log.schema.static:
        whole &= ~last | _earning(log, reward, whole & last)
    rows = np.flatnonzero(whole)
    if not len(rows):
        raise UnanswerableError(
            "No row of the log holds all states and actions.", "Fill gaps or leave columns out."
        )
    owner = log.episode_of_row
    found, episode = np.unique(owner[rows], return_inverse=True)
    goes_on = ~last[rows] & (not log.schema.static)
    following = np.full((len(rows), len(at)), np.nan)
    following[goes_on] = values[rows[goes_on] + 1][:, at]
    closing = np.append(np.diff(episode) > 0, True) & (rows + 2 >= log.starts[owner[rows] + 1])
    ended = closing & (log.terminated[owner[rows]] | ~goes_on)
    if len(found) >= 2 * FOLDS:
        fold = np.random.default_rng(0).permutation(len(found))[episode] % FOLDS
    else:
        fold = np.arange(len(rows)) * FOLDS // len(rows)
    return Steps(
        rows=rows,
        episode=episode.astype(np.int64),
        time=rows - log.starts[owner[rows]],
        seen=values[rows][:, at],
        done=values[rows][:, do],
        next=following,
        fold=fold.astype(np.int64),
        over=ended,
        seen_names=names,
        done_names=tuple(done_names),
    )


def _earning(
    log: Trajectories, reward: str, last: Bool[np.ndarray, " rows"]
) -> Bool[np.ndarray, " rows"]:
    """Which of the ``last`` rows hold a reward; none where all of them hold 0, as if filled up."""
    if not reward or log.schema[reward].role is not Role.REWARD:
        return np.zeros(log.rows, bool)
    gained = np.where(last, log.column(reward), np.nan)
    held = ~np.isnan(gained)
    return held & bool((gained[held] != 0).any())


def codes_of(
    *columns: Float[np.ndarray, "n _"], few: int = FEW
) -> tuple[Int[np.ndarray, " n"], int] | None:
    """One code for each combination of values that occurs, and how many; None with many values."""
    values = np.concatenate(columns, 1)
    if any(len(np.unique(column)) > few for column in values.T):
        return None
    distinct, code = np.unique(values, axis=0, return_inverse=True)
    return code.reshape(-1).astype(np.int64), len(distinct)
