"""Many alternative worlds of one episode at once: actions changed, noise kept or drawn anew."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from doworld._core.errors import QueryError
from doworld.data import Role
from doworld.infer.blame.reaction import Reaction, reaction
from doworld.infer.counterfactual.censored import at_bound
from doworld.infer.counterfactual.replay import complete
from doworld.infer.engine import settled
from doworld.infer.history import fill, table
from doworld.infer.reach import Reach
from doworld.mechanisms import StochasticBank
from doworld.model.dynamics import Dynamics, Followed, World, abduct, rollout
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Blame

__all__ = ["Change", "Episode", "Otherwise", "run"]

AT_ONCE = 2**22
"""Numbers of alternative worlds that are held at once."""


LUCK = 11
"""What tells the policies' luck from the mechanisms' noise."""

AnyArray = Array | np.ndarray


class Otherwise(eqx.Module):
    """What is otherwise in each of a batch of worlds, rows 0…T, in scaled units.

    Attributes:
        cut: where a value is set.
        value: to what.
        typical: where it is set to a draw of the log instead.
        anew: where noise is drawn anew rather than this episode's own.
        follow: rows in which actions that react follow their policies.
    """

    cut: Bool[AnyArray, "*worlds rows variables"]
    value: Float[AnyArray, "*worlds rows variables"]
    typical: Bool[AnyArray, "*worlds rows variables"]
    anew: Bool[AnyArray, "*worlds rows variables"]
    follow: Bool[AnyArray, "*worlds rows"]


@jax.jit
def _run(
    dynamics: Dynamics,
    discrete: Bool[Array, " variables"],
    window: Float[Array, "lags variables"],
    rows: Float[Array, "members samples steps variables"],
    reference: Float[Array, "samples rows variables"],
    worlds: Otherwise,
    reacting: Followed | None = None,
    *,
    key: PRNGKeyArray,
) -> Float[Array, "members samples worlds steps variables"]:
    def one(banks, own, drawn, number, sample):
        posterior_key, fresh_key = jax.random.split(jax.random.fold_in(key, sample))
        own_key = jax.random.fold_in(posterior_key, number)
        recovered = abduct(dynamics, banks, window, own, own_key)
        fresh = dynamics.draw_noise(fresh_key, (own.shape[0],))
        still = World(window, own, jnp.ones_like(own), jnp.zeros_like(own))
        fact = rollout(dynamics, banks, still, recovered)
        luck = jax.random.uniform(
            jax.random.fold_in(fresh_key, LUCK), () if reacting is None else reacting.on.shape
        )

        def world(each: Otherwise):
            put = jnp.where(each.typical, drawn, each.value)
            offset = jnp.where(each.cut, put, 0.0)
            gain = jnp.where(each.cut, 0.0, 1.0)
            begin = window
            if window.shape[0]:
                begin = window.at[0].set(gain[0] * window[0] + offset[0])
            noise = tuple(
                jnp.where(each.anew[1:][:, bank.targets][..., None], new, old)
                for bank, new, old in zip(banks, fresh, recovered, strict=True)
            )
            policies = None
            if reacting is not None:
                on = jnp.where(each.follow[:, None], reacting.on, 0.0)
                policies = replace(reacting, on=on, luck=luck, gain=gain[0], offset=offset[0])
            altered = World(begin, own, gain[1:], offset[1:], policies)
            out = rollout(dynamics, banks, altered, noise)
            # what changes is added to the fact, so that rounding never looks like an effect
            moved = jnp.where(discrete, out, own + (out - fact))
            return jnp.where(each.cut[1:], offset[1:], moved)

        return jax.vmap(world)(worlds)

    def member(inputs):
        banks, own, number = inputs
        each = jnp.arange(own.shape[0])
        return jax.vmap(lambda r, d, s: one(banks, r, d, number, s))(own, reference, each)

    return jax.lax.map(member, (dynamics.banks, rows, jnp.arange(rows.shape[0])))


@dataclass(frozen=True)
class Change:
    """One action set at one row; ``value`` is in the variable's own unit, a level as its code."""

    row: int
    variable: int
    value: float


