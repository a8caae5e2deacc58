"""Model predictive path-integral control."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.plan.belief import Belief, begin, best_of, draw, middle, refit
from doworld.plan.objective import Score
from doworld.plan.space import Space
from doworld.query import MPPI

__all__ = ["MPPIPlanner"]


@dataclass(frozen=True)
class MPPIPlanner:
    """Averages plans by how good they are (Williams et al. 2017).

    μ ← Σ_n w_n plan_n with w_n ∝ exp(−(cost_n − min cost)/(λ·sd of costs)); the noise around μ
    keeps its size. Plans that break a hard limit have no weight while others keep it.
    """

    settings: MPPI

    @property
    def population(self) -> int:
        """Plans per iteration."""
        return self.settings.population

    @property
    def iterations(self) -> int:
        """How often the plans are averaged."""
        return self.settings.iterations

    @property
    def elites(self) -> int:
        """Only the best is remembered."""
        return 1

    def init(self, space: Space, carried: Belief, mode: Int[Array, ""]) -> Belief:
        """Around the carried plan where there is one."""
        return begin(space, carried, mode, self.settings.spread, self.settings.forget)

    def propose(
        self, belief: Belief, space: Space, mix: Float[Array, "steps twice"], key: PRNGKeyArray
    ) -> Float[Array, "population steps actions"]:
        """The average, the best so far, and draws around the average."""
        drawn = draw(belief, space, mix, self.population - 2, key)
        return jnp.concatenate([middle(belief, space)[None], belief.best[None], drawn])

    def update(
        self, belief: Belief, space: Space, plans: Float[Array, "n steps actions"], score: Score
    ) -> Belief:
        """Moves the average; the spread stays."""
        belief = best_of(belief, plans, score, self.elites)
        least = score.violation <= jnp.min(score.violation)
        cost = jnp.where(least, score.cost, jnp.nan)
        scale = self.settings.temperature * jnp.nanstd(cost) + 1e-12
        weight = jax.nn.softmax(
            jnp.where(least, -(score.cost - jnp.nanmin(cost)) / scale, -jnp.inf)
        )
        moved = refit(belief, space, plans, weight, momentum=0.0, floor=self.settings.floor)
        return eqx.tree_at(lambda b: b.spread, moved, belief.spread)
