"""The pendulum as Gymnasium simulates it: the graph of its equations, and replay of anything.

Gymnasium's Pendulum-v1 (a rod of mass m and length l hung at its end, torque u, τ = 0.05 s) moves
semi-implicitly: the new speed comes first, held within ±8 rad/s, and then turns the rod,

    ω' = ω + τ (3g/(2l) sin θ + 3/(m l²) u),   θ' = θ + τ ω'.

What it shows are cos θ, sin θ and ω. So ω ← (sin, ω, u, g) at lag 1, and cos, sin ← (cos, sin) at
lag 1 and ω of the same row.
"""

import numpy as np
from jaxtyping import Float

from doworld._core.errors import MissingExtraError
from doworld.graph import CausalGraph, Edge

__all__ = ["NAMES", "STATE", "published_graph", "replay"]

STATE = ("cos", "sin", "thetadot")
NAMES = (*STATE, "action", "g")


def published_graph() -> CausalGraph:
    """The edges of the equations above.

    >>> sorted({e.lag for e in published_graph().edges()})
    [0, 1]
    """
    links = [Edge(s, "thetadot") for s in ("sin", "thetadot", "action", "g")]
    for target in ("cos", "sin"):
        links += [Edge("cos", target), Edge("sin", target), Edge("thetadot", target, 0)]
    return CausalGraph(NAMES, tuple(links), max_lag=1)


def replay(
    start: Float[np.ndarray, " 3"], actions: Float[np.ndarray, " steps"], *, gravity: float = 10.0
) -> Float[np.ndarray, "rows 3"]:
    """The simulator's cos θ, sin θ and ω from ``start`` under ``actions`` (torques).

    Raises ``MissingExtraError`` without Gymnasium.
    """
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "replaying the pendulum") from None
    env = gymnasium.make("Pendulum-v1").unwrapped
    env.reset(seed=0)
    env.g = gravity  # type: ignore[attr-defined]
    begin = np.asarray(start, np.float64)
    env.state = np.array([np.arctan2(begin[1], begin[0]), begin[2]])  # type: ignore[attr-defined]
    rows = [begin]
    for action in actions:
        env.step(np.array([action]))
        theta, speed = env.state  # type: ignore[attr-defined]
        rows.append(np.array([np.cos(theta), np.sin(theta), speed]))
    env.close()
    return np.stack(rows)
