"""The cross-entropy method."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.plan.belief import Belief, begin, best_of, draw, middle, refit
from doworld.plan.objective import Score
from doworld.plan.space import Space
from doworld.query import CEM

__all__ = ["CEMPlanner"]


@dataclass(frozen=True)
class CEMPlanner:
    """Refits the sampling distribution to the best plans of each iteration (Rubinstein 1999).

    μ, σ ← mean and standard deviation of the K plans of least cost among N; level chances are
    their frequencies. The most likely plan and the best so far are always among the N.
    """

    settings: CEM

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
        """The most likely plan, the best so far, and draws."""
        drawn = draw(belief, space, mix, self.population - 2, key)
        return jnp.concatenate([middle(belief, space)[None], belief.best[None], drawn])

    def update(
        self, belief: Belief, space: Space, plans: Float[Array, "n steps actions"], score: Score
    ) -> Belief:
        """Refits to the elites."""
        belief = best_of(belief, plans, score, self.elites)
        equal = jnp.full(self.elites, 1 / self.elites)
        return refit(belief, space, belief.elites, equal, momentum=0.0)
