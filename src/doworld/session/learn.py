"""Log → graph → model in one call."""

import warnings
from dataclasses import replace
from pathlib import Path

from doworld._core.errors import DoworldWarning
from doworld._core.progress import Progress, Quiet
from doworld.data import Role, Trajectories
from doworld.discover import discover, unidentified
from doworld.graph import CausalGraph, Prior, Unidentified
from doworld.mechanisms import Known
from doworld.model.learn import Settings, fit
from doworld.model.within import within_row
from doworld.model.world import WorldModel

__all__ = ["learn"]


def learn(
    log: Trajectories,
    *,
    graph: CausalGraph | None = None,
    prior: Prior | None = None,
    max_lag: int | None = None,
    contemporaneous: bool | None = None,
    fdr: float = 0.01,
    known: tuple[Known, ...] = (),
    settings: Settings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> WorldModel:
    """Learns a causal world model from a log; discovers the graph where none is given.

    Args:
        log: what was done and what happened.
        graph: edges to follow; None discovers them with the arguments below, and where laws are
            much shorter with causes in the same row, takes these (``model.within``).
        prior, max_lag, contemporaneous, fdr: see ``discover``.
        known: laws that the user knows; see ``doworld.Known``.
        settings: members, training budget.
        seed: the same seed gives the same model.
        progress: where to show how far it is.
        checkpoint: folder for what an interrupted call has done; the same call goes on from it.
    """
    progress = progress or Quiet()
    if graph is None:
        graph = discover(
            log,
            prior=prior,
            max_lag=max_lag,
            contemporaneous=contemporaneous,
            fdr=fdr,
            seed=seed,
            progress=progress,
        )
        if contemporaneous is not False:
            graph = within_row(log, graph, prior=prior, known=known, seed=seed)
    else:
        graph = replace(graph, unidentified=_facts(graph, log, known))
    return fit(
        log,
        graph,
        settings=settings,
        known=known,
        seed=seed,
        progress=progress,
        checkpoint=checkpoint,
    )


def _facts(
    graph: CausalGraph, log: Trajectories, known: tuple[Known, ...]
) -> tuple[Unidentified, ...]:
    """What this log cannot say, beside what the graph already holds of its own log.

    What acts only on targets of known laws is left out: the laws say it.
    """
    lawful = {law.target for law in known}
    said = {(f.variable, f.reason) for f in graph.unidentified}
    own = [
        fact
        for fact in unidentified(log)
        if (fact.variable, fact.reason) not in said
        and not lawful.issuperset({c for c, _ in graph.children(fact.variable)} or {""})
    ]
    for fact in own:
        if log.schema[fact.variable].role is Role.ACTION:
            warnings.warn(fact.note, DoworldWarning, stacklevel=3)
    return (*graph.unidentified, *own)
