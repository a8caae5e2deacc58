"""Counterfactuals of static tables with linear mechanisms, without a rollout.

Where a variable is a linear function of its causes plus noise of its own, the noise drops out:

    z' = f(pa') + u,   u = z − f(pa)   ⟹   z' − z = wᵀ(x(pa') − x(pa)),

so that what an intervention changes is carried from cause to effect in causal order, in float64,
for all units and members at once. Nothing is compiled, and one unit costs microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from doworld.infer.reach import Reach
from doworld.mechanisms import LinearBank
from doworld.model.world import WorldModel
from doworld.query.done import Done

__all__ = ["Linear", "linear_of"]

WAYS = 64
"""Questions whose ways are kept."""


@dataclass(frozen=True, eq=False)
class _Law:
    """One variable's weights in the variables' own units.

    Attributes:
        causes: columns of the causes; levels: the level that each feature marks, −1 for a number.
        weight: by feature and member.
    """

    causes: np.ndarray
    levels: np.ndarray
    weight: Float[np.ndarray, "features members"]


@dataclass(frozen=True, eq=False)
class Linear:
    """The linear mechanisms of a static table, in causal order.

    Attributes:
        laws: of the columns that have a linear mechanism.
        order: columns with a mechanism, causes first.
        lower, upper: bounds that mechanisms keep to.
        reach: which column acts on which.
        ways: what was found on the way from what is done to what is asked.
    """

    laws: dict[int, _Law]
    order: tuple[int, ...]
    lower: np.ndarray
    upper: np.ndarray
    members: int
    reach: Reach
    ways: dict[tuple, list[int]] = field(default_factory=dict)

    def answers(self, done: Done, targets: Sequence[int], values: np.ndarray) -> bool:
        """Whether all mechanisms between what is done and the targets are linear and in bounds.

        A value at its bound is censored: the noise behind it is not known exactly.
        """
        if done.policies:
            return False
        moved = self._moved(done, targets)
        if any(i not in self.laws for i in moved if not done.cut[0, i]):
            return False
        own = values[:, moved]
        return bool(((own > self.lower[moved]) & (own < self.upper[moved])).all())

    def _moved(self, done: Done, targets: Sequence[int]) -> list[int]:
        """Columns on a way from what is done to a target, causes first."""
        touched = done.touched[0]
        key = (touched.tobytes(), tuple(targets))
        if key not in self.ways:
            near = np.isfinite(self.reach.delay)
            way = np.asarray(near[touched].any(0) & near[:, list(targets)].any(1))
            if len(self.ways) >= WAYS:
                self.ways.clear()
            self.ways[key] = [i for i in self.order if way[i]]
        return self.ways[key]

    def replay(
        self, done: Done, targets: Sequence[int], values: Float[np.ndarray, "units variables"]
    ) -> dict[int, Float[np.ndarray, "_ units"]]:
        """The altered values of the columns that ``done`` moves on its way to the targets.

        By member, or one row for all of them where they agree.
        """
        gain, offset = done.gain[0], done.offset[0]
        change: dict[int, np.ndarray] = {}
        for i in np.flatnonzero(done.touched[0]):
            if i not in self.order:
                change[int(i)] = (gain[i] * values[:, i] + offset[i] - values[:, i])[None]
        out = {i: values[:, i] + d for i, d in change.items()}
        for i in self._moved(done, targets):
            law, total = self.laws.get(i), 0.0
            if gain[i] == 0:
                out[i] = np.full((1, len(values)), offset[i])
            else:
                assert law is not None
                for cause, level, weight in zip(law.causes, law.levels, law.weight, strict=True):
                    if cause not in change:
                        continue
                    own = change[cause]
                    if level >= 0:
                        own = (out[cause] == level) * 1.0 - (values[:, cause] == level)
                    total = total + weight[:, None] * own
                own = values[None, :, i] + total
                natural = np.minimum(np.maximum(own, self.lower[i]), self.upper[i])
                out[i] = gain[i] * natural + offset[i]
            change[i] = out[i] - values[:, i]
        return out

    def whole(
        self, done: Done, targets: Sequence[int], values: Float[np.ndarray, "one variables"]
    ) -> Float[np.ndarray, "members 1 1 variables"]:
        """All columns of one unit's altered row; those off the way keep their values."""
        out = np.repeat(values, self.members, 0)
        for i, moved in self.replay(done, targets, values).items():
            out[:, i] = moved[:, 0]
        return out[:, None, None]


_KNOWN: WeakKeyDictionary[WorldModel, Linear | None] = WeakKeyDictionary()


def linear_of(model: WorldModel) -> Linear | None:
    """The linear mechanisms of a static table; None for a log over time. Once a model."""
    if model not in _KNOWN:
        _KNOWN[model] = _linear(model) if model.schema.static else None
    return _KNOWN[model]


def _linear(model: WorldModel) -> Linear:
    dynamics = model.dynamics
    variable, level = np.asarray(dynamics.coding.variable), np.asarray(dynamics.coding.level)
    order = np.asarray(dynamics.order)
    laws: dict[int, _Law] = {}
    for bank in dynamics.banks:
        if not isinstance(bank, LinearBank):
            continue
        targets, columns = np.asarray(bank.targets), np.asarray(bank.columns)
        weight = np.asarray(bank.weight, np.float64) * (np.asarray(bank.mask) > 0)
        for n, target in enumerate(targets[0]):
            used = np.unique(columns[:, n][weight[:, n] != 0])
            own = np.einsum("umk,mk->um", used[:, None, None] == columns[:, n], weight[:, n])
            own = own * model.scale[target] / model.scale[variable[used]][:, None]
            laws[int(target)] = _Law(variable[used], level[used], own)
    made = [int(i) for i in np.argsort(order, kind="stable") if order[i] >= 0]
    bounds = np.array([v.bounds for v in model.schema.variables], float)
    discrete = np.array([v.levels > 0 for v in model.schema.variables])
    low = np.where(discrete, -np.inf, bounds[:, 0])
    high = np.where(discrete, np.inf, bounds[:, 1])
    return Linear(laws, tuple(made), low, high, dynamics.members, Reach.of(model))
