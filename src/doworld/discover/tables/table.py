"""A static table as numbers: which columns say the same, and the score that suits the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld.data import Kind, Role, Trajectories
from doworld.discover.numerics.missing import completed, enough_pairs
from doworld.discover.numerics.standard import standardise
from doworld.discover.numerics.stratified import coded
from doworld.discover.order.additive import AdditiveScore
from doworld.discover.order.multinomial import MultinomialScore
from doworld.discover.order.scores import GaussianScore
from doworld.discover.time.design import ENOUGH_COMPLETE, FEWEST_TOGETHER, MOST_COMPLETED

__all__ = ["Table", "rows_of", "score_of", "smooth_score", "table_of"]

COPY = 1e-10
MOST_LEVELS = 12
"""Levels of a categorical variable that get a column of their own among numbers."""
RANK = {Role.STATE: 0, Role.CONTEXT: 1, Role.ACTION: 2, Role.REWARD: 3}


@dataclass(frozen=True, eq=False)
class Table:
    """The complete rows of the variables that differ, in an order that their content decides.

    Attributes:
        names: the variables; each says something that no other one says alone.
        kinds: what they are.
        values: one row a unit, one column a variable.
        copies: variables left out, with the one of ``names`` that each is a copy of.
        holes: the values with NaN where missing, where rows were completed.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    values: Float[np.ndarray, "rows variables"]
    copies: tuple[tuple[str, str], ...]
    holes: Float[np.ndarray, "rows variables"] | None = None

    @property
    def discrete(self) -> bool:
        """Whether every variable has levels and no distances."""
        return all(k in (Kind.CATEGORICAL, Kind.BINARY) for k in self.kinds)

    @property
    def merged(self) -> tuple[str, ...]:
        """The categorical variables whose rare levels are treated as one."""
        if self.discrete:
            return ()
        pairs = zip(self.names, self.kinds, self.values.T, strict=True)
        return tuple(
            n for n, k, x in pairs if k is Kind.CATEGORICAL and len(np.unique(x)) > MOST_LEVELS
        )


def rows_of(
    log: Trajectories, names: Sequence[str]
) -> tuple[Float[np.ndarray, "rows variables"], Float[np.ndarray, "rows variables"] | None]:
    """The rows of a static table that the search uses, and the same with holes where completed.

    Complete rows where most are, or where environments are compared; else, of numbers, all rows,
    with holes filled (``doworld.discover.numerics.missing``).
    """
    values = log.values[:, [log.schema.position(n) for n in names]]
    whole = np.isfinite(values).all(1)
    numbers = all(log.schema[n].kind is not Kind.CATEGORICAL for n in names)
    levels = all(log.schema[n].kind is Kind.BINARY for n in names)
    few = whole.mean() < ENOUGH_COMPLETE and len(values) <= MOST_COMPLETED
    one = len(np.unique(log.environment)) < 2
    if few and one and numbers and not levels:
        some = values[np.isfinite(values).any(1)]
        if enough_pairs(some, FEWEST_TOGETHER):
            return completed(some, np.random.default_rng(0)), some
    return values[whole], None


def table_of(log: Trajectories, names: Sequence[str], *, last: str = "") -> Table:
    """The table of ``names``; of columns with the same content one stays, a state before others.

    The order of the columns and the names given to them do not matter: the content sorts them.
    ``last`` is the first to go.
    """
    values, holes = rows_of(log, names)
    kinds = [log.schema[n].kind for n in names]
    marks = [_signature(x, k) for x, k in zip(values.T, kinds, strict=True)]
    order = sorted(range(len(names)), key=lambda i: (marks[i], names[i]))
    ranked = sorted(order, key=lambda i: (names[i] == last, RANK[log.schema[names[i]].role]))
    twin = _twins(values[:, ranked], [kinds[i] for i in ranked])
    copies = {ranked[k]: ranked[t] for k, t in enumerate(twin) if t != k}
    kept = [i for i in order if i not in copies]
    return Table(
        names=tuple(names[i] for i in kept),
        kinds=tuple(kinds[i] for i in kept),
        values=values[:, kept],
        copies=tuple((names[i], names[k]) for i, k in copies.items()),
        holes=None if holes is None else holes[:, kept],
    )


