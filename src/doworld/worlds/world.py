"""Structural causal models over rows, with the true graph, exact do() and exact replay.

Row t + 1 of a world is computed variable by variable, in causal order, each from rows already
known and a noise of its own:

    z_i(t+1) = g · f_i(z(t+1), z(t), …, a(t), u_i(t+1)) + o,    u_i ~ U(0, 1),

with (g, o) = (1, 0) where nothing is done, (0, v) under do(z_i = v), (1, d) under a shift by d;
a policy's choice takes the place of f_i and of the logged action.
The noise is drawn beforehand, so that an episode can be replayed with anything changed and its
noise kept: the true counterfactual (Pearl 2009, ch. 7).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Policy, Role, Schema, Trajectories
from doworld.graph import CausalGraph
from doworld.query import Intervention
from doworld.query.done import Done, arrays

__all__ = ["Recording", "World", "level_of"]

Rows = Float[np.ndarray, "episodes variables"]


def level_of(
    probabilities: Float[np.ndarray, "*batch levels"], noise: Float[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch"]:
    """The level that uniform noise picks: the first whose cumulative probability exceeds it.

    >>> level_of(np.array([0.2, 0.5, 0.3]), np.array(0.65))
    array(1.)
    """
    reached = np.cumsum(probabilities, -1)[..., :-1] <= noise[..., None]
    return np.asarray(reached.sum(-1), np.float64)


@dataclass(frozen=True, eq=False)
class Recording:
    """A log together with the noise behind it.

    Attributes:
        log: what was done and what happened.
        noise: of row t of each episode; row 0 was given, its noise moved nothing.
    """

    log: Trajectories
    noise: Float[np.ndarray, "episodes rows variables"]


class World(ABC):
    """A structural causal model of which everything is known.

    Attributes:
        schema: its variables.
        graph: its true graph.
        order: the states and rewards in an order in which every one comes after its causes.
    """

    schema: Schema
    graph: CausalGraph
    order: tuple[int, ...]

    @abstractmethod
    def start(self, rng: np.random.Generator, count: int) -> Rows:
        """First rows of ``count`` episodes; what stands in the columns of actions is not read."""

    @abstractmethod
    def mechanism(
        self, variable: int, row: Rows, before: Rows, noise: Float[np.ndarray, " episodes"]
    ) -> Float[np.ndarray, " episodes"]:
        """The next value of one variable.

        ``row`` holds what of the same row comes earlier in ``order``, ``before`` the row before
        with the action taken there, ``noise`` is uniform on (0, 1).
        """

    def act(self, rng: np.random.Generator, rows: Rows) -> Rows:
        """The rows with actions chosen at random, uniform over levels or bounds."""
        rows = rows.copy()
        for i in self.schema.positions(Role.ACTION):
            variable = self.schema.variables[i]
            if variable.levels:
                rows[:, i] = rng.integers(variable.levels, size=len(rows))
            else:
                rows[:, i] = rng.uniform(*variable.bounds, size=len(rows))
        return rows

    def disturb(
        self, noise: Float[np.ndarray, "episodes rows variables"], *, seed: int
    ) -> Float[np.ndarray, "episodes rows variables"]:
        """The noise of a recording: as drawn, where no unobserved cause moves two variables."""
        return noise

    def next(
        self, before: Rows, noise: Rows, row: int = 0, done: Done | None = None, luck=None
    ) -> Rows:
        """The rows after ``before``; contexts stay, actions are left as they were.

        ``row`` is their number where something is ``done``, ``luck`` what policies draw by.
        """
        out = before.copy()
        for i in self.order:
            if done is None:
                out[:, i] = self.mechanism(i, out, before, noise[:, i])
            elif luck is not None and done.followed[row, i]:
                out = _chosen(done, row, out, before, luck, i)
            else:
                natural = self.mechanism(i, out, before, noise[:, i])
                out[:, i] = done.gain[row, i] * natural + done.offset[row, i]
        return out

    def record(
        self, episodes: int, steps: int, *, seed: int = 0, policy: Policy | None = None
    ) -> Recording:
        """``episodes`` episodes of ``steps`` transitions and their noise, under the world's policy.

        ``policy`` is what the log says of how actions were chosen; None takes the schema's word
        where there are actions.
        """
        rng = np.random.default_rng(seed)
        row = self.act(rng, self.start(rng, episodes))
        noise = rng.uniform(size=(episodes, steps + 1, len(self.schema)))
        noise = self.disturb(noise, seed=seed)
        rows = [row]
        for t in range(steps):
            row = self.act(rng, self.next(row, noise[:, t + 1]))
            rows.append(row)
        acts = bool(self.schema.of(Role.ACTION))
        said = policy or (self.schema.policy if acts else Policy.RANDOMISED)
        return Recording(self._log(np.stack(rows, 1), said), noise)

    def collect(self, episodes: int, steps: int, *, seed: int = 0) -> Trajectories:
        """The log of ``record`` alone."""
        return self.record(episodes, steps, seed=seed).log

    def replay(
        self, recording: Recording, done: Sequence[Intervention], *, seed: int = 0
    ) -> Trajectories:
        """The recorded episodes had ``done`` been done, all else and the noise as they were.

        ``seed`` is of what policies draw, which is no noise of the world's. Raises
        ``UnknownNameError`` for a variable that the world does not have and ``QueryError`` for a
        row that it does not have, as ``doworld.query.done.arrays`` does.
        """
        episodes, length, _ = recording.noise.shape
        old = recording.log.values.reshape(episodes, length, -1)
        doing = arrays(self.schema, done, length)
        self._readable(doing)
        luck = np.random.default_rng([seed, 31]).random((length, episodes, len(doing.policies)))
        given = self.schema.positions(Role.ACTION, Role.CONTEXT)
        others = [i for i in range(len(self.schema)) if i not in self.order]
        row = doing.gain[0] * old[:, 0] + doing.offset[0]
        row = _chosen(doing, 0, row, old[:, 0], luck[0])
        rows = [row]
        for t in range(1, length):
            # what is given, acted on and carried forward: the mechanisms see the changed past
            before, natural = row, doing.gain[t] * old[:, t] + doing.offset[t]
            row = self.next(before, recording.noise[:, t], t, doing, luck[t])
            row[:, given] = natural[:, given]
            row = _chosen(doing, t, row, before, luck[t], *others)
            rows.append(row)
        return self._log(np.stack(rows, 1), recording.log.schema.policy)

    def _readable(self, done: Done) -> None:
        """Raises where a state's policy reads what comes later in the row."""
        for reads, policy in zip(done.reads, done.policies, strict=True):
            own = int(policy.variable)
            if own not in self.order:
                continue
            known = {*self.order[: self.order.index(own) + 1], *self.schema.positions(Role.CONTEXT)}
            late = [i for i in np.flatnonzero(reads) if i not in known]
            if late:
                names = self.schema.names
                raise QueryError(
                    f"the policy of {names[own]!r} reads {names[late[0]]!r}, which this world "
                    "makes later in the row. Let it read what comes before."
                )

    def _log(self, rows: Float[np.ndarray, "episodes rows variables"], policy: Policy):
        episodes, length, _ = rows.shape
        values = rows.copy()
        late = self.schema.positions(Role.ACTION)
        if not self.schema.static:
            values[:, -1, late] = np.nan
        return Trajectories(
            schema=replace(self.schema, policy=policy),
            values=values.reshape(episodes * length, -1),
            starts=np.arange(episodes + 1) * length,
            times=np.tile(np.arange(length) * self.schema.step, episodes),
            environment=np.zeros(episodes, np.int64),
            terminated=np.zeros(episodes, bool),
            truncated=np.ones(episodes, bool),
            labels=tuple(map(str, range(episodes))),
        )


def _chosen(
    done: Done, row: int, rows: Rows, before: Rows, luck: np.ndarray, *columns: int
) -> Rows:
    """``rows``, which are number ``row``, after the choices of policies (of ``columns`` only)."""
    out = rows
    for number, policy in enumerate(done.policies):
        at = int(policy.variable)
        if done.on[row, number] and (not columns or at in columns):
            chosen = done.choice(number, out, before, luck[:, number])
            out = out.copy()
            out[:, at] = done.gain[row, at] * chosen + done.offset[row, at]
    return out
