"""Bounds of a policy's value when something hidden moves the world, or moved the actions too."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from doworld.infer.offpolicy.held_out import stratum_means
from doworld.infer.offpolicy.problem import Problem
from doworld.infer.offpolicy.steps import codes_of
from doworld.infer.offpolicy.tables import Table, mean_of, pinched
from doworld.infer.offpolicy.weighing import Weighing

__all__ = ["assumption_free", "hidden_groups", "revealed", "sharpest", "table_ends", "weight_ends"]

LEAST = 2.0
"""Λ is never taken smaller: a past reveals only part of what is hidden."""

LEAST_STEPS = 200
"""With a past, from which it is measured what the past reveals."""

FEWEST = 5
"""Steps of other episodes at the same state and action from which a chance is taken."""


def assumption_free(
    problem: Problem, draws: Float[np.ndarray, "draws episodes"]
) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """Ends that hold whatever chose the actions and whatever is hidden (Manski 1990, in sequence).

    Let the policy draw its actions from a tape of its own. With chance c = Π_t π(a_t|s_t) it takes
    just the logged ones, and then what was earned is what it earns; else it earns something
    between the least and greatest return:  E[c G] + (1 − E[c]) · [least, greatest].
    """
    own = problem.target.chance[np.arange(len(problem.steps)), problem.target.action]
    same = problem.grid(own, fill=1.0).prod(1)
    gained = problem.grid(problem.discount**problem.place * problem.reward).sum(1)
    total = draws.sum(1)
    known, share = draws @ (same * gained) / total, draws @ same / total
    least, most = problem.returns
    return known + (1 - share) * least, known + (1 - share) * most


def hidden_groups(
    problem: Problem, names: tuple[str, ...]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]] | None:
    """Codes, now and one step on, of the states that something hidden moves; () names all.

    None where they have too many values.
    """
    steps = problem.steps
    at = [i for i, n in enumerate(steps.seen_names) if n in names] or range(len(steps.seen_names))
    now = steps.seen[:, list(at)]
    after = np.where(np.isnan(steps.next[:, list(at)]), now, steps.next[:, list(at)])
    found = codes_of(np.concatenate([now, after]))
    return None if found is None else (found[0][: len(steps)], found[0][len(steps) :])


def revealed(
    problem: Problem, now: Int[np.ndarray, " n"], following: Int[np.ndarray, " n"]
) -> float | None:
    """How far the past moves the chance that the hidden states change, at most, as a ratio.

    None where there are too few steps to measure it.

    Steps are put in tenths by how restless their episode was before, beyond what state and action
    said; the ratio is of observed to expected changes in a tenth, or its inverse.
    """
    steps = problem.steps
    assert problem.state is not None
    followed = ~np.isnan(steps.next).any(1)
    pair = problem.state * problem.actions + problem.target.action
    first = np.flatnonzero(np.diff(steps.episode, prepend=-1))
    lengths = np.diff(np.append(first, len(steps)))
    moved = (now != following).astype(float)
    expected, count = stratum_means(pair, moved[:, None], steps.fold)
    told = (count >= FEWEST) & followed
    surprise = np.where(told, moved - expected[:, 0], 0.0)
    before = np.cumsum(surprise) - surprise
    before -= np.repeat(before[first], lengths)
    elapsed = np.arange(len(steps)) - np.repeat(first, lengths)
    past = before / (elapsed + 3.0)
    fine = told & (elapsed >= 3)
    if fine.sum() < LEAST_STEPS:
        return None
    tenth = np.searchsorted(np.quantile(past[fine], np.arange(0.1, 1, 0.1)), past[fine])
    ratio = (np.bincount(tenth, moved[fine]) + 1) / (np.bincount(tenth, expected[fine, 0]) + 1)
    return float(np.maximum(ratio, 1 / ratio).max())


def sharpest(ratio: float | None) -> float:
    """Λ from what the past reveals: twice as far, since a past tells only part.

    Where nothing was measured, 2, which is a convention and no finding.
    """
    return LEAST if ratio is None else max(LEAST, round(2 * ratio, 1))


def table_ends(
    problem: Problem,
    groups: Int[np.ndarray, " n"] | None,
    strength: float,
    weights: Float[np.ndarray, "draws n"],
) -> Float[np.ndarray, "draws 2"]:
    """Least and greatest value by table, for each weighing of the steps.

    Pairs that were never logged are worth the least and greatest return; chances of ``groups`` may
    be off by Λ = ``strength`` at every step (a robust Markov decision process that is rectangular
    by state and action, Iyengar 2005; for hidden causes Kallus & Zhou 2020). If something hidden
    that lasts never moves the chance of a group by more than Λ against its logged average at that
    state and action, the truth lies between.
    """
    out = []
    for weight in weights:
        table = Table(problem, weight)
        ends = []
        for low, unknown in ((True, problem.returns[0]), (False, problem.returns[1])):
            mean: Callable = (
                mean_of(table)
                if groups is None or strength <= 1
                else pinched(table, groups, strength, low=low)
            )
            ends.append(table.value(mean, unknown))
        out.append(ends)
    return np.array(out)


def weight_ends(
    weighing: Weighing, strength: float, draws: Float[np.ndarray, "draws episodes"]
) -> Float[np.ndarray, "draws 2"]:
    """Least and greatest self-normalised value when each episode's weight may be off by Λ.

    min / max Σ r_i w_i G_i / Σ r_i w_i over 1/Λ ≤ r_i ≤ Λ (Zhao, Small & Bhattacharya 2019): the
    best r is Λ on one side of some return and 1/Λ on the other.
    """
    gained = weighing.reward.sum(1)
    order = np.argsort(gained)
    g, w = gained[order], weighing.weight[order, -1]
    out = []
    for draw in draws:
        own = w * draw[order]
        mass, worth = np.cumsum(own), np.cumsum(own * g)
        ends = []
        for below, above in ((strength, 1 / strength), (1 / strength, strength)):
            top = below * worth + above * (worth[-1] - worth)
            bottom = below * mass + above * (mass[-1] - mass)
            value = top / np.maximum(bottom, 1e-12)
            ends.append(value.min() if below > above else value.max())
        out.append(ends)
    return np.array(out)
