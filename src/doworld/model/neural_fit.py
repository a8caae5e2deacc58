"""Neural mechanisms: a ridge start, then open-loop rollouts of growing length, all at once.

The ridge solution is the one-step stage in closed form; the network begins at zero and learns what
the linear part leaves over many steps. On logs whose single rows hide part of the state this takes
the open-loop error to a fraction of what one-step training reaches.
"""

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld._core.devices import over_devices
from doworld._core.progress import Track
from doworld.mechanisms import NeuralBank, ensemble, renewed
from doworld.mechanisms.noise import GRID
from doworld.model.closed import wiring
from doworld.model.design import Design, Parents
from doworld.model.dynamics import Dynamics, World, rollout
from doworld.model.training import Checkpoint

__all__ = ["NeuralSettings", "fit_neural"]


@dataclass(frozen=True)
class NeuralSettings:
    """How neural mechanisms are trained.

    Attributes:
        hidden: width of both hidden layers.
        horizon: longest open-loop rollout in training; shorter where episodes are.
        stages: share of the horizon, batch and updates of each stage; the rate halves per stage.
        arithmetic: floating-point operations that a stage may take; wide logs get fewer updates.
        rate: AdamW's learning rate in the first stage; the linear skip learns at 0.3 of it.
    """

    hidden: int = 64
    horizon: int = 100
    stages: tuple[tuple[float, int, int], ...] = ((0.04, 256, 300), (0.2, 128, 300), (1.0, 64, 300))
    rate: float = 3e-3
    decay: float = 1e-3
    average: float = 0.98
    ridge: float = 1e-4
    arithmetic: float = 1.5e12


CHUNKS = 3
"""Times per stage that held-out rollouts are scored and a checkpoint is written."""

TRAINED = ("skip", "weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


def _inputs(design: Design, parents: Parents, i: int, at: np.ndarray) -> np.ndarray:
    return design.gather(parents.columns[i], at) * parents.mask[:, i].any(0)


def _start(
    design: Design, parents: Parents, train: list[np.ndarray], settings: NeuralSettings, seed: int
) -> NeuralBank:
    """A bank whose skip is the ridge solution of each member's rows and whose network is zero."""
    members, n, k = parents.mask.shape
    h = settings.hidden
    width = design.features.shape[1]
    lag, feature = np.divmod(parents.columns, width)
    used = np.asarray(parents.mask.any(0))
    chain = np.zeros((n, k))
    chain[:, 1:] = (feature[:, 1:] == feature[:, :-1]) & (lag[:, 1:] > lag[:, :-1]) & used[:, 1:]
    shift, spread, scale = np.zeros((n, k)), np.zeros((n, k)), np.ones(n)
    skip, bias = np.zeros((members, n, k)), np.zeros((members, n))
    every = np.unique(np.concatenate(train))
    for i in range(n):
        seen = np.zeros(len(design.values), bool)
        seen[design.rows[design.complete(int(parents.targets[i]), parents.columns[i][used[i]])]] = 1

        def course(at: np.ndarray, i: int = i) -> tuple[np.ndarray, np.ndarray]:
            raw = _inputs(design, parents, i, at)
            newer = np.concatenate([np.zeros_like(raw[:, :1]), raw[:, :-1]], 1)
            y = design.values[at, parents.targets[i]]
            if parents.residual[i]:
                y = y - design.values[at - 1, parents.targets[i]]
            return raw - chain[i] * newer, y

        if not seen[every].any():
            continue  # nothing to learn from; persistence, or the mean, stays
        x, y = course(every[seen[every]])
        deviation = x.std(0)
        shift[i] = x.mean(0)
        spread[i] = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0) * used[i]
        scale[i] = max(float(y.std()), 1e-6)
        for m in range(members):
            own = train[m][seen[train[m]]]
            x, y = course(own if len(own) else every[seen[every]])
            x, y = (x - shift[i]) * spread[i] * parents.mask[m, i], y / scale[i]
            gram = x.T @ x / len(x) + settings.ridge * np.eye(k)
            skip[m, i] = np.linalg.solve(gram, x.T @ (y - y.mean()) / len(x))
            bias[m, i] = y.mean() - x.mean(0) @ skip[m, i]
    rng = np.random.default_rng([seed, 23])
    fan = np.maximum(used.sum(-1), 1)[None, :, None, None]
    bias3 = np.zeros((members, n, 2))
    bias3[..., 0] = bias

    def member(a: np.ndarray) -> np.ndarray:
        return np.broadcast_to(a, (members, *a.shape)).astype(np.float32)

    arrays = {
        "scale": member(scale),
        "chain": member(chain),
        "shift": member(shift),
        "spread": member(spread),
        "skip": skip,
        "weight1": rng.normal(size=(members, n, k, h)) / np.sqrt(fan),
        "bias1": np.zeros((members, n, h)),
        "weight2": rng.normal(size=(members, n, h, h)) / np.sqrt(h),
        "bias2": np.zeros((members, n, h)),
        "weight3": np.zeros((members, n, h, 2)),
        "bias3": bias3,
        "knots": member(np.broadcast_to(GRID, (n, len(GRID)))),
    }
    ready = {name: a.astype(np.float32) for name, a in arrays.items()}
    return ensemble(NeuralBank, {**wiring(parents), **ready})


