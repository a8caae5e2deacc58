"""The graph of a log over time: lags, tests by the past, links within a row."""

from dataclasses import dataclass, replace

import numpy as np

from doworld.data import Policy, Role
from doworld.discover.facts import Method
from doworld.discover.latent.instruments import Instruments, Verdict
from doworld.discover.latent.late import late_effects
from doworld.discover.latent.suspicion import policies_that_saw_more
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.prepare import (
    check_required,
    check_rows,
    deterministic_actions,
    independent,
)
from doworld.discover.task import Task
from doworld.discover.time.assemble import group_edges, lag_edges, with_required, within_edges
from doworld.discover.time.assess import Assessment, assess
from doworld.discover.time.bootstrap import edge_probabilities
from doworld.discover.time.conflicts import temporal_conflicts
from doworld.discover.time.contemporaneous import Given, Within, leftover, within
from doworld.discover.time.design import Block, dynamics_block, policy_block
from doworld.discover.time.discrete import Discrete, discrete_edges
from doworld.discover.time.group import group_tests
from doworld.discover.time.lags import choose_lag
from doworld.discover.time.latent import (
    Shared,
    linear_targets,
    shared_lags,
    shared_rows,
    unassumed,
    without,
)
from doworld.discover.time.odds import weighed
from doworld.graph import CausalGraph, Edge, Reason

__all__ = ["temporal_graph"]

LEAST_LINK = 0.15
MOST_HIDDEN, MOST_CELLS = 40, 2e10
"""Variables, and multiplications, up to which unobserved causes are looked for unasked."""


@dataclass(frozen=True, eq=False)
class _Found:
    """A block, its assessment and the links within a row that were given."""

    block: Block
    assessment: Assessment
    links: Within | None = None


def temporal_graph(task: Task, max_lag: int | None, contemporaneous: bool | None) -> CausalGraph:
    """Logs over time: lags, tests by the past, links within a row, then the graph."""
    prior = task.prior
    chosen = max_lag
    if max_lag is None:
        shortest = dynamics_block(task.log, task.names, 1, prior.allows, seed=task.seed)
        check_rows(shortest, task.log, 1)
        part = task.budget.part(0.25)
        choice = choose_lag(task.log, task.names, prior.allows, seed=task.seed, budget=part)
        max_lag = max(choice.lags, *(p[2] for p in prior.required if len(p) == 3), 1)
        task.notes.append(choice.note)
        task.seen.lags_chosen = True
    task.seen.lags = max_lag
    check_required(prior, task.log, max_lag)
    ordered = None
    if contemporaneous is not False and not task.budget.over():
        part = task.budget.part(0.5)
        ordered = discrete_edges(task.log, task.names, max_lag, prior, rate=task.fdr, budget=part)
    found = _assessments(task, max_lag, ordered)
    movers = _movers(task, found, max_lag)
    verdicts: list[Verdict] = []
    within = _within(task, found, contemporaneous, movers, verdicts)
    shared = _lags_shared(task, found, movers, within[0])
    if chosen is not None:
        task.forbid(late_effects(task.log, task.names, max_lag))
    if task.latent is not False:
        task.forbid(policies_that_saw_more(task.log, task.names))
    graph = _graph(task, found, max_lag, within, ordered)
    links = shared.apply(graph.links)
    if task.latent:
        links = unassumed(links, [*verdicts, *shared.verdicts], task.log.schema, prior)
    return replace(graph, links=tuple(links))


def _assessments(task: Task, max_lag: int, ordered: Discrete | None) -> list[_Found]:
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


def _within(
    task: Task,
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
    if movers is None:
        given.correct(first.assessment, links.only(kept))
        return kept, doubtful
    shared = shared_rows(movers, kept, task.log.schema, task.prior, rate=task.fdr)
    if shared.denied:
        # what was found given a variable that an unobserved cause moves is tested again without
        given = Given(first.block, links.without((a, b) for a, b, _ in shared.denied))
        kept, doubtful = within_edges(given.links, given.tests(), task.fdr, task.prior)
    links = given.links.only(kept)
    if shared.artefacts:
        block = without(first.block, first.assessment, shared.artefacts)
        given = Given(block, given.links)
    given.correct(first.assessment, links)
    found[found.index(first)] = replace(first, block=given.block, links=links)
    task.forbid(shared.facts)
    verdicts += shared.verdicts
    return shared.apply(kept), doubtful


def _movers(task: Task, found: list[_Found], max_lag: int) -> Instruments | None:
    """What may move causes, to see whether their effects follow; None where that is not asked."""
    if task.latent is False or not found:
        return None
    cells = task.log.rows * (len(task.names) * (max_lag + 2)) ** 2 * len(task.names)
    if task.latent is None and (len(task.names) > MOST_HIDDEN or cells > MOST_CELLS):
        task.notes.append(
            "unobserved common causes were not looked for: the log is large, and that takes long. "
            "latent=True looks all the same."
        )
        return None
    tested = linear_targets((f.block, f.assessment) for f in found)
    return Instruments(task.log, task.names, max_lag, tested=tested)


def _lags_shared(
    task: Task, found: list[_Found], movers: Instruments | None, within: list[Edge]
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
    task: Task,
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
        task.seen.tests += ordered.tests
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
    task.conflicts.extend(
        temporal_conflicts(
            pairs,
            kept,
            task.prior,
            rate=task.fdr,
            within=task.seen.within,
            more=ordered.doubts if ordered else (),
        )
    )
    graph = task.graph(kept, doubtful, max_lag, [f.block for f in found])
    return replace(graph, local=ordered.local) if ordered else graph
