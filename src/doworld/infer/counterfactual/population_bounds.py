"""Bounds for many episodes at once, where what is done runs through levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Kind
from doworld.infer.counterfactual.bounds import NO_ENDS, ambiguous, assumed, ends_of
from doworld.infer.counterfactual.episodes import Episodes
from doworld.infer.counterfactual.fact import Fact, Otherwise, luck_of
from doworld.infer.counterfactual.replay import complete, replay, stacked
from doworld.infer.engine import key_of
from doworld.infer.history import fill
from doworld.infer.no_assumption import widest
from doworld.model.world import WorldModel
from doworld.query import Intervention, Series
from doworld.query.done import arrays

__all__ = ["Opened", "opened", "widened"]

EACH = 400
"""Different episodes whose bounds are worked out, one by one; of more, none are."""

DRAWS = 8
"""Posterior draws by member and episode, which tell what is open."""


@dataclass(frozen=True, eq=False)
class Opened:
    """What the episodes do not determine in one world.

    Attributes:
        where: by row and target, whether it is open in any episode.
        low, high: the means of what each episode's effect on a target can have been, infinite
            where no bound is known; NaN for categories.
        shares: of categories, the means of the bounds on the chance of each level, by target.
        levels: names of the open levels.
        sharp: whether all of their bounds are attained.
        counted: whether the bounds were worked out at all.
    """

    where: Bool[np.ndarray, "rows targets"]
    low: Float[np.ndarray, "rows targets"]
    high: Float[np.ndarray, "rows targets"]
    shares: dict[int, tuple[np.ndarray, np.ndarray]]
    levels: tuple[str, ...]
    sharp: bool
    counted: bool = True

    def words(self, names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """(assumptions, warnings) of what levels leave open."""
        if not self.levels:
            return (), []
        levels = ", ".join(self.levels)
        gumbel, bounds = assumed(levels, sharp=self.sharp)
        if not self.counted:
            return (gumbel,), [
                f"No bound is known: {levels} is open in more than {EACH} episodes, which are "
                "bounded one by one. Ask about fewer, log[:100], or set the levels."
            ]
        lost = [
            n
            for n, low, high in zip(names, self.low.T, self.high.T, strict=True)
            if np.isinf(low).any() or np.isinf(high).any()
        ]
        mean = "The bounds on a mean are the means of every episode's bounds."
        warnings = [f"No bound is known for {n}: ask about one episode, log[3]." for n in lost]
        return (gumbel, bounds, mean), warnings


def opened(
    episodes: Episodes,
    worlds: Sequence[Sequence[Intervention]],
    moved: Sequence[Float[np.ndarray, "members units rows targets"]],
    levels: Sequence[int],
    wild: Sequence[Bool[np.ndarray, "units rows targets"]],
    seed: int,
) -> list[Opened | None]:
    """What stays open in each world, None where the recovered noise determines every target.

    ``levels`` are the columns of levels whose noise is known only up to a posterior. An episode's
    bounds are those of the question about it alone; the mean over the episodes lies between the
    means of their bounds. Where ``wild``, no learned law vouches for an episode.
    """
    model, targets = episodes.model, list(episodes.targets)
    reach = episodes.reach
    for done in worlds:
        reach = reach.following(arrays(model.schema, done, episodes.count))
    above = reach.ancestors(targets)
    between = [i for i in levels if i in above]
    touched = sorted({model.schema.position(d.variable) for done in worlds for d in done})
    if not np.isfinite(reach.delay[np.ix_(touched, between)]).any():
        nothing: list[_One | None] = [None] * episodes.units
        return [
            _joined(episodes, nothing, values, own) for values, own in zip(moved, wild, strict=True)
        ]
    units = _Units(episodes, worlds, tuple(levels), seed)
    distinct: dict[bytes, int] = {}
    stands_for = [
        distinct.setdefault(episodes.logged[u, :n].tobytes(), u)
        for u, n in enumerate(episodes.lengths)
    ]
    own = {u: units.one(u, counted=len(distinct) <= EACH) for u in distinct.values()}
    every = [own[u] for u in stands_for]
    return [
        _joined(episodes, [each[w] for each in every], values, own)
        for w, (values, own) in enumerate(zip(moved, wild, strict=True))
    ]


@dataclass(frozen=True, eq=False)
class _One:
    """One episode's open rows and bounds on values, rows 0…T."""

    where: Bool[np.ndarray, "rows variables"]
    low: Float[np.ndarray, "rows variables"]
    high: Float[np.ndarray, "rows variables"]
    chances: tuple[np.ndarray, np.ndarray] | None
    sharp: bool
    counted: bool


