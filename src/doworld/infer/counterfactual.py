"""Rung 3: what would have happened in this episode: abduction, action, prediction (Pearl 2009)."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Policy, Role
from doworld.infer.bounds import ambiguous, bounded, forced
from doworld.infer.compose import assemble, refusal, why_of
from doworld.infer.engine import PATHS, Draws, key_of
from doworld.infer.history import fill, table
from doworld.infer.interventions import Done, arrays, idle
from doworld.infer.reach import Reach
from doworld.infer.replay import complete, replay
from doworld.infer.setup import ASSUMED, Setup, targets_of
from doworld.infer.support import support
from doworld.mechanisms import StochasticBank
from doworld.model.doubt import doubtful
from doworld.model.dynamics import World
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual

__all__ = ["counterfactual"]

UNCALIBRATED = (
    "the interval holds what parameters and edges leave open; forecasts' calibration may widen it, "
    "since no counterfactual was ever logged to calibrate on"
)


def counterfactual(model: WorldModel, query: Counterfactual, *, seed: int = 0) -> Answer:
    """All rows of the episode, had the interventions been made.

    Each member's noise is recovered from the logged rows and replayed in the altered world; what
    comes out is fact + (altered replay − factual replay), so rounding never looks like an effect.
    Where an effect runs through a mechanism whose noise cannot be recovered (a level), the answer
    is ``bounded``, with the Gumbel-max estimate (Oberst & Sontag 2019) named as an assumption.

    Laws: interventions that state the fact return the fact; rows before the first intervention and
    variables that it cannot reach keep their logged values.

    Raises ``UnknownNameError``, ``SchemaError`` or ``QueryError`` for a malformed question.
    """
    model = doubtful(model)
    refused = refusal(
        model, query, [model.schema.names[t] for t in targets_of(model.schema, query.target)]
    )
    fact = _episode(model, query)
    if refused is not None:
        return refused
    key = key_of(seed)
    rows = _completed(fact, query.samples, key)
    out = _replayed(fact, rows, key)
    return _answer(fact, query, rows, out, key)


@dataclass(frozen=True, eq=False)
class _Fact:
    """The episode and what is done to it, as arrays in scaled units, rows padded to a bucket.

    Attributes:
        setup: the same in the variables' own units, rows 0…T.
        rows: the generated rows (1…T, or 0 of a static table), gaps filled.
        missing: which of them were not logged and have a mechanism.
        reached: rows 0…T that the interventions can have changed at all.
        alternative: the altered world.
    """

    setup: Setup
    window: jax.Array
    rows: Float[np.ndarray, "steps variables"]
    missing: Bool[np.ndarray, "steps variables"]
    reached: Bool[np.ndarray, "rows variables"]
    alternative: World

    @property
    def first(self) -> int:
        """The first row that mechanisms generate."""
        return 0 if self.setup.model.schema.static else 1

    def world(self) -> World:
        """The world as it was."""
        return replace(
            self.alternative,
            window=self.window,
            gain=jnp.ones_like(self.alternative.gain),
            offset=jnp.zeros_like(self.alternative.offset),
        )


def _episode(model: WorldModel, query: Counterfactual) -> _Fact:
    schema, lags = model.schema, model.dynamics.max_lag
    logged = table(schema, query.episode)
    count, first = len(logged), 0 if schema.static else 1
    if schema.static and count > 1:
        raise QueryError(
            f"the model is of a static table, and the episode has {count} rows. Give one unit."
        )
    if count <= first:
        raise QueryError(
            "the episode has one row and so no transition. Give at least two consecutive rows."
        )
    filled = fill(logged, model.typical)
    done = arrays(schema, query.interventions, count)
    targets, reach = targets_of(schema, query.target), Reach.of(model)
    window = np.repeat(filled.values[:1], lags, 0)
    altered = window.copy()
    if lags:
        altered[0] = done.apply(filled.values[:1])[0]
    setup = Setup(
        model=model,
        reach=reach,
        targets=targets,
        first=0,
        last=count - 1,
        logged=logged,
        window=window,
        exogenous=filled.values,
        done=done,
        evidence=np.zeros(len(schema), bool),
        trust=np.ones(len(schema)),
        assumptions=_notes(model, reach, targets, filled),
        warnings=tuple(idle(schema, query.interventions, logged, reach, targets)),
    )
    padded = replace(setup, first=first, window=altered, exogenous=filled.values[first:]).world()
    made = np.asarray(model.dynamics.order) >= 0
    rows, missing = np.asarray(padded.exogenous), np.zeros(padded.exogenous.shape, bool)
    missing[: count - first] = filled.gap[first:] & made
    rows = np.where(np.arange(len(rows))[:, None] < count - first, rows, rows[count - first - 1])
    return _Fact(
        setup=setup,
        window=jnp.asarray(model.scaled(window), jnp.float32),
        rows=rows,
        missing=missing,
        reached=_reached(logged, done, reach),
        alternative=padded,
    )


def _notes(model: WorldModel, reach: Reach, targets: tuple[int, ...], filled) -> tuple[str, ...]:
    schema, relevant = model.schema, reach.ancestors(list(targets))
    gap = filled.gap.copy()
    late = schema.positions(Role.ACTION, Role.REWARD)
    gap[-1, late] = False
    gap[0, schema.positions(Role.REWARD)] = False
    out = []
    drawn = [i for i in relevant if gap[:, i].any() and schema.variables[i].role is Role.STATE]
    if drawn:
        names = ", ".join(f"{schema.names[i]} ({int(gap[:, i].sum())} rows)" for i in drawn)
        out.append(
            f"Missing in the episode: {names}. Values and noise there, and noise that they touch, "
            "are drawn from the model, not this episode's own."
        )
    held = [
        i
        for i in relevant
        if gap[:, i].any() and schema.variables[i].role in (Role.ACTION, Role.CONTEXT)
    ]
    if held:
        names = ", ".join(schema.names[i] for i in held)
        out.append(f"Missing in the episode and taken as the nearest known value: {names}.")
    acting = [i for i in relevant if schema.variables[i].role is Role.ACTION]
    if acting and schema.policy is not Policy.RANDOMISED and not schema.static:
        names = ", ".join(schema.names[i] for i in acting)
        out.append(f"Where nobody intervenes, {names} stays as logged: its policy does not react.")
    longest = max((k for k in range(reach.acts.shape[2]) if reach.acts[..., k].any()), default=0)
    if longest > 1:
        out.append(
            f"The mechanisms look back {longest} rows: before the episode's first row, "
            "it is taken to hold."
        )
    return tuple(out)


def _reached(logged: np.ndarray, done: Done, reach: Reach) -> np.ndarray:
    """Where an intervention that differs from the fact can have had an effect."""
    differs = done.touched & ~np.isclose(done.apply(logged), logged, rtol=1e-9, atol=0.0)
    rows = np.arange(len(logged))[:, None]
    first = np.where(differs.any(0), differs.argmax(0), np.inf)
    return rows >= (first[:, None] + reach.delay).min(0)


def _completed(fact: _Fact, samples: int, key) -> np.ndarray:
    """The logged rows by member and sample; one sample is enough where nothing is drawn."""
    model = fact.setup.model
    targets = list(fact.setup.targets)
    relevant = fact.setup.reach.ancestors(targets)
    stochastic = [i for i in _stochastic(model) if i in relevant]
    drawn = fact.missing[:, relevant].any() or fact.reached[:, stochastic].any()
    size = samples if drawn else 1
    return complete(
        model.dynamics,
        fact.window,
        fact.rows,
        fact.missing,
        samples=size,
        key=jax.random.fold_in(key, 1),
    )


def _stochastic(model: WorldModel) -> list[int]:
    """Columns whose mechanism's noise is known only up to a posterior."""
    banks = [b for b in model.dynamics.banks if isinstance(b, StochasticBank)]
    return sorted({int(t) for b in banks for t in np.asarray(b.targets).reshape(-1)})


