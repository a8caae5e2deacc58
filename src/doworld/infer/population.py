"""A counterfactual of many episodes at once: the mean effect over them, each one's on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Episode, Kind, Role, Trajectories
from doworld.infer.additive import Linear, linear_of
from doworld.infer.compose import why_of
from doworld.infer.engine import Draws, key_of
from doworld.infer.history import fill, table
from doworld.infer.reach import Reach
from doworld.infer.replay import replay
from doworld.infer.setup import Setup
from doworld.infer.support import Support, support
from doworld.infer.uncertainty import split
from doworld.model.dynamics import World
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual, Population, Rows, Series, Status
from doworld.query.done import Done, arrays
from doworld.query.given import past
from doworld.query.words import phrase
from doworld.query.worlds_details import Alternative, Path, Worlds

__all__ = ["Episodes", "altered", "episodes_of", "population"]

LOOKED_AT = 16
"""Episodes whose support is worked out, spread over the population."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """Many episodes side by side, padded to the longest by their last rows.

    Attributes:
        logged: rows 0…T in the variables' own units, NaN where missing or beyond an episode's end.
        values: the same without gaps.
        lengths: rows of each.
    """

    model: WorldModel
    reach: Reach
    targets: tuple[int, ...]
    logged: Float[np.ndarray, "units rows variables"]
    values: Float[np.ndarray, "units rows variables"]
    lengths: np.ndarray

    @property
    def units(self) -> int:
        """How many episodes."""
        return len(self.logged)

    @property
    def count(self) -> int:
        """Rows of the longest."""
        return self.logged.shape[1]

    @property
    def first(self) -> int:
        """The first row that mechanisms generate."""
        return 0 if self.model.schema.static else 1

    @cached_property
    def inside(self) -> Bool[np.ndarray, "units rows"]:
        """Which rows an episode has."""
        return np.arange(self.count) < self.lengths[:, None]

    @cached_property
    def size(self) -> int:
        """Generated rows, padded to a bucket."""
        return 1 if self.model.schema.static else bucket(self.count - self.first)

    @cached_property
    def rows(self) -> Float[np.ndarray, "units steps variables"]:
        """The generated rows in scaled units."""
        at = np.minimum(self.first + np.arange(self.size), self.count - 1)
        return self.model.scaled(self.values)[:, at].astype(np.float32)

    @property
    def before(self) -> Float[np.ndarray, "units lags variables"]:
        """The logged history before the generated rows."""
        return np.repeat(self.values[:, :1], self.model.dynamics.max_lag, 1)

    def worlds(self, every: Sequence[Done]) -> tuple[Array, World]:
        """The scaled window of the fact, and the worlds with axes (worlds, units)."""
        model, first = self.model, self.first
        exogenous = np.broadcast_to(
            model.scaled(self.values)[:, np.minimum(first + np.arange(self.size), self.count - 1)],
            (len(every), self.units, self.size, len(model.schema)),
        )
        gain = np.ones((len(every), self.size, len(model.schema)))
        offset = np.zeros_like(gain)
        window = np.repeat(self.before[None], len(every), 0)
        for w, done in enumerate(every):
            made = done.gain[first:]
            gain[w, : len(made)] = made
            moved = (made * model.center + done.offset[first:] - model.center) / model.scale
            offset[w, : len(made)] = moved
            if window.shape[2]:
                window[w, :, 0] = done.gain[0] * self.values[:, 0] + done.offset[0]
        shape = exogenous.shape
        return _single(model.scaled(self.before)), World(
            window=_single(model.scaled(window)),
            exogenous=_single(exogenous),
            gain=_single(np.broadcast_to(gain[:, None], shape)),
            offset=_single(np.broadcast_to(offset[:, None], shape)),
        )

    def part(self, units: np.ndarray, targets: Sequence[int]) -> "Episodes":
        """Some of the episodes, asked about other columns."""
        logged, values = self.logged[units], self.values[units]
        return replace(
            self,
            targets=tuple(targets),
            logged=logged,
            values=values,
            lengths=self.lengths[units],
        )

    def moved(
        self, done: Done, out: Float[np.ndarray, "members units two steps variables"]
    ) -> Float[np.ndarray, "members units rows targets"]:
        """The targets in the altered world: fact + (altered − factual replay), in own units."""
        model, first, targets = self.model, self.first, list(self.targets)
        made = self.count - first
        factual, altered = (out[:, :, k, :made][..., targets] for k in (0, 1))
        scale, center = model.scale[targets], model.center[targets]
        discrete = np.array([model.schema.variables[t].levels > 0 for t in targets])
        fact = self.values[:, first:, targets]
        values = fact + (altered - factual).astype(np.float64) * scale
        values = np.where(discrete, altered * scale + center, values)
        if first:
            head = done.gain[0] * self.values[:, :1] + done.offset[0]
            head = np.broadcast_to(head[..., targets], (len(values), *head[..., targets].shape))
            values = np.concatenate([head, values], 2)
        cut, offset = done.cut[:, targets], done.offset[:, targets]
        values = np.where(cut, offset, values)
        return np.where(self.inside[..., None], values, np.nan)


def _single(array: np.ndarray) -> Array:
    return jnp.asarray(array, jnp.float32)


def episodes_of(
    model: WorldModel,
    given: Population | Rows | Trajectories | Episode,
    targets: tuple[int, ...],
    reach: Reach,
) -> Episodes:
    """The episodes of a question; raises ``QueryError`` for one without a transition."""
    schema = model.schema
    if isinstance(given, Trajectories | Episode) and given.schema.variables != schema.variables:
        given = past(given)  # in the model's columns, or an error that says which differ
    lengths = _lengths(given)
    if schema.static and isinstance(given, Rows):
        lengths = np.ones(given.length, int)
    if not schema.static and (short := np.flatnonzero(lengths < 2)).size:
        raise QueryError(
            f"episode {int(short[0])} has one row and so no transition. Leave it out of the log."
        )
    if schema.static and (long := np.flatnonzero(lengths > 1)).size:
        raise QueryError(
            f"the model is of a static table, and unit {int(long[0])} has "
            f"{int(lengths[long[0]])} rows. Give one row a unit."
        )
    flat = _flat(model, given)
    if schema.static:
        logged = flat[:, None]
    else:
        logged = np.full((len(lengths), int(lengths.max()), len(schema)), np.nan)
        begins = np.cumsum(lengths) - lengths
        for u, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
            part = flat[begin : begin + length]
            rewards = [i for i, v in enumerate(schema.variables) if v.role == "reward"]
            if rewards:
                part = part.copy()
                part[1:, rewards] = part[:-1, rewards]
                part[0, rewards] = np.nan
            logged[u, :length] = part
    values = _filled(logged, model) if np.isnan(logged).any() else logged
    return Episodes(model, reach, targets, logged, values, lengths)


def _lengths(given: Population | Rows | Trajectories | Episode) -> np.ndarray:
    """How many rows each episode has."""
    if isinstance(given, Trajectories):
        return np.diff(given.starts)
    if isinstance(given, Population):
        return np.array(given.lengths)
    return np.array([given.length if isinstance(given, Rows) else len(given)])


def _flat(
    model: WorldModel, given: Population | Rows | Trajectories | Episode
) -> Float[np.ndarray, "rows variables"]:
    """All rows as numbers in the schema's columns."""
    if isinstance(given, Trajectories | Episode):
        return given.values
    schema, source = model.schema, given.source
    if source is not None and source.schema.variables == schema.variables:
        return source.values
    whole = given if isinstance(given, Rows) else Rows(columns=given.columns)
    static = replace(schema, step=0.0)  # rewards are aligned episode by episode
    return table(static, whole)


