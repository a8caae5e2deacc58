"""Edges that tests left open, decided by what they do to forecasts many rows ahead."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph, Edge, Mark
from doworld.model.choose import open_loop_likelihood
from doworld.model.closed import fit_linear, linear_bank
from doworld.model.continuous import rollouts
from doworld.model.design import design, member_graphs, parents
from doworld.model.memory import choose_memory
from doworld.model.neural_fit import NeuralSettings
from doworld.model.wiring import Wiring

__all__ = ["promote"]

SUPPORT = 0.02
"""Log likelihood per row that open edges must gain for a target before they are kept."""


def promote(log: Trajectories, graph: CausalGraph, *, seed: int) -> CausalGraph:
    """The graph with those doubtful edges without which forecasts of held-out rows are worse.

    An effect too weak to pass a test on one row adds up over many. For every target, linear
    mechanisms with and without its doubtful edges are rolled out open loop on held-out rows; where
    the log likelihood gains ``SUPPORT`` a row, the edges move to ``links`` with the probability
    they had, and a note says so.
    """
    targets = [
        n
        for n in log.schema.of(Role.STATE, Role.REWARD)
        if log.schema[n].kind in (Kind.CONTINUOUS, Kind.COUNT)
    ]
    doubtful = [
        e for e in graph.doubtful if e.target in targets and e.lag > 0 and e.mark is Mark.DIRECTED
    ]
    if not doubtful or log.schema.static:
        return graph
    memory = choose_memory(log, graph, seed=seed)
    fuller = _with(graph, doubtful)
    without = _scores(log, graph, targets, memory, seed)
    gained = dict(zip(targets, _scores(log, fuller, targets, memory, seed) - without, strict=True))
    kept = [e for e in doubtful if gained[e.target] > SUPPORT]
    if not kept:
        return graph
    said = ", ".join(f"{e.source} → {e.target}" for e in kept)
    note = f"kept although no test passed, because open-loop forecasts need them: {said}."
    return replace(_with(graph, kept), notes=(*graph.notes, note))


def _with(graph: CausalGraph, edges: list[Edge]) -> CausalGraph:
    left = tuple(e for e in graph.doubtful if e not in edges)
    return replace(graph, links=(*graph.links, *edges), doubtful=left)


def _scores(
    log: Trajectories, graph: CausalGraph, targets: list[str], memory: int, seed: int
) -> Float[np.ndarray, " targets"]:
    graphs, _ = member_graphs(graph, targets, memory, members=1, structures=0, seed=seed)
    lags = max([1, *(lag for links in graphs[0].values() for _, lag in links)])
    data = design(log, lags, seed=seed)
    plan = parents(log, data.coding, graphs, targets)
    fits = [fit_linear(data, plan, i, seed=seed) for i in range(len(targets))]
    dynamics = Wiring(log, graph, data)((linear_bank(fits, plan),))
    starts = rollouts(log, data, NeuralSettings())
    steps = max(starts.train)
    return open_loop_likelihood(data, dynamics, starts.held, steps)[0, plan.targets]
