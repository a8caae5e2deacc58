r"""Which of two variables acts on the other, told from two rows in each of many environments.

Source: Guo, Tóth, Schölkopf & Huszár (2023), "Causal de Finetti: on the identification of invariant
causal structure in exchangeable data". Rows of one environment are exchangeable, not independent:
they share how the cause comes about and how the effect answers it. Where these two vary
independently between environments, with rows 1 and 2 of one environment,

    X → Y:           Y₁ ⫫ X₂ | X₁,  and not  X₁ ⫫ Y₂ | Y₁
    Y → X:           X₁ ⫫ Y₂ | Y₁,  and not  Y₁ ⫫ X₂ | X₁
    neither acts:    X ⫫ Y,

so that one further row of the cause says nothing of the effect that its own cause has not said.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from doworld._core.errors import DataError
from doworld.data import Trajectories
from doworld.graph import Edge, Evidence

__all__ = ["PairVerdict", "exchangeable_pair"]

FEATURES = 3
CONDITIONS = 6
FEWEST_ENVIRONMENTS = 30
TEST = "cosines of ranks, Hotelling's F; statistic: log10 of the ratio of the p-values"


@dataclass(frozen=True)
class PairVerdict:
    """What two variables are to each other, and how strongly each of three structures is refuted.

    Attributes:
        first, second: X and Y.
        edge: the edge that the evidence favours; None where the two are independent.
        forward: p-value of X → Y, that is of Y₁ ⫫ X₂ | X₁.
        backward: p-value of Y → X, that is of X₁ ⫫ Y₂ | Y₁.
        independent: p-value of X ⫫ Y.
        environments: how many the verdict rests on.
        note: the verdict in words, with what speaks against it.
    """

    first: str
    second: str
    edge: Edge | None
    forward: float
    backward: float
    independent: float
    environments: int
    note: str


def exchangeable_pair(
    log: Trajectories, first: str, second: str, *, level: float = 0.01
) -> PairVerdict:
    r"""Chooses among X → Y, Y → X and no edge from two or more rows in each of many environments.

    All three hypotheses are conditional independences A ⫫ B | C of ranks, tested by the generalised
    covariance measure (Shah & Peters 2020) on several functions of A and B. With f_k(u) =
    √2 cos πku of ranks scaled to (0, 1), and r the residuals of a regression on f₁…f₆ of C,

        P_e = Σ_s r(f_j(A_es)) r(f_k(B_es)),   T² = n P̄ᵀ S⁻¹ P̄,
        T² (n − q)/(q (n − 1)) ~ F(q, n − q)

    over the n environments, with q = 3 · 3 pairs j, k ≤ 3, so that rows of one environment need not
    be independent. Independence is rejected at ``level``; then the direction that is refuted less
    is taken. Ranks make it indifferent to monotone changes of either variable.

    Args:
        log: a table or a log over time, whose rows of one environment are taken as exchangeable.
        first, second: X and Y.
        level: of the test of independence.

    Raises:
        DataError: fewer than thirty environments have two complete rows.
        UnknownNameError: a variable that the log does not have.

    >>> from doworld.worlds.finetti import DeFinetti
    >>> verdict = exchangeable_pair(DeFinetti(0, 3, 2, 4).collect(400, seed=1), "x", "y")
    >>> str(verdict.edge), verdict.backward < 0.01 < verdict.forward
    ('x(t) --> y(t)', True)
    """
    x, y = log.column(first), log.column(second)
    place = log.environment[log.episode_of_row]
    rows, others, cluster = _neighbours(place, np.isfinite(x) & np.isfinite(y), log)
    u, v = _ranks(x), _ranks(y)
    group = np.unique(cluster, return_inverse=True)[1]
    logs = [
        _refuted(v[rows], u[others], u[rows], group),
        _refuted(u[rows], v[others], v[rows], group),
        _refuted(u[rows], v[rows], None, group),
    ]
    forward, backward, independent = (float(np.exp(p)) for p in logs)
    environments = int(group.max()) + 1
    edge, note = None, _note(first, second, logs, environments, level)
    if independent <= level:
        ahead = logs[0] >= logs[1]
        source, target = (first, second) if ahead else (second, first)
        statistic = abs(logs[0] - logs[1]) / np.log(10)
        proof = Evidence(TEST, float(statistic), min(forward, backward), len(rows), note)
        edge = Edge(source, target, 0, evidence=proof)
    return PairVerdict(first, second, edge, forward, backward, independent, environments, note)


def _neighbours(
    place: Int[np.ndarray, " rows"], known: np.ndarray, log: Trajectories
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every complete row, another row of its environment (the next, in a ring), and where it is."""
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(place[rows], kind="stable")]
    cluster, first, size = np.unique(place[rows], return_index=True, return_counts=True)
    enough = size >= 2
    if enough.sum() < FEWEST_ENVIRONMENTS:
        raise DataError(
            f"only {int(enough.sum())} of {len(log.schema.environments)} environments have two "
            f"complete rows, and {FEWEST_ENVIRONMENTS} are the least to tell a direction. Log two "
            "rows in each of more environments, or use discover(), which needs few of them."
        )
    ring = [np.roll(rows[a : a + n], -1) for a, n in zip(first[enough], size[enough], strict=True)]
    kept = np.repeat(enough, size)
    return rows[kept], np.concatenate(ring), np.repeat(cluster[enough], size[enough])


