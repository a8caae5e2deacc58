"""One question of an effect with all that answers it, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from doworld.data import Trajectories
from doworld.graph import CausalGraph
from doworld.graph.separation import Node
from doworld.infer.effects.asked import Asked
from doworld.infer.effects.discrete import Estimate
from doworld.infer.effects.paths import Paths
from doworld.infer.effects.route import Route
from doworld.infer.effects.sample import Sample, gather
from doworld.infer.effects.shrinkage import tweedie
from doworld.model.world import WorldModel
from doworld.query import Effect, Status
from doworld.query.effect_details import Estimated, Overlap, Refutation, Sensitivity

__all__ = ["Case", "Found", "shown"]


@dataclass(frozen=True, eq=False)
class Case:
    """A checked question, the rows it is asked of, and the route that the graph allows."""

    log: Trajectories
    graph: CausalGraph
    paths: Paths
    route: Route
    asked: Asked
    seed: int
    model: WorldModel | None = None

    @property
    def query(self) -> Effect:
        """The question."""
        return self.asked.query

    def sample(self, needed: Sequence[Node] = (), *, outcome: Node | None = None) -> Sample:
        """The rows, with the outcome as a number; another node stands in for it where given."""
        q, lag = self.query, self.asked.lag
        name, back = (q.outcome, -lag) if outcome is None else outcome
        found = gather(self.log, q.treatment, name, -back, self.route.adjust, needed)
        if outcome is None:
            found = replace(found, outcome=self.asked.outcome_of(found.outcome))
            if q.error is not None:
                found = replace(found, outcome=tweedie(found.outcome, q.error))
        return found

    def controls(self) -> dict[str, Sample]:
        """Samples whose outcome is something that the treatment cannot move."""
        adjusted = set(self.route.adjust)
        chosen = [(n, 0) for n in self.query.negative_controls]
        nodes = [n for n in dict.fromkeys([*chosen, *self.route.negative]) if n not in adjusted]
        out = {}
        for node in nodes[: max(2, len(chosen))]:
            variable = self.log.schema[node[0]]
            if variable.levels > 2:
                continue
            found = self.sample(outcome=node)
            if len(found) >= 30 and np.ptp(found.outcome) > 0:
                out[node[0] if node[1] == 0 else f"{node[0]}(t{-node[1]:+d})"] = found
        return out


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found; the fields are those of ``EffectDetails``.

    Attributes:
        headline: the numbers of the answer's series, one a contrast, stratum or dose.
        estimators: other estimates of the first of them; or, where not ``alike``, of what stands
            beside it, such as the chances that it is a difference of.
    """

    what: str
    population: str
    method: str
    headline: tuple[Estimated, ...]
    sample: Sample
    estimators: tuple[Estimated, ...] = ()
    overlap: Overlap | None = None
    sensitivity: Sensitivity | None = None
    refutations: tuple[Refutation, ...] = ()
    status: Status = Status.IDENTIFIED
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    fix: str = ""
    dose: bool = False
    support: float = 1.0
    alike: bool = True


def shown(
    name: str, estimate: Estimate, level: float, *, rows: int = 0, value: float | None = None
) -> Estimated:
    """An estimate as plain data, with its interval."""
    low, high = estimate.interval(level)
    big = 1e300
    return Estimated(
        name=name,
        estimate=float(np.clip(estimate.value, -big, big)),
        lower=float(np.clip(low, -big, big)),
        upper=float(np.clip(high, -big, big)),
        rows=rows,
        value=value,
    )
