"""Edges within a row that noise-free laws ask for: the shorter of two that the log cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from doworld.data import Kind, Role, Trajectories
from doworld.graph import CausalGraph, Edge, Evidence, Prior
from doworld.mechanisms import Known
from doworld.model.design import Design, Link, design, parents
from doworld.model.law_fit import LawFit, fit_law

__all__ = ["within_row"]

EXACT = 1e-3
"""Share of a spread that the law of a cause within the row leaves at most: else it has noise."""

SHORTER = 10.0
"""Gain of the criterion that counts as very strong evidence (Kass & Raftery 1995)."""

HALF = 0.5
"""Share of its terms that a law keeps at most, for a cause within the row to be worth it."""

MOST = 30
"""Pairs of laws that are tried."""

TEST = "shorter law with it (extended information criterion)"


@dataclass(frozen=True, eq=False)
class _Found:
    """One variable's causes, and its law given them."""

    links: tuple[Link, ...]
    law: LawFit
    read: frozenset[Link]


def within_row(
    log: Trajectories,
    graph: CausalGraph,
    *,
    prior: Prior | None = None,
    known: tuple[Known, ...] = (),
    seed: int,
) -> CausalGraph:
    """The graph in which what passes through another variable's new value is read from there.

    Where v' = f(v, a) holds without noise, x' = g(x, v') and x' = g(x, f(v, a)) have the same rows,
    so that no test tells a → x from v' → x (faithfulness fails: Spirtes, Glymour & Scheines 2000).
    The composed law is the longer one, and its many terms are an expansion that holds in the
    range of the log alone. So all laws together are made as short as they can be: for every two
    variables of which one's causes are all causes of the other, the second's law is found with
    the first's new value and without, and the pair that gains most in

        Σ_i [n log(RSS_i/n) + Σ_j (log n + 2 log p_j)]        (Chen & Chen 2008)

    is taken, until none gains ``SHORTER`` and leaves ``HALF`` the terms, of fewer causes. The order
    within the row stays free of cycles: a cause is never read that itself reads the effect (the
    sparsest permutation, Raskutti & Uhler 2018, with laws for tests). A note says what was moved.
    Static tables, graphs of more than one lag and targets of ``known`` laws stay as they are.
    """
    search = _Search.of(log, graph, prior or Prior(), {law.target for law in known}, seed)
    if search is None:
        return graph
    start = dict(search.found)
    search.run()
    return _moved(graph, start, search.found, search.rows)


