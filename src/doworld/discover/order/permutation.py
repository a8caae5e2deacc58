"""The best order of a table's variables, and the parents each takes from those before it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.progress import Quiet, Track
from doworld.discover.order.scores import Score, bits
from doworld.discover.order.trees import LEAST_GAIN, Constraints, Ordered, Trees, mask_of

__all__ = ["Constraints", "Ordered", "refine", "search"]

ROUNDS = 4
STRONGEST = 8
FEW = 48
"""Allowed parents of a variable up to which all of them are tried."""
NOBODY = Quiet().task("", 1)
KICKED = 3
"""At most so many neighbours are thrown to a random place with a variable."""


def search(
    score: Score,
    constraints: Constraints,
    *,
    kicks: int,
    rng: np.random.Generator,
    budget: Budget = UNLIMITED,
    track: Track = NOBODY,
) -> Ordered:
    r"""The order whose greedily chosen parents score best.

    Each variable j takes parents from those before it by grow–shrink: add the one that raises
    s(j | P) most until none does, then drop those without which it is higher. One variable after
    the other moves to the place where Σ_j s(j | P_j) is highest, until none gains (best order score
    search; Andrews et al. 2023, after Teyssier and Koller 2005 and Lam, Andrews and Ramsey 2022).
    Then a variable and some neighbours are thrown to random places and the search goes on, again
    and again; the best order stays (iterated local search; Lourenço, Martin and Stützle 2003). Only
    candidates that forward selection shows are tried as parents, so a move concerns few variables;
    the final order is searched again with whatever it shows was missed.

    Args:
        score: of one variable given others.
        constraints: what is known of the edges.
        kicks: how often variables are thrown to random places, for each variable.
        rng: of the order in which variables move, and of the kicks.
        budget: when it ends, the best order so far is taken.
        track: advanced by one in all.

    Raises ``GraphError`` where the required edges form a cycle.

    >>> from doworld.discover.order.multinomial import MultinomialScore
    >>> codes = np.array([[0, 0, 1, 1] * 20, [0, 0, 1, 1] * 20, [0, 1, 0, 1] * 20])
    >>> free = Constraints(~np.eye(3, dtype=bool), np.zeros((3, 3), bool), (0.0,) * 3, 2)
    >>> score = MultinomialScore.of(codes, [2, 2, 2])
    >>> found = search(score, free, kicks=1, rng=np.random.default_rng(0)).dag
    >>> (found | found.T).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    first = constraints.order(constraints.tier)
    trees = Trees(score, constraints, _candidates(score, constraints, budget), budget)
    best = _climb(first, range(len(constraints.tier)), trees, rng)
    best = _widened(best, trees, rng)
    track.advance(0.3, budget.words())
    best = _kicked(best, kicks, trees, rng, track=track)
    return trees.ordered(_widened(best, trees, rng))


def _widened(order: list[int], trees: Trees, rng: np.random.Generator) -> list[int]:
    """Searches again with the candidates that the order shows were missed, until there are none."""
    for _ in range(ROUNDS):
        if trees.budget.over() or not trees.widen(order):
            break
        order = _climb(order, order, trees, rng)
    return order


def _kicked(
    best: list[int], kicks: int, trees: Trees, rng: np.random.Generator, *, track: Track
) -> list[int]:
    """Throws a variable and some neighbours to random places and climbs again, time after time."""
    highest, linked = trees.total(best), trees.linked(best)
    movable = [v for v, near in enumerate(trees.near) if near]
    count = kicks * len(movable)
    for made in range(count):
        if trees.budget.over():
            trees.budget.cut(f"{made} of {count} new starts of the search for the best order")
            break
        track.advance(0.7 / count, trees.budget.words())
        v = movable[int(rng.integers(len(movable)))]
        near = trees.near[v]
        beside = [u for u in rng.permutation(near).tolist() if trees.near[u]]
        thrown = [v, *beside[: rng.integers(1, KICKED + 1)]]
        place = np.argsort(best).astype(float)
        place[thrown] = rng.uniform(0, len(best), len(thrown))
        order = trees.constraints.order(place.tolist())
        order = _climb(order, {*thrown, *(u for t in thrown for u in bits(linked[t]))}, trees, rng)
        total = trees.total(order)
        if total > highest + LEAST_GAIN:
            best, highest, linked = order, total, trees.linked(order)
    return best


def refine(
    score: Score, constraints: Constraints, start: Ordered, rng: np.random.Generator
) -> Ordered:
    """The search continued from an order and its candidates under another score."""
    trees = Trees(score, constraints, list(start.candidates))
    return trees.ordered(_climb(list(start.order), start.order, trees, rng))


