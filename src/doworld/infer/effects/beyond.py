"""Effects on a population of which a part has nobody to be compared with."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.infer.effects import discrete
from doworld.infer.effects.case import Case, shown
from doworld.infer.effects.discrete import Estimate, Nuisance, mean_of
from doworld.infer.effects.overlap import FEW_OUTSIDE, LOW, inside
from doworld.infer.effects.sample import Sample
from doworld.query.effect_details import Estimated
from doworld.query.words import number

__all__ = ["Beyond"]


@dataclass(frozen=True)
class Beyond:
    """What the outcome of such units may be at the level that they never have.

    With Y in [l, h], a unit that is observed at the lower level has an effect in [l − Y, h − Y],
    one at the higher level in [Y − h, Y − l] (Manski 1990, applied to these units alone); all
    others keep their doubly robust score.

    Attributes:
        low, high: l and h, in the outcome's unit.
        logged: whether they are the ends of the log, since the schema has none.
    """

    low: float
    high: float
    logged: bool

    @classmethod
    def of(cls, case: Case, sample: Sample) -> "Beyond":
        """The outcome's levels or bounds, or what was logged where it has none."""
        variable, asked = case.log.schema[case.query.outcome], case.asked
        if asked.event is not None or variable.levels == 2:
            return cls(0.0, 1.0, False)
        if variable.levels > 2:
            return cls(0.0, float(variable.levels - 1), False)
        low, high = variable.bounds
        least, most = float(sample.outcome.min()), float(sample.outcome.max())
        known = bool(np.isfinite([low, high]).all())
        return cls(
            low if np.isfinite(low) else least, high if np.isfinite(high) else most, not known
        )

    def contrast(
        self, case: Case, sample: Sample, fitted: Nuisance, phi: np.ndarray, high: int, name: str
    ) -> tuple[Estimated, bool]:
        """The contrast of a level with the first by scores ``phi``, and whether it is a bound."""
        out = ~inside(fitted.propensity[:, [0, high]])
        own = phi[:, high] - phi[:, 0]
        point = self._shown(case, fitted, mean_of(own, sample.unit), high, name)
        if out.mean() <= FEW_OUTSIDE:
            return point, False
        ranges = self._ranges(sample, fitted, high)
        ends = [mean_of(np.where(out, each, own), sample.unit) for each in ranges]
        return _between(point, ends, case.query.level), True

    def treated(
        self, case: Case, sample: Sample, fitted: Nuisance, high: int, name: str
    ) -> tuple[Estimated, bool]:
        """The same among the treated: (1 − s) of those with overlap, s of the others' range."""
        whole = discrete.estimates(sample, fitted, 0, high, treated=True)["doubly robust"]
        point = self._shown(case, fitted, whole, high, name)
        out, mine = fitted.propensity[:, 0] < LOW, fitted.chosen == high
        share = float(out[mine].mean())
        if share <= FEW_OUTSIDE:
            return point, False
        part, fits = sample.part(~out), fitted.part(~out)
        found = discrete.estimates(part, fits, 0, high, treated=True)["doubly robust"]
        ends = []
        for end in (self.high, self.low):
            alone = mean_of(sample.outcome[mine & out] - end, sample.unit[mine & out])
            error = alone.error if np.isfinite(alone.error) else 0.0
            value = (1 - share) * found.value + share * alone.value
            ends.append(Estimate(value, float(np.hypot((1 - share) * found.error, share * error))))
        return _between(point, ends, case.query.level), True

    def _shown(
        self, case: Case, fitted: Nuisance, found: Estimate, high: int, name: str
    ) -> Estimated:
        rows = int(np.isin(fitted.chosen, (0, high)).sum())
        return shown(name, found, case.query.level, rows=rows)

    def _ranges(
        self, sample: Sample, fitted: Nuisance, high: int
    ) -> list[Float[np.ndarray, " rows"]]:
        y, (low, top) = sample.outcome, (self.low, self.high)
        at_low, at_high = fitted.chosen == 0, fitted.chosen == high
        least = np.where(at_low, low - y, np.where(at_high, y - top, low - top))
        most = np.where(at_low, top - y, np.where(at_high, y - low, top - low))
        return [least, most]

    def words(self, outside: float) -> str:
        """What is taken of the units that nobody is compared with."""
        of = "logged range" if self.logged else "bounds"
        hint = "; give its bounds in the schema where it may lie outside" if self.logged else ""
        return (
            f"{outside:.0%} of the units almost surely had the level that they had: with the other "
            f"one their outcome is taken to lie anywhere in its {of} {number(self.low)} … "
            f"{number(self.high)}{hint}. population='overlap' leaves them out."
        )


def _between(point: Estimated, ends: list[Estimate], level: float) -> Estimated:
    """The estimate with the ends of a bound, sampling error included."""
    lower, upper = ends[0].interval(level)[0], ends[1].interval(level)[1]
    middle = float(np.clip(point.estimate, lower, upper))
    return point.model_copy(update={"estimate": middle, "lower": lower, "upper": upper})
