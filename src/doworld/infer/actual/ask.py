"""Questions about actual causes: all of them, one of them, and blame."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from doworld._core.errors import QueryError
from doworld.graph import CausalGraph, Edge
from doworld.infer.actual.result import (
    ActualCause,
    ActualCauses,
    Blameworthiness,
    CauseCheck,
    Witness,
    events,
)
from doworld.infer.actual.search import Budget, Found, Situation, minimal, witnesses
from doworld.model.finite import FiniteModel, Rule, World, rule_of

if TYPE_CHECKING:
    from doworld.model.world import WorldModel

__all__ = ["Outcome", "actual_causes", "blame_of", "check_cause"]

Outcome = Mapping[str, Any] | Rule | Callable[..., Any]
"""Values by name, all of which came about, or a condition on the variables it names."""
Normality = Callable[[World], float]
SOLUTIONS = 200_000
LARGEST = 6


def actual_causes(
    model: "FiniteModel | WorldModel",
    given: Any,
    outcome: Outcome,
    *,
    among: Sequence[str] | None = None,
    normality: Normality | None = None,
    largest: int | None = None,
    budget: int = SOLUTIONS,
    seed: int = 0,
) -> ActualCauses:
    r"""Every actual cause of an outcome, by the modified Halpern–Pearl definition.

    X = x caused φ if both happened (AC1), if some x' and some variables W, held at what they
    actually were, give [X ← x', W ← w*] ¬φ (AC2), and no part of X does so (AC3): J. Y. Halpern,
    "A modification of the Halpern–Pearl definition of causality", IJCAI 2015; X, x, x', W, w*, φ
    as there. φ's own variables are no causes of it. The degree of responsibility of X_i is
    1/(|X| + |W|), at its largest over causes that X_i is part of (Chockler & Halpern 2004, in the
    form for the modified definition of Halpern, "Actual causality", MIT Press 2016, ch. 6).
    A ranking of worlds by ``normality`` grades causes by their most normal witness world (Halpern
    & Hitchcock 2015); a cause all of whose witnesses are less normal than what happened is kept
    and marked as not ``admissible``.

    Args:
        model: a finite model, or a learned one of discrete variables: then ``given`` is an episode,
            and variables are called "name@row" (only their name in a static table).
        given: the context, by name, of a finite model; the episode of a learned one.
        outcome: φ: values by name, or a function whose parameters are the variables it reads. Of a
            learned model, a plain name means the last row.
        among: only these may be in a cause; None allows all.
        normality: a rank of a world, larger is more normal; see ``Defaults``.
        largest: events in a cause, at most; None is all for a finite model and 3 for a learned one.
        budget: solutions of the model, at most; what is cut is said by ``truncated``.
        seed: of the noise that a learned model's log does not determine.

    Raises:
        UnknownNameError: a variable that the model lacks.
        QueryError: the outcome did not happen, or a learned model's variable has no finite range.

    >>> fire = FiniteModel(
    ...     {"lightning": (0, 1), "match": (0, 1), "fire": (0, 1)},
    ...     {"fire": lambda lightning, match: int(lightning or match)},
    ... )
    >>> found = actual_causes(fire, {"lightning": 1, "match": 1}, {"fire": 1})
    >>> [str(cause) for cause in found.causes], found.responsibility["match"]
    (['lightning = 1 and match = 1'], 0.5)
    """
    if not isinstance(model, FiniteModel):
        from doworld.infer.actual.learned import episode_causes

        return episode_causes(
            model,
            given,
            outcome,
            among=among,
            normality=normality,
            largest=largest,
            budget=budget,
            seed=seed,
        )
    return finite_causes(model, given, outcome, among, normality, largest, budget)


def finite_causes(
    model: FiniteModel,
    context: World,
    outcome: Outcome,
    among: Sequence[str] | None,
    normality: Normality | None,
    largest: int | None,
    budget: int,
) -> ActualCauses:
    """``actual_causes`` of a finite model."""
    for name in among or ():
        model.known(name)
    at = situation(model, context, outcome, among)
    if not at.happens(at.actual):
        raise QueryError(
            f"{words(outcome)} did not come about in this context, so nothing caused it. State "
            f"what happened: {events({p: at.actual[p] for p in at.outcome.parents})}."
        )
    purse, causes = Budget(budget), []

    def tried(names: tuple[str, ...]) -> bool:
        found = list(witnesses(at, names, purse, every=normality is not None))
        if found:
            causes.append(_cause(at, names, found, normality))
        return bool(found)

    if largest is not None and largest < 1:
        raise QueryError(f"a cause of at most {largest} events is none. Give 1 or more.")
    most = len(at.candidates) if largest is None else largest
    complete = minimal(at, purse, most, tried)
    causes.sort(key=_order)
    return ActualCauses(
        outcome=words(outcome),
        causes=tuple(causes),
        responsibility=_responsibility(at, causes),
        truncated=purse.cut,
        complete_to=complete,
        solutions=budget - max(purse.left, 0),
        status="identified",
        actual=dict(at.actual),
        graph=_graph(at),
    )


def check_cause(
    model: FiniteModel,
    context: World,
    cause: World,
    outcome: Outcome,
    *,
    budget: int = SOLUTIONS,
) -> CauseCheck:
    """Whether ``cause`` is an actual cause of ``outcome``, clause by clause (see above).

    Raises ``UnknownNameError`` for a variable that the model lacks, ``QueryError`` for no events.

    >>> shot = FiniteModel(
    ...     {"trainee": (0, 1), "backup": (0, 1), "dead": (0, 1)},
    ...     {
    ...         "backup": lambda trainee: 1 - trainee,
    ...         "dead": lambda trainee, backup: trainee | backup,
    ...     },
    ... )
    >>> check_cause(shot, {"trainee": 1}, {"trainee": 1}, {"dead": 1}).witness.held
    {'backup': 0}
    """
    if not cause:
        raise QueryError("no event was named as the cause. Name one, as in {'match': 1}.")
    for name in cause:
        model.known(name)
    at, purse = situation(model, context, outcome, None), Budget(budget)
    if any(at.actual[n] != v for n, v in cause.items()) or not at.happens(at.actual):
        why = f"{events(cause)} and {words(outcome)} did not both happen (AC1)."
        return CauseCheck(False, False, None, {}, False, why)
    names = tuple(n for n in model.order if n in cause)
    for size in range(1, len(names) + 1):
        for part in combinations(names, size):
            found = next(witnesses(at, part, purse), None)
            if found is None:
                continue
            smaller = {} if size == len(names) else {n: at.actual[n] for n in part}
            holds = not smaller and not purse.cut
            why = (
                f"{events(smaller)} alone is enough (AC3)."
                if smaller
                else f"had it been {events(found.alternative)}, {words(outcome)} would have failed."
            )
            return CauseCheck(holds, True, _witness(at, found), smaller, purse.cut, why)
    why = f"{words(outcome)} would have come about whatever is held (AC2)."
    if purse.cut:
        why = "the budget was over before a witness was found. Raise it."
    return CauseCheck(False, True, None, {}, purse.cut, why)


def blame_of(
    situations: Sequence[tuple[FiniteModel, World, float]],
    cause: World,
    outcome: Outcome,
    *,
    budget: int = SOLUTIONS,
) -> Blameworthiness:
    """The degree of blame of an act, given what its agent held possible before it.

        db = Σ_(M, u) Pr(M, u) · dr((M_{X←x}, u), X = x, φ)

    (Chockler & Halpern 2004), dr the degree of responsibility, 0 where φ fails. The act is done in
    each situation: what has an equation is set, what has none is so in the context.

    Raises ``QueryError`` unless the probabilities are of a distribution and the act is one event.

    >>> squad = FiniteModel(
    ...     {"live": (1, 2), "one": (0, 1), "two": (0, 1), "dead": (0, 1)},
    ...     {"dead": lambda live, one, two: int((live == 1 and one) or (live == 2 and two))},
    ...     background=("live",),
    ... )
    >>> held = [(squad, {"live": k, "one": 1, "two": 1}, 0.5) for k in (1, 2)]
    >>> blame_of(held, {"one": 1}, {"dead": 1}).degree
    0.5
    """
    chances = [p for _, _, p in situations]
    if len(cause) != 1 or not situations or min(chances) < 0 or abs(sum(chances) - 1) > 1e-9:
        raise QueryError(
            f"blame is of one event over situations whose probabilities add up to 1; here are "
            f"{len(cause)} events and a sum of {sum(chances):g}."
        )
    ((name, value),) = cause.items()
    degrees, cut = [], False
    for model, context, _ in situations:
        model.known(name)
        done = _acted(model, name)
        at = situation(done, {**context, name: value}, outcome, None)
        if not at.happens(at.actual):
            degrees.append(0.0)
            continue
        found = finite_causes(done, {**context, name: value}, outcome, None, None, None, budget)
        cut |= found.truncated
        degrees.append(found.responsibility.get(name, 0.0))
    degree = sum(p * d for p, d in zip(chances, degrees, strict=True))
    return Blameworthiness(degree, tuple(degrees), cut)


def _acted(model: FiniteModel, name: str) -> FiniteModel:
    """The model with one variable's equation taken out."""
    rules = {n: r for n, r in model.rules.items() if n != name}
    return FiniteModel(model.ranges, rules, tuple(b for b in model.background if b != name))


def situation(
    model: FiniteModel, context: World, outcome: Outcome, among: Sequence[str] | None
) -> Situation:
    """The situation of a question; raises ``UnknownNameError`` or ``QueryError``."""
    if isinstance(outcome, Mapping):
        if not outcome:
            raise QueryError("the outcome names no event. Name one, as in {'fire': 1}.")
        wanted = tuple(outcome.values())
        rule = Rule(tuple(outcome), lambda *values: values == wanted)
        for name, value in outcome.items():
            model.known(name)
            if value not in model.ranges[name]:
                raise QueryError(
                    f"{name!r} can never be {value!r}; its range is {tuple(model.ranges[name])}."
                )
    else:
        rule = rule_of(outcome)
    for name in rule.parents:
        model.known(name)
    return Situation.of(model, context, rule, among)


def words(outcome: Outcome) -> str:
    """φ in words."""
    if isinstance(outcome, Mapping):
        return events(outcome)
    return "the outcome (a condition on " + ", ".join(rule_of(outcome).parents) + ")"


def _witness(at: Situation, found: Found) -> Witness:
    held = {n: at.actual[n] for n in found.held}
    return Witness(dict(found.alternative), held, dict(found.world))


def _cause(
    at: Situation, names: tuple[str, ...], found: list[Found], normality: Normality | None
) -> ActualCause:
    best = min(found, key=lambda f: len(f.held))
    cause = {n: at.actual[n] for n in names}
    share = 1 / (len(names) + len(best.held))
    if normality is None:
        return ActualCause(cause, _witness(at, best), share)
    top = max(found, key=lambda f: normality(f.world))
    rank, usual = float(normality(top.world)), float(normality(at.actual))
    return ActualCause(cause, _witness(at, top), share, rank, rank >= usual)


def _order(cause: ActualCause) -> tuple:
    rank = 0.0 if cause.normality is None else -cause.normality
    return not cause.admissible, rank, len(cause.events), -cause.share, -cause.responsibility


def _responsibility(at: Situation, causes: list[ActualCause]) -> dict[str, float]:
    out = dict.fromkeys(at.candidates, 0.0)
    for cause in causes:
        for name in cause.events:
            out[name] = max(out[name], cause.responsibility)
    return out


def _graph(at: Situation) -> CausalGraph:
    names = tuple(n for n in at.model.order if n in at.relevant)
    links = [Edge(p, n, 0) for n in names for p in at.model.parents(n)]
    return CausalGraph(names, tuple(links), max_lag=0)