def _ranks(values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Ranks scaled to (0, 1); unknown values stay unknown."""
    return stats.rankdata(values, nan_policy="omit") / (np.isfinite(values).sum() + 1)


def _cosines(ranks: Float[np.ndarray, " rows"], count: int) -> Float[np.ndarray, "rows count"]:
    return np.sqrt(2) * np.cos(np.pi * np.arange(1, count + 1) * ranks[:, None])


def _refuted(
    a: Float[np.ndarray, " rows"],
    b: Float[np.ndarray, " rows"],
    given: Float[np.ndarray, " rows"] | None,
    group: Int[np.ndarray, " rows"],
) -> float:
    """The logarithm of the p-value of a ⫫ b | given, rows of one group counted together."""
    condition = np.ones((len(a), 1))
    if given is not None:
        condition = np.concatenate([condition, _cosines(given, CONDITIONS)], 1)
    both = np.concatenate([_cosines(a, FEATURES), _cosines(b, FEATURES)], 1)
    left = both - condition @ np.linalg.lstsq(condition, both, rcond=None)[0]
    pairs = np.einsum("ij,ik->ijk", left[:, :FEATURES], left[:, FEATURES:]).reshape(len(a), -1)
    n = int(group.max()) + 1
    sums = np.zeros((n, pairs.shape[1]))
    np.add.at(sums, group, pairs)
    mean = sums.mean(0)
    values, vectors = np.linalg.eigh(np.cov(sums.T))
    live = values > 1e-9 * values[-1]
    q = int(live.sum())
    if values[-1] <= 0:
        return 0.0
    t2 = n * float((((mean @ vectors[:, live]) ** 2) / values[live]).sum())
    return float(stats.f.logsf(t2 * (n - q) / (q * (n - 1)), q, n - q))


def _note(first: str, second: str, logs: list[float], environments: int, level: float) -> str:
    forward, backward, independent = (float(np.exp(p)) for p in logs)
    facts = (
        f"p of {first} → {second} is {forward:.2g}, of {second} → {first} {backward:.2g}, of "
        f"independence {independent:.2g}, over {environments} environments."
    )
    if independent > level:
        return f"{first} and {second} are independent as far as these rows tell: {facts}"
    if max(forward, backward) <= level:
        return (
            f"{facts} Both directions are refuted: something that differs between environments "
            f"may act on both. Log it, and do not lean on this edge."
        )
    if min(forward, backward) > level:
        return f"{facts} Neither direction is refuted: log more environments."
    return facts