@dataclass(frozen=True, eq=False)
class Episode:
    """A logged episode as the model sees it.

    Attributes:
        logged: rows 0…T in their own units, NaN where missing, rewards aligned.
        values: the same, gaps filled.
        window: rows 0, −1, …, scaled.
        rows: rows 1…T scaled, padded to a bucket.
        missing: which of them were not logged and have a mechanism.
        reacts: the actions that follow a policy after the change, if any do.
    """

    model: WorldModel
    reach: Reach
    logged: Float[np.ndarray, "rows variables"]
    values: Float[np.ndarray, "rows variables"]
    window: Float[np.ndarray, "lags variables"]
    rows: Float[np.ndarray, "steps variables"]
    missing: Bool[np.ndarray, "steps variables"]
    label: str
    reacts: Reaction | None = None

    @classmethod
    def of(cls, model: WorldModel, query: Blame) -> "Episode":
        """The question's episode; raises ``QueryError`` where it is none that can be blamed."""
        schema = model.schema
        if schema.static:
            raise QueryError(
                "the model is of a static table, and Blame asks about an episode over time. "
                "Ask Effect(estimand='pn') or Counterfactual of the unit."
            )
        logged = table(schema, query.episode)
        if len(logged) < 2:
            raise QueryError(
                "the episode has one row and so no action that led anywhere. "
                "Give at least two consecutive rows."
            )
        if not schema.of(Role.ACTION):
            raise QueryError("the model has no action, so none can be blamed. Name one in the log.")
        never = [schema.names[i] for i in _needed(model) if np.isnan(logged[:, i]).all()]
        if never:
            raise QueryError(
                f"{', '.join(never)} has no value in the episode, and the model was learned with "
                "it. Give an episode of the same variables."
            )
        reacts = reaction(model, query, len(logged))
        filled = fill(logged, model.typical)
        count = len(logged) - 1
        size = bucket(count)
        scaled = model.scaled(filled.values)
        rows = np.concatenate([scaled[1:], np.repeat(scaled[-1:], size - count, 0)])
        missing = np.zeros(rows.shape, bool)
        missing[:count] = filled.gap[1:] & (np.asarray(model.dynamics.order) >= 0)
        return cls(
            model=model,
            reach=Reach.of(model) if reacts is None else reacts.reach,
            reacts=reacts,
            logged=logged,
            values=filled.values,
            window=np.repeat(scaled[:1], model.dynamics.max_lag, 0).astype(np.float32),
            rows=rows.astype(np.float32),
            missing=missing,
            label=query.episode.label,
        )

    @property
    def steps(self) -> int:
        """T, the number of actions."""
        return len(self.logged) - 1

    @property
    def stochastic(self) -> list[int]:
        """Columns whose noise is known only up to a posterior."""
        banks = [b for b in self.model.dynamics.banks if isinstance(b, StochasticBank)]
        return sorted({int(t) for b in banks for t in np.asarray(b.targets).reshape(-1)})

    def posterior(self, causes: list[int], targets: list[int]) -> bool:
        """Whether draws differ: by a level on the way, or a value that is missing or at a bound."""
        relevant = self.reach.ancestors(targets)
        moved = np.asarray(np.isfinite(self.reach.delay[causes]).any(0))
        levels = [i for i in self.stochastic if i in relevant and moved[i]]
        drawn = (
            self.missing[:, relevant].any() or at_bound(self.model, self.logged)[1:, relevant].any()
        )
        lucky = self.reacts is not None and self.reacts.chance
        return bool(levels) or bool(drawn) or lucky

    def completed(self, samples: int, key: PRNGKeyArray) -> np.ndarray:
        """The logged rows by member and sample, missing values drawn."""
        rows = complete(
            self.model.dynamics,
            jnp.asarray(self.window),
            self.rows,
            self.missing,
            samples=samples,
            key=key,
        )
        return np.ascontiguousarray(rows)

    def unchanged(self, worlds: int) -> Otherwise:
        """``worlds`` worlds in which nothing is otherwise, as NumPy arrays to write into."""
        shape = (worlds, len(self.rows) + 1, self.rows.shape[1])
        return Otherwise(
            cut=np.zeros(shape, bool),
            value=np.zeros(shape, np.float32),
            typical=np.zeros(shape, bool),
            anew=np.zeros(shape, bool),
            follow=np.zeros(shape[:2], bool),
        )

    def changed(
        self, sets: Sequence[tuple[Change, ...]], fresh_from: Sequence[int] | None = None
    ) -> Otherwise:
        """A world for every set of changes; noise is drawn anew after row ``fresh_from``."""
        out = self.unchanged(len(sets))
        model = self.model
        for n, changes in enumerate(sets):
            for each in changes:
                scaled = (each.value - model.center[each.variable]) / model.scale[each.variable]
                out.cut[n, each.row, each.variable] = True  # type: ignore[index]
                out.value[n, each.row, each.variable] = scaled  # type: ignore[index]
            if changes:
                out.follow[n, min(c.row for c in changes) + 1 :] = True  # type: ignore[index]
            if fresh_from is not None:
                out.anew[n, fresh_from[n] + 1 :] = True  # type: ignore[index]
        return out


