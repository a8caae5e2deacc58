"""Assembling mechanisms into a transition, with the bounds that rollouts keep to."""

import numpy as np

from doworld.data import Kind, Trajectories
from doworld.graph import CausalGraph
from doworld.mechanisms import AbstractBank
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics

__all__ = ["WIDEST", "Wiring"]

WIDEST = 3.0
"""Ranges of the log beyond which a mechanism's value is held, so that no rollout overflows."""


class Wiring:
    """Assembles banks into a transition; variables without a mechanism are read from the log."""

    def __init__(self, log: Trajectories, graph: CausalGraph, data: Design) -> None:
        self.data, self.levels = data, graph.levels()
        self.names = log.schema.names
        bounds = np.array([v.bounds for v in log.schema.variables]).T
        kinds = [v.kind in (Kind.CATEGORICAL, Kind.BINARY) for v in log.schema.variables]
        scaled = (bounds - data.center) / data.scale
        with np.errstate(all="ignore"):
            span = data.values.max(0) - data.values.min(0)
            guard = [data.values.min(0) - WIDEST * span, data.values.max(0) + WIDEST * span]
            # bounds that the log itself oversteps would cut logged values off
            scaled[0] = np.minimum(scaled[0], data.values.min(0))
            scaled[1] = np.maximum(scaled[1], data.values.max(0))
        scaled = np.clip(scaled, *guard)
        self.lower, self.upper = np.where(kinds, [[-np.inf], [np.inf]], scaled)

    def __call__(self, banks: tuple[AbstractBank, ...]) -> Dynamics:
        """The transition in which ``banks`` act."""
        order = np.full(len(self.names), -1, np.int32)
        for bank in banks:
            for target in np.asarray(bank.targets)[0]:
                order[target] = self.levels[self.names[target]]
        return Dynamics.of(
            banks,
            coding=self.data.coding,
            order=order,
            lower=self.lower,
            upper=self.upper,
            max_lag=self.data.lags,
        )
