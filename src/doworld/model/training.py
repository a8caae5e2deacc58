"""One training loop for every family that is fitted by gradient: all targets and members at once.

Each leaf of the parameters has leading axes (member, target), and the loss is one number per
member and target, so gradients never mix and the best parameters are kept for each on its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from doworld._core.progress import Track

__all__ = ["Budget", "Checkpoint", "train"]


@dataclass(frozen=True)
class Budget:
    """How long and how fast to train.

    ``steps`` in chunks of ``chunk``; the learning rate falls from ``rate`` along a cosine; training
    stops after ``patience`` chunks in which no held-out loss improved.
    """

    steps: int = 2000
    chunk: int = 100
    rate: float = 3e-3
    decay: float = 1e-4
    patience: int = 6


class Checkpoint:
    """Arrays of a training run on disk, so that an interrupted run goes on where it was.

    Nothing but arrays is stored (safetensors); a checkpoint of another log, graph or setting has
    another ``fingerprint`` and is ignored.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint

    def _path(self, stage: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{stage}.safetensors"

    def save(self, stage: str, tree: PyTree, position: int) -> None:
        """Writes the leaves of ``tree`` after ``position`` chunks, atomically."""
        path = self._path(stage)
        if path is None:
            return
        from safetensors.numpy import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
        new = path.with_suffix(".new")
        save_file(leaves, new, {"fingerprint": self.fingerprint, "position": str(position)})
        new.replace(path)

    def load(self, stage: str, like: PyTree) -> tuple[PyTree, int] | None:
        """The tree and position stored for ``stage``, or None where there is none that fits."""
        path = self._path(stage)
        if path is None or not path.exists():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                meta = file.metadata() or {}
                if meta.get("fingerprint") != self.fingerprint:
                    return None
                leaves, tree = jax.tree.flatten(like)
                stored = [file.get_tensor(str(i)) for i in range(len(leaves))]
                position = int(meta["position"])
        except (SafetensorError, OSError, KeyError, ValueError):
            return None
        if any(s.shape != np.shape(o) for s, o in zip(stored, leaves, strict=True)):
            return None
        return jax.tree.unflatten(tree, [jnp.asarray(s) for s in stored]), position


def _keep_better(best: PyTree, new: PyTree, better: Bool[Array, "members targets"]) -> PyTree:
    def choose(old, fresh):
        where = better.reshape(better.shape + (1,) * (fresh.ndim - 2))
        return jnp.where(where, fresh, old)

    return jax.tree.map(choose, best, new)


def train(
    params: PyTree,
    loss: Callable[[PyTree, Any], Float[Array, "members targets"]],
    draw: Callable[[PRNGKeyArray], Any],
    held_out: Callable[[PyTree], Float[Array, "members targets"]],
    *,
    budget: Budget,
    key: PRNGKeyArray,
    track: Track,
    checkpoint: Checkpoint,
    stage: str,
) -> tuple[PyTree, Float[Array, "members targets"]]:
    """The parameters of least held-out loss per member and target, and that loss.

    ``draw(key)`` makes a batch; ``loss(params, batch)`` and ``held_out(params)`` give one number
    per member and target. A checkpoint is written after every chunk.
    """
    chunks = max(1, budget.steps // budget.chunk)
    schedule = optax.cosine_decay_schedule(budget.rate, chunks * budget.chunk, alpha=0.01)
    optimiser = optax.chain(optax.clip(1.0), optax.adamw(schedule, weight_decay=budget.decay))

    @jax.jit
    def run_chunk(state, key):
        def step(carry, key):
            params, opt = carry
            grads = jax.grad(lambda p: jnp.sum(loss(p, draw(key))))(params)
            updates, opt = optimiser.update(grads, opt, params)
            return (optax.apply_updates(params, updates), opt), None

        (params, opt), _ = jax.lax.scan(step, state[:2], jax.random.split(key, budget.chunk))
        best, record = state[2:]
        score = held_out(params)
        better = score < record
        return params, opt, _keep_better(best, params, better), jnp.minimum(score, record)

    state = (params, optimiser.init(params), params, held_out(params))
    stored = checkpoint.load(stage, (state, np.int32(0)))
    position, stale = 0, 0
    if stored is not None:
        (state, waited), position = stored
        stale = int(waited)
        track.advance(position)
    record = np.asarray(state[3])
    for chunk in range(position, chunks):
        if stale >= budget.patience:
            track.advance(chunks - chunk)
            break
        state = run_chunk(state, jax.random.fold_in(key, chunk))
        new = np.asarray(state[3])
        stale = 0 if np.any(new < record - 1e-4) else stale + 1
        record = new
        checkpoint.save(stage, (state, np.int32(stale)), chunk + 1)
        track.advance(1, note=f"held-out loss {record.mean():.3f}")
    return state[2], state[3]