def _signature(column: np.ndarray, kind: Kind) -> float:
    """A number that neither the name nor the scale of a variable changes."""
    if kind in (Kind.CATEGORICAL, Kind.BINARY):
        share = np.sort(np.bincount(coded(column)[0])) / len(column)
        return round(float(-(share * np.log(share)).sum()), 9)
    centred = column - column.mean()
    spread = max(float((centred**2).mean()), 1e-100)
    return round(float((centred**4).mean() / spread**2), 9)


def _twins(values: np.ndarray, kinds: Sequence[Kind]) -> list[int]:
    """For each column the first one with the same content: itself, or the one it is a copy of.

    Levels may be called otherwise, numbers may be scaled and shifted.
    """
    numbers = [i for i, k in enumerate(kinds) if k is not Kind.CATEGORICAL]
    scaled, _ = standardise(values[:, numbers])
    same = np.abs(scaled.T @ scaled) / max(len(values), 1) > 1 - COPY
    twin = list(range(len(kinds)))
    for k, i in enumerate(numbers):
        twin[i] = numbers[int(np.argmax(same[k, : k + 1]))]
    seen: dict[bytes, int] = {}
    for i, kind in enumerate(kinds):
        if kind in (Kind.CATEGORICAL, Kind.BINARY):
            twin[i] = min(twin[i], seen.setdefault(_pattern(values[:, i]), i))
    return twin


def _pattern(column: np.ndarray) -> bytes:
    """The column with its levels numbered as they first appear."""
    codes, levels = coded(column)
    first = np.empty(levels, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return np.argsort(np.argsort(first))[codes].tobytes()


def score_of(table: Table, fdr: float) -> GaussianScore | MultinomialScore:
    """The score that suits the variables, priced so that an edge it takes can pass the last test.

    A parent must gain as much as the χ² that Benjamini–Hochberg at ``fdr`` asks of one in d edges
    among all pairs of d variables, or log n if that is more.
    """
    if table.discrete:
        codes = [coded(x) for x in table.values.T]
        return MultinomialScore.of(np.array([c for c, _ in codes]), [r for _, r in codes])
    parts = [_numbers(x, k) for x, k in zip(table.values.T, table.kinds, strict=True)]
    ends = np.cumsum([0, *(p.shape[1] for p in parts)]).tolist()
    columns = [range(a, b) for a, b in pairwise(ends)]
    scaled, _ = standardise(np.concatenate(parts, 1))
    return GaussianScore.of(scaled, columns, _price(table, len(parts), fdr))


def smooth_score(table: Table, fdr: float) -> AdditiveScore:
    """The score of nonlinear regressions on a table of numbers, priced like the linear one."""
    return AdditiveScore.of(table.values, _price(table, len(table.names), fdr))


def _price(table: Table, variables: int, fdr: float) -> float:
    bar = stats.chi2.isf(min(2 * fdr / max(variables - 1, 1), 1.0), 1)
    price = max(float(np.log(len(table.values))), float(bar))
    if table.holes is None:
        return price
    # completed values are no evidence: n counts three seen together
    seen = np.isfinite(table.holes).astype(float)
    return price / max(float((seen.T @ seen / len(seen)).mean() * seen.mean()), 0.05)


def _numbers(column: np.ndarray, kind: Kind) -> np.ndarray:
    """A number as it is; a level as indicators of all levels but the most frequent and the rare."""
    if kind is not Kind.CATEGORICAL:
        return column[:, None]
    levels, counts = np.unique(column, return_counts=True)
    shown = levels[np.argsort(-counts, kind="stable")][1:MOST_LEVELS]
    return (column[:, None] == shown).astype(float)
