"""Random worlds in several environments, of which it is known which mechanisms change where.

With ε ~ N(0, 1), or Laplace with the same variance, and for variable i in environment e,

    z_i = b_i^e + Σ_j w_ij^e f_ij(z_j) + σ_i^e ε,

where j runs over the causes of i in the same row and, in a world over time, over z_i itself and its
causes one row before. f_ij is the identity in a linear world, else one of a few bent functions.
(b, w, σ)_i differ between environments only for the mechanisms that change, and there by one of: a
shift of b, other weights w, another scale σ (soft interventions; Eaton & Murphy 2007). All else is
the same everywhere: the sparse mechanism shifts of Schölkopf et al. (2021).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import laplace, norm

from doworld._core.errors import SchemaError
from doworld.data import Schema, Trajectories, Variable
from doworld.data.join import join
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import World

__all__ = ["ChangingWorld", "Rules"]

Bent = Callable[[np.ndarray], np.ndarray]
BENT: tuple[Bent, ...] = (
    lambda x: 1.5 * np.tanh(1.5 * x),
    lambda x: 1.5 * np.sin(1.5 * x),
    lambda x: 2.0 * np.exp(-(x**2)) - 1.0,
    lambda x: x * np.abs(x) / (1 + np.abs(x)),
)
"""What a cause may do in a nonlinear world; all grow at most linearly."""
MEMORY = 0.5
LARGEST_RADIUS = 0.9
WEIGHTS = (0.5, 1.2)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """One environment's b, w and σ; ``within[j, i]`` and ``lagged[j, i]`` weigh j's part in i."""

    offset: Float[np.ndarray, " variables"]
    within: Float[np.ndarray, "variables variables"]
    lagged: Float[np.ndarray, "variables variables"]
    scale: Float[np.ndarray, " variables"]


class Rules(World):
    """The world as it is in one environment.

    Attributes:
        coefficients: b, w and σ here.
        bends: f_ij as a position in ``BENT``, −1 for the identity.
        heavy: whether ε is Laplace.
    """

    def __init__(
        self,
        schema: Schema,
        order: Sequence[int],
        bends: np.ndarray,
        coefficients: Coefficients,
        *,
        heavy: bool = False,
    ) -> None:
        self.schema, self.order = schema, tuple(order)
        self.bends, self.coefficients, self.heavy = bends, coefficients, heavy
        self.graph = _graph(schema, coefficients)

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """Rows drawn with nothing before them; a world over time runs in for fifty rows."""
        row = np.zeros((count, len(self.schema)))
        for _ in range(1 if self.schema.static else 50):
            row = self.next(row, rng.uniform(size=row.shape))
        return row

    def mechanism(self, variable, row, before, noise):
        """b + Σ w f(causes) + σ ε."""
        own = self.coefficients
        drawn = laplace.ppf(noise, scale=np.sqrt(0.5)) if self.heavy else norm.ppf(noise)
        value = own.offset[variable] + own.scale[variable] * drawn
        for weights, values in ((own.within, row), (own.lagged, before)):
            for j in np.flatnonzero(weights[:, variable]):
                value += weights[j, variable] * self._bent(int(j), variable, values[:, j])
        return value

    def _bent(self, cause: int, effect: int, values: np.ndarray) -> np.ndarray:
        which = self.bends[cause, effect]
        return values if which < 0 or cause == effect else BENT[which](values)


def _graph(schema: Schema, of: Coefficients) -> CausalGraph:
    names = schema.names
    links = [Edge(names[j], names[i], 0) for j, i in np.argwhere(of.within)]
    links += [Edge(names[j], names[i], 1) for j, i in np.argwhere(of.lagged)]
    return CausalGraph(names, tuple(links), max_lag=0 if schema.static else 1)


class ChangingWorld:
    """A random graph whose mechanisms are the same in all environments but for a few.

    Args:
        variables: d.
        environments: how many; the first is as the world is usually.
        changes: how many mechanisms differ somewhere.
        degree: causes a variable has on average, besides its own past.
        nonlinear: bent functions in place of straight ones.
        heavy: Laplace noise in place of Gaussian.
        static: a table of independent rows; else a log over time, half of its causes one row back.
        seed: of the graph, the mechanisms and what changes.

    Attributes:
        schema, graph: shared by all environments.
        changed: the variables whose mechanism differs between environments.
        where: for each of these, the environments in which it is not as usual.
        rules: the world of each environment.

    Raises:
        SchemaError: fewer than two environments, or more changes than variables.

    >>> world = ChangingWorld(4, changes=1, seed=3)
    >>> world.changed, world.where
    (('z0',), {'z0': ('environment1',)})
    >>> world.collect(50).schema.environments
    ('environment0', 'environment1')
    """

    def __init__(
        self,
        variables: int,
        *,
        environments: int = 2,
        changes: int = 1,
        degree: float = 1.5,
        nonlinear: bool = False,
        heavy: bool = False,
        static: bool = True,
        seed: int = 0,
    ) -> None:
        if environments < 2 or not 0 <= changes <= variables:
            raise SchemaError(
                f"{changes} of {variables} mechanisms cannot change between {environments} "
                "environments. Use two environments or more, and at most as many changes as "
                "variables."
            )
        rng = np.random.default_rng(seed)
        names = tuple(f"z{i}" for i in range(variables))
        places = tuple(f"environment{e}" for e in range(environments))
        self.schema = Schema(
            tuple(Variable(n) for n in names), step=0.0 if static else 1.0, environments=places
        )
        order = rng.permutation(variables)
        usual = _usual(rng, order, degree, static)
        bends = rng.integers(len(BENT), size=(variables, variables)) if nonlinear else None
        at = np.sort(rng.permutation(variables)[:changes])
        moved = _places(rng, changes, environments)
        each = [usual]
        for e in range(1, environments):
            here = at[moved[:, e]]
            each.append(_changed(rng, usual, here))
        if bends is None:
            bends = np.full((variables, variables), -1)
        one = [replace(self.schema, environments=(p,)) for p in places]
        self.rules = tuple(
            Rules(s, order.tolist(), bends, c, heavy=heavy) for s, c in zip(one, each, strict=True)
        )
        self.graph = _graph(self.schema, usual)
        self.changed = tuple(names[i] for i in at)
        self.where = {
            names[i]: tuple(places[e] for e in np.flatnonzero(moved[k])) for k, i in enumerate(at)
        }

    def collect(
        self, episodes: int | Sequence[int], steps: int = 0, *, seed: int = 0
    ) -> Trajectories:
        """A log of ``episodes`` episodes from each environment, or as many as listed for each.

        A static world has one row an episode and no ``steps``; a world over time needs some.
        Raises ``SchemaError`` where ``steps`` or the list do not fit.
        """
        counts = [episodes] * len(self.rules) if isinstance(episodes, int) else list(episodes)
        if self.schema.static is not (steps == 0) or len(counts) != len(self.rules):
            raise SchemaError(
                f"{steps} steps and {len(counts)} numbers of episodes do not fit a "
                f"{'static world' if self.schema.static else 'world over time'} of "
                f"{len(self.rules)} environments. Give steps to a world over time only, and one "
                "number of episodes or one an environment."
            )
        logs = []
        for e, (world, count) in enumerate(zip(self.rules, counts, strict=True)):
            draw = int(np.random.SeedSequence((seed, e)).generate_state(1)[0])
            log = world.collect(count, steps, seed=draw)
            logs.append(replace(log, labels=tuple(f"{e}.{i}" for i in range(count))))
        return join(logs)


def _usual(
    rng: np.random.Generator, order: np.ndarray, degree: float, static: bool
) -> Coefficients:
    """A random graph along ``order`` with weights of either sign, stable over time."""
    d = len(order)
    rank = np.argsort(order)
    earlier = rank[:, None] < rank[None, :]
    share = min(1.0, 2 * degree / max(d - 1, 1))
    links = earlier & (rng.uniform(size=(d, d)) < share)
    weights = rng.choice([-1.0, 1.0], (d, d)) * rng.uniform(*WEIGHTS, (d, d)) * links
    if static:
        return Coefficients(np.zeros(d), weights, np.zeros((d, d)), np.ones(d))
    now = rng.uniform(size=(d, d)) < 0.5
    lagged = np.where(now, 0.0, weights) + MEMORY * np.eye(d)
    within = np.where(now, weights, 0.0)
    return Coefficients(np.zeros(d), within, _stable(within, lagged), np.ones(d))


def _stable(within: np.ndarray, lagged: np.ndarray) -> np.ndarray:
    """The lagged weights, smaller where z(t+1) = (I − W)⁻¹ L z(t) would grow."""
    step = np.linalg.solve(np.eye(len(within)) - within.T, lagged.T)
    radius = float(np.abs(np.linalg.eigvals(step)).max())
    return lagged * min(1.0, LARGEST_RADIUS / max(radius, 1e-12))


def _places(
    rng: np.random.Generator, changes: int, environments: int
) -> Bool[np.ndarray, "changes environments"]:
    """In which environments each mechanism is not as usual: at least one, never the first."""
    moved = rng.uniform(size=(changes, environments)) < 0.5
    moved[:, 0] = False
    sure = rng.integers(1, environments, changes)
    moved[np.arange(changes), sure] = True
    return moved


def _changed(rng: np.random.Generator, usual: Coefficients, which: np.ndarray) -> Coefficients:
    """The coefficients with the mechanisms ``which`` shifted, reweighed or rescaled."""
    offset, scale = usual.offset.copy(), usual.scale.copy()
    within, lagged = usual.within.copy(), usual.lagged.copy()
    for i in which:
        caused = np.any(within[:, i]) or np.any(np.delete(lagged[:, i], i))
        kind = int(rng.integers(3 if caused else 2))
        if kind == 0:
            offset[i] = rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 1.6)
        elif kind == 1:
            scale[i] *= rng.uniform(1.8, 2.6) ** rng.choice([-1.0, 1.0])
        else:
            factor = rng.choice([-1.0, 1.0], len(offset)) * rng.uniform(0.1, 0.4, len(offset))
            factor[i] = 1.0
            within[:, i] *= factor
            lagged[:, i] *= factor
    return Coefficients(offset, within, lagged, scale)
