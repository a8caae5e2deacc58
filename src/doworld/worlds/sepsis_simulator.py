"""Sepsis in an intensive care unit: 720 observed states, 8 treatments, a hidden diabetes.

The simulator of Oberst & Sontag (2019, "Counterfactual off-policy evaluation with Gumbel-max
structural causal models"). Heart rate and systolic pressure are low, normal or high; oxygen is low
or normal; glucose has five levels; antibiotics, vasopressors and ventilation are on or off. One
patient in five is diabetic, which no log shows: then glucose wanders more, and vasopressors raise
both pressure and glucose otherwise. Three abnormal signs are death (reward −1), none without any
treatment is discharge (+1).

In the published program the glucose of patients without diabetes that should rise by one becomes
normal-low (level 1) at most, also from above. Logs in use were made by it, so it is kept.
"""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from doworld.data import Kind, Role, Schema, Trajectories, Variable

__all__ = ["ACTIONS", "SIGNS", "SepsisSimulator"]

SIGNS = ("hr", "sysbp", "percoxyg", "glucose")
TREATMENTS = ("antibiotic", "vaso", "vent")
ACTIONS = ("do_antibiotic", "do_vasopressors", "do_ventilation")
SHAPE = (3, 3, 2, 5, 2, 2, 2)
"""Levels of the signs and of the treatments going on; states count in this order."""

NORMAL = (1, 1, 1, 2)
STATES = int(np.prod(SHAPE))

Values = Float[np.ndarray, "hidden states"]
Chances = Float[np.ndarray, "hidden states actions"]


def _moves(count: int, *moves: tuple[int, int, float]) -> np.ndarray:
    """A transition matrix with these (from, to, chance); what is left stays."""
    out = np.zeros((count, count))
    for a, b, chance in moves:
        out[a, b] += chance
    return out + np.diag(1 - out.sum(1))


def _wander(count: int, chance: float) -> np.ndarray:
    down = [(i, max(0, i - 1), chance) for i in range(count)]
    return _moves(count, *down, *((i, min(count - 1, i + 1), chance) for i in range(count)))


def _heart(was: int, done: int) -> np.ndarray:
    if done:
        return _moves(3, (2, 1, 0.5))
    return _moves(3, (1, 2, 0.1)) if was else _wander(3, 0.1)


def _oxygen(was: int, done: int) -> np.ndarray:
    if done:
        return _moves(2, (0, 1, 0.7))
    return _moves(2, (1, 0, 0.1)) if was else _wander(2, 0.1)


def _pressure(diabetic: int, was: int, done: int, vaso: int, press: int) -> np.ndarray:
    first = _heart(was, done) if was or done else np.eye(3)
    if press:
        rise = ((0, 1, 0.5), (0, 2, 0.4), (1, 2, 0.9)) if diabetic else ((0, 1, 0.7), (1, 2, 0.7))
        return first @ _moves(3, *rise)
    if vaso:
        fall = 0.05 if diabetic else 0.1
        return first @ _moves(3, (1, 0, fall), (2, 1, fall))
    return first if was or done else _wander(3, 0.1)


def _glucose(diabetic: int, press: int) -> np.ndarray:
    if press:
        return _moves(5, *((i, min(4, i + 1), 0.5) for i in range(5))) if diabetic else np.eye(5)
    if diabetic:
        return _wander(5, 0.3)
    down = [(i, max(0, i - 1), 0.1) for i in range(5)]
    return _moves(5, *down, *((i, min(1, i + 1), 0.1) for i in range(5)))


