"""What roles and prior knowledge say of the edges of a static table."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from doworld._core.errors import GraphError
from doworld.data import Policy, Role, Schema
from doworld.discover.order.permutation import Constraints
from doworld.discover.tables.table import Table
from doworld.graph import Prior

__all__ = ["allowed_edges", "constraints_of"]

FEWEST_ROWS_A_PARENT = 5


def allowed_edges(
    names: Sequence[str], schema: Schema, prior: Prior
) -> Bool[np.ndarray, "nodes nodes"]:
    """``[i, j]``: neither roles nor prior rule out i → j."""
    randomised = schema.policy is Policy.RANDOMISED
    exogenous = [
        schema[n].role is Role.CONTEXT or (randomised and schema[n].role is Role.ACTION)
        for n in names
    ]
    last = [schema[n].role is Role.REWARD for n in names]
    allowed = np.array([[prior.allows(a, b, 0) for b in names] for a in names], bool)
    return (
        allowed
        & ~np.array(exogenous)[None]
        & ~np.array(last)[:, None]
        & ~np.eye(len(names), dtype=bool)
    )


def constraints_of(table: Table, schema: Schema, prior: Prior) -> Constraints:
    """What roles and prior say of the table's edges.

    Raises ``GraphError`` where a required edge contradicts a role.
    """
    names = (*table.names, *(copy for copy, _ in table.copies))
    allowed = allowed_edges(names, schema, prior)
    wanted = [[prior.requires(a, b, 0, static=True) for b in names] for a in names]
    required = np.array(wanted, bool)
    for i, j in np.argwhere(required & ~allowed).tolist():
        raise GraphError(
            f"edge {names[i]} → {names[j]} is required within a row, but {names[j]!r} is a context "
            f"or a randomised action, {names[i]!r} is a reward, or the prior rules it out. Drop it "
            "or change the role."
        )
    names = table.names
    kept = slice(len(names))
    allowed, required = allowed[kept, kept], required[kept, kept]
    group = {n: k for k, tier in enumerate(prior.tiers) for n in tier}
    middle = (len(prior.tiers) - 1) / 2
    tier = tuple(
        group.get(n, middle) if a.any() else -1.0 for n, a in zip(names, allowed.T, strict=True)
    )
    most = len(names)
    if not table.discrete:
        most = max(1, min(most, len(table.values) // FEWEST_ROWS_A_PARENT))
    return Constraints(allowed & ~required.T, required, tier, most)