def _filled(logged: np.ndarray, model: WorldModel) -> np.ndarray:
    """No NaN: the last value before, else the first after, else the typical one."""
    if logged.shape[1] == 1:
        return np.where(np.isnan(logged), model.typical, logged)
    return np.stack([fill(rows, model.typical).values for rows in logged])


def population(
    model: WorldModel,
    query: Counterfactual,
    targets: tuple[int, ...],
    reach: Reach,
    *,
    seed: int = 0,
) -> Answer:
    """The mean effect over the episodes of a question, row by row, in every world.

    The mean is over these episodes, so its interval holds what parameters and edges leave open and
    the noise of posterior draws, one a member and episode; ``samples()`` gives every episode's own
    values, (members, episodes, rows), NaN after an episode's end.
    """
    from doworld.infer.counterfactual import refused_of, singles, stochastic

    episodes = episodes_of(model, query.episode, targets, reach)
    every = [arrays(model.schema, done, episodes.count) for done in query.worlds.values()]
    if any(done.policies for done in every):
        raise QueryError(
            "a policy cannot be followed in many episodes at once yet. Ask about one of them, "
            "log[3], at a time."
        )
    if (refused := refused_of(model, query, targets)) is not None:
        return refused
    moved = altered(episodes, every, seed)
    looked = _looked(episodes, every[0], seed)
    names = [model.schema.names[t] for t in targets]
    asked = singles(query)
    drawn = bool(set(stochastic(model)) & set(reach.ancestors(list(targets))))
    series = [_series(episodes, values, query, drawn=drawn) for values in moved]
    summary = f"Mean effect over {episodes.units:,} episodes, had it been otherwise: "
    worlds = list(query.worlds)
    words = ["; ".join(phrase(i) for i in each.interventions) for each in asked]
    summary += " | ".join(worlds) if query.alternatives else words[0]
    setup = _setup(episodes, every[0])
    found, draws = _support(episodes, setup, looked)
    why = why_of(setup, asked[0], draws, found)
    why = why.model_copy(
        update={
            "summary": summary,
            "adjustment": "Every episode's own noise is recovered and replayed, by member.",
            "assumptions": (*why.assumptions, *_notes(episodes)),
        }
    )
    shown = tuple(
        s.model_copy(update={"support": tuple(np.clip(found.total[:, t], 0, 1).tolist())})
        for s, t in zip(series[0], targets, strict=True)
    )
    answer = Answer(
        query=query,
        status=Status.IDENTIFIED,
        level=query.level,
        series=shown,
        why=why,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
        details=Worlds(
            alternatives=tuple(
                Alternative(name=name, done=done, paths=_paths(episodes, s, values))
                for name, done, s, values in zip(worlds, words, series, moved, strict=True)
            ),
            units=episodes.units,
        ),
    )
    return answer.with_draws(lambda: {n: moved[0][..., i] for i, n in enumerate(names)})


