"""From a log and a graph to a world model: every mechanism, by the family that predicts best."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.devices import prepare
from doworld._core.errors import GraphError, SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph
from doworld.mechanisms import AbstractBank, Known
from doworld.model.calibrate import calibrate
from doworld.model.categorical_fit import fit_categorical
from doworld.model.closed import Closed, fit_closed, linear_bank, polynomial_bank
from doworld.model.design import Design, Parents, design, member_graphs, parents
from doworld.model.dynamics import Dynamics
from doworld.model.reference import reference
from doworld.model.training import Budget, Checkpoint
from doworld.model.world import Fit, WorldModel

__all__ = ["Settings", "fit"]


@dataclass(frozen=True)
class Settings:
    """How mechanisms are learned.

    Attributes:
        members: bootstrap members, for parameter uncertainty.
        structures: members with a sampled graph, where edges are open.
        budget: training of families fitted by gradient.
    """

    members: int = 5
    structures: int = 3
    budget: Budget = Budget()


def _check(log: Trajectories, graph: CausalGraph) -> None:
    if graph.names != log.schema.names:
        raise GraphError(
            f"the graph is about {', '.join(graph.names)}, but the log has "
            f"{', '.join(log.schema.names)}. Discover the graph from this log, or name the "
            "variables alike and in the same order."
        )
    if not log.schema.of(Role.STATE):
        raise SchemaError("the log has no state variable, so there is nothing to learn. Name one.")


def _typical(log: Trajectories) -> np.ndarray:
    out = np.zeros(len(log.schema))
    for i, variable in enumerate(log.schema.variables):
        column = log.values[:, i]
        column = column[~np.isnan(column)]
        if not len(column):
            continue
        if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
            codes, counts = np.unique(column, return_counts=True)
            out[i] = codes[counts.argmax()]
        else:
            out[i] = np.median(column)
    return out


def fit(
    log: Trajectories,
    graph: CausalGraph,
    *,
    settings: Settings | None = None,
    known: tuple[Known, ...] = (),
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> WorldModel:
    """Learns the mechanisms of every state and reward variable along ``graph``."""
    prepare()
    settings, progress = settings or Settings(), progress or Quiet()
    _check(log, graph)
    schema = log.schema
    targets = list(schema.of(Role.STATE, Role.REWARD))
    reach = [e.lag for e in (*graph.links, *graph.doubtful)]
    lags = 0 if schema.static else max([1, *reach])
    data = design(log, lags, seed=seed)
    graphs, structural = member_graphs(
        graph, targets, members=settings.members, structures=settings.structures, seed=seed
    )
    plan = parents(log, data.coding, graphs, targets)
    store = Checkpoint(checkpoint, _fingerprint(log, graph, settings, seed))
    banks, fits = _banks(log, data, plan, settings, known, seed, progress, store)
    levels = graph.levels()
    order = np.array([levels[v.name] if v.name in targets else -1 for v in schema.variables])
    bounds = np.array([v.bounds for v in schema.variables]).T
    discrete = [v.kind in (Kind.CATEGORICAL, Kind.BINARY) for v in schema.variables]
    lower, upper = np.where(discrete, [[-np.inf], [np.inf]], (bounds - data.center) / data.scale)
    dynamics = Dynamics(
        banks=banks,
        coding=data.coding,
        order=order.astype(np.int32),  # type: ignore[arg-type]
        lower=lower.astype(np.float32),  # type: ignore[arg-type]
        upper=upper.astype(np.float32),  # type: ignore[arg-type]
        levels=int(order.max()) + 1,
        max_lag=lags,
    )
    dynamics = jax.tree.map(jnp.asarray, dynamics)
    with np.errstate(all="ignore"):
        low, high = np.nanmin(log.values, 0), np.nanmax(log.values, 0)
    return WorldModel(
        schema=schema,
        graph=graph,
        dynamics=dynamics,
        center=data.center,
        scale=data.scale,
        typical=_typical(log),
        reference=reference(data, plan, low, high, seed=seed),
        calibration=calibrate(log, data, dynamics, seed=seed),
        fits=fits,
        members_of_structure=structural,
        rows=len(data.rows),
        notes=(*log.notes, *graph.notes),
    )


def _fingerprint(log: Trajectories, graph: CausalGraph, settings: Settings, seed: int) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(log.values).tobytes())
    digest.update(repr((log.schema, graph.links, settings, seed)).encode())
    return digest.hexdigest()


def _banks(
    log: Trajectories,
    data: Design,
    plan: Parents,
    settings: Settings,
    known: tuple[Known, ...],
    seed: int,
    progress: Progress,
    store: Checkpoint,
) -> tuple[tuple[AbstractBank, ...], tuple[Fit, ...]]:
    schema = log.schema
    kinds = [schema.variables[int(t)].kind for t in plan.targets]
    discrete = [i for i, k in enumerate(kinds) if k in (Kind.CATEGORICAL, Kind.BINARY)]
    continuous = [i for i in range(len(kinds)) if i not in discrete]
    track = progress.task("closed forms", len(continuous))
    closed: dict[int, dict[int, Closed]] = {}
    for i in continuous:
        closed[i] = fit_closed(data, plan, i, seed=seed)
        track.advance(1)
    best = {
        i: max(c.values(), key=lambda f: f.log_likelihood - 0.01 * (f.degree > 1))
        for i, c in closed.items()
    }
    banks: list[AbstractBank] = []
    fits: list[Fit] = []
    for family, make in (("linear", linear_bank), ("polynomial", polynomial_bank)):
        own = [i for i in continuous if (best[i].degree == 1) == (family == "linear")]
        if own:
            banks.append(make([best[i] for i in own], plan.of(own)))
    for i in continuous:
        name = schema.variables[int(plan.targets[i])].name
        scores = {("linear" if d == 1 else f"degree {d}"): f.log_likelihood for d, f in closed[i].items()}
        family = "linear" if best[i].degree == 1 else "polynomial"
        fits.append(Fit(name, family, scores, best[i].rmse))
    if discrete:
        levels = np.array([schema.variables[int(plan.targets[i])].levels for i in discrete])
        own = plan.of(discrete)
        track = progress.task("categorical mechanisms", settings.budget.steps // settings.budget.chunk)
        bank, scores = fit_categorical(
            data, own, levels, seed=seed, budget=settings.budget, track=track, checkpoint=store
        )
        banks.append(bank)
        for i, score in zip(discrete, scores, strict=True):
            name = schema.variables[int(plan.targets[i])].name
            fits.append(Fit(name, "categorical", {"categorical": float(score)}, float("nan")))
    return tuple(banks), tuple(fits)