@dataclass(frozen=True, eq=False)
class SepsisSimulator:
    """The simulator, of which everything is known.

    Args:
        diabetes: share of patients with diabetes.
        steps: rows after which an episode is cut off.

    >>> world = SepsisSimulator()
    >>> rules = world.uniform()
    >>> bool(-1 < world.value(rules) < 1)
    True
    """

    diabetes: float = 0.2
    steps: int = 20
    states: Int[np.ndarray, "states 7"] = field(init=False)
    arrival: Float[np.ndarray, " states"] = field(init=False)

    def __post_init__(self) -> None:
        states = np.stack(np.unravel_index(np.arange(STATES), SHAPE), 1).astype(np.int64)
        abnormal = (states[:, :4] != np.array(NORMAL)).sum(1)
        well = (abnormal == 0) & (states[:, 4:].sum(1) == 0)
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "arrival", np.where(abnormal >= 3, -1.0, well * 1.0))

    @property
    def schema(self) -> Schema:
        """What a log shows: signs, treatments going on, treatments given, reward."""
        signs = [
            Variable(n, kind=Kind.CATEGORICAL, categories=tuple(map(str, range(k))))
            if k > 2
            else Variable(n, kind=Kind.BINARY)
            for n, k in zip((*SIGNS, *TREATMENTS), SHAPE, strict=True)
        ]
        levers = [Variable(n, Role.ACTION, Kind.BINARY) for n in ACTIONS]
        return Schema((*signs, *levers, Variable("reward", Role.REWARD)))

    def matrices(self, diabetic: int, state: Int[np.ndarray, " 7"], action: int):
        """The signs' transition matrices, before which treatments and with which action."""
        abx, vaso, vent = (int(v) for v in state[4:])
        done, press, ventilate = np.unravel_index(action, (2, 2, 2))
        return (
            _heart(abx, int(done)),
            _pressure(diabetic, abx, int(done), vaso, int(press)),
            _oxygen(vent, int(ventilate)),
            _glucose(diabetic, int(press)),
        )

    def start(self) -> Float[np.ndarray, "hidden states"]:
        """Chance of each first state together with the diabetes behind it."""
        sides = [0.25, 0.5, 0.25]
        glucose = ([0.05, 0.15, 0.6, 0.15, 0.05], [0.01, 0.05, 0.15, 0.6, 0.19])
        out = np.zeros((2, STATES))
        for u, chance in enumerate((1 - self.diabetes, self.diabetes)):
            signs = np.einsum("a,b,c,d->abcd", sides, sides, [0.2, 0.8], glucose[u])
            full = np.zeros(SHAPE)
            full[..., 0, 0, 0] = signs
            alive = full.ravel() * (self.arrival == 0)
            out[u] = chance * alive / alive.sum()
        return out

    def ahead(self, value: Values) -> Chances:
        """E[r + V(s')] for every state and action; episodes end where the reward is not 0."""
        worth = np.where(self.arrival == 0, value, 0.0) + self.arrival
        out = np.zeros((2, STATES, 8))
        rows = np.arange(STATES).reshape(SHAPE)
        for u, action, before in product(range(2), range(8), range(8)):
            going = np.unravel_index(before, (2, 2, 2))
            state = np.array([0, 0, 0, 0, *going])
            after = worth[u].reshape(SHAPE)[(..., *np.unravel_index(action, (2, 2, 2)))]
            mean = np.einsum(
                "ai,bj,ck,dl,ijkl->abcd", *self.matrices(u, state, action), after, optimize=True
            )
            out[u, rows[(..., *going)].ravel(), action] = mean.ravel()
        return out

    def value(self, policy: Float[np.ndarray, "..."]) -> float:
        """The exact value of a policy: chances by (state, action), or by (diabetes, state, action).

        V_t(u, s) = Σ_a π(a | u, s) E[r + V_{t+1}(u, s')],   V = Σ P(u, s) V_0(u, s).
        """
        now = np.zeros((2, STATES))
        for _ in range(self.steps):
            now = (policy * self.ahead(now)).sum(-1)
        return float((self.start() * now).sum())

    def uniform(self) -> Float[np.ndarray, "states actions"]:
        """Every treatment alike."""
        return np.full((STATES, 8), 1 / 8)

    def best(self, *, sees_diabetes: bool, random: float = 0.1, sharpness: float = 20.0):
        """A good policy that is soft: softmax of the value ahead, mixed with chance.

        One that sees diabetes has chances by (diabetes, state, action), one that does not by
        (state, action), from the average patient.
        """
        weight = np.array([1 - self.diabetes, self.diabetes])[:, None, None]
        now, chances = np.zeros((2, STATES)), np.zeros((2, STATES, 8))
        for _ in range(self.steps):
            ahead = self.ahead(now)
            seen = ahead if sees_diabetes else (weight * ahead).sum(0, keepdims=True)
            soft = np.exp(sharpness * (seen - seen.max(-1, keepdims=True)))
            chances = np.broadcast_to(soft / soft.sum(-1, keepdims=True), (2, STATES, 8))
            now = (chances * ahead).sum(-1)
        mixed = (1 - random) * chances + random / 8
        return mixed if sees_diabetes else mixed[0]

    def collect(
        self, episodes: int, policy: Float[np.ndarray, "..."], *, seed: int = 0
    ) -> Trajectories:
        """A log of what an onlooker sees: states, treatments given, reward; never the diabetes."""
        rng = np.random.default_rng(seed)
        begin = self.start().ravel()
        first = rng.choice(2 * STATES, episodes, p=begin / begin.sum())
        hidden, at = first // STATES, first % STATES
        rules = np.broadcast_to(policy, (2, STATES, 8))
        tables = self._tables()
        alive = np.ones(episodes, bool)
        rows: list[list[np.ndarray]] = [[] for _ in range(episodes)]
        for t in range(self.steps + 1):
            who = np.flatnonzero(alive)
            if not len(who):
                break
            ends = (self.arrival[at[who]] != 0) | (t == self.steps)
            cumulative = np.cumsum(rules[hidden[who], at[who]], -1)
            luck = rng.uniform(size=(len(who), 1)) * cumulative[:, -1:]
            action = (cumulative <= luck).sum(-1)
            after = self._step(tables, hidden[who], at[who], action, rng)
            given = np.stack(np.unravel_index(action, (2, 2, 2)), 1).astype(float)
            for k, e in enumerate(who):
                late = np.full(4, np.nan) if ends[k] else [*given[k], self.arrival[after[k]]]
                rows[e].append(np.concatenate([self.states[at[e]], late]))
            alive[who[ends]] = False
            at[who[~ends]] = after[~ends]
        lengths = np.array([len(r) for r in rows])
        died = self.arrival[at] != 0
        return Trajectories(
            schema=self.schema,
            values=np.concatenate([np.stack(r) for r in rows]),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            times=np.concatenate([np.arange(n, dtype=float) for n in lengths]),
            environment=np.zeros(episodes, np.int64),
            terminated=died,
            truncated=~died,
            labels=tuple(map(str, range(episodes))),
        )

    def _tables(self) -> list[np.ndarray]:
        """Cumulative chances of each sign by (diabetes, treatments before, action, level)."""
        out = [np.zeros((2, 8, 8, k, k)) for k in SHAPE[:4]]
        for u, before, action in product(range(2), range(8), range(8)):
            state = np.array([0, 0, 0, 0, *np.unravel_index(before, (2, 2, 2))])
            for table, part in zip(out, self.matrices(u, state, action), strict=True):
                table[u, before, action] = np.cumsum(part, 1)
        return out

    def _step(self, tables, hidden, at, action, rng) -> np.ndarray:
        state = self.states[at]
        before = at % 8
        signs = []
        for n, table in enumerate(tables):
            cumulative = table[hidden, before, action, state[:, n]]
            signs.append((cumulative[:, :-1] <= rng.uniform(size=(len(at), 1))).sum(1))
        going = np.unravel_index(action, (2, 2, 2))
        return np.asarray(np.ravel_multi_index((*signs, *going), SHAPE))
