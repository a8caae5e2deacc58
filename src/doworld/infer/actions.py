"""What actions and contexts are over the rows of a question, where nobody intervenes."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError
from doworld.data import Role, Schema

__all__ = ["natural"]


def natural(
    schema: Schema,
    planned: Mapping[str, tuple[float | str | bool, ...]],
    last: Float[np.ndarray, " variables"],
    rows: int,
) -> tuple[Float[np.ndarray, "rows variables"], Bool[np.ndarray, "rows variables"]]:
    """Values of rows 0…``rows``−1 and where they were planned.

    ``last`` is row 0 as it was given; a plan replaces it from row 0 on, and where the plan ends its
    last value is held. Raises ``QueryError`` for a plan of a state or reward.
    """
    values = np.repeat(last[None], rows, 0)
    told = np.zeros(values.shape, bool)
    for name, plan in planned.items():
        at = schema.position(name)
        variable = schema.variables[at]
        if variable.role not in (Role.ACTION, Role.CONTEXT):
            raise QueryError(
                f"{name!r} is a {variable.role.value}, and 'planned' gives actions and contexts. "
                f"To force it, ask Do with Set({name!r}, …)."
            )
        if not plan:
            raise QueryError(f"the plan of {name!r} is empty. Give a value a row, or leave it out.")
        codes = np.array([variable.code(v) for v in plan])
        if not np.isfinite(codes).all():
            raise QueryError(f"the plan of {name!r} holds a value that is not a finite number.")
        if len(codes) > rows:
            raise QueryError(
                f"the plan of {name!r} has {len(codes)} rows, and the question ends after {rows} "
                f"(rows 0…{rows - 1}). Shorten the plan or raise the horizon."
            )
        values[: len(codes), at], values[len(codes) :, at] = codes, codes[-1]
        told[: len(codes), at] = True
    return values, told
