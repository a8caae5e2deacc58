"""How far back mechanisms read where one row does not hold the whole state."""

import numpy as np

from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph
from doworld.model.closed import fit_linear
from doworld.model.design import design, member_graphs, parents

__all__ = ["choose_memory"]

LONGEST = 16
"""Rows that a mechanism reads back at most, unless the graph itself reaches further."""

ROWS_AN_INPUT = 40
"""Transitions that every further input of a mechanism asks for."""

GAIN = 0.005
"""Held-out log likelihood per row that a longer memory must gain."""


def choose_memory(log: Trajectories, graph: CausalGraph, *, seed: int) -> int:
    """The number of rows to read back: 1 in a Markov world, more where sensors hide something.

    The graph's longest lag tells whether one row is enough. Where it is not, longer memories are
    compared by the held-out log likelihood of linear mechanisms, and the shortest good one is kept.
    """
    if log.schema.static or graph.max_lag <= 1:
        return graph.max_lag
    room = int(np.median(np.diff(log.starts))) // 8
    tried = [graph.max_lag, *(m for m in (8, LONGEST) if graph.max_lag < m <= room)]
    if len(tried) == 1:
        return graph.max_lag
    targets = [
        n
        for n in log.schema.of(Role.STATE, Role.REWARD)
        if log.schema[n].kind in (Kind.CONTINUOUS, Kind.COUNT)
    ]
    best, score = graph.max_lag, -np.inf
    for memory in tried:
        graphs, _ = member_graphs(graph, targets, memory, members=1, structures=0, seed=seed)
        data = design(log, memory, seed=seed)
        plan = parents(log, data.coding, graphs, targets)
        crowded = plan.columns.shape[1] * ROWS_AN_INPUT > len(data.rows)
        if crowded and memory > graph.max_lag:
            break
        fits = [fit_linear(data, plan, i, seed=seed) for i in range(len(targets))]
        likely = float(np.mean([f.log_likelihood for f in fits])) if fits else 0.0
        if likely > score + GAIN:
            best, score = memory, likely
    return best
