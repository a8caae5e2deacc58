"""From a log and a graph to a world model: every mechanism, by the family that predicts best."""

import hashlib
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Int

from doworld._core.devices import make_room, prepare
from doworld._core.errors import DataError, GraphError, SchemaError
from doworld._core.progress import Progress, Quiet
from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph, Edge, LocalGraph
from doworld.mechanisms import AbstractBank, Known
from doworld.model.baseline import LinearBaseline
from doworld.model.calibrate import calibrate, held_out, quieter, temper
from doworld.model.categorical_fit import fit_categorical
from doworld.model.choose import refuted
from doworld.model.continuous import fit_continuous, rollouts
from doworld.model.design import HELD, KEPT, Design, Parents, design, member_graphs, parents
from doworld.model.doubt import Sample, fit_doubt
from doworld.model.dynamics import Dynamics
from doworld.model.known_fit import fit_known
from doworld.model.memory import choose_memory
from doworld.model.neural_fit import NeuralSettings
from doworld.model.promote import promote
from doworld.model.reference import reference
from doworld.model.training import Budget, Checkpoint
from doworld.model.wiring import Wiring
from doworld.model.world import Doubts, Fit, WorldModel

__all__ = ["Settings", "fit", "plan_of"]

TRAINING = 2
"""Raised whenever what a checkpoint holds means something else, so that an old one is ignored."""


@dataclass(frozen=True)
class Settings:
    """How mechanisms are learned.

    Attributes:
        members: bootstrap members, for parameter uncertainty.
        structures: members with a sampled graph, where edges are open.
        neural: architecture and training of neural mechanisms; None leaves them out.
        budget: training of categorical mechanisms.
        laws: whether laws are looked for.
    """

    members: int = 5
    structures: int = 2
    neural: NeuralSettings | None = field(default_factory=NeuralSettings)
    budget: Budget = field(default_factory=Budget)
    laws: bool = True


def _check(log: Trajectories, graph: CausalGraph, known: tuple[Known, ...]) -> None:
    _check_laws(log, known)
    if graph.names != log.schema.names:
        raise GraphError(
            f"the graph is about {', '.join(graph.names)}, but the log has "
            f"{', '.join(log.schema.names)}. Discover the graph from this log, or name the "
            "variables alike and in the same order."
        )
    if not log.schema.of(Role.STATE):
        raise SchemaError("the log has no state variable, so there is nothing to learn. Name one.")


def _check_laws(log: Trajectories, known: tuple[Known, ...]) -> None:
    targets = [law.target for law in known]
    for law in known:
        variable = log.schema[law.target]
        for _, source, _ in law.parents:
            log.schema.position(source)
        if targets.count(law.target) > 1:
            raise GraphError(f"{law.target!r} has two known laws. Give one.")
        if variable.role not in (Role.STATE, Role.REWARD):
            raise GraphError(
                f"{law.target!r} is {variable.role.value}, and only states and rewards follow a "
                "law. Drop the law, or read the log with that column as a state."
            )
        if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
            raise GraphError(
                f"{law.target!r} is {variable.kind.value}, and a known law gives numbers. Drop the "
                "law and let the mechanism be learned."
            )


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
    """Learns the mechanisms of every state and reward variable along ``graph``.

    Raises ``GraphError`` where graph and log do not name the same variables and ``SchemaError``
    where there is no state to learn. With ``checkpoint``, an interrupted call that is repeated
    goes on where it was.
    """
    prepare()
    make_room()
    settings, progress = settings or Settings(), progress or Quiet()
    _check(log, graph, known)
    schema = log.schema
    graph_of = _with_laws(graph, known)
    graph_of = promote(log, graph_of, seed=seed)
    structural, plan, data = plan_of(log, graph_of, settings, seed)
    store = Checkpoint(checkpoint, _fingerprint(log, graph_of, settings, seed))
    wire = Wiring(log, graph_of, data)
    banks, trial, fits = _banks(
        log,
        data,
        plan,
        wire,
        settings=settings,
        known=known,
        local=graph_of.local,
        seed=seed,
        progress=progress,
        store=store,
    )
    stay = _unrefuted(log, data, wire(trial), structural, settings)
    dynamics, before = (wire(jax.tree.map(lambda leaf: leaf[stay], own)) for own in (banks, trial))
    noise = temper(before, held_out(log, data, HELD, seed=seed))
    calibration = calibrate(log, quieter(before, noise), held_out(log, data, KEPT, seed=seed))
    dynamics = quieter(dynamics, noise)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanmin(log.values, 0), np.nanmax(log.values, 0)
    return WorldModel(
        schema=schema,
        graph=graph_of,
        dynamics=dynamics,
        center=data.center,
        scale=data.scale,
        typical=_typical(log),
        reference=reference(data, plan, low, high, seed=seed),
        calibration=calibration,
        baseline=LinearBaseline.fit(log, data.lags),
        fits=fits,
        members_of_structure=tuple(structural[m] for m in stay),
        rows=data.size,
        notes=tuple(dict.fromkeys((*log.notes, *graph.notes))),
        doubts=Doubts(partial(fit_doubt, Sample.of(data, seed=seed), dynamics, seed=seed)),
        log=log,
    )