def altered(
    episodes: Episodes, every: Sequence[Done], seed: int
) -> list[Float[np.ndarray, "members units rows targets"]]:
    """The targets in every world, in the variables' own units."""
    if (linear := linear_for(episodes, every)) is not None:
        values = episodes.values[:, 0]
        return [_laid(episodes, linear.replay(d, episodes.targets, values)) for d in every]
    out = _replayed(episodes, every, seed)
    return [episodes.moved(done, out[:, :, [0, n]]) for n, done in enumerate(every, 1)]


def _replayed(
    episodes: Episodes, every: Sequence[Done], seed: int
) -> Float[np.ndarray, "members units worlds steps variables"]:
    """The factual and the altered replays, in scaled units."""
    model = episodes.model
    nothing = arrays(model.schema, (), episodes.count)
    key = jax.random.fold_in(key_of(seed), 2)
    filled = [nothing] * (bucket(len(every) + 1, 2) - len(every) - 1)
    window, worlds = episodes.worlds([nothing, *every, *filled])
    shape = (model.dynamics.members, *episodes.rows.shape)
    rows = np.broadcast_to(episodes.rows, shape)
    return replay(model.dynamics, window, rows, worlds, key=key)


def _looked(episodes: Episodes, done: Done, seed: int) -> Float[np.ndarray, "few rows variables"]:
    """Whole rows of a few episodes under the first member: those on the way to a target."""
    few = episodes.part(_looked_at(episodes), episodes.targets)
    if (linear := linear_for(few, [done])) is not None:
        changed = linear.replay(done, few.targets, few.values[:, 0])
        every = few.part(np.arange(few.units), range(len(few.model.schema)))
        return _laid(every, changed)[0]
    out = _replayed(few, [done], seed)
    every = few.part(np.arange(few.units), range(len(few.model.schema)))
    return every.moved(done, out[:, :, :2])[0]


def linear_for(episodes: Episodes, every: Sequence[Done]) -> Linear | None:
    """The linear mechanisms that alone stand between what is done and the targets; else None."""
    linear = linear_of(episodes.model)
    if linear is None:
        return None
    if episodes.values is not episodes.logged:
        relevant = episodes.reach.ancestors(list(episodes.targets))
        if np.isnan(episodes.logged[..., relevant]).any():
            return None
    values = episodes.values[:, 0]
    fine = all(linear.answers(done, episodes.targets, values) for done in every)
    return linear if fine else None


def _laid(
    episodes: Episodes, changed: dict[int, Float[np.ndarray, "members units"]]
) -> Float[np.ndarray, "members units 1 targets"]:
    """The targets of a static table, those in ``changed`` with their altered values."""
    members = episodes.model.dynamics.members
    shape = (members, episodes.units)
    own = (
        changed.get(t, np.broadcast_to(episodes.values[:, 0, t], shape)) for t in episodes.targets
    )
    return np.stack(list(own), -1)[:, :, None]


def _looked_at(episodes: Episodes) -> np.ndarray:
    """The numbers of a few episodes, spread over the population."""
    return np.unique(np.linspace(0, episodes.units - 1, LOOKED_AT).round().astype(int))


def _setup(episodes: Episodes, done: Done) -> Setup:
    """The first world as a question of its first episode, for words and support."""
    model, size = episodes.model, len(episodes.model.schema)
    return Setup(
        model=model,
        reach=episodes.reach,
        targets=episodes.targets,
        first=0,
        last=episodes.count - 1,
        logged=episodes.logged[0],
        window=episodes.before[0],
        before=episodes.values[0, 0],
        exogenous=episodes.values[0],
        done=done,
        evidence=np.zeros(size, bool),
        trust=np.ones(size),
    )


