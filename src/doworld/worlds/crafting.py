"""The crafting tree: 41 items, each got by one action out of others, and its rewired twins.

Source: the setting of ADAM (Yu & Lu 2024, "ADAM: An embodied causal agent in open-world
environments"), here symbolic. An action succeeds where the inventory z holds all that its recipe
needs; it then takes what is consumed, leaves tools and stations, and adds what it gives:

    z(t+1) = z(t) + [z(t) ≥ n_a] (g_a − c_a),    n_a ≥ c_a: needed, g_a: given, c_a: consumed.

An edge cause → effect stands for every item that a recipe needs, consumed or not, towards the item
that it gives: 97 in all. Dirt and sand need nothing in hand: the wooden shovel only opens them
(``Recipe.after`` says when a protocol first offers the action), so it is no cause; with it there
would be 99. The graph of the world as a structural causal model holds more edges than these 97:
an item is used up only where all that its recipe needs is there, and every count keeps its past.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Kind, Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import World

__all__ = ["RECIPES", "Crafting", "Recipe", "rewire"]

_STACK = 32


@dataclass(frozen=True)
class Recipe:
    """What one action needs and gives.

    Attributes:
        gives: the item, ``number`` of it each time.
        consumed: (item, number) of what is used up.
        kept: tools and stations that must be there and stay.
        stacks: whether the item given can be held in numbers; a tool is held singly.
        after: the item whose finding opens the action, "" where it is open from the beginning.
            It need not be there when the action is done.
    """

    gives: str
    number: int = 1
    consumed: tuple[tuple[str, int], ...] = ()
    kept: tuple[str, ...] = ()
    stacks: bool = True
    after: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Every item that must be there.

        >>> Recipe("fence", 3, (("planks", 4), ("sticks", 2)), ("table",)).needs
        ('planks', 'sticks', 'table')
        """
        return (*(item for item, _ in self.consumed), *self.kept)


def _tools() -> tuple[Recipe, ...]:
    materials = {
        "wooden": "planks",
        "stone": "cobblestone",
        "iron": "iron_ingot",
        "golden": "gold_ingot",
        "diamond": "diamond",
    }
    parts = {"pickaxe": (3, 2), "axe": (3, 2), "hoe": (2, 2), "sword": (2, 1), "shovel": (1, 2)}
    return tuple(
        Recipe(f"{of}_{tool}", 1, ((item, number), ("sticks", sticks)), ("table",), stacks=False)
        for of, item in materials.items()
        for tool, (number, sticks) in parts.items()
    )


RECIPES: tuple[Recipe, ...] = (
    Recipe("log"),
    Recipe("dirt", after="wooden_shovel"),
    Recipe("sand", after="wooden_shovel"),
    Recipe("planks", 4, (("log", 1),)),
    Recipe("table", 1, (("planks", 4),)),
    Recipe("sticks", 4, (("planks", 2),)),
    Recipe("fence", 3, (("planks", 4), ("sticks", 2)), ("table",)),
    Recipe("gate", 1, (("planks", 2), ("sticks", 4)), ("table",)),
    *_tools(),
    Recipe("coal", kept=("wooden_pickaxe",)),
    Recipe("cobblestone", kept=("wooden_pickaxe",)),
    Recipe("furnace", 1, (("cobblestone", 8),), ("table",)),
    Recipe("iron_ore", kept=("stone_pickaxe",)),
    Recipe("gold_ore", kept=("iron_pickaxe",)),
    Recipe("diamond", kept=("iron_pickaxe",)),
    # a plank burns for one and a half items
    Recipe("iron_ingot", 3, (("iron_ore", 3), ("planks", 2)), ("furnace",)),
    Recipe("gold_ingot", 3, (("gold_ore", 3), ("planks", 2)), ("furnace",)),
)
"""The recipes as they are elsewhere, one an item, 97 cause → effect edges."""


def rewire(recipes: tuple[Recipe, ...], seed: int) -> tuple[Recipe, ...]:
    """The same tree with another item in every place, so that what is known of an item misleads.

    The item at place i of a random order takes the part of the one at i + 1, so that none keeps
    its own; an edge may still hold by chance (1 to 18 of the 97 for seeds 0 to 5). Whatever was
    reachable stays so, as only names change. A part brings its numbers along: whether its item
    stacks, and how many are made and used.

    >>> twin = rewire(RECIPES, seed=0)
    >>> len(twin), sum(len(r.needs) for r in twin)
    (41, 97)
    """
    names = [r.gives for r in recipes]
    order = np.random.default_rng(seed).permutation(len(names))
    new = {names[i]: names[j] for i, j in zip(order, np.roll(order, 1), strict=True)} | {"": ""}
    changed = {
        new[r.gives]: replace(
            r,
            gives=new[r.gives],
            consumed=tuple((new[item], number) for item, number in r.consumed),
            kept=tuple(new[item] for item in r.kept),
            after=new[r.after],
        )
        for r in recipes
    }
    return tuple(changed[name] for name in names)


