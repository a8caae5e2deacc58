"""The effect as the learned world tells it: every row's outcome under both levels, averaged."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from doworld.data import Policy, Role, Trajectories
from doworld.infer.effects.discrete import Estimate, mean_of
from doworld.infer.effects.sample import Sample
from doworld.model.world import WorldModel

if TYPE_CHECKING:
    from doworld.infer.effects.case import Case

__all__ = ["by_model", "outcomes"]

MOST_ROWS = 512
"""Rows that worlds are rolled out for; more are drawn at random."""
DRAWS = 16
VISIBLE = 0.02
"""A calibration line whose slope is nearer to 1 than this changes nothing worth showing."""


def by_model(case: "Case", sample: Sample) -> dict[str, Estimate]:
    """The g-formula of the model, and the same with its shrinkage undone; empty without a model.

    The line of the logged outcomes on the predicted ones, E[Y | ŷ] = α + β ŷ, has β above 1 where
    the mechanisms shrink towards the mean; β times the contrast undoes it.
    """
    if case.model is None or not _applies(case):
        return {}
    rng = np.random.default_rng([case.seed, 23])
    keep = np.sort(rng.permutation(len(sample))[:MOST_ROWS])
    part = sample.part(np.isin(np.arange(len(sample)), keep))
    low, high = case.asked.levels[:2]
    name, lag = (case.query.treatment, case.query.outcome), case.asked.lag
    found = [
        outcomes(
            case.model, case.log, name, part.at, value, lag, event=case.asked.event, seed=case.seed
        )
        for value in (low, high, part.treatment)
    ]
    gain = (found[1] - found[0]).mean(0)
    spread = float((found[1] - found[0]).mean(1).std())
    own = mean_of(gain, part.unit)
    error = float(np.hypot(own.error, spread))
    out = {"the model": Estimate(own.value, error)}
    slope = _slope(found[2].mean(0), part.outcome)
    if abs(slope - 1) > VISIBLE and 0.5 < slope < 3:
        out["the model, de-shrunk"] = Estimate(slope * own.value, slope * error)
    return out


def _applies(case: "Case") -> bool:
    """Whether a rollout means the same as the estimate: later actions must not answer the outcome.

    A log's later actions are kept as logged, which they would not be where a policy sees the state.
    """
    assert case.model is not None
    schema = case.log.schema
    if case.route.kind != "adjustment" or case.model.schema.names != schema.names:
        return False
    if schema[case.query.outcome].role in (Role.ACTION, Role.CONTEXT):
        return False
    free = schema.policy is Policy.RANDOMISED or not schema.of(Role.ACTION)
    return case.asked.lag <= 1 or free


def _slope(predicted: np.ndarray, seen: np.ndarray) -> float:
    centred = predicted - predicted.mean()
    square = float(centred @ centred)
    return float(centred @ seen) / square if square > 1e-12 else 1.0


def outcomes(
    model: WorldModel,
    log: Trajectories,
    name: tuple[str, str],
    at: Int[np.ndarray, " rows"],
    value: float | Float[np.ndarray, " rows"],
    lag: int,
    *,
    event: float | None = None,
    seed: int = 0,
) -> Float[np.ndarray, "members rows"]:
    """E[Y | do(A = value), what was before] of every row ``at``, by member of the ensemble.

    The row itself is kept as logged but for what the treatment acts on; ``lag`` rows follow. Rows
    that lack a past are filled by the first that there is.
    """
    import jax
    import jax.numpy as jnp

    from doworld.infer.engine import key_of
    from doworld.model.dynamics import World
    from doworld.model.simulate import bucket, simulate

    treatment, outcome = (model.schema.position(n) for n in name)
    lags, steps = model.dynamics.max_lag, 1 if model.schema.static else lag + 1
    size = bucket(len(at))
    rows = np.resize(at, size)
    first = log.starts[log.episode_of_row[rows]]
    last = log.starts[log.episode_of_row[rows] + 1] - 1
    scaled = model.scaled(log.aligned)
    typical = model.scaled(model.typical)
    scaled = np.where(np.isnan(scaled), typical, scaled)
    window = scaled[np.maximum(rows[:, None] - 1 - np.arange(lags), first[:, None])]
    ahead = scaled[np.minimum(rows[:, None] + np.arange(steps), last[:, None])]
    gain, offset = np.ones((size, steps, len(model.schema))), np.zeros_like(ahead)
    held = _untouched(model, treatment)
    gain[:, 0, held], offset[:, 0, held] = 0.0, ahead[:, 0, held]
    level = np.resize(np.broadcast_to(value, len(at)), size)
    gain[:, 0, treatment] = 0.0
    offset[:, 0, treatment] = (level - model.center[treatment]) / model.scale[treatment]
    parts = {"window": window, "exogenous": ahead, "gain": gain, "offset": offset}
    single = {name: jnp.asarray(np.asarray(a, np.float32)) for name, a in parts.items()}
    world = World(
        window=single["window"],
        exogenous=single["exogenous"],
        gain=single["gain"],
        offset=single["offset"],
    )
    total, key = 0.0, key_of(seed)
    for draw in range(DRAWS):
        noise = model.dynamics.draw_noise(jax.random.fold_in(key, draw), (size, steps))
        path = np.asarray(simulate(model.dynamics, world, noise))[:, : len(at), -1, outcome]
        raw = path * model.scale[outcome] + model.center[outcome]
        total = total + (raw if event is None else (np.round(raw) == event)) / DRAWS
    return np.asarray(total, np.float64)


def _untouched(model: WorldModel, treatment: int) -> list[int]:
    """Variables that the treatment does not act on within its row."""
    acts = model.graph.adjacency()[:, :, 0]
    found, frontier = {treatment}, [treatment]
    while frontier:
        for child in np.flatnonzero(acts[frontier.pop()]).tolist():
            if child not in found:
                found.add(child)
                frontier.append(child)
    return [i for i in range(len(acts)) if i not in found]
