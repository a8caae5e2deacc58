"""Response types, as far as a question looks at them.

Everything unobserved behind a variable matters only through the function from its causes to its
value (its response type; Balke & Pearl 1994). There are k^(number of causes' combinations) such
functions, but data and question look at few of their points. Types that agree at those points are
one column of the linear program; so a type is opened point by point, and only where it is looked
at.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.potential import Decision, Potential

__all__ = ["MOST", "TooManyTypesError", "Types"]

MOST = 200_000
"""Types that are opened before a question counts as too large."""

Handle = int
"""The column of ``Types.columns`` that holds a value of every type."""


class TooManyTypesError(Exception):
    """The question looks at more types than a program can hold."""


class Types:
    """The types opened so far; one row of ``columns`` each. Mutable, and private to a program.

    Args:
        diagram: what acts on what.
        levels: of every variable.
        free: the variables whose types are opened; others must be given when asked.
        rising: pairs (cause, effect): a higher cause never lowers the effect.
        most: types that may be opened.
    """

    def __init__(
        self,
        diagram: Diagram,
        levels: Mapping[str, int],
        free: Sequence[str],
        rising: Sequence[tuple[str, str]] = (),
        most: int = MOST,
    ) -> None:
        self.diagram, self.levels, self.most = diagram, levels, most
        self.free, self.rising = frozenset(free), tuple(rising)
        self.columns: Int[np.ndarray, "types columns"] = np.zeros((1, 0), np.int32)
        self.opened: dict[str, list[tuple[tuple[Handle, ...], Handle]]] = {n: [] for n in free}

    def value(self, handle: Handle) -> Int[np.ndarray, " types"]:
        """The values behind a handle, by type."""
        return self.columns[:, handle]

    def constant(self, level: int) -> Handle:
        """A handle of the same value everywhere."""
        return self._add(np.full(len(self.columns), level, np.int32))

    def ask(
        self, potential: Potential, given: Mapping[str, int], seen: dict | None = None
    ) -> Handle:
        """The value of a counterfactual variable, opening what it looks at.

        ``given`` holds the levels of variables that are not free, in the world without
        intervention and in all others alike. ``seen`` remembers values of the same world.
        """
        seen = {} if seen is None else seen
        name, under = potential.variable, potential.under
        if name in seen:
            return seen[name]
        done = under.get(name)
        if isinstance(done, Potential):
            out = self.ask(done, given)
        elif isinstance(done, Decision):
            out = self._decide(done, under, given, seen)
        elif done is not None:
            out = self.constant(int(done))
        elif name not in self.free:
            out = self.constant(given[name])
        else:
            causes = tuple(
                self.ask(Potential(p, under), given, seen) for p in self.diagram.parents(name)
            )
            out = self._open(name, causes)
        seen[name] = out
        return out

    def _decide(self, rule: Decision, under, given, seen) -> Handle:
        handles = [self.ask(Potential(n, under), given, seen) for n in rule.seen]
        table = np.zeros([self.levels[n] for n in rule.seen], np.int32)
        for key, level in rule.table.items():
            table[key] = level
        return self._add(table[tuple(self.value(h) for h in handles)])

    def _open(self, name: str, causes: tuple[Handle, ...]) -> Handle:
        """The value of a free variable under causes; unknown ones branch into every level."""
        now = self.columns[:, list(causes)]
        value = np.full(len(now), -1, np.int32)
        for before, result in self.opened[name]:
            same = (self.columns[:, list(before)] == now).all(1)
            value = np.where(same, self.columns[:, result], value)
        new = value < 0
        count = self.levels[name]
        size = len(now) + int(new.sum()) * (count - 1)
        if size > self.most:
            raise TooManyTypesError
        copies = np.where(new, count, 1)
        self.columns = np.repeat(self.columns, copies, 0)
        first = np.cumsum(copies) - copies
        own = np.arange(size) - np.repeat(first, copies)
        value = np.where(np.repeat(new, copies), own, np.repeat(value, copies)).astype(np.int32)
        handle = self._add(value)
        self.opened[name].append((causes, handle))
        self._drop_falling(name)
        return handle

    def _drop_falling(self, name: str) -> None:
        """Drops types in which more of a cause that only raises gives less of its effect."""
        causes = self.diagram.parents(name)
        up = np.array([(c, name) in self.rising for c in causes], bool)
        if not up.any():
            return
        newest, result = self.opened[name][-1]
        falling = np.zeros(len(self.columns), bool)
        for before, earlier in self.opened[name][:-1]:
            change = self.columns[:, list(newest)] - self.columns[:, list(before)]
            alone = (change[:, ~up] == 0).all(1)
            effect = self.columns[:, result] - self.columns[:, earlier]
            more, less = (change[:, up] >= 0).all(1), (change[:, up] <= 0).all(1)
            falling |= alone & ((more & (effect < 0)) | (less & (effect > 0)))
        self.columns = self.columns[~falling]

    def _add(self, values: np.ndarray) -> Handle:
        self.columns = np.concatenate([self.columns, values[:, None].astype(np.int32)], 1)
        return self.columns.shape[1] - 1
