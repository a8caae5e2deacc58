"""From a planner's settings, as a query names them, to the planner."""

from functools import singledispatch

from doworld.model.simulate import bucket
from doworld.plan.cem import CEMPlanner
from doworld.plan.enumerate import EnumeratePlanner, sequences
from doworld.plan.icem import ICEMPlanner
from doworld.plan.mppi import MPPIPlanner
from doworld.plan.search import Planner
from doworld.plan.space import Actions
from doworld.query import CEM, ICEM, MPPI, Enumerate

__all__ = ["colour_of", "planner_of"]


@singledispatch
def planner_of(settings, actions: Actions) -> Planner:
    """The planner that ``settings`` describe, for these actions."""
    raise TypeError(f"{settings!r} is no planner. Use CEM, ICEM, MPPI or Enumerate.")


@planner_of.register
def _(settings: CEM, actions: Actions) -> Planner:
    return CEMPlanner(settings)


@planner_of.register
def _(settings: ICEM, actions: Actions) -> Planner:
    return ICEMPlanner(settings)


@planner_of.register
def _(settings: MPPI, actions: Actions) -> Planner:
    return MPPIPlanner(settings)


@planner_of.register
def _(settings: Enumerate, actions: Actions) -> Planner:
    return EnumeratePlanner(bucket(sequences(actions.space, actions.names, settings), 64))


def colour_of(settings) -> float:
    """β of the noise that the planner draws with; 0 is white."""
    return settings.colour if isinstance(settings, ICEM | MPPI) else 0.0
