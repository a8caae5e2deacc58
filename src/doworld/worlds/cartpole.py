"""CartPole as Gymnasium simulates it: the published graph, and replay with anything changed.

Source: Barto, Sutton & Anderson (1983), "Neuronlike adaptive elements that can solve difficult
learning control problems", equations of the cart-pole, as integrated by Gymnasium's CartPole-v1
(Euler, τ = 0.02 s). With temp = (F + m l ω² sin θ)/M:

    ω̇ = (g sin θ − cos θ · temp) / (l (4/3 − m cos² θ / M)),   v̇ = temp − m l ω̇ cos θ / M

so x ← (x, v); v ← (v, θ, ω, F, g, l); θ ← (θ, ω); ω ← (ω, θ, F, g, l). Length cancels out of v̇
but for the term m l ω² sin θ / M, about one part in ten thousand of v's step.
"""

import numpy as np
from jaxtyping import Float

from doworld._core.errors import MissingExtraError
from doworld.graph import CausalGraph, Edge

__all__ = ["NAMES", "STATE", "alive", "published_graph", "replay"]

STATE = ("x", "x_dot", "theta", "theta_dot")
NAMES = (*STATE, "action", "gravity", "length")


def published_graph() -> CausalGraph:
    """The edges of the published equations, all at lag 1.

    >>> len(published_graph().edges())
    15
    """
    rows = {
        "x": ("x", "x_dot"),
        "x_dot": ("x_dot", "theta", "theta_dot", "action", "gravity", "length"),
        "theta": ("theta", "theta_dot"),
        "theta_dot": ("theta", "theta_dot", "action", "gravity", "length"),
    }
    links = tuple(Edge(source, target) for target, sources in rows.items() for source in sources)
    return CausalGraph(NAMES, links)


def alive(rows: Float[np.ndarray, "rows 4"]) -> bool:
    """Whether CartPole-v1 would go on through all rows: |x| ≤ 2.4 m and |θ| ≤ 12°."""
    return bool(np.all(np.abs(rows[:, 0]) <= 2.4) and np.all(np.abs(rows[:, 2]) <= np.pi / 15))


def replay(
    start: Float[np.ndarray, " 4"],
    actions: Float[np.ndarray, " steps"],
    *,
    gravity: float = 9.8,
    length: float = 0.5,
) -> Float[np.ndarray, "rows 4"]:
    """The simulator's states from ``start`` under ``actions``; goes on where an episode would end.

    Raises ``MissingExtraError`` without Gymnasium.
    """
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "replaying CartPole") from None
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    env.gravity, env.length = gravity, length  # type: ignore[attr-defined]
    env.polemass_length = env.masspole * length  # type: ignore[attr-defined]
    env.state = tuple(np.asarray(start, np.float64))  # type: ignore[attr-defined]
    rows = [np.asarray(start, np.float64)]
    for action in actions:
        env.steps_beyond_terminated = None  # type: ignore[attr-defined]
        env.step(int(action))
        rows.append(np.array(env.state, np.float64))  # type: ignore[attr-defined]
    env.close()
    return np.stack(rows)
