"""Assembling mechanisms into a transition, with the bounds that rollouts keep to."""

import numpy as np

from doworld.data import Kind, Trajectories
from doworld.graph import CausalGraph
from doworld.mechanisms import AbstractBank, KnownBank, LawBank, LinearBank
from doworld.model.design import Design
from doworld.model.dynamics import Dynamics

__all__ = ["WIDEST", "Wiring"]

WIDEST = 3.0
"""Ranges of the log beyond which a network's value is held: out there it is nobody's guess."""

FARTHEST = 1000.0
"""The same of a law or a straight line, which goes on; only so that no rollout overflows."""

GOES_ON = (KnownBank, LawBank, LinearBank)
"""Families that are asked beyond the log."""


class Wiring:
    """Assembles banks into a transition; variables without a mechanism are read from the log."""

    def __init__(self, log: Trajectories, graph: CausalGraph, data: Design) -> None:
        self.data, self.levels = data, graph.levels()
        self.names = log.schema.names
        bounds = np.array([v.bounds for v in log.schema.variables]).T
        kinds = [v.kind in (Kind.CATEGORICAL, Kind.BINARY) for v in log.schema.variables]
        scaled = (bounds - data.center) / data.scale
        with np.errstate(all="ignore"):
            low, high = data.values.min(0), data.values.max(0)
            # bounds that the log itself oversteps would cut logged values off
            scaled = np.array([np.minimum(scaled[0], low), np.maximum(scaled[1], high)])
            self.near, self.far = (
                np.where(
                    kinds,
                    [[-np.inf], [np.inf]],
                    np.clip(scaled, low - beyond * (high - low), high + beyond * (high - low)),
                )
                for beyond in (WIDEST, FARTHEST)
            )

    def __call__(self, banks: tuple[AbstractBank, ...]) -> Dynamics:
        """The transition in which ``banks`` act."""
        order, walls = np.full(len(self.names), -1, np.int32), self.near.copy()
        for bank in banks:
            for target in np.asarray(bank.targets)[0]:
                order[target] = self.levels[self.names[target]]
                if isinstance(bank, GOES_ON):
                    walls[:, target] = self.far[:, target]
        return Dynamics.of(
            banks,
            coding=self.data.coding,
            order=order,
            lower=walls[0],
            upper=walls[1],
            max_lag=self.data.lags,
        )
