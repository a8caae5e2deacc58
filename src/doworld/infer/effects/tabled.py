"""Any formula of identification, by plug-in on the table of counts of its variables."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
from jaxtyping import Float, Int

from doworld.data import Kind
from doworld.identify.estimand import Expression, Mean, Probability
from doworld.identify.verdict import Estimand
from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found
from doworld.infer.effects.sample import column, units_of
from doworld.infer.estimand import Table, evaluate
from doworld.query.effect_details import Estimated
from doworld.query.goal import Band

__all__ = ["Coded", "by_formula", "codes", "nodes_in"]

Node = Hashable
"""A name in a table, or (name, rows before the outcome's row) in a log over time."""
MOST_CELLS, MOST_VALUES = 4096, 12
"""Cells of a table, and values of a number, up to which they are counted one by one."""
DRAWS = 400
BROKEN = 0.05
"""Share of the resampled logs without an answer, above which the rows are too few."""


def nodes_in(e: Expression) -> tuple[Node, ...]:
    """The nodes of all laws that a formula names."""
    if isinstance(e, Probability):
        return tuple(dict.fromkeys([*e.of, *e.given]))
    out: dict = {e.of: None} if isinstance(e, Mean) else {}
    for f in fields(e) if is_dataclass(e) else ():
        value = getattr(e, f.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Expression):
                out |= dict.fromkeys(nodes_in(part))
    return tuple(out)


@dataclass(frozen=True, eq=False)
class Coded:
    """Discrete columns at the rows ``at``: each row's cell, and what the levels are.

    Attributes:
        nodes: as the formula names them.
        meaning: the values of each node's levels.
        cell: flat index into a table of shape ``shape``.
    """

    nodes: tuple[Node, ...]
    meaning: tuple[Float[np.ndarray, " _"], ...]
    cell: Int[np.ndarray, " rows"]
    at: Int[np.ndarray, " rows"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels by node."""
        return tuple(len(m) for m in self.meaning)

    def table(self, weights: Float[np.ndarray, " rows"] | None = None) -> Table:
        """The law of the nodes, as the rows show it."""
        size = int(np.prod(self.shape))
        n = np.bincount(self.cell, weights=weights, minlength=size).astype(float)
        return Table(self.nodes, (n / n.sum()).reshape(self.shape))


def codes(case: Case, node: Node) -> tuple[np.ndarray, np.ndarray] | None:
    """(column over all rows, its values); None for a number of too many values."""
    static = not isinstance(node, tuple)
    name, back = (str(node), 0) if static else (str(node[0]), int(node[1]) - case.asked.lag)
    values = column(case.log, name, back, np.arange(case.log.rows))
    variable = case.log.schema[name]
    if variable.kind in (Kind.BINARY, Kind.CATEGORICAL):
        return values, np.arange(float(variable.levels))
    seen = np.unique(values[~np.isnan(values)])
    return (values, seen) if 0 < len(seen) <= MOST_VALUES else None


def coded(case: Case, nodes: tuple[Node, ...]) -> Coded | None:
    """The rows by the nodes' levels; None where there are too many levels or cells."""
    found = [codes(case, n) for n in nodes]
    known = [f for f in found if f is not None]
    if len(known) < len(found) or np.prod([len(m) for _, m in known], dtype=float) > MOST_CELLS:
        return None
    at = np.flatnonzero(~np.isnan([v for v, _ in known]).any(0))
    index = tuple(np.searchsorted(m, v[at]) for v, m in known)
    cell = np.ravel_multi_index(index, tuple(len(m) for _, m in known))
    return Coded(nodes, tuple(m for _, m in known), cell, at)


def by_formula(case: Case) -> Found:
    """E[Y | do(a)] of each level by the formula of the gate, and its contrasts.

    The formula is evaluated at the observed frequencies; the interval holds the middle of 400
    resampled logs, whole units drawn with replacement. Raises ``UnanswerableError`` where the
    formula has a variable that cannot be counted, or conditions on what no row shows.
    """
    found = case.route.estimand
    assert found is not None
    assert found.expression is not None
    query = case.query
    if query.estimand not in ("ate", "dose", "cate") or query.population != "all":
        raise UnanswerableError(
            f"By the formula {found}, the effect on everybody is computed, not {query.estimand}"
            f"{' with overlap' * (query.population != 'all')}.",
            "Ask for ate, with population='all'.",
        )
    if query.estimand == "cate" and not query.given:
        raise UnanswerableError(
            f"By the formula {found}, there are no strata of what is held fixed.",
            "Describe the part of the population (given=…), or ask for ate.",
        )
    lag, static = case.asked.lag, case.log.schema.static
    x: Node = query.treatment if static else (query.treatment, lag)
    y: Node = query.outcome if static else (query.outcome, 0)
    given = {(n if static else (n, lag)): w for n, w in query.given.items()}
    nodes = tuple(dict.fromkeys([*nodes_in(found.expression), x, y, *given]))
    rows = coded(case, nodes)
    if rows is None:
        raise UnanswerableError(
            f"The graph gives the effect by {found}, and "
            f"{', '.join(str(n[0] if isinstance(n, tuple) else n) for n in nodes)} have too many "
            "values to be counted one by one, as this formula needs.",
            "Cut the numbers among them into a few levels, log what the hidden causes are, or "
            f"log rows in which {query.treatment} is set at random.",
        )
    means = _means(case, found, rows, x, y, given)
    point = means(rows.table())
    unit = units_of(case.log, rows.at)
    return _found(case, found, rows, point, _resampled(rows, unit, means, case.seed))


def _means(
    case: Case, found: Estimand, rows: Coded, x: Node, y: Node, given: dict
) -> Callable[[Table], Float[np.ndarray, " levels"]]:
    """From a law of the nodes to E[Y | do(level)] by level compared."""
    meaning = dict(zip(rows.nodes, rows.meaning, strict=True))
    at = {}
    for node, wanted in given.items():
        if isinstance(wanted, Band):
            raise UnanswerableError(
                "A formula by a table is of single levels, not of a range.",
                "Give one level of each variable in given.",
            )
        name = node[0] if isinstance(node, tuple) else node
        code = float(case.log.schema[str(name)].code(wanted))
        if code not in meaning[node]:
            raise UnanswerableError(
                f"No row of the log has {name} = {wanted}.",
                f"Ask about a level that was logged, or log rows with {name} = {wanted}.",
            )
        at[node] = int(np.searchsorted(meaning[node], code))
    chosen = [int(np.searchsorted(meaning[x], v)) for v in case.asked.levels]
    worth = case.asked.outcome_of(meaning[y])
    expression = found.expression
    assert expression is not None

    def means(law: Table) -> Float[np.ndarray, " levels"]:
        value = evaluate(expression, law).at(at)
        free = tuple(n for n in value.nodes if n not in (x, y))
        whole = value.aligned((x, y, *free))
        if x not in value.nodes:
            whole = np.repeat(whole, len(meaning[x]), 0)
        if y not in value.nodes:
            whole = np.full_like(whole, np.nan)
        out = whole[chosen]
        total = out.sum(1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.einsum("xy...,y->x...", out, worth) / total[:, 0]
        # the formula does not depend on nodes that are left free: their levels are averaged
        share = law.values.sum(tuple(i for i, n in enumerate(law.nodes) if n not in free))
        order = [n for n in law.nodes if n in free]
        share = Table(tuple(order), share).aligned(free) if free else np.ones(())
        told = np.isfinite(mean).all(0) * share
        if told.sum() <= 0:
            return np.full(len(chosen), np.nan)
        return np.where(told > 0, mean * told, 0.0).reshape(len(chosen), -1).sum(1) / told.sum()

    return means


def _resampled(rows: Coded, unit, means, seed: int) -> Float[np.ndarray, "draws levels"]:
    rng = np.random.default_rng([seed, 31])
    _, member = np.unique(unit, return_inverse=True)
    count = int(member.max()) + 1
    draws = [
        means(rows.table(rng.multinomial(count, np.full(count, 1 / count))[member].astype(float)))
        for _ in range(DRAWS)
    ]
    return np.array(draws)


def _found(case: Case, found: Estimand, rows: Coded, point: np.ndarray, draws: np.ndarray) -> Found:
    query = case.query
    if not np.isfinite(point).all() or np.isnan(draws).any(1).mean() > BROKEN:
        raise UnanswerableError(
            f"No overlap: {found} needs combinations of its variables that the log does not show"
            f"{' or hardly shows' * bool(np.isfinite(point).all())}.",
            f"Log rows with these combinations, or rows in which {query.treatment} is random.",
        )
    draws = draws[~np.isnan(draws).any(1)]
    first = case.asked.names[0]
    tail = (1 - query.level) / 2

    def shown(name: str, value: float, drawn: np.ndarray, dose: float | None = None) -> Estimated:
        low, high = np.quantile(drawn, (tail, 1 - tail))
        return Estimated(
            name=name, estimate=value, lower=float(low), upper=float(high),
            rows=len(rows.at), value=dose,
        )  # fmt: skip

    arms = tuple(
        shown(f"E[{query.outcome}({name})]", float(point[k]), draws[:, k], case.asked.levels[k])
        for k, name in enumerate(case.asked.names)
    )
    contrasts = tuple(
        shown(f"{first} → {name}", float(point[k] - point[0]), draws[:, k] - draws[:, 0])
        for k, name in enumerate(case.asked.names)
        if k
    )
    dose = query.estimand == "dose"
    return Found(
        what=f"E[{query.outcome}(a)]" if dose else f"E[{query.outcome}(b) − {query.outcome}(a)]",
        population="over rows that are as given" if query.given else "over all rows",
        method=f"plug-in on a table of {int(np.prod(rows.shape))} cells, bootstrap interval",
        headline=arms if dose else contrasts,
        sample=case.sample(),
        estimators=contrasts if dose else arms,
        alike=False,
        assumptions=("The graph holds every hidden cause of two of its variables.",),
        dose=dose,
    )