class Crafting(World):
    """An inventory, and one action an item that makes it where the rest is there.

    Args:
        rewired: seed of a permutation of the recipes; None: the recipes as they are elsewhere.
        stocked: episodes start with 0…32 of every item, at random; else with nothing.

    Attributes:
        recipes: by action.
        after: by action, the item whose finding opens it; only actions that are not open at once.
        stack: by item, how many the protocol of trials holds: 32 where it stacks, 1 of a tool.

    >>> world = Crafting()
    >>> len(world.stack), len(world.recipes), len(world.needs().edges())
    (41, 41, 97)
    >>> world.attempt({"planks": 5}, "get sticks")["sticks"]
    4
    """

    def __init__(self, *, rewired: int | None = None, stocked: bool = False) -> None:
        chosen = RECIPES if rewired is None else rewire(RECIPES, rewired)
        self.recipes: Mapping[str, Recipe] = {f"get {r.gives}": r for r in chosen}
        self.after = {a: r.after for a, r in self.recipes.items() if r.after}
        self.stack = {r.gives: _STACK if r.stacks else 1 for r in chosen}
        self.stocked = stocked
        items = [
            Variable(r.gives, kind=Kind.COUNT, bounds=(0, np.inf), entity=r.gives) for r in chosen
        ]
        action = Variable("action", Role.ACTION, Kind.CATEGORICAL, categories=tuple(self.recipes))
        self.schema = Schema((*items, action), policy=Policy.RANDOMISED)
        self.order = tuple(range(len(items)))
        self.needed, self.gained = self._arrays()
        self.graph = self._graph()

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """What each action needs and what it adds, [action, item]."""
        at, size = self.schema.position, len(self.recipes)
        needed, gained = np.zeros((size, size)), np.zeros((size, size))
        for i, recipe in enumerate(self.recipes.values()):
            gained[i, at(recipe.gives)] += recipe.number
            for item, number in recipe.consumed:
                needed[i, at(item)], gained[i, at(item)] = number, -number
            needed[i, [at(item) for item in recipe.kept]] = 1
        return needed, gained

    def _graph(self) -> CausalGraph:
        pairs = dict.fromkeys((item, item) for item in self.stack)
        for recipe in self.recipes.values():
            touched = (recipe.gives, *(item for item, _ in recipe.consumed))
            pairs |= dict.fromkeys((c, e) for e in touched for c in (*recipe.needs, "action"))
        return CausalGraph(self.schema.names, tuple(Edge(c, e) for c, e in pairs))

    def needs(self) -> CausalGraph:
        """The edges from every item that a recipe needs to the item that it gives, all at lag 1."""
        links = [Edge(item, r.gives) for r in self.recipes.values() for item in r.needs]
        return CausalGraph(tuple(self.stack), tuple(links))

    def start(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count variables"]:
        """Nothing at all, or where ``stocked`` 0…32 of every item."""
        row = np.zeros((count, len(self.schema)))
        if self.stocked:
            row[:, list(self.order)] = rng.integers(_STACK + 1, size=(count, len(self.order)))
        return row

    def mechanism(self, variable, row, before, noise):
        """The count before, and what the action adds where all that it needs is there."""
        chosen, works = self._works(before)
        return before[:, variable] + works * self.gained[chosen, variable]

    def _works(self, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which recipe each row's action follows, and whether all that it needs is there."""
        action = before[:, -1]
        real = (action >= 0) & (action < len(self.recipes))
        chosen = np.where(real, action, 0).astype(int)
        return chosen, real & (before[:, :-1] >= self.needed[chosen]).all(1)

    def attempt(self, inventory: Mapping[str, int], action: str) -> dict[str, int]:
        """The inventory after an action; as it was where something is missing.

        Raises ``UnknownNameError`` for an item or an action that does not exist and ``QueryError``
        for a number below 0.
        """
        if action not in self.recipes:
            raise UnknownNameError("action", action, self.recipes)
        row = np.zeros((1, len(self.schema)))
        for item, number in inventory.items():
            if item not in self.stack:
                raise UnknownNameError("item", item, self.stack)
            if number < 0:
                raise QueryError(f"the inventory holds {number} {item}. Give 0 or more.")
            row[0, self.schema.position(item)] = number
        row[0, -1] = self.schema["action"].code(action)
        (chosen,), (works,) = self._works(row)
        after = row[0, :-1] + works * self.gained[chosen]
        return {item: int(after[i]) for i, item in enumerate(self.stack) if after[i]}

    def trial(self, present: frozenset[str], action: str) -> frozenset[str]:
        """The items that rise where an action is done with a stack of each item present.

        >>> sorted(Crafting().trial(frozenset({"planks", "sticks"}), "get table"))
        ['table']
        """
        held = {item: self.stack.get(item, _STACK) for item in present}
        after = self.attempt(held, action)
        return frozenset(item for item, number in after.items() if number > held.get(item, 0))
