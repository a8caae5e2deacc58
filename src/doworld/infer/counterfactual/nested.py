"""Nested counterfactuals: an outcome under one action with mediators as under another."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Trajectories
from doworld.infer.counterfactual.episodes import episodes_of
from doworld.infer.counterfactual.replay import replay
from doworld.infer.engine import key_of
from doworld.infer.reach import Reach
from doworld.infer.setup import targets_of
from doworld.model.world import WorldModel
from doworld.query import Intervention, Population, Rows
from doworld.query.done import arrays
from doworld.query.given import past

__all__ = ["nested"]


def nested(
    model: WorldModel,
    episode: Trajectories | Population | Rows,
    *,
    outer: Sequence[Intervention],
    inner: Sequence[Intervention],
    through: Sequence[str],
    target: Sequence[str] = (),
    seed: int = 0,
) -> Float[np.ndarray, "members units rows targets"]:
    """Y(a, M(a')) of every unit, its own noise in both worlds (Pearl 2001).

    The world of ``inner`` (a') is replayed first; then the world of ``outer`` (a), in which the
    mediators ``through`` take, row by row, the values that they had in the first. With
    Y(a) = Y(a, M(a)) of the same unit, the natural effects are

        NDE = E[Y(1, M(0)) − Y(0)],    NIE = E[Y(0, M(1)) − Y(0)].

    Values are in the variables' own units, NaN after a unit's end. Raises ``UnknownNameError`` or
    ``QueryError`` for a malformed question.
    """
    targets, reach = targets_of(model.schema, target), Reach.of(model)
    episodes = episodes_of(model, past(episode), targets, reach)
    every = [arrays(model.schema, done, episodes.count) for done in (inner, outer)]
    if any(done.policies for done in every):
        raise QueryError("a policy cannot be followed in a mediation. Use Set, Shift or Scale.")
    nothing = arrays(model.schema, (), episodes.count)
    window, worlds = episodes.worlds([every[0], nothing, every[1], nothing])
    held = np.zeros((4, len(model.schema)), bool)
    held[2, [model.schema.position(name) for name in through]] = True
    rows = np.broadcast_to(episodes.rows, (model.dynamics.members, *episodes.rows.shape))
    key = jax.random.fold_in(key_of(seed), 2)
    out = replay(model.dynamics, window, rows, worlds, key=key, through=held)
    return episodes.moved(every[1], out[:, :, [1, 2]])