class _Problem(eqx.Module):
    """What the training programs read; all arrays, so every stage differs by shape alone."""

    dynamics: Dynamics
    values: Float[Array, "rows variables"]
    observed: Float[Array, "rows variables"]

    def error(self, bank: NeuralBank, starts: Int[Array, " b"], steps: int):
        """Open-loop errors (b, steps, n) of one member from row 0 at each of ``starts``."""
        lags = self.dynamics.max_lag
        rows = self.values[starts[:, None] + 1 + jnp.arange(steps)]
        window = self.values[starts[:, None] - jnp.arange(lags)]
        one = jnp.ones_like(rows)
        noise = (jnp.zeros((len(starts), steps, len(bank.targets), 1)),)
        worlds = World(window, rows, one, jnp.zeros_like(rows))
        out = jax.vmap(lambda w, e: rollout(self.dynamics, (bank,), w, e))(worlds, noise)
        seen = self.observed[starts[:, None] + 1 + jnp.arange(steps)]
        return ((out - rows) * seen)[..., bank.targets]


class _State(eqx.Module):
    params: dict
    moments: optax.OptState
    average: dict
    best: dict
    score: Float[Array, " members"]


def _run(
    problem: _Problem,
    bank: NeuralBank,
    settings: NeuralSettings,
    held: Int[Array, " w"],
    steps: int,
):
    """The jitted programs of one horizon: a chunk of updates, and the held-out score."""

    # one mesh for both programs, whose batches it divides
    batches = [batch for _, batch, _ in settings.stages]
    shared = math.gcd(jax.local_device_count(), *batches)
    held = jnp.concatenate([held, held[: -len(held) % shared]])
    whole, split = PartitionSpec(), PartitionSpec("batch")

    @eqx.filter_jit
    def score(params: dict) -> Float[Array, " members"]:
        def squares(bank, params, held):
            def one(pair):
                error = problem.error(renewed(*pair), held, steps)
                return jax.lax.pmean(jnp.mean(error**2, (0, 1)), "batch")

            return jax.lax.map(one, (bank, params))

        run = over_devices(squares, shared, split=(whole, whole, split), out=whole)
        return jnp.sqrt(run(bank, params, held)).mean(-1)

    @eqx.filter_jit
    def chunk(carried, data, rates, key, batch):
        starts, counts, weight = data
        optimiser = _optimiser(settings)

        def loss(params, bank, at):
            error = problem.error(renewed(bank, params), at, weight.shape[0])
            return jnp.mean(error**2 * weight)

        def member(carried, bank, own, rate, key):
            (params, moments, average), (starts, count) = carried, own
            at = starts[jax.random.randint(key, (batch,), 0, count)]
            at = at.reshape(shared, -1)[jax.lax.axis_index("batch")]
            grads = jax.lax.pmean(jax.grad(loss)(params, bank, at), "batch")
            updates, moments = optimiser.update(grads, moments, params)
            updates = jax.tree.map(lambda u: -rate * u, updates)
            updates["skip"] = 0.3 * updates["skip"]
            params = optax.apply_updates(params, updates)
            keep = settings.average
            average = jax.tree.map(lambda a, p: keep * a + (1 - keep) * p, average, params)
            return params, moments, average

        def step(carry, inputs):
            rate, key = inputs
            keys = jax.random.split(key, starts.shape[0])
            run = jax.vmap(member, in_axes=(0, 0, 0, None, 0))
            return run(carry, bank, (starts, counts), rate, keys), None

        def updates(carried, rates, keys):
            return jax.lax.scan(step, carried, (rates, keys))[0]

        keys = jax.random.split(key, len(rates))
        return over_devices(updates, shared, split=whole, out=whole)(carried, rates, keys)

    return chunk, score


def _optimiser(settings: NeuralSettings) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(),
        optax.add_decayed_weights(settings.decay),
    )


