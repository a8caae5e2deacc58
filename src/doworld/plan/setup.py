"""From what was observed to the world a plan is made in."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from doworld.data import Role
from doworld.model.dynamics import World
from doworld.model.world import WorldModel
from doworld.query import Rows

__all__ = ["base_world", "filled", "observed"]


def observed(model: WorldModel, given: Rows) -> Float[np.ndarray, "rows variables"]:
    """The given rows in column order, stored numbers, NaN where nothing was given.

    Raises ``UnknownNameError`` for a name that does not exist.
    """
    length = max(given.length, 1)
    out = np.full((length, len(model.schema)), np.nan)
    for name, cells in given.columns.items():
        at = model.schema.position(name)
        for row, cell in enumerate(cells, start=length - len(cells)):
            if cell is not None:
                out[row, at] = model.schema[name].code(cell)
    return out


def filled(
    model: WorldModel, rows: Float[np.ndarray, "rows variables"]
) -> Float[np.ndarray, "lags variables"]:
    """The last rows as a full history in own units, the newest first.

    A missing value is the one known before it, else the one after, else the typical one; where
    the history is shorter than the model looks back, its first row is repeated.
    """
    lags = max(model.dynamics.max_lag, 1)
    rows = rows[-lags:].copy()
    for column, typical in zip(rows.T, model.typical, strict=True):
        known = np.flatnonzero(~np.isnan(column))
        if len(known) == len(column):
            continue
        if not len(known):
            column[:] = typical
            continue
        before = np.searchsorted(known, np.arange(len(column)), side="right") - 1
        column[:] = column[known[np.maximum(before, 0)]]
    missing = lags - len(rows)
    return np.concatenate([np.repeat(rows[:1], missing, 0), rows])[::-1]


def base_world(
    model: WorldModel,
    window: Float[np.ndarray, "lags variables"],
    steps: int,
    planned: Mapping[str, Sequence[object]] | None = None,
) -> World:
    """The world before any action is chosen; ``window`` is in own units, the newest row first.

    ``planned[name][t]`` is the value of an action or context at row t; where it ends, and for all
    others, the last value is held.
    """
    window = window.copy()
    exogenous = np.repeat(window[:1], steps, 0)
    for name, values in (planned or {}).items():
        variable, at = model.schema[name], model.schema.position(name)
        codes = np.array([variable.code(v) for v in values])
        if len(codes):
            path = codes[np.minimum(np.arange(steps + 1), len(codes) - 1)]
            window[0, at], exogenous[:, at] = path[0], path[1:]
    states = model.schema.positions(Role.STATE, Role.REWARD)
    exogenous[:, states] = model.center[states]
    shape = (steps, len(model.schema))
    return World(
        window=model.scaled(window)[: model.dynamics.max_lag].astype(np.float32),  # type: ignore[arg-type]
        exogenous=model.scaled(exogenous).astype(np.float32),  # type: ignore[arg-type]
        gain=np.ones(shape, np.float32),  # type: ignore[arg-type]
        offset=np.zeros(shape, np.float32),  # type: ignore[arg-type]
    )
