"""Categorical and binary mechanisms by cross-entropy, all targets and members in one program."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from doworld._core.errors import DataError
from doworld._core.progress import Track
from doworld.data import Kind, Schema
from doworld.graph import LocalGraph
from doworld.mechanisms import CategoricalBank, Coding, ensemble, renewed
from doworld.model.closed import wiring
from doworld.model.design import Design, Parents
from doworld.model.training import Budget, Checkpoint, train

__all__ = ["fit_categorical"]

HIDDEN = 32
BATCH = 256
MOST_HELD = 4096
TRAINED = ("skip", "weight1", "bias1", "weight2", "bias2")


def _contexts(
    schema: Schema, coding: Coding, parents: Parents, local: tuple[LocalGraph, ...]
) -> tuple[Int[np.ndarray, "n g"], Float[np.ndarray, "n e k"]]:
    """Per target, the inputs that open a context, −1 for padding, and those heard in each."""
    opened = [_opened(schema, coding, parents, i, local) for i in range(len(parents.targets))]
    n, k = parents.columns.shape
    width = max(map(len, opened))
    gate, heard = np.full((n, width), -1, np.int32), np.ones((n, 1 + width, k), np.float32)
    for i, contexts in enumerate(opened):
        for g, (number, silent) in enumerate(contexts):
            gate[i, g], heard[i, 1 + g] = number, ~silent
    return gate, heard


def _opened(
    schema: Schema,
    coding: Coding,
    parents: Parents,
    target: int,
    local: tuple[LocalGraph, ...],
) -> list[tuple[int, Bool[np.ndarray, " k"]]]:
    """The input that opens each context of a target, and which inputs are silent there."""
    columns, used = parents.columns[target], parents.mask[:, target].any(0)
    name, out = schema.names[parents.targets[target]], []
    for context in (c for c in local if c.target == name):
        gating, lag = context.gate
        levels = coding.columns(schema.position(gating), lag)
        if len(levels) <= context.level or len(levels) == 1:
            continue  # a binary gate is one number, which opens nothing by being 1
        at = np.flatnonzero(used & (columns == levels[context.level]))
        if not len(at):
            continue
        speak = map(schema.position, (*context.parents, gating))  # the gate itself acts too
        acting = [c for v in speak for c in coding.columns(v, 0)]
        within = columns < len(np.asarray(coding.variable))
        out.append((int(at[0]), used & within & ~np.isin(columns, acting)))
    return out


def _own_past(
    schema: Schema, coding: Coding, parents: Parents, widest: int
) -> tuple[Float[np.ndarray, "n k c"], Float[np.ndarray, "n c"]]:
    """How each target's last value, one-hot, is read off its inputs; zeros where it is none."""
    n, k = parents.columns.shape
    past, base = np.zeros((n, k, widest), np.float32), np.zeros((n, widest), np.float32)
    for i, target in enumerate(parents.targets):
        own = coding.columns(int(target), 1)
        places = [np.flatnonzero(parents.columns[i] == c) for c in own]
        places = [p[parents.mask[:, i, p].any(0)] for p in places]
        if any(not len(p) for p in places):
            continue
        if schema.variables[int(target)].kind is Kind.CATEGORICAL:
            past[i, [p[0] for p in places], range(len(own))] = 1.0
        else:
            past[i, places[0][0], :2] = -1.0, 1.0
            base[i, 0] = 1.0
    return past, base


