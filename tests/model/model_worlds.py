"""Logs of small worlds whose truth is known, and settings that learn them in seconds."""

import numpy as np

from doworld._core.devices import prepare
from doworld.data import Kind, Role, Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge
from doworld.model.learn import Settings
from doworld.model.neural_fit import NeuralSettings
from doworld.model.training import Budget

prepare()

CLOSED = Settings(members=2, structures=0, neural=None, budget=Budget(steps=400, chunk=100))
"""Closed forms and short categorical training."""

NEURAL = NeuralSettings(hidden=16, horizon=4, stages=((0.25, 128, 150), (1.0, 64, 50)), rate=1e-2)


def log_of(variables, episodes, **schema) -> Trajectories:
    """A log of these episodes, each an array of rows."""
    lengths, count = [len(e) for e in episodes], len(episodes)
    return Trajectories(
        schema=Schema(tuple(variables), **schema),
        values=np.concatenate(episodes).astype(float),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n, dtype=float) for n in lengths]),
        environment=np.zeros(count, int),
        terminated=np.zeros(count, bool),
        truncated=np.ones(count, bool),
        labels=tuple(map(str, range(count))),
    )


XUY = (Variable("x"), Variable("u", Role.ACTION), Variable("y"))
XUY_GRAPH = CausalGraph(
    ("x", "u", "y"),
    (Edge("x", "x"), Edge("u", "x"), Edge("x", "y"), Edge("y", "y")),
)


def linear_log(lengths=(40,) * 25, *, seed=0, noise=0.3) -> Trajectories:
    """x = 10 + .7 x + 2 u + ε;  y = .5 y − .3 x + ε; u standard normal."""
    rng = np.random.default_rng(seed)
    episodes = []
    for length in lengths:
        rows = np.zeros((length, 3))
        rows[:, 1] = rng.normal(size=length)
        rows[0, [0, 2]] = 33 + 3 * rng.normal(), -20 + rng.normal()
        for t in range(1, length):
            x, u, y = rows[t - 1]
            rows[t, 0] = 10 + 0.7 * x + 2 * u + noise * rng.normal()
            rows[t, 2] = 0.5 * y - 0.3 * x + noise * rng.normal()
        rows[-1, 1] = np.nan
        episodes.append(rows)
    return log_of(XUY, episodes)


def coefficients(model, target: str) -> dict[tuple[str, int] | None, np.ndarray]:
    """A linear mechanism's coefficients in the variables' own units, one a member; None: bias."""
    bank = next(b for b in model.dynamics.banks if hasattr(b, "weight"))
    at = model.schema.position(target)
    i = np.asarray(bank.targets)[0].tolist().index(at)
    weight, bias = np.asarray(bank.weight, float)[:, i], np.asarray(bank.bias, float)[:, i]
    center, scale = model.center, model.scale
    out: dict = {None: center[at] + bias * scale[at]}
    names, width = model.schema.names, len(model.dynamics.coding.variable)
    for k, column in enumerate(np.asarray(bank.columns)[0, i]):
        if not bank.mask[0, i, k]:
            continue
        lag, j = divmod(int(column), width)
        own = weight[:, k] * scale[at] / scale[j]
        if (lag, j) == (1, at):
            own = own + float(bank.residual[0, i])
        out[names[j], lag] = own
        out[None] = out[None] - own * center[j]
    if bank.residual[0, i] and (target, 1) not in out:
        raise AssertionError("an increment without its own past")
    return out


def one_row_ahead(model, log: Trajectories) -> np.ndarray:
    """The ensemble mean's forecast of every row from the row before, NaN in first rows."""
    import jax

    from doworld.model.calibrate import worlds_of
    from doworld.model.simulate import simulate

    lags = model.dynamics.max_lag
    first = log.windows(lags + 1) + lags - 1
    worlds, _ = worlds_of(np.nan_to_num(model.scaled(log.values)), first, lags, 1)
    noise = model.dynamics.draw_noise(jax.random.key(0), (len(first), 1))
    quiet = jax.tree.map(lambda a: 0.0 * a, noise)
    out = np.full(log.values.shape, np.nan)
    out[first + 1] = model.unscaled(np.asarray(simulate(model.dynamics, worlds, quiet)).mean(0))[
        :, 0
    ]
    return out


WEATHER = (
    Variable("sky", kind=Kind.CATEGORICAL, categories=("clear", "grey", "rain")),
    Variable("wet", kind=Kind.BINARY),
)
CPT = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.3, 0.6]])
WET = np.array([0.05, 0.3, 0.9])


def weather_log(rows=3000, seed=0) -> Trajectories:
    """The sky is a Markov chain with table CPT; it is wet with probability WET[sky before]."""
    rng = np.random.default_rng(seed)
    values = np.zeros((rows, 2))
    for t in range(1, rows):
        before = int(values[t - 1, 0])
        values[t] = rng.choice(3, p=CPT[before]), rng.random() < WET[before]
    return log_of(WEATHER, [values])


WEATHER_GRAPH = CausalGraph(("sky", "wet"), (Edge("sky", "sky"), Edge("sky", "wet")))
