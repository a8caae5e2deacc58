"""Categorical and binary mechanisms by cross-entropy, all targets and members in one program."""

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.errors import DataError
from doworld._core.progress import Track
from doworld.mechanisms import CategoricalBank, ensemble, renewed
from doworld.model.closed import wiring
from doworld.model.design import Design, Parents
from doworld.model.training import Budget, Checkpoint, train

__all__ = ["fit_categorical"]

HIDDEN = 32
BATCH = 256
MOST_HELD = 4096


def _start(parents: Parents, levels: np.ndarray, seed: int) -> CategoricalBank:
    members, n, k = parents.mask.shape
    c = int(levels.max())
    rng = np.random.default_rng([seed, 11])

    def normal(*shape: int, spread: float) -> np.ndarray:
        return rng.normal(size=(members, n, *shape)).astype(np.float32) * np.float32(spread)

    closed = np.where(np.arange(c) < levels[:, None], 0.0, -1e9).astype(np.float32)
    leaves = {
        **wiring(parents),
        "skip": np.zeros((members, n, k, c), np.float32),
        "weight1": normal(k, HIDDEN, spread=1 / np.sqrt(k)),
        "bias1": normal(HIDDEN, spread=0.1),
        "weight2": normal(HIDDEN, c, spread=0.1),
        "bias2": np.zeros((members, n, c), np.float32),
        "open": np.broadcast_to(closed, (members, n, c)),
    }
    return ensemble(CategoricalBank, leaves)


def fit_categorical(
    design: Design,
    parents: Parents,
    levels: np.ndarray,
    *,
    seed: int,
    budget: Budget,
    track: Track,
    checkpoint: Checkpoint,
) -> tuple[CategoricalBank, np.ndarray]:
    """The bank of all discrete targets, and the mean held-out log likelihood of each."""
    bank = _start(parents, levels, seed)
    members = len(parents.mask)
    features = jnp.asarray(design.features, jnp.float32)
    values = jnp.asarray(design.values, jnp.float32)
    lag, feature = np.divmod(parents.columns, design.features.shape[1])
    rng = np.random.default_rng([seed, 13])
    n = len(parents.targets)
    usable = [
        design.complete(int(t), parents.columns[i][parents.mask[:, i].any(0)])
        for i, t in enumerate(parents.targets)
    ]
    train_rows = np.zeros((members, n, len(design.rows)), np.int32)
    held_rows = np.zeros((n, MOST_HELD), np.int32)
    for i in range(n):
        rows, held = design.rows[usable[i] & ~design.held], design.rows[usable[i] & design.held]
        held = held if len(held) else rows
        if not len(rows):
            raise DataError(
                f"variable number {int(parents.targets[i])} and all its parents are never logged "
                "together, so it cannot be learned. Fill the gaps or drop the variable."
            )
        held_rows[i] = rng.choice(held, MOST_HELD)
        units = design.unit[usable[i] & ~design.held]
        for m in range(members):
            drawn = rng.choice(np.unique(units), len(np.unique(units)))
            counts = np.bincount(drawn, minlength=units.max() + 1)[units]
            train_rows[m, i] = rng.choice(rows, len(design.rows), p=counts / counts.sum())
    pool = jnp.asarray(train_rows)
    shared = jnp.asarray(lag), jnp.asarray(feature), jnp.asarray(parents.targets)

    names = ("skip", "weight1", "bias1", "weight2", "bias2")

    def score(params, rows, mask):
        """Mean negative log likelihood per target of one member; rows (n, b)."""
        one = jax.tree.map(lambda leaf: leaf[0], bank)
        own = renewed(one, {**params, "mask": mask})
        x = features[rows.T[:, :, None] - shared[0], shared[1]] * mask
        y = values[rows.T, shared[2]]
        return -jax.vmap(lambda a, b: own.log_prob(a, b, b))(x, y).mean(0)

    masks = jnp.asarray(parents.mask)

    def draw(key):
        at = jax.random.randint(key, (members, n, BATCH), 0, pool.shape[-1])
        return jnp.take_along_axis(pool, at, -1)

    params, record = train(
        {name: getattr(bank, name) for name in names},
        lambda p, rows: jax.vmap(score)(p, rows, masks),
        draw,
        lambda p: jax.vmap(lambda q, m: score(q, jnp.asarray(held_rows), m))(p, masks),
        budget=budget,
        key=jax.random.key(seed),
        track=track,
        checkpoint=checkpoint,
        stage="categorical",
    )
    return renewed(bank, params), -np.asarray(record).mean(0)
