"""Chemical: coloured objects whose colours follow one another, and its state-dependent variants.

Sources: Ke et al. (2021), "Systematic evaluation of causal discovery in visual model based
reinforcement learning"; Wang et al. (2022), "Causal dynamics learning for task-independent state
abstraction"; Hwang et al. (2024), "Fine-grained causal dynamics learning with quantization".

An action paints one object. Every object below it, in the graph that holds, then draws a colour
from softmax(MLP(colours of its parents now)), which may be its old one; all others keep theirs.
Objects act on each other within the row, and each keeps its own past.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import norm, ortho_group

from doworld._core.errors import UnknownNameError
from doworld.data import Kind, Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import World, level_of

__all__ = ["GRAPHS", "Chemical", "Recipe"]

Parents = Bool[np.ndarray, "objects objects"]


def _chain(n: int) -> Parents:
    return np.eye(n, k=1, dtype=bool)


def _collider(n: int) -> Parents:
    out = np.zeros((n, n), bool)
    out[: n - 1, n - 1] = True
    return out


def _full(n: int) -> Parents:
    return np.triu(np.ones((n, n), bool), 1)


def _jungle(n: int) -> Parents:
    out = np.zeros((n, n), bool)
    for i in range(1, n):
        out[(i - 1) // 2, i] = True
        out[0, i] = True
    return out


def _fork(n: int) -> Parents:
    out = np.zeros((n, n), bool)
    out[0, 1:] = True
    return out


GRAPHS: Mapping[str, Callable[[int], Parents]] = {
    "chain": _chain,
    "collider": _collider,
    "full": _full,
    "jungle": _jungle,
    "fork": _fork,
}
"""Which object acts on which, [cause, effect], all from lower to higher numbers."""


@dataclass(frozen=True)
class Recipe:
    """How mechanisms' weights are drawn: orthogonal times ``gain``, biases U(±``bias``)."""

    gain: float = 3.0
    bias: float = 0.2


KE = Recipe(gain=3.5, bias=2.1)
"""The weights of Ke et al.; the default is Wang et al.'s."""


def _orthogonal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    size = max(rows, columns)
    return ortho_group.rvs(size, random_state=rng)[:rows, :columns]


def parents_in(graph: str, objects: int) -> Parents:
    """The adjacency of a graph by its name; raises ``UnknownNameError``."""
    if graph not in GRAPHS:
        raise UnknownNameError("graph", graph, GRAPHS)
    return GRAPHS[graph](objects)


