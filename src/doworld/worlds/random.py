"""Random dynamic worlds: sparse causes at lag 1 and within the row, of a chosen form.

    z_i(t+1) = ρ z_i(t) + Σ_j w_j f_j(p_j) + σ_i(p) ε_i,    ε_i ~ N(0, 1),

p_j the causes of z_i: states and actions one row before, states of the same row. Linear worlds
have f_j(p) = p; additive ones draw each f_j from bent functions; location-scale ones also let one
cause set σ_i = 0.5 + |tanh p|. Weights are drawn from ±[0.5, 1] times ``strength`` and, where f is
linear, the matrix of lagged weights is shrunk until its spectral radius is at most 0.9.

Unobserved common causes L_k, each of two states, make noise dependent: of a state with n of them

    ε_i = √(1 − s) e_i + √(s / n) Σ_k ±L_k,    L_k(t) = m L_k(t−1) + √(1 − m²) u_k(t),

e, u standard normal, s the share of the noise's variance and m the causes' memory. A policy that
sees a state z takes the action a = p tanh(z) + (1 − p) U(−1, 1).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from doworld.data import Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge, Mark
from doworld.worlds.world import World

__all__ = ["Form", "RandomWorld"]

BENT = (
    np.tanh,
    np.sin,
    np.abs,
    lambda p: p * np.exp(-(p**2) / 2) * 2,
    lambda p: np.maximum(p, 0),
)


class Form(StrEnum):
    """How a cause moves its effect."""

    LINEAR = "linear"
    ADDITIVE = "additive"
    LOCATION_SCALE = "location-scale"


@dataclass(frozen=True)
class _Cause:
    source: int
    lag: int
    weight: float
    function: int  # −1: linear


class RandomWorld(World):
    """A world drawn at random.

    Args:
        variables: how many states.
        parents: causes at lag 1 of each state beside its own past.
        within: causes within the row of each state but the first.
        actions: continuous actions on [−1, 1], each a cause of one state.
        form: how causes act.
        strength: of the causes, relative to noise of standard deviation 1.
        memory: ρ, how much of its own past a state keeps; 0 leaves that edge out.
        latents: unobserved common causes, each of two states of the same row.
        share: s, of a state's noise variance that its unobserved causes make.
        latent_memory: m; with 0 an unobserved cause is new in every row.
        policy: p, how far actions follow a state; 0 draws them at random.
        seed: of the graph, the forms and the weights.

    Attributes:
        hidden: the pairs of states that share an unobserved cause. In ``graph`` such a pair is
            ``<->`` at lag 0, beside its directed edge where it has one; the links at longer lags
            that a cause with memory makes are not listed.

    >>> world = RandomWorld(4, parents=1, seed=1)
    >>> len(world.graph.edges()), world.collect(1, 100, seed=0).rows
    (8, 101)
    """

    def __init__(
        self,
        variables: int,
        *,
        parents: int = 2,
        within: int = 0,
        actions: int = 0,
        form: Form = Form.LINEAR,
        strength: float = 0.4,
        memory: float = 0.4,
        latents: int = 0,
        share: float = 0.5,
        latent_memory: float = 0.0,
        policy: float = 0.0,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        names = [f"z{i}" for i in range(variables)]
        levers = [f"a{i}" for i in range(actions)]
        given = [Variable(n, Role.ACTION, bounds=(-1.0, 1.0)) for n in levers]
        chosen = Policy.UNKNOWN if policy else Policy.RANDOMISED
        self.schema = Schema((*map(Variable, names), *given), policy=chosen)
        self.form, self.memory = Form(form), memory
        self.order = tuple(rng.permutation(variables).tolist())
        self.causes: list[list[_Cause]] = [[] for _ in range(variables)]
        for place, i in enumerate(self.order):
            others = np.delete(np.arange(variables), i)
            lagged = rng.choice(others, min(parents, len(others)), replace=False)
            above = rng.choice(self.order[:place], min(within, place), replace=False)
            for source, lag in [(s, 1) for s in lagged] + [(s, 0) for s in above]:
                self.causes[i].append(self._cause(int(source), lag, strength, rng))
        for k in range(actions):
            i = int(rng.integers(variables))
            self.causes[i].append(self._cause(variables + k, 1, 2 * strength, rng))
        if self.form is Form.LINEAR:
            self._calm()
        # a generator of its own: the same seed gives the same world with and without these
        more = np.random.default_rng([seed, 11])
        pairs = [(i, j) for i in range(variables) for j in range(i)]
        drawn = more.permutation(len(pairs))[:latents].tolist()
        self._pairs = tuple(pairs[k] for k in drawn)
        self._signs = more.choice([-1.0, 1.0], (len(drawn), 2))
        self._seen = more.integers(variables, size=actions).tolist()
        self.share, self.latent_memory, self.policy = share, latent_memory, policy
        self.hidden = tuple((names[i], names[j]) for i, j in self._pairs)
        self.graph = self._graph()

    def _cause(self, source: int, lag: int, strength: float, rng: np.random.Generator) -> _Cause:
        weight = strength * rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0)
        bent = self.form is not Form.LINEAR
        return _Cause(source, lag, float(weight), int(rng.integers(len(BENT))) if bent else -1)

    def _calm(self) -> None:
        """Shrinks the weights at lag 1 until no disturbance grows."""
        d = len(self.order)
        lagged, now = self.memory * np.eye(d), np.zeros((d, d))
        for i, causes in enumerate(self.causes):
            for c in causes:
                if c.source < d:
                    (lagged if c.lag else now)[i, c.source] = c.weight
        radius = np.abs(np.linalg.eigvals(np.linalg.solve(np.eye(d) - now, lagged))).max(initial=0)
        shrink = min(1.0, 0.9 / max(float(radius), 1e-12))
        self.memory *= shrink
        self.causes = [
            [_Cause(c.source, c.lag, c.weight * (shrink if c.lag else 1), -1) for c in causes]
            for causes in self.causes
        ]

    def _graph(self) -> CausalGraph:
        names = self.schema.names
        own = [Edge(names[i], names[i]) for i in range(len(self.order)) if self.memory]
        more = [
            Edge(names[c.source], names[i], c.lag) for i, cs in enumerate(self.causes) for c in cs
        ]
        directed = {(e.source, e.target) for e in more if e.lag == 0}
        if self.policy:
            d = len(self.order)
            more += [Edge(names[s], names[d + k], 0) for k, s in enumerate(self._seen)]
        ends = [(a, b) if (a, b) not in directed else (b, a) for a, b in self.hidden]
        shared = [Edge(a, b, 0, Mark.BIDIRECTED) for a, b in ends]
        return CausalGraph(names, (*own, *more, *shared))

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """Standard normal states."""
        return rng.normal(size=(count, len(self.schema)))

    def act(self, rng, rows):
        """Random actions, drawn towards what the policy sees."""
        out = super().act(rng, rows)
        for k, seen in enumerate(self._seen if self.policy else ()):
            at = len(self.order) + k
            out[:, at] = self.policy * np.tanh(rows[:, seen]) + (1 - self.policy) * out[:, at]
        return out

    def disturb(self, noise, *, seed):
        """The noise with the unobserved causes mixed in; each variable's own law stays."""
        if not self._pairs:
            return noise
        rng = np.random.default_rng([seed, 12])
        own = np.asarray(norm.ppf(noise))
        count = np.bincount(np.ravel(self._pairs), minlength=own.shape[2])
        mixed = own * np.sqrt(np.where(count > 0, 1 - self.share, 1.0))
        fresh = rng.standard_normal((len(self._pairs), *own.shape[:2]))
        for t in range(1, own.shape[1]):
            new = np.sqrt(1 - self.latent_memory**2) * fresh[:, :, t]
            fresh[:, :, t] = self.latent_memory * fresh[:, :, t - 1] + new
        for cause, pair, signs in zip(fresh, self._pairs, self._signs, strict=True):
            for i, sign in zip(pair, signs, strict=True):
                mixed[:, :, i] += sign * np.sqrt(self.share / count[i]) * cause
        return norm.cdf(mixed)

    def mechanism(self, variable, row, before, noise):
        """The equation above."""
        out = self.memory * before[:, variable]
        spread = np.ones(len(row))
        for number, c in enumerate(self.causes[variable]):
            p = (before if c.lag else row)[:, c.source]
            out = out + c.weight * (p if c.function < 0 else BENT[c.function](p))
            if self.form is Form.LOCATION_SCALE and number == 0:
                spread = 0.5 + np.abs(np.tanh(p))
        return out + spread * norm.ppf(noise)