@dataclass(eq=False)
class _Search:
    """Laws of a row while they are made shorter."""

    log: Trajectories
    data: Design
    prior: Prior
    seed: int
    found: dict[str, _Found]
    rows: int

    @classmethod
    def of(
        cls, log: Trajectories, graph: CausalGraph, prior: Prior, fixed: set[str], seed: int
    ) -> "_Search | None":
        """The laws of all that may be linked; None where there is nothing to link."""
        names = [
            n
            for n in log.schema.of(Role.STATE)
            if log.schema[n].kind is Kind.CONTINUOUS and n not in fixed
        ]
        links = {n: graph.parents(n) for n in names}
        own = [n for n in names if any(_covers(links[n], links[m], m, n) for m in names if m != n)]
        own += [m for m in names if any(_covers(links[n], links[m], m, n) for n in own if m != n)]
        own = list(dict.fromkeys(own))
        if log.schema.static or not own or graph.max_lag > 1:
            return None
        out = cls(log, design(log, 1, seed=seed), prior, seed, {}, 0)
        out.rows = len(out.data.rows)
        out.found = {n: out.law(n, links[n]) for n in own}
        return out

    def law(self, name: str, links: Sequence[Link]) -> _Found:
        """The law of a variable given its causes, and which of them it reads."""
        schema, coding = self.log.schema, self.data.coding
        plan = parents(self.log, coding, [{name: list(links)}], [name])
        fit = fit_law(schema, self.data, plan, 0, seed=self.seed)
        variable = np.asarray(coding.variable)
        read = set()
        for term in fit.terms:
            for k in (k for factor in term for k in factor.inputs):
                lag, feature = divmod(int(plan.columns[0, k]), len(variable))
                read.add((schema.names[int(variable[feature])], lag))
        if plan.residual[0]:
            read.add((name, 1))
        return _Found(tuple(links), fit, frozenset(read))

    def run(self) -> None:
        """Takes the pair that shortens most, again and again."""
        tried: dict[tuple[str, str, tuple[Link, ...]], _Found] = {}
        while True:
            gains = {}
            for cause, effect in self._pairs():
                links = (*self.found[effect].links, (cause, 0))
                key = (cause, effect, links)
                if key not in tried and len(tried) >= MOST:
                    continue
                if key not in tried:
                    tried[key] = self._pruned(effect, links, self.found[cause].links)
                new = tried[key]
                old = self.found[effect]
                terms = len(new.law.terms) <= HALF * len(old.law.terms)
                if (cause, 0) in new.read and terms and len(new.read) < len(old.read):
                    gains[cause, effect] = old.law.length - new.law.length
            if not gains:
                return
            cause, effect = max(gains, key=gains.__getitem__)
            if gains[cause, effect] < SHORTER:
                return
            new = tried[cause, effect, (*self.found[effect].links, (cause, 0))]
            self.found[effect] = replace(new, links=tuple(sorted(new.read)))

    def _pruned(self, name: str, links: Sequence[Link], spare: Sequence[Link]) -> _Found:
        """The law without those causes that it is shorter without, one after the other.

        ``spare`` are those that may be left out. The search of terms goes step by step, and is
        led astray where the old causes say nearly what the new one says.
        """
        best = self.law(name, links)
        while True:
            rest = [link for link in best.links if link in spare and link != (name, 1)]
            less = [self.law(name, [k for k in best.links if k != link]) for link in rest]
            short = min(less, key=lambda f: f.law.length, default=best)
            if short.law.length >= best.law.length:
                return best
            best = short

    def _pairs(self) -> list[tuple[str, str]]:
        """(cause, effect) within a row that may be linked now."""
        out = []
        for effect, now in self.found.items():
            for cause, other in self.found.items():
                exact = other.law.unexplained <= EXACT
                free = exact and cause != effect and (cause, 0) not in now.links
                free = free and self.prior.allows(cause, effect, 0)
                free = free and _covers(now.links, other.links, cause, effect)
                if free and effect not in self._before(cause):
                    out.append((cause, effect))
        return out

    def _before(self, name: str) -> set[str]:
        """All that a variable reads within the row, through others too."""
        out, left = set(), [name]
        while left:
            for source, lag in self.found[left.pop()].links:
                if lag == 0 and source not in out:
                    out.add(source)
                    left += [source] if source in self.found else []
        return out


def _covers(effect: Sequence[Link], cause: Sequence[Link], name: str, target: str) -> bool:
    """Whether the effect has all causes of the cause, and more than its past to be rid of."""
    theirs = set(cause) - {(name, 1)}
    return bool(theirs - {(target, 1)}) and theirs <= set(effect)


def _moved(
    graph: CausalGraph, start: dict[str, _Found], found: dict[str, _Found], rows: int
) -> CausalGraph:
    """The graph with the links that were found, and a note."""
    changed = [n for n in found if found[n] is not start[n]]
    if not changed:
        return graph
    kept = [
        e
        for e in graph.links
        if e.target not in changed or (e.source, e.lag) in found[e.target].links
    ]
    said = []
    for name in changed:
        gain = start[name].law.length - found[name].law.length
        short, long = len(found[name].law.terms), len(start[name].law.terms)
        size = f"{short} term{'s' if short > 1 else ''}"
        note = f"its law has {size} with it and {long} without"
        for source, lag in found[name].links:
            if lag == 0:
                proof = Evidence(TEST, gain, float("nan"), rows, note)
                kept.append(Edge(source, name, 0, evidence=proof))
        through = ", ".join(s for s, lag in found[name].links if lag == 0)
        gone = sorted({s for s, _ in start[name].links} - {s for s, _ in found[name].links})
        of = f" in place of {', '.join(gone)}" if gone else ""
        said.append(f"{name} of {through} in its own row{of} ({size}, not {long})")
    doubtful = tuple(e for e in graph.doubtful if e.target not in changed)
    note = (
        "without noise, rows cannot tell an effect of the row before from one through another "
        f"variable's new value; the shorter laws were taken: {'; '.join(said)}."
    )
    return replace(graph, links=tuple(kept), doubtful=doubtful, notes=(*graph.notes, note))
