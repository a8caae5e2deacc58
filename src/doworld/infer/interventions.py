"""Interventions that cannot change anything, in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Schema
from doworld.infer.reach import Reach
from doworld.query import Follow, Intervention, Set
from doworld.query.done import Done, arrays, rows_of
from doworld.query.words import phrase

__all__ = ["check_order", "idle"]


def idle(
    schema: Schema,
    interventions: Sequence[Intervention],
    natural: Float[np.ndarray, "rows variables"],
    reach: Reach,
    targets: Sequence[int],
) -> list[str]:
    """One sentence for every intervention that cannot change a target, and why.

    ``natural`` holds what each variable would be, NaN where only a rollout can tell.
    """
    out = []
    for n, each in enumerate(interventions):
        at, where = schema.position(each.variable), rows_of(each, len(natural))
        later = [
            s
            for s in interventions[n + 1 :]
            if isinstance(s, Set | Follow) and s.variable == each.variable
        ]
        after = arrays(schema, later, len(natural))
        quick = reach.delay[at, list(targets)].min()
        alone = arrays(schema, [each], len(natural))
        if not len(where):
            out.append(f"{phrase(each)} names no row, so it changes nothing.")
        elif not isinstance(each, Set | Follow) and after.cut[where, at].all():
            kind = type(later[-1]).__name__
            out.append(f"{phrase(each)} changes nothing: a later {kind} of it takes its place.")
        elif not alone.differs(natural)[where, at].any():
            out.append(f"{phrase(each)} changes nothing: that is what {each.variable} is anyway.")
        elif not np.isfinite(quick):
            names = ", ".join(schema.names[t] for t in targets)
            out.append(f"{phrase(each)} changes nothing here: it has no path to {names}.")
        elif where.min() + quick >= len(natural):
            out.append(
                f"{phrase(each)} changes nothing here: it acts {quick:g} rows later, after the end."
            )
    return out


def check_order(schema: Schema, done: Done, reach: Reach) -> None:
    """Raises ``QueryError`` where a policy reads what follows from its choice in the same row."""
    now = reach.now
    for reads, policy in zip(done.reads, done.policies, strict=True):
        own = int(policy.variable)
        late = [u for u in np.flatnonzero(reads) if u != own and now[own, u]]
        if late:
            name, read = schema.names[own], schema.names[late[0]]
            raise QueryError(
                f"the policy of {name!r} reads {read!r}, which {name!r} acts on in the same row, "
                "so neither comes first. Let it read what is known before."
            )
