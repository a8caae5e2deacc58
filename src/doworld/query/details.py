"""What an answer holds beside series: text and a figure of its own."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer

__all__ = ["AbstractDetails"]


class AbstractDetails(BaseModel):
    """Plain data that can show itself; every kind names itself in ``kind``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def rich(self, answer: "Answer") -> Iterable[Any]:
        """What the terminal shows below the headline, readable in 60 columns."""

    @abstractmethod
    def figure(self, answer: "Answer") -> "Figure":
        """The answer as a Plotly figure."""
