"""One promise of the tour, and what was measured."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

__all__ = ["Check", "errors", "percent"]


@dataclass(frozen=True)
class Check:
    """A row of the tour's table.

    Attributes:
        name: what is checked.
        promised: the mark, in words.
        measured: what came out, in words.
        passed: whether the mark was reached.
        beside: what the baselines reached on the same, by name.
        detail: numbers behind it, for the report.
    """

    name: str
    promised: str
    measured: str
    passed: bool
    beside: dict[str, str] = field(default_factory=dict)
    detail: str = ""

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "promised": self.promised,
            "measured": self.measured,
            "passed": self.passed,
            "beside": dict(self.beside),
            "detail": self.detail,
        }


def errors(
    forecast: Float[np.ndarray, "cases rows variables"],
    truth: Float[np.ndarray, "cases rows variables"],
    spread: Float[np.ndarray, " variables"],
) -> Float[np.ndarray, " variables"]:
    """RMSE over cases and rows in units of each variable's standard deviation."""
    return np.sqrt(np.mean((forecast - truth) ** 2, axis=(0, 1))) / spread


def percent(values: Float[np.ndarray, " variables"]) -> str:
    """The largest of some relative errors, as people read them.

    >>> percent(np.array([0.001, 0.0123]))
    '1.2 %'
    """
    worst = 100 * float(np.max(values))
    return f"{worst:.2g} %" if worst < 10 else f"{worst:.0f} %"
