"""What a search believes about good plans, and how it draws from and refits that belief."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from doworld.plan.objective import Score
from doworld.plan.space import Space

__all__ = ["Belief", "begin", "best_of", "blank", "draw", "middle", "mixing", "refit"]


class Belief(eqx.Module):
    """Independent normals for continuous actions, level chances for discrete ones, and the best.

    Attributes:
        mean, spread: normal of each continuous action at each step, in scaled units.
        chance: probability of each level of each discrete action at each step.
        elites: the best plans of the last iteration, the best first.
        best, score: the best plan so far.
    """

    mean: Float[Array, "steps actions"]
    spread: Float[Array, "steps actions"]
    chance: Float[Array, "steps actions choices"]
    elites: Float[Array, "elites steps actions"]
    best: Float[Array, "steps actions"]
    score: Score


def begin(space: Space, carried: Belief, mode: Array, spread: float, forget: float) -> Belief:
    """The belief a search begins from, by ``mode``: 0 afresh, 1 around ``carried.best``, 2 shifted.

    ``spread`` is the standard deviation as a share of the range, ``forget`` the share of the
    uniform distribution that is mixed into a carried plan's level chances.
    """
    fresh = _start(space, carried, mode == 1, spread, forget)
    later = _shift(carried, space, spread, forget)
    return jax.tree.map(lambda a, b: jnp.where(mode == 2, b, a), fresh, later)


def blank(space: Space, steps: int, elites: int) -> Belief:
    """Arrays of the right shapes for a search that carries nothing over."""
    actions, choices = space.values.shape
    plan = jnp.broadcast_to(space.hold, (steps, actions))
    return Belief(
        mean=plan,
        spread=jnp.zeros((steps, actions)),
        chance=jnp.zeros((steps, actions, choices)),
        elites=jnp.zeros((elites, steps, actions)),
        best=plan,
        score=_unknown(),
    )


def _start(space: Space, carried: Belief, around: Array, spread: float, forget: float) -> Belief:
    """Doing nothing is among the elites, so that no planner ends worse than that."""
    plan = carried.best
    hold = jnp.broadcast_to(space.hold, plan.shape)
    centre = jnp.broadcast_to((space.low + space.high) / 2, plan.shape)
    uniform = jnp.broadcast_to(space.uniform(), carried.chance.shape)
    near = (1 - forget) * _levels_of(space, plan) + forget * uniform
    return Belief(
        mean=jnp.where(around, plan, centre),
        spread=jnp.broadcast_to(spread * (space.high - space.low), plan.shape),
        chance=jnp.where(around, near, uniform),
        elites=jnp.broadcast_to(hold, carried.elites.shape),
        best=jnp.where(around, plan, hold),
        score=_unknown(),
    )


def _unknown() -> Score:
    return Score(jnp.array(jnp.inf, jnp.float32), jnp.array(jnp.inf, jnp.float32))


def _shift(belief: Belief, space: Space, spread: float, forget: float) -> Belief:
    """The belief one step later: plans move up a step, doubt returns, scores are forgotten."""

    def later(plans: Array) -> Array:
        return jnp.concatenate([plans[1:], plans[-1:]])

    uniform = jnp.broadcast_to(space.uniform(), belief.chance.shape)
    chance = jnp.concatenate([belief.chance[1:], uniform[-1:]])
    return Belief(
        mean=later(belief.mean),
        spread=jnp.broadcast_to(spread * (space.high - space.low), belief.spread.shape),
        chance=(1 - forget) * chance + forget * uniform,
        elites=jax.vmap(later)(belief.elites),
        best=later(belief.best),
        score=_unknown(),
    )


def mixing(steps: int, colour: float) -> Float[np.ndarray, "steps twice"]:
    """The matrix that turns 2T independent normals into T coloured ones of variance 1.

    Their spectrum is 1/f^colour (Timmer & König 1995); 0 is white. Drawn over twice the length, so
    that the first step is not tied to the last.

    >>> mixing(3, 0.0).shape, bool(np.allclose(np.linalg.norm(mixing(3, 2.0), axis=1), 1))
    ((3, 6), True)
    """
    frequency = np.fft.rfftfreq(2 * steps)
    frequency[0] = frequency[1]
    kernel = np.fft.irfft(frequency ** (-colour / 2), 2 * steps)
    rows = np.stack([np.roll(kernel, t) for t in range(steps)])
    return (rows / np.linalg.norm(rows[0])).astype(np.float32)


def draw(
    belief: Belief,
    space: Space,
    mix: Float[Array, "steps twice"],
    size: int,
    key: PRNGKeyArray,
) -> Float[Array, "size steps actions"]:
    """Plans from the belief: coloured noise for continuous actions, white for levels.

    Levels are drawn step by step because a slow drift of them cannot balance anything: CartPole
    with β = 2 fell after 300 steps on average, with white noise not at all.
    """
    steps, actions = belief.mean.shape
    white = jax.random.normal(key, (size, actions, mix.shape[1]))
    noise = jnp.einsum("nas,ts->nta", white, mix)
    continuous = space.within(belief.mean + belief.spread * noise)
    if space.values.shape[1] == 1:
        return continuous
    edges = jnp.cumsum(belief.chance, -1)[..., :-1]
    chance = jax.scipy.special.ndtr(jnp.swapaxes(white[..., :steps], 1, 2))
    level = jnp.sum(chance[..., None] > edges, -1)
    level = jnp.minimum(level, space.levels - 1)
    chosen = space.values[jnp.arange(actions), level]
    return jnp.where(space.discrete > 0, chosen, continuous)


def middle(belief: Belief, space: Space) -> Float[Array, "steps actions"]:
    """The most likely plan."""
    likely = space.values[jnp.arange(space.values.shape[0]), jnp.argmax(belief.chance, -1)]
    return jnp.where(space.discrete > 0, likely, space.within(belief.mean))


def _levels_of(space: Space, plan: Array) -> Array:
    """One-hot levels of a plan, its nearest level where it is between two."""
    at = jnp.argmin(jnp.abs(plan[..., None] - space.values), -1)
    return jax.nn.one_hot(at, space.values.shape[1])


def refit(
    belief: Belief,
    space: Space,
    plans: Float[Array, "some steps actions"],
    weight: Float[Array, " some"],
    *,
    momentum: float,
    floor: float = 0.02,
) -> Belief:
    """The belief moved to the weighted ``plans``; ``momentum`` of the old one stays.

    Every level keeps ``floor`` of a uniform chance, so that none dies out.
    """
    mean = jnp.einsum("n,nta->ta", weight, plans)
    spread = jnp.sqrt(jnp.einsum("n,nta->ta", weight, (plans - mean) ** 2))
    chance = jnp.einsum("n,ntac->tac", weight, _levels_of(space, plans))
    chance = (1 - floor) * chance + floor * space.uniform()

    def blend(old, new):
        return momentum * old + (1 - momentum) * new

    return eqx.tree_at(
        lambda b: (b.mean, b.spread, b.chance),
        belief,
        (
            blend(belief.mean, mean),
            blend(belief.spread, spread),
            blend(belief.chance, chance),
        ),
    )


def best_of(
    belief: Belief, plans: Float[Array, "n steps actions"], score: Score, elites: int
) -> Belief:
    """The belief with the best of ``plans`` as elites and the best plan ever kept."""
    order = jnp.lexsort((score.cost, score.violation))[:elites]
    top = Score(score.cost[order[0]], score.violation[order[0]])
    wins = top.better(belief.score)
    return eqx.tree_at(
        lambda b: (b.elites, b.best, b.score),
        belief,
        (
            plans[order],
            jnp.where(wins, plans[order[0]], belief.best),
            jax.tree.map(lambda new, old: jnp.where(wins, new, old), top, belief.score),
        ),
    )
