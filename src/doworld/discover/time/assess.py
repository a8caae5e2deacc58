"""Tests of every candidate of a block: linear where that is adequate, else by held-out loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats
from scipy.special import stdtr

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.progress import Track
from doworld.discover.numerics.heldout import NOISE_FREE, nested_test
from doworld.discover.numerics.standard import Standardised, standardise
from doworld.discover.numerics.threads import all_threads
from doworld.discover.time.design import Block
from doworld.discover.time.elimination import Elimination, eliminate
from doworld.discover.time.fits import LEAST_GAIN, Fit, fit_targets, least_gain, outcome_of
from doworld.discover.time.linear import PartialTests, normal_score, partial_tests
from doworld.discover.time.many_levels import by_strata, crowded_targets
from doworld.discover.time.observed import observe
from doworld.discover.time.results import EdgeTests, empty_table
from doworld.discover.time.selection import selected_tests

__all__ = ["Assessment", "assess"]

LINEAR_TEST = "partial correlation (HC3); effect: standardised coefficient"
SELECTED_TEST = "partial correlation given selected parents; effect: standardised coefficient"
NONLINEAR_TEST = "held-out loss without it ({}); effect: share of explainable variance"
MANY_COLUMNS = 16
FEW_ROWS = 60
NONLINEAR_LEVEL = 0.01
DENSE = 3
TRACE = 2.0
BENDS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.square,
    np.abs,
    lambda x: x * (x * x - 3),
    lambda x: np.sin(2 * x),
    lambda x: x * np.exp(-(x**2)),
)
SCREENED = 10_000_000
"""Numbers of a table that the screen for nonlinear relations looks at."""
STILL = 1e-3
"""Standard deviation of a bent input, of one with unit variance, below which it does not vary."""
LOOKED_AT = 10_000
"""Rows that tell whether a target that the screen holds for nonlinear is."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """The tests of a block, what the models leave unexplained, and what was decided."""

    tests: EdgeTests
    residual: Float[np.ndarray, "rows outcomes"]
    unexplained: Float[np.ndarray, " targets"]
    linear: Bool[np.ndarray, " targets"]


def assess(
    block: Block,
    required: Bool[np.ndarray, "candidates targets"],
    track: Track,
    budget: Budget = UNLIMITED,
) -> Assessment:
    """Tests every allowed candidate of every target.

    Targets with the same allowed candidates share one correlation matrix and one basis. Linear
    tests are always made; bent answers are looked for while ``budget`` lasts.
    """
    table = empty_table(block, LINEAR_TEST)
    residual: np.ndarray = np.zeros(block.outcomes.shape)  # no page is touched
    unexplained = np.ones(len(block.targets))
    linear = np.ones(len(block.targets), bool)
    groups: dict[bytes, list[int]] = {}
    crowded = [] if block.scalar else crowded_targets(block)
    if crowded:
        by_strata(block, table, crowded)
        # with as many levels as that nothing is left to look for links within the row
        unexplained[crowded] = np.nan
        track.advance(len(crowded), budget.words())
    for t in (t for t in range(len(block.targets)) if t not in crowded):
        groups.setdefault(block.allowed[:, t].tobytes(), []).append(t)
    for targets in groups.values():
        kept = np.flatnonzero(block.allowed[:, targets[0]]).tolist()
        if not kept:
            continue
        part = block.keep(kept)
        tests = _linear(part, targets, kept, table)
        at = [c for t in targets for c in block.targets[t].columns]
        if at == list(range(residual.shape[1])):
            residual = tests.residual
        else:
            residual[:, at] = tests.residual
        for t in targets:
            own = [at.index(c) for c in block.targets[t].columns]
            unexplained[t] = float((tests.residual[:, own] ** 2).mean())
        if block.holes is not None:
            track.advance(len(targets), budget.words())
            continue  # bent models of completed rows would be judged by values never seen
        if budget.over():
            _cut(budget, [block.targets[t].name for t in targets])
            continue
        bent = _nonlinear_targets(part, targets, tests, at)
        for k, (t, fit, some) in enumerate(bent):
            if budget.over():
                _cut(budget, [block.targets[u].name for u, _, _ in bent[k:]])
                break
            need = [i for i in range(len(kept)) if required[kept[i], t]]
            missed = [i for i in need if i not in some]
            first = None if missed else fit
            found = eliminate(part, t, some + missed, required=need, first=first)
            _write(table, found, kept, t)
            residual[:, list(block.targets[t].columns)] = found.residual
            unexplained[t], linear[t] = found.unexplained, False
        track.advance(len(targets), budget.words())
    observe(block, table)
    return Assessment(table, residual, unexplained, linear)


def _cut(budget: Budget, names: list[str]) -> None:
    few = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    budget.cut(f"no look for bent answers of {few}")


def _linear(
    part: Block, targets: Sequence[int], kept: Sequence[int], table: EdgeTests
) -> PartialTests:
    """Fills ``table`` with the linear tests of ``targets`` and returns them by column."""
    at = [c for t in targets for c in part.targets[t].columns]
    increments = part.increments(at)
    n, p = part.inputs.shape
    steady = np.zeros(p, bool)
    for c in part.candidates:
        steady[list(c.columns)] = c.steady and part.units.episodes
    crowded = n <= DENSE * p + 2 or max(c.lag for c in part.candidates) > 1
    run = selected_tests if crowded else partial_tests
    tests = run(part.standardised, increments, part.units, steady)
    where = np.ix_(kept, targets)
    if part.scalar:
        tests = _own_past(part, targets, tests, at)
        table.score[where], table.p_value[where] = tests.score, tests.p_value
        table.statistic[where], table.effect[where] = tests.statistic, tests.coefficient
        table.gain[where] = tests.gain
        if table.influence.size and tests.influence.size:
            table.influence[np.ix_(range(part.units.count), kept, targets)] = tests.influence
    else:
        _grouped(part, targets, kept, tests, table=table, at=at)
    table.least_gain[where] = LEAST_GAIN
    for t in targets:
        table.test[t] = SELECTED_TEST if crowded else LINEAR_TEST
    return tests


def _own_past(
    part: Block, targets: Sequence[int], tests: PartialTests, at: list[int]
) -> PartialTests:
    """Moves from increments to levels: the own coefficient gains 1, standardised anew."""
    increments = part.increments(at)
    spread = tests.spread
    wide = Standardised(part.outcomes).scale[at]
    effect = tests.coefficient * spread / wide
    score, statistic, p_value = tests.score.copy(), tests.statistic.copy(), tests.p_value.copy()
    gain, influence = tests.gain.copy(), tests.influence  # in place: it is large
    for t in targets:
        own, k = part.targets[t].own, at.index(part.targets[t].columns[0])
        if own is None or increments.earlier[k] < 0:
            continue
        i = part.candidates[own].columns[0]
        shift = part.standardised.scale[i] / spread[k]
        b, s, z = tests.coefficient[i, k], tests.statistic[i, k], tests.score[i, k]
        error = abs(b / s) if s else 1 / np.sqrt(tests.freedom)
        level = (b + shift) / error
        statistic[i, k] = level
        p_value[i, k] = 2 * stdtr(tests.freedom, -abs(level))
        score[i, k] = normal_score(p_value[i, k], level)
        gain[i, k] = level**2 / (level**2 + tests.freedom)
        effect[i, k] = (b + shift) * spread[k] / wide[k]
        if influence.size and level and s and z:
            influence[:, i, k] *= (score[i, k] / level) / (z / s)
    return replace(
        tests,
        score=score,
        statistic=statistic,
        p_value=p_value,
        gain=gain,
        coefficient=effect,
        influence=influence,
    )


def _grouped(
    part: Block,
    targets: Sequence[int],
    kept: Sequence[int],
    tests: PartialTests,
    *,
    table: EdgeTests,
    at: list[int],
) -> None:
    """Joint tests of all columns of a categorical candidate or target (Wald, χ²)."""
    levels = _own_past(part, targets, tests, at)
    noise = tests.residual.T @ tests.residual / max(tests.freedom, 1)
    for t in targets:
        ys = [at.index(c) for c in part.targets[t].columns]
        outer = np.linalg.pinv(noise[np.ix_(ys, ys)])
        for i, candidate in enumerate(part.candidates):
            xs, cell = list(candidate.columns), (kept[i], t)
            if len(xs) == 1 and len(ys) == 1:
                one = (xs[0], ys[0])
                table.score[cell], table.p_value[cell] = levels.score[one], levels.p_value[one]
                table.statistic[cell], table.gain[cell] = levels.statistic[one], levels.gain[one]
                table.effect[cell] = levels.coefficient[one]
                continue
            b = tests.coefficient[np.ix_(xs, ys)]
            inner = np.linalg.pinv(tests.precision[np.ix_(xs, xs)])
            wald = float(np.trace(inner @ b @ outer @ b.T))
            p = float(stats.chi2.sf(wald, len(xs) * len(ys)))
            table.statistic[cell], table.p_value[cell] = wald, p
            table.score[cell] = float(normal_score(p, 1.0))
            table.gain[cell] = wald / len(ys) / (wald / len(ys) + tests.freedom)
            table.effect[cell] = table.gain[cell]


def _nonlinear_targets(
    part: Block, targets: Sequence[int], tests: PartialTests, at: list[int]
) -> list[tuple[int, Fit | None, list[int]]]:
    """Targets that a linear model does not do justice to, with the candidates worth trying."""
    n, p = part.inputs.shape
    if n < FEW_ROWS:
        return []
    everything = list(range(len(part.candidates)))
    out: list[tuple[int, Fit | None, list[int]]] = []
    rest = list(targets)
    if p <= MANY_COLUMNS:
        for t, fit in zip(targets, fit_targets(part, everything, targets), strict=True):
            if is_nonlinear(part, t, fit):
                out.append((t, fit, everything))
                rest.remove(t)
    thin = part.thinned(max(1, n // LOOKED_AT))
    for t, some in _screen(part, rest, tests, at):
        fit = fit_targets(thin, some, [t])[0]
        if is_nonlinear(thin, t, fit):
            known = fit if thin is part and p > MANY_COLUMNS else None
            out.append((t, known, everything if p <= MANY_COLUMNS else some))
    return out


def is_nonlinear(part: Block, target: int, fit: Fit) -> bool:
    """Whether the chosen class predicts held-out increments better than the linear class."""
    goal = outcome_of(part, target)
    test = nested_test(
        goal.increment,
        fit.predicted,
        fit.linear,
        part.units,
        terms=max(len(fit.chosen.terms) - part.inputs.shape[1] - 1, 1),
        floor=goal.floor,
        noise_free=fit.loss < NOISE_FREE,
    )
    return test.p_value < NONLINEAR_LEVEL and test.gain >= least_gain(fit.loss)


def _screen(
    part: Block, targets: Sequence[int], tests: PartialTests, at: list[int]
) -> list[tuple[int, list[int]]]:
    """Targets whose linear residual correlates with a bent transform of a single input.

    With each come the candidates worth trying: those with a linear or a bent trace. Of a
    large table evenly spaced rows are looked at.
    """
    every = max(1, part.inputs.size // SCREENED)
    columns = part.standardised
    x = np.clip((part.inputs[::every] - columns.mean) / columns.scale, -3, 3).astype(np.float32)
    e = standardise(tests.residual[::every])[0].astype(np.float32)
    n, p = x.shape
    strongest = np.zeros((p, e.shape[1]), np.float32)
    for bend in BENDS:
        b = bend(x)
        b -= b.mean(0)
        size = np.sqrt(np.einsum("ij,ij->j", b, b))
        size[size < STILL * np.sqrt(n)] = np.inf
        with all_threads(b.size * e.shape[1]):
            shared = np.abs(b.T @ e)
        np.maximum(strongest, shared / size[:, None], out=strongest)
    bar = stats.norm.isf(NONLINEAR_LEVEL / (2 * len(BENDS) * p * max(len(targets), 1)))
    out = []
    for t in targets:
        ys = [at.index(c) for c in part.targets[t].columns]
        bent_score = strongest[:, ys].max(1)
        if bent_score.max() < bar:
            continue
        score = np.maximum(np.abs(tests.score[:, ys]).max(1), bent_score)
        by_candidate = np.array([score[list(c.columns)].max() for c in part.candidates])
        best = np.argsort(-by_candidate)[:MANY_COLUMNS]
        out.append((t, sorted(int(i) for i in best if by_candidate[i] > TRACE)))
    return out


def _write(table: EdgeTests, found: Elimination, kept: Sequence[int], target: int) -> None:
    """Replaces a target's linear tests by the nonlinear ones.

    Candidates that were screened away keep a p-value of 1: nothing spoke for them.
    """
    table.test[target] = NONLINEAR_TEST.format(found.chosen)
    for i, where in enumerate(kept):
        cell = (where, target)
        test = found.tests.get(i)
        table.score[cell] = test.score if test else 0.0
        table.statistic[cell] = test.score if test else 0.0
        table.p_value[cell] = test.p_value if test else 1.0
        table.gain[cell] = test.gain if test else 0.0
        table.effect[cell] = found.effects.get(i, 0.0)
        table.least_gain[cell] = least_gain(found.unexplained)
        if table.influence.size:
            table.influence[:, where, target] = test.influence if test else 0.0
