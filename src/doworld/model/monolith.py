"""The monolithic baseline as a world model: same log, same questions, no graph."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from doworld._core.devices import make_room, prepare
from doworld._core.errors import SchemaError
from doworld._core.progress import Progress, Quiet, Track
from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph, Edge
from doworld.mechanisms import MonolithBank, ensemble, renewed
from doworld.model.calibrate import calibrate, held_out
from doworld.model.closed import wiring
from doworld.model.design import KEPT, Parents
from doworld.model.learn import Settings, fit, plan_of
from doworld.model.wiring import Wiring
from doworld.model.world import Doubts, Fit, WorldModel

__all__ = ["fit_monolith"]

BATCH = 512
CHUNK = 250


def complete_graph(log: Trajectories, lags: int) -> CausalGraph:
    """Every variable at every lag acts on every state: what a monolith assumes."""
    targets = log.schema.of(Role.STATE, Role.REWARD)
    sources = log.schema.of(Role.STATE, Role.ACTION, Role.CONTEXT)
    links = [Edge(s, t, k) for t in targets for s in sources for k in range(1, lags + 1)]
    return CausalGraph(log.schema.names, tuple(links), max_lag=lags)


def fit_monolith(
    log: Trajectories,
    *,
    lags: int = 1,
    hidden: int = 128,
    updates: int = 3000,
    members: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> WorldModel:
    """One network with two hidden layers from all variables to all states, as an ensemble.

    Trained one step ahead by AdamW on bootstrap samples, as in PETS (Chua et al. 2018) but with a
    constant σ. Raises ``SchemaError`` where a state is discrete.
    """
    prepare()
    make_room()
    kinds = {log.schema[n].kind for n in log.schema.of(Role.STATE, Role.REWARD)}
    if kinds & {Kind.CATEGORICAL, Kind.BINARY}:
        raise SchemaError("the monolithic baseline predicts numbers. Drop the discrete states.")
    graph = complete_graph(log, lags)
    quick = Settings(members=members, structures=0, neural=None)
    frame = fit(log, graph, settings=quick, seed=seed)
    _, plan, data = plan_of(log, graph, quick, seed)
    bank = _start(plan, hidden, seed)
    rows, held = data.rows[~data.held], data.rows[data.held]
    inputs = [data.gather(plan.columns[0], at).astype(np.float32) for at in (rows, held)]
    change = [
        data.values[at][:, plan.targets]
        - plan.residual * data.values[np.maximum(at - 1, 0)][:, plan.targets]
        for at in (rows, held)
    ]
    scale = np.maximum(change[0].std(0), 1e-6).astype(np.float32)
    bank = eqx.tree_at(lambda b: b.scale, bank, jnp.broadcast_to(scale, (members, len(scale))))
    units = np.unique(data.unit[~data.held], return_inverse=True)[1]
    rng = np.random.default_rng([seed, 41])
    picks = [np.flatnonzero(np.isin(units, _half(units, rng))) for _ in range(members)]
    size = min(len(p) for p in picks)
    pool = jnp.asarray(np.stack([rng.choice(p, size, replace=False) for p in picks]))
    x, y = jnp.asarray(inputs[0]), jnp.asarray((change[0] / scale).astype(np.float32))
    track = (progress or Quiet()).task("monolithic network", updates // CHUNK)
    bank = _train(bank, x, y, pool, updates=updates, seed=seed, track=track)
    first = jnp.asarray(inputs[1]), jnp.asarray((change[1] / scale).astype(np.float32))
    error = jax.vmap(lambda b: _errors(b, *first))(bank)
    sigma = jnp.sqrt(jnp.mean(error**2, 1)) + 1e-7
    bank = eqx.tree_at(lambda b: b.sigma, bank, sigma)
    names = [log.schema.names[int(t)] for t in plan.targets]
    fits = tuple(Fit(n, "monolith", {}, float("nan")) for n in names)
    dynamics = Wiring(log, graph, data)((bank,))
    calibration = calibrate(log, dynamics, held_out(log, data, KEPT, seed=seed))
    # the doubt is of the frame's own mechanisms
    return replace(frame, dynamics=dynamics, calibration=calibration, fits=fits, doubts=Doubts())


def _half(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The distinct units of a bootstrap sample."""
    count = units.max() + 1
    return np.unique(rng.integers(count, size=count))


def _start(plan: Parents, hidden: int, seed: int) -> MonolithBank:
    members, n, k = plan.mask.shape
    keys = jax.random.split(jax.random.key(seed), 3)
    leaves = {
        **wiring(plan),
        "scale": jnp.ones((members, n)),
        "weight1": jax.random.normal(keys[0], (members, k, hidden)) / np.sqrt(k),
        "bias1": jnp.zeros((members, hidden)),
        "weight2": jax.random.normal(keys[1], (members, hidden, hidden)) / np.sqrt(hidden),
        "bias2": jnp.zeros((members, hidden)),
        "weight3": 0.1 * jax.random.normal(keys[2], (members, hidden, n)) / np.sqrt(hidden),
        "bias3": jnp.zeros((members, n)),
        "sigma": jnp.ones((members, n)),
    }
    return ensemble(MonolithBank, leaves)


def _errors(
    bank: MonolithBank, x: Float[Array, "b k"], y: Float[Array, "b n"]
) -> Float[Array, "b n"]:
    return jax.vmap(bank.location)(x) / bank.scale - y


TRAINED = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


def _train(
    bank: MonolithBank,
    x: Float[Array, "b k"],
    y: Float[Array, "b n"],
    pool: Int[Array, "members rows"],
    *,
    updates: int,
    seed: int,
    track: Track,
) -> MonolithBank:
    optimiser = optax.adamw(optax.cosine_decay_schedule(3e-3, updates, 0.01), weight_decay=1e-5)
    params = {name: getattr(bank, name) for name in TRAINED}

    def loss(params, own, at):
        return jnp.mean(_errors(renewed(own, params), x[at], y[at]) ** 2)

    def member(params, state, own, rows, key):
        at = rows[jax.random.randint(key, (BATCH,), 0, len(rows))]
        updates, state = optimiser.update(jax.grad(loss)(params, own, at), state, params)
        return optax.apply_updates(params, updates), state

    @jax.jit
    def chunk(params, state, key):
        def step(carry, key):
            keys = jax.random.split(key, len(pool))
            params, state = carry
            return jax.vmap(member)(params, state, bank, pool, keys), None

        return jax.lax.scan(step, (params, state), jax.random.split(key, CHUNK))[0]

    state = jax.vmap(optimiser.init)(params)
    for number in range(max(1, updates // CHUNK)):
        params, state = chunk(params, state, jax.random.fold_in(jax.random.key(seed), number))
        track.advance(1)
    return renewed(bank, params)
