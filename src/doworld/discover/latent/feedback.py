"""Does any graph without a cycle fit? What a table's regressions leave in higher moments."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import GraphError
from doworld.discover.numerics.standard import standardise
from doworld.graph import CausalGraph, Edge, Mark, Reason, Unidentified
from doworld.graph.extensions import extensions

__all__ = ["misfit", "moment_tests"]

MOST_GRAPHS = 200
FEWEST_ROWS = 100


def moment_tests(
    table: Float[np.ndarray, "rows variables"], dag: Bool[np.ndarray, "nodes nodes"]
) -> dict[tuple[int, int], float]:
    r"""For each edge i → j a p-value of cov(x_i^m, e_j^k) = 0, (m, k) ∈ {(2, 1), (3, 1), (1, 2)}.

    In a linear graph without cycles and unobserved causes e_j, what j's parents leave of x_j, is
    independent of them all, so every moment vanishes; of least squares alone only the first does
    (Shimizu et al. 2006; Mooij et al. 2011 for cycles). x_i^m is first freed of what is linear in
    j's parents. The p-values of an edge are joined by Bonferroni; errors allow for unequal variance
    and for rows that resemble their neighbours (Newey & West 1987).

    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=2000)
    >>> table = np.c_[x, x + rng.standard_normal(2000)]
    >>> right, wrong = np.array([[0, 1], [0, 0]], bool), np.array([[0, 0], [1, 0]], bool)
    >>> bool(moment_tests(table, right)[0, 1] > 0.05), bool(moment_tests(table, wrong)[1, 0] < 1e-6)
    (True, True)
    """
    z, _ = standardise(table)
    out: dict[tuple[int, int], float] = {}
    for j in range(len(dag)):
        parents = np.flatnonzero(dag[:, j])
        if not len(parents):
            continue
        basis = np.c_[np.ones(len(z)), z[:, parents]]
        span, _ = np.linalg.qr(basis)
        left = z[:, j] - span @ (span.T @ z[:, j])
        for i in parents.tolist():
            p = []
            for power, rest in ((2, left), (3, left), (1, left**2 - (left**2).mean())):
                bent = z[:, i] ** power
                # x_i itself is linear in j's parents: only its mean is taken off
                free = bent if power == 1 else bent - span @ (span.T @ bent)
                product = free * rest
                p.append(2 * stats.norm.sf(abs(product.sum()) / _error(product)))
            out[i, j] = min(1.0, len(p) * min(p))
    return out


def _error(product: Float[np.ndarray, " rows"]) -> float:
    """The error of a sum whose terms may depend on those of near rows (Bartlett's weights)."""
    reach = int(np.ceil(4 * (len(product) / 100) ** (2 / 9)))
    total = float(product @ product)
    for k in range(1, reach + 1):
        total += 2 * (1 - k / (reach + 1)) * float(product[k:] @ product[:-k])
    return float(np.sqrt(max(total, float(product @ product) / 4, 1e-300)))


def misfit(
    table: Float[np.ndarray, "rows variables"],
    edges: Sequence[Edge],
    names: Sequence[str],
    *,
    rate: float,
    budget: Budget = UNLIMITED,
) -> Unidentified | None:
    """That no graph that ``edges`` stand for fits, with the variables where; None where one does.

    Of every way to point the open edges the smallest p-value of its edges counts, times their
    number; the best of the ways decides at ``rate``. Nothing is tested where edges have marks of
    unobserved causes, where there are too many ways, and where the ``budget`` ends before one fits.
    """
    inside = [e for e in edges if e.source in names and e.target in names]
    marks = {e.mark for e in inside}
    if len(table) < FEWEST_ROWS or not inside or not marks <= {Mark.DIRECTED, Mark.UNDIRECTED}:
        return None
    at = {n: i for i, n in enumerate(names)}
    best, worst = -1.0, {}
    for dag in _ways(inside, names):
        if budget.over():
            budget.cut("no look whether any graph without cycles fits")
            return None
        arrows = np.zeros((len(names), len(names)), bool)
        for a, b in dag:
            arrows[at[a], at[b]] = True
        tests = moment_tests(table, arrows)
        joint = min(1.0, len(tests) * min(tests.values()))
        if joint > best:
            best, worst = joint, tests
        if best > rate:
            return None
    if best < 0:
        return None
    failing = sorted(worst, key=lambda pair: worst[pair])
    failing = [p for p in failing if worst[p] * len(worst) <= rate]
    who = sorted({k for pair in failing for k in pair})
    said = ", ".join(names[k] for k in who)
    note = (
        f"No linear graph without cycles fits {said} (p = {best:.1g} for the one that fits best: "
        "what the causes leave of a variable still depends on them): they act on each other within "
        "the row, or not linearly, or share an unobserved cause. Log them more often, so that "
        "causes come in earlier rows, or rows in which they are set at random."
    )
    first, *others = (names[k] for k in who)
    return Unidentified(first, Reason.FEEDBACK, note, tuple(others))


def _ways(edges: Sequence[Edge], names: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Every way to point the open edges; none where there are too many."""
    graph = CausalGraph(tuple(names), tuple(edges), max_lag=0)
    if sum(e.mark is Mark.UNDIRECTED for e in edges) > 16:
        return []
    try:
        found = extensions(graph, colliders=True, most=MOST_GRAPHS)
    except GraphError:
        return []
    return [[(e.source, e.target) for e in g.links] for g in found]
