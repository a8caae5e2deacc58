r"""The score of a table from several environments, best where few mechanisms differ between them.

Pooled, two mechanisms that change together look like an edge; apart, each environment has few rows.
Here a variable's score given its parents is that of the best of many ways in which environments may
share the mechanism, so that a graph along which few mechanisms change scores best:

    s(t | P) = max_h max_A max_m  Σ_e −n_e log σ²_e  −  c · (number of parameters),   c ≥ log n

with h straight or bent answers (sums of Legendre polynomials of squashed parents); A the
environments that have a mechanism of their own; and m what the others share: everything; all but
the noise σ_e; all but the level; or all but both. BIC (Schwarz 1978) for the sparse mechanism
shifts of Schölkopf et al. (2021) and Perry, von Kügelgen & Schölkopf (2022), "Causal discovery in
heterogeneous environments under the sparse mechanism shift hypothesis". Where an intervention on t
is known, its environments are in A if it was soft; if it was hard they say nothing of P and do not
count, as in GIES (Hauser & Bühlmann 2012, "Characterization and greedy learning of interventional
Markov equivalence classes of directed acyclic graphs").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

from doworld.discover.order.scores import BLOCKS, Strength, bits

__all__ = ["SharedScore"]

DEGREE = 3
RIDGE = 1e-9
MOST_SPLIT = 12
"""Environments up to which each may be found to have a mechanism of its own."""
RATHER = 1.0
"""By how much a cause in the table must be worse than the environment to be passed over for it."""


@dataclass(frozen=True, eq=False)
class _Sums:
    """FᵀF and the number of rows of each environment."""

    squares: Float[np.ndarray, "environments features features"]
    rows: Float[np.ndarray, " environments"]


@dataclass(frozen=True, eq=False)
class SharedScore:
    """The score of a table by sums over each environment, for ``permutation.search``.

    Attributes:
        features: a constant and then ``DEGREE`` columns a variable, the variable itself first.
        place: the environment of each row, 0 … E − 1.
        replaced: ``[v, e]``: v does not listen to its causes in e.
        altered: ``[v, e]``: v has a mechanism of its own in e.
        penalty: c, the price of a parameter.
        sums: of the rows, or of rows drawn from them.
        known: scores, and numbers of parameters, already computed.
    """

    features: Float[np.ndarray, "rows features"]
    place: Int[np.ndarray, " rows"]
    replaced: Bool[np.ndarray, "variables environments"]
    altered: Bool[np.ndarray, "variables environments"]
    penalty: float
    sums: _Sums
    known: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        table: Float[np.ndarray, "rows variables"],
        place: Int[np.ndarray, " rows"],
        penalty: float,
        *,
        replaced: Bool[np.ndarray, "variables environments"] | None = None,
        altered: Bool[np.ndarray, "variables environments"] | None = None,
    ) -> "SharedScore":
        """The score of complete rows, each from the environment ``place`` in 0 … E − 1."""
        centred = table - table.mean(0)
        z = centred / np.maximum(centred.std(0), np.finfo(float).tiny)
        calm = special.erf(z / 1.5)
        bent = [(3 * calm**2 - 1) / 2, (5 * calm**3 - 3 * calm) / 2]
        parts = np.stack([z, *bent], 2).reshape(len(z), -1)
        features = np.concatenate([np.ones((len(z), 1)), parts], 1)
        none = np.zeros((table.shape[1], int(place.max()) + 1), bool)
        return cls(
            features,
            place,
            none if replaced is None else replaced,
            none if altered is None else altered,
            penalty,
            _summed(features, place, np.ones(len(place))),
        )

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        return self._best(target, given)[0]

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        now = self.local(target, given)
        return np.array([self.local(target, given | 1 << c) - now for c in candidates])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """Twice the gain in likelihood, as a χ² of the parameters gained, but of one at least.

        The effect is the share of the variance that is gone.
        """
        after, many = self._best(target, given | 1 << parent)
        before, few = self._best(target, given)
        gain = max(after - before + self.penalty * max(many - few, 1), 0.0)
        p_value = float(stats.chi2.sf(gain, max(many - few, 1)))
        return Strength(gain, p_value, 1 - float(np.exp(-gain / self.sums.rows.sum())))

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["SharedScore"]:
        """Rows drawn with replacement within each environment, in random groups."""
        group = np.zeros(len(self.place), np.int64)
        sizes: list[int] = []
        for e in range(len(self.sums.rows)):
            own = np.flatnonzero(self.place == e)
            blocks = min(BLOCKS, len(own))
            group[own] = sum(sizes) + rng.permutation(np.arange(len(own)) % blocks)
            sizes.append(blocks)
        for _ in range(count):
            drawn = np.concatenate([rng.multinomial(b, np.full(b, 1 / b)) for b in sizes])
            sums = _summed(self.features, self.place, drawn[group].astype(float))
            yield SharedScore(
                self.features, self.place, self.replaced, self.altered, self.penalty, sums
            )

    def _best(self, target: int, given: int) -> tuple[float, int]:
        """s(t | P) and the number of parameters behind it."""
        found = self.known.get((target, given))
        if found is None:
            parents = bits(given)
            found = self._fitted(target, [1 + DEGREE * p for p in parents])
            if parents:
                wide = [1 + DEGREE * p + k for p in parents for k in range(DEGREE)]
                found = max(found, self._fitted(target, wide))
            self.known[target, given] = found
        return found

    def _fitted(self, target: int, inputs: list[int]) -> tuple[float, int]:
        """The best way of sharing with these input columns; environments split off one by one."""
        kept = ~self.replaced[target]
        if not kept.any():
            return 0.0, len(inputs)
        at = [*inputs, 1 + DEGREE * target]
        fit = _Fit.of(self.sums, np.flatnonzero(kept), at, self.penalty)
        together = ~self.altered[target, kept]
        score, count = fit.shared(np.stack([together, np.zeros_like(together)]))
        best = int(score.argmax())
        found = float(score[best]), int(count[best])
        if not 2 < len(together) <= MOST_SPLIT:
            return found
        while together.sum() > 1:
            one = np.flatnonzero(together)
            fewer = np.repeat(together[None], len(one), 0)
            fewer[np.arange(len(one)), one] = False
            score, count = fit.shared(fewer)
            best = int(score.argmax())
            if score[best] <= found[0]:
                break
            found = float(score[best]), int(count[best])
            together = fewer[best]
        return found


def _summed(
    features: Float[np.ndarray, "rows features"],
    place: Int[np.ndarray, " rows"],
    weight: Float[np.ndarray, " rows"],
) -> _Sums:
    squares, rows = [], []
    for e in range(int(place.max()) + 1):
        own = features[place == e]
        squares.append((own * weight[place == e, None]).T @ own)
        rows.append(float(weight[place == e].sum()))
    return _Sums(np.stack(squares), np.array(rows))


@dataclass(frozen=True, eq=False)
class _Fit:
    """Sums of one regression, the outcome last: about zero with a constant, and about the mean.

    ``alone`` is −n_e log σ²_e of each environment's own regression.
    """

    whole: Float[np.ndarray, "environments n n"]
    centred: Float[np.ndarray, "environments m m"]
    rows: Float[np.ndarray, " environments"]
    alone: Float[np.ndarray, " environments"]
    penalty: float

    @classmethod
    def of(
        cls, sums: _Sums, kept: Int[np.ndarray, " kept"], at: Sequence[int], penalty: float
    ) -> "_Fit":
        columns = [0, *at]
        whole = sums.squares[kept][:, columns][:, :, columns]
        rows = sums.rows[kept]
        means = whole[:, 0, 1:] / rows[:, None]
        centred = whole[:, 1:, 1:] - rows[:, None, None] * means[:, :, None] * means[:, None, :]
        alone = -rows * np.log(_left_alone(centred) / rows + RIDGE)
        return cls(whole, centred, rows, alone, penalty)

    def shared(
        self, together: Bool[np.ndarray, "ways environments"]
    ) -> tuple[Float[np.ndarray, " ways"], Int[np.ndarray, " ways"]]:
        """Score and parameters where some environments share, and the others are on their own."""
        inputs, kept = self.centred.shape[1] - 1, together.sum(1)
        apart = together.shape[1] - kept
        rest = np.where(together, 0.0, self.alone).sum(1)
        many = apart * (inputs + 2)
        chosen = np.where(kept > 0, 2 * apart * np.log(together.shape[1]), 0.0)
        best = rest - self.penalty * many - RATHER
        count = many.copy()
        share = together.astype(float)
        total = np.maximum(share @ self.rows, 1.0)
        for own_level, each in ((False, self.whole), (True, self.centred)):
            left = _left(share, each)
            one = -total * np.log(left.sum(1) / total + RIDGE)
            own = -(share * self.rows * np.log(left / self.rows + RIDGE)).sum(1)
            for own_noise, value in ((False, one), (True, own)):
                used = many + inputs + (kept if own_level else 1) + (kept if own_noise else 1)
                differs = np.where((apart > 0) | own_level | own_noise, RATHER, 0.0)
                score = value + rest - chosen - self.penalty * used - differs
                better = (kept > 0) & (score > best)
                best, count = np.where(better, score, best), np.where(better, used, count)
        return best, count


def _left(
    share: Float[np.ndarray, "ways environments"], each: Float[np.ndarray, "environments n n"]
) -> Float[np.ndarray, "ways environments"]:
    """Squares that the regression of the last column pooled in each way leaves of those in it."""
    pooled = (share @ each.reshape(len(each), -1)).reshape(-1, *each.shape[1:])
    size = np.maximum(np.trace(pooled, axis1=1, axis2=2), RIDGE)[:, None, None]
    inner = pooled[:, :-1, :-1] + RIDGE * size * np.eye(each.shape[1] - 1)
    weights = np.ones((len(share), each.shape[1]))
    weights[:, :-1] = -np.linalg.solve(inner, pooled[:, :-1, -1:])[..., 0]
    left = ((each @ weights.T) * weights.T).sum(1).T
    return np.maximum(left, 0.0) * share


def _left_alone(
    each: Float[np.ndarray, "environments n n"],
) -> Float[np.ndarray, " environments"]:
    """The same of each environment's own regression."""
    size = np.trace(each, axis1=1, axis2=2)[:, None, None]
    inner = each[:, :-1, :-1] + RIDGE * size * np.eye(each.shape[1] - 1)
    product = each[:, :-1, -1]
    weights = np.linalg.solve(inner, product[..., None])[..., 0]
    return np.maximum(each[:, -1, -1] - (weights * product).sum(1), 0.0)
