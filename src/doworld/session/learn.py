"""Log → graph → model in one call."""

from pathlib import Path

from doworld._core.progress import Progress, Quiet
from doworld.data import Trajectories
from doworld.discover import discover
from doworld.graph import CausalGraph, Prior
from doworld.mechanisms import Known
from doworld.model.learn import Settings, fit
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
        graph: edges to follow; None discovers them with the arguments below.
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
    return fit(
        log,
        graph,
        settings=settings,
        known=known,
        seed=seed,
        progress=progress,
        checkpoint=checkpoint,
    )
