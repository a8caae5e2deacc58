"""Contexts of discrete variables: levels of one of them at which fewer causes act."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from doworld._core.budget import UNLIMITED, Budget
from doworld.discover.numerics.stratified import Stratified
from doworld.discover.time.coded import Coded, Link, large
from doworld.discover.time.levers import Levers
from doworld.graph import Edge, LocalGraph, Prior

__all__ = ["Context", "contexts"]

SILENT = 0.25
"""Share of a cause's dependence elsewhere below which it is silent in a context."""

FEWEST_HERE = 200
"""Rows below which a context is not judged."""


@dataclass(frozen=True, eq=False)
class Context:
    """A context, and the causes that only it shows.

    Attributes:
        graph: where it holds, and which causes act there.
        gate: of the causes that are silent there the clearest test elsewhere: that the gate
            decides about them makes it a cause.
        more: causes that were not seen in all rows together, with their tests here.
        silent: how many causes are silent there.
    """

    graph: LocalGraph
    gate: Stratified
    more: dict[Link, Stratified]
    silent: int


def contexts(
    table: Coded,
    levers: Levers,
    above: Bool[np.ndarray, "s s"],
    edges: Sequence[Edge],
    prior: Prior,
    *,
    rate: float,
    budget: Budget = UNLIMITED,
) -> tuple[Context, ...]:
    """Levels of a variable within the row at which causes of another no longer act
    (context-specific independence; Boutilier, Friedman, Goldszmidt & Koller 1996).

    At each level of everything g above a target, its other causes are searched anew among all that
    stands above it, its own past and its causes at earlier rows, given which variable was set: who
    acts may hang on that. A cause is silent there if it is not found and the dependence on it, two
    standard errors added, lies below ``SILENT`` of what it is elsewhere given the same; one that is
    neither found nor silent is taken to act, as is one that shows itself given another cause. The
    gate that silences most causes is kept, and becomes a cause.
    """
    out: list[Context] = []
    done = {(action, 1): code for action, code in levers.moved.items()}
    table = replace(table, columns={**table.columns, **done})
    for j, target in enumerate(table.states):
        found = tuple((e.source, e.lag) for e in edges if e.target == target)
        higher, rows = levers.experiments(table.states, above, j)
        maybe = [(target, 1), *((s, 0) for s in higher)]
        maybe = [k for k in maybe if k not in found and prior.allows(k[0], target, k[1])]
        asked = _Asked(table, target, found, tuple(maybe))
        best: list[Context] = []
        for gate in (k for k in (*found, *maybe) if k[1] == 0):
            if budget.over():
                budget.cut(f"no look for contexts of {len(table.states) - j} variables")
                return tuple(out)
            levels = np.unique(table.columns[gate][rows]).tolist()
            there = [c for v in levels if (c := asked.at(gate, v, rows, rate)) is not None]
            best = max(best, there, key=lambda each: sum(c.silent for c in each))
        out += best
    return tuple(out)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A target, its causes found in all rows, and those that there may be besides."""

    table: Coded
    target: str
    found: tuple[Link, ...]
    maybe: tuple[Link, ...]

    def at(
        self, gate: Link, level: int, rows: Bool[np.ndarray, " rows"], rate: float
    ) -> Context | None:
        """The context at a level of the gate; None where no cause is clearly silent."""
        here = rows & (self.table.columns[gate] == level)
        now = [k for k in self.found if k[1] == 0 and k != gate]
        if not now or here.sum() < FEWEST_HERE:
            return None
        done = [k for k in self.found if k[0] in self.table.given]
        links = [k for k in (*self.found, *self.maybe) if k != gate and k not in done]
        strict = rate / len(links)
        tests = self.table.grow_shrink(self.target, links, here, given=done, rate=strict)
        kept = {k: t for k, t in tests.items() if t.p_value <= strict and large(t)}
        silent: dict[Link, Stratified] = {}
        for k in now:
            there = self.table.test(k, self.target, [*done, *kept], rows & ~here)
            most = tests[k].share + 2 * tests[k].error
            clear = there.p_value <= rate < tests[k].p_value
            if clear and most < SILENT * there.share:
                silent[k] = there
        for k in tuple(silent):
            if self._acts_jointly(k, [j for j in now if j != k], [*done, *kept], here, strict):
                del silent[k]
        if not silent:
            return None
        acting = {*now, *kept} - silent.keys()
        left = tuple(k[0] for k in links if k in acting and k[1] == 0)
        graph = LocalGraph(self.target, gate, level, left)
        clearest = min(silent.values(), key=lambda t: t.p_value)
        more = {k: t for k, t in kept.items() if k in self.maybe}
        return Context(graph, clearest, more, len(silent))

    def _acts_jointly(
        self,
        cause: Link,
        others: Sequence[Link],
        given: Sequence[Link],
        here: Bool[np.ndarray, " rows"],
        rate: float,
    ) -> bool:
        """Whether a cause shows itself beside another one, or beside all: alone it may hide, as
        either of two does where only whether they differ matters."""
        free = [j for j in others if j not in given]
        beside = [*([j] for j in free), free]
        bar = rate / len(beside)
        tried = (self.table.test(cause, self.target, [*given, *more], here) for more in beside)
        return any(t.p_value <= bar and large(t) for t in tried)
