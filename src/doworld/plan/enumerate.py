"""Exact search over every sequence of a small discrete problem."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld._core.errors import QueryError
from doworld.plan.belief import Belief, begin, best_of
from doworld.plan.objective import Score
from doworld.plan.space import Space
from doworld.query import Enumerate

__all__ = ["EnumeratePlanner", "sequences"]


def sequences(space: Space, names: tuple[str, ...], settings: Enumerate) -> int:
    """How many plans there are; raises ``QueryError`` where they are too many or not countable."""
    continuous = [n for n, d in zip(names, space.discrete.tolist(), strict=True) if not d]
    if continuous:
        raise QueryError(
            f"{', '.join(map(repr, continuous))} has no levels to enumerate. "
            "Use planner=ICEM(), or give the action the kind 'binary' or 'categorical'."
        )
    choices = math.prod(int(n) for n in space.levels)
    horizon = int(space.horizon)
    count = choices**horizon
    if count > settings.most:
        fits = int(math.log(settings.most, choices) + 1e-9) if choices > 1 else horizon
        raise QueryError(
            f"{choices} choices over {horizon} rows make {count:,} plans, more than "
            f"most={settings.most:,}. Shorten the horizon to {max(fits, 1)}, raise 'most', or use "
            "planner=ICEM()."
        )
    return count


@dataclass(frozen=True)
class EnumeratePlanner:
    """Tries every sequence of levels once; ``population`` is their number, rounded up."""

    population: int
    iterations: int = 1
    elites: int = 1

    def init(self, space: Space, carried: Belief, mode: Int[Array, ""]) -> Belief:
        """Nothing is carried over: the search is complete."""
        return begin(space, carried, mode * 0, 1.0, 1.0)

    def propose(
        self, belief: Belief, space: Space, mix: Float[Array, "steps twice"], key: PRNGKeyArray
    ) -> Float[Array, "population steps actions"]:
        """Number n written in the mixed radix of the actions' levels; what is over repeats."""
        steps, actions = belief.best.shape
        free = (jnp.arange(steps) < space.horizon)[:, None]
        base = jnp.where(free, space.levels, 1).reshape(-1)
        place = jnp.concatenate([jnp.ones(1, base.dtype), jnp.cumprod(base)[:-1]])
        digit = (jnp.arange(self.population)[:, None] // place) % base
        digit = digit.reshape(self.population, steps, actions)
        return space.values[jnp.arange(actions), digit]

    def update(
        self, belief: Belief, space: Space, plans: Float[Array, "n steps actions"], score: Score
    ) -> Belief:
        """Keeps the best."""
        return best_of(belief, plans, score, self.elites)
