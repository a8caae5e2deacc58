"""Whether an episode is one of the model's world: step, units, and something to change."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Schema

__all__ = ["check_logged", "check_schema"]

UNSAID = "steps"
"""The time unit of a log that names none; its step cannot be compared with one that has a unit."""


def check_schema(schema: Schema, given: Any) -> None:
    """Raises ``QueryError`` for an episode whose time step or units are not the model's.

    ``given`` is a log, an episode, or rows that were read from one; of rows that people wrote down
    nothing is known but names and levels, which are checked where they are read.
    """
    source = getattr(given, "source", given)
    other: Schema | None = getattr(source, "schema", None)
    if other is None or other is schema:
        return
    unsaid = other.time_unit != schema.time_unit and UNSAID in (other.time_unit, schema.time_unit)
    if schema.static != other.static or not (
        unsaid or math.isclose(other.step, schema.step, rel_tol=1e-2)
    ):
        raise QueryError(
            f"the episode has {_step(other)} and the model {_step(schema)}. "
            "Resample the log to the model's step, or learn a model from this log."
        )
    if not (schema.static or unsaid) and other.time_unit != schema.time_unit:
        raise QueryError(
            f"the episode's time is in {other.time_unit} and the model's in {schema.time_unit}. "
            "Convert the log's time, or learn a model from this log."
        )
    known = {v.name: v for v in schema.variables}
    for each in other.variables:
        own = known.get(each.name)
        if own is not None and own.unit and each.unit and own.unit != each.unit:
            raise QueryError(
                f"{each.name!r} is in {each.unit} in the episode and in {own.unit} in the model. "
                "Convert the column, or mend the unit in the schema."
            )


def _step(schema: Schema) -> str:
    return "no time step" if schema.static else f"a step of {schema.step:g} {schema.time_unit}"


def check_logged(
    schema: Schema, targets: tuple[int, ...], logged: Float[np.ndarray, "*rows variables"]
) -> None:
    """Raises ``QueryError`` where no target has a value anywhere, so that there is no fact."""
    flat = logged.reshape(-1, logged.shape[-1])[:, list(targets)]
    if np.isnan(flat).all():
        names = ", ".join(schema.names[t] for t in targets)
        raise QueryError(
            f"the episode has no value of {names}, so there is no fact that could have been "
            "otherwise. Give its values, or ask Do for what would happen."
        )
