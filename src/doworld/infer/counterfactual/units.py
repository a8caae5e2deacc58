"""Counterfactual values of many units as plain arrays, without an answer around them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from doworld.data import Episode, Trajectories
from doworld.infer.counterfactual.belongs import check_schema
from doworld.infer.counterfactual.episodes import episodes_of
from doworld.infer.counterfactual.population import altered
from doworld.infer.reach import Reach
from doworld.infer.setup import targets_of
from doworld.model.world import WorldModel
from doworld.query import Intervention
from doworld.query.done import arrays
from doworld.query.given import past

__all__ = ["units"]


def units(
    model: WorldModel,
    episodes: Any,
    interventions: Sequence[Intervention],
    *,
    target: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Float[np.ndarray, "members units rows"]]:
    """What every unit's targets would have been, by member of the ensemble, in their own units.

    ``episodes`` is what ``Counterfactual`` takes: an episode, a log, or a table of units. The same
    numbers as ``ask(model, Counterfactual(episodes, interventions)).samples()`` for a log, without
    the gate, the support and the words: for loops that have asked once. NaN after a unit's end.

    Raises ``UnknownNameError`` or ``QueryError`` for a malformed question.
    """
    targets, reach = targets_of(model.schema, target), Reach.of(model)
    known = isinstance(episodes, Trajectories | Episode)
    check_schema(model.schema, episodes)
    given = episodes_of(model, episodes if known else past(episodes), targets, reach)
    done = arrays(model.schema, interventions, given.count)
    values = altered(given, [done], seed)[0]
    return {model.schema.names[t]: values[..., n] for n, t in enumerate(targets)}