def _replayed(fact: _Fact, rows: np.ndarray, key) -> np.ndarray:
    """(fact, altered) replays of every member and sample."""
    worlds = jax.tree.map(lambda *a: jnp.stack(a), fact.world(), fact.alternative)
    keep = np.zeros((2, *fact.rows.shape), bool)
    dynamics = fact.setup.model.dynamics
    return replay(dynamics, fact.window, rows, worlds, anew=keep, key=jax.random.fold_in(key, 2))


def _values(fact: _Fact, rows: np.ndarray, altered: np.ndarray, factual: np.ndarray):
    """Rows 0…T of the altered world in the variables' own units, the fact where none reached."""
    setup, model = fact.setup, fact.setup.model
    count = len(setup.logged) - fact.first
    discrete = np.array([v.levels > 0 for v in model.schema.variables])
    moved = np.where(discrete, altered, rows + (altered - factual))[:, :, :count]
    cut = setup.done.cut[fact.first :]
    moved = np.where(cut, altered[:, :, :count], moved)
    values = model.unscaled(np.where(fact.reached[fact.first :], moved, rows[:, :, :count]))
    known = ~np.isnan(setup.logged[fact.first :]) & ~fact.reached[fact.first :]
    values = np.where(known, setup.logged[fact.first :], values)
    if fact.first:
        begin = setup.done.apply(setup.exogenous[:1])
        head = np.broadcast_to(begin, (*values.shape[:2], *begin.shape))
        values = np.concatenate([head, values], 2)
    set_to = np.where(setup.done.cut, setup.done.offset, 0.0)
    return np.where(setup.done.cut, set_to, values)