@dataclass(frozen=True, eq=False)
class _Units:
    episodes: Episodes
    worlds: Sequence[Sequence[Intervention]]
    levels: tuple[int, ...]
    seed: int

    def one(self, unit: int, *, counted: bool) -> list[_One | None]:
        """What is open in every world of one episode, as in the question about it alone."""
        episodes, model = self.episodes, self.episodes.model
        logged = episodes.logged[unit, : episodes.lengths[unit]]
        filled = fill(logged, model.typical)
        fact = Fact(model, episodes.reach, episodes.targets, logged, filled, self.seed)
        worlds = [fact.otherwise(tuple(done)) for done in self.worlds]
        if not any(w.reached[:, list(self.levels)].any() for w in worlds):
            return [None] * len(worlds)
        first, second, third = jax.random.split(jax.random.fold_in(key_of(self.seed), unit), 3)
        rows = complete(
            model.dynamics, fact.window, fact.rows, fact.missing, samples=DRAWS, key=first
        )
        every = stacked([fact.world, *(w.world for w in worlds)])
        luck = luck_of(fact, every, DRAWS)
        out = replay(model.dynamics, fact.window, rows, every, luck=luck, key=second)
        return [
            self._world(world, rows, out[:, :, [0, n]], third, counted)
            for n, world in enumerate(worlds, 1)
        ]

    def _world(self, world: Otherwise, rows, out, key, counted: bool) -> _One | None:
        from doworld.infer.counterfactual.single import changed

        where = ambiguous(world.setup, world.reached, self.levels, changed(world, out))
        if not where[:, list(world.setup.targets)].any():
            return None
        low, high = np.full(where.shape, -np.inf), np.full(where.shape, np.inf)
        if not counted or (where & world.setup.done.followed).any():
            return _One(where, low, high, None, False, counted)
        values = world.values(rows, out[:, :, 1], out[:, :, 0])
        found, ends = ends_of(world, rows, out, values, where, key)
        if ends is not None:
            low, high = ends.lower, ends.upper
        levels = np.array([v.levels for v in world.fact.model.schema.variables])
        sharp = bool(found.sharp[where & (levels > 0)].all())
        return _One(where, low, high, (found.lower.min(0), found.upper.max(0)), sharp, counted)


