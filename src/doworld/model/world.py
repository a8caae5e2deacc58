"""A learned world: schema, graph and mechanisms, with what is needed to say how far to trust it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from doworld.data import Schema, Trajectories
from doworld.graph import CausalGraph
from doworld.model.baseline import LinearBaseline
from doworld.model.dynamics import Dynamics

if TYPE_CHECKING:
    from doworld.model.laws import Law

__all__ = ["Calibration", "Doubt", "Doubts", "Fit", "Reference", "WorldModel"]


@dataclass(frozen=True)
class Fit:
    """How one variable's mechanism was chosen: family and held-out score of every candidate.

    ``one_step_nrmse`` is the chosen mechanism's own error on held-out rows, one row ahead, over the
    variable's standard deviation; NaN for levels. A known law learns nothing from the log, so all
    its rows count.
    """

    variable: str
    family: str
    log_likelihood: dict[str, float]
    one_step_nrmse: float


@dataclass(frozen=True, eq=False)
class Reference:
    """A sample of the training data, for support.

    Attributes:
        targets: the column of each of n variables that have a mechanism.
        points: parents' features of each mechanism, padded with zeros.
        mask: 1 where ``points`` holds a parent feature.
        columns: where the parent features stand in the flattened window, lag-major.
        radius: 0.95-quantile of the distance of held-out points to the nearest of the sample.
        low, high: range of every variable in the log, in its own units.
    """

    targets: Int[np.ndarray, " n"]
    points: Float[np.ndarray, "n sample k"]
    mask: Float[np.ndarray, "n k"]
    columns: Int[np.ndarray, "n k"]
    radius: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " variables"]
    high: Float[np.ndarray, " variables"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How much wider intervals must be for their level to hold on held-out episodes.

    ``inflation[v, j]`` multiplies both sides of variable v's interval at ``horizons[j]`` rows
    ahead, linear in between.
    """

    horizons: Float[np.ndarray, " horizons"]
    inflation: Float[np.ndarray, "variables horizons"]
    coverage: Float[np.ndarray, "variables horizons"]


@dataclass(frozen=True, eq=False)
class Doubt:
    """Draws of what one bank's residuals leave open (see ``doworld.model.doubt``).

    Attributes:
        shift, spread: of the parents, by member.
        frequency, phase: of the waves.
        tilt: slopes of a line in the parents, by member and copy.
        location, log_scale: the waves' weights, by member and copy.
    """

    shift: Float[np.ndarray, "members n k"]
    spread: Float[np.ndarray, "members n k"]
    frequency: Float[np.ndarray, "n k waves"]
    phase: Float[np.ndarray, "n waves"]
    tilt: Float[np.ndarray, "members copies n k"]
    location: Float[np.ndarray, "members copies n waves"]
    log_scale: Float[np.ndarray, "members copies n waves"]


@dataclass(frozen=True, eq=False)
class Doubts:
    """The doubt of every bank, worked out when it is first asked for and kept.

    ``make()`` reads nothing but what it holds, so the answer is the same whenever it is asked for.
    """

    make: Callable[[], tuple[Doubt | None, ...]] = tuple

    @cached_property
    def by_bank(self) -> tuple[Doubt | None, ...]:
        """None where a bank has no doubt."""
        return self.make()


SHOWN = 8
"""Variables that a model's one line names."""


@dataclass(frozen=True, eq=False)
class WorldModel:
    """What ``learn`` returns and every question is asked of.

    Attributes:
        schema: variables and time step of the log.
        graph: the causal graph that the mechanisms follow.
        dynamics: the mechanisms as arrays, in scaled units.
        center, scale: scaled value = (value − center)/scale; 0 and 1 for discrete variables.
        typical: values that stand in where nothing is given, in the variables' own units (median
            or most frequent level).
        members_of_structure: which members carry a sampled graph instead of the most likely one.
        fits: how each mechanism was chosen.
        reference, calibration: for support and intervals.
        baseline: the linear model that ``evaluate`` shows beside this one.
        rows: transitions of the log that it was learned from, among them those held out to choose
            the families and those kept to calibrate the intervals.
        notes: what was decided from the data, in words.
        doubts: by bank, what its residuals leave open; asked by questions about change.
        log: the rows that it was learned from, for effects; a saved model does not carry them.
    """

    schema: Schema
    graph: CausalGraph
    dynamics: Dynamics
    center: Float[np.ndarray, " variables"]
    scale: Float[np.ndarray, " variables"]
    typical: Float[np.ndarray, " variables"]
    reference: Reference
    calibration: Calibration
    baseline: LinearBaseline
    fits: tuple[Fit, ...] = ()
    members_of_structure: tuple[bool, ...] = ()
    rows: int = 0
    notes: tuple[str, ...] = field(default=())
    doubts: Doubts = Doubts()
    log: Trajectories | None = None

    def scaled(
        self, values: Float[np.ndarray, "*b variables"]
    ) -> Float[np.ndarray, "*b variables"]:
        """Values in scaled units, float64."""
        return (values - self.center) / self.scale

    def unscaled(
        self, rows: Float[np.ndarray, "*b variables"]
    ) -> Float[np.ndarray, "*b variables"]:
        """Scaled rows in the variables' own units, float64."""
        return np.asarray(rows, np.float64) * self.scale + self.center

    def __repr__(self) -> str:
        names = ", ".join(self.schema.names[:SHOWN])
        more = ", …" if len(self.schema.names) > SHOWN else ""
        return (
            f"WorldModel({names}{more}; {len(self.graph.links)} edges, learned from {self.rows:,} "
            f"{'rows' if self.schema.static else 'transitions'})"
        )

    @property
    def doubt(self) -> tuple[Doubt | None, ...]:
        """The doubt of every bank."""
        return self.doubts.by_bank

    @property
    def laws(self) -> "tuple[Law, ...]":
        """The mechanisms that are equations with named constants (``doworld.model.laws``)."""
        from doworld.model.laws import laws

        return laws(self)

    def save(self, folder) -> None:
        """Writes ``model.json`` and ``weights.safetensors`` into ``folder``."""
        from doworld.model.store import save

        save(self, folder)