def _start(
    schema: Schema,
    coding: Coding,
    parents: Parents,
    levels: np.ndarray,
    local: tuple[LocalGraph, ...],
    seed: int,
) -> CategoricalBank:
    members, n, k = parents.mask.shape
    c = int(levels.max())
    rng = np.random.default_rng([seed, 11])
    gate, heard = _contexts(schema, coding, parents, local)
    e, h = heard.shape[1], HIDDEN

    def normal(*shape: int, spread: float) -> np.ndarray:
        return rng.normal(size=(members, n, *shape)).astype(np.float32) * np.float32(spread)

    def each(leaf: np.ndarray) -> np.ndarray:
        return np.broadcast_to(leaf, (members, *leaf.shape))

    past, base = _own_past(schema, coding, parents, c)
    leaves = {
        **wiring(parents),
        "skip": np.zeros((members, n, e, k, c + 1), np.float32),
        "weight1": normal(e, k, h, spread=1 / np.sqrt(k)),
        "bias1": normal(e, h, spread=0.1),
        "weight2": normal(e, h, c + 1, spread=0.1),
        "bias2": np.zeros((members, n, e, c + 1), np.float32),
        "open": each(np.where(np.arange(c) < levels[:, None], 0.0, -1e9).astype(np.float32)),
        "gate": each(gate),
        "heard": each(heard),
        "past": each(past),
        "base": each(base),
    }
    return ensemble(CategoricalBank, leaves)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Which rows each target learns from and is judged by.

    Attributes:
        train: drawn by whole units with replacement, another sample a member.
        held: of the held-out rows, or of all where none is held out.
    """

    train: Int[np.ndarray, "members n rows"]
    held: Int[np.ndarray, "n held"]

    @classmethod
    def of(cls, design: Design, parents: Parents, seed: int) -> "_Rows":
        """Raises ``DataError`` for a target that is never logged together with its parents."""
        rng = np.random.default_rng([seed, 13])
        members, n = parents.mask.shape[:2]
        train = np.zeros((members, n, len(design.rows)), np.int32)
        held = np.zeros((n, MOST_HELD), np.int32)
        for i, target in enumerate(parents.targets):
            usable = design.complete(int(target), parents.columns[i][parents.mask[:, i].any(0)])
            rows, out = design.rows[usable & ~design.held], design.rows[usable & design.held]
            if not len(rows):
                raise DataError(
                    f"variable number {int(target)} and all its parents are never logged "
                    "together, so it cannot be learned. Fill the gaps or drop the variable."
                )
            held[i] = rng.choice(out if len(out) else rows, MOST_HELD)
            units = design.unit[usable & ~design.held]
            for m in range(members):
                drawn = rng.choice(np.unique(units), len(np.unique(units)))
                counts = np.bincount(drawn, minlength=units.max() + 1)[units]
                train[m, i] = rng.choice(rows, len(design.rows), p=counts / counts.sum())
        return cls(train, held)


def _loss(design: Design, parents: Parents, bank: CategoricalBank) -> Callable[..., Array]:
    """The mean negative log likelihood per target (n) of one member on rows (n, b)."""
    features = jnp.asarray(design.features, jnp.float32)
    values = jnp.asarray(design.values, jnp.float32)
    lag, feature = (jnp.asarray(a) for a in np.divmod(parents.columns, design.features.shape[1]))
    targets = jnp.asarray(parents.targets)

    def loss(
        params: dict, rows: Int[Array, "n b"], mask: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        one = jax.tree.map(lambda leaf: leaf[0], bank)
        own = renewed(one, {**params, "mask": mask})
        x = features[rows.T[:, :, None] - lag, feature] * mask
        y = values[rows.T, targets]
        return -jax.vmap(lambda a, b: own.log_prob(a, b, b))(x, y).mean(0)

    return loss


def fit_categorical(
    schema: Schema,
    design: Design,
    parents: Parents,
    levels: np.ndarray,
    *,
    local: tuple[LocalGraph, ...] = (),
    seed: int,
    budget: Budget,
    track: Track,
    checkpoint: Checkpoint,
) -> tuple[CategoricalBank, np.ndarray]:
    """The bank of all discrete targets, and the mean held-out log likelihood of each."""
    bank = _start(schema, design.coding, parents, levels, local, seed)
    rows = _Rows.of(design, parents, seed)
    loss = _loss(design, parents, bank)
    pool, held = jnp.asarray(rows.train), jnp.asarray(rows.held)
    masks = jnp.asarray(parents.mask)

    def draw(key):
        at = jax.random.randint(key, (*pool.shape[:2], BATCH), 0, pool.shape[-1])
        return jnp.take_along_axis(pool, at, -1)

    params, record = train(
        {name: getattr(bank, name) for name in TRAINED},
        lambda p, drawn: jax.vmap(loss)(p, drawn, masks),
        draw,
        lambda p: jax.vmap(lambda q, m: loss(q, held, m))(p, masks),
        budget=budget,
        key=jax.random.key(seed),
        track=track,
        checkpoint=checkpoint,
        stage="categorical",
    )
    return renewed(bank, params), -np.asarray(record).mean(0)
