"""Plans of several actions: what must be adjusted for before each (sequential back door)."""

from collections.abc import Hashable, Sequence
from itertools import pairwise

from doworld._core.errors import QueryError
from doworld.graph import MixedGraph
from doworld.identify.effects import checked, effect_of, words
from doworld.identify.estimand import Expression, Probability, label, product, total
from doworld.identify.verdict import Estimand, Identified, NotIdentified, Way

__all__ = ["plan_effect", "sequential_adjustment"]

Node = Hashable


def sequential_adjustment(
    graph: MixedGraph, actions: Sequence[Node], outcome: Node
) -> tuple[tuple[Node, ...], ...] | None:
    r"""What to hold fixed before each action so that its rest is as good as random, or None.

    Pearl & Robins (1995), theorem 4 and its criterion: for each action X_k, covariates Z_k that are
    no descendants of X_k, …, X_n with (Y ⫫ X_k | X_1 … X_{k−1}, Z_1 … Z_k) in the graph without
    edges out of X_k and into X_{k+1}, …, X_n. All candidates that act on Y or X_k are tried at
    once, which decides it; then each is left out where the criterion holds without it.

    Raises ``UnknownNameError``, and ``QueryError`` where actions are not in causal order.

    >>> g = MixedGraph.of("x1 -> z -> x2 -> y", "z -> y", "x1 -> y")
    >>> sequential_adjustment(g, ["x1", "x2"], "y")
    ((), ('z',))
    """
    checked(graph, actions, [outcome])
    for earlier, later in pairwise(actions):
        if earlier in graph.descendants([later]):
            raise QueryError(
                f"{label(later)} acts on {label(earlier)}, yet is named after it. Name the "
                "actions in the order in which they act."
            )
    chosen: list[frozenset[Node]] = []
    for k, action in enumerate(actions):
        rest = actions[k + 1 :]
        world = graph.cut(into=rest, out_of=[action])
        late = graph.descendants(actions[k:])
        earlier = frozenset(actions[:k]).union(*chosen)
        may = world.ancestors([outcome, action]) - late - set(actions) - earlier - {outcome}
        if not world.separated([action], [outcome], earlier | may):
            return None
        keep = set(may)
        for node in reversed(graph.sorted(may)):
            if world.separated([action], [outcome], earlier | (keep - {node})):
                keep.discard(node)
        chosen.append(frozenset(keep))
    return tuple(graph.sorted(z) for z in chosen)


def plan_effect(
    graph: MixedGraph, actions: Sequence[Node], outcome: Node
) -> Identified | NotIdentified:
    r"""P(y | do(x_1, …, x_n)) by the g-formula where the sequential back door is open, else by ID.

    Σ_z P(y | x, z) Π_k P(z_k | x_1 … x_{k−1}, z_1 … z_{k−1}) (Robins 1986). Raises as
    ``sequential_adjustment``.

    >>> g = MixedGraph.of("x1 -> z -> x2 -> y", "z -> y", "z <-> y")
    >>> print(plan_effect(g, ["x1", "x2"], "y").estimand)
    Σ_z P(z | x1) P(y | x1, x2, z)
    """
    sets = sequential_adjustment(graph, actions, outcome)
    if sets is None:
        return effect_of(graph, actions, [outcome])
    laws: list[Expression] = []
    before: tuple[Node, ...] = ()
    for k, z in enumerate(sets):
        if z:
            laws.append(Probability(z, (*actions[:k], *before)))
        before += z
    formula = total(before, product([*laws, Probability((outcome,), (*actions, *before))]))
    steps = tuple(
        f"Before {label(a)}: adjust for {words(graph, z) or 'nothing more'}."
        for a, z in zip(actions, sets, strict=True)
    )
    return Identified(Estimand(formula, Way.SEQUENTIAL, adjustment=before), steps)
