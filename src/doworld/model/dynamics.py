"""The assembled transition: all mechanisms, one row at a time, with interventions as arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from doworld.mechanisms import AbstractBank, Coding, InvertibleBank, StochasticBank
from doworld.query.policy_arrays import PolicyArrays, decide

__all__ = ["AT_BOUND", "Dynamics", "Followed", "Noise", "World", "abduct", "histories", "rollout"]

Noise = tuple[Float[Array, "..."], ...]
"""One array of shape (…, n, w) per bank."""

AT_BOUND = 1e-5
"""Standard deviations within which a value counts as standing at its bound."""


class Dynamics(eqx.Module):
    """Mechanisms of every variable as arrays; each leaf of ``banks`` has a leading member axis.

    Attributes:
        banks: the mechanism families.
        coding: how rows become features.
        order: contemporaneous level of each variable, −1 where it is exogenous.
        lower, upper: the variables' bounds in scaled units.
        spans: per contemporaneous level and bank, the first of the bank's targets at that level
            and one past the last (static), so that no mechanism is evaluated at another's level.
        max_lag: how many rows a mechanism looks back (static).
    """

    banks: tuple[AbstractBank, ...]
    coding: Coding
    order: Int[Array, " variables"]
    lower: Float[Array, " variables"]
    upper: Float[Array, " variables"]
    spans: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)
    max_lag: int = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        banks: tuple[AbstractBank, ...],
        *,
        coding: Coding,
        order: Int[np.ndarray, " variables"],
        lower: Float[np.ndarray, " variables"],
        upper: Float[np.ndarray, " variables"],
        max_lag: int,
    ) -> "Dynamics":
        """The transition of ``banks``; the fewer levels' targets interleave, the faster it runs."""
        order = np.asarray(order)
        level_of = [order[np.asarray(bank.targets)[0]] for bank in banks]

        def span(level: int, levels: np.ndarray) -> tuple[int, int]:
            at = np.flatnonzero(levels == level)
            return (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)

        return cls(
            banks=jax.tree.map(jnp.asarray, banks),
            coding=coding,
            order=jnp.asarray(order, jnp.int32),
            lower=jnp.asarray(lower, jnp.float32),
            upper=jnp.asarray(upper, jnp.float32),
            spans=tuple(
                tuple(span(level, own) for own in level_of)
                for level in range(int(order.max(initial=-1)) + 1)
            ),
            max_lag=max_lag,
        )

    def __check_init__(self) -> None:
        for bank in self.banks:
            if not isinstance(bank, InvertibleBank | StochasticBank):
                raise TypeError(
                    f"{type(bank).__name__} can neither abduct noise nor sample its posterior, so "
                    "no counterfactual could be asked. Derive it from InvertibleBank or "
                    "StochasticBank."
                )

    @property
    def levels(self) -> int:
        """How many contemporaneous levels there are."""
        return len(self.spans)

    @property
    def members(self) -> int:
        """The size of the ensemble."""
        return self.banks[0].targets.shape[0]

    def draw_noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Noise:
        """Independent noise for every mechanism, the same for every member."""
        keys = jax.random.split(key, len(self.banks))
        first = jax.tree.map(lambda leaf: leaf[0], self.banks)
        return tuple(b.draw_noise(k, shape) for b, k in zip(first, keys, strict=True))


class Followed(eqx.Module):
    """Policies that are followed in a world, in scaled units, in rows 0…T.

    Attributes:
        policies: p of them, each after those whose choices it reads.
        on: 1 where a policy is followed.
        luck: uniform on [0, 1), for what a policy draws; the policies' own noise.
        before: the row before row 0.
        gain, offset: the interventions on row 0, where no mechanism acts.
        sweeps: how often a row is worked through (static); more than once where a policy acts
            within the row on a level that comes before what it reads.
    """

    policies: PolicyArrays
    on: Float[Array, "*batch rows p"]
    luck: Float[Array, "*batch rows p"]
    before: Float[Array, "*batch variables"]
    gain: Float[Array, "*batch variables"]
    offset: Float[Array, "*batch variables"]
    sweeps: int = eqx.field(static=True, default=1)

    def choose(
        self,
        row: Float[Array, " variables"],
        previous: Float[Array, " variables"],
        done: tuple[Float[Array, "..."], ...],
    ) -> Float[Array, " variables"]:
        """The row after the policies' choices; ``done`` is (on, luck, gain, offset) of that row."""
        on, luck, gain, offset = done
        for number in range(on.shape[0]):
            policy = self.policies.one(number)
            at = policy.variable
            value = decide(policy, row.at[at].set(previous[at]), luck[number])
            row = row.at[at].set(jnp.where(on[number] > 0, gain[at] * value + offset[at], row[at]))
        return row

    def held(self, on: Float[Array, " p"], size: int) -> Float[Array, " variables"]:
        """1 where a variable follows a policy in a row, so that its mechanism is not asked."""
        return jnp.zeros(size).at[self.policies.variable].max(on)

    def begin(self, window: Float[Array, "lags variables"]) -> Float[Array, "lags variables"]:
        """The window after the choices in row 0."""
        if not window.shape[0]:
            return window
        done = (self.on[0], self.luck[0], self.gain, self.offset)
        return window.at[0].set(self.choose(window[0], self.before, done))


