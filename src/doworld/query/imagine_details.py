"""The old world beside an imagined one, and what no longer holds."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from doworld._core.palette import GREY
from doworld.query.details import AbstractDetails
from doworld.query.series import Series
from doworld.query.words import spans

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.query.answer import Answer

__all__ = ["Broken", "ImagineDetails"]


class Broken(BaseModel):
    """An answer of the old world that no longer holds.

    Attributes:
        rows: where the new estimate leaves the old interval.
        worst: where it is furthest from the old estimate; ``old`` and ``new`` are the two there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    rows: tuple[int, ...]
    worst: int
    old: str
    new: str


class ImagineDetails(AbstractDetails):
    """Both worlds.

    Attributes:
        rules: what was changed, in words.
        old: the answer under the rules of the log; the new world's stands in the answer's series.
        broken: what of it no longer holds.
        mechanisms, edges: what is no longer that of the log.
    """

    kind: Literal["imagine"] = "imagine"
    rules: tuple[str, ...] = ()
    old: tuple[Series, ...] = ()
    broken: tuple[Broken, ...] = ()
    mechanisms: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()

    def rich(self, answer: "Answer") -> Iterable[Any]:
        """The new world's numbers, then what no longer holds."""
        from rich.text import Text

        from doworld.query.text import numbers

        if any(s.estimate is not None for s in answer.series):
            yield numbers(answer)
        for each in self.broken:
            yield Text(
                f"No longer holds: {each.variable} at {spans(each.rows)} "
                f"(row {each.worst}: {each.new}, was {each.old})."
            )
        if not self.broken and any(s.estimate is not None for s in answer.series):
            yield Text("Every answer of the old world still holds, within its interval.")
        if self.mechanisms:
            yield Text(f"Not as in the log: {', '.join(self.mechanisms)}.")
        if self.edges:
            yield Text(f"Edges changed: {', '.join(self.edges)}.")

    def figure(self, answer: "Answer") -> "Figure":
        """The new world's fan charts, with the old world's in grey behind them."""
        from doworld.query.figure import figure

        fig = figure(answer)
        shown = [s for s in answer.series if s.rows]
        step, first = answer.step or 1.0, True
        for n, new in enumerate(shown):
            axis = "y" if n == 0 else f"y{2 * n + 1}"
            old = next(s for s in self.old if s.variable == new.variable)
            times = [r * step for r in old.rows]
            common: dict[str, Any] = {"x": times, "yaxis": axis, "legendgroup": "old"}
            for y in (old.lower, old.upper):
                if y is not None:
                    line = {"color": GREY, "width": 1, "dash": "dot"}
                    fig.add_scatter(
                        y=y, mode="lines", line=line, showlegend=False, hoverinfo="skip", **common
                    )
            if old.estimate is not None:
                fig.add_scatter(
                    y=old.estimate,
                    mode="lines+markers" if len(times) == 1 else "lines",
                    line={"color": GREY, "width": 2},
                    name="rules of the log",
                    showlegend=first,
                    hovertemplate="%{y:.4g}<extra>rules of the log</extra>",
                    **common,
                )
                _widen(fig, "yaxis" if n == 0 else f"yaxis{2 * n + 1}", old.estimate)
                first = False
        return fig


def _widen(fig: "Figure", key: str, values: tuple[float, ...]) -> None:
    """Makes room in a panel that is cut to the new world's estimates for the old world's too."""
    shown = fig.layout[key].range
    if shown is None or not values:
        return
    low, high = min(shown[0], *values), max(shown[1], *values)
    room = 0.04 * (high - low)
    if (low, high) != tuple(shown):
        ends = [low - room if low < shown[0] else low, high + room if high > shown[1] else high]
        fig.update_layout({key: {"range": ends}})
