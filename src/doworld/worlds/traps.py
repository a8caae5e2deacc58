"""Worlds in which an honest reply is a bound or a refusal, each beside its twin without the trap.

All share one system over rows, with random coefficients:

    u(t+1) = ρ_u u(t) + e_u,    w(t+1) = ρ_w w(t) + e_w,
    y(t+1) = ρ_y y(t) + β h(a(t − k)) + γ u(t) + δ w(t) + σ e_y,    e ~ N(0, 1),

y is the outcome, a the action, u and w move y and may move a, h is what the action does and k how
many rows later. A trap changes one thing, its twin does not:

    hidden         u moves the action and is not logged            | u is logged
    deterministic  the action is a function of w and y             | with noise of its own
    measurement    w moves the action, and is logged with error    | without error
    extrapolation  the action asked about lies far outside the log,
                   where h saturates                               | inside the log
    overlap        the action was 1 only where w was high, and is
                   asked about where w is low                      | given everywhere
    lag            k = 3, and the analyst allows one lag           | k = 0
    collider       adjusts for a common effect of a and y          | for w
    selection      only rows with a high common effect of a and y
                   were kept                                       | all rows

The last two are static tables; what people must know to see the trap (the common effect's place in
the graph, that rows were selected by it) is told, since no data can show it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from doworld.data import Trajectories
from doworld.graph import CausalGraph, Edge
from doworld.query import Do, Effect, Rows, Set

__all__ = ["Trap", "TrapWorld", "trap_world"]

EPISODES, STEPS = 40, 50
ROWS = 2000


class Trap(StrEnum):
    """What makes the obvious answer wrong."""

    HIDDEN = "hidden confounder"
    DETERMINISTIC = "deterministic logging policy"
    MEASUREMENT = "measurement error"
    EXTRAPOLATION = "extrapolation"
    OVERLAP = "no overlap"
    LAG = "wrong lag"
    COLLIDER = "collider conditioning"
    SELECTION = "selection"


@dataclass(frozen=True, eq=False)
class TrapWorld:
    """A log, what is asked of it, and the truth.

    Attributes:
        log: what the analyst has.
        question: what is asked; its answer about ``target`` at its last row is compared.
        truth: E[y | do] at that row, or the effect.
        realised: one outcome drawn under do, for answers that are predictions; NaN for an effect.
        known: further arguments of ``learn``: what the analyst believes.
    """

    kind: Trap
    sprung: bool
    log: Trajectories
    question: Do | Effect
    truth: float
    realised: float = float("nan")
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The outcome."""
        return "y"


def trap_world(kind: Trap, *, sprung: bool, seed: int = 0) -> TrapWorld:
    """A random world with the trap, or its twin without it.

    >>> world = trap_world(Trap.DETERMINISTIC, sprung=True, seed=1)
    >>> world.log.schema.names, world.log.rows
    (('w', 'y', 'a'), 2040)
    """
    if kind in (Trap.COLLIDER, Trap.SELECTION):
        return _table(kind, sprung, seed)
    return _dynamic(kind, sprung, seed)


@dataclass(frozen=True)
class _System:
    """The coefficients of one world."""

    u: float
    w: float
    y: float
    beta: float
    gamma: float
    delta: float
    sigma: float
    seen: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_System":
        sign = rng.choice([-1.0, 1.0], 4)
        return cls(
            u=rng.uniform(0.8, 0.95),
            w=rng.uniform(0.5, 0.8),
            y=rng.uniform(0.3, 0.7),
            beta=sign[0] * rng.uniform(0.5, 1.0),
            gamma=sign[1] * rng.uniform(0.5, 1.0),
            delta=sign[2] * rng.uniform(0.4, 0.8),
            sigma=rng.uniform(0.3, 0.6),
            seen=sign[3] * rng.uniform(0.6, 1.0),
        )


def _dynamic(kind: Trap, sprung: bool, seed: int) -> TrapWorld:
    rng = np.random.default_rng([seed, list(Trap).index(kind)])
    system = _System.drawn(rng)
    late = 3 if kind is Trap.LAG and sprung else 0
    rows = _recorded(system, kind, sprung, late, rng)
    given = {"w": float(rng.uniform(-0.5, 0.5)), "y": float(rng.uniform(-0.5, 0.5))}
    if kind is Trap.OVERLAP:
        given["w"] = float(rng.uniform(-1.5, -1.0))
    value = {Trap.EXTRAPOLATION: 4.0 if sprung else 0.8, Trap.OVERLAP: 1.0}.get(kind, 1.0)
    horizon = 1 + max(late, 3)
    after = _after(system, kind, late, given, value, horizon, rng)
    names = ["w", "y"]
    if kind is Trap.HIDDEN:
        names = ["y"] if sprung else ["u", "y"]
        given = {n: given.get(n, 0.0) for n in names}
    elif kind is Trap.MEASUREMENT and sprung:
        rows["w"] = rows["w"] + rng.normal(size=rows["w"].shape) * rows["w"].std()
    question = Do(
        given=Rows(columns={n: (v,) for n, v in given.items()}),
        interventions=(Set("a", value, at=range(horizon)),),
        horizon=horizon,
        target=("y",),
        level=0.95,
    )
    known = {"max_lag": 1} if kind is Trap.LAG else {}
    return TrapWorld(
        kind, sprung, _log(rows, names), question, float(after.mean()), float(after[0]), known
    )


