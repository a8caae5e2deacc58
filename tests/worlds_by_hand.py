"""Models written down by hand, whose answers are known in closed form."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.devices import prepare
from doworld.data import Kind, Policy, Role, Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge, Unidentified
from doworld.mechanisms import CategoricalBank, Coding, LinearBank
from doworld.model.baseline import LinearBaseline
from doworld.model.dynamics import Dynamics
from doworld.model.world import Calibration, Reference, WorldModel

Weights = dict[str, dict[tuple[str, int], float]]


def linear_world(
    variables: tuple[Variable, ...],
    weights: Weights,
    *,
    sigma: dict[str, float] | float = 0.1,
    bias: dict[str, float] | None = None,
    members: tuple[float, ...] = (1.0,),
    structural: tuple[bool, ...] = (),
    center: float = 0.0,
    scale: float = 1.0,
    step: float = 1.0,
    policy: Policy = Policy.RANDOMISED,
    extra_edges: tuple[Edge, ...] = (),
    notes: tuple[str, ...] = (),
    unidentified: tuple[Unidentified, ...] = (),
    logits: dict[str, np.ndarray] | None = None,
    inside: float = 8.0,
) -> WorldModel:
    """A linear world in its own units; ``members`` multiply all weights, one a member.

    ``logits[name]`` makes a variable categorical: rows are its parents' features in the order of
    ``weights[name]`` (whose numbers are not read) and one more for the bias. The log is taken to
    have spanned −``inside`` … ``inside`` scaled units in every direction.
    """
    prepare()
    logits = logits or {}
    schema = Schema(variables, step=step, policy=policy, time_unit="s")
    coding = Coding.of(schema)
    lags = max(lag for parents in weights.values() for _, lag in parents)
    size, discrete = len(variables), [v.levels > 0 for v in variables]
    mid = np.where(discrete, 0.0, center)
    spread = np.where(discrete, 1.0, scale)
    names = [n for n in weights if n not in logits]
    own = {n: weights[n] for n in names}
    banks = [_linear(schema, coding, own, (sigma, bias or {}, members), (mid, spread))]
    if logits:
        banks.append(_categorical(schema, coding, weights, logits, len(members)))
    edges = [Edge(s, t, lag) for t, ps in weights.items() for (s, lag) in ps]
    graph = CausalGraph(
        schema.names, (*edges, *extra_edges), max_lag=lags, notes=notes, unidentified=unidentified
    )
    levels = graph.levels()
    order = np.array([levels[n] if n in weights else -1 for n in schema.names], np.int32)
    bounds = np.array([v.bounds for v in variables]).T
    scaled = (bounds - mid) / spread
    dynamics = Dynamics.of(
        tuple(banks),
        coding=coding,
        order=order,
        lower=np.where(discrete, -np.inf, scaled[0]),
        upper=np.where(discrete, np.inf, scaled[1]),
        max_lag=lags,
    )
    return WorldModel(
        schema=schema,
        graph=graph,
        dynamics=dynamics,
        center=mid,
        scale=spread,
        typical=np.zeros(size),
        reference=_reference(schema, coding, weights, mid, spread, inside),
        calibration=Calibration(np.array([1.0]), np.ones((size, 1)), np.ones((size, 1))),
        baseline=_no_baseline(schema, lags),
        members_of_structure=structural or (False,) * len(members),
        rows=1000,
    )


def _slots(schema, coding, parents):
    return [c for source, lag in parents for c in coding.columns(schema.position(source), lag)]


def _linear(schema, coding, weights, numbers, units):
    (sigma, bias, members), (mid, spread), names = numbers, units, list(weights)
    width = max([1, *(len(_slots(schema, coding, weights[n])) for n in names)])
    shape = (len(members), len(names))
    columns, mask = np.zeros((*shape, width), np.int32), np.zeros((*shape, width), np.float32)
    weight, offset = np.zeros((*shape, width), np.float32), np.zeros(shape, np.float32)
    noise = np.zeros(shape, np.float32)
    for i, name in enumerate(names):
        at = schema.position(name)
        slots = _slots(schema, coding, weights[name])
        columns[:, i, : len(slots)], mask[:, i, : len(slots)] = slots, 1.0
        noise[:, i] = (sigma[name] if isinstance(sigma, dict) else sigma) / spread[at]
        for m, factor in enumerate(members):
            total = bias.get(name, 0.0)
            for k, ((source, _), value) in enumerate(weights[name].items()):
                j = schema.position(source)
                weight[m, i, k] = factor * value * spread[j] / spread[at]
                total += factor * value * mid[j]
            offset[m, i] = (total - mid[at]) / spread[at]
    targets = np.array([schema.position(n) for n in names], np.int32)
    fields = {
        "targets": np.broadcast_to(targets, shape),
        "columns": columns,
        "mask": mask,
        "residual": np.zeros(shape, np.float32),
        "weight": weight,
        "bias": offset,
        "sigma": noise,
    }
    return _stacked(LinearBank, fields)


def _stacked(family, fields):
    """A bank with a leading member axis, from fields that have one."""
    size = len(fields["targets"])
    own = [family(**{k: jnp.asarray(v[m]) for k, v in fields.items()}) for m in range(size)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *own)


def _categorical(schema, coding, weights, logits, members):
    names = list(logits)
    width = max(len(_slots(schema, coding, weights[n])) for n in names)
    levels = max(schema[n].levels for n in names)
    n = len(names)
    columns, mask = np.zeros((n, width), np.int32), np.zeros((n, width), np.float32)
    # one network, whose last output would be to keep the level: never, as ``past`` is empty
    skip = np.zeros((n, 1, width, levels + 1), np.float32)
    bias = np.zeros((n, 1, levels + 1), np.float32)
    closed = np.zeros((n, levels), np.float32)
    for i, name in enumerate(names):
        slots = _slots(schema, coding, weights[name])
        columns[i, : len(slots)], mask[i, : len(slots)] = slots, 1.0
        own = schema[name].levels
        skip[i, 0, : len(slots), :own], bias[i, 0, :own] = logits[name][:-1], logits[name][-1]
        closed[i, own:] = -1e9
    zeros = np.zeros
    leaves = {
        "targets": np.array([schema.position(n) for n in names], np.int32),
        "columns": columns,
        "mask": mask,
        "residual": zeros(n, np.float32),
        "skip": skip,
        "weight1": zeros((n, 1, width, 1), np.float32),
        "bias1": zeros((n, 1, 1), np.float32),
        "weight2": zeros((n, 1, 1, levels + 1), np.float32),
        "bias2": bias,
        "open": closed,
        "gate": zeros((n, 0), np.int32),
        "heard": np.ones((n, 1, width), np.float32),
        "past": zeros((n, width, levels), np.float32),
        "base": zeros((n, levels), np.float32),
    }
    fields = {k: np.broadcast_to(v, (members, *v.shape)) for k, v in leaves.items()}
    return _stacked(CategoricalBank, fields)


def _reference(schema, coding, weights, mid, spread, inside):
    """Points on a cube of scaled units, so that this much is inside."""
    names = list(weights)
    slots = [_slots(schema, coding, weights[n]) for n in names]
    width = max(1, *map(len, slots))
    rng = np.random.default_rng(0)
    columns, mask = np.zeros((len(names), width), np.int32), np.zeros((len(names), width))
    for i, own in enumerate(slots):
        columns[i, : len(own)], mask[i, : len(own)] = own, 1.0
    points = rng.uniform(-inside, inside, (len(names), 256, width)) * mask[:, None]
    features = columns % len(coding.level)
    coded = np.asarray(coding.level)[features] >= 0
    points = np.where(coded[:, None], points > 0, points)
    discrete = np.array([v.levels > 0 for v in schema.variables])
    top = np.array([max(v.levels - 1, 0) for v in schema.variables], float)
    return Reference(
        targets=np.array([schema.position(n) for n in names]),
        points=points.astype(np.float32),
        mask=mask.astype(np.float32),
        columns=columns,
        radius=np.full(len(names), 0.75 * inside),
        low=np.where(discrete, 0.0, mid - inside * spread),
        high=np.where(discrete, top, mid + inside * spread),
    )


def _no_baseline(schema, lags) -> LinearBaseline:
    return LinearBaseline.fit(log_of(schema, [np.zeros((lags + 2, len(schema)))]), lags)


HEATER = (
    Variable("T", unit="°C"),
    Variable("D", unit="°C"),
    Variable("Q", Role.ACTION, unit="%", bounds=(-5.0, 5.0)),
    Variable("W", Role.CONTEXT),
)
"""T warms by the heater Q and the weather W; D follows T one row later."""

HEATER_WEIGHTS: Weights = {
    "T": {("T", 1): 0.8, ("Q", 1): 0.5, ("W", 1): 0.2},
    "D": {("D", 1): 0.5, ("T", 1): 1.0},
}


def heater(**options) -> WorldModel:
    """T(t) = .8 T + .5 Q + .2 W + ε, D(t) = .5 D + T + ε."""
    return linear_world(HEATER, HEATER_WEIGHTS, **options)


def contemporaneous(**options) -> WorldModel:
    """A static table: Z → X → Y and Z → Y, and a sideline S of its own."""
    variables = (
        Variable("Y"),
        Variable("X"),
        Variable("Z", Role.CONTEXT),
        Variable("S"),
    )
    weights: Weights = {
        "X": {("Z", 0): 2.0},
        "Y": {("X", 0): 3.0, ("Z", 0): 1.0},
        "S": {("Z", 0): 0.0},
    }
    return linear_world(variables, weights, step=0.0, **options)


def machine(**options) -> WorldModel:
    """A machine's mode (off, slow, fast) depends on a switch and on itself; heat follows mode."""
    variables = (
        Variable("mode", kind=Kind.CATEGORICAL, categories=("off", "slow", "fast")),
        Variable("heat", unit="K"),
        Variable("switch", Role.ACTION, kind=Kind.BINARY),
    )
    weights: Weights = {
        "heat": {("heat", 1): 0.5, ("mode", 1): 0.0},
        "mode": {("mode", 1): 0.0, ("switch", 1): 0.0},
    }
    stay = 2.0 * np.eye(3)
    logits = np.concatenate([stay, [[-3.0, 0.0, 3.0]], [[0.5, 0.0, -0.5]]])
    model = linear_world(variables, weights, logits={"mode": logits}, **options)
    bank = model.dynamics.banks[0]
    weight = np.array(bank.weight)
    weight[..., 1:4] = [0.0, 1.0, 2.0]
    dynamics = eqx.tree_at(lambda d: d.banks[0].weight, model.dynamics, jnp.asarray(weight))
    return replace(model, dynamics=dynamics)


def log_of(schema: Schema, episodes) -> Trajectories:
    """A log of episodes given as arrays of rows in the schema's columns."""
    lengths = [len(e) for e in episodes]
    return Trajectories(
        schema=schema,
        values=np.concatenate(episodes),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n, dtype=float) for n in lengths]),
        environment=np.zeros(len(lengths), int),
        terminated=np.zeros(len(lengths), bool),
        truncated=np.ones(len(lengths), bool),
        labels=tuple(str(i) for i in range(len(lengths))),
    )


def heater_rows(rng, rows, *, sigma=0.1):
    """Rows of the heater under random heating."""
    x = np.zeros((rows, 4))
    x[:, 2], x[:, 3] = rng.normal(size=rows), 0.5
    for t in range(rows - 1):
        noise = sigma * rng.normal(size=2)
        x[t + 1, 0] = 0.8 * x[t, 0] + 0.5 * x[t, 2] + 0.2 * x[t, 3] + noise[0]
        x[t + 1, 1] = 0.5 * x[t, 1] + x[t, 0] + noise[1]
    return x
