"""Edges within a row: found among what the past leaves unexplained."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats

from doworld._core.errors import GraphError
from doworld.data import Role, Schema
from doworld.discover.assess import LINEAR_TEST, Assessment
from doworld.discover.design import Block
from doworld.discover.heldout import NOISE_FREE
from doworld.discover.linear import partial_tests, standardise
from doworld.discover.orientation import orient
from doworld.discover.skeleton import Skeleton, find_skeleton
from doworld.graph import Prior

__all__ = ["Contemporaneous", "Effects", "correct_lagged", "within_row"]

Effects = dict[tuple[int, int], tuple[float, float, float]]

STRONG = 4.0
WEAK = 2.0


@dataclass(frozen=True, eq=False)
class Contemporaneous:
    """Links among the nodes ``names`` within a row; ``out[i, j]``: i may cause j."""

    names: tuple[str, ...]
    nodes: tuple[int, ...]
    skeleton: Skeleton
    out: Bool[np.ndarray, "nodes nodes"]
    freedom: int

    def chance(self, i: int, j: int) -> float:
        """The probability that a resampled log links i and j: that its Fisher z passes the cut."""
        r = min(float(self.skeleton.strength[i, j]), 1 - 1e-12)
        z = np.arctanh(r) * np.sqrt(max(self.freedom, 1))
        return float(stats.norm.cdf(z - stats.norm.isf(self.skeleton.cut / 2)))


def _constraints(
    names: tuple[str, ...], schema: Schema, prior: Prior
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``possible``, ``required`` links and ``barred`` directions from roles and the prior."""
    d = len(names)
    barred = np.array([[not prior.allows(a, b, 0) for b in names] for a in names], bool)
    barred = barred.reshape(d, d)
    static = schema.static
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            if schema[b].role is Role.CONTEXT or schema[a].role is Role.REWARD:
                barred[i, j] = True
    wanted = [[prior.requires(a, b, 0, static=static) for b in names] for a in names]
    required = np.array(wanted, bool).reshape(d, d)
    contradiction = np.argwhere(required & barred)
    if len(contradiction):
        i, j = contradiction[0]
        raise GraphError(
            f"edge {names[i]} → {names[j]} is required within a row, but {names[j]!r} is a context "
            f"or {names[i]!r} a reward, which roles rule out. Drop it or change the role."
        )
    possible = ~(barred & barred.T) & ~np.eye(d, dtype=bool)
    return possible, required | required.T, barred | required.T


def within_row(
    block: Block,
    found: Assessment,
    schema: Schema,
    prior: Prior,
    *,
    rate: float,
) -> Contemporaneous:
    """Skeleton and directions among the block's targets given the past.

    What lagged causes leave of each target is tested for partial correlation (the momentary
    conditional independence of PCMCI+, Runge 2020, with every lagged candidate as condition).
    Targets without noise have nothing left to link and take no part.
    """
    nodes = tuple(
        t for t in range(len(block.targets)) if schema.static or found.unexplained[t] > NOISE_FREE
    )
    names = tuple(block.targets[t].name for t in nodes)
    columns = [list(block.targets[t].columns) for t in nodes]
    table, _ = standardise(found.residual)
    correlation = table.T @ table / len(table)
    possible, required, barred = _constraints(names, schema, prior)
    freedom = len(table) - block.inputs.shape[1] - 1
    skeleton = find_skeleton(
        correlation, columns, freedom, rate=rate, possible=possible, required=required
    )
    votes = None if schema.static else _votes(block, found, nodes, skeleton)
    known = np.zeros_like(barred)
    return Contemporaneous(names, nodes, skeleton, orient(skeleton, known, barred, votes), freedom)


def _votes(
    block: Block, found: Assessment, nodes: tuple[int, ...], skeleton: Skeleton
) -> np.ndarray:
    """Lagged causes z of x tell x → y from y → x on a link x — y.

    If z moves y but no longer does given x of the same row, x stands between: x → y. If z does not
    move y until x is given, x is a common effect: y → x.
    """
    votes = np.zeros(skeleton.linked.shape, np.int64)
    if not block.scalar or len(block.outcomes) < 3 * block.inputs.shape[1]:
        return votes
    plain = _scores(block, block.inputs)
    for i, x in enumerate(nodes):
        for j, y in enumerate(nodes):
            if i == j or not skeleton.linked[i, j]:
                continue
            given = np.concatenate([block.inputs, block.outcomes[:, [x]]], 1)
            direct = _scores(block, given, y)[:-1, 0]
            cause = np.abs(plain[:, x]) > STRONG
            total = np.abs(plain[:, y])
            votes[i, j] += int((cause & (total > STRONG) & (np.abs(direct) < WEAK)).sum())
            votes[j, i] += int((cause & (total < WEAK) & (np.abs(direct) > STRONG)).sum())
    return votes


def _scores(block: Block, inputs: np.ndarray, target: int | None = None) -> np.ndarray:
    """Scores of lagged causes of levels (not increments), given all of ``inputs``."""
    outcomes = block.outcomes if target is None else block.outcomes[:, [target]]
    steady = np.zeros(inputs.shape[1], bool)
    return partial_tests(inputs, outcomes, block.units, steady).score


def correct_lagged(block: Block, found: Assessment, links: Contemporaneous) -> Effects:
    """Removes lagged edges that act only through a contemporaneous parent; effects of the latter.

    The tests of each linear target with such parents are made anew given these parents. Returns
    (score, p-value, standardised coefficient) of each directed link by (source, target) node.
    """
    effects: Effects = {}
    if not block.scalar:
        return effects
    for j, t in enumerate(links.nodes):
        parents = [i for i in range(len(links.nodes)) if links.out[i, j] and not links.out[j, i]]
        if not parents or not found.linear[t]:
            continue
        kept = np.flatnonzero(block.allowed[:, t]).tolist()
        now = block.outcomes[:, [links.nodes[i] for i in parents]]
        inputs = np.concatenate([block.inputs[:, block.columns_of(kept)], now], 1)
        if len(inputs) < 3 * inputs.shape[1]:
            continue
        steady = np.zeros(inputs.shape[1], bool)
        tests = partial_tests(inputs, block.outcomes[:, [t]], block.units, steady)
        table, count = found.tests, len(kept)
        for name in ("score", "statistic", "p_value", "gain"):
            getattr(table, name)[kept, t] = getattr(tests, name)[:count, 0]
        table.effect[kept, t] = tests.coefficient[:count, 0]
        if table.influence.size and tests.influence.size:
            table.influence[:, kept, t] = tests.influence[:, :count, 0]
        table.test[t] = LINEAR_TEST + "; given causes in the same row"
        for k, i in enumerate(parents):
            row = count + k
            effects[i, j] = (
                float(tests.score[row, 0]),
                float(tests.p_value[row, 0]),
                float(tests.coefficient[row, 0]),
            )
    return effects