def _persistence(design: Design, targets: np.ndarray, starts: np.ndarray, steps: int) -> np.ndarray:
    """(1, n): one over the mean squared change of each target within ``steps`` rows."""
    pick = starts[:: max(1, len(starts) // 2000)]
    ahead = design.values[pick[:, None] + 1 + np.arange(steps)][..., targets]
    change = ahead - design.values[pick][:, None, targets]
    return 1 / np.maximum((change**2).mean((0, 1)), 1e-12)[None]


def _affordable(settings: NeuralSettings, updates: int, rows: int, parents: Parents) -> int:
    """Updates of a stage that its arithmetic allows, at least a fifth of those asked for."""
    n, k = parents.columns.shape
    row = 6 * n * (k * settings.hidden + settings.hidden**2)
    return int(np.clip(settings.arithmetic / (row * rows), updates // 5, updates))


def _rates(settings: NeuralSettings, stage: int, updates: int) -> np.ndarray:
    at = np.arange(updates)
    cosine = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * at / updates))
    return settings.rate * 0.5**stage * cosine * np.minimum(1, (at + 1) / 20)


def fit_neural(
    design: Design,
    parents: Parents,
    dynamics: Dynamics,
    *,
    windows: dict[int, np.ndarray],
    held: np.ndarray,
    train: list[np.ndarray],
    settings: NeuralSettings,
    seed: int,
    track: Track,
    checkpoint: Checkpoint,
) -> NeuralBank:
    """The bank of all continuous targets, trained on open-loop rollouts.

    ``dynamics`` wires the rollout: its ``order`` is the level of the targets and −1 elsewhere, so
    that all else is read from the log. ``windows`` maps each stage's number of steps to the rows 0
    of training rollouts, ``held`` are rows 0 of held-out rollouts of the longest stage, ``train``
    the bootstrap rows of each member for the ridge start.
    """
    bank = _start(design, parents, train, settings, seed)
    values = jnp.asarray(design.values, jnp.float32)
    problem = _Problem(dynamics, values, jnp.asarray(design.judging, jnp.float32))
    longest = max(windows)
    chunk, score = _run(problem, bank, settings, jnp.asarray(held), longest)
    params = {name: getattr(bank, name) for name in TRAINED}
    moments = jax.vmap(_optimiser(settings).init)(params)
    state = _State(params, moments, params, params, score(params))
    stored = checkpoint.load("neural", state)
    done = 0
    if stored is not None:
        state, done = stored
        track.advance(done)
    stages = _stages(design, parents, windows, settings, seed)
    count = 0
    for stage in stages:
        for rates in stage.chunks:
            count += 1
            if count <= done:
                continue
            state = _advance(
                state,
                chunk,
                score,
                data=(stage.starts, stage.counts, stage.weight),
                rates=rates,
                key=jax.random.fold_in(jax.random.key(seed), count),
                batch=stage.batch,
            )
            checkpoint.save("neural", state, count)
            track.advance(1, note=f"held-out error {float(state.score.mean()):.3f}")
    # off the mesh: a model that was learned compiles the same programs as one that was loaded
    return renewed(bank, jax.tree.map(jnp.asarray, jax.device_get(state.best)))


@dataclass(frozen=True, eq=False)
class _Stage:
    """Rollouts of one length: each member's rows 0 and their number, and each chunk's rates."""

    starts: Int[Array, "members w"]
    counts: Int[Array, " members"]
    weight: Float[Array, "steps n"]
    chunks: list[np.ndarray]
    batch: int


def _stages(
    design: Design,
    parents: Parents,
    windows: dict[int, np.ndarray],
    settings: NeuralSettings,
    seed: int,
) -> list[_Stage]:
    rng, members, out = np.random.default_rng([seed, 29]), len(parents.mask), []
    asked = settings.stages[-len(windows) :]
    for number, ((steps, starts), (_, batch, most)) in enumerate(
        zip(windows.items(), asked, strict=True)
    ):
        weight = _persistence(design, parents.targets, starts, steps)
        updates = _affordable(settings, most, batch * steps * members, parents)
        rates = _rates(settings, number, updates).astype(np.float32)
        size = -(-updates // CHUNKS)
        rows, counts = _stacked([_bootstrap(design, starts, rng) for _ in range(members)])
        out.append(
            _Stage(
                starts=rows,
                counts=counts,
                weight=jnp.asarray(np.broadcast_to(weight, (steps, weight.shape[1])), jnp.float32),
                chunks=[rates[c : c + size] for c in range(0, updates, size)],
                batch=batch,
            )
        )
    return out


def _stacked(starts: list[np.ndarray]) -> tuple[Int[Array, "members w"], Int[Array, " members"]]:
    """Each member's rows 0, repeated up to the longest list, and how many there are of its own."""
    counts = np.array([len(own) for own in starts])
    rows = np.stack([np.resize(own, counts.max()) for own in starts])
    return jnp.asarray(rows), jnp.asarray(counts)


def _advance(
    state: _State,
    chunk,
    score,
    *,
    data: tuple,
    rates: Float[np.ndarray, " updates"],
    key: PRNGKeyArray,
    batch: int,
) -> _State:
    carried = (state.params, state.moments, state.average)
    params, moments, average = chunk(carried, data, jnp.asarray(rates), key, batch)
    now = score(average)
    better = now < state.score

    def choose(new, old):
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    best = jax.tree.map(choose, average, state.best)
    return _State(params, moments, average, best, jnp.minimum(now, state.score))


def _bootstrap(design: Design, starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows 0 drawn by whole units (episodes or blocks) with replacement."""
    unit_of = np.full(len(design.values), -1)
    unit_of[design.rows] = design.unit
    unit = unit_of[starts + 1]
    order = np.argsort(unit, kind="stable")
    numbers, first, sizes = np.unique(unit[order], return_index=True, return_counts=True)
    chosen = rng.integers(len(numbers), size=len(numbers))
    return np.concatenate([starts[order[first[j] : first[j] + sizes[j]]] for j in chosen])
