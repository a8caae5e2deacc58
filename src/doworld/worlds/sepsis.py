"""A small intensive-care world of levels, whose noise can be coupled in more than one way.

After the setting of Oberst & Sontag (2019), "Counterfactual off-policy evaluation with Gumbel-max
structural causal models": vital signs in a few levels, three treatments on or off. The mechanisms
here are our own: a vital's next level is drawn from softmax(b + Σ W[parents]), so that every
coupling below has the very same observational and interventional distributions. It is for
counterfactuals: its noise is recorded. For the value of policies there is the published simulator,
``sepsis_simulator``, of which chances are known but no noise.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import Recording, World, level_of

__all__ = ["Sepsis"]

Noise = Literal["monotone", "scattered"]

GRADES = ("low", "normal", "high")
PARENTS: dict[str, tuple[str, ...]] = {
    "heart": ("heart", "antibiotic"),
    "pressure": ("pressure", "heart", "vasopressor"),
    "glucose": ("glucose", "vasopressor"),
    "oxygen": ("oxygen", "ventilation"),
}
TREATMENTS = ("antibiotic", "vasopressor", "ventilation")
LACTATE = {"lactate": 0.6, "heart": (0.0, 0.1, 0.8), "pressure": (0.9, 0.1, 0.0)}
SIGMA = 0.1


class Sepsis(World):
    """Four vital signs of three levels, the lactate that follows two of them, three treatments.

    Args:
        noise: how uniform noise picks a level. ``monotone``: by the inverse CDF over the levels in
            their order; ``scattered``: in another order for every configuration of the parents. No
            one who sees only logs and experiments can tell these, or Gumbel-max, apart.
        seed: of the mechanisms and of the orders.

    >>> world = Sepsis()
    >>> world.collect(2, 10).transitions
    20
    """

    def __init__(self, *, noise: Noise = "monotone", seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.noise = noise
        vitals = [Variable(n, kind=Kind.CATEGORICAL, categories=GRADES) for n in PARENTS]
        acts = [Variable(n, Role.ACTION, Kind.BINARY) for n in TREATMENTS]
        self.schema = Schema(
            (*vitals, Variable("lactate", unit="mmol/l"), *acts), policy=Policy.RANDOMISED
        )
        self.order = tuple(self.schema.positions(Role.STATE))
        links = [Edge(p, name) for name, parents in PARENTS.items() for p in parents]
        links += [Edge(p, "lactate") for p in LACTATE]
        self.graph = CausalGraph(self.schema.names, tuple(links))
        self.weights = {name: self._drawn(name, rng) for name in PARENTS}
        count = 4 ** max(len(p) for p in PARENTS.values())
        self.orders = {n: np.array([rng.permutation(3) for _ in range(count)]) for n in PARENTS}

    def _drawn(self, name: str, rng: np.random.Generator) -> Float[np.ndarray, "features 3"]:
        """One row a parent's level or treatment, the last one the bias; the own level persists."""
        rows = []
        for parent in PARENTS[name]:
            if parent in TREATMENTS:
                rows.append(rng.normal(size=(1, 3)))
            else:
                rows.append(rng.normal(0, 0.7, (3, 3)) + 1.5 * np.eye(3) * (parent == name))
        return np.concatenate([*rows, rng.normal(0, 0.3, (1, 3))])

    def probabilities(
        self, name: str, before: Float[np.ndarray, "rows variables"]
    ) -> Float[np.ndarray, "rows 3"]:
        """P(next level | the row before) of a vital."""
        at, total = 0, np.tile(self.weights[name][-1], (len(before), 1))
        for parent in PARENTS[name]:
            value = before[:, self.schema.position(parent)]
            if parent in TREATMENTS:
                total += value[:, None] * self.weights[name][at]
                at += 1
            else:
                total += self.weights[name][at + value.astype(int)]
                at += 3
        odds = np.exp(total - total.max(-1, keepdims=True))
        return odds / odds.sum(-1, keepdims=True)

    def _order(self, name: str, before: np.ndarray) -> np.ndarray:
        """In which order the levels share out the noise, (rows, 3)."""
        if self.noise == "monotone":
            return np.tile(np.arange(3), (len(before), 1))
        code = np.zeros(len(before), int)
        for parent in PARENTS[name]:
            code = 4 * code + before[:, self.schema.position(parent)].astype(int)
        return self.orders[name][code]

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """Random levels, a lactate of about 1."""
        row = np.zeros((count, len(self.schema)))
        row[:, :4] = rng.integers(3, size=(count, 4))
        row[:, 4] = rng.uniform(0.5, 1.5, count)
        return row

    def mechanism(self, variable, row, before, noise):
        """A vital's next level, or the lactate."""
        name = self.schema.names[variable]
        if name == "lactate":
            from scipy.special import ndtri

            own = LACTATE["lactate"] * before[:, variable] + SIGMA * ndtri(noise)
            for parent in ("heart", "pressure"):
                level = before[:, self.schema.position(parent)].astype(int)
                own = own + np.array(LACTATE[parent])[level]
            return own
        order = self._order(name, before)
        shares = np.take_along_axis(self.probabilities(name, before), order, -1)
        place = level_of(shares, noise).astype(int)
        return np.take_along_axis(order, place[:, None], -1)[:, 0].astype(float)

    def behind(self, recording: Recording, episode: int, draws: int, *, seed: int = 0) -> Recording:
        """``draws`` copies of an episode, each with noise that could have produced it.

        Levels' noise is drawn anew from its posterior, the lactate's is what it was.
        """
        rng = np.random.default_rng(seed)
        rows = recording.log[episode].values
        noise = np.repeat(recording.noise[episode][None], draws, 0)
        for name in PARENTS:
            i = self.schema.position(name)
            before = rows[:-1]
            order = self._order(name, before)
            shares = np.take_along_axis(self.probabilities(name, before), order, -1)
            place = (order == rows[1:, i, None]).argmax(-1)
            top = np.take_along_axis(np.cumsum(shares, -1), place[:, None], -1)[:, 0]
            own = np.take_along_axis(shares, place[:, None], -1)[:, 0]
            noise[:, 1:, i] = top - own * rng.uniform(1e-9, 1, (draws, len(rows) - 1))
        log = self._log(np.repeat(rows[None], draws, 0), recording.log.schema.policy)
        return Recording(log, noise)
