"""Worlds in which one action spoils an episode, and only that action's change saves it.

Every world has a goal, a log whose actions are random, and failures: an episode that would have
succeeded, with one action replaced by a fatal one and all else as it was, the noise too. What each
change would have come to is known by replaying the noise (Pearl 2009, ch. 7), so that

    truth[t] = max_a' [success had the action of row t been a'],

and a failure is kept only where exactly one row saves it. Our own definitions:

- ``Barrier``: states x ← M x + b u (1 + c tanh x₂) + noise, one of which must stay below a limit;
  c = 0 is linear, else what an action does hangs on the state.
- ``Latch``: the same with a fuse that blows above the limit for good, and what it feeds dies.
- ``Swing``: a damped pendulum θ̈ = −9.8 sin θ − 0.5 θ̇ + u that must not swing beyond an angle.
- ``Chain``: a workpiece goes through stages; each has one right tool, one that ruins it for good,
  and tools that do nothing.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm

from doworld.data import Kind, Policy, Role, Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge
from doworld.query import Band, Goal
from doworld.worlds.world import Recording, World

__all__ = ["KINDS", "Barrier", "Chain", "Failure", "Latch", "Planted", "Swing"]

VALUES = 21
"""Values of a continuous action that the truth tries, evenly over its bounds."""


@dataclass(frozen=True, eq=False)
class Failure:
    """A failed episode whose one fatal action is known.

    Attributes:
        recording: the episode and its noise.
        fatal: the row of the planted action, the only one whose change saves the episode.
        truth: by row, whether any change of its action saves.
    """

    recording: Recording
    fatal: int
    truth: Bool[np.ndarray, " steps"]


class Planted(World):
    """A world with a goal and one action, ``u``.

    Attributes:
        goal: what success is.
        steps: transitions of an episode.
    """

    goal: Goal
    steps: int

    @abstractmethod
    def succeeded(
        self, rows: Float[np.ndarray, "episodes rows variables"]
    ) -> Bool[np.ndarray, " episodes"]:
        """Whether the goal was met."""

    @abstractmethod
    def skilled(self, rng: np.random.Generator, row: np.ndarray) -> np.ndarray:
        """Actions that mostly succeed."""

    @abstractmethod
    def fatal(self, rng: np.random.Generator, row: np.ndarray) -> float:
        """An action that may spoil an episode in the state of ``row``."""

    @property
    def choices(self) -> Float[np.ndarray, " values"]:
        """The values of the action that the truth tries."""
        variable = self.schema["u"]
        if variable.levels:
            return np.arange(float(variable.levels))
        return np.linspace(*variable.bounds, VALUES)

    def outcome(
        self,
        start: Float[np.ndarray, " variables"],
        actions: Float[np.ndarray, "worlds steps"],
        noise: Float[np.ndarray, "rows variables"],
    ) -> Float[np.ndarray, "worlds rows variables"]:
        """Rows 0…T from one start and one noise, under every sequence of actions."""
        at = self.schema.position("u")
        row = np.repeat(start[None], len(actions), 0)
        rows = []
        for t in range(actions.shape[1]):
            row[:, at] = actions[:, t]
            rows.append(row)
            row = self.next(row, np.repeat(noise[None, t + 1], len(actions), 0))
        return np.stack([*rows, row], 1)

    def failures(self, count: int, *, seed: int = 0) -> list[Failure]:
        """``count`` failed episodes, each with one fatal action planted at a random row."""
        rng = np.random.default_rng([seed, 9])
        out: list[Failure] = []
        for _ in range(400 * count):
            found = self._attempt(rng, f"failure {len(out)}")
            if found is not None:
                out.append(found)
            if len(out) == count:
                return out
        raise RuntimeError(f"only {len(out)} of {count} failures were found in this world")

    def _attempt(self, rng: np.random.Generator, label: str) -> Failure | None:
        at = self.schema.position("u")
        start = self.start(rng, 1)[0]
        noise = rng.uniform(size=(self.steps + 1, len(self.schema)))
        row, actions = start[None].copy(), np.zeros(self.steps)
        rows = []
        for t in range(self.steps):
            row[:, at] = actions[t] = self.skilled(rng, row)[0]
            rows.append(row)
            row = self.next(row, noise[None, t + 1])
        if not self.succeeded(np.stack([*rows, row], 1))[0]:
            return None
        spoilt = int(rng.integers(1, self.steps - 1))
        actions[spoilt] = self.fatal(rng, rows[spoilt])
        failed = self.outcome(start, actions[None], noise)
        if self.succeeded(failed)[0]:
            return None
        truth = self.saves(start, actions, noise)
        if truth.sum() != 1 or not truth[spoilt]:
            return None
        return Failure(Recording(self._episode(failed, label), noise[None]), spoilt, truth)

    def saves(
        self,
        start: Float[np.ndarray, " variables"],
        actions: Float[np.ndarray, " steps"],
        noise: Float[np.ndarray, "rows variables"],
    ) -> Bool[np.ndarray, " steps"]:
        """By row, whether any other action there turns the failure into a success."""
        steps, values = len(actions), self.choices
        tried = np.tile(actions, (steps * len(values), 1))
        rows = np.repeat(np.arange(steps), len(values))
        tried[np.arange(len(tried)), rows] = np.tile(values, steps)
        good = self.succeeded(self.outcome(start, tried, noise))
        return np.asarray(good.reshape(steps, -1).any(1))

    def _episode(self, rows: np.ndarray, label: str) -> Trajectories:
        log = self._log(rows, Policy.RANDOMISED)
        return Trajectories(
            schema=log.schema,
            values=log.values,
            starts=log.starts,
            times=log.times,
            environment=log.environment,
            terminated=log.terminated,
            truncated=log.truncated,
            labels=(label,),
        )

    def mild(self, rng: np.random.Generator, rows: np.ndarray, share: float) -> np.ndarray:
        """Random actions, most of them within ``share`` of the bounds."""
        low, high = self.schema["u"].bounds
        wide = rng.uniform(low, high, len(rows))
        return np.where(rng.uniform(size=len(rows)) < 0.2, wide, share * wide)


class Barrier(Planted):
    """x ← M x + b u (1 + c tanh x₂) + noise, and one state must stay below a limit.

    >>> Barrier(seed=1).failures(1)[0].truth.sum()
    np.int64(1)
    """

    def __init__(self, *, seed: int = 0, bent: float = 0.0, steps: int = 24) -> None:
        rng = np.random.default_rng([seed, 3])
        self.steps, self.bent, self.size = steps, bent, 4
        self.schema = Schema(
            (
                *(Variable(f"x{i}") for i in range(self.size)),
                *self._extra(),
                Variable("u", Role.ACTION, bounds=(-1.0, 1.0)),
            ),
            policy=Policy.RANDOMISED,
        )
        self.order = tuple(range(len(self.schema) - 1))
        # x0 feels the action, x1 follows x0; x2 and x3 move by themselves and push x1 a little
        self.matrix = np.diag(rng.uniform(0.05, 0.2, self.size))
        self.matrix[1, 0] = rng.uniform(0.7, 1.0)
        self.matrix[1, 3] = rng.uniform(0.1, 0.3) * rng.choice([-1, 1])
        self.matrix[2, 2], self.matrix[2, 3] = rng.uniform(0.6, 0.8), rng.uniform(0.2, 0.4)
        self.gain = rng.uniform(2.2, 2.6) * rng.choice([-1, 1])
        self.sigma = np.array([0.1, 0.1, 0.4, 0.4])
        self.limit = rng.uniform(1.0, 1.2)
        self.goal = Goal(limit={"x1": Band(high=self.limit)})
        self.graph = self._graph()

    def _extra(self) -> tuple[Variable, ...]:
        return ()

    def _graph(self) -> CausalGraph:
        pairs = [(j, i) for i, j in np.argwhere(self.matrix)]
        edges = [Edge(f"x{j}", f"x{i}") for j, i in pairs] + [Edge("u", "x0")]
        if self.bent:
            edges.append(Edge("x2", "x0"))
        return CausalGraph(self.schema.names, tuple(edges))

    def start(self, rng, count):
        """Small random states."""
        row = np.zeros((count, len(self.schema)))
        row[:, : self.size] = 0.3 * rng.normal(size=(count, self.size))
        return row

    def act(self, rng, rows):
        """Mostly small actions, every fifth over the whole range."""
        rows = rows.copy()
        rows[:, -1] = self.mild(rng, rows, 0.4)
        return rows

    def mechanism(self, variable, row, before, noise):
        """The equation above."""
        out = before[:, : self.size] @ self.matrix[variable]
        if variable == 0:
            out = out + self.gain * before[:, -1] * (1 + self.bent * np.tanh(before[:, 2]))
        return out + self.sigma[variable] * norm.ppf(noise)

    def succeeded(self, rows):
        """Whether the limit was kept."""
        return np.asarray((rows[:, 1:, 1] <= self.limit).all(1))

    def skilled(self, rng, row):
        """Small random actions."""
        return rng.uniform(-0.3, 0.3, len(row))

    def fatal(self, rng, row):
        """A strong push towards the limit."""
        return float(np.sign(self.gain) * rng.uniform(0.8, 1.0))


class Latch(Barrier):
    """A fuse blows for good where the state exceeds the limit, and the lamp that it feeds dies."""

    def __init__(self, *, seed: int = 0, bent: float = 0.0, steps: int = 24) -> None:
        super().__init__(seed=seed, bent=bent, steps=steps)
        self.goal = Goal(keep={"lamp": Band(low=0.5)})

    def _extra(self):
        return (Variable("fuse", kind=Kind.BINARY), Variable("lamp"))

    def _graph(self):
        own = super()._graph().edges()
        more = [Edge(a, b) for a, b in (("x1", "fuse"), ("fuse", "fuse"), ("fuse", "lamp"))]
        return CausalGraph(self.schema.names, (*own, *more, Edge("lamp", "lamp")))

    def start(self, rng, count):
        """Small random states, the lamp lit."""
        row = super().start(rng, count)
        row[:, 5] = 1.0
        return row

    def mechanism(self, variable, row, before, noise):
        """The fuse: 1 once x1 was above the limit. The lamp: .4 of itself and .6 of the current."""
        if variable < self.size:
            return super().mechanism(variable, row, before, noise)
        if variable == 4:
            return np.maximum(before[:, 4], before[:, 1] > self.limit).astype(float)
        return 0.4 * before[:, 5] + 0.6 * (1 - before[:, 4]) + 0.05 * norm.ppf(noise)

    def succeeded(self, rows):
        """Whether the lamp is lit at the end."""
        return np.asarray(rows[:, -1, 5] >= 0.5)


class Swing(Planted):
    """A damped pendulum that must not swing beyond an angle; it can be pushed hard one way only.

    >>> Swing(seed=1).failures(1)[0].truth.sum()
    np.int64(1)
    """

    def __init__(self, *, seed: int = 0, steps: int = 30) -> None:
        rng = np.random.default_rng([seed, 5])
        self.steps, self.time = steps, 0.1
        self.schema = Schema(
            (
                Variable("theta", unit="rad"),
                Variable("omega", unit="rad/s"),
                Variable("u", Role.ACTION, unit="N", bounds=(-5.0, 30.0)),
            ),
            step=self.time,
            time_unit="s",
            policy=Policy.RANDOMISED,
        )
        self.order = (1, 0)
        self.damping = rng.uniform(1.5, 3.0)
        self.limit = rng.uniform(0.42, 0.48)
        self.goal = Goal(limit={"theta": Band(high=self.limit)})
        pairs = (("theta", "theta"), ("omega", "theta"), ("theta", "omega"), ("omega", "omega"))
        self.graph = CausalGraph(
            self.schema.names, (*(Edge(a, b) for a, b in pairs), Edge("u", "omega"))
        )

    def start(self, rng, count):
        """Near rest."""
        row = np.zeros((count, 3))
        row[:, :2] = rng.uniform(-0.2, 0.2, (count, 2))
        return row

    def act(self, rng, rows):
        """Mostly small pushes, one of ten over the whole range."""
        rows, low, high = rows.copy(), *self.schema["u"].bounds
        small = rng.uniform(low, -low, len(rows))
        wide = rng.uniform(low, high, len(rows))
        rows[:, 2] = np.where(rng.uniform(size=len(rows)) < 0.1, wide, small)
        return rows

    def mechanism(self, variable, row, before, noise):
        """θ ← θ + τ θ̇, θ̇ ← θ̇ + τ (−9.8 sin θ − damping θ̇ + u) + noise."""
        theta, omega, push = before.T
        if variable == 0:
            return theta + self.time * omega
        pull = -9.8 * np.sin(theta) - self.damping * omega + push
        return omega + self.time * pull + 0.05 * norm.ppf(noise)

    def succeeded(self, rows):
        """Whether the angle was kept."""
        return np.asarray((rows[:, 1:, 0] <= self.limit).all(1))

    def skilled(self, rng, row):
        """Weak random pushes against the swing."""
        return np.clip(-2 * row[:, 1] + rng.normal(0, 1.5, len(row)), -5, 5)

    def fatal(self, rng, row):
        """A strong push."""
        return float(rng.uniform(24, 30))


class Chain(Planted):
    """A workpiece goes through stages; each has a right tool and one that ruins it for good.

    >>> Chain(seed=1).failures(1)[0].truth.sum()
    np.int64(1)
    """

    STAGES = ("raw", "cut", "bored", "planed", "fitted", "glued", "done", "ruined")
    WORKING = 6
    TOOLS = ("saw", "drill", "press", "torch")

    def __init__(self, *, seed: int = 0, steps: int = 12) -> None:
        rng = np.random.default_rng([seed, 7])
        self.steps = steps
        self.schema = Schema(
            (
                Variable("stage", kind=Kind.CATEGORICAL, categories=self.STAGES),
                Variable("u", Role.ACTION, Kind.CATEGORICAL, categories=self.TOOLS),
            ),
            policy=Policy.RANDOMISED,
        )
        self.order = (0,)
        tools = np.stack([rng.permutation(len(self.TOOLS)) for _ in range(self.WORKING)])
        self.right, self.ruins = tools[:, 0], tools[:, 1]
        self.goal = Goal(target={"stage": "done"})
        self.graph = CausalGraph(self.schema.names, (Edge("stage", "stage"), Edge("u", "stage")))

    def start(self, rng, count):
        """Any stage but the last two, the first one every other time."""
        row = np.zeros((count, 2))
        late = rng.uniform(size=count) < 0.5
        row[:, 0] = np.where(late, rng.integers(self.WORKING, size=count), 0)
        return row

    def mechanism(self, variable, row, before, noise):
        """The right tool works nine times of ten, the wrong one ruins nineteen times of twenty."""
        stage, tool = before[:, 0].astype(int), before[:, 1].astype(int)
        working, last = stage < self.WORKING, np.minimum(stage, self.WORKING - 1)
        ahead = working & (tool == self.right[last]) & (noise < 0.9)
        ruined = working & (tool == self.ruins[last]) & (noise < 0.95)
        return np.where(ruined, self.WORKING + 1, stage + ahead).astype(float)

    def succeeded(self, rows):
        """Whether the last stage is done."""
        return np.asarray(rows[:, -1, 0] == self.WORKING)

    def skilled(self, rng, row):
        """The right tool, one time of seven another that does nothing."""
        stage = np.minimum(row[:, 0].astype(int), self.WORKING - 1)
        idle = [next(t for t in range(4) if t not in (self.right[s], self.ruins[s])) for s in stage]
        return np.where(rng.uniform(size=len(row)) < 1 / 7, idle, self.right[stage]).astype(float)

    def fatal(self, rng, row):
        """The tool that ruins this stage."""
        return float(self.ruins[min(int(row[0, 0]), self.WORKING - 1)])


KINDS = {
    "linear barrier": lambda seed: Barrier(seed=seed),
    "bent barrier": lambda seed: Barrier(seed=seed, bent=0.8),
    "latch": lambda seed: Latch(seed=seed),
    "swing": lambda seed: Swing(seed=seed),
    "chain": lambda seed: Chain(seed=seed),
}
"""The kinds of worlds by name, each made from a seed."""
