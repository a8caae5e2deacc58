"""How rows of scaled values become features: one column a number, one column a category level."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from doworld.data import Kind, Schema

__all__ = ["Coding"]


class Coding(eqx.Module):
    """Features of a row: continuous, binary and count variables as they are, categories one-hot.

    Attributes:
        variable: the variable that each feature reads.
        level: the category level that the feature marks; −1 where the feature is the value.
    """

    variable: Int[Array, " features"]
    level: Int[Array, " features"]

    @classmethod
    def of(cls, schema: Schema) -> "Coding":
        """The coding of a schema's variables, in column order."""
        variable, level = [], []
        for i, v in enumerate(schema.variables):
            levels = range(v.levels) if v.kind is Kind.CATEGORICAL else (-1,)
            for code in levels:
                variable.append(i)
                level.append(code)
        return cls(jnp.asarray(variable, np.int32), jnp.asarray(level, np.int32))

    def encode(self, rows: Float[Array, "*batch variables"]) -> Float[Array, "*batch features"]:
        """The features of each row."""
        read = rows[..., self.variable]
        return jnp.where(self.level >= 0, (read == self.level).astype(read.dtype), read)

    def columns(self, variable: int, lag: int) -> list[int]:
        """Where the features of ``variable`` at ``lag`` stand in a flattened window."""
        at = np.flatnonzero(np.asarray(self.variable) == variable)
        return [int(lag * len(self.variable) + f) for f in at]
