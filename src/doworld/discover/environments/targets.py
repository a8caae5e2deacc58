"""Which variables each environment acts on, when nobody wrote it down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from doworld._core.errors import DataError, UnknownNameError
from doworld.data import Role, Trajectories
from doworld.discover.environments.interventions import Altered, Interventions, Replaced, Target
from doworld.discover.environments.mechanisms import check_environments, weakest_change
from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.samples import Cause, sample_of
from doworld.graph import CausalGraph

__all__ = ["ActedOn", "acted_on", "as_interventions"]

DEAF = 0.1
"""Share of what a variable listened to its causes below which it listens to them no more."""
HEARS = 0.05
"""Share of its variance that a variable's causes must explain for that to be asked."""


@dataclass(frozen=True)
class ActedOn:
    """Whether one environment acts on one variable.

    Attributes:
        environment: the environment.
        variable: the variable.
        acts: whether it is among the discoveries.
        p_value: of the hypothesis that the mechanism is that of the reference; NaN where it cannot
            be tested.
        effect: share of the variance left by one answer for both that an answer for each removes.
        spread: larger over smaller scale of the noise.
        listens: share of the variable's variance that its causes explain here (adjusted R²).
        listened: the same in the reference.
        parents: (name, lag) of its causes.
        note: why it could not be tested, or what was left out.
    """

    environment: str
    variable: str
    acts: bool
    p_value: float
    effect: float
    spread: float
    listens: float
    listened: float
    parents: tuple[Cause, ...]
    note: str = ""

    @property
    def replaced(self) -> bool:
        """Whether it looks like a hard intervention: the causes no longer matter here."""
        return self.acts and self.listened > HEARS and self.listens < DEAF * self.listened


def acted_on(
    log: Trajectories,
    graph: CausalGraph,
    *,
    reference: str,
    fdr: float = 0.01,
    seed: int = 0,
) -> tuple[ActedOn, ...]:
    """Tests for each environment and variable whether its mechanism is not as in ``reference``.

    The question of interventions with unknown targets (Squires, Wang & Uhler 2020,
    "Permutation-based causal structure learning with unknown intervention targets"): e acts on v
    where P_e(v | pa(v)) ≠ P_reference(v | pa(v)), tested as in ``environments.invariance``.
    Discoveries are those of Benjamini and Hochberg (1995) over all pairs. Where the graph leaves
    edges open, the p-value is the largest over the causes that they allow.

    Args:
        log: of two or more environments; a static table or a log over time.
        graph: which variables act on which, without interventions.
        reference: the environment that was left to itself.
        fdr: the expected share of false pairs among those found.
        seed: of the folds that choose capacities.

    Returns:
        One result for each other environment and each state, reward and action of the graph.

    Raises:
        DataError: the log has one environment only, or no rows of the reference.
        UnknownNameError: the graph or ``reference`` names what the log does not have.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(4, changes=1, seed=3)
    >>> found = acted_on(world.collect(300), world.graph, reference="environment0")
    >>> world.where, [(t.environment, t.variable) for t in found if t.acts]
    ({'z0': ('environment1',)}, [('environment1', 'z0')])
    """
    check_environments(log, graph)
    places = log.schema.environments
    if reference not in places:
        raise UnknownNameError("environment", reference, places)
    base = places.index(reference)
    here = [int(e) for e in np.unique(log.environment)]
    if base not in here:
        raise DataError(
            f"the log has no episodes of {reference!r}, so nothing can be compared with it. Name "
            "an environment that it has."
        )
    names = [
        v.name for v in log.schema.variables if v.role is not Role.CONTEXT and v.name in graph.names
    ]
    found = []
    for e in here:
        if e == base:
            continue
        pair = log.select(np.flatnonzero(np.isin(log.environment, (base, e))).tolist())
        found += [_pair(pair, graph, name, places[e], base, seed) for name in names]
    cut = benjamini_hochberg(np.array([t.p_value for t in found]), fdr)
    return tuple(replace(t, acts=t.p_value <= cut) for t in found)


def _pair(
    pair: Trajectories, graph: CausalGraph, name: str, place: str, base: int, seed: int
) -> ActedOn:
    """The test of one variable in one environment and the reference."""
    change = weakest_change(pair, graph, name, seed)
    listens, listened = _explained(pair, name, change.parents, base)
    return ActedOn(
        place,
        name,
        False,
        change.p_value,
        change.effect,
        change.spread,
        listens,
        listened,
        change.parents,
        change.note,
    )


def _explained(
    pair: Trajectories, name: str, parents: Sequence[Cause], base: int
) -> tuple[float, float]:
    """Adjusted R² of the variable's regression on its causes, here and in the reference."""
    sample, _ = sample_of(pair, name, parents)
    if sample is None or not parents:
        return 0.0, 0.0
    shares = []
    for own in (sample.place != base, sample.place == base):
        y, x = sample.outcome[own], sample.inputs[own]
        y, x = y - y.mean(0), x - x.mean(0)
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        free = max(len(y) - 1 - x.shape[1], 1)
        whole = max(float((y**2).sum()), np.finfo(float).tiny)
        shares.append(max(0.0, 1 - float((left**2).sum()) / whole * (len(y) - 1) / free))
    return shares[0], shares[1]


def as_interventions(found: Sequence[ActedOn]) -> Interventions:
    """What was found as what is known, for ``discover(interventions=…)``.

    Hard interventions are those whose causes no longer matter (``ActedOn.replaced``).
    """
    of: dict[str, tuple[Target, ...]] = {}
    for t in found:
        how = (Replaced if t.replaced else Altered)(t.variable)
        of[t.environment] = (*of.get(t.environment, ()), *((how,) if t.acts else ()))
    return Interventions(of)
