"""From a log to a causal graph."""

from dataclasses import replace

import numpy as np

from doworld._core.budget import UNLIMITED, Budget, Seconds
from doworld._core.errors import SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Trajectories
from doworld.discover.account import accounted, required_anew, show
from doworld.discover.copies import (
    copied_edges,
    copy_fact,
    state_copies,
)
from doworld.discover.environments.comparable import check_interventions, comparable
from doworld.discover.environments.interventions import Interventions
from doworld.discover.environments.mechanisms import orient_by_changes
from doworld.discover.numerics.threads import one_thread
from doworld.discover.prepare import (
    Usable,
    check_count,
    lonely,
    usable,
)
from doworld.discover.tables.methods import StaticMethod, Suited, suited
from doworld.discover.tables.table import rows_of
from doworld.discover.tables.task import StaticTask
from doworld.discover.task import Task
from doworld.discover.time.assemble import with_required
from doworld.discover.time.search import temporal_graph
from doworld.graph import CausalGraph, Mark, Prior

__all__ = ["discover"]

QUIET = Quiet()


def discover(
    log: Trajectories,
    *,
    prior: Prior | None = None,
    max_lag: int | None = None,
    contemporaneous: bool | None = None,
    interventions: Interventions | None = None,
    latent: bool | None = None,
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
    which variables are linked and not for directions (``discover.tables.search``). Of several
    environments it is the order along which few mechanisms differ between them.

    Args:
        log: episodes, or a static table.
        prior: required and forbidden edges, tiers and groups, honoured exactly, and probabilities,
            which weigh the tests. Where the data disagree, the graph's ``conflicts`` say so.
        max_lag: the longest lag, in rows; None takes the fewest that prediction asks for.
        contemporaneous: whether to look for edges within a row; None looks where the past leaves
            targets correlated. Static tables have no other edges.
        interventions: what is known of what each environment of a static table acts on.
        latent: whether variables may share unobserved causes. None marks them (``<->``) where tests
            demand it, over time in logs of up to 40 variables; True rules none out and directs
            only what holds nevertheless; False takes all common causes as logged.
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
            part = clock.part(0.5) if prior.either else clock  # what is met may need another search
            task = Task(log, known, prior, fdr, seed, progress, part, latent, notes=notes)
            if static:
                graph = _static(task, interventions, method)
            else:
                graph = _by_environments(task, temporal_graph(task, max_lag, contemporaneous))
            stricter = required_anew(graph, log, prior)
            if stricter is None:
                break
            prior = stricter
    task.warn()
    more = copied_edges(copies, graph.links, prior, task.seen.rows)
    graph = replace(graph, links=(*graph.links, *more))
    graph = accounted(graph, log, known.names, task.seen, prior, fdr=fdr, budget=clock)
    if explain:
        show(graph.choices)
    return graph


def _by_environments(task: Task, graph: CausalGraph) -> CausalGraph:
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


def _static(
    task: Task, interventions: Interventions | None, method: StaticMethod | None
) -> CausalGraph:
    """A table of independent rows, contexts exogenous."""
    prior, part = task.prior, comparable(task.log, task.names)
    rows, holes = rows_of(part.log, part.names)
    check_count(len(rows), task.log, 0)
    task.forbid((*task.usable.unidentified, *part.unidentified))
    task.notes.extend(part.notes)
    check_interventions(part.log, interventions)
    if interventions is not None and len(np.unique(part.log.environment)) < 2:
        task.notes.append("interventions were not used: one environment is left to look at.")
    choice = Suited(method) if method else suited(part.log, part.names, latent=task.latent)
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
        task.latent,
    )
    found = choice.method.graph(asked)
    seen = task.seen
    seen.method, seen.test, seen.compared = found.method, found.test, found.compared
    seen.asked, seen.bends = method is not None, choice.bends
    seen.rows, seen.testwise = len(rows), holes is not None
    task.seen.tests, task.seen.skipped, task.seen.cut = found.tests, found.skipped, found.cut
    task.conflicts.extend(found.conflicts)
    task.forbid(found.unidentified)
    task.notes.extend(found.notes)
    kept, doubtful = with_required(list(found.edges), list(found.doubtful), prior, static=True)
    return task.graph(kept, doubtful, 0)
