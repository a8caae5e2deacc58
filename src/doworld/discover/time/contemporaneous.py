"""Edges within a row: the order of a row's variables that needs the fewest causes.

The past takes part in the search as given causes, so that it points the edges within the row: where
z moves x, and y only through x, the order y, x needs an edge more than x, y.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import GraphError
from doworld._core.progress import Quiet
from doworld.data import Role, Schema
from doworld.discover.numerics.heldout import NOISE_FREE
from doworld.discover.numerics.standard import standardise
from doworld.discover.order.permutation import Constraints, Ordered, refine, search
from doworld.discover.order.scores import GaussianScore, Score
from doworld.discover.time.assess import Assessment, assess
from doworld.discover.time.design import Block, Candidate
from doworld.discover.time.odds import WithOdds, odds_table
from doworld.discover.time.results import EdgeTests
from doworld.graph import Edge, Prior
from doworld.graph.equivalence import equivalence_class

__all__ = ["Given", "RowTest", "Within", "leftover", "within"]

MOST_PARENTS = 25
KICKS = 4
RESAMPLES = 40
AGREED = 0.9
"""Share of resamples with an edge in which it must point one way, or it is left open."""


@dataclass(frozen=True)
class RowTest:
    """One edge within a row, tested given everything earlier and the target's other causes."""

    score: float
    p_value: float
    effect: float
    rows: int


@dataclass(frozen=True, eq=False)
class Within:
    """Links among the nodes ``names`` within a row.

    Attributes:
        names: the variables.
        nodes: their numbers among the block's targets.
        out: ``[i, j]``: i may cause j; both directions true means that the data leave it open.
        share: ``[i, j]``: the share of resampled logs that link i and j.
    """

    names: tuple[str, ...]
    nodes: tuple[int, ...]
    out: Bool[np.ndarray, "nodes nodes"]
    share: Float[np.ndarray, "nodes nodes"]

    def without(self, pairs: Iterable[tuple[str, str]]) -> "Within":
        """The links but those of some pairs."""
        at = {name: i for i, name in enumerate(self.names)}
        out = self.out.copy()
        for a, b in pairs:
            out[at[a], at[b]] = out[at[b], at[a]] = False
        return replace(self, out=out)

    def only(self, edges: list[Edge]) -> "Within":
        """The links that became edges."""
        at = {name: i for i, name in enumerate(self.names)}
        kept = np.zeros_like(self.out)
        for e in edges:
            i, j = at[e.source], at[e.target]
            kept[i, j] = kept[j, i] = True
        return replace(self, out=self.out & kept)


def _constraints(
    names: tuple[str, ...], schema: Schema, prior: Prior
) -> tuple[Bool[np.ndarray, "n n"], Bool[np.ndarray, "n n"]]:
    """``allowed`` and ``required`` edges among the nodes, from roles and the prior."""
    d = len(names)
    allowed = np.array([[prior.allows(a, b, 0) for b in names] for a in names], bool)
    allowed = allowed.reshape(d, d) & ~np.eye(d, dtype=bool)
    for i, a in enumerate(names):
        if schema[a].role is Role.REWARD:
            allowed[i] = False
    wanted = [[prior.requires(a, b, 0) for b in names] for a in names]
    required = np.array(wanted, bool).reshape(d, d)
    contradiction = np.argwhere(required & ~allowed)
    if len(contradiction):
        i, j = contradiction[0]
        raise GraphError(
            f"edge {names[i]} → {names[j]} is required within a row, but {names[i]!r} is a reward "
            "or the prior forbids it. Drop it or change the role."
        )
    return allowed & ~required.T, required


def leftover(found: Assessment, block: Block) -> float:
    """The strongest correlation between what the past leaves of two targets."""
    noisy = [t for t in range(len(block.targets)) if found.unexplained[t] > NOISE_FREE]
    columns = [c for t in noisy for c in block.targets[t].columns]
    home = np.array([t for t in noisy for _ in block.targets[t].columns])
    table, _ = standardise(found.residual[:, columns])
    apart = home[:, None] != home[None, :]
    return float((np.abs(table.T @ table / max(len(table), 1)) * apart).max(initial=0.0))


