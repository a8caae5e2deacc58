"""A finished plan beside others, in many futures: its cost by term, and what it risks."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from doworld.plan.objective import GoalCost
from doworld.plan.search import Problem, futures, imagine

__all__ = ["Verdict", "judge"]


class Verdict(eqx.Module):
    """What n plans come to, as expectations over members and noise.

    Attributes:
        parts: cost by kind of term (target, keep, slope) and variable.
        kept: probability that the variable stays within its hard limit in all rows.
        low, high: smallest and largest value over the rows of every future, in scaled units.
    """

    parts: Float[Array, "n 3 variables"]
    kept: Float[Array, "n variables"]
    low: Float[Array, "futures n variables"]
    high: Float[Array, "futures n variables"]


@partial(jax.jit, static_argnames="draws")
def judge(
    problem: Problem, plans: Float[Array, "n steps actions"], key: PRNGKeyArray, draws: int
) -> Verdict:
    """Every plan in the same ``draws`` futures, which are not those that the search used."""
    cost = problem.cost
    assert isinstance(cost, GoalCost)
    active = cost.active[:, None] > 0

    def one(own, luck, plan):
        rows = jnp.nan_to_num(imagine(problem, own, luck, plan))
        low = jnp.min(jnp.where(active, rows, jnp.inf), 0)
        high = jnp.max(jnp.where(active, rows, -jnp.inf), 0)
        return cost.parts(rows), cost.excess(rows) <= 0, low, high

    def member(inputs):
        own, lucks = inputs
        return jax.vmap(lambda luck: jax.vmap(lambda p: one(own, luck, p))(plans))(lucks)

    parts, kept, low, high = jax.lax.map(member, futures(problem, draws, key))
    return Verdict(
        parts=jnp.mean(parts, (0, 1)),
        kept=jnp.mean(kept, (0, 1)),
        low=low.reshape(-1, *low.shape[2:]),
        high=high.reshape(-1, *high.shape[2:]),
    )
