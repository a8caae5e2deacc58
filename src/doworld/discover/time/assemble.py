"""Tests become edges with probability, effect and evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from doworld.discover.numerics.multiplicity import benjamini_hochberg
from doworld.discover.time.contemporaneous import RowTest, Within
from doworld.discover.time.fits import LEAST_GAIN
from doworld.discover.time.group import GROUP_TEST, GroupTest
from doworld.discover.time.odds import odds_table, pair_odds
from doworld.discover.time.results import EdgeTests
from doworld.graph import Edge, Evidence, Mark, Prior

__all__ = ["group_edges", "lag_edges", "with_required", "within_edges"]

DOUBTFUL = 0.05
STABLE = 0.75
"""Share of resampled logs that must show an edge within a row."""
WITHIN_TEST = "within a row, given the past and the target's other causes"


def lag_edges(
    tests: EdgeTests, probability: np.ndarray, cut: float
) -> tuple[list[Edge], list[Edge]]:
    """The edges whose test passes, and those left out that resampling would often bring back."""
    passed = (tests.p_value <= cut * tests.weight) & (tests.gain >= tests.least_gain)
    near = ~passed & (probability >= DOUBTFUL)
    return (
        [_edge(tests, probability, i, t) for i, t in np.argwhere(passed).tolist()],
        [_edge(tests, probability, i, t) for i, t in np.argwhere(near).tolist()],
    )


def _edge(tests: EdgeTests, probability: np.ndarray, i: int, t: int) -> Edge:
    block = tests.block
    return Edge(
        source=block.candidates[i].name,
        target=block.targets[t].name,
        lag=block.candidates[i].lag,
        probability=float(probability[i, t]),
        effect=float(tests.effect[i, t]),
        evidence=Evidence(
            test=tests.test[t],
            statistic=float(tests.statistic[i, t]),
            p_value=float(tests.p_value[i, t]),
            rows=int(tests.rows[i, t]),
            note=f"removes {float(tests.gain[i, t]):.2g} of the variance left without it"
            + weight_note(float(tests.weight[i, t])),
        ),
    )


def weight_note(weight: float) -> str:
    """What a prior probability made of a test, for its evidence."""
    return "" if abs(weight - 1) < 0.05 else f"; prior knowledge weighs its test {weight:.2g}"


def group_edges(
    tests: EdgeTests,
    groups: list[GroupTest],
    sure: list[Edge],
    cuts: Sequence[float],
    *,
    levers: frozenset[str],
) -> list[Edge]:
    """Edges from sources that matter although none of their lags passed alone.

    The edge stands at the lag with the largest statistic; which lag it is stays open. ``levers``
    are actions of an unknown policy; ``cuts`` the p-value up to which each group counts. A feedback
    controller hides what its action does, because the action is nearly a function of the states
    beside it; such an edge is kept, with its probability, where held-out loss speaks for it in at
    least every other resample.
    """
    block = tests.block
    found = {(e.source, e.target) for e in sure}
    out = []
    for group, cut in zip(groups, cuts, strict=True):
        target = block.targets[group.target].name
        likely = group.source in levers and group.probability >= 0.5
        passed = (group.p_value <= cut or likely) and group.gain >= LEAST_GAIN
        if not passed or (group.source, target) in found:
            continue
        own = [
            i
            for i, c in enumerate(block.candidates)
            if c.name == group.source and block.allowed[i, group.target]
        ]
        best = max(own, key=lambda i: abs(float(tests.score[i, group.target])))
        proof = Evidence(
            test=GROUP_TEST,
            statistic=group.gain,
            p_value=group.p_value,
            rows=len(block.outcomes),
            note="its lags matter together; which one acts cannot be told"
            + ("" if group.p_value <= cut else "; kept by resampling, outside the held rate"),
        )
        lag = block.candidates[best].lag
        out.append(
            Edge(
                group.source,
                target,
                lag,
                probability=group.probability,
                effect=group.gain,
                evidence=proof,
            )
        )
    return out


def within_edges(
    links: Within,
    tests: Mapping[tuple[int, int], RowTest],
    rate: float,
    prior: Prior,
) -> tuple[list[Edge], list[Edge]]:
    """Edges within a row: directed where the data allow it, ``---`` where they do not.

    Benjamini–Hochberg over all pairs, those that the search left out with p = 1, decides; an edge
    that fewer than ``STABLE`` of the resampled logs show comes second, among the doubtful ones.
    """
    found: dict[tuple[int, int], RowTest] = {}
    for (i, j), test in tests.items():
        one = (i, j) if not links.out[j, i] else (min(i, j), max(i, j))
        other = found.get(one)
        found[one] = test if other is None or test.p_value > other.p_value else other
    odds = pair_odds(odds_table(prior, links.names))
    upper = np.triu_indices(len(odds), 1)
    weight = odds / (float(odds[upper].mean()) if len(upper[0]) else 1.0)
    p = [t.p_value / weight[i, j] for (i, j), t in found.items()]
    cut = benjamini_hochberg(np.array(p + [1.0] * (len(upper[0]) - len(p))), rate)
    kept: list[Edge] = []
    doubtful: list[Edge] = []
    for (i, j), test in found.items():
        if test.p_value > cut * weight[i, j]:
            continue
        free = bool(links.out[j, i])
        note = "direction open: the data cannot tell it" if free else ""
        note += weight_note(float(weight[i, j]))
        proof = Evidence(WITHIN_TEST, test.score, test.p_value, test.rows, note)
        mark = Mark.UNDIRECTED if free else Mark.DIRECTED
        chance = float(links.share[i, j])
        edge = Edge(links.names[i], links.names[j], 0, mark, chance, test.effect, proof)
        (kept if chance >= STABLE else doubtful).append(edge)
    return kept, doubtful


def with_required(
    kept: list[Edge], doubtful: list[Edge], prior: Prior, *, static: bool
) -> tuple[list[Edge], list[Edge]]:
    """Required edges are in the graph with probability 1, whatever their test said."""
    final = {(e.source, e.target, e.lag): e for e in kept}
    maybe = {(e.source, e.target, e.lag): e for e in doubtful}
    for pair in prior.required:
        key = (pair[0], pair[1], pair[2] if len(pair) == 3 else (0 if static else 1))
        known = final.get(key) or maybe.pop(key, None)
        flipped = (key[1], key[0], 0)
        if key[2] == 0:
            final.pop(flipped, None)
        edge = known or Edge(*key, evidence=Evidence("prior knowledge", np.nan, np.nan, 0))
        final[key] = replace(edge, probability=1.0, mark=Mark.DIRECTED)
    return list(final.values()), list(maybe.values())
