"""Random dynamic worlds: sparse causes at lag 1 and within the row, of a chosen form.

    z_i(t+1) = ρ z_i(t) + Σ_j w_j f_j(p_j) + σ_i(p) ε_i,    ε_i ~ N(0, 1),

p_j the causes of z_i: states and actions one row before, states of the same row. Linear worlds
have f_j(p) = p; additive ones draw each f_j from bent functions; location-scale ones also let one
cause set σ_i = 0.5 + |tanh p|. Weights are drawn from ±[0.5, 1] times ``strength`` and, where f is
linear, the matrix of lagged weights is shrunk until its spectral radius is at most 0.9.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from doworld.data import Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import World

__all__ = ["Form", "RandomWorld"]

BENT = (
    np.tanh,
    np.sin,
    np.abs,
    lambda p: p * np.exp(-(p**2) / 2) * 2,
    lambda p: np.maximum(p, 0),
)


class Form(StrEnum):
    """How a cause moves its effect."""

    LINEAR = "linear"
    ADDITIVE = "additive"
    LOCATION_SCALE = "location-scale"


@dataclass(frozen=True)
class _Cause:
    source: int
    lag: int
    weight: float
    function: int  # −1: linear


class RandomWorld(World):
    """A world drawn at random.

    Args:
        variables: how many states.
        parents: causes at lag 1 of each state beside its own past.
        within: causes within the row of each state but the first.
        actions: continuous actions on [−1, 1], each a cause of one state.
        form: how causes act.
        strength: of the causes, relative to noise of standard deviation 1.
        memory: ρ, how much of its own past a state keeps; 0 leaves that edge out.
        seed: of the graph, the forms and the weights.

    >>> world = RandomWorld(4, parents=1, seed=1)
    >>> len(world.graph.edges()), world.collect(1, 100, seed=0).rows
    (8, 101)
    """

    def __init__(
        self,
        variables: int,
        *,
        parents: int = 2,
        within: int = 0,
        actions: int = 0,
        form: Form = Form.LINEAR,
        strength: float = 0.4,
        memory: float = 0.4,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        names = [f"z{i}" for i in range(variables)]
        levers = [f"a{i}" for i in range(actions)]
        given = [Variable(n, Role.ACTION, bounds=(-1.0, 1.0)) for n in levers]
        self.schema = Schema((*map(Variable, names), *given), policy=Policy.RANDOMISED)
        self.form, self.memory = Form(form), memory
        self.order = tuple(rng.permutation(variables).tolist())
        self.causes: list[list[_Cause]] = [[] for _ in range(variables)]
        for place, i in enumerate(self.order):
            others = np.delete(np.arange(variables), i)
            lagged = rng.choice(others, min(parents, len(others)), replace=False)
            above = rng.choice(self.order[:place], min(within, place), replace=False)
            for source, lag in [(s, 1) for s in lagged] + [(s, 0) for s in above]:
                self.causes[i].append(self._cause(int(source), lag, strength, rng))
        for k in range(actions):
            i = int(rng.integers(variables))
            self.causes[i].append(self._cause(variables + k, 1, 2 * strength, rng))
        if self.form is Form.LINEAR:
            self._calm()
        self.graph = self._graph()

    def _cause(self, source: int, lag: int, strength: float, rng: np.random.Generator) -> _Cause:
        weight = strength * rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0)
        bent = self.form is not Form.LINEAR
        return _Cause(source, lag, float(weight), int(rng.integers(len(BENT))) if bent else -1)

    def _calm(self) -> None:
        """Shrinks the weights at lag 1 until no disturbance grows."""
        d = len(self.order)
        lagged, now = self.memory * np.eye(d), np.zeros((d, d))
        for i, causes in enumerate(self.causes):
            for c in causes:
                if c.source < d:
                    (lagged if c.lag else now)[i, c.source] = c.weight
        radius = np.abs(np.linalg.eigvals(np.linalg.solve(np.eye(d) - now, lagged))).max(initial=0)
        shrink = min(1.0, 0.9 / max(float(radius), 1e-12))
        self.memory *= shrink
        self.causes = [
            [_Cause(c.source, c.lag, c.weight * (shrink if c.lag else 1), -1) for c in causes]
            for causes in self.causes
        ]

    def _graph(self) -> CausalGraph:
        names = self.schema.names
        own = [Edge(names[i], names[i]) for i in range(len(self.order)) if self.memory]
        more = [
            Edge(names[c.source], names[i], c.lag) for i, cs in enumerate(self.causes) for c in cs
        ]
        return CausalGraph(names, (*own, *more))

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """Standard normal states."""
        return rng.normal(size=(count, len(self.schema)))

    def mechanism(self, variable, row, before, noise):
        """The equation above."""
        out = self.memory * before[:, variable]
        spread = np.ones(len(row))
        for number, c in enumerate(self.causes[variable]):
            p = (before if c.lag else row)[:, c.source]
            out = out + c.weight * (p if c.function < 0 else BENT[c.function](p))
            if self.form is Form.LOCATION_SCALE and number == 0:
                spread = 0.5 + np.abs(np.tanh(p))
        return out + spread * norm.ppf(noise)
