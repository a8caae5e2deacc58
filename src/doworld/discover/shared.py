r"""The graph of a table from several environments: the one with the fewest mechanisms that change.

Pooled, two mechanisms that change together look like an edge; apart, each environment has few rows.
Here a variable's score given its parents is that of the best of several ways in which environments
may share the mechanism, so that a graph along which few mechanisms change scores best:

    s(t | P) = max_h max_m  Σ_e −n_e log σ²_e,m  −  log n · (number of parameters of m with h)

with h straight or bent answers (sums of Legendre polynomials of squashed parents), and m one of:
all shared; own noise σ_e; own level; both; all its own. BIC (Schwarz 1978) for the sparse mechanism
shifts of Schölkopf et al. (2021) and Perry, von Kügelgen & Schölkopf (2022), "Causal discovery in
heterogeneous environments under the sparse mechanism shift hypothesis".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from scipy import special, stats

from doworld._core.errors import DataError, SchemaError
from doworld.data import Kind, Role, Trajectories
from doworld.discover.multiplicity import benjamini_hochberg
from doworld.discover.permutation import Constraints, search
from doworld.discover.samples import several_environments
from doworld.discover.scores import Strength, bits
from doworld.graph import CausalGraph, Edge, Evidence, Mark, Prior

__all__ = ["SharedScore", "discover_shared"]

DEGREE = 3
KICKS = 4
MOST_PARENTS = 8
FEWEST_ROWS = 20
RIDGE = 1e-9
CLEAR = 6.0
"""A difference of scores, twice the logarithm of a ratio of evidence, from which it counts."""
TEST = "BIC, mechanisms shared between environments or not"


@dataclass(frozen=True, eq=False)
class SharedScore:
    """The score of a table by sums over each environment, for ``permutation.search``.

    Attributes:
        squares: FᵀF of each environment, F a constant and then ``DEGREE`` columns a variable, the
            variable itself first.
        rows: how many rows each environment has.
        known: scores already computed.
    """

    squares: Float[np.ndarray, "environments features features"]
    rows: Float[np.ndarray, " environments"]
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Float[np.ndarray, "rows variables"], place: np.ndarray) -> "SharedScore":
        """The score of complete rows, each from the environment ``place``."""
        centred = table - table.mean(0)
        z = centred / np.maximum(centred.std(0), np.finfo(float).tiny)
        calm = special.erf(z / 1.5)
        bent = [(3 * calm**2 - 1) / 2, (5 * calm**3 - 3 * calm) / 2]
        parts = np.stack([z, *bent], 2).reshape(len(z), -1)
        features = np.concatenate([np.ones((len(z), 1)), parts], 1)
        _, code = np.unique(place, return_inverse=True)
        each = [features[code == e] for e in range(int(code.max()) + 1)]
        return cls(np.stack([f.T @ f for f in each]), np.array([float(len(f)) for f in each]))

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        value = self.known.get((target, given))
        if value is None:
            parents = bits(given)
            value = self._fitted(target, [1 + DEGREE * p for p in parents])
            if parents:
                wide = [1 + DEGREE * p + k for p in parents for k in range(DEGREE)]
                value = max(value, self._fitted(target, wide))
            self.known[target, given] = value
        return value

    def fit(self, target: int, given: int) -> tuple[float, Float[np.ndarray, " parents"]]:
        """s(t | P), and by how much it changes without each parent."""
        now = self.local(target, given)
        without = [self.local(target, given ^ (1 << p)) - now for p in bits(given)]
        return now, np.array(without, float)

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        now = self.local(target, given)
        return np.array([self.local(target, given | 1 << c) - now for c in candidates])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """How much the score falls without ``parent``, and that as a χ² of one freedom."""
        fall = self.local(target, given | 1 << parent) - self.local(target, given)
        statistic = max(fall + float(np.log(self.rows.sum())), 0.0)
        share = 1 - float(np.exp(-max(fall, 0.0) / self.rows.sum()))
        return Strength(fall, float(stats.chi2.sf(statistic, 1)), share)

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["SharedScore"]:
        """None: sums of environments cannot be resampled by rows."""
        return iter(())

    def _fitted(self, target: int, inputs: list[int]) -> float:
        """The best way of sharing, with these input columns."""
        at = [*inputs, 1 + DEGREE * target]
        whole = self.squares[:, [0, *at]][:, :, [0, *at]]
        means = self.squares[:, 0][:, at] / self.rows[:, None]
        inner = self.squares[:, at][:, :, at]
        centred = inner - self.rows[:, None, None] * means[:, :, None] * means[:, None, :]
        n, k, p = float(self.rows.sum()), len(self.rows), len(inputs)
        price = float(np.log(n))
        shared, level = _left(whole.sum(0), whole), _left(centred.sum(0), centred)
        own = _left_alone(centred)
        one = [-n * np.log(left.sum() / n + RIDGE) for left in (shared, level)]
        each = [
            -float((self.rows * np.log(left / self.rows + RIDGE)).sum())
            for left in (shared, level, own)
        ]
        return float(
            max(
                one[0] - price * (p + 2),
                one[1] - price * (p + k + 1),
                each[0] - price * (p + 1 + k),
                each[1] - price * (p + 2 * k),
                each[2] - price * (p + 2) * k,
            )
        )


def _left(
    pooled: Float[np.ndarray, "n n"], each: Float[np.ndarray, "environments n n"]
) -> Float[np.ndarray, " environments"]:
    """Squares that the pooled regression of the last column on the others leaves of each."""
    inner = pooled[:-1, :-1] + RIDGE * np.trace(pooled) * np.eye(len(pooled) - 1)
    weights = np.append(-np.linalg.solve(inner, pooled[:-1, -1]), 1.0)
    return np.maximum(np.einsum("i,eij,j->e", weights, each, weights), 0.0)


def _left_alone(
    each: Float[np.ndarray, "environments n n"],
) -> Float[np.ndarray, " environments"]:
    """The same of each environment's own regression."""
    size = np.trace(each, axis1=1, axis2=2)[:, None, None]
    inner = each[:, :-1, :-1] + RIDGE * size * np.eye(each.shape[1] - 1)
    product = each[:, :-1, -1]
    weights = np.linalg.solve(inner, product[..., None])[..., 0]
    return np.maximum(each[:, -1, -1] - (weights * product).sum(1), 0.0)