def _recorded(system, kind, sprung, late, rng) -> dict[str, np.ndarray]:
    """Episodes of the system under its logging policy, (episodes, rows) by variable."""
    shape = (EPISODES, STEPS + 1)
    u, w, y, a = (np.zeros(shape) for _ in range(4))
    u[:, 0], w[:, 0], y[:, 0] = rng.normal(size=(3, EPISODES))
    for t in range(STEPS + 1):
        if t:
            past = a[:, max(t - 1 - late, 0)] if t > late else np.zeros(EPISODES)
            u[:, t], w[:, t], y[:, t] = _next(
                system, kind, (u[:, t - 1], w[:, t - 1], y[:, t - 1]), past, rng
            )
        a[:, t] = _action(system, kind, sprung, u[:, t], w[:, t], y[:, t], rng)
    return {"u": u, "w": w, "y": y, "a": a}


def _next(system, kind, before, action, rng):
    u, w, y = before
    noise = rng.normal(size=(3, len(y)))
    strength = system.beta * (1 + np.tanh(w) if kind is Trap.OVERLAP else 1.0)
    hidden = system.gamma * u if kind is Trap.HIDDEN else 0.0
    return (
        system.u * u + np.sqrt(1 - system.u**2) * noise[0],
        system.w * w + np.sqrt(1 - system.w**2) * noise[1],
        system.y * y
        + strength * _does(kind, action)
        + hidden
        + system.delta * w
        + system.sigma * noise[2],
    )


def _does(kind: Trap, action: np.ndarray) -> np.ndarray:
    """h: the action as it is, but saturating beyond its logged range under extrapolation."""
    return np.clip(action, -1.2, 1.2) if kind is Trap.EXTRAPOLATION else action


def _action(system, kind, sprung, u, w, y, rng) -> np.ndarray:
    own = rng.normal(size=len(y))
    if kind is Trap.HIDDEN:
        return system.seen * u + 0.6 * own
    if kind is Trap.MEASUREMENT:
        return system.seen * w + 0.6 * own
    if kind is Trap.DETERMINISTIC:
        return system.seen * w - 0.3 * y + (0.0 if sprung else 0.6) * own
    if kind is Trap.OVERLAP:
        chance = np.where(w > 0, 0.5, 0.0) if sprung else np.full(len(w), 0.5)
        return (rng.uniform(size=len(w)) < chance).astype(float)
    return np.clip(own, -1, 1) if kind is Trap.EXTRAPOLATION else own


def _after(system, kind, late, given, value, horizon, rng, count=20_000) -> np.ndarray:
    """The outcome after ``horizon`` rows under do, from the given state, in many futures."""
    w, y = np.full(count, given["w"]), np.full(count, given["y"])
    u = np.full(count, 0.0)
    for t in range(horizon):
        action = np.full(count, value if t >= late else 0.0)
        u, w, y = _next(system, kind, (u, w, y), action, rng)
    return y


def _log(rows: dict[str, np.ndarray], names: list[str]) -> Trajectories:
    episodes, length = rows["y"].shape
    action = rows["a"].copy()
    action[:, -1] = np.nan
    frame = pl.DataFrame(
        {
            "ep": np.repeat(np.arange(episodes), length),
            "t": np.tile(np.arange(length), episodes),
            **{n: rows[n].ravel() for n in names},
            "a": action.ravel(),
        }
    ).with_columns(pl.col("a").fill_nan(None))
    if set(np.unique(rows["a"])) == {0.0, 1.0}:
        frame = frame.with_columns(pl.col("a").cast(pl.Boolean))
    return Trajectories.from_frame(frame, state=names, action=["a"], episode="ep", time="t")


def _table(kind: Trap, sprung: bool, seed: int) -> TrapWorld:
    """w → a, w → y, a → y, and s, a common effect of a and y; a is 0 or 1."""
    rng = np.random.default_rng([seed, list(Trap).index(kind)])
    system = _System.drawn(rng)
    size = ROWS * (4 if kind is Trap.SELECTION and sprung else 1)
    w = rng.normal(size=size)
    a = (rng.uniform(size=size) < 1 / (1 + np.exp(-system.seen * w))).astype(float)
    y = system.beta * a + system.delta * w + system.sigma * rng.normal(size=size)
    s = a + np.sign(system.beta) * y + 0.3 * rng.normal(size=size)
    table: dict[str, Float[np.ndarray, " rows"]] = {"w": w, "y": y, "a": a}
    links = [Edge("w", "a", 0), Edge("w", "y", 0), Edge("a", "y", 0)]
    names = ["w", "y"]
    adjust = ("w",)
    if kind is Trap.COLLIDER:
        table["s"] = s
        adjust = ("w", "s") if sprung else ("w",)
    else:
        kept = np.argsort(-s)[: size // 4] if sprung else np.arange(size)
        table = {n: column[np.sort(kept)] for n, column in table.items()}
        table["s"] = np.ones(len(kept)) if sprung else (s > np.median(s)).astype(float)
    names.append("s")
    links += [Edge("a", "s", 0), Edge("y", "s", 0)]
    frame = pl.DataFrame(table).with_columns(pl.col("a").cast(pl.Boolean))
    log = Trajectories.from_frame(frame, state=names, action=["a"])
    graph = CausalGraph(log.schema.names, tuple(links), max_lag=0)
    question = Effect(treatment="a", outcome="y", adjust=adjust, level=0.95)
    return TrapWorld(kind, sprung, log, question, system.beta, known={"graph": graph})
