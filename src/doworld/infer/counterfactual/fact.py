"""The episode as it was and as it might have been, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Policy, Role, Schema
from doworld.infer.counterfactual.censored import at_bound, note_of
from doworld.infer.counterfactual.effective import effective, words_of
from doworld.infer.engine import LUCK
from doworld.infer.history import Filled, fill, table
from doworld.infer.interventions import check_order, idle
from doworld.infer.reach import Reach
from doworld.infer.setup import Setup
from doworld.model.dynamics import World
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Intervention, Rows
from doworld.query.done import Done, arrays

__all__ = ["Fact", "Otherwise", "fact_of", "luck_of"]


@dataclass(frozen=True, eq=False)
class Fact:
    """An episode as it was logged.

    Attributes:
        targets: the columns that are asked about.
        logged: rows 0…T in the variables' own units, NaN where missing.
        filled: the same without gaps.
        seed: of what policies draw.
    """

    model: WorldModel
    reach: Reach
    targets: tuple[int, ...]
    logged: Float[np.ndarray, "rows variables"]
    filled: Filled
    seed: int = 0

    def luck(self, samples: int, policies: int) -> Float[np.ndarray, "samples rows p"]:
        """What policies draw by: noise of their own, which no logged row tells of."""
        shape = (samples, len(self.rows) + 1)
        every = [np.random.default_rng([self.seed, LUCK, p]) for p in range(policies)]
        return np.stack([r.random(shape, np.float32) for r in every], -1)

    @property
    def first(self) -> int:
        """The first row that mechanisms generate."""
        return 0 if self.model.schema.static else 1

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.logged)

    @property
    def made(self) -> int:
        """How many rows mechanisms generate."""
        return self.count - self.first

    @property
    def before(self) -> Float[np.ndarray, "lags variables"]:
        """The logged history before the generated rows, in the variables' own units."""
        return np.repeat(self.filled.values[:1], self.model.dynamics.max_lag, 0)

    @property
    def window(self) -> Array:
        """The same in scaled units."""
        return jnp.asarray(self.model.scaled(self.before), jnp.float32)

    @cached_property
    def rows(self) -> Float[np.ndarray, "steps variables"]:
        """The generated rows in scaled units, gaps filled, padded to a bucket by the last one."""
        size = 1 if self.model.schema.static else bucket(self.made)
        at = np.minimum(self.first + np.arange(size), self.count - 1)
        return self.model.scaled(self.filled.values)[at].astype(np.float32)

    @cached_property
    def missing(self) -> Bool[np.ndarray, "steps variables"]:
        """Which of ``rows`` were not logged and have a mechanism."""
        out = np.zeros(self.rows.shape, bool)
        made = np.asarray(self.model.dynamics.order) >= 0
        out[: self.made] = self.filled.gap[self.first :] & made
        return out

    @cached_property
    def censored(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a value stands at its bound, so that its noise is drawn from the tail beyond."""
        out = at_bound(self.model, self.logged)
        out[: self.first] = False
        return out

    @cached_property
    def effective(self) -> tuple[list[str], list[str]]:
        """(assumptions, warnings) on how many draws the noise of a row rests on."""
        found = effective(
            self.model, self.model.scaled(self.before)[None], self.rows[None], seed=self.seed
        )
        relevant = self.reach.ancestors(list(self.targets))
        return words_of(self.model, None if found is None else found[: self.made], relevant)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing that a target rests on."""
        return not self.filled.gap[:, self.reach.ancestors(list(self.targets))].any()

    @cached_property
    def certain(self) -> Bool[np.ndarray, "rows variables"]:
        """Where a value and all its causes in the log are known."""
        late = self.model.schema.positions(Role.REWARD)
        gap = np.isnan(self.logged) & (np.asarray(self.model.dynamics.order) >= 0)
        gap[:, late] = False
        touched = gap.copy()
        for k in range(self.reach.acts.shape[2]):
            touched[k:] |= gap[: len(gap) - k] @ self.reach.acts[..., k]
        return ~touched

    def otherwise(self, interventions: Sequence[Intervention], name: str = "") -> "Otherwise":
        """The episode with ``interventions`` done; raises ``QueryError`` for one out of place."""
        schema, model = self.model.schema, self.model
        done = arrays(schema, interventions, self.count)
        check_order(schema, done, self.reach)
        reach = self.reach.following(done)
        window = self.before
        if len(window):
            window[0] = done.apply(self.filled.values[:1])[0]
        setup = Setup(
            model=model,
            reach=reach,
            targets=self.targets,
            first=0,
            last=self.count - 1,
            logged=self.logged,
            window=window,
            before=self.filled.values[0],
            exogenous=self.filled.values,
            done=done,
            evidence=np.zeros(len(schema), bool),
            trust=np.ones(len(schema)),
            assumptions=(*self.notes, *_drawn(schema, done)),
            warnings=(
                *idle(schema, interventions, self.logged, reach, self.targets),
                *self.effective[1],
            ),
        )
        return Otherwise(self, name, tuple(interventions), setup, self.reached(done, reach))

    def reached(self, done: Done, reach: Reach) -> Bool[np.ndarray, "rows variables"]:
        """Where an intervention that differs from the fact can have had an effect.

        Until a policy's choice first differs from the log, its world is the logged one.
        """
        differs = done.differs(self.logged)
        rows = np.arange(self.count)[:, None]
        first = np.where(differs.any(0), differs.argmax(0), np.inf)
        return rows >= (first[:, None] + reach.delay).min(0)

    @cached_property
    def world(self) -> World:
        """The world as it was."""
        nothing = arrays(self.model.schema, (), self.count)
        return self.as_world(nothing, self.before)

    def as_world(self, done: Done, window: Float[np.ndarray, "lags variables"]) -> World:
        """The episode's actions and contexts with ``done`` done to them, after ``window``."""
        setup = Setup(
            model=self.model,
            reach=self.reach,
            targets=self.targets,
            first=self.first,
            last=self.count - 1,
            logged=self.logged,
            window=window,
            before=self.filled.values[0],
            exogenous=self.filled.values[self.first :],
            done=done,
            evidence=np.zeros(len(self.model.schema), bool),
            trust=np.ones(len(self.model.schema)),
        )
        return setup.world()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What had to be assumed about the episode, in words."""
        schema = self.model.schema
        relevant = self.reach.ancestors(list(self.targets))
        gap = self.filled.gap.copy()
        gap[-1, schema.positions(Role.ACTION, Role.REWARD)] = False
        gap[0, schema.positions(Role.REWARD)] = False
        out = []
        drawn = [i for i in relevant if gap[:, i].any() and schema.variables[i].role is Role.STATE]
        if drawn:
            names = ", ".join(f"{schema.names[i]} ({int(gap[:, i].sum())} rows)" for i in drawn)
            out.append(
                f"Missing in the episode: {names}. Values and noise there, and noise that they "
                "touch, are drawn from the model, not this episode's own."
            )
        given = (Role.ACTION, Role.CONTEXT)
        held = [i for i in relevant if gap[:, i].any() and schema.variables[i].role in given]
        if held:
            names = ", ".join(schema.names[i] for i in held)
            out.append(f"Missing in the episode and taken as the nearest known value: {names}.")
        out += self.effective[0]
        out += note_of(self.model, self.censored, relevant)
        acting = [i for i in relevant if schema.variables[i].role is Role.ACTION]
        if acting and schema.policy is not Policy.RANDOMISED and not schema.static:
            names = ", ".join(schema.names[i] for i in acting)
            many = len(acting) > 1
            kept = f"{names} {'stay' if many else 'stays'} as logged"
            whose = "their policies do" if many else "its policy does"
            out.append(f"Where nobody intervenes, {kept}: {whose} not react.")
        acts = self.reach.acts
        longest = max((k for k in range(acts.shape[2]) if acts[..., k].any()), default=0)
        if longest > 1:
            out.append(
                f"The mechanisms look back {longest} rows: before the episode's first row, "
                "it is taken to hold."
            )
        return tuple(out)


@dataclass(frozen=True, eq=False)
class Otherwise:
    """An episode with something else done in it.

    Attributes:
        setup: the altered world in the variables' own units, rows 0…T.
        reached: rows 0…T that the interventions can have changed at all.
    """

    fact: Fact
    name: str
    interventions: tuple[Intervention, ...]
    setup: Setup
    reached: Bool[np.ndarray, "rows variables"]

    @cached_property
    def world(self) -> World:
        """The altered world, padded, in scaled units."""
        return self.fact.as_world(self.setup.done, self.setup.window)

    def values(
        self,
        rows: Float[np.ndarray, "members samples steps variables"],
        altered: Float[np.ndarray, "members samples steps variables"],
        factual: Float[np.ndarray, "members samples steps variables"],
    ) -> Float[np.ndarray, "members samples rows variables"]:
        """Rows 0…T of the altered world in the variables' own units, the fact where none reached.

        Numbers are fact + (altered replay − factual replay), so rounding never looks like an
        effect.
        """
        fact, model, done = self.fact, self.fact.model, self.setup.done
        first, made = fact.first, fact.made
        discrete = np.array([v.levels > 0 for v in model.schema.variables])
        moved = np.where(discrete, altered, rows + (altered - factual))[:, :, :made]
        cut = done.cut[first:]
        moved = np.where(cut, altered[:, :, :made], moved)
        values = model.unscaled(np.where(self.reached[first:], moved, rows[:, :, :made]))
        known = ~np.isnan(fact.logged[first:]) & ~self.reached[first:]
        values = np.where(known, fact.logged[first:], values)
        if first:
            row = fact.filled.values[:1]
            luck = fact.luck(values.shape[1] if done.chance else 1, max(len(done.policies), 1))
            head = np.stack([done.apply(row, luck=u) for u in luck[:, :1]])
            head = np.broadcast_to(head, (*values.shape[:2], *row.shape))
            values = np.concatenate([head, values], 2)
        return np.where(done.held, done.offset, values)


def luck_of(fact: Fact, worlds: World, samples: int) -> Float[np.ndarray, "samples rows p"] | None:
    """What the policies of ``worlds`` draw by, the same in all of them; None without policies."""
    if worlds.followed is None:
        return None
    return fact.luck(samples, worlds.followed.on.shape[-1])


def _drawn(schema: Schema, done: Done) -> list[str]:
    names = [schema.names[int(p.variable)] for p in done.policies if (p.drawn > 0).any()]
    if not names:
        return []
    return [
        f"The policy of {', '.join(names)} draws what it does: its noise is its own, none of this "
        "episode's, so the answer is spread over its draws."
    ]


def fact_of(
    model: WorldModel, given: Rows, targets: tuple[int, ...], reach: Reach, *, seed: int = 0
) -> Fact:
    """The episode of a question; raises ``QueryError`` where it holds no transition."""
    logged = table(model.schema, given)
    if model.schema.static and len(logged) > 1:
        raise QueryError(
            f"the model is of a static table, and the episode has {len(logged)} rows. "
            "Give one unit."
        )
    if not model.schema.static and len(logged) < 2:
        raise QueryError(
            "the episode has one row and so no transition. Give at least two consecutive rows."
        )
    return Fact(model, reach, targets, logged, fill(logged, model.typical), seed)