def within(
    block: Block,
    found: Assessment,
    schema: Schema,
    prior: Prior,
    *,
    seed: int,
    budget: Budget = UNLIMITED,
) -> Within:
    """Links and directions among the block's targets given the past.

    The best order is searched with the Bayesian information criterion of linear models (its penalty
    per cause log n + log p, p the number of candidates; Chen and Chen 2008, γ = ½), in which the
    past, and what a nonlinear model makes of it, are causes that nothing else moves. An edge points
    one way if all graphs of the found one's equivalence class agree (Meek 1995), and so do nine in
    ten resampled logs. Targets without noise have nothing left to link and take no part. Prior odds
    add to the score. When ``budget`` ends, what the search has is taken, and resamples are fewer.
    """
    nodes = tuple(t for t in range(len(block.targets)) if found.unexplained[t] > NOISE_FREE)
    names = tuple(block.targets[t].name for t in nodes)
    inside = _constraints(names, schema, prior)
    table, columns, allowed, required = _nodes(block, found, nodes, inside)
    past = len(columns) - len(nodes)
    score: Score = GaussianScore.of(
        table, columns, float(np.log(len(table)) + np.log(len(columns)))
    )
    if prior.chances:
        odds = np.ones((len(columns), len(columns)))
        odds[past:, past:] = odds_table(prior, names)
        score = WithOdds.of(score, odds)
    tier = (0.0,) * past + (1.0,) * len(nodes)
    limits = Constraints(allowed, required, tier, min(MOST_PARENTS, len(table) // 10))
    rng = np.random.default_rng([seed, 41])
    kicks = KICKS if len(nodes) < 40 else 1
    best = search(score, limits, kicks=kicks, rng=rng, budget=budget.part(0.6))
    out = _class(best, past)
    points, share = _agreement(score, limits, best, past, rng, budget)
    certain = out & ~out.T & ((points >= AGREED * share) | required[past:, past:])
    linked = out | out.T
    return Within(names, nodes, linked & ~certain.T, share)


def _nodes(
    block: Block,
    found: Assessment,
    nodes: tuple[int, ...],
    inside: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, list[list[int]], np.ndarray, np.ndarray]:
    """The table, each node's columns, and what is allowed and required: the past first."""
    bent = [t for t in nodes if not found.linear[t]]
    made = [_predicted(block, found, t) for t in bent]
    levels = [block.outcomes[:, list(block.targets[t].columns)] for t in nodes]
    table, _ = standardise(np.concatenate([block.inputs, *made, *levels], 1))
    columns = [list(c.columns) for c in block.candidates]
    at = block.inputs.shape[1]
    for part in (*made, *levels):
        columns.append(list(range(at, at + part.shape[1])))
        at += part.shape[1]
    past, d = len(columns) - len(nodes), len(columns)
    allowed, required = np.zeros((2, d, d), bool)
    allowed[: len(block.candidates), past:] = block.allowed[:, list(nodes)]
    allowed[len(block.candidates) : past, past:] = True
    allowed[past:, past:], required[past:, past:] = inside
    return table, columns, allowed, required


def _predicted(block: Block, found: Assessment, target: int) -> Float[np.ndarray, "rows c"]:
    """What the past makes of a target's increments, up to its scale."""
    own = list(block.targets[target].columns)
    y, _ = standardise(block.increments(own)[:])
    left = found.residual[:, own] - found.residual[:, own].mean(0)
    share = (y * left).sum(0) / np.maximum((left**2).sum(0), 1e-12)
    return y - share * left


def _class(found: Ordered, past: int) -> Bool[np.ndarray, "n n"]:
    """Which way the edges within the row may point, given that time points all others."""
    known = np.zeros_like(found.dag)
    known[:past] = True
    return equivalence_class(found.dag, known)[past:, past:]


def _agreement(
    score: Score,
    limits: Constraints,
    best: Ordered,
    past: int,
    rng: np.random.Generator,
    budget: Budget,
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Shares of resampled logs in which i → j for certain, and in which i and j are linked."""
    n = len(best.order) - past
    points, links = np.zeros((2, n, n))
    made = 0
    for again in score.resamples(RESAMPLES, rng):
        if made and budget.over():
            budget.cut(f"{made} of {RESAMPLES} resamples of the edges within a row")
            break
        out = _class(refine(again, limits, best, rng), past)
        points += out & ~out.T
        links += out | out.T
        made += 1
    return points / made, links / made


class Given:
    """A block's targets tested anew with variables of their own row among the candidates."""

    def __init__(self, block: Block, links: Within) -> None:
        self.block, self.links = block, links
        self._known: dict[tuple[int, tuple[int, ...]], EdgeTests] = {}

    def tests(self) -> dict[tuple[int, int], RowTest]:
        """The test of each link, by (source, target), given the past and the target's others."""
        out: dict[tuple[int, int], RowTest] = {}
        for j in range(len(self.links.nodes)):
            near = np.flatnonzero(self.links.out[:, j]).tolist()
            for k, i in enumerate(near):
                table, at = self._table(j, near), (len(self.block.candidates) + k, 0)
                found = (float(v[at]) for v in (table.score, table.p_value, table.effect))
                out[i, j] = RowTest(*found, rows=int(table.rows[at]))
        return out

    def correct(self, found: Assessment, links: Within) -> None:
        """Tests the past of every target with links within the row anew, given these too.

        The causes found within the row stand among the conditions, so that what acts through them
        is no lagged edge. Where a link is open, a lagged edge must hold with and without its other
        end.
        """
        for j, t in enumerate(links.nodes):
            near = np.flatnonzero(links.out[:, j]).tolist()
            sure = [i for i in near if not links.out[j, i]]
            if near:
                versions = [near] if sure == near else [sure, near]
                _weaker(found.tests, [self._table(j, v) for v in versions], t, self.block)

    def _table(self, node: int, near: list[int]) -> EdgeTests:
        """The tests of one node, each made once."""
        key = (node, tuple(near))
        if key not in self._known:
            self._known[key] = self._assessed(self.links.nodes[node], near)
        return self._known[key]

    def _assessed(self, target: int, near: list[int]) -> EdgeTests:
        block = self.block
        inputs, candidates = [block.inputs], list(block.candidates)
        width = block.inputs.shape[1]
        seen = [] if block.holes is None else [block.holes[:, :width]]
        for i in near:
            own = block.targets[self.links.nodes[i]]
            inputs.append(block.outcomes[:, list(own.columns)])
            if block.holes is not None:
                at = block.inputs.shape[1]
                seen.append(block.holes[:, [at + c for c in own.columns]])
            columns = tuple(range(width, width + len(own.columns)))
            candidates.append(Candidate(own.name, 0, columns))
            width += len(own.columns)
        wider = block.for_target(target, np.concatenate(inputs, 1), tuple(candidates))
        if block.holes is not None:
            own = [block.inputs.shape[1] + c for c in block.targets[target].columns]
            holes = np.concatenate([*seen, block.holes[:, own]], 1)
            wider = replace(wider, holes=holes)
        required = np.zeros((len(candidates), 1), bool)
        return assess(wider, required, Quiet().task("", 1)).tests


def _weaker(table: EdgeTests, versions: list[EdgeTests], target: int, block: Block) -> None:
    """Writes, for every lagged candidate, the weakest of its tests."""
    rows = np.arange(len(block.candidates))
    p = np.stack([np.nan_to_num(v.p_value[rows, 0], nan=1.0) for v in versions])
    worst = p.argmax(0)
    for name in ("score", "statistic", "p_value", "gain", "least_gain", "effect", "rows"):
        every = np.stack([getattr(v, name)[rows, 0] for v in versions])
        getattr(table, name)[rows, target] = every[worst, rows]
    if table.influence.size and all(v.influence.size for v in versions):
        every = np.stack([v.influence[:, rows, 0] for v in versions])
        table.influence[:, rows, target] = every[worst, :, rows].T
    table.test[target] = versions[-1].test[0] + "; given causes in the same row"
