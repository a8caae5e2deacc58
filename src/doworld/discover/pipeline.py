"""From a log to a causal graph."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from doworld._core.budget import UNLIMITED, Budget, Seconds
from doworld._core.errors import DoworldWarning, GraphError, SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Policy, Role, Trajectories
from doworld.discover.account import accounted, required_anew, show
from doworld.discover.assemble import group_edges, lag_edges, with_required, within_edges
from doworld.discover.assess import Assessment, assess
from doworld.discover.bootstrap import edge_probabilities
from doworld.discover.comparable import check_interventions, comparable
from doworld.discover.conflicts import temporal_conflicts
from doworld.discover.contemporaneous import Given, leftover, within
from doworld.discover.copies import (
    copied_edges,
    copy_fact,
    nearly_determined,
    state_copies,
)
from doworld.discover.design import Block, dynamics_block, policy_block
from doworld.discover.discrete import Discrete, discrete_edges
from doworld.discover.environments import orient_by_changes
from doworld.discover.facts import Method, Seen
from doworld.discover.group import group_tests
from doworld.discover.interventions import Interventions
from doworld.discover.lags import choose_lag
from doworld.discover.multiplicity import benjamini_hochberg
from doworld.discover.odds import weighed
from doworld.discover.prepare import (
    Usable,
    check_count,
    check_rows,
    deterministic_actions,
    independent,
    lonely,
    usable,
)
from doworld.discover.stand_ins import stand_ins
from doworld.discover.static_methods import StaticMethod, Suited, suited
from doworld.discover.static_task import StaticTask
from doworld.discover.table import rows_of
from doworld.discover.threads import one_thread
from doworld.graph import CausalGraph, Conflict, Edge, Mark, Prior, Reason, Unidentified

__all__ = ["discover"]

LEAST_LINK = 0.15
SERIOUS = (Reason.EMPTY, Reason.CONSTANT, Reason.DETERMINED)
"""What forbids a question altogether."""
QUIET = Quiet()


@dataclass(frozen=True, eq=False)
class _Task:
    """What is asked, and what was noted on the way."""

    log: Trajectories
    usable: Usable
    prior: Prior
    fdr: float
    seed: int
    progress: Progress
    budget: Budget = UNLIMITED
    seen: Seen = field(default_factory=Seen)
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unidentified: list[Unidentified] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that vary."""
        return self.usable.names

    def forbid(self, facts: Iterable[Unidentified]) -> None:
        """Takes down what the data forbid, and warns of what more data or fewer columns mend.

        Only to be called once the log is known to be long enough: an error comes alone.
        """
        for fact in facts:
            self.unidentified.append(fact)
            self.notes.append(fact.note)
            given = self.log.schema[fact.variable].role not in (Role.STATE, Role.ACTION)
            if fact.reason in SERIOUS and not (given and fact.reason is Reason.CONSTANT):
                warnings.warn(fact.note, DoworldWarning, stacklevel=5)

    def graph(
        self,
        kept: list[Edge],
        doubtful: list[Edge],
        max_lag: int,
        blocks: Sequence[Block] = (),
    ) -> CausalGraph:
        """The graph of these edges, with all that was noted; near repetitions are doubtful too."""
        said = [f.variable for f in self.unidentified]
        near = nearly_determined(self.log, self.names, said)
        self.unidentified.extend(near)
        self.notes.extend(f.note for f in near)
        known = {(e.source, e.target, e.lag) for e in doubtful}
        more = stand_ins(blocks, kept, near, self.prior, self.seen.cut)
        doubtful = doubtful + [e for e in more if (e.source, e.target, e.lag) not in known]
        return CausalGraph(
            self.log.schema.names,
            tuple(kept),
            tuple(doubtful),
            max_lag,
            tuple(self.notes),
            tuple(self.unidentified),
            conflicts=tuple(self.conflicts),
            roles=tuple(v.role.value for v in self.log.schema.variables),
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """A block, its assessment and what the past was found to leave within a row."""

    block: Block
    assessment: Assessment


def discover(
    log: Trajectories,
    *,
    prior: Prior | None = None,
    max_lag: int | None = None,
    contemporaneous: bool | None = None,
    interventions: Interventions | None = None,
    fdr: float = 0.01,
    method: StaticMethod | None = None,
    seed: int = 0,
    budget: float | Budget | None = None,
    explain: bool = False,
    progress: Progress = QUIET,
) -> CausalGraph:
    """Learns which variable acts on which, and after how many rows, from a log.

    Every (source, lag) → target that roles, time and ``prior`` allow is tested given all the
    others: by partial correlation where a linear model predicts the target's increments as well as
    any, else by the held-out loss without the source. Benjamini–Hochberg over all tests holds the
    expected share of false edges at ``fdr``, own-past edges counted in and as far as the tests are
    valid and positively dependent (Benjamini & Yekutieli 2001). Edges within a row are held at
    ``fdr`` by themselves; a note names actions of an unknown policy that were kept without it.

    In a static table the order of the variables that explains it best is searched, and every edge
    is tested given the target's other parents; ``fdr`` holds as far as that order is right, for
    which variables are linked and not for directions (``doworld.discover.static``). Of several
    environments it is the order along which few mechanisms differ between them.

    Args:
        log: episodes, or a static table.
        prior: required and forbidden edges, tiers and groups, honoured exactly, and probabilities,
            which weigh the tests. Where the data disagree, the graph's ``conflicts`` say so.
        max_lag: the longest lag, in rows; None takes the fewest that prediction asks for.
        contemporaneous: whether to look for edges within a row; None looks where the past leaves
            targets correlated. Static tables have no other edges.
        interventions: what is known of what each environment of a static table acts on.
        fdr: the expected share of false edges among those found.
        method: how a static table's graph is found, ``PC(...)`` for one; None lets the data decide.
        seed: of the folds and the bootstrap.
        budget: seconds it may take, or an object that its loops ask (``doworld._core.budget``).
            When it ends, the best graph so far comes back, and a note says which steps were cut.
            Linear tests and one order are always made. Where a budget cuts, the same seed need not
            give the same answer.
        explain: prints the rule table as it was applied (``graph.choices``).
        progress: shows how far it is.

    Returns:
        The graph, with each edge's probability over resampled episodes, its effect and evidence,
        and notes on every setting that the data decided and every question they forbid; the first
        says in two sentences what was chosen and why, ``choices`` has it row by row. State →
        action edges, found at lag 0, describe the policy that wrote the log.

    Raises:
        DataError: too few complete rows, or nothing varies.
        SchemaError: a setting out of its range, or a ``method`` for a log over time.
        GraphError: the prior contradicts itself, or time, or the roles.
        SchemaError: ``interventions`` of a log over time, or on a context.
        UnknownNameError: the prior or ``interventions`` name what the log does not have.

    >>> import numpy as np
    >>> from doworld.data import Schema, Trajectories, Variable
    >>> rng, x = np.random.default_rng(0), np.zeros((500, 2))
    >>> for t in range(499):
    ...     x[t + 1] = 0.5 * x[t] + [0.0, 0.8 * x[t, 0]] + rng.standard_normal(2)
    >>> log = Trajectories(
    ...     schema=Schema((Variable("push"), Variable("speed"))),
    ...     values=x, starts=np.array([0, 500]), times=np.arange(500.0),
    ...     environment=np.zeros(1, int), terminated=np.zeros(1, bool),
    ...     truncated=np.ones(1, bool), labels=("0",),
    ... )
    >>> [str(edge) for edge in discover(log).edges()]
    ['push(t-1) --> push(t)', 'push(t-1) --> speed(t)', 'speed(t-1) --> speed(t)']
    """
    prior = prior or Prior()
    static = log.schema.static
    prior.check(log.schema.names, static=static)
    _check_settings(fdr, max_lag)
    check_interventions(log, interventions)
    if method is not None and not static:
        raise SchemaError(
            f"method={method!r} finds the graph of a static table, and this log has episodes over "
            "time. Leave method out."
        )
    clock = Seconds(budget) if isinstance(budget, int | float) else (budget or UNLIMITED)
    known = usable(log)
    copies = () if static else state_copies(log, known.names)
    gone = {copy for copy, _ in copies}
    facts = tuple(copy_fact(*pair) for pair in copies)
    names = tuple(n for n in known.names if n not in gone)
    known = Usable(names, (*known.unidentified, *facts))
    with one_thread():
        while True:
            notes = [*log.notes, *lonely(log)]
            task = _Task(log, known, prior, fdr, seed, progress, clock, notes=notes)
            if static:
                graph = _static(task, interventions, method)
            else:
                graph = _by_environments(task, _temporal(task, max_lag, contemporaneous))
            stricter = required_anew(graph, log, prior)
            if stricter is None:
                break
            prior = stricter
    more = copied_edges(copies, graph.links, prior, task.seen.rows)
    graph = replace(graph, links=(*graph.links, *more))
    graph = accounted(graph, log, known.names, task.seen, prior, fdr=fdr, budget=clock)
    if explain:
        show(graph.choices)
    return graph


def _by_environments(task: _Task, graph: CausalGraph) -> CausalGraph:
    """The graph with open edges directed where several environments tell how they point."""
    vague = any(e.lag == 0 and e.mark is Mark.UNDIRECTED for e in graph.links)
    if not vague or len(np.unique(task.log.environment)) < 2:
        return graph
    return orient_by_changes(graph, task.log, fdr=task.fdr, seed=task.seed, budget=task.budget)


def _check_settings(fdr: float, max_lag: int | None) -> None:
    if not 0 < fdr < 1:
        raise SchemaError(
            f"fdr is {fdr}, but a share of false edges lies between 0 and 1. Use 0.01."
        )
    if max_lag is not None and max_lag < 1:
        raise SchemaError(f"max_lag is {max_lag}. Use 1 or more, or None to let the data decide.")


def _temporal(task: _Task, max_lag: int | None, contemporaneous: bool | None) -> CausalGraph:
    """Logs over time: lags, tests by the past, links within a row, then the graph."""
    prior = task.prior
    if max_lag is None:
        shortest = dynamics_block(task.log, task.names, 1, prior.allows, seed=task.seed)
        check_rows(shortest, task.log, 1)
        part = task.budget.part(0.25)
        choice = choose_lag(task.log, task.names, prior.allows, seed=task.seed, budget=part)
        max_lag = max(choice.lags, *(p[2] for p in prior.required if len(p) == 3), 1)
        task.notes.append(choice.note)
        task.seen.lags_chosen = True
    task.seen.lags = max_lag
    _check_required(prior, task.log, max_lag)
    ordered = None
    if contemporaneous is not False and not task.budget.over():
        ordered = discrete_edges(task.log, task.names, max_lag, prior, rate=task.fdr)
    found = _assessments(task, max_lag, ordered)
    return _graph(task, found, max_lag, _within(task, found, contemporaneous), ordered)


def _check_required(prior: Prior, log: Trajectories, max_lag: int) -> None:
    for pair in prior.required:
        lag = pair[2] if len(pair) == 3 else 1
        if log.schema[pair[1]].role is Role.CONTEXT:
            raise GraphError(
                f"edge {pair[0]} → {pair[1]} is required, but {pair[1]!r} is a context, which "
                "nothing in the log causes. Drop the edge or make it a state."
            )
        if lag > max_lag:
            raise GraphError(
                f"edge {pair[0]} → {pair[1]} is required at lag {lag}, but max_lag is {max_lag}. "
                "Raise max_lag."
            )


def _assessments(task: _Task, max_lag: int, ordered: Discrete | None) -> list[_Found]:
    """The tests of states and rewards, and of actions where there are any.

    Without those of targets that ``ordered`` already explains.
    """
    log, prior = task.log, task.prior
    done = ordered.targets if ordered else ()
    dynamics = dynamics_block(log, task.names, max_lag, prior.allows, seed=task.seed, done=done)
    check_rows(dynamics, log, max_lag)
    task.forbid(task.usable.unidentified)
    policy = None
    if log.schema.policy is Policy.RANDOMISED:
        task.notes.append("actions were randomised, so nothing in the log acts on them.")
    else:
        policy = policy_block(log, task.names, max_lag, prior.allows, seed=task.seed)
    blocks = [b for b in (dynamics, policy) if b is not None and len(b.outcomes) and b.targets]
    track = task.progress.task("testing edges", total=sum(len(b.targets) for b in blocks))
    found = []
    for block in blocks:
        clean, twins = independent(block, log, quiet=block is policy)
        required = np.zeros((len(clean.candidates), len(clean.targets)), bool)
        for i, c in enumerate(clean.candidates if prior.required else ()):
            required[i] = [prior.requires(c.name, t.name, c.lag) for t in clean.targets]
        assessment = assess(clean, required, track, task.budget.part(0.6))
        task.seen.watch(clean, assessment)
        found.append(_Found(clean, assessment))
        task.forbid(twins)
        if block is policy:
            left = zip((t.name for t in clean.targets), assessment.unexplained, strict=True)
            said = [f for f in task.unidentified if f.reason is Reason.DETERMINED]
            task.forbid(deterministic_actions(log, dict(left), said))
        task.notes.extend(_model_notes(clean, assessment))
    return found


def _model_notes(block: Block, found: Assessment) -> list[str]:
    judged = [
        (t.name, bool(linear))
        for t, linear, left in zip(block.targets, found.linear, found.unexplained, strict=True)
        if not np.isnan(left)  # what has too many levels was not modelled
    ]
    bent = [name for name, linear in judged if not linear]
    straight = [name for name, linear in judged if linear]
    notes = []
    if straight:
        notes.append(
            f"{', '.join(straight)}: a linear model predicts held-out rows as well as any."
        )
    if bent:
        notes.append(f"{', '.join(bent)}: a nonlinear model predicts held-out rows better.")
    return notes


def _within(task: _Task, found: list[_Found], asked: bool | None) -> tuple[list[Edge], list[Edge]]:
    """Edges and doubtful edges within a row, if asked for or where the past leaves clear traces.

    The lagged tests of variables with such edges are made anew, given what is linked to them.
    """
    dynamic = task.log.schema.of(Role.STATE, Role.REWARD)
    first = next((f for f in found if f.block.targets[0].name in dynamic), None)
    wanted = any(len(p) == 3 and p[2] == 0 for p in task.prior.required)
    if asked is False or first is None:
        return [], []
    if task.budget.over() and not wanted:
        task.budget.cut("no look for edges within a row")
        return [], []
    strongest = task.seen.leftover = leftover(first.assessment, first.block)
    if not asked and not wanted and strongest < LEAST_LINK:
        task.notes.append("no edges within a row: the past leaves the states uncorrelated.")
        return [], []
    if not asked:
        task.notes.append(
            f"edges within a row were looked for: the past leaves states correlated (up to "
            f"{strongest:.2f}). An unobserved common cause may look the same."
        )
    task.seen.within = True
    schema, part = task.log.schema, task.budget.part(0.8)
    links = within(first.block, first.assessment, schema, task.prior, seed=task.seed, budget=part)
    given = Given(first.block, links)
    kept, doubtful = within_edges(links, given.tests(), task.fdr, task.prior)
    given.correct(first.assessment, links.only(kept))
    return kept, doubtful


def _graph(
    task: _Task,
    found: list[_Found],
    max_lag: int,
    within: tuple[list[Edge], list[Edge]],
    ordered: Discrete | None,
) -> CausalGraph:
    groups = [group_tests(f.block, task.budget) for f in found]
    p_values = [f.assessment.tests.p_value for f in found]
    weights, group_weights = weighed(task.prior, [f.block for f in found], p_values, groups)
    every = np.concatenate(
        [np.zeros(0)]
        + [(p / w).ravel() for p, w in zip(p_values, weights, strict=True)]
        + [
            np.array([g.p_value for g in own]) / w
            for own, w in zip(groups, group_weights, strict=True)
        ]
    )
    cut = task.seen.cut = benjamini_hochberg(every, task.fdr)
    task.seen.tests = int(np.isfinite(every).sum())
    task.seen.skipped = sum(int((~f.block.allowed).sum()) for f in found)
    if len(every):
        task.notes.append(
            f"{int(np.isfinite(every).sum())} candidate edges tested; p ≤ {cut:.2g} holds the "
            f"expected share of false edges at {task.fdr:g}."
        )
    kept, doubtful = within
    if ordered:
        task.seen.method = Method.LEVERS
        task.seen.tests += len(ordered.edges) + len(ordered.doubtful)
        kept, doubtful = kept + list(ordered.edges), doubtful + list(ordered.doubtful)
        task.notes.extend(ordered.notes)
    schema = task.log.schema
    unknown = schema.policy is Policy.UNKNOWN
    levers = frozenset(schema.of(Role.ACTION)) if unknown else frozenset()
    for f, own, w, g in zip(found, groups, weights, group_weights, strict=True):
        tests = replace(f.assessment.tests, weight=w)
        chance = edge_probabilities(tests, cut, seed=task.seed)
        sure, unsure = lag_edges(tests, chance, cut)
        more = group_edges(tests, own, sure, (cut * g).tolist(), levers=levers)
        taken = {(e.source, e.target, e.lag) for e in more}
        unsure = [e for e in unsure if (e.source, e.target, e.lag) not in taken]
        kept, doubtful = kept + sure + more, doubtful + unsure
        weak = [e for e in more if e.evidence and e.evidence.p_value > cut]
        if weak:
            task.notes.append(
                f"{', '.join(map(str, weak))}: kept because held-out loss speaks for it in most "
                "resamples; it is not among the edges whose false share is held."
            )
    kept, doubtful = with_required(kept, doubtful, task.prior, static=False)
    pairs = [(f.block, f.assessment) for f in found]
    task.conflicts.extend(temporal_conflicts(pairs, kept, task.prior, rate=task.fdr))
    graph = task.graph(kept, doubtful, max_lag, [f.block for f in found])
    return replace(graph, local=ordered.local) if ordered else graph


def _static(
    task: _Task, interventions: Interventions | None, method: StaticMethod | None
) -> CausalGraph:
    """A table of independent rows, contexts exogenous."""
    prior, part = task.prior, comparable(task.log, task.names)
    rows, holes = rows_of(part.log, part.names)
    check_count(len(rows), task.log, 0)
    task.forbid((*task.usable.unidentified, *part.unidentified))
    task.notes.extend(part.notes)
    choice = Suited(method) if method else suited(part.log, part.names)
    task.notes.extend(choice.notes)
    asked = StaticTask(
        part.log,
        part.names,
        prior,
        interventions,
        task.fdr,
        task.seed,
        task.budget,
        task.progress,
    )
    found = choice.method.graph(asked)
    task.seen.method, task.seen.rows = Method.TABLE, len(rows)
    task.seen.testwise = holes is not None
    task.seen.tests, task.seen.skipped, task.seen.cut = found.tests, found.skipped, found.cut
    task.conflicts.extend(found.conflicts)
    task.forbid(found.unidentified)
    task.notes.extend(found.notes)
    kept, doubtful = with_required(list(found.edges), list(found.doubtful), prior, static=True)
    return task.graph(kept, doubtful, 0)
