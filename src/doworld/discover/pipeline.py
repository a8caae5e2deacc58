"""From a log to a causal graph."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from doworld._core.errors import DoworldWarning, SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Policy, Role, Trajectories
from doworld.discover.assemble import group_edges, lag_edges, with_required, within_edges
from doworld.discover.assess import Assessment, assess
from doworld.discover.bootstrap import edge_probabilities
from doworld.discover.contemporaneous import Given, Within, leftover, within
from doworld.discover.design import Block, dynamics_block, policy_block
from doworld.discover.discrete import Discrete, discrete_edges
from doworld.discover.environments import orient_by_changes
from doworld.discover.group import group_tests
from doworld.discover.instruments import Instruments, Verdict
from doworld.discover.lags import choose_lag
from doworld.discover.latent_time import (
    Shared,
    linear_targets,
    shared_lags,
    shared_rows,
    unassumed,
    without,
)
from doworld.discover.multiplicity import benjamini_hochberg
from doworld.discover.prepare import (
    Usable,
    check_count,
    check_required,
    check_rows,
    deterministic_actions,
    independent,
    usable,
)
from doworld.discover.static import static_graph
from doworld.discover.table import complete_rows
from doworld.discover.threads import one_thread
from doworld.graph import CausalGraph, Edge, Mark, Prior, Reason, Unidentified

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
    latent: bool | None = None
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

    def graph(self, kept: list[Edge], doubtful: list[Edge], max_lag: int) -> CausalGraph:
        """The graph of these edges, with all that was noted."""
        return CausalGraph(
            self.log.schema.names,
            tuple(kept),
            tuple(doubtful),
            max_lag,
            tuple(self.notes),
            tuple(self.unidentified),
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """A block, its assessment and the links within a row that were given."""

    block: Block
    assessment: Assessment
    links: Within | None = None


def discover(
    log: Trajectories,
    *,
    prior: Prior | None = None,
    max_lag: int | None = None,
    contemporaneous: bool | None = None,
    latent: bool | None = None,
    fdr: float = 0.01,
    seed: int = 0,
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
    which variables are linked and not for directions (``doworld.discover.static``).

    Args:
        log: episodes, or a static table.
        prior: required and forbidden edges and tiers, honoured exactly.
        max_lag: the longest lag, in rows; None takes the fewest that prediction asks for.
        contemporaneous: whether to look for edges within a row; None looks where the past leaves
            targets correlated. Static tables have no other edges.
        latent: whether variables may share unobserved causes. None marks them (``<->``) where tests
            demand it; True rules none out and directs only what holds nevertheless; False takes
            all common causes as logged.
        fdr: the expected share of false edges among those found.
        seed: of the folds and the bootstrap.
        progress: shows how far it is.

    Returns:
        The graph, with each edge's probability over resampled episodes, its effect and evidence,
        and notes on every setting that the data decided and every question they forbid. State →
        action edges, found at lag 0, describe the policy that wrote the log.

    Raises:
        DataError: too few complete rows, or nothing varies.
        GraphError: the prior contradicts itself, or time, or the roles.
        UnknownNameError: the prior names a variable that the log does not have.

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
    prior.check(log.schema.names)
    _check_settings(fdr, max_lag)
    task = _Task(log, usable(log), prior, fdr, seed, progress, latent, list(log.notes))
    with one_thread():
        static = log.schema.static
        graph = _static(task) if static else _temporal(task, max_lag, contemporaneous)
        return _by_environments(task, graph)


def _by_environments(task: _Task, graph: CausalGraph) -> CausalGraph:
    """The graph with open edges directed where several environments tell how they point."""
    vague = any(e.lag == 0 and e.mark is Mark.UNDIRECTED for e in graph.links)
    if not vague or len(np.unique(task.log.environment)) < 2:
        return graph
    return orient_by_changes(graph, task.log, fdr=task.fdr, seed=task.seed)


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
        choice = choose_lag(task.log, task.names, prior.allows, seed=task.seed)
        max_lag = max(choice.lags, *(p[2] for p in prior.required if len(p) == 3), 1)
        task.notes.append(choice.note)
    check_required(prior, task.log, max_lag)
    ordered = None
    if contemporaneous is not False:
        ordered = discrete_edges(task.log, task.names, max_lag, prior, rate=task.fdr)
    found = _assessments(task, max_lag, ordered)
    movers = _movers(task, found, max_lag)
    verdicts: list[Verdict] = []
    within = _within(task, found, contemporaneous, movers, verdicts)
    shared = _lags_shared(task, found, movers, within[0])
    graph = _graph(task, found, max_lag, within, ordered)
    links = shared.apply(graph.links)
    if task.latent:
        links = unassumed(links, [*verdicts, *shared.verdicts], task.log.schema, prior)
    return replace(graph, links=tuple(links))


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
        wanted = [
            [prior.requires(c.name, t.name, c.lag) for t in clean.targets] for c in clean.candidates
        ]
        required = np.array(wanted, bool).reshape(len(clean.candidates), len(clean.targets))
        assessment = assess(clean, required, track)
        found.append(_Found(clean, assessment))
        task.forbid(twins)
        if block is policy:
            left = zip((t.name for t in clean.targets), assessment.unexplained, strict=True)
            said = [f for f in task.unidentified if f.reason is Reason.DETERMINED]
            task.forbid(deterministic_actions(log, dict(left), said))
        task.notes.extend(_model_notes(clean, assessment))
    return found


def _model_notes(block: Block, found: Assessment) -> list[str]:
    bent = [t.name for t, linear in zip(block.targets, found.linear, strict=True) if not linear]
    straight = [t.name for t, linear in zip(block.targets, found.linear, strict=True) if linear]
    notes = []
    if straight:
        notes.append(
            f"{', '.join(straight)}: a linear model predicts held-out rows as well as any."
        )
    if bent:
        notes.append(f"{', '.join(bent)}: a nonlinear model predicts held-out rows better.")
    return notes


def _within(
    task: _Task,
    found: list[_Found],
    asked: bool | None,
    movers: Instruments | None,
    verdicts: list[Verdict],
) -> tuple[list[Edge], list[Edge]]:
    """Edges and doubtful edges within a row, if asked for or where the past leaves clear traces.

    The lagged tests of variables with such edges are made anew, given what is linked to them.
    """
    dynamic = task.log.schema.of(Role.STATE, Role.REWARD)
    first = next((f for f in found if f.block.targets[0].name in dynamic), None)
    wanted = any(len(p) == 3 and p[2] == 0 for p in task.prior.required)
    if asked is False or first is None:
        return [], []
    strongest = leftover(first.assessment, first.block)
    if not asked and not wanted and strongest < LEAST_LINK:
        task.notes.append("no edges within a row: the past leaves the states uncorrelated.")
        return [], []
    if not asked:
        task.notes.append(
            f"edges within a row were looked for: the past leaves states correlated (up to "
            f"{strongest:.2f}). An unobserved common cause may look the same."
        )
    links = within(first.block, first.assessment, task.log.schema, task.prior, seed=task.seed)
    given = Given(first.block, links)
    rows = len(first.block.outcomes)
    kept, doubtful = within_edges(links, given.tests(), rows, task.fdr)
    if movers is None:
        given.correct(first.assessment, links.only(kept))
        return kept, doubtful
    shared = shared_rows(movers, kept, task.log.schema, task.prior, rate=task.fdr)
    if shared.denied:
        # what was found given a variable that an unobserved cause moves is tested again without
        given = Given(first.block, links.without((a, b) for a, b, _ in shared.denied))
        kept, doubtful = within_edges(given.links, given.tests(), rows, task.fdr)
    links = given.links.only(kept)
    if shared.artefacts:
        block = without(first.block, first.assessment, shared.artefacts)
        given = Given(block, given.links)
    given.correct(first.assessment, links)
    found[found.index(first)] = replace(first, block=given.block, links=links)
    task.forbid(shared.facts)
    verdicts += shared.verdicts
    return shared.apply(kept), doubtful


def _movers(task: _Task, found: list[_Found], max_lag: int) -> Instruments | None:
    """What may move causes, to see whether their effects follow; None where that is not asked."""
    if task.latent is False or not found:
        return None
    tested = linear_targets((f.block, f.assessment) for f in found)
    return Instruments(task.log, task.names, max_lag, tested=tested)


def _lags_shared(
    task: _Task, found: list[_Found], movers: Instruments | None, within: list[Edge]
) -> Shared:
    """What movers say of the lagged edges; those denied are tested away."""
    dynamic = task.log.schema.of(Role.STATE, Role.REWARD)
    first = next((f for f in found if f.block.targets[0].name in dynamic), None)
    if movers is None or first is None:
        return Shared()
    tests = first.assessment.tests
    sure, _ = lag_edges(
        tests, np.ones_like(tests.p_value), benjamini_hochberg(tests.p_value.ravel(), task.fdr)
    )
    shared = shared_lags(movers, [*sure, *within], task.log.schema, task.prior, rate=task.fdr)
    if shared.denied:
        block = without(first.block, first.assessment, shared.denied)
        if first.links is not None:
            Given(block, first.links).correct(first.assessment, first.links)
        found[found.index(first)] = replace(first, block=block)
    task.forbid(shared.facts)
    return shared


def _graph(
    task: _Task,
    found: list[_Found],
    max_lag: int,
    within: tuple[list[Edge], list[Edge]],
    ordered: Discrete | None,
) -> CausalGraph:
    groups = [group_tests(f.block) for f in found]
    every = np.concatenate(
        [np.zeros(0)]
        + [f.assessment.tests.p_value.ravel() for f in found]
        + [np.array([g.p_value for g in own]) for own in groups]
    )
    cut = benjamini_hochberg(every, task.fdr)
    if len(every):
        task.notes.append(
            f"{int(np.isfinite(every).sum())} candidate edges tested; p ≤ {cut:.2g} holds the "
            f"expected share of false edges at {task.fdr:g}."
        )
    kept, doubtful = within
    if ordered:
        kept, doubtful = kept + list(ordered.edges), doubtful + list(ordered.doubtful)
        task.notes.extend(ordered.notes)
    schema = task.log.schema
    unknown = schema.policy is Policy.UNKNOWN
    levers = frozenset(schema.of(Role.ACTION)) if unknown else frozenset()
    for f, own in zip(found, groups, strict=True):
        chance = edge_probabilities(f.assessment.tests, cut, seed=task.seed)
        sure, unsure = lag_edges(f.assessment.tests, chance, cut)
        more = group_edges(f.assessment.tests, own, sure, cut, levers=levers)
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
    graph = task.graph(kept, doubtful, max_lag)
    return replace(graph, local=ordered.local) if ordered else graph


def _static(task: _Task) -> CausalGraph:
    """A table of independent rows: the best order of its variables, contexts exogenous."""
    log, prior = task.log, task.prior
    check_count(len(complete_rows(log, task.names)), log, 0)
    task.forbid(task.usable.unidentified)
    found = static_graph(log, task.names, prior, fdr=task.fdr, seed=task.seed, latent=task.latent)
    task.forbid(found.unidentified)
    task.notes.extend(found.notes)
    kept, doubtful = with_required(list(found.edges), list(found.doubtful), prior, static=True)
    return task.graph(kept, doubtful, 0)
