"""Mechanisms of all continuous variables: fit every family, keep the best for each variable."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.progress import Progress
from doworld.data import Role, Trajectories
from doworld.mechanisms import AbstractBank, NeuralBank
from doworld.model.choose import likelihood_of, open_loop_rmse
from doworld.model.closed import Closed, fit_closed, linear_bank, polynomial_bank
from doworld.model.design import HELD, LEARN, Design, Parents
from doworld.model.dynamics import Dynamics
from doworld.model.law_fit import LawFit, fit_law, law_bank
from doworld.model.neural_fit import CHUNKS, NeuralSettings, fit_neural
from doworld.model.spread_fit import fit_spread
from doworld.model.training import Checkpoint
from doworld.model.world import Fit

__all__ = ["Rollouts", "fit_continuous", "rollouts"]

GOOD_ENOUGH = 1e-3
"""σ over the spread of increments below which a closed form leaves a network nothing to learn."""

FEWEST_ROWS = 1000
"""Transitions below which a network is not tried."""

FEWEST_STARTS = 20
"""Starts of rollouts below which those with gaps in their window are taken too."""

SIMPLER = 0.02
"""Log likelihood per row that a richer family must gain before it is preferred."""

NEGLIGIBLE = 5e-3
"""Error of an open-loop forecast over the spread of the variable below which a law is preferred."""


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Where open-loop rollouts of each training length may start, and the held-out ones.

    ``train`` maps numbers of steps, ascending, to rows 0; ``held`` are rows 0 of held-out rollouts
    of the longest length.
    """

    train: dict[int, np.ndarray]
    held: np.ndarray


@dataclass(frozen=True, eq=False)
class Continuous:
    """The mechanisms, the same before they learned from spared rows, and how they were chosen."""

    banks: tuple[AbstractBank, ...]
    trial: tuple[AbstractBank, ...]
    fits: tuple[Fit, ...]