def discover_shared(
    log: Trajectories, *, prior: Prior | None = None, fdr: float = 0.01, seed: int = 0
) -> CausalGraph:
    """The graph of a static table from several environments along which few mechanisms change.

    Orders of the variables are searched (``doworld.discover.permutation.search``) for the highest
    Σ_t s(t | P_t) of this module. An edge is left open where the graph with it turned round scores
    nearly as well (by less than 6), directed otherwise: by v-structures, by bent answers, or by
    what changes. Edges that Benjamini and Hochberg (1995) would not believe at ``fdr`` among all
    pairs are left out. Noise is taken as Gaussian, answers as sums over causes.

    Args:
        log: a static table of continuous, count or binary variables.
        prior: required and forbidden edges and tiers.
        fdr: the expected share of false links, as far as p-values hold after a search.
        seed: of the search.

    Raises:
        DataError: one environment, or fewer than twenty complete rows in one.
        SchemaError: the log is not static, or has a categorical variable.
        UnknownNameError: the prior names a variable that the log does not have.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(3, changes=1, seed=0)
    >>> graph = discover_shared(world.collect(500))
    >>> {(e.source, e.target) for e in graph.links} == {
    ...     (e.source, e.target) for e in world.graph.links}
    True
    """
    prior = prior or Prior()
    prior.check(log.schema.names)
    table, place = _table(log)
    names = log.schema.names
    score = SharedScore.of(table, place)
    rng = np.random.default_rng(seed)
    limits = _constraints(log, prior)
    dag = _believed(score, search(score, limits, kicks=KICKS, rng=rng).dag, limits, fdr)
    parents = [_mask(column) for column in dag.T]
    links = []
    for i, j in np.argwhere(dag).tolist():
        rest = parents[j] & ~(1 << i)
        found = score.test(j, rest, i)
        sure = (
            prior.requires(names[i], names[j], 0, static=True)
            or not prior.allows(names[j], names[i], 0)
            or _worse(score, parents, dag, i, j) >= CLEAR
        )
        mark = Mark.DIRECTED if sure else Mark.UNDIRECTED
        proof = Evidence(TEST, found.statistic, found.p_value, len(table))
        links.append(Edge(names[i], names[j], 0, mark, effect=found.effect, evidence=proof))
    note = (
        f"a static table of {len(score.rows)} environments: the graph along which few mechanisms "
        "differ between them (BIC)."
    )
    return CausalGraph(names, tuple(links), max_lag=0, notes=(*log.notes, note))


