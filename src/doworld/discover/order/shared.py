r"""The score of a table from several environments, best where few mechanisms differ between them.

Pooled, two mechanisms that change together look like an edge; apart, each environment has few rows.
Here a variable's score given its parents is that of the best of many ways in which environments may
share the mechanism, so that a graph along which few mechanisms change scores best:

    s(t | P) = max_h max_A max_m  Σ_e −n_e log σ²_e  −  c · (number of parameters),   c ≥ log n

with h straight or bent answers (sums of Legendre polynomials of squashed parents); A the
environments that have a mechanism of their own; and m what the others share: everything, or all but
some of the level, the weights and the noise σ_e. BIC (Schwarz 1978) for the sparse mechanism shifts
of Schölkopf et al. (2021) and Perry, von Kügelgen & Schölkopf (2022), "Causal discovery in
heterogeneous environments under the sparse mechanism shift hypothesis". Where an intervention on t
is known, its environments are in A if it was soft; if it was hard they say nothing of P and do not
count, as in GIES (Hauser & Bühlmann 2012, "Characterization and greedy learning of interventional
Markov equivalence classes of directed acyclic graphs").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

from doworld.discover.order.scores import BLOCKS, Strength, bits
from doworld.discover.order.sharing import Sharing, Sums

__all__ = ["SharedScore"]

DEGREE = 3
MOST_KEPT = 4_000_000
"""Numbers that sums of resamples, or regressions solved at once, may fill."""
SO_FEW, SO_SMALL = 20, 60_000
"""Sets of parents of one size, and the numbers that their regressions fill, up to which all of them
are scored once one is asked for: that costs less than asking again."""


@dataclass(frozen=True, eq=False)
class SharedScore:
    """The score of a table by sums over each environment, for ``permutation.search``.

    What is asked of one draw of the rows is computed for all draws at once, as the others are
    asked much the same.

    Attributes:
        features: a constant and then ``DEGREE`` columns a variable, the variable itself first.
        place: the environment of each row, 0 … E − 1.
        replaced: ``[v, e]``: v does not listen to its causes in e.
        altered: ``[v, e]``: v has a mechanism of its own in e.
        penalty: c, the price of a parameter.
        sums: of the rows, or of several draws of them.
        draw: which of these is scored.
        known: scores, and numbers of parameters, already computed for all draws.
    """

    features: Float[np.ndarray, "rows features"]
    place: Int[np.ndarray, " rows"]
    replaced: Bool[np.ndarray, "variables environments"]
    altered: Bool[np.ndarray, "variables environments"]
    penalty: float
    sums: Sums
    draw: int = 0
    known: dict[tuple[int, int], tuple[list[float], list[int]]] = field(default_factory=dict)

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
            Sums.of(features, place, np.ones((1, len(place)))),
        )

    @property
    def environments(self) -> int:
        """How many environments are compared."""
        return self.sums.rows.shape[1]

    def local(self, target: int, given: int) -> float:
        """s(t | P)."""
        return self._best(target, given)[0]

    def gains(self, target: int, given: int, candidates: Sequence[int]) -> Float[np.ndarray, " c"]:
        """s(t | P ∪ c) − s(t | P) for each candidate c."""
        self._learn(target, [given | 1 << c for c in candidates])
        now = self.local(target, given)
        return np.array([self.local(target, given | 1 << c) - now for c in candidates])

    def test(self, target: int, given: int, parent: int) -> Strength:
        """The gain in score without its penalty, read as a χ² of the parameters gained, of one at
        least.

        An approximation: both sides are the best of several ways of sharing, so that the law of
        twice a gain in likelihood holds near, and not at all where an environment has hardly more
        rows than parameters; ``comparable`` leaves those out. The effect is the share of the
        variance that is gone.
        """
        after, many = self._best(target, given | 1 << parent)
        before, few = self._best(target, given)
        gain = max(after - before + self.penalty * max(many - few, 1), 0.0)
        p_value = float(stats.chi2.sf(gain, max(many - few, 1)))
        rows = float(self.sums.rows[self.draw].sum())
        return Strength(gain, p_value, 1 - float(np.exp(-gain / rows)))

    def resamples(self, count: int, rng: np.random.Generator) -> Iterator["SharedScore"]:
        """Rows drawn with replacement within each environment, in random groups."""
        group = np.zeros(len(self.place), np.int64)
        sizes: list[int] = []
        for e in range(self.environments):
            own = np.flatnonzero(self.place == e)
            blocks = min(BLOCKS, len(own))
            group[own] = sum(sizes) + rng.permutation(np.arange(len(own)) % blocks)
            sizes.append(blocks)
        drawn = [
            np.concatenate([rng.multinomial(b, np.full(b, 1 / b)) for b in sizes])
            for _ in range(count)
        ]
        most = max(1, MOST_KEPT // self.sums.squares[0].size)
        for first in range(0, count, most):
            weights = np.stack(drawn[first : first + most])[:, group].astype(float)
            sums = Sums.of(self.features, self.place, weights)
            together = replace(self, sums=sums, draw=0, known={})
            for draw in range(len(weights)):
                yield replace(together, draw=draw)

    def _best(self, target: int, given: int) -> tuple[float, int]:
        """s(t | P) and the number of parameters behind it."""
        if (target, given) not in self.known:
            self._learn(target, [given])
        scores, counts = self.known[target, given]
        return scores[self.draw], counts[self.draw]

    def _learn(self, target: int, sets: Sequence[int]) -> None:
        """Adds to ``known`` what it lacks of the parents ``sets``; those of one size at once.

        Where there are few sets of the size, all: others are sure to be asked for.
        """
        for size in {m.bit_count() for m in sets if (target, m) not in self.known}:
            columns = 2 + DEGREE * size
            others = [v for v in range(len(self.replaced)) if v != target]
            count = comb(len(others), size)
            if count <= SO_FEW and count * self.sums.rows.size * columns**2 <= SO_SMALL:
                sets = [*sets, *(sum(1 << v for v in some) for some in combinations(others, size))]
            fresh = [m for m in sets if m.bit_count() == size and (target, m) not in self.known]
            fresh = list(dict.fromkeys(fresh))
            most = max(1, MOST_KEPT // (self.sums.rows.size * columns**2))
            for first in range(0, len(fresh), most):
                self._add(target, fresh[first : first + most])

    def _add(self, target: int, fresh: Sequence[int]) -> None:
        parents = np.array([bits(given) for given in fresh], np.int64).reshape(len(fresh), -1)
        score, count = self._fitted(target, 1 + DEGREE * parents)
        if parents.shape[1]:
            wide = (1 + DEGREE * parents[:, :, None] + np.arange(DEGREE)).reshape(len(fresh), -1)
            bent, many = self._fitted(target, wide, above=score)
            score, count = np.where(bent > score, [bent, many], [score, count])
        for k, given in enumerate(fresh):
            self.known[target, given] = score[:, k].tolist(), count[:, k].astype(int).tolist()

    def _fitted(
        self,
        target: int,
        inputs: Int[np.ndarray, "sets inputs"],
        above: Float[np.ndarray, "draws sets"] | None = None,
    ) -> tuple[Float[np.ndarray, "draws sets"], Int[np.ndarray, "draws sets"]]:
        """The best way of sharing with these input columns, as far as it may be ``above``."""
        kept = np.flatnonzero(~self.replaced[target])
        shape = len(self.sums.rows), len(inputs)
        if not len(kept):
            return np.zeros(shape), np.full(shape, inputs.shape[1])
        own = np.full((len(inputs), 1), 1 + DEGREE * target)
        fit = Sharing.of(self.sums, kept, np.concatenate([inputs, own], 1), self.penalty)
        least = -np.inf if above is None else above.ravel()
        score, count = fit.best(~self.altered[target, kept], least)
        return score.reshape(shape), count.reshape(shape)
