"""An effect straight from a log: the graph is discovered or given, and no mechanism is learned."""

from doworld.data import Trajectories
from doworld.discover import discover
from doworld.graph import CausalGraph, Edge, Prior
from doworld.query import Answer, Effect

__all__ = ["effect_of"]


def effect_of(
    log: Trajectories,
    query: Effect,
    *,
    graph: CausalGraph | None = None,
    prior: Prior | None = None,
    seed: int = 0,
) -> Answer:
    """The effect that ``query`` names, by a graph that is given, discovered, or told by the query.

    Without a graph, a query that names its adjustment set, instrument or mediator tells all of the
    graph that is needed: these act on treatment and outcome, and the treatment acts on the outcome.
    Any other query has the graph discovered from the log, with ``prior``. A learned model's own
    prediction stands beside the estimates only where a model is asked (``ask``).

    Raises as ``doworld.infer.effect.effect`` does, and ``GraphError`` for a prior that contradicts
    itself.

    >>> import numpy as np, polars as pl
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=400)
    >>> a = (rng.random(400) < 1 / (1 + np.exp(-x))).astype(int)
    >>> table = pl.DataFrame({"x": x, "a": a, "y": 2 * a + x + rng.normal(size=400)})
    >>> log = Trajectories.from_frame(table, state=["x", "a", "y"])
    >>> ans = effect_of(log, Effect(treatment="a", outcome="y", adjust="x"))
    >>> low, high = ans.interval["y"]
    >>> bool(low[0] < 2 < high[0])
    True
    """
    from doworld.infer.effect import effect_of as compute

    if graph is None:
        told = query.adjust is not None or bool(query.instrument)
        graph = _told(log, query) if told else discover(log, prior=prior, seed=seed)
    return compute(log, graph, query, seed=seed)


def _told(log: Trajectories, query: Effect) -> CausalGraph:
    """The graph that the query itself describes."""
    schema = log.schema
    lag = 0 if schema.static else (1 if query.lag is None else query.lag)
    known = set(schema.names)
    ends = {query.treatment, query.outcome} & known
    # a name that stands twice is refused below, in one line for every way to ask
    own = ends if schema.static else {query.treatment}
    causes = [n for n in (query.adjust or ()) if n in known - own]
    if len(ends) < 2:
        return CausalGraph(schema.names, (), max_lag=lag)
    links = [Edge(query.treatment, query.outcome, lag)]
    for name in causes:
        links += [Edge(name, query.treatment, 0)]
        if name != query.outcome:
            links += [Edge(name, query.outcome, lag)]
    middle = [m for m in query.mediator if m in known and m not in ends]
    links += [Edge(query.treatment, m, 0) for m in middle]
    links += [Edge(m, query.outcome, lag) for m in middle]
    links += [Edge(c, m, 0) for c in causes for m in middle]
    links = [e for e in dict.fromkeys(links) if e.source != e.target]
    return CausalGraph(schema.names, tuple(links), max_lag=lag)
