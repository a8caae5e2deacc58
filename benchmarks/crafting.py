"""The crafting tree found by trying: 97 edges in the world as published and in rewired ones.

    python benchmarks/crafting.py [--seeds N] [--json FILE]

Each world is tried with no guess, with its own recipes as the guess and with those of another world
as the guess. Beside it stands the plain protocol on the same world, which leaves out every known
item one at a time after each success; both try each action until it works, and once more with
everything in the end, and these tries are counted.
"""

import argparse
from pathlib import Path

from _table import Row, interval, show
from doworld.discover.trials import Trials, discover_by_trials
from doworld.graph import CausalGraph
from doworld.worlds.crafting import Crafting


def pairs(graph: CausalGraph) -> set[tuple[str, str]]:
    return {(e.source, e.target) for e in graph.edges()}


def tried(world: Crafting, guess: CausalGraph | None) -> Trials:
    """A world tried from an empty inventory; with a guess, actions are known by what they give."""
    aims = None if guess is None else {a: r.gives for a, r in world.recipes.items()}
    return discover_by_trials(
        world.trial,
        world.recipes,
        names=tuple(world.stack),
        after=world.after,
        guess=guess,
        aims=aims,
    )


def one_by_one(world: Crafting) -> tuple[int, int, set[tuple[str, str]]]:
    """The plain protocol, played: all its trials, those of them that left one out, its edges."""
    known: frozenset[str] = frozenset()
    queue, tries, removals, edges = list(world.recipes), 0, 0, set()
    gave: set[str] = set()
    last: dict[str, frozenset[str]] = {}
    while True:
        opened = [a for a in queue if a not in world.after or world.after[a] in known]
        fresh = [a for a in opened if last.get(a) != known]
        if not fresh:
            return tries + removals, removals, edges
        action = next((a for a in fresh if a not in gave), fresh[0])
        queue.remove(action)
        queue.append(action)
        tries, last[action] = tries + 1, known
        risen = world.trial(known, action)
        if risen and action not in gave:
            gave.add(action)
            removals += len(known)
            without = (i for i in known if not world.trial(known - {i}, action))
            edges |= {(item, effect) for item in without for effect in risen}
            known |= risen


def _row(name: str, worlds: list[Crafting], wrong: list[CausalGraph]) -> Row:
    exact, counts = True, {"no": [], "right": [], "wrong": []}
    plain, removed, overlap = [], [], []
    for world, other in zip(worlds, wrong, strict=True):
        truth = pairs(world.needs())
        everything, removals, edges = one_by_one(world)
        plain.append(everything)
        removed.append(removals)
        overlap.append(len(truth & pairs(other)))
        exact = exact and edges == truth and len(truth) == 97
        for guess, graph in (("no", None), ("right", world.needs()), ("wrong", other)):
            found = tried(world, graph)
            exact = exact and pairs(found.graph) == truth
            exact = exact and found.one_by_one == everything
            counts[guess].append(found.trials)
    fewer = all(n < p for own in counts.values() for n, p in zip(own, plain, strict=True))

    def said(numbers: list[int]) -> str:
        mean, half = interval(numbers)
        return f"{mean:.0f}" if len(numbers) == 1 else f"{mean:.0f} ± {half:.0f}"

    return Row(
        f"crafting tree, {name}: edges found by trying",
        "97/97 edges, none spurious, fewer trials than one by one; a wrong guess costs trials only",
        ("97/97, none spurious" if exact else "edges differ")
        + "".join(f"; {said(own)} trials, {guess} guess" for guess, own in counts.items()),
        exact and fewer,
        {
            "one by one": f"{said(plain)} trials, {said(removed)} of them removals",
            "edges of the wrong guess that hold": said(overlap),
        },
        len(worlds),
    )


def crafting(seeds: int = 5) -> list[Row]:
    """The world as published, and as many rewired ones as there are seeds."""
    published = Crafting()
    rewired = [Crafting(rewired=seed) for seed in range(seeds)]
    return [
        _row("vanilla", [published], [Crafting(rewired=seeds).needs()]),
        _row("rewired", rewired, [published.needs()] * seeds),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many rewired worlds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    show("Crafting tree", crafting(options.seeds), options.json)


if __name__ == "__main__":
    main()
