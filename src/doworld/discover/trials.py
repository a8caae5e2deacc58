"""Causes found by trying: which things an action needs, from trials with things left out.

An action a gives an effect e where its causes are all present: with the set S of what is there,

    success(S) = [M ⊆ S],    M: the causes of e under a, |M| = k among n candidates.

Success is monotone in S, so a trial that leaves out a whole group G and still succeeds clears all
of G, and one that fails says that a cause is in G, which halving then finds: generalised binary
splitting (Hwang 1972, "A method for detecting all defective members in a population by group
testing"), k log₂(n/k) + O(k) trials where leaving out one at a time takes n. Groups are so large
that a trial succeeds with chance one half, given what is believed of each candidate: a guess, if
there is one, trusted as far as it was right so far, else how often the candidate was a cause of
anything. Beliefs choose the trials; only trials decide.

Every edge rests on at least one trial that failed though nothing but its source was missing, so
the causes are a smallest sufficient set whatever monotone function success is. Where there are
several such sets (a pickaxe of stone OR of iron) one of them is found; ``alternatives`` spends k
more trials on each effect to say whether others can take a cause's place, but does not list them.
An action that has succeeded is tried once more with everything that is known in the end, so that
what it gives only together with things found later, or not believed, is found too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from doworld._core.errors import DataError, UnknownNameError
from doworld.discover.belief import Belief, Guess
from doworld.graph import CausalGraph, Edge, Evidence

__all__ = ["Attempt", "Finding", "Trials", "discover_by_trials"]

Attempt = Callable[[frozenset[str], str], Collection[str]]
"""Does an action with these variables present, and returns the variables that rose."""

Present = frozenset[str]


@dataclass(frozen=True)
class Finding:
    """What one action needs to give one effect.

    Attributes:
        action, effect: what was done and what it gave.
        causes: the smallest set of variables with which it does.
        replaceable: the causes without which it worked as well, as long as all else was there;
            empty where ``alternatives`` was not asked for.
        candidates: how many variables were known when the effect was first seen.
        trials: how many of this action had been made by then, failures before it gave anything
            included.
    """

    action: str
    effect: str
    causes: frozenset[str]
    replaceable: frozenset[str]
    candidates: int
    trials: int


@dataclass(frozen=True)
class Trials:
    """What trying found out.

    Attributes:
        graph: an edge from each cause to its effect, at lag 1, its evidence counting the trials
            that failed though nothing but the source was missing.
        findings: one an action and effect, in the order in which they were found.
        closed: the actions that never gave anything.
        trials: how many were made in all.
        one_by_one: how many the same search takes without a guess where, after each success that
            shows a new effect, every known variable is left out once, one at a time.
    """

    graph: CausalGraph
    findings: tuple[Finding, ...]
    closed: tuple[str, ...]
    trials: int
    one_by_one: int


def discover_by_trials(
    attempt: Attempt,
    actions: Iterable[str],
    *,
    known: Iterable[str] = (),
    names: Sequence[str] | None = None,
    guess: Guess = None,
    aims: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    alternatives: bool = False,
) -> Trials:
    """The causes of what actions give, found by trying them.

    Starts from ``known``, tries each action with all that is known, adds what rose to the known
    ones, finds what the action needed, and goes on until nothing gives anything new.

    Args:
        attempt: makes one trial: deterministic, and a trial with more present never gives less.
        actions: what can be done.
        known: the variables that can be made present from the beginning.
        names: all variables there may be, in the order of the graph's; None: as they are found.
        guess: what is believed: effect → its causes, a ``Prior`` (its required and forbidden
            edges and tiers) or a ``CausalGraph`` (with the probabilities of its edges). It is only
            believed, not honoured: if wrong, it costs trials and changes nothing else.
        aims: what each action is believed to give; with it the causes believed are tried before
            anything else.
        after: the variable that must be known before an action can be tried.
        alternatives: try each effect once more without each of its causes and all else present.

    Raises:
        DataError: no actions; an answer of ``attempt`` that is no collection of names; trials that
            contradict each other.
        UnknownNameError: ``attempt`` or the guess names what is not in ``names``; ``aims`` or
            ``after`` name what is not among the actions.

    >>> recipes = {"saw": ("planks", {"log"}), "build": ("hut", {"planks", "nails"})}
    >>> def attempt(present, action):
    ...     gives, needs = recipes[action]
    ...     return {gives} if needs <= present else set()
    >>> found = discover_by_trials(attempt, recipes, known=["log", "nails", "rope", "sand"])
    >>> [(e.source, e.target) for e in found.graph.edges()]
    [('log', 'planks'), ('nails', 'hut'), ('planks', 'hut')]
    """
    chosen = _unique(actions)
    for label in (*(aims or {}), *(after or {})):
        if label not in chosen:
            raise UnknownNameError("action", label, chosen)
    start = list(dict.fromkeys(known))
    belief = Belief.of(guess, names)
    search = _Search(attempt, chosen, start, names, belief, aims or {}, after or {}, alternatives)
    begun = frozenset(start)
    search.check(begun)
    search.run()
    return search.report(_one_by_one(chosen, begun, search.findings, after or {}))


def _unique(actions: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(actions)
    if not chosen:
        raise DataError("there is nothing to try: no actions are given. Name at least one.")
    if len(set(chosen)) < len(chosen):
        twice = next(a for a in chosen if chosen.count(a) > 1)
        raise DataError(f"action {twice!r} is given twice. Name each action once.")
    return chosen


@dataclass(frozen=True)
class _Trial:
    present: Present
    risen: frozenset[str]


@dataclass
class _Search:
    """The search under way: what is known, what was tried, what was found."""

    attempt: Attempt
    actions: tuple[str, ...]
    known: list[str]
    names: Sequence[str] | None
    belief: Belief
    aims: Mapping[str, str]
    after: Mapping[str, str]
    alternatives: bool

    def __post_init__(self) -> None:
        self.queue = list(self.actions)
        self.gave: dict[str, frozenset[str]] = {action: frozenset() for action in self.actions}
        self.made: dict[str, list[_Trial]] = {action: [] for action in self.actions}
        self.findings: list[Finding] = []

    def check(self, found: Iterable[str]) -> None:
        """Raises ``UnknownNameError`` for what is not among the names, where these are given."""
        for name in found:
            if self.names is not None and name not in self.names:
                raise UnknownNameError("variable", name, self.names)

    def run(self) -> None:
        """Tries until no action gives anything new with all that is known."""
        while (action := self._next()) is not None:
            self.queue.remove(action)
            self.queue.append(action)
            risen, present = self._first(action)
            new = risen - self.gave[action]
            self.gave[action] |= new
            before = tuple(self.known)
            self.known += sorted(new - set(self.known))
            self._settle(action, new, present, before)

    def _next(self) -> str | None:
        """What gave nothing so far and has its believed causes, or waited longest; else the rest.

        None where everything was tried with all that is known.
        """
        everything = frozenset(self.known)
        opened = [a for a in self.queue if a not in self.after or self.after[a] in everything]
        fresh = [a for a in opened if all(t.present != everything for t in self.made[a])]
        waiting = [a for a in fresh if not self.gave[a]]
        ready = (a for a in waiting if self._believed(a, everything) is not None)
        return next(ready, (waiting or fresh or [None])[0])

    def _believed(self, action: str, everything: Present) -> Present | None:
        """The causes that the action is believed to need, where a trial of them is worth while."""
        causes = self.belief.causes(self.aims.get(action, ""))
        if self.gave[action] or causes is None or not causes <= everything:
            return None
        return None if any(causes <= t.present for t in self.made[action]) else causes

    def _first(self, action: str) -> tuple[frozenset[str], Present]:
        """What an action gives with what it is believed to need, or failing that with all."""
        everything = frozenset(self.known)
        believed = self._believed(action, everything)
        if believed is not None:
            risen = self._try(action, believed)
            self.belief.judge_set(self.aims[action] in risen)
            if risen or believed == everything:
                return risen, believed
        return self._try(action, everything), everything

    def _try(self, action: str, present: Present) -> frozenset[str]:
        answer = self.attempt(present, action)
        if isinstance(answer, str) or not isinstance(answer, Collection):
            raise DataError(
                f"the trial of {action!r} answered {answer!r}. Return the names of the variables "
                "that rose, as a set or list; an empty one where nothing did."
            )
        self.check(answer)
        trial = _Trial(present, frozenset(answer))
        for other in self.made[action]:
            low, high = sorted((trial, other), key=lambda t: len(t.present))
            if low.present <= high.present and not low.risen <= high.risen:
                lost = ", ".join(sorted(low.risen - high.risen))
                raise DataError(
                    f"{action!r} gave {lost} with {_listed(low.present)} present, but not with "
                    f"{_listed(high.present)}. Trials must be repeatable, and more must never "
                    "give less: hold everything else still, or average several trials in one."
                )
        self.made[action].append(trial)
        return trial.risen

    def _works(self, action: str, effect: str, present: Present) -> bool:
        """Whether the effect comes with these; tried only where no earlier trial implies it."""
        for trial in self.made[action]:
            if effect in trial.risen and trial.present <= present:
                return True
            if effect not in trial.risen and present <= trial.present:
                return False
        return effect in self._try(action, present)

    def _settle(
        self, action: str, risen: frozenset[str], present: Present, before: tuple[str, ...]
    ) -> None:
        """Finds the causes of each effect of an action that succeeded."""
        everything = frozenset(before)
        for effect in sorted(risen):
            start = self._narrowed(action, effect, present)
            causes = self._causes(action, effect, start)
            self.belief.judge(effect, causes, everything)
            free = [
                c
                for c in sorted(causes)
                if self.alternatives and self._works(action, effect, everything - {c})
            ]
            made = len(self.made[action])
            self.findings.append(
                Finding(action, effect, causes, frozenset(free), len(before), made)
            )

    def _narrowed(self, action: str, effect: str, present: Present) -> Present:
        """The believed causes of an effect alone, where they suffice."""
        believed = self.belief.causes(effect)
        if believed is None or not believed < present:
            return present
        implied = any(effect not in t.risen and believed <= t.present for t in self.made[action])
        if implied:
            return present
        works = self._works(action, effect, believed)
        self.belief.judge_set(works)
        return believed if works else present

    def _causes(self, action: str, effect: str, present: Present) -> frozenset[str]:
        """A smallest part of ``present`` with which the effect comes."""
        order = {name: i for i, name in enumerate(self.known)}
        chance = {c: self.belief.chance(c, effect, len(present)) for c in present}
        needed: set[str] = set()
        pool = sorted(present, key=lambda c: (chance[c], order[c]))
        while pool:
            whole = needed.union(pool)
            guilty = self._guilty(action, effect, needed, pool)
            if len(guilty) == 1:
                needed.update(guilty)
                pool = [c for c in pool if c not in guilty]
                continue
            group = _group([chance[c] for c in guilty or pool], one_at_least=bool(guilty))
            left_out = set((guilty or pool)[:group])
            if self._works(action, effect, frozenset(whole - left_out)):
                pool = [c for c in pool if c not in left_out]
        return frozenset(needed)

    def _guilty(self, action: str, effect: str, needed: set[str], pool: list[str]) -> list[str]:
        """The smallest part of the pool that holds a cause, by a trial that failed without it."""
        found = [
            [c for c in pool if c not in t.present]
            for t in self.made[action]
            if effect not in t.risen and needed <= t.present
        ]
        return min(found, key=len, default=[])

    def report(self, one_by_one: int) -> Trials:
        """What was found, as a graph and as counts."""
        names = tuple(self.names) if self.names is not None else tuple(self.known)
        edges: dict[tuple[str, str], Edge] = {}
        for finding in self.findings:
            for cause in sorted(finding.causes):
                pair = (cause, finding.effect)
                edges[pair] = Edge(*pair, evidence=self._evidence(finding, cause, edges.get(pair)))
        notes = tuple(
            f"{f.action} → {f.effect}: something else can take the place of "
            f"{_listed(f.replaceable)}; only one way to get it is in the graph."
            for f in self.findings
            if f.replaceable
        )
        trials = sum(len(made) for made in self.made.values())
        graph = CausalGraph(names, tuple(edges.values()), notes=notes)
        closed = tuple(a for a, gave in self.gave.items() if not gave)
        return Trials(graph, tuple(self.findings), closed, trials, one_by_one)

    def _evidence(self, finding: Finding, cause: str, same: Edge | None) -> Evidence:
        """Trials for an edge failed for want of its source; those against succeeded without it."""
        made = self.made[finding.action]
        came = [finding.effect in t.risen for t in made]
        speak = sum(
            not c and finding.causes - t.present == {cause} for c, t in zip(came, made, strict=True)
        )
        against = sum(c and cause not in t.present for c, t in zip(came, made, strict=True))
        note = f"{finding.action}: {speak} trials failed for want of it, {against} did without it"
        if same is not None and same.evidence is not None:
            speak, against = speak + int(same.evidence.statistic), against + same.evidence.rows
            against -= int(same.evidence.statistic)
            note = f"{same.evidence.note}; {note}"
        return Evidence("trials", float(speak), 0.0, speak + against, note)


def _group(chances: list[float], *, one_at_least: bool) -> int:
    """How many of the least likely causes to leave out, so that success has chance one half.

    With q_j = Π_{i ≤ j} (1 − p_i), and q of all: success has chance q_j, or, where one at least is
    known to be a cause, (q_j − q) / (1 − q).
    """
    clean = [1.0]
    for chance in chances:
        clean.append(clean[-1] * (1 - chance))
    middle = (1 + clean[-1]) / 2 if one_at_least else 0.5
    last = len(chances) - 1 if one_at_least else len(chances)
    return min(range(1, last + 1), key=lambda j: abs(clean[j] - middle))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _one_by_one(
    actions: tuple[str, ...], known: Present, found: list[Finding], after: Mapping[str, str]
) -> int:
    """The trials of the plain protocol on what was found: no guess, one left out at a time."""
    needs = {a: [f for f in found if f.action == a] for a in actions}
    queue, trials = list(actions), 0
    gave: dict[str, frozenset[str]] = {a: frozenset() for a in actions}
    tried: dict[str, Present] = {}
    while True:
        opened = [a for a in queue if a not in after or after[a] in known]
        fresh = [a for a in opened if tried.get(a) != known]
        if not fresh:
            return trials
        action = next((a for a in fresh if not gave[a]), fresh[0])
        queue.remove(action)
        queue.append(action)
        tried[action] = known
        risen = frozenset(f.effect for f in needs[action] if f.causes <= known)
        trials += 1 + len(known) * (risen > gave[action])
        gave[action], known = risen, known | risen
