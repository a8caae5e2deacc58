"""Attempts to refute an estimate: what should change nothing, and what should show nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from doworld.infer.effects.discrete import Estimate
from doworld.infer.effects.sample import Sample
from doworld.query.effect_details import Refutation
from doworld.query.words import number

__all__ = ["Again", "refute"]

Again = Callable[[Sample, int], Estimate]
"""The estimate once more, from other rows, by a seed."""

SHARE = 0.8
LIMIT = 2.81
"""|z| above which a refutation fails: one true estimate in 200 does."""
MOST = 5_000
"""Units that are drawn for refutations where there are more."""
PLACEBOS = 3


def refute(
    sample: Sample,
    again: Again,
    *,
    controls: Mapping[str, Sample],
    seed: int,
    fixed: bool = True,
) -> tuple[Refutation, ...]:
    """Placebo treatment, random common cause, random subset, and negative controls.

    ``controls`` are samples whose outcome is something that the treatment cannot move. Without
    ``fixed`` nothing is held fixed by the estimate, and a random common cause cannot be added.
    Every comparison is against the estimate from the same rows.
    """
    rng = np.random.default_rng([seed, 17])
    sample = _few(sample, rng)
    whole = again(sample, seed)
    out = [_placebo(sample, again, rng, seed)]
    if fixed:
        out.append(_random_cause(sample, again, whole, rng, seed))
    out.append(_subset(sample, again, whole, rng, seed))
    for name, control in controls.items():
        out.append(_negative(name, _few(control, rng), again, seed))
    return tuple(out)


def _few(sample: Sample, rng: np.random.Generator) -> Sample:
    units = np.unique(sample.unit)
    if len(sample) <= MOST or len(units) < 2:
        return sample
    kept = rng.permutation(units)[: max(2, round(len(units) * MOST / len(sample)))]
    return sample.part(np.isin(sample.unit, kept))


def _placebo(sample: Sample, again: Again, rng: np.random.Generator, seed: int) -> Refutation:
    found = [
        again(replace(sample, treatment=rng.permutation(sample.treatment)), seed + k)
        for k in range(PLACEBOS)
    ]
    mean = float(np.mean([e.value for e in found]))
    error = float(np.sqrt(np.mean([e.error**2 for e in found]) / PLACEBOS))
    return Refutation(
        name="placebo treatment",
        passed=_small(mean, error),
        words=f"treatments dealt out at random show {number(mean)} ± {number(error)}, "
        "where 0 is true",
    )


def _random_cause(
    sample: Sample, again: Again, whole: Estimate, rng: np.random.Generator, seed: int
) -> Refutation:
    drawn = rng.standard_normal((len(sample), 1))
    more = replace(
        sample,
        covariates=np.column_stack([sample.covariates, drawn]),
        labels=(*sample.labels, "random"),
        node=(*sample.node, max(sample.node, default=-1) + 1),
    )
    moved = again(more, seed).value - whole.value
    return Refutation(
        name="random common cause",
        passed=abs(moved) <= whole.error,
        words=f"moves the estimate by {number(moved)}, of an error of {number(whole.error)}",
    )


def _subset(
    sample: Sample, again: Again, whole: Estimate, rng: np.random.Generator, seed: int
) -> Refutation:
    units = np.unique(sample.unit)
    kept = rng.permutation(units)[: max(2, round(SHARE * len(units)))]
    moved = again(sample.part(np.isin(sample.unit, kept)), seed).value - whole.value
    error = whole.error * float(np.sqrt(1 / SHARE - 1))
    return Refutation(
        name="subset of the data",
        passed=_small(moved, error),
        words=f"{SHARE:.0%} of the units move the estimate by {number(moved)}, where "
        f"± {number(LIMIT * error)} is chance",
    )


def _negative(name: str, control: Sample, again: Again, seed: int) -> Refutation:
    found = again(control, seed)
    return Refutation(
        name=f"negative control {name}",
        passed=_small(found.value, found.error),
        words=f"which the treatment cannot move, seems moved by {number(found.value)} ± "
        f"{number(found.error)}",
    )


def _small(value: float, error: float) -> bool:
    return bool(abs(value) <= LIMIT * error)