def rollouts(log: Trajectories, data: Design, settings: NeuralSettings) -> Rollouts:
    """Training and held-out starts; lengths follow the episodes' lengths and the settings."""
    lengths = np.diff(log.starts) - data.lags
    longest = int(np.clip(np.quantile(lengths, 0.75), 1, settings.horizon)) if data.lags else 1
    held_row = data.part_of_row == HELD
    before = np.concatenate([[0], np.cumsum(data.part_of_row != LEARN)])

    sources = log.schema.positions(Role.STATE, Role.ACTION, Role.CONTEXT)
    gaps = np.concatenate([[0], np.cumsum(~data.observed[:, sources].all(1))])

    def starts(steps: int) -> np.ndarray:
        first = log.windows(data.lags + steps) + data.lags - 1
        whole = first[gaps[first + 1] == gaps[first + 1 - data.lags]]
        return whole if len(whole) >= FEWEST_STARTS else first

    while True:
        train: dict[int, np.ndarray] = {}
        for steps in sorted({max(1, round(s[0] * longest)) for s in settings.stages}):
            first = starts(steps)
            clean = before[first + 1 + steps] == before[first + 1]
            train[steps] = first[clean]
        first = starts(longest)
        held = first[held_row[first + 1]]
        enough = min(len(t) for t in train.values()) >= FEWEST_STARTS and len(held) >= 8
        if enough or longest == 1:
            break
        longest = max(1, longest // 2)
    if not len(held):
        held = train[longest]
    return Rollouts(train, held[:: max(1, len(held) // 400)][:400])


def _bootstrap_rows(data: Design, members: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 37])
    rows, unit = data.rows[~data.held], data.unit[~data.held]
    numbers = np.unique(unit)
    out = []
    for _ in range(members):
        counts = np.bincount(rng.choice(numbers, len(numbers)), minlength=numbers.max() + 1)
        out.append(np.repeat(rows, counts[unit]))
    return out


def _closed_banks(best: dict[int, Closed], plan: Parents) -> tuple[AbstractBank, ...]:
    banks: list[AbstractBank] = []
    # one bank a degree: coefficients are padded to the widest of a bank, to the power of its degree
    for degree in sorted({f.degree for f in best.values()}):
        own = [i for i, f in best.items() if f.degree == degree]
        make = linear_bank if degree == 1 else polynomial_bank
        banks.append(make([best[i] for i in own], plan.of(own)))
    return tuple(banks)


def _part(bank: AbstractBank, which: list[int]) -> AbstractBank:
    """The bank of some of its targets: every leaf has axes (member, target, …)."""
    return jax.tree.map(lambda leaf: leaf[:, np.array(which)], bank)


def fit_continuous(
    log: Trajectories,
    data: Design,
    plan: Parents,
    wire: Callable[[tuple[AbstractBank, ...]], Dynamics],
    *,
    settings: NeuralSettings | None,
    laws: bool,
    seed: int,
    progress: Progress,
    store: Checkpoint,
) -> Continuous:
    """Mechanisms of the targets of ``plan``, each of the family that forecasts it best.

    ``wire(banks)`` assembles the transition in which only ``banks`` act and all else is as logged.
    Where ``laws``, they are fitted too, and preferred where they forecast as well.
    """
    count = len(plan.targets)
    track = progress.task("closed forms", count)
    closed: dict[int, dict[int, Closed]] = {}
    for i in range(count):
        closed[i] = fit_closed(data, plan, i, seed=seed)
        track.advance(1)
    best = {
        i: max(fits.values(), key=lambda f: f.log_likelihood - 0.01 * (f.degree > 1))
        for i, fits in closed.items()
    }
    sets = _closed_sets(closed, best, plan)
    families = {i: "linear" if f.degree == 1 else "polynomial" for i, f in best.items()}
    final = _closed_sets(
        {i: {d: _final(f) for d, f in fits.items()} for i, fits in closed.items()},
        {i: _final(f) for i, f in best.items()},
        plan,
    )
    starts = rollouts(log, data, settings or NeuralSettings())
    unexplained = {i: f.sigma for i, f in best.items()}
    lawful: list[LawFit] = []
    if laws:
        lawful = _laws(log, data, plan, seed=seed, progress=progress)
        bent = [i for i, f in enumerate(lawful) if not f.linear]
        if bent:
            sets["law"] = _law_set(lawful, bent, sets["linear"], data, plan, final=False)
            final["law"] = _law_set(lawful, bent, final["linear"], data, plan, final=True)
        unexplained = {i: min(unexplained[i], f.unexplained) for i, f in enumerate(lawful)}
    wanting = any(share > GOOD_ENOUGH for share in unexplained.values())
    if settings is not None and wanting and data.size >= FEWEST_ROWS:
        network = _neural(
            data,
            plan,
            wire(sets["linear"]),
            starts,
            settings=settings,
            seed=seed,
            progress=progress,
            store=store,
        )
        sets["neural"] = final["neural"] = (network,)
    called = {("closed", i): name for i, name in families.items()}
    called |= {("law", i): "linear" for i, f in enumerate(lawful) if f.linear}
    choice, fits = _select(data, plan, wire, sets, called=called, starts=starts)
    at = {int(t): i for i, t in enumerate(plan.targets)}
    return Continuous(_mix(final, choice, at), _mix(sets, choice, at), fits)


def _laws(
    log: Trajectories, data: Design, plan: Parents, *, seed: int, progress: Progress
) -> list[LawFit]:
    count = len(plan.targets)
    track = progress.task("laws", count)
    out = []
    for i in range(count):
        out.append(fit_law(log.schema, data, plan, i, seed=seed))
        track.advance(1)
    return out


def _law_set(
    lawful: list[LawFit],
    bent: list[int],
    linear: tuple[AbstractBank, ...],
    data: Design,
    plan: Parents,
    *,
    final: bool,
) -> tuple[AbstractBank, ...]:
    """The laws of the targets ``bent``, and the linear family's where the law is linear."""
    laws = law_bank([lawful[i] for i in bent], data, plan.of(bent), final=final)
    straight = [i for i in range(len(lawful)) if i not in bent]
    return (laws, *(_part(bank, straight) for bank in linear if straight))


def _final(fit: Closed) -> Closed:
    return replace(fit, weight=fit.final)


def _closed_sets(
    closed: dict[int, dict[int, Closed]], best: dict[int, Closed], plan: Parents
) -> dict[str, tuple[AbstractBank, ...]]:
    """All targets linear, and each target with its best degree where some degree is above 1."""
    sets: dict[str, tuple[AbstractBank, ...]] = {
        "linear": (linear_bank([c[1] for c in closed.values()], plan),)
    }
    if any(f.degree > 1 for f in best.values()):
        sets["closed"] = _closed_banks(best, plan)
    return sets


def _neural(
    data: Design,
    plan: Parents,
    wired: Dynamics,
    starts: Rollouts,
    *,
    settings: NeuralSettings,
    seed: int,
    progress: Progress,
    store: Checkpoint,
) -> NeuralBank:
    track = progress.task("neural mechanisms", CHUNKS * len(starts.train))
    bank = fit_neural(
        data,
        plan,
        wired,
        windows=starts.train,
        held=starts.held,
        train=_bootstrap_rows(data, len(plan.mask), seed),
        settings=settings,
        seed=seed,
        track=track,
        checkpoint=store,
    )
    return fit_spread(data, plan, bank, seed=seed)


def _select(
    data: Design,
    plan: Parents,
    wire: Callable[[tuple[AbstractBank, ...]], Dynamics],
    sets: dict[str, tuple[AbstractBank, ...]],
    *,
    called: dict[tuple[str, int], str],
    starts: Rollouts,
) -> tuple[list[str], tuple[Fit, ...]]:
    """Per target the set whose open-loop forecast is most likely; one for all if the mix loses.

    ``called`` names the family of a set's mechanism of a target where it is not the set's name.
    """
    steps = max(starts.train)
    at = {int(t): i for i, t in enumerate(plan.targets)}

    def errors(banks: tuple[AbstractBank, ...]) -> np.ndarray:
        return open_loop_rmse(data, wire(banks), starts.held, steps)[:1][..., plan.targets]

    rolled = {name: errors(banks) for name, banks in sets.items()}
    table = {name: likelihood_of(rmse)[0] for name, rmse in rolled.items()}
    cost = {"linear": 0.0, "law": SIMPLER, "closed": SIMPLER, "neural": 2 * SIMPLER}
    names = list(sets)
    value = np.stack([table[n] - cost[n] for n in names])
    choice = [names[j] for j in value.argmax(0)]
    if "law" in rolled:  # at a tie a law, since it reads and extrapolates; linear ones are laws
        tied = table["law"] >= value.max(0)
        tied |= rolled["law"][0].max(0) <= NEGLIGIBLE
        choice = ["law" if t and c != "linear" else c for c, t in zip(choice, tied, strict=True)]
    pure = names[int(np.nan_to_num(value, nan=-1e9).mean(1).argmax())]
    chosen = errors(_mix(sets, choice, at)) if len(set(choice)) > 1 else rolled[choice[0]]
    kept, rival = (likelihood_of(np.maximum(e, NEGLIGIBLE)) for e in (chosen, rolled[pure]))
    if kept.mean() < rival.mean() - SIMPLER:
        choice, chosen = [pure] * len(choice), rolled[pure]
    fits = []
    for i, (target, picked) in enumerate(zip(plan.targets, choice, strict=True)):
        shown = {called.get((n, i), n): float(table[n][i]) for n in reversed(names)}
        fits.append(
            Fit(str(int(target)), called.get((picked, i), picked), shown, float(chosen[0, 0, i]))
        )
    return choice, tuple(fits)


def _mix(
    sets: dict[str, tuple[AbstractBank, ...]], choice: list[str], at: dict[int, int]
) -> tuple[AbstractBank, ...]:
    banks: list[AbstractBank] = []
    for name, own in sets.items():
        for bank in own:
            targets = np.asarray(bank.targets)[0]
            which = [j for j, t in enumerate(targets) if choice[at[int(t)]] == name]
            if which:
                banks.append(_part(jax.tree.map(jnp.asarray, bank), which))
    return tuple(banks)
