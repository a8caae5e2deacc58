"""The bivariate causal de Finetti world: very many environments with two samples each.

Source: Guo, Tóth, Schölkopf & Huszár (2023), "Causal de Finetti: on the identification of invariant
causal structure in exchangeable data", the continuous bivariate experiment. The reading taken here,
for every environment e and both samples s in it:

    N_c^e, N_y^e ~ U(−1, 1),   c = N_c^e + Laplace(0, 1),   u = N_y^e + Laplace(0, 1)
    effect = a·c + b·u + q^e · k·(a·c² + (b − 1)·u²)

with c the cause, u the effect's own noise, a, b, k ∈ {1, …, 9} drawn once a world, and q^e = 1 in a
random half of the environments, 0 in the others. N_c^e changes how the cause comes about, N_y^e and
q^e how the effect answers it, each by itself: what tells the two directions apart, where one
environment alone cannot. Without an edge both variables are of the form of c.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld._core.errors import DataError
from doworld.data import Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge

__all__ = ["DeFinetti"]

NAMES = ("x", "y")


@dataclass(frozen=True)
class DeFinetti:
    """Two variables whose mechanisms differ between environments, each in its own way.

    It is no ``World``: an environment lasts for two rows, and there is nothing to act on.

    Attributes:
        cause: position of the cause, 0 or 1; None where neither acts on the other.
        slope: a, the effect's answer to its cause.
        own: b, its answer to its own noise.
        bend: k, the weight of the squares.

    >>> world = DeFinetti(cause=0)
    >>> [str(edge) for edge in world.graph.edges()]
    ['x(t) --> y(t)']
    >>> log = world.collect(300, seed=0)
    >>> log.rows, len(log.schema.environments)
    (600, 300)
    """

    cause: int | None = 0
    slope: float = 1.0
    own: float = 1.0
    bend: float = 1.0

    @classmethod
    def drawn(cls, seed: int) -> "DeFinetti":
        """A world with one of the three structures, each as likely, and a, b, k at random."""
        rng = np.random.default_rng(seed)
        cause = (0, 1, None)[int(rng.integers(3))]
        slope, own, bend = map(float, rng.integers(1, 10, 3))
        return cls(cause, slope, own, bend)

    @property
    def graph(self) -> CausalGraph:
        """The true graph."""
        links = () if self.cause is None else (Edge(NAMES[self.cause], NAMES[1 - self.cause], 0),)
        return CausalGraph(NAMES, links, max_lag=0)

    def collect(self, environments: int, *, samples: int = 2, seed: int = 0) -> Trajectories:
        """A table of ``samples`` rows from each of ``environments`` environments.

        Raises ``DataError`` for fewer than two environments or no sample.
        """
        if environments < 2 or samples < 1:
            raise DataError(
                f"{environments} environments with {samples} samples each were asked for, but at "
                "least two environments are needed to differ. Ask for more."
            )
        rng = np.random.default_rng(seed)
        values = self._values(rng, environments, samples).reshape(environments * samples, 2)
        rows = len(values)
        schema = Schema(
            tuple(Variable(name) for name in NAMES),
            step=0.0,
            environments=tuple(f"environment{e}" for e in range(environments)),
        )
        return Trajectories(
            schema=schema,
            values=values,
            starts=np.arange(rows + 1),
            times=np.zeros(rows),
            environment=np.repeat(np.arange(environments), samples),
            terminated=np.zeros(rows, bool),
            truncated=np.zeros(rows, bool),
            labels=tuple(map(str, range(rows))),
        )

    def _values(
        self, rng: np.random.Generator, environments: int, samples: int
    ) -> Float[np.ndarray, "environments samples 2"]:
        centre = rng.uniform(-1, 1, (environments, 1, 2))
        values = centre + rng.laplace(size=(environments, samples, 2))
        bent = np.zeros((environments, 1))
        bent[rng.permutation(environments)[: environments // 2]] = 1.0
        if self.cause is None:
            return values
        c, u = values[..., self.cause], values[..., 1 - self.cause]
        straight = self.slope * c + self.own * u
        square = self.bend * (self.slope * c**2 + (self.own - 1) * u**2)
        values[..., 1 - self.cause] = straight + bent * square
        return values
