"""Worlds whose truth we hold, as models: hand-made laws, and linear ones with a known optimum.

They are cached because laws are functions, and a new function means a new compilation.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from doworld import CausalGraph, Edge, Kind, Role, Schema, Variable
from doworld.mechanisms import Coding, Known, KnownBank
from doworld.model.baseline import LinearBaseline
from doworld.model.dynamics import Dynamics
from doworld.model.world import Calibration, Reference, WorldModel


def known_model(
    variables: tuple[Variable, ...],
    laws: tuple[Known, ...],
    *,
    low,
    high,
    center=None,
    scale=None,
    sigma=0.0,
    members: int = 1,
    step: float = 1.0,
) -> WorldModel:
    """A model whose mechanisms are ``laws``, with the same ``members`` times."""
    schema = Schema(variables, step=step)
    size, count = len(schema), len(laws)
    center = np.zeros(size) if center is None else np.asarray(center, float)
    scale = np.ones(size) if scale is None else np.asarray(scale, float)
    coding = Coding.of(schema)
    features = [_features(coding, schema, law) for law in laws]
    widest = max(map(len, features))
    columns, mask = np.zeros((count, widest), np.int32), np.zeros((count, widest), np.float32)
    center_in, scale_in = np.zeros((count, widest)), np.ones((count, widest))
    edges = []
    for i, (law, own) in enumerate(zip(laws, features, strict=True)):
        for j, (column, at) in enumerate(own):
            columns[i, j], mask[i, j] = column, 1.0
            center_in[i, j], scale_in[i, j] = center[at], scale[at]
        edges += [Edge(name, law.target, lag=lag) for _, name, lag in law.parents]
    targets = [schema.position(law.target) for law in laws]

    def many(array, kind=np.float32):
        return jnp.asarray(np.asarray(array, kind))

    bank = KnownBank(
        targets=many(targets, np.int32),
        columns=many(columns, np.int32),
        mask=many(mask),
        residual=many(np.zeros(count)),
        sigma=many(np.full(count, sigma)),
        center_in=many(center_in),
        scale_in=many(scale_in),
        center_out=many(center[targets]),
        scale_out=many(scale[targets]),
        known=laws,
    )
    bank = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], members, 0), bank)
    lag = max(edge.lag for edge in edges)
    graph = CausalGraph(schema.names, tuple(edges), max_lag=max(lag, 1))
    levels = graph.levels()
    order = [levels[n] if n in {law.target for law in laws} else -1 for n in schema.names]
    dynamics = Dynamics.of(
        (bank,),
        coding=jax.tree.map(jnp.asarray, coding),
        order=np.array(order, np.int32),
        lower=np.full(size, -np.inf),
        upper=np.full(size, np.inf),
        max_lag=max(lag, 1),
    )
    low, high = np.asarray(low, float), np.asarray(high, float)
    return WorldModel(
        schema=schema,
        graph=graph,
        dynamics=dynamics,
        center=center,
        scale=scale,
        typical=(low + high) / 2,
        reference=_reference(targets, low, high, dynamics),
        baseline=_baseline(coding, targets),
        calibration=Calibration(np.array([1.0]), np.ones((size, 1)), np.full((size, 1), 0.9)),
        members_of_structure=(False,) * members,
        rows=1000,
    )


def _features(coding: Coding, schema: Schema, law: Known) -> list[tuple[int, int]]:
    """Column and variable of each parent; of a categorical one, only its last level's."""
    at = [(schema.position(name), lag) for _, name, lag in law.parents]
    return [(coding.columns(i, lag)[-1], i) for i, lag in at]


def _baseline(coding: Coding, targets: list[int]) -> LinearBaseline:
    """Predicts nothing; only ``evaluate`` looks at it."""
    variable, count = np.asarray(coding.variable), len(targets)
    zero = np.zeros((2, len(variable), count))
    return LinearBaseline(
        variable=variable,
        level=np.asarray(coding.level),
        binary=np.zeros(len(variable), bool),
        outputs=np.flatnonzero(np.isin(variable, targets)),
        center=np.zeros(len(variable)),
        scale=np.ones(len(variable)),
        weight=zero,
        bias=np.zeros(count),
    )