def _candidates(score: Score, constraints: Constraints, budget: Budget = UNLIMITED) -> list[int]:
    """Candidate parents: the strongest alone, and the Markov blanket by forward selection.

    What is related neither to the target nor to one of those taken cannot be in the blanket. One of
    two variables that sees the other is enough.
    """
    d = len(constraints.tier)
    either = constraints.allowed | constraints.allowed.T
    alone = np.full((d, d), -np.inf)
    for target in range(d):
        others = np.flatnonzero(either[:, target])
        alone[others, target] = score.gains(target, 0, others.tolist())
    related = alone > LEAST_GAIN
    near = np.zeros((d, d), bool)
    for target in range(d):
        first = np.argsort(-alone[:, target], kind="stable")[:STRONGEST]
        near[first, target] = related[first, target]
        if budget.over():
            budget.cut("only the strongest relations were tried as edges")
            continue
        blanket = _blanket(score, target, constraints.most, alone[:, target], related, either)
        near[blanket, target] = True
    near |= near.T
    return [mask_of(np.flatnonzero(c).tolist()) for c in (near & constraints.allowed).T]


def _blanket(
    score: Score,
    target: int,
    most: int,
    alone: Float[np.ndarray, " nodes"],
    related: Bool[np.ndarray, "nodes nodes"],
    either: Bool[np.ndarray, "nodes nodes"],
) -> list[int]:
    """What forward selection takes for ``target``, from all variables in either direction."""
    best, gain = int(alone.argmax()), float(alone.max())
    out: list[int] = []
    while gain > LEAST_GAIN and len(out) < most:
        out.append(best)
        reached = related[:, [target, *out]].any(1) & either[:, target]
        reached[out] = False
        others = np.flatnonzero(reached).tolist()
        if not others:
            break
        gains = score.gains(target, mask_of(out), others)
        best, gain = others[int(gains.argmax())], float(gains.max())
    return out


def _climb(
    order: list[int], first: Iterable[int], trees: Trees, rng: np.random.Generator
) -> list[int]:
    """Moves one variable after the other to its best place until none gains.

    The variables ``first`` are tried, then the neighbours of every one that moved.
    """
    waiting, stand = set(first), _Stand.of(order)
    while waiting:
        turn = rng.permutation(sorted(waiting)).tolist()
        waiting = set()
        for v in turn:
            if trees.budget.over():
                trees.budget.cut("the search for the best order ended before it stood still")
                return order
            gap = _best_gap(v, stand, trees)
            if gap is not None:
                order.remove(v)
                order.insert(gap, v)
                stand = _Stand.of(order)
                waiting.update(trees.near[v], bits(trees.after[v]))
    return order


class _Stand(NamedTuple):
    """The place of each variable in an order, and the variables before it (as bits)."""

    place: list[int]
    before: list[int]

    @classmethod
    def of(cls, order: Sequence[int]) -> "_Stand":
        place, before, seen = [0] * len(order), [0] * len(order), 0
        for k, v in enumerate(order):
            place[v], before[v] = k, seen
            seen |= 1 << v
        return cls(place, before)


def _best_gap(v: int, stand: _Stand, trees: Trees) -> int | None:
    """Where ``v`` should go among the other variables; None where it stands best already.

    One walk along those that v may be linked to sums what it costs each of them to stand before v,
    and what v gains from standing behind them. Between two of them the score stays the same.
    """
    best, candidates, place = trees.best, trees.candidates, stand.place
    own, touched, me, here = candidates[v], trees.after[v], 1 << v, place[v]
    parents, children = trees.constraints.parents[v], trees.constraints.children[v]
    first, last, lost = 0, len(place) - 1, 0.0
    mine = best[v]
    value = now = mine[0][0]
    steps = [(0, value)]
    for u in sorted(trees.around[v], key=place.__getitem__):
        before, gap = stand.before[u] & ~me, place[u] + (place[u] < here)
        if touched >> u & 1:
            some = before & candidates[u]
            lost += best[u][some][0] - best[u][some | me][0]
        if parents >> u & 1:
            first = gap
        if children >> u & 1:
            last = min(last, gap - 1)
        if own >> u & 1:
            value = mine[(before | 1 << u) & own][0]
        steps.append((gap, value + lost))
        if gap <= here:
            now = value + lost
    there, highest = None, now + LEAST_GAIN
    ends = [gap - 1 for gap, _ in steps[1:]] + [len(place) - 1]
    for (start, total), end in zip(steps, ends, strict=True):
        if total > highest and max(start, first) <= min(end, last):
            there, highest = max(start, first), total
    return there