def _support(
    episodes: Episodes, setup: Setup, looked: Float[np.ndarray, "few rows variables"]
) -> tuple[Support, Draws]:
    """Support of the first world along a few episodes, and their rows."""
    units, done = _looked_at(episodes), setup.done
    paths = np.where(np.isnan(looked), episodes.values[units], looked)
    lags = episodes.model.dynamics.max_lag
    past = np.repeat(paths[:, :1], lags, 1)
    same = np.isclose(paths, episodes.values[units], rtol=1e-6, atol=1e-9).all(0)
    found = support(
        episodes.model,
        episodes.reach,
        past=past,
        paths=paths,
        cut=done.cut,
        trust=setup.trust,
        fact=same & ~done.touched,
    )
    return found, Draws(values=paths[None][..., list(episodes.targets)], paths=paths)


def _notes(episodes: Episodes) -> list[str]:
    """What had to be assumed about the episodes."""
    relevant = episodes.reach.ancestors(list(episodes.targets))
    states = episodes.model.schema.positions(Role.STATE)
    wanted = [i for i in states if i in relevant]
    gap = np.isnan(episodes.logged) & episodes.inside[..., None]
    holes = int(gap[..., wanted].any((1, 2)).sum())
    out = []
    if holes:
        out.append(
            f"{holes:,} episodes have missing values, taken as the nearest known ones of the "
            "episode or as typical; their noise is that of the filled rows."
        )
    if len(set(episodes.lengths.tolist())) > 1:
        out.append("Episodes differ in length: a row's mean is over those that have it.")
    return out


def _series(
    episodes: Episodes, values: np.ndarray, query: Counterfactual, *, drawn: bool
) -> tuple[Series, ...]:
    """The mean effect on each target; of categories the shares of their levels."""
    model, out = episodes.model, []
    structural = np.array(model.members_of_structure or (False,) * len(values), bool)
    rows = tuple(range(episodes.count))
    for n, target in enumerate(episodes.targets):
        variable, own = model.schema.variables[target], values[..., n]
        common = {"variable": variable.name, "unit": variable.unit, "rows": rows}
        if variable.kind is Kind.CATEGORICAL:
            share = np.stack([_mean(own == c, episodes) for c in range(variable.levels)], -1)
            out.append(
                Series(
                    **common,
                    estimate=tuple(share.argmax(-1).astype(float).tolist()),
                    probabilities=tuple(map(tuple, share.tolist())),
                    categories=variable.categories,
                )
            )
            continue
        effect = np.where(episodes.inside, own - episodes.values[..., target], 0.0)
        count = episodes.inside.sum(0)
        means = effect.sum(1) / count
        # what draws of one member differ by from the members' mean is their posterior's noise
        odd = effect - effect.mean(0)
        noise = np.sqrt((odd**2).sum(1).mean(0) / count**2 / len(values)) if drawn else 0 * count
        parts = split(means[:, None], structural)
        total = np.sqrt(parts.parameters**2 + parts.structure**2 + noise**2)
        middle = means.mean(0)
        ends = {}
        for name, level in (("", query.level), ("half_", 0.5)):
            half = _normal(level) * total
            ends[f"{name}lower"] = tuple((middle - half).tolist())
            ends[f"{name}upper"] = tuple((middle + half).tolist())
        out.append(
            Series(
                **common,
                **ends,
                estimate=tuple(middle.tolist()),
                noise=tuple(np.asarray(noise, float).tolist()),
                parameters=tuple(parts.parameters.tolist()),
                structure=tuple(parts.structure.tolist()),
            )
        )
    return tuple(out)


def _mean(chosen: np.ndarray, episodes: Episodes) -> np.ndarray:
    """The share by row, over members and the episodes that have the row."""
    weight = episodes.inside / episodes.inside.sum(0)
    return np.einsum("mur,ur->r", chosen, weight) / len(chosen)


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _paths(episodes: Episodes, series: Sequence[Series], values: np.ndarray) -> tuple[Path, ...]:
    out = []
    for n, (each, target) in enumerate(zip(series, episodes.targets, strict=True)):
        spread: dict[str, tuple[float, ...]] = {}
        if not each.categories:
            fact = np.where(episodes.inside, episodes.values[..., target], np.nan)
            own = values[..., n].mean(0) - fact
            low, high = np.nanquantile(own, [0.05, 0.95], axis=0)  # every row is some episode's
            spread = {"spread_low": tuple(low.tolist()), "spread_high": tuple(high.tolist())}
        out.append(
            Path(
                variable=each.variable,
                unit=each.unit,
                rows=each.rows,
                estimate=each.estimate or (),
                lower=each.lower or (),
                upper=each.upper or (),
                effect=() if each.categories else each.estimate or (),
                categories=each.categories,
                **spread,
            )
        )
    return tuple(out)