def _unrefuted(
    log: Trajectories,
    data: Design,
    dynamics: Dynamics,
    structural: tuple[bool, ...],
    settings: Settings,
) -> Int[np.ndarray, " kept"]:
    """The members that stay: all but sampled structures that held-out rollouts speak against."""
    if not any(structural):
        return np.arange(len(structural))
    starts = rollouts(log, data, settings.neural or NeuralSettings())
    return np.flatnonzero(
        ~np.array(refuted(data, dynamics, structural, starts.held, max(starts.train)))
    )


def _with_laws(graph: CausalGraph, known: tuple[Known, ...]) -> CausalGraph:
    """The graph in which the targets of known laws have the laws' parents and no others."""
    if not known:
        return graph
    fixed = {law.target for law in known}
    laws = [
        Edge(source, law.target, lag, probability=1.0)
        for law in known
        for source, lag in dict.fromkeys((s, lag) for _, s, lag in law.parents)
    ]
    links = tuple(e for e in graph.links if e.target not in fixed) + tuple(laws)
    return replace(
        graph,
        links=links,
        doubtful=tuple(e for e in graph.doubtful if e.target not in fixed),
        max_lag=max([graph.max_lag, *(e.lag for e in laws)]),
    )


def plan_of(
    log: Trajectories, graph: CausalGraph, settings: Settings, seed: int
) -> tuple[tuple[bool, ...], Parents, Design]:
    """Which members carry a sampled graph, every target's parents, and the arrays of the log."""
    level = graph.levels()  # what is computed together stands together
    targets = sorted(log.schema.of(Role.STATE, Role.REWARD), key=level.__getitem__)
    memory = choose_memory(log, graph, seed=seed)
    graphs, structural = member_graphs(
        graph, targets, memory, members=settings.members, structures=settings.structures, seed=seed
    )
    reach = [lag for g in graphs for links in g.values() for _, lag in links]
    lags = 0 if log.schema.static else max([1, *reach])
    continuous = any(not log.schema[name].levels for name in targets)
    data = design(log, lags, seed=seed, spare=continuous)
    if not len(data.rows):
        raise DataError(
            f"no episode has the {lags + 1} consecutive rows that one transition with {lags} "
            "lags needs. Give longer episodes or a smaller max_lag."
        )
    return structural, parents(log, data.coding, graphs, targets), data


def _fingerprint(log: Trajectories, graph: CausalGraph, settings: Settings, seed: int) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(log.values).tobytes())
    digest.update(np.ascontiguousarray(log.starts, np.int64).tobytes())
    links = (graph.links, graph.doubtful, graph.max_lag, graph.local)
    about = (TRAINING, log.schema, links, settings, seed)
    digest.update(repr(about).encode())
    return digest.hexdigest()


def _banks(
    log: Trajectories,
    data: Design,
    plan: Parents,
    wire: Wiring,
    *,
    settings: Settings,
    known: tuple[Known, ...],
    local: tuple[LocalGraph, ...],
    seed: int,
    progress: Progress,
    store: Checkpoint,
) -> tuple[tuple[AbstractBank, ...], tuple[AbstractBank, ...], tuple[Fit, ...]]:
    """The banks, the same before they learned from spared rows, and how each was chosen."""
    schema = log.schema
    variables = [schema.variables[int(t)] for t in plan.targets]
    laws = {law.target: law for law in known}
    own: dict[str, list[int]] = {"known": [], "discrete": [], "continuous": []}
    for i, variable in enumerate(variables):
        discrete = variable.kind in (Kind.CATEGORICAL, Kind.BINARY)
        name = "known" if variable.name in laws else "discrete" if discrete else "continuous"
        own[name].append(i)
    banks: list[AbstractBank] = []
    trial: list[AbstractBank] = []
    fits: list[Fit] = []
    if own["continuous"]:
        found = fit_continuous(
            log,
            data,
            plan.of(own["continuous"]),
            wire,
            settings=settings.neural,
            laws=settings.laws,
            seed=seed,
            progress=progress,
            store=store,
        )
        banks += found.banks
        trial += found.trial
        fits += [replace(f, variable=schema.variables[int(f.variable)].name) for f in found.fits]
    if own["known"]:
        chosen = tuple(laws[variables[i].name] for i in own["known"])
        bank, more = fit_known(log, data, plan.of(own["known"]), chosen)
        banks.append(bank)
        trial.append(bank)
        fits += more
    if own["discrete"]:
        levels = np.array([variables[i].levels for i in own["discrete"]])
        budget = settings.budget
        track = progress.task("categorical mechanisms", max(1, budget.steps // budget.chunk))
        bank, scores = fit_categorical(
            schema,
            data,
            plan.of(own["discrete"]),
            levels,
            local=local,
            seed=seed,
            budget=budget,
            track=track,
            checkpoint=store,
        )
        banks.append(bank)
        trial.append(bank)
        for i, score in zip(own["discrete"], scores, strict=True):
            likely = {"categorical": float(score)}
            fits.append(Fit(variables[i].name, "categorical", likely, float("nan")))
    order = {v.name: i for i, v in enumerate(schema.variables)}
    return tuple(banks), tuple(trial), tuple(sorted(fits, key=lambda f: order[f.variable]))
