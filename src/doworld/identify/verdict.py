"""What identification replies: an estimand, a program that bounds, or a reason and the fix."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum

from doworld.graph import MixedGraph
from doworld.identify.estimand import Expression

__all__ = ["Bounded", "Cause", "Estimand", "Hedge", "Identified", "NotIdentified", "Program"]
__all__ += ["Verdict", "Way"]

Node = Hashable


class Way(StrEnum):
    """How an estimand was found."""

    SIMULATION = "truncated factorisation"
    ADJUSTMENT = "adjustment"
    FRONT_DOOR = "front-door"
    ID = "ID"
    COUNTERFACTUAL = "ID*"
    TRANSPORT = "transport"
    SEQUENTIAL = "g-formula"
    TRIVIAL = "nothing to identify"


@dataclass(frozen=True)
class Estimand:
    """What is to be computed from the log.

    Attributes:
        expression: the formula; None where simulation along a graph over time stands for it.
        way: how it was found.
        adjustment: the adjustment set, where the formula is one of adjustment.
        mediators: the front-door set, where it is one.
        simulates: whether rolling the mechanisms forward, with those of what is done replaced,
            draws from this very law.
        arbitrary: free nodes that may be given any value, since the formula does not depend on
            them in any world that the graph allows.
    """

    expression: Expression | None
    way: Way
    adjustment: tuple[Node, ...] | None = None
    mediators: tuple[Node, ...] | None = None
    simulates: bool = False
    arbitrary: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return self.way.value if self.expression is None else str(self.expression)

    @property
    def latex(self) -> str:
        """The formula in LaTeX; words where there is none."""
        if self.expression is None:
            return rf"\text{{{self.way.value}}}"
        return self.expression.latex


@dataclass(frozen=True)
class Hedge:
    r"""Why no formula exists (Shpitser & Pearl 2006, definition 6).

    Two districts, ``inner`` within ``outer``, with the same roots: ``outer`` holds something that
    is done and ``inner`` nothing; two worlds that the log cannot tell apart then differ in the
    effect on ``roots``.
    """

    outer: frozenset[Node]
    inner: frozenset[Node]
    roots: frozenset[Node]


class Cause(StrEnum):
    """The kind of reason for a ``NotIdentified``."""

    HIDDEN = "hidden common cause"
    OPEN_EDGE = "open edge"
    FEEDBACK = "feedback"
    CONSTANT = "never varied"
    DETERMINED = "determined by others"
    ADJUSTMENT = "invalid adjustment"
    SELECTION = "selected rows"
    WORLDS = "conflicting worlds"
    SIMULATION = "no simulation"
    TRANSPORT = "other population"
    CUT = "search was cut"


@dataclass(frozen=True)
class Identified:
    """The log and the graph say it: ``estimand``, found by ``steps``.

    ``caveats`` hold what is true of the estimand and yet may move a number.
    """

    estimand: Estimand
    steps: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """A bound as an optimisation over all worlds that fit: which graph, which discrete question.

    Attributes:
        graph: the mixed graph.
        treatment, outcome: what is done and what is asked.
        instruments: nodes that act on the outcome only by the treatment.
        levels: how many values each node of the program takes.
        estimand: the question's name, as in ``Effect``.
    """

    graph: MixedGraph
    treatment: Node
    outcome: Node
    instruments: tuple[Node, ...] = ()
    levels: tuple[tuple[Node, int], ...] = ()
    estimand: str = "ate"


@dataclass(frozen=True)
class Bounded:
    """Several answers fit the log; ``program`` finds the least and the greatest."""

    program: Program
    reason: str
    fix: str = ""
    hedge: Hedge | None = None


@dataclass(frozen=True)
class NotIdentified:
    """Answers that fit the log differ without limit, or nobody can tell: why, and what helps.

    Attributes:
        edge: the edge that is to blame, in words, where one is.
    """

    reason: str
    fix: str
    cause: Cause = Cause.HIDDEN
    edge: str = ""
    hedge: Hedge | None = None
    steps: tuple[str, ...] = ()


Verdict = Identified | Bounded | NotIdentified
