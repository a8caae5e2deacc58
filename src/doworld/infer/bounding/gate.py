"""From the gate's symbolic program to numbers."""

from collections.abc import Sequence

from doworld._core.errors import QueryError
from doworld.identify.verdict import Program
from doworld.infer.bounding.bound import Bound
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.potential import Expression, Outcome, Potential, Term, contrast
from doworld.infer.bounding.program import linear_program
from doworld.infer.bounding.types import MOST

__all__ = ["name_of", "solve_program"]


def name_of(node) -> str:
    """A node as a variable of a table: its name, with the rows ago where it has any."""
    return node if isinstance(node, str) else f"{node[0]}(t-{node[1]})"


def solve_program(
    program: Program,
    counts: Counts,
    *,
    levels: tuple[int, int] = (0, 1),
    values: Sequence[float] | None = None,
    level: float = 0.95,
    most: int = MOST,
) -> Bound:
    """The bound that ``identify.Bounded(program)`` asks for, from counts of its nodes.

    Nodes of the graph that ``counts`` does not hold count as unobserved (latent projection), which
    leaves the bound valid.

    Args:
        counts: of treatment, outcome and what else may narrow the bound, named by ``name_of``.
        levels: treatment levels compared, control first.
        values: what each outcome level is worth; None takes 0, 1, ….
        most: response types that may be opened.

    Raises ``QueryError`` for an estimand that is no linear function of response types.
    """
    graph = program.graph
    whole = Diagram(
        tuple(name_of(n) for n in graph.nodes),
        tuple((name_of(a), name_of(b)) for a, b in graph.directed),
        tuple((name_of(a), name_of(b)) for a, b in (tuple(e) for e in graph.bidirected)),
    )
    diagram = whole.projected(counts.names)
    x, y = name_of(program.treatment), name_of(program.outcome)
    worth = tuple(values or map(float, range(counts.levels(y))))
    control, treated = levels

    def fact(name: str, code: int) -> Outcome:
        return Outcome(Potential(name), code)

    would = Outcome(Potential(y, {x: treated}), 1)
    would_not = Outcome(Potential(y, {x: control}), 0)
    asked = {
        "ate": contrast(y, {x: treated}, {x: control}, worth),
        "att": contrast(y, {x: treated}, {x: control}, worth, given=(fact(x, treated),)),
        "pns": Expression((Term(1.0, (would, would_not)),)),
        "pn": Expression((Term(1.0, (would_not,)),), (fact(x, treated), fact(y, 1))),
        "ps": Expression((Term(1.0, (would,)),), (fact(x, control), fact(y, 0))),
    }
    if program.estimand not in asked:
        raise QueryError(
            f"{program.estimand!r} has no program here. Ask for {', '.join(asked)}, or write the "
            "expression and call linear_program."
        )
    return linear_program(counts, diagram, asked[program.estimand], level=level, most=most)
