"""The improved cross-entropy method for real-time planning."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.plan.belief import Belief, begin, best_of, draw, middle, refit
from doworld.plan.objective import Score
from doworld.plan.space import Space
from doworld.query import ICEM

__all__ = ["ICEMPlanner"]


@dataclass(frozen=True)
class ICEMPlanner:
    """CEM with noise that is correlated in time and a memory of elites (Pinneri et al. 2020).

    Noise has the spectrum 1/f^β; a share ξ of the elites is tried again in the next iteration and,
    shifted by a step, in the next search; μ and σ keep a momentum α; the best plan seen is carried
    out. The paper's decaying population is left out: its shapes would not be fixed.
    """

    settings: ICEM

    @property
    def population(self) -> int:
        """N."""
        return self.settings.population

    @property
    def iterations(self) -> int:
        """How often the distribution is refitted."""
        return self.settings.iterations

    @property
    def elites(self) -> int:
        """K."""
        return self.settings.elites

    def init(self, space: Space, carried: Belief, mode: Int[Array, ""]) -> Belief:
        """Around the carried plan where there is one."""
        return begin(space, carried, mode, self.settings.spread, self.settings.forget)

    def propose(
        self, belief: Belief, space: Space, mix: Float[Array, "steps twice"], key: PRNGKeyArray
    ) -> Float[Array, "population steps actions"]:
        """The most likely plan, the best so far, kept elites, and draws."""
        kept = min(math.ceil(self.settings.kept * self.elites), self.population - 2)
        drawn = draw(belief, space, mix, self.population - 2 - kept, key)
        first = jnp.stack([middle(belief, space), belief.best])
        return jnp.concatenate([first, belief.elites[:kept], drawn])

    def update(
        self, belief: Belief, space: Space, plans: Float[Array, "n steps actions"], score: Score
    ) -> Belief:
        """Refits to the elites."""
        belief = best_of(belief, plans, score, self.elites)
        equal = jnp.full(self.elites, 1 / self.elites)
        return refit(belief, space, belief.elites, equal, momentum=self.settings.momentum)
