"""How many lags a log needs: held-out one-step loss with a rule of parsimony."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from doworld._core.budget import UNLIMITED, Budget
from doworld.data import Trajectories
from doworld.discover.numerics.heldout import NOISE_FREE, HeldOut, NestedTest, nested_test
from doworld.discover.time.design import Block, dynamics_block
from doworld.discover.time.fits import ROWS_PER_TERM, fit_targets, outcome_of

__all__ = ["LagChoice", "choose_lag"]

LONGEST = 4
LEVEL = 0.01
ENOUGH = 0.01
LEAST_IMPROVEMENT = 0.02
MOST_BENT_COLUMNS = 40


@dataclass(frozen=True)
class LagChoice:
    """The number of lags and, in words, why."""

    lags: int
    note: str


def choose_lag(
    log: Trajectories,
    names: Sequence[str],
    allows: Callable[[str, str, int], bool],
    *,
    seed: int,
    longest: int = LONGEST,
    budget: Budget = UNLIMITED,
) -> LagChoice:
    """The fewest lags beyond which no target is predicted better out of sample.

    For every target and number of lags the best class's held-out loss is compared with that of the
    number chosen so far on the same rows; more lags must lower it significantly and by 2 %. A
    target of which the lags so far leave less than a hundredth unexplained asks for no more. The
    graph gets the largest number that any target needs. When ``budget`` ends, no more are tried.
    """
    lengths = np.diff(log.starts)
    rows = [int(np.maximum(lengths - k, 0).sum()) for k in range(1, longest + 1)]
    longest = max((k + 1 for k, r in enumerate(rows) if r >= rows[0] / 2 and r >= 20), default=1)
    if longest == 1:
        return LagChoice(1, "1 lag: the episodes are too short to test more.")
    widest = dynamics_block(log, names, longest, allows, seed=seed, reach=longest)
    need: dict[str, tuple[int, float]] = {}
    count = len(widest.targets)
    current, losses, _ = _predict(widest, 1)
    for k in range(2, longest + 1):
        if max(losses) < ENOUGH:
            break
        if budget.over():
            budget.cut(f"no more than {k - 1} lag{'s' if k > 2 else ''} tried")
            break
        if sum(c.lag <= k for c in widest.candidates) > len(widest.inputs) / ROWS_PER_TERM:
            break
        wider, wider_losses, sizes = _predict(widest, k)
        for t, target in enumerate(widest.targets):
            level = LEVEL / (count * (longest - 1))
            if losses[t] < ENOUGH:
                continue
            test = _improvement(
                widest,
                t,
                current[t],
                wider[t],
                loss=wider_losses[t],
                level=level,
                terms=-(-sizes[t] * (k - 1) // k),
            )
            if test is None:
                continue
            need[target.name] = (k, test.gain)
            current[t], losses[t] = wider[t], wider_losses[t]
    if not need:
        return LagChoice(
            1,
            f"1 lag: more, up to {longest}, predict no variable better one step ahead (held out).",
        )
    lags = max(k for k, _ in need.values())
    who = ", ".join(
        f"{name} ({gain:.0%} less loss at {k})" for name, (k, gain) in sorted(need.items())
    )
    return LagChoice(lags, f"{lags} lags, up to {longest} tried: held-out loss asks for {who}.")


def _improvement(
    widest: Block,
    t: int,
    now: np.ndarray,
    wider: np.ndarray,
    *,
    loss: float,
    level: float,
    terms: int,
) -> NestedTest | None:
    """The test of more lags where it passes, else None."""
    goal = outcome_of(widest, t)
    noise_free = loss < NOISE_FREE
    test = nested_test(
        goal.increment,
        wider,
        now,
        widest.units,
        terms=max(terms, 1),
        floor=goal.floor,
        noise_free=noise_free,
    )
    return test if test.p_value < level and test.gain > LEAST_IMPROVEMENT else None


def _predict(widest: Block, lags: int) -> tuple[list[np.ndarray], list[float], list[int]]:
    """Held-out predictions of every target from ``lags`` lags, their losses, the terms used."""
    kept = [i for i, c in enumerate(widest.candidates) if c.lag <= lags]
    part = widest.keep(kept)
    n, p = part.inputs.shape
    targets = list(range(len(part.targets)))
    if p <= MOST_BENT_COLUMNS:
        fits = fit_targets(part, list(range(len(kept))), targets)
        sizes = [len(f.chosen.terms) for f in fits]
        return [f.predicted for f in fits], [f.loss for f in fits], sizes
    x = part.inputs - part.inputs.mean(0)
    x /= np.where(x.std(0) > 0, x.std(0), 1)
    table = np.concatenate([np.ones((n, 1)), x], 1)
    increments = part.increments(range(part.outcomes.shape[1]))[:]
    out = HeldOut(table, increments, part.units).predict(np.arange(p + 1))
    predicted, losses = [], []
    for t in targets:
        goal = outcome_of(part, t)
        at = list(part.targets[t].columns)
        predicted.append(out[:, at])
        losses.append(float(((goal.increment - out[:, at]) ** 2 / goal.scale).mean()))
    return predicted, losses, [p + 1] * len(targets)
