"""The crafting tree: 97 edges, every item reachable, exact do and replay."""

import numpy as np
import pytest

from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Kind, Role
from doworld.query import Set
from doworld.worlds.crafting import RECIPES, Crafting, rewire


def pairs(graph):
    return {(e.source, e.target) for e in graph.edges()}


def reached(world):
    """All that can be got by doing every action with all that was got before."""
    have = frozenset()
    while True:
        opened = [a for a in world.recipes if world.after.get(a, "") in ("", *have)]
        more = have.union(*(world.trial(have, a) for a in opened))
        if more == have:
            return have
        have = more


def test_the_tree_is_as_it_is_published():
    world = Crafting()
    assert len(world.schema.of(Role.STATE)) == len(RECIPES) == 41
    assert world.schema["action"].levels == 41
    assert {v.kind for v in world.schema.variables[:-1]} == {Kind.COUNT}
    assert len(world.needs().edges()) == 97
    assert {c for c, _ in world.needs().parents("diamond_sword")} == {"diamond", "sticks", "table"}
    assert {c for c, _ in world.needs().parents("iron_ingot")} == {"iron_ore", "furnace", "planks"}
    assert world.needs().parents("sand") == ()
    assert sum(n == 1 for n in world.stack.values()) == 25
    assert reached(world) == set(world.stack)


@pytest.mark.parametrize("seed", range(5))
def test_rewired_recipes_stay_feasible_and_knowledge_is_wrong(seed):
    known, world = Crafting().needs(), Crafting(rewired=seed)
    assert len(world.needs().edges()) == 97
    assert reached(world) == set(world.stack)
    assert len(pairs(world.needs()) & pairs(known)) < 25
    changed = rewire(RECIPES, seed)
    assert [r.gives for r in changed] == [r.gives for r in RECIPES]
    assert all(a.needs != b.needs for a, b in zip(changed, RECIPES, strict=True) if b.needs)


def test_what_an_action_takes_and_gives():
    world = Crafting()
    full = {"planks": 9, "sticks": 3, "table": 1}
    assert world.attempt(full, "get fence") == {"planks": 5, "sticks": 1, "table": 1, "fence": 3}
    assert world.attempt({"planks": 9, "sticks": 3}, "get fence") == {"planks": 9, "sticks": 3}
    assert world.attempt({"planks": 3}, "get table") == {"planks": 3}
    assert world.attempt({}, "get log") == {"log": 1}
    smelted = world.attempt({"gold_ore": 3, "furnace": 1, "planks": 2}, "get gold_ingot")
    assert smelted == {"furnace": 1, "gold_ingot": 3}
    assert world.trial(frozenset({"wooden_pickaxe", "coal"}), "get coal") == {"coal"}


def test_a_path_to_diamond():
    world, held = Crafting(), {}
    path = "log*9 planks*9 sticks*4 table wooden_pickaxe cobblestone*11 stone_pickaxe furnace "
    path += "iron_ore*3 iron_ingot iron_pickaxe diamond"
    for word in path.split():
        item, _, times = word.partition("*")
        for _ in range(int(times or 1)):
            held = world.attempt(held, f"get {item}")
    assert held["diamond"] == 1
    assert held["iron_pickaxe"] == 1


@pytest.mark.parametrize("rewired", [None, 3])
def test_replay_with_nothing_changed_is_the_log(rewired):
    world = Crafting(rewired=rewired, stocked=True)
    recording = world.record(5, 30, seed=1)
    np.testing.assert_array_equal(world.replay(recording, []).values, recording.log.values)
    assert (recording.log.values[:, :-1] >= 0).all()


def test_replay_with_one_thing_done():
    world = Crafting()
    recording = world.record(200, 20, seed=0)
    changed = world.replay(recording, [Set("action", "get log", at=4)])
    before, after = (log.column("log").reshape(200, 21) for log in (recording.log, changed))
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    old = recording.log.column("action").reshape(200, 21)[:, 4]
    logs = world.schema["action"].code("get log")
    assert (after[:, 5] - after[:, 4] == 1).all()
    np.testing.assert_array_equal(after[old == logs], before[old == logs])
    held = world.replay(recording, [Set("diamond", 7.0, at=range(3, 21))])
    rows = held.column("diamond").reshape(200, 21)
    assert (rows[:, 3:] == 7).all()
    assert (rows[:, :3] == 0).all()


def test_the_graph_holds_every_influence():
    """What a variable becomes changes with its parents alone."""
    world, rng = Crafting(), np.random.default_rng(0)
    row = world.act(rng, world.start(rng, 400))
    row[:, :-1] = rng.integers(0, 12, size=(400, 41))
    noise = rng.uniform(size=row.shape)
    graph, names = world.graph, world.schema.names
    normal = world.next(row, noise)
    seen = set()
    for i, name in enumerate(names):
        other = row.copy()
        other[:, i] = np.roll(row[:, i], 1)
        moved = (world.next(other, noise) != normal).any(0)
        seen |= {(name, names[j]) for j in np.flatnonzero(moved[:-1])}
    assert seen <= pairs(graph)
    assert len(seen) > 0.8 * len(pairs(graph))


def test_bad_input():
    world = Crafting()
    with pytest.raises(UnknownNameError, match=r"no action is called 'get tabel'.*'get table'"):
        world.attempt({}, "get tabel")
    with pytest.raises(UnknownNameError, match=r"no item is called 'plank'.*'planks'"):
        world.attempt({"plank": 3}, "get table")
    with pytest.raises(QueryError, match="Give 0 or more"):
        world.attempt({"planks": -3}, "get table")