def _reference(targets, low, high, dynamics) -> Reference:
    bank = dynamics.banks[0]
    count, k = bank.columns.shape[1:]
    points = np.random.default_rng(0).uniform(-1, 1, (count, 64, k))
    return Reference(
        targets=np.array(targets),
        points=points * np.asarray(bank.mask[0])[:, None],
        mask=np.asarray(bank.mask[0]),
        columns=np.asarray(bank.columns[0]),
        radius=np.ones(count),
        low=low,
        high=high,
    )


@cache
def cartpole_model(members: int = 1, sigma: float = 0.0) -> WorldModel:
    """CartPole-v1's published equations (Euler, 0.02 s)."""

    def theta_acceleration(theta, omega, force):
        push = 10.0 * (2 * force - 1)
        temp = (push + 0.05 * omega**2 * jnp.sin(theta)) / 1.1
        top = 9.8 * jnp.sin(theta) - jnp.cos(theta) * temp
        return top / (0.5 * (4 / 3 - 0.1 * jnp.cos(theta) ** 2 / 1.1)), temp

    def speed(v, theta, omega, force):
        turn, temp = theta_acceleration(theta, omega, force)
        return v + 0.02 * (temp - 0.05 * turn * jnp.cos(theta) / 1.1)

    def turning(theta, omega, force):
        return omega + 0.02 * theta_acceleration(theta, omega, force)[0]

    def lag1(*pairs):
        return tuple((own, name, 1) for own, name in pairs)

    state, push = [("theta", "theta"), ("omega", "omega")], ("force", "force")
    laws = (
        Known("x", lag1(("x", "x"), ("v", "v")), lambda x, v: x + 0.02 * v),
        Known("v", lag1(("v", "v"), *state, push), speed),
        Known("theta", lag1(*state), lambda theta, omega: theta + 0.02 * omega),
        Known("omega", lag1(*state, push), turning),
    )
    variables = (
        *(Variable(n) for n in ("x", "v", "theta", "omega")),
        Variable("force", Role.ACTION, Kind.BINARY),
    )
    return known_model(
        variables,
        laws,
        low=[-2.4, -3, -0.2, -3, 0],
        high=[2.4, 3, 0.2, 3, 1],
        scale=[0.5, 0.6, 0.1, 0.9, 1],
        sigma=sigma,
        members=members,
        step=0.02,
    )


@cache
def _double_integrator(nominal: bool, second: bool, lag: int) -> tuple[Known, ...]:
    parents = (("v", "v", 1), ("u", "u", lag), *((("w", "w", lag),) if second else ()))
    strength, rest = (0.6, -0.2) if nominal else (0.3, 0.0)

    def speed(v, u, w=0.0):
        return v + rest + strength * u + 0.1 * w

    return (
        Known("p", (("p", "p", 1), ("v", "v", 1)), lambda p, v: p + 0.3 * v),
        Known("v", parents, speed),
    )


@cache
def linear_model(
    kind: Kind = Kind.CONTINUOUS,
    bounds=(-3.0, 3.0),
    sigma: float = 0.0,
    second: bool = False,
    lag: int = 1,
) -> WorldModel:
    """A double integrator p' = p + 0.3 v, v' = v + 0.3 u (+ 0.1 w with a second, binary action).

    A categorical u pushes by 0.4 when "right" and by −0.2 otherwise.
    """
    nominal = kind is Kind.CATEGORICAL
    categories = ("left", "none", "right") if nominal else ()
    push = Variable("u", Role.ACTION, kind, bounds=bounds, categories=categories)
    extra = (Variable("w", Role.ACTION, Kind.BINARY),) if second else ()
    return known_model(
        (Variable("p"), Variable("v"), push, *extra),
        _double_integrator(nominal, second, lag),
        low=[-5, -5, -3, *[0.0] * len(extra)],
        high=[5, 5, 3, *[1.0] * len(extra)],
        sigma=sigma,
    )