def _joined(
    episodes: Episodes,
    every: Sequence[_One | None],
    values: Float[np.ndarray, "members units rows targets"],
    wild: Bool[np.ndarray, "units rows targets"],
) -> Opened | None:
    """The means of all episodes' bounds; what an episode determines is between its members."""
    some = [(u, each) for u, each in enumerate(every) if each is not None]
    if not some and not wild.any():
        return None
    model, count = episodes.model, episodes.inside.sum(0)
    shape = (episodes.count, len(episodes.targets))
    where, open_levels = np.array(wild.any(0)), np.zeros(len(model.schema), bool)
    means, shares = [np.full(shape, np.nan), np.full(shape, np.nan)], {}
    for _, one in some:
        where[: len(one.where)] |= one.where[:, list(episodes.targets)]
        open_levels |= one.where.any(0)
    for n, t in enumerate(episodes.targets):
        variable, own = model.schema.variables[t], values[..., n]
        if variable.kind is Kind.CATEGORICAL:
            known = own[..., None] == np.arange(variable.levels)
            ends = [known.min(0).astype(float), known.max(0).astype(float)]
        else:
            effect = np.where(episodes.inside, own - episodes.values[..., t], 0.0)
            ends = [effect.min(0), effect.max(0)]
        for u, one in some:
            for side, bound in enumerate(_ends(one, t, variable, episodes.values[u, :, t])):
                rows = np.flatnonzero(one.where[:, t] & ~wild[u, : len(one.where), n])
                ends[side][u, rows] = bound[rows]
        _let_go(ends, model, t, wild[..., n], episodes.values[..., t])
        # a row past an episode's end counts nothing
        weight = episodes.inside / count
        mean = [np.einsum("ur,ur...->r...", weight, _shown(e, episodes.inside)) for e in ends]
        if variable.kind is Kind.CATEGORICAL:
            shares[n] = (mean[0], mean[1])
        else:
            means[0][:, n], means[1][:, n] = mean
    names = tuple(
        v.name for i, v in enumerate(model.schema.variables) if v.levels and open_levels[i]
    )
    each = [one for _, one in some]
    return Opened(
        where,
        means[0],
        means[1],
        shares,
        names,
        all(e.sharp for e in each),
        all(e.counted for e in each),
    )


def _let_go(
    ends: list[np.ndarray],
    model: WorldModel,
    target: int,
    wild: Bool[np.ndarray, "units rows"],
    fact: Float[np.ndarray, "units rows"],
) -> None:
    """Moves ``ends`` in place to what a target can be at all where no law vouches for it."""
    if model.schema.variables[target].kind is Kind.CATEGORICAL:
        ends[0][wild], ends[1][wild] = 0.0, 1.0
        return
    low, high = widest(model, target, ends[0] + fact, ends[1] + fact)
    ends[0][wild] = np.minimum(ends[0], low - fact)[wild]
    ends[1][wild] = np.maximum(ends[1], high - fact)[wild]


def _shown(ends: np.ndarray, inside: Bool[np.ndarray, "units rows"]) -> np.ndarray:
    """Zero past an episode's end, so that infinity times no weight is nothing."""
    return np.where(inside.reshape(*inside.shape, *(1,) * (ends.ndim - 2)), ends, 0.0)


def _ends(one: _One, target: int, variable, fact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One episode's bounds: of categories on each level's chance, else on the effect."""
    fact = fact[: len(one.where)]
    if not variable.levels:
        return one.low[:, target] - fact, one.high[:, target] - fact
    if one.chances is None:
        shape = (len(fact), variable.levels)
        low, high = np.zeros(shape), np.ones(shape)
    else:
        low, high = (c[:, target, : variable.levels] for c in one.chances)
    if variable.kind is Kind.CATEGORICAL:
        return low, high
    return low[:, 1] - fact, high[:, 1] - fact


def widened(series: Sequence[Series], found: Opened | None) -> tuple[Series, ...]:
    """The mean effects with bounds instead of intervals in open rows."""
    if found is None:
        return tuple(series)
    out = []
    for n, each in enumerate(series):
        where = found.where[:, n]
        if each.probabilities:
            shares = np.array(each.probabilities)
            low, high = found.shares[n] if where.any() else (shares, shares)
            low = np.where(where[:, None], np.minimum(low, shares), shares)
            high = np.where(where[:, None], np.maximum(high, shares), shares)
            update: dict[str, Any] = {
                "probabilities_lower": tuple(map(tuple, low.tolist())),
                "probabilities_upper": tuple(map(tuple, high.tolist())),
            }
        elif not where.any():
            update = {}
        elif not (np.isfinite(found.low[where, n]) & np.isfinite(found.high[where, n])).all():
            update = dict(NO_ENDS)
        else:
            low = np.minimum(found.low[:, n], np.array(each.lower))
            high = np.maximum(found.high[:, n], np.array(each.upper))
            update = {
                "lower": tuple(np.where(where, low, np.array(each.lower)).tolist()),
                "upper": tuple(np.where(where, high, np.array(each.upper)).tolist()),
            }
        out.append(each.model_copy(update=update))
    return tuple(out)
