"""What explains an anomaly or a drift, as data, in words and as a figure."""

from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["Attribution", "RootCauses"]


@dataclass(frozen=True)
class Attribution:
    """The part of one mechanism, or of one object's mechanisms, in the target's trouble.

    Attributes:
        name: of the variable or the object.
        contribution: what it adds to the target's shift, in ``RootCauses.unit``.
        lower, upper: interval of the contribution.
        share: contribution over the whole shift.
        score: its part in the outlier score, in nats; NaN for a drift.
        score_error: standard error of ``score`` from sampling.
        p_value: that its mechanism is as usual; NaN where it cannot be judged.
        effect: how surprising it is, in units of normal operation.
        evidence: log odds, up to a constant, by which causes are ranked.
    """

    name: str
    contribution: float
    lower: float
    upper: float
    share: float
    score: float
    score_error: float
    p_value: float
    effect: float
    evidence: float


@dataclass(frozen=True)
class RootCauses:
    """Mechanisms and objects, the one that most likely is at fault first.

    Attributes:
        target: whose trouble is explained.
        what: ``anomaly`` or ``drift``.
        shift: the target's distance from normal operation, in ``unit``; the contributions of all
            mechanisms add up to it.
        unit: the unit of the shift, in words.
        score: −log P(a shift as large in normal operation); NaN for a drift.
        mechanisms, entities: ranked.
        level: of the intervals.
        notes: what was decided from the data, and what cannot be known.
    """

    target: str
    what: str
    shift: float
    unit: str
    score: float
    mechanisms: tuple[Attribution, ...]
    entities: tuple[Attribution, ...]
    level: float
    notes: tuple[str, ...] = ()

    @property
    def explanation(self) -> str:
        """One paragraph in plain language."""
        if not self.entities:
            return f"Nothing acts on {self.target}, so nothing can be ranked."
        first = self.entities[0]
        moved = f"{self.target} is {self.shift:+.3g} {self.unit} from normal operation."
        part = (
            f" {first.name} is the likeliest root cause: its own mechanism accounts for "
            f"{first.contribution:+.3g} of it ({self.level:.0%} interval {first.lower:+.3g} to "
            f"{first.upper:+.3g})"
        )
        sure = (
            f", and that it is as usual has p = {first.p_value:.2g}."
            if first.p_value == first.p_value
            else "."
        )
        others = ", ".join(f"{e.name} ({e.contribution:+.2g})" for e in self.entities[1:3])
        rest = f" Next come {others}." if others else ""
        largest = max(self.entities, key=lambda e: abs(e.contribution))
        aside = (
            f" The largest part, {largest.contribution:+.3g}, comes by {largest.name}, whose "
            f"mechanism is less clearly out of the usual (p = {largest.p_value:.2g})."
            if self.what == "anomaly" and largest.name != first.name
            else ""
        )
        return moved + part + sure + rest + aside

    def __str__(self) -> str:
        return "\n".join([self.explanation, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "why": self.explanation}

    def figure(self, most: int = 12) -> "Figure":
        """Bars of the contributions of the ``most`` likeliest, with their intervals."""
        from doworld.infer.root_cause.figure import figure

        return figure(self, most)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{k}</td><td>{escape(e.name)}</td><td>{e.contribution:+.3g}</td>"
            f"<td>{e.lower:+.3g} … {e.upper:+.3g}</td><td>{e.p_value:.2g}</td></tr>"
            for k, e in enumerate(self.entities[:12], 1)
        )
        head = "<tr><th></th><th>where</th><th>contribution</th><th>interval</th><th>p</th></tr>"
        return f"<p>{escape(str(self))}</p><table>{head}{rows}</table>"
