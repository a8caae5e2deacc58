"""Which candidates a nonlinear target needs: backward elimination by held-out loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doworld.discover.numerics.heldout import NOISE_FREE, NestedTest, nested_test
from doworld.discover.time.design import Block
from doworld.discover.time.fits import (
    Fit,
    Outcome,
    fit_same_class,
    fit_targets,
    least_gain,
    outcome_of,
    test_without,
)

__all__ = ["Elimination", "eliminate"]

KEEP_LEVEL = 0.01
CLEAR = 0.95


@dataclass(frozen=True, eq=False)
class Elimination:
    """The outcome for one target: a test for every candidate that was allowed.

    ``unexplained`` is the share of the increments' variance that the kept candidates leave, and
    ``residual`` the held-out errors.
    """

    kept: tuple[int, ...]
    tests: dict[int, NestedTest]
    effects: dict[int, float]
    unexplained: float
    chosen: str
    residual: np.ndarray


def eliminate(
    block: Block,
    target: int,
    candidates: Sequence[int],
    *,
    required: Sequence[int] = (),
    first: Fit | None = None,
) -> Elimination:
    """Backward elimination, a forward check, and a test of every candidate for one target.

    Each round fits the candidates that are left with the capacity class of lowest held-out loss,
    and drops those whose absence costs nothing: a third at a time, or all where the rest is noise.
    Capacity per candidate rises as candidates go, so a gain that came only from a too small class
    vanishes. ``first`` is a fit of all ``candidates`` where there is one already.
    """
    goal = outcome_of(block, target)
    kept = list(candidates)
    fit = first or fit_targets(block, kept, [target])[0]
    found: dict[int, tuple[NestedTest, np.ndarray]] = {}
    while kept:
        found = {i: test_without(block, goal, fit, i) for i in kept}
        bar = least_gain(fit.loss)
        tests = {i: f[0] for i, f in found.items()}
        free = [i for i in kept if i not in required]
        idle = [i for i in free if tests[i].gain < bar]
        idle = idle or [i for i in free if tests[i].p_value > KEEP_LEVEL]
        if not idle:
            better = _fewer_inputs_more_capacity(block, target, fit, tests, required)
            if better is None:
                break
            fit, kept = better, list(better.kept)
            continue
        idle.sort(key=lambda i: tests[i].gain)
        third = max(1, len(idle) // 3)
        useless = sum(tests[i].gain <= 0 for i in idle) if fit.loss > NOISE_FREE else 0
        gone = idle[: max(third, useless)]
        kept = [i for i in kept if i not in gone]
        fit = fit_targets(block, kept, [target])[0]
    fit, outside = _forward(block, goal, target, fit, [i for i in candidates if i not in kept])
    if fit.kept != tuple(kept):
        found = {i: test_without(block, goal, fit, i) for i in fit.kept}
    return _summary(block, goal, target, fit, found=found, outside=outside)


def _fewer_inputs_more_capacity(
    block: Block,
    target: int,
    fit: Fit,
    tests: dict[int, NestedTest],
    required: Sequence[int],
) -> Fit | None:
    """In a noise-free system: a fit without one input that is no worse, because it bends more.

    An input that is no cause can help a class that is too small; without it a larger class is
    affordable and does better. A true cause removes nearly all of the loss and is not tried.
    """
    if fit.loss >= NOISE_FREE:
        return None
    weak = sorted((t.gain, i) for i, t in tests.items() if t.gain < CLEAR and i not in required)
    for _, i in weak:
        narrower = fit_targets(block, [k for k in fit.kept if k != i], [target])[0]
        if narrower.loss <= fit.loss:
            return narrower
    return None


def _forward(
    block: Block, goal: Outcome, target: int, fit: Fit, dropped: list[int]
) -> tuple[Fit, dict[int, NestedTest]]:
    """Takes back, best first, what the final model turns out to need after all."""
    outside: dict[int, NestedTest] = {}
    while dropped:
        tried = {}
        for i in dropped:
            wider = fit_same_class(block, [*fit.kept, i], target, fit.chosen)
            tried[i] = (test_without(block, goal, wider, i)[0], wider)
        outside = {i: t for i, (t, _) in tried.items()}
        level = KEEP_LEVEL / len(dropped)
        needed = [
            i
            for i, (t, wider) in tried.items()
            if t.p_value < level and t.gain >= least_gain(wider.loss) and wider.loss < fit.loss
        ]
        if not needed:
            break
        best = max(needed, key=lambda i: tried[i][0].gain)
        fit = fit_targets(block, tried[best][1].kept, [target])[0]
        dropped = [j for j in dropped if j != best]
        outside.pop(best)
    return fit, outside


def _summary(
    block: Block,
    goal: Outcome,
    target: int,
    fit: Fit,
    *,
    found: dict[int, tuple[NestedTest, np.ndarray]],
    outside: dict[int, NestedTest],
) -> Elimination:
    own = block.targets[target].own
    tests = {i: t for i, (t, _) in found.items()} | outside
    effects: dict[int, float] = {}
    for i, (_, smaller) in found.items():
        lost = float(((goal.increment - smaller) ** 2 / goal.scale).mean())
        effects[i] = _share(lost, fit.loss, 1.0)
    if own is not None and own in tests and goal.differenced:
        tests[own], effects[own] = _own_past(block, goal, target, fit)
    return Elimination(
        fit.kept, tests, effects, fit.loss, str(fit.chosen), goal.increment - fit.predicted
    )


def _own_past(block: Block, goal: Outcome, target: int, fit: Fit) -> tuple[NestedTest, float]:
    """The target's level with and without its own past: increments alone cannot show that."""
    others = [i for i in fit.kept if i != block.targets[target].own]
    without = fit_targets(block, others, [target], level=True)[0]
    larger = fit.predicted + (goal.level - goal.increment)
    variance = np.maximum(goal.level.var(0), np.finfo(float).tiny)
    test = nested_test(
        goal.level,
        larger,
        without.predicted,
        block.units,
        terms=max(len(fit.chosen.terms) - len(without.chosen.terms), 1),
        floor=float((goal.floor * goal.scale / variance).mean()),
        noise_free=fit.loss < NOISE_FREE,
    )
    lost = float(((goal.level - without.predicted) ** 2 / variance).mean())
    left = float(((goal.level - larger) ** 2 / variance).mean())
    return test, _share(lost, left, 1.0)


def _share(lost: float, left: float, base: float) -> float:
    """Share of the explainable variance that goes with a candidate: 0…1."""
    span = max(base, lost) - left
    return float(np.clip((lost - left) / span, 0, 1)) if span > 0 else 0.0
