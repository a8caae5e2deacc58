"""The capacity class with the lowest held-out loss, for several targets at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from doworld.discover.numerics.basis import Basis, CapacityClass, build_basis
from doworld.discover.numerics.heldout import NOISE_FREE, HeldOut, NestedTest, nested_test
from doworld.discover.time.design import Block

__all__ = ["Fit", "fit_same_class", "fit_targets", "least_gain", "test_without"]

MOST_TERMS = 420
ROWS_PER_TERM = 4
CLOSE = 1.005
PATIENCE = 3
LEAST_GAIN = 0.002
LEAST_GAIN_NOISE_FREE = 0.1


@dataclass(frozen=True, eq=False)
class Outcome:
    """One target as it is modelled: increments where it has a past, and its rounding error.

    ``floor`` is the share of the variance that rounding alone explains.
    """

    level: Float[np.ndarray, "rows columns"]
    increment: Float[np.ndarray, "rows columns"]
    scale: Float[np.ndarray, " columns"]
    floor: float
    differenced: bool


@dataclass(frozen=True, eq=False)
class Fit:
    """A class of models on a set of candidates, with its held-out predictions of one target.

    ``loss`` is the mean squared held-out error as a share of the increments' variance;
    ``linear`` the same of the linear class, with its predictions.
    """

    kept: tuple[int, ...]
    basis: Basis
    model: HeldOut
    which: list[int]
    chosen: CapacityClass
    predicted: Float[np.ndarray, "rows columns"]
    loss: float
    linear: Float[np.ndarray, "rows columns"]


def outcome_of(block: Block, target: int) -> Outcome:
    """The target's level, increments and rounding floor."""
    at = list(block.targets[target].columns)
    level = block.outcomes[:, at]
    increment = block.increments(at)[:]
    differenced = bool((block.earlier[at] >= 0).any())
    scale = np.maximum(increment.var(0), np.finfo(float).tiny)
    rounding = 8.0 if differenced else 4.0
    floor = float((rounding * block.floor[at] / scale).mean())
    return Outcome(level, increment, scale, floor, differenced)


def most_terms(block: Block) -> int:
    """How many terms the rows of all but one fold can carry."""
    rows = len(block.outcomes) * (1 - 1 / block.units.folds)
    return min(MOST_TERMS, int(rows) // ROWS_PER_TERM)


def least_gain(loss: float) -> float:
    """The share of the remaining loss that an edge must remove to be believed.

    Where next to nothing is left unexplained, what is left is approximation error, which irrelevant
    inputs can imitate; a true cause there removes most of the loss, so much is asked.
    """
    return LEAST_GAIN_NOISE_FREE if loss < NOISE_FREE else LEAST_GAIN


def fit_targets(
    block: Block, kept: Sequence[int], targets: Sequence[int], *, level: bool = False
) -> list[Fit]:
    """For each target the smallest class within half a percent of its lowest held-out loss.

    Classes are tried in order of size; a kind of which three with interactions in a row improve
    no target is left.
    ``level`` models the targets themselves and not their increments.
    """
    goals = [outcome_of(block, t) for t in targets]
    table = np.concatenate([g.level if level else g.increment for g in goals], 1)
    basis = build_basis(block.inputs[:, block.columns_of(kept)], most_terms(block))
    model = HeldOut(basis.table, table, block.units)
    ends = np.cumsum([0, *(g.level.shape[1] for g in goals)])
    spans = [list(range(a, b)) for a, b in pairwise(ends)]
    classes = sorted(basis.classes, key=lambda c: len(c.terms))
    predictions: list[np.ndarray] = []
    tried: list[CapacityClass] = []
    losses = np.empty((0, len(goals)))
    stale = [0, 0]
    for which in classes:
        if stale[which.bounded] >= PATIENCE:
            continue
        predictions.append(model.predict(which.terms))
        error = (table - predictions[-1]) ** 2
        row = [float((error[:, s] / g.scale).mean()) for g, s in zip(goals, spans, strict=True)]
        better = not len(losses) or bool(np.any(np.array(row) < losses.min(0) * 0.995))
        losses = np.vstack([losses, row])
        stale[which.bounded] = 0 if better else stale[which.bounded] + (which.order > 1)
        tried.append(which)
    out = []
    for k, (goal, span) in enumerate(zip(goals, spans, strict=True)):
        bar = CLOSE * (losses[:, k].min() + goal.floor)
        best = int(np.flatnonzero(losses[:, k] + goal.floor <= bar)[0])
        out.append(
            Fit(
                tuple(kept),
                basis,
                model,
                span,
                tried[best],
                predictions[best][:, span],
                float(losses[best, k]),
                predictions[0][:, span],
            )
        )
    return out


def fit_same_class(block: Block, kept: Sequence[int], target: int, like: CapacityClass) -> Fit:
    """The candidates ``kept`` with the class ``like``, or the largest below it that rows carry."""
    goal = outcome_of(block, target)
    columns = block.columns_of(kept)
    basis = build_basis(block.inputs[:, columns], most_terms(block), like=like)
    model = HeldOut(basis.table, goal.increment, block.units)
    which = max(basis.classes, key=lambda c: len(c.terms))
    predicted = model.predict(which.terms)
    loss = float(((goal.increment - predicted) ** 2 / goal.scale).mean())
    span = list(range(goal.increment.shape[1]))
    return Fit(tuple(kept), basis, model, span, which, predicted, loss, predicted)


def test_without(
    block: Block, goal: Outcome, fit: Fit, candidate: int
) -> tuple[NestedTest, np.ndarray]:
    """The fit against itself without one candidate, and the predictions without it."""
    columns = block.columns_of(fit.kept)
    inputs = [columns.index(c) for c in block.candidates[candidate].columns]
    rest = fit.basis.without(fit.chosen, inputs)
    smaller = fit.model.predict(rest, fit.which)
    test = nested_test(
        goal.increment,
        fit.predicted,
        smaller,
        block.units,
        terms=max(len(fit.chosen.terms) - len(rest), 1),
        floor=goal.floor,
        noise_free=fit.loss < NOISE_FREE,
    )
    return test, smaller