class Chemical(World):
    """Objects that change colour.

    Args:
        graph: one of ``GRAPHS``.
        local: a second graph that holds in place of ``graph`` wherever the first object's new
            colour is the first one; None: one graph throughout.
        objects, colours: how many.
        nuisance: adds two positions an object, N(0, 1) in every row, that nothing acts on.
        recipe: how the mechanisms are drawn.
        seed: of the mechanisms.

    Raises:
        UnknownNameError: there is no graph of that name.

    >>> world = Chemical("chain")
    >>> [str(e) for e in world.graph.edges() if e.lag == 0][:2]
    ['object0(t) --> object1(t)', 'object1(t) --> object2(t)']
    >>> world.collect(3, 50).transitions
    150
    """

    def __init__(
        self,
        graph: str = "chain",
        *,
        local: str | None = None,
        objects: int = 5,
        colours: int = 5,
        nuisance: bool = False,
        recipe: Recipe | None = None,
        seed: int = 0,
    ) -> None:
        recipe = recipe or Recipe()
        rng = np.random.default_rng(seed)
        self.objects, self.colours = objects, colours
        self.everywhere = parents_in(graph, objects)
        self.here = self.everywhere if local is None else parents_in(local, objects)
        width = 4 * objects
        self.weights = [
            (
                recipe.gain * _orthogonal(objects * colours, width, rng),
                rng.uniform(-recipe.bias, recipe.bias, width),
                recipe.gain * _orthogonal(width, colours, rng),
                rng.uniform(-recipe.bias, recipe.bias, colours),
            )
            for _ in range(objects)
        ]
        self.schema = Schema(self._variables(nuisance), policy=Policy.RANDOMISED)
        self.action = self.schema.position("action")
        self.order = tuple(self.schema.positions(Role.STATE))
        self.graph = self._graph()

    def _variables(self, nuisance: bool) -> tuple[Variable, ...]:
        names = tuple(f"object{i}" for i in range(self.objects))
        shades = tuple(f"colour{c}" for c in range(self.colours))
        paint = tuple(f"{name}={shade}" for name in names for shade in shades)
        own = [Variable(n, kind=Kind.CATEGORICAL, categories=shades, entity=n) for n in names]
        if nuisance:
            own += [Variable(f"{n}.{axis}", entity=n) for n in names for axis in ("x", "y")]
        return (*own, Variable("action", Role.ACTION, Kind.CATEGORICAL, categories=paint))

    def _graph(self) -> CausalGraph:
        names = self.schema.names[: self.objects]
        links = [Edge(n, n) for n in names] + [Edge("action", n) for n in names]
        union = self.everywhere | self.here
        links += [Edge(names[i], names[j], 0) for i, j in np.argwhere(union)]
        return CausalGraph(self.schema.names, tuple(links))

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """A random colour for the root, and all others drawn in turn."""
        row = np.zeros((count, len(self.schema)))
        noise = rng.uniform(size=row.shape)
        row[:, 0] = rng.integers(self.colours, size=count)
        for i in range(1, self.objects):
            row[:, i] = self._drawn(i, row, noise[:, i])
        row[:, self.objects : self.action] = norm.ppf(noise[:, self.objects : self.action])
        return row

    def mechanism(self, variable, row, before, noise):
        """Painted, drawn anew below what was painted, or as before; positions are N(0, 1)."""
        if variable >= self.objects:
            return norm.ppf(noise)
        painted, colour = np.divmod(before[:, self.action].astype(int), self.colours)
        stirred = self.stirred(painted, row[:, 0] if variable else None)[:, variable]
        drawn = self._drawn(variable, row, noise)
        value = np.where(stirred, drawn, before[:, variable])
        return np.where(painted == variable, colour, value)

    def graph_at(self, root: Float[np.ndarray, " rows"]) -> Bool[np.ndarray, "rows o o"]:
        """The parents that act where the root has these new colours."""
        return np.where((root == 0)[:, None, None], self.here, self.everywhere)

    def logits(
        self, variable: int, row: Float[np.ndarray, "rows variables"]
    ) -> Float[np.ndarray, "rows colours"]:
        """What the colour of a stirred object is drawn from, given the colours of its parents."""
        n, c = self.objects, self.colours
        hot = row[:, :n, None] == np.arange(c)
        mask = self.graph_at(row[:, 0])[:, :, variable]
        x = (hot & mask[..., None]).reshape(len(row), n * c)
        first, bias, second, shift = self.weights[variable]
        return np.maximum(x @ first + bias, 0) @ second + shift

    def _drawn(self, variable: int, row: np.ndarray, noise: np.ndarray) -> np.ndarray:
        logits = self.logits(variable, row)
        chance = np.exp(logits - logits.max(-1, keepdims=True))
        return level_of(chance / chance.sum(-1, keepdims=True), noise)

    def stirred(
        self, painted: Int[np.ndarray, " rows"], root: Float[np.ndarray, " rows"] | None
    ) -> Bool[np.ndarray, "rows objects"]:
        """Which objects lie below the painted one, in the graph that holds."""
        graph = self.graph_at(np.full(len(painted), -1.0) if root is None else root)
        out = np.arange(self.objects) == painted[:, None]
        for j in range(self.objects):
            out[:, j] |= (out & graph[:, :, j]).any(1)
        out[np.arange(len(painted)), painted] = False
        return out
