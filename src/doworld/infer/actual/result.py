"""What a search for actual causes found, as data, in words and as a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.graph import CausalGraph

__all__ = ["ActualCause", "ActualCauses", "Blameworthiness", "CauseCheck", "Witness"]


@dataclass(frozen=True)
class Witness:
    """What shows a cause to be one: with ``alternative`` set and ``held`` kept, no outcome.

    Attributes:
        alternative: x', the other values of the cause.
        held: W = w*, kept at what they actually were.
        world: the values that follow.
    """

    alternative: Mapping[str, Any]
    held: Mapping[str, Any]
    world: Mapping[str, Any]


@dataclass(frozen=True)
class ActualCause:
    """A minimal set of events without which, something else held, the outcome fails.

    Attributes:
        events: X = x.
        witness: one with the fewest variables held.
        responsibility: 1/(|X| + |W|).
        normality: the rank of the most normal witness world, of all that the search found; None
            where no ranking was given.
        admissible: whether that world is at least as normal as the actual one; True without a
            ranking.
        share: of the draws of unknown noise in which it is a cause; 1 where nothing was drawn.
    """

    events: Mapping[str, Any]
    witness: Witness
    responsibility: float
    normality: float | None = None
    admissible: bool = True
    share: float = 1.0

    def __str__(self) -> str:
        return events(self.events)


@dataclass(frozen=True)
class CauseCheck:
    """Whether a named set of events is an actual cause, clause by clause.

    Attributes:
        holds: AC1, AC2 and AC3.
        happened: AC1: the events and the outcome happened.
        witness: of AC2, by the set or a part of it; None where there is none.
        smaller: a proper subset that satisfies AC1 and AC2 already, against AC3; empty if none.
        truncated: the budget was over before the search was: ``holds`` is then False for want of
            proof, not because it was shown.
    """

    holds: bool
    happened: bool
    witness: Witness | None
    smaller: Mapping[str, Any]
    truncated: bool
    why: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True)
class ActualCauses:
    """Every actual cause of an outcome in one situation.

    Attributes:
        outcome: φ in words.
        causes: the most normal first, then the smallest, then by share and responsibility.
        responsibility: of every variable: 1/min(|X| + |W|) over the causes that it is part of,
            0 where it is of none.
        truncated: the budget was over before the search was; there may be more causes.
        complete_to: every cause of up to this many events is among ``causes``.
        solutions: how often the model was solved.
        status: ``identified``, or ``bounded`` where noise that the log does not give back decides
            (then ``share`` counts draws).
        actual: what happened.
        assumptions: what the verdicts rest on.
    """

    outcome: str
    causes: tuple[ActualCause, ...]
    responsibility: Mapping[str, float]
    truncated: bool
    complete_to: int
    solutions: int
    status: str
    actual: Mapping[str, Any]
    assumptions: tuple[str, ...] = ()
    graph: "CausalGraph | None" = field(default=None, repr=False)

    @property
    def parts(self) -> frozenset[str]:
        """The variables that are part of some cause."""
        return frozenset(n for c in self.causes for n in c.events)

    def named(self, names: Mapping[str, str]) -> "ActualCauses":
        """The same with variables renamed."""

        def moved(of: Mapping[str, Any]) -> dict[str, Any]:
            return {names.get(k, k): v for k, v in of.items()}

        def cause(c: ActualCause) -> ActualCause:
            w = c.witness
            witness = Witness(moved(w.alternative), moved(w.held), moved(w.world))
            return replace(c, events=moved(c.events), witness=witness)

        return replace(
            self,
            causes=tuple(map(cause, self.causes)),
            responsibility=moved(self.responsibility),
            actual=moved(self.actual),
            graph=None,
        )

    @property
    def explanation(self) -> str:
        """One paragraph in plain language."""
        if not self.causes:
            found = f"Nothing was found to have caused {self.outcome}."
        else:
            found = " ".join(self._sentence(c) for c in self.causes[:4])
            if len(self.causes) > 4:
                found += f" There are {len(self.causes) - 4} more causes."
        cut = (
            f" The search was cut after {self.solutions} solutions: causes of more than "
            f"{self.complete_to} event{'s' * (self.complete_to != 1)} may be missing. Raise the "
            "budget."
            if self.truncated
            else ""
        )
        return found + cut

    def _sentence(self, cause: ActualCause) -> str:
        w = cause.witness
        held = f", with {events(w.held)} kept as it was" if w.held else ""
        alone = "Together, " if len(cause.events) > 1 else ""
        text = (
            f"{alone}{events(cause.events)} caused {self.outcome}: had it been "
            f"{events(w.alternative)}{held}, {self.outcome} would not have come about "
            f"(responsibility {cause.responsibility:.2g})."
        )
        if not cause.admissible:
            text += " The world that shows it is less normal than what happened."
        if cause.share < 1:
            text += f" So in {cause.share:.0%} of the noise that the log leaves open."
        return text

    def __str__(self) -> str:
        return "\n".join([self.explanation, *(f"Assumed: {a}" for a in self.assumptions)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "outcome": self.outcome,
            "status": self.status,
            "truncated": self.truncated,
            "complete_to": self.complete_to,
            "solutions": self.solutions,
            "causes": [
                {
                    "events": dict(c.events),
                    "alternative": dict(c.witness.alternative),
                    "held": dict(c.witness.held),
                    "responsibility": c.responsibility,
                    "normality": c.normality,
                    "admissible": c.admissible,
                    "share": c.share,
                }
                for c in self.causes
            ],
            "responsibility": dict(self.responsibility),
            "assumptions": list(self.assumptions),
            "why": self.explanation,
        }

    def figure(self, number: int = 0) -> "Figure":
        """The graph with cause number ``number``, what its witness holds, and the outcome."""
        from doworld.infer.actual.figure import figure

        return figure(self, number)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(str(c))}</td><td>{escape(events(c.witness.alternative))}</td>"
            f"<td>{escape(events(c.witness.held) or '–')}</td><td>{c.responsibility:.2g}</td></tr>"
            for c in self.causes
        )
        head = "<tr><th>cause</th><th>had it been</th><th>held</th><th>responsibility</th></tr>"
        return f"<p>{escape(str(self))}</p><table>{head}{rows}</table>"


@dataclass(frozen=True)
class Blameworthiness:
    """Expected responsibility over the situations that someone held possible.

    Attributes:
        degree: Σ Pr(M, u) · responsibility.
        responsibilities: in each situation, in their order.
        truncated: whether a search was cut; ``degree`` is then a lower bound.
    """

    degree: float
    responsibilities: tuple[float, ...]
    truncated: bool


def events(of: Mapping[str, Any]) -> str:
    """Values by name, in words."""
    return " and ".join(f"{k} = {v}" for k, v in of.items())