def _answer(fact: _Fact, query: Counterfactual, rows, out, key) -> Answer:
    setup, model = fact.setup, fact.setup.model
    targets = list(setup.targets)
    values = _values(fact, rows, out[:, :, 1], out[:, :, 0])
    members, samples = values.shape[:2]
    number = np.arange(min(PATHS, members * samples))
    draws = Draws(
        values=values[..., targets],
        paths=values[number % members, (number // members) % samples],
    )
    found = support(
        model,
        setup.reach,
        past=setup.window,
        paths=draws.paths,
        cut=setup.done.cut,
        trust=setup.trust,
        fact=~fact.reached,
    )
    found = replace(found, total=found.total * _certainty(fact))
    when = np.flatnonzero(fact.reached.any(1))
    begin = when[0] if len(when) else 0
    ahead = np.maximum(np.arange(len(setup.logged)) - begin, 1)
    vague = ambiguous(fact.setup, fact.reached, _stochastic(model), _changed(fact, out))
    why = why_of(setup, query, draws, found)
    why = why.model_copy(
        update={
            "adjustment": "The episode's own noise is recovered and replayed, by member.",
            "assumptions": (*why.assumptions, UNCALIBRATED),
        }
    )
    answer = assemble(setup, query, draws, found, ahead=ahead, why=why, narrowest=1.0)
    if not vague[:, targets].any():
        return answer
    worlds, anew = forced(fact.alternative, vague[fact.first :], _stochastic(model), model)
    more = replay(
        model.dynamics, fact.window, rows, worlds, anew=anew, key=jax.random.fold_in(key, 3)
    )
    spread = np.concatenate(
        [_values(fact, rows, more[:, :, a], out[:, :, 0]) for a in range(len(anew))], 1
    )
    names = [model.schema.names[i] for i in _stochastic(model) if vague[:, i].any()]
    return bounded(answer, setup, np.concatenate([values, spread], 1), vague, names)


def _changed(fact: _Fact, out: np.ndarray) -> np.ndarray:
    """Rows 0…T in which the altered replay differs from the factual one in any draw."""
    count = len(fact.setup.logged) - fact.first
    gap = np.abs(out[:, :, 1] - out[:, :, 0]).max((0, 1))[:count] > 1e-5
    if fact.first:
        gap = np.concatenate([fact.reached[:1], gap])
    return gap & fact.reached


def _certainty(fact: _Fact) -> np.ndarray:
    """1, or less where a value or one of its causes is missing and was drawn."""
    setup = fact.setup
    late = setup.model.schema.positions(Role.REWARD)
    gap = np.isnan(setup.logged) & (np.asarray(setup.model.dynamics.order) >= 0)
    gap[:, late] = False
    touched = gap.copy()
    for k in range(setup.reach.acts.shape[2]):
        heirs = gap[: len(gap) - k] @ setup.reach.acts[..., k]
        touched[k:] |= heirs
    return np.where(touched, ASSUMED, 1.0)