class World(eqx.Module):
    """What is given and done in a world, or a batch of them, in scaled units; rows 1…T follow.

    A variable's value is gain·natural + offset: (1, 0) leaves it alone, (0, v) sets it to v,
    (1, d) shifts it by d. Natural is the mechanism's value, or ``exogenous`` where there is none.

    Attributes:
        window: rows 0, −1, … −(L−1), the newest first.
        exogenous: actions and contexts of rows 1…T.
        gain, offset: the interventions on rows 1…T.
        followed: policies whose choices take the place of natural values, from row 0 on.
    """

    window: Float[Array, "*batch lags variables"]
    exogenous: Float[Array, "*batch steps variables"]
    gain: Float[Array, "*batch steps variables"]
    offset: Float[Array, "*batch steps variables"]
    followed: Followed | None = None


def next_row(
    dynamics: Dynamics,
    banks: tuple[AbstractBank, ...],
    window: Float[Array, "lags variables"],
    done: tuple[Float[Array, " variables"], ...],
    noise: Noise,
    followed: tuple[Followed, Float[Array, " p"], Float[Array, " p"]] | None = None,
) -> Float[Array, " variables"]:
    """One row of one world under one member; ``done`` is (exogenous, gain, offset) of that row.

    ``followed`` are the policies, which of them are on, and their luck.
    """
    exogenous, gain, offset = done
    row = jnp.where(dynamics.order < 0, gain * exogenous + offset, 0.0)
    order, sweeps = dynamics.order, 1
    if followed is not None:
        order = jnp.where(followed[0].held(followed[1], len(row)) > 0, -1, order)
        sweeps = followed[0].sweeps
    last = window[0] if window.shape[0] else row

    def chosen(row):
        if followed is None:
            return row
        policies, on, luck = followed
        return policies.choose(row, last, (on, luck, gain, offset))

    for level, spans in sweeps * tuple(enumerate(dynamics.spans)):
        row = chosen(row)
        rows = jnp.concatenate([row[None], window])
        features = dynamics.coding.encode(rows).reshape(-1)
        natural = jnp.zeros_like(row)
        for whole, every, (start, stop) in zip(banks, noise, spans, strict=True):
            if start == stop:
                continue
            bank, own = whole.between(start, stop), every[start:stop]
            previous = window[0, bank.targets] if window.shape[0] else jnp.zeros(len(bank.targets))
            value = bank.sample(bank.inputs(features), previous, own)
            natural = natural.at[bank.targets].set(value)
        natural = jnp.clip(natural, dynamics.lower, dynamics.upper)
        row = jnp.where(order == level, gain * natural + offset, row)
    return chosen(row)


def rollout(
    dynamics: Dynamics, banks: tuple[AbstractBank, ...], world: World, noise: Noise
) -> Float[Array, "steps variables"]:
    """Rows 1…T of one world under one member's ``banks``; ``noise`` leaves have shape (T, n, w)."""

    followed = world.followed

    def step(window, inputs):
        done, own, choice = inputs
        policies = None if followed is None else (followed, *choice)
        row = next_row(dynamics, banks, window, done, own, policies)
        return jnp.concatenate([row[None], window])[: window.shape[0]], row

    done, window, choice = (world.exogenous, world.gain, world.offset), world.window, ()
    if followed is not None:
        window = followed.begin(window)
        choice = (followed.on[1:], followed.luck[1:])
    return jax.lax.scan(step, window, (done, noise, choice))[1]


def histories(
    dynamics: Dynamics,
    window: Float[Array, "lags variables"],
    rows: Float[Array, "steps variables"],
) -> tuple[Float[Array, "steps flat"], Float[Array, "steps variables"]]:
    """What mechanisms read in every row, as features, and the row before each."""
    steps, lags = rows.shape[0], window.shape[0]
    past = jnp.concatenate([window[::-1], rows])
    index = lags + jnp.arange(steps)[:, None] - jnp.arange(lags + 1)[None, :]
    features = dynamics.coding.encode(past[index]).reshape(steps, -1)
    before = past[index[:, 1]] if lags else jnp.zeros_like(rows)
    return features, before


def abduct(
    dynamics: Dynamics,
    banks: tuple[AbstractBank, ...],
    window: Float[Array, "lags variables"],
    rows: Float[Array, "steps variables"],
    key: PRNGKeyArray,
) -> Noise:
    """The noise that produced the logged ``rows`` 1…T, under one member.

    Exact for invertible families, a posterior draw for stochastic ones. A value at a bound that
    mechanisms are clipped to only says that the noise lies beyond: it is drawn from that tail. The
    history of row t is rows t−1, t−2, …, the newest first.
    """
    steps = rows.shape[0]
    features, before = histories(dynamics, window, rows)
    noise = []
    for number, bank in enumerate(banks):
        inputs = jax.vmap(bank.inputs)(features)
        previous, value = before[:, bank.targets], rows[:, bank.targets]
        if isinstance(bank, InvertibleBank):
            exact = jax.vmap(bank.abduct)(inputs, previous, value)
            low = value <= dynamics.lower[bank.targets] + AT_BOUND
            high = value >= dynamics.upper[bank.targets] - AT_BOUND
            side = jnp.where(low, -1.0, jnp.where(high, 1.0, 0.0))
            noise.append(bank.beyond(exact, side, jax.random.fold_in(key, number)))
        elif isinstance(bank, StochasticBank):
            keys = jax.random.split(jax.random.fold_in(key, number), steps)
            noise.append(jax.vmap(bank.posterior)(inputs, previous, value, keys))
    return tuple(noise)
