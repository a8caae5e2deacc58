"""Many episodes side by side as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Episode, Trajectories
from doworld.infer.counterfactual.censored import at_bound
from doworld.infer.counterfactual.replay import alike
from doworld.infer.engine import LUCK
from doworld.infer.history import fill, table
from doworld.infer.reach import Reach
from doworld.infer.setup import Setup
from doworld.model.dynamics import Followed, World
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Population, Rows
from doworld.query.done import Done
from doworld.query.given import past

__all__ = ["Episodes", "episodes_of"]


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
    def censored(self) -> Bool[np.ndarray, "units rows variables"]:
        """Where a value stands at its bound, so that its noise is drawn from the tail beyond."""
        out = at_bound(self.model, self.logged)
        out[:, : self.first] = False
        return out

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
        followed = self._followed(every)
        return _single(model.scaled(self.before)), World(
            window=_single(model.scaled(window)),
            exogenous=_single(exogenous),
            gain=_single(np.broadcast_to(gain[:, None], shape)),
            offset=_single(np.broadcast_to(offset[:, None], shape)),
            followed=followed,
        )

    def _followed(self, every: Sequence[Done]) -> Followed | None:
        """The policies of every world, with axes (worlds, units); None where none has any."""
        if not any(done.policies for done in every):
            return None
        worlds = alike([self.setup(done).world() for done in every])
        leaves = [world.followed for world in worlds]
        one = jax.tree.map(lambda *own: jnp.stack(own)[:, None], *leaves)
        many = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (len(every), self.units, *leaf.shape[2:])), one
        )
        before = _single(self.model.scaled(self.values[:, 0]))
        return replace(many, before=jnp.broadcast_to(before, (len(every), *before.shape)))

    def luck(self, policies: int, seed: int) -> Float[np.ndarray, "units rows p"]:
        """What policies draw by, in every world the same."""
        shape = (self.units, self.size + 1)
        every = [np.random.default_rng([seed, LUCK, p]) for p in range(policies)]
        return np.stack([r.random(shape, np.float32) for r in every], -1)

    def setup(self, done: Done) -> Setup:
        """A world as a question of the first episode; its mechanisms begin at ``first``."""
        size = len(self.model.schema)
        return Setup(
            model=self.model,
            reach=self.reach.following(done),
            targets=self.targets,
            first=self.first,
            last=self.count - 1,
            logged=self.logged[0],
            window=self.before[0],
            before=self.values[0, 0],
            exogenous=self.values[0, self.first :],
            done=done,
            evidence=np.zeros(size, bool),
            trust=np.ones(size),
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
        self,
        done: Done,
        out: Float[np.ndarray, "members units two steps variables"],
        luck: Float[np.ndarray, "units drawn p"] | None = None,
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
            head = self._begun(done, luck)
            head = np.broadcast_to(head[..., targets], (len(values), *head[..., targets].shape))
            values = np.concatenate([head, values], 2)
        held, offset = done.held[:, targets], done.offset[:, targets]
        values = np.where(held, offset, values)
        return np.where(self.inside[..., None], values, np.nan)

    def _begun(
        self, done: Done, luck: Float[np.ndarray, "units drawn p"] | None
    ) -> Float[np.ndarray, "units one variables"]:
        """Row 0 after what is done to it."""
        first = self.values[:, :1]
        if not done.policies:
            return done.gain[0] * first + done.offset[0]
        count = len(done.policies)
        drawn = np.full((self.units, 1, count), 0.5) if luck is None else luck[:, :1, :count]
        pairs = zip(first, drawn, strict=True)
        return np.stack([done.apply(row, luck=own) for row, own in pairs])


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
