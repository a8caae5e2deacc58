"""What a law of a column given terms is asked for: how rows held out judge it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from doworld.discover.independence.ridge import Ridge

__all__ = ["Law", "Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to learn from and rows held out, as positions, and their terms.

    Attributes:
        train: positions.
        held: positions.
        small: the terms of the smaller law.
        large: the terms of the larger.
    """

    train: Int[np.ndarray, " rows"]
    held: Int[np.ndarray, " held"]
    small: Ridge
    large: Ridge


@runtime_checkable
class Law(Protocol):
    """How a column is distributed given terms."""

    def gain(self, split: Split) -> Float[np.ndarray, " held"]:
        """By how much the larger terms raise the log-likelihood of held-out rows."""
        ...
