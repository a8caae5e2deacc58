"""Discrete variables of a log over time as codes, and the search of causes within strata."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Int

from doworld.data import Kind, Role, Trajectories
from doworld.discover.numerics.stratified import Stratified, joint_code, stratified

__all__ = ["TEST", "Coded", "Codes", "Link", "code_log", "discrete_targets", "grow_shrink", "large"]

Codes = Int[np.ndarray, " rows"]
Link = tuple[str, int]
_Item = TypeVar("_Item")

LEAST_EFFECT = 0.003
"""Share of the strongest possible dependence below which an edge is not worth having."""

TEST = "independence within strata of the other parents; effect: share of perfect dependence"

BINS = 5
"""Quantile bins of a continuous cause, for tests."""

MOST_LEVELS = 64
"""Levels above which a variable is not explained this way."""


@dataclass(frozen=True, eq=False)
class Coded:
    """Codes of every variable at every lag, one row a transition.

    Attributes:
        columns: by variable and lag.
        states: the discrete ones, whose causes are looked for.
        actions: the discrete ones.
        given: every action.
    """

    columns: Mapping[Link, Codes]
    states: tuple[str, ...]
    actions: tuple[str, ...]
    given: frozenset[str]

    def now(self) -> dict[str, Codes]:
        """The states' codes."""
        return {n: self.columns[n, 0] for n in self.states}

    def before(self) -> dict[str, Codes]:
        """The states' codes one row earlier."""
        return {n: self.columns[n, 1] for n in self.states}

    def grow_shrink(
        self,
        target: str,
        candidates: Sequence[Link],
        rows: Bool[np.ndarray, " rows"],
        *,
        given: Iterable[Link] = (),
        rate: float,
    ) -> dict[Link, Stratified]:
        """``grow_shrink`` of a target's causes in these rows, with ``given`` in every condition."""
        fixed = list(given)

        def test(link: Link, others: list[Link]) -> Stratified:
            return self.test(link, target, [*fixed, *others], rows)

        return grow_shrink(candidates, test, rate)

    def test(
        self, link: Link, target: str, given: Sequence[Link], rows: Bool[np.ndarray, " rows"]
    ) -> Stratified:
        """Whether the target depends on ``link`` in these rows, within strata of ``given``."""
        y = self.columns[target, 0][rows]
        code = [self.columns[other][rows] for other in given]
        strata = joint_code(*code) if code else np.zeros(len(y), np.int64)
        return stratified(self.columns[link][rows], y, strata)


def discrete_targets(log: Trajectories, names: Iterable[str]) -> tuple[str, ...]:
    """The discrete states of a log over time with at most ``MOST_LEVELS`` levels."""
    if log.schema.static:
        return ()
    return tuple(
        n
        for n in names
        if log.schema[n].role is Role.STATE and 2 <= log.schema[n].levels <= MOST_LEVELS
    )


def _codes(column: np.ndarray, levels: int) -> Codes:
    """Level codes; quantile bins where there are no levels."""
    if levels or not len(column):
        return column.astype(np.int64)
    cuts = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(cuts, column, side="right")


def code_log(log: Trajectories, names: tuple[str, ...], max_lag: int) -> Coded:
    """The table of a log over time, without rows in which anything is missing."""
    schema, values = log.schema, log.aligned
    rows = log.windows(max_lag + 1) + max_lag
    states = discrete_targets(log, names)
    read = [(n, 0) for n in names if schema[n].role in (Role.STATE, Role.REWARD)]
    read += [
        (n, lag)
        for n in names
        for lag in range(1, max_lag + 1)
        if schema[n].role is not Role.REWARD
    ]
    raw = {(n, lag): values[rows - lag, schema.position(n)] for n, lag in read}
    whole = np.all([~np.isnan(c) for c in raw.values()], axis=0)
    columns = {link: _codes(c[whole], schema[link[0]].levels) for link, c in raw.items()}
    discrete = (Kind.CATEGORICAL, Kind.BINARY)
    actions = tuple(
        n for n in names if schema[n].role is Role.ACTION and schema[n].kind in discrete
    )
    return Coded(columns, states, actions, frozenset(schema.of(Role.ACTION)))


def large(test: Stratified) -> bool:
    """Whether an edge with this test is worth having."""
    return test.effect >= LEAST_EFFECT


def grow_shrink(
    candidates: Sequence[_Item],
    test: Callable[[_Item, list[_Item]], Stratified],
    rate: float,
) -> dict[_Item, Stratified]:
    """Each candidate's test given the others that were kept; those left out fail theirs."""
    kept: list[_Item] = []

    def good(result: Stratified) -> bool:
        return result.p_value <= rate and large(result)

    while rest := [link for link in candidates if link not in kept]:
        results = {link: test(link, kept) for link in rest}
        best = max(rest, key=lambda link: results[link].effect * good(results[link]))
        if not good(results[best]):
            break
        kept.append(best)
    for link in tuple(kept):
        if not good(test(link, [k for k in kept if k != link])):
            kept.remove(link)
    return {link: test(link, [k for k in kept if k != link]) for link in candidates}
