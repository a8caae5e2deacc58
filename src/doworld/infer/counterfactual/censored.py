"""Logged values that stand at a bound, so that their noise is only known to lie beyond it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from doworld.mechanisms import InvertibleBank
from doworld.model.dynamics import AT_BOUND
from doworld.model.world import WorldModel

__all__ = ["at_bound", "note_of"]


def at_bound(
    model: WorldModel, logged: Float[np.ndarray, "*rows variables"]
) -> Bool[np.ndarray, "*rows variables"]:
    """Where a number that has a mechanism was logged at a bound that mechanisms keep to."""
    banks = [b for b in model.dynamics.banks if isinstance(b, InvertibleBank)]
    made = np.zeros(len(model.schema), bool)
    for bank in banks:
        made[np.asarray(bank.targets).reshape(-1)] = True
    low, high = np.asarray(model.dynamics.lower), np.asarray(model.dynamics.upper)
    scaled = model.scaled(logged)
    with np.errstate(invalid="ignore"):
        return ((scaled <= low + AT_BOUND) | (scaled >= high - AT_BOUND)) & made


def note_of(
    model: WorldModel, where: Bool[np.ndarray, "*rows variables"], relevant: Sequence[int]
) -> list[str]:
    """What is assumed of values at their bounds, in words; nothing where there are none."""
    count = where.reshape(-1, where.shape[-1]).sum(0)
    names = [f"{model.schema.names[i]} ({count[i]:,} rows)" for i in relevant if count[i]]
    if not names:
        return []
    return [
        f"Logged at a bound: {', '.join(names)}. The noise there is only known to have been at "
        "least so large: it is drawn from the tail of its law beyond the bound."
    ]
