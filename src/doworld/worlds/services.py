"""A simulated application of services that call each other, one of which fails.

Front-end requests arrive, a Poisson number a window. A request that reaches a service is passed on
to each of its callees with a probability. With own time t_s ~ lognormal and own success b_s,

    latency_s = t_s + Σ_{c called} latency_c,        ok_s = b_s ∧ ⋀_{c called} ok_c.

A window's metrics of a service are statistics over the requests that reached it: their number, the
mean and quantiles of latency, the share that succeeded; missing where none came. A fault adds a
delay to, or fails, a share of the requests at one service.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.data import Schema, Trajectories, Variable
from doworld.graph import CausalGraph, Edge

__all__ = ["Fault", "Services"]

STATISTICS = ("latency mean", "latency p50", "latency p90", "latency p99")
METRICS = (*STATISTICS, "availability", "requests")
STEP = 300.0


@dataclass(frozen=True)
class Fault:
    """What fails: a ``share`` of the requests at ``service`` takes ``delay`` longer, or fails."""

    service: str
    delay: float = 0.0
    share: float = 1.0
    fails: bool = False


class Services:
    """A random application: service 0 is the front end, the others are called by earlier ones.

    Args:
        count: of services.
        rate: front-end requests a window, on average.
        seed: of who calls whom, and how slow and unsure each service is.

    Attributes:
        names: of the services.
        schema: the metrics, each with its service as ``entity``.
        graph: a callee's latency and availability act on its caller's; requests go with the calls.
        front: the front end's mean latency and its availability.

    >>> shop = Services(4, seed=1)
    >>> log = shop.collect(50, seed=2)
    >>> log.rows, shop.front[0]
    (50, 's0 latency mean')
    """

    def __init__(self, count: int, *, rate: float = 20.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.names = tuple(f"s{i}" for i in range(count))
        self.rate = rate
        self.calls = {i: int(rng.integers(max(0, i - 5), i)) for i in range(1, count)}
        self.odds = rng.uniform(0.4, 1.0, count)
        self.median = np.exp(rng.normal(-3.0, 1.0, count))
        self.spread = rng.uniform(0.3, 1.2, count)
        self.unsure = rng.choice([0.0, 0.002, 0.02], count)
        variables = [Variable(f"{s} {m}", entity=s) for s in self.names for m in METRICS]
        self.schema = Schema(tuple(variables), step=STEP, time_unit="s")
        self.graph = self._graph()
        self.front = ("s0 latency mean", "s0 availability")

    def _graph(self) -> CausalGraph:
        edges = []
        answers = METRICS[:-1]
        for i, s in enumerate(self.names):
            edges += [Edge(f"{s} requests", f"{s} {m}", 0) for m in answers]
            if i:
                caller = self.names[self.calls[i]]
                edges += [Edge(f"{s} {a}", f"{caller} {b}", 0) for a in answers for b in answers]
                edges.append(Edge(f"{caller} requests", f"{s} requests", 0))
        return CausalGraph(self.schema.names, tuple(edges), max_lag=0)

    def collect(self, windows: int, *, fault: Fault | None = None, seed: int = 0) -> Trajectories:
        """A log of ``windows`` windows, with a fault throughout or none."""
        rng = np.random.default_rng(seed)
        sizes = rng.poisson(self.rate, windows)
        window = np.repeat(np.arange(windows), sizes)
        latency, ok, here = self._requests(rng, len(window), fault)
        tables = [
            _metrics(window[here[:, i]], latency[here[:, i], i], ok[here[:, i], i], windows)
            for i in range(len(self.names))
        ]
        return Trajectories(
            schema=self.schema,
            values=np.concatenate(tables, 1),
            starts=np.array([0, windows]),
            times=np.arange(windows) * STEP,
            environment=np.zeros(1, np.int64),
            terminated=np.zeros(1, bool),
            truncated=np.ones(1, bool),
            labels=("0",),
        )

    def _requests(self, rng: np.random.Generator, count: int, fault: Fault | None):
        """Latency, success, and which requests reached each service."""
        size = len(self.names)
        own = self.median * np.exp(self.spread * rng.standard_normal((count, size)))
        ok = rng.uniform(size=(count, size)) >= self.unsure
        if fault is not None:
            at = self.names.index(fault.service)
            hit = rng.uniform(size=count) < fault.share
            own[:, at] += fault.delay * hit
            if fault.fails:
                ok[:, at] &= ~hit
        here = np.ones((count, size), bool)
        for i in range(1, size):
            here[:, i] = here[:, self.calls[i]] & (rng.uniform(size=count) < self.odds[i])
        for i in range(size - 1, 0, -1):
            caller = self.calls[i]
            own[:, caller] += np.where(here[:, i], own[:, i], 0.0)
            ok[:, caller] &= ok[:, i] | ~here[:, i]
        return own, ok, here


def _metrics(
    window: np.ndarray, latency: np.ndarray, ok: np.ndarray, windows: int
) -> Float[np.ndarray, "windows metrics"]:
    """The metrics of one service, a row a window."""
    out = np.full((windows, len(METRICS)), np.nan)
    bounds = np.searchsorted(window, np.arange(windows + 1))
    for w in range(windows):
        a, b = bounds[w], bounds[w + 1]
        if a == b:
            continue
        times = latency[a:b]
        out[w] = [times.mean(), *np.quantile(times, (0.5, 0.9, 0.99)), 100 * ok[a:b].mean(), b - a]
    return out
