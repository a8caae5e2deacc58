"""Tables with a known graph, and whether an effect's interval holds the truth."""

import numpy as np
import polars as pl

import doworld as dw


def table(**columns):
    frame = pl.DataFrame({n: np.asarray(c) for n, c in columns.items()})
    return dw.Trajectories.from_frame(frame, state=list(columns))


def graph(log, *links, hidden=()):
    edges = [dw.Edge(a, b, 0) for a, b in (link.split() for link in links)]
    edges += [dw.Edge(a, b, 0, dw.Mark.BIDIRECTED) for a, b in (h.split() for h in hidden)]
    return dw.CausalGraph(log.schema.names, tuple(edges), max_lag=0)


def covers(answer, truth, name="y"):
    low, high = answer.interval[name]
    return low[0] <= truth <= high[0]
