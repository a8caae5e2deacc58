"""Levels of an action that set a variable by force: randomised experiments inside a log.

Where action level a makes variable i take one value whatever it was before, a is a lever of i. The
levers H(i) set i to several values, chosen at random, so that any j whose next value depends on
which of them was pulled comes after i: the total effect of do(i) on j needs no reference level and
no other assumption than that a lever acts on nothing else directly (interventions with unknown
targets, found by their traces; compare Squires, Wang & Uhler 2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.numerics.stratified import joint_code, stratified

__all__ = ["Levers", "descent", "find_levers"]

Codes = Int[np.ndarray, " rows"]

FORCED = 0.98
"""Share of a level's rows in which a lever must bring about one value."""

CHANCE = 1e-6
"""Probability below which that value did not come about by itself."""

FEWEST = 5
"""Rows of a level below which it is not judged."""


@dataclass(frozen=True, eq=False)
class Levers:
    """Which rows are experiments on which variable.

    Attributes:
        pulled: per variable that has levers, the action level pulled in each row, −1 where none of
            its levers was.
        moved: per action what it did in each row: its level, where all levers of one variable
            count as one.
    """

    pulled: Mapping[str, Codes]
    moved: Mapping[str, Codes]

    def rows_of(self, names: tuple[str, ...]) -> Bool[np.ndarray, " rows"]:
        """Where a lever of one of these variables was pulled."""
        out = np.zeros(len(next(iter(self.pulled.values()))), bool)
        for name in names:
            if name in self.pulled:
                out |= self.pulled[name] >= 0
        return out

    def experiments(
        self, names: tuple[str, ...], above: Bool[np.ndarray, "names names"], j: int
    ) -> tuple[tuple[str, ...], Bool[np.ndarray, " rows"]]:
        """What stands above name j, and the rows in which a lever of that was pulled, not its own.

        The names in the order of ``above``, in which ``[i, j]`` says that i stands above j.
        """
        higher = tuple(names[i] for i in np.flatnonzero(above[:, j]))
        return higher, self.rows_of(higher) & (self.pulled[names[j]] < 0)


def find_levers(
    now: Mapping[str, Codes], before: Mapping[str, Codes], actions: Mapping[str, Codes]
) -> Levers:
    """The levers of every variable of ``now`` among the levels of ``actions``.

    A level counts where its rows nearly all end in one value that their past, under the other
    levels, would have brought about with probability below ``CHANCE``.
    """
    pulled: dict[str, Codes] = {}
    moved = {action: levels.copy() for action, levels in actions.items()}
    for place, (name, after) in enumerate(now.items()):
        code = np.full(len(after), -1)
        offset = 0
        for action, levels in actions.items():
            for level in np.unique(levels):
                if _forces(after, before[name], levels == level):
                    code[levels == level] = offset + level
                    moved[action][levels == level] = -1 - place
            offset += int(levels.max(initial=0)) + 1
        if len(np.unique(code[code >= 0])) > 1:
            pulled[name] = code
    return Levers(pulled, moved)


def _forces(after: Codes, before: Codes, rows: Bool[np.ndarray, " rows"]) -> bool:
    """Whether the level of ``rows`` sets the variable by force."""
    if rows.sum() < FEWEST or rows.all():
        return False
    values, counts = np.unique(after[rows], return_counts=True)
    goal = values[counts.argmax()]
    if counts.max() < FORCED * rows.sum():
        return False
    size = int(before.max()) + 1
    seen = np.bincount(before[~rows], minlength=size)
    hits = np.bincount(before[~rows & (after == goal)], minlength=size)
    chance = (hits + 0.5) / (seen + 1)
    reached = before[rows & (after == goal)]
    return bool(np.log(chance[reached]).sum() < np.log(CHANCE))


def descent(
    levers: Levers,
    names: tuple[str, ...],
    now: Mapping[str, Codes],
    before: Mapping[str, Codes],
    *,
    rate: float,
) -> Bool[np.ndarray, "names names"]:
    """``[i, j]``: what i is set to moves j within the row, directly or through others.

    Benjamini–Hochberg over all pairs holds false discoveries at ``rate``; the weaker of two
    contradicting findings is dropped, and what follows by transitivity is added.
    """
    d = len(names)
    p = np.full((d, d), np.nan)
    score = np.zeros((d, d))
    for i, cause in enumerate(names):
        if cause not in levers.pulled:
            continue
        rows = levers.pulled[cause] >= 0
        for j, effect in enumerate(names):
            if i == j:
                continue
            # levers that also set j show nothing about j's own law
            free = rows & (levers.pulled[effect] < 0 if effect in levers.pulled else True)
            pull = joint_code(levers.pulled[cause][free]) if free.any() else np.zeros(0, int)
            test = stratified(pull, now[effect][free], before[effect][free])
            p[i, j], score[i, j] = test.p_value, test.score
    below = np.nan_to_num(p, nan=1.0) <= benjamini_hochberg(p[np.isfinite(p)], rate)
    out = np.zeros((d, d), bool)
    for flat in np.argsort(-score, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, p.shape)
        if below[i, j] and i != j and not out[j, i]:
            # keep the relation transitive: whatever is above i is now above all below j
            up, down = out[:, i].copy(), out[j].copy()
            up[i] = down[j] = True
            out |= up[:, None] & down[None, :]
    return out