def _mask(column: Bool[np.ndarray, " n"]) -> int:
    return sum(1 << int(i) for i in np.flatnonzero(column))


def _believed(
    score: SharedScore, dag: Bool[np.ndarray, "n n"], limits: Constraints, fdr: float
) -> Bool[np.ndarray, "n n"]:
    """The edges that are discoveries among all pairs, and those that are required."""
    p = np.ones(dag.shape)
    for i, j in np.argwhere(dag).tolist():
        p[i, j] = score.test(j, _mask(dag[:, j]) & ~(1 << i), i).p_value
    pairs = np.triu_indices(len(dag), 1)
    cut = benjamini_hochberg(np.minimum(p, p.T)[pairs], fdr)
    return dag & ((p <= cut) | limits.required)


def _worse(
    score: SharedScore, parents: list[int], dag: Bool[np.ndarray, "n n"], i: int, j: int
) -> float:
    """How much the score falls when i → j is turned round; ∞ where that closes a cycle."""
    other = dag.copy()
    other[i, j] = False
    seen, frontier = {i}, [i]
    while frontier:
        for child in np.flatnonzero(other[frontier.pop()]).tolist():
            if child == j:
                return float("inf")
            if child not in seen:
                seen.add(child)
                frontier.append(child)
    before = score.local(j, parents[j]) + score.local(i, parents[i])
    after = score.local(j, parents[j] & ~(1 << i)) + score.local(i, parents[i] | 1 << j)
    return before - after


def _table(
    log: Trajectories,
) -> tuple[Float[np.ndarray, "rows variables"], np.ndarray]:
    """Complete rows and their environments."""
    if not log.schema.static:
        raise SchemaError(
            "this log goes over time, and only static tables are searched so. Use discover()."
        )
    several_environments(log)
    for variable in log.schema.variables:
        if variable.kind is Kind.CATEGORICAL:
            raise SchemaError(
                f"{variable.name!r} is categorical, which this search does not take. Use "
                "discover(), or leave it out."
            )
    whole = np.isfinite(log.values).all(1)
    place = log.environment[log.episode_of_row][whole]
    counts = np.bincount(place, minlength=len(log.schema.environments))
    small = [e for e in np.unique(log.environment) if counts[e] < FEWEST_ROWS]
    if small:
        raise DataError(
            f"environment {log.schema.environments[small[0]]!r} has {counts[small[0]]} complete "
            f"rows, and {FEWEST_ROWS} are the least. Log more there, or leave it out."
        )
    return log.values[whole], place


def _constraints(log: Trajectories, prior: Prior) -> Constraints:
    """What roles and the prior allow; contexts come first and have no causes, rewards last."""
    schema, names = log.schema, log.schema.names
    allowed = np.array([[a != b and prior.allows(a, b, 0) for b in names] for a in names], bool)
    allowed[:, schema.positions(Role.CONTEXT)] = False
    allowed[schema.positions(Role.REWARD)] = False
    wanted = [[prior.requires(a, b, 0, static=True) for b in names] for a in names]
    required = np.array(wanted, bool).reshape(allowed.shape)
    ranks = {Role.CONTEXT: 0.0, Role.REWARD: 2.0}
    tier = tuple(ranks.get(v.role, 1.0) for v in schema.variables)
    return Constraints(allowed, required & allowed, tier, min(MOST_PARENTS, max(len(names) - 1, 1)))
