"""Effects across worlds: on the treated, natural direct and indirect, and controlled direct."""

from collections.abc import Hashable, Iterable
from dataclasses import replace

from doworld.graph import MixedGraph
from doworld.identify.counterfactual import Event, Potential, counterfactual_of
from doworld.identify.effects import checked
from doworld.identify.estimand import Constant, Difference, Expression, Mean, label
from doworld.identify.verdict import Estimand, Identified, NotIdentified, Way

__all__ = ["controlled_direct", "natural_direct", "natural_indirect", "on_the_treated"]

Node = Hashable


def control(node: Node) -> str:
    """The symbol of the control's value; the node itself is that of the treatment's."""
    return f"{label(node)}*"


def on_the_treated(graph: MixedGraph, treatment: Node, outcome: Node) -> Identified | NotIdentified:
    """E[Y_x − Y_x* | X = x]: the effect on those who were treated (ETT).

    >>> g = MixedGraph.of("z -> x -> y", "z -> y")
    >>> str(on_the_treated(g, "x", "y").estimand)
    'Σ_y y P(y | x) − Σ_y y [Σ_z P(z, x) P(y | z, x*)] / P(x)'
    """
    checked(graph, [treatment], [outcome])
    seen = [Event(Potential(treatment), treatment)]
    worlds = [
        Potential(outcome, ((treatment, treatment),)),
        Potential(outcome, ((treatment, control(treatment)),)),
    ]
    return _difference(graph, outcome, worlds, seen)


def natural_direct(
    graph: MixedGraph, treatment: Node, outcome: Node, mediators: Iterable[Node]
) -> Identified | NotIdentified:
    """E[Y_{x, M_x*} − Y_x*]: past the mediators, which stay as they are without treatment (NDE).

    >>> g = MixedGraph.of("x -> m -> y", "x -> y")
    >>> str(natural_direct(g, "x", "y", ["m"]).estimand)
    'Σ_y y Σ_m P(m | x*) P(y | x, m) − Σ_y y Σ_m P(m | x*) P(y | x*, m)'
    """
    one, zero = treatment, control(treatment)
    return _natural(graph, outcome, mediators, treatment, (one, zero), (zero, zero))


def natural_indirect(
    graph: MixedGraph, treatment: Node, outcome: Node, mediators: Iterable[Node]
) -> Identified | NotIdentified:
    """E[Y_{x*, M_x} − Y_x*]: through the mediators alone (NIE).

    >>> g = MixedGraph.of("x -> m -> y", "x -> y", "m <-> y")
    >>> natural_indirect(g, "x", "y", ["m"]).cause
    <Cause.WORLDS: 'conflicting worlds'>
    """
    one, zero = treatment, control(treatment)
    return _natural(graph, outcome, mediators, treatment, (zero, one), (zero, zero))


def controlled_direct(
    graph: MixedGraph, treatment: Node, outcome: Node, mediators: Iterable[Node]
) -> Identified | NotIdentified:
    """E[Y_{x, m} − Y_{x*, m}]: past the mediators, held at m (CDE).

    >>> g = MixedGraph.of("x -> m -> y", "x -> y", "x <-> m")
    >>> str(controlled_direct(g, "x", "y", ["m"]).estimand)
    'Σ_y y P(y | x, m) − Σ_y y P(y | x*, m)'
    """
    held = tuple((m, m) for m in mediators)
    checked(graph, [treatment, *(m for m, _ in held)], [outcome])
    worlds = [
        Potential(outcome, ((treatment, treatment), *held)),
        Potential(outcome, ((treatment, control(treatment)), *held)),
    ]
    return _difference(graph, outcome, worlds)


def _natural(
    graph: MixedGraph,
    outcome: Node,
    mediators: Iterable[Node],
    treatment: Node,
    *pairs: tuple[Node, Node],
) -> Identified | NotIdentified:
    """The difference of two worlds (value of the treatment, value that the mediators see)."""
    names = tuple(mediators)
    checked(graph, [treatment, *names], [outcome])
    worlds = []
    for own, seen in pairs:
        nested = tuple((m, Potential(m, ((treatment, seen),))) for m in names)
        # where both are the same world, what the mediators do needs no saying
        worlds.append(Potential(outcome, ((treatment, own), *(nested if own != seen else ()))))
    return _difference(graph, outcome, worlds)


def _difference(
    graph: MixedGraph, outcome: Node, worlds: list[Potential], given: Iterable[Event] = ()
) -> Identified | NotIdentified:
    means: list[Expression] = []
    steps: tuple[str, ...] = ()
    arbitrary: dict[Node, None] = {}
    for world in worlds:
        verdict = counterfactual_of(graph, [Event(world, outcome)], given)
        steps += (f"{world}:", *verdict.steps)
        if isinstance(verdict, NotIdentified):
            return replace(verdict, steps=steps)
        means.append(Mean(outcome, verdict.estimand.expression or Constant(0.0)))
        arbitrary.update(dict.fromkeys(verdict.estimand.arbitrary))
    formula = Difference(means[0], means[1])
    return Identified(Estimand(formula, Way.COUNTERFACTUAL, arbitrary=tuple(arbitrary)), steps)