def _needed(model: WorldModel) -> list[int]:
    """States that have a mechanism and actions that one hears."""
    acts, schema = Reach.of(model).acts, model.schema
    heard = [i for i in schema.positions(Role.ACTION) if acts[i].any()]
    return [*(i for i in schema.positions(Role.STATE) if acts[:, i].any()), *heard]


def run(
    episode: Episode,
    rows: Float[np.ndarray, "members samples steps variables"],
    worlds: Callable[[slice], Otherwise],
    total: int,
    *,
    key: PRNGKeyArray,
    reference: Float[np.ndarray, "samples rows variables"] | None = None,
) -> Iterator[tuple[slice, Float[np.ndarray, "members samples worlds rows variables"]]]:
    """Rows 0…T of every world in its own units, some worlds at a time.

    ``worlds(part)`` builds those of a part of 0…``total``. The parts are of one size, which depends
    on the shapes alone, so another episode of the same bucket compiles nothing. All worlds share
    the noise of ``key``.
    """
    model = episode.model
    members, samples, steps, size = rows.shape
    piece = 256
    while piece > 8 and members * samples * piece * steps * size > AT_ONCE:
        piece //= 2
    if reference is None:
        reference = np.zeros((samples, steps + 1, size), np.float32)
    discrete = jnp.asarray([v.levels > 0 for v in model.schema.variables])
    fixed = (discrete, jnp.asarray(episode.window), jnp.asarray(rows), jnp.asarray(reference))
    reacting = None if episode.reacts is None else episode.reacts.followed(episode.window, steps)
    for begin in range(0, total, piece):
        number = min(piece, total - begin)
        part = worlds(slice(begin, begin + number))
        padded = jax.tree.map(lambda a: _padded(np.asarray(a), piece), part)
        out = _run(model.dynamics, *fixed, padded, reacting, key=key)
        later = settled(np.asarray(out)[:, :, :number, : episode.steps])[0]
        yield slice(begin, begin + number), _raw(episode, part, later, reference)


def _raw(episode: Episode, part: Otherwise, later: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Rows 0…T in the variables' own units; what nothing has moved is exactly what was logged."""
    model = episode.model
    members, samples = later.shape[:2]
    first = np.where(part.cut[:, 0], part.value[:, 0], model.scaled(episode.values[0]))
    first = np.broadcast_to(first, (members, samples, *first.shape))
    first = np.where(part.typical[:, 0], reference[:, None, 0], first)
    raw = model.unscaled(np.concatenate([first[:, :, :, None], later], 3))
    same = np.abs(raw - episode.values) <= 1e-5 * model.scale
    return np.where(same, episode.values, raw)


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    pad = [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, pad)
