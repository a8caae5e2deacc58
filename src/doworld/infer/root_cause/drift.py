"""Which mechanism explains that a target's mean differs between two logs."""

import math
from itertools import permutations

import numpy as np
from jaxtyping import Float

from doworld._core.errors import DataError, QueryError
from doworld.data import Trajectories
from doworld.discover.monitoring.localise import localise_change
from doworld.discover.monitoring.predictive import FEWEST_ROWS, Surprise
from doworld.graph import CausalGraph
from doworld.infer.root_cause.mechanisms import Scaled, lagged
from doworld.infer.root_cause.result import Attribution, RootCauses

__all__ = ["attribute_drift"]

EXACT = 6
"""Mechanisms up to which every order is taken."""
ORDERS, FEWER_ORDERS = 200, 20
RESAMPLES = 100


def attribute_drift(
    before: Trajectories,
    after: Trajectories,
    graph: CausalGraph,
    *,
    target: str,
    level: float = 0.9,
    seed: int = 0,
) -> RootCauses:
    r"""How much of a change of a target's mean each changed mechanism brings.

    Mechanism j is learned in both logs. With those in I taken from ``after`` and the rest from
    ``before``, the mean of the target is m(I), and

        φ_j = Σ_I |I|! (d − |I| − 1)! / d! · (m(I ∪ j) − m(I)),    Σ_j φ_j = m(all) − m(∅),

    the Shapley values of Budhathoki, Janzing, Blöbaum & Ng ("Why did the distribution change?",
    AISTATS 2021; T ⊆ {1…n} there is I), for the mean, with linear mechanisms
    z_j = b_j + w_jᵀ pa_j and m = ((1 − A)⁻¹ b)_target, A over all lags. Beyond six mechanisms,
    orders are sampled; intervals are over resampled blocks of both logs.

    Args:
        before, after: logs of twenty rows or more.
        graph: which variable acts on which, at any lags.
        target: whose mean changed.
        level: of the intervals.
        seed: of resamples and orders.

    Raises:
        SchemaError, UnknownNameError: as ``localise_change``.
        DataError: a log with fewer than twenty rows.
        QueryError: the target is not in the graph, or was not logged.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(4, changes=1, seed=3)
    >>> log = world.collect([400, 400])
    >>> one, two = (log.in_environment(e) for e in log.schema.environments)
    >>> world.changed, attribute_drift(one, two, world.graph, target="z0").mechanisms[0].name
    (('z0',), 'z0')
    """
    if after.rows < FEWEST_ROWS:
        raise DataError(
            f"the later log has {after.rows} rows, and {FEWEST_ROWS} are the least to learn its "
            "mechanisms. Use attribute_anomaly for a few rows."
        )
    if target not in graph.names:
        before.schema.position(target)
        raise QueryError(f"the graph lacks {target!r}. Give a graph that has it.")
    judged = {
        m.variable: m for m in localise_change(before, after, graph, target=target).mechanisms
    }
    scaled = Scaled.of(before, after)
    at = before.schema.position(target)
    if min(np.isfinite(t[:, at]).sum() for t in (scaled.usual, scaled.now)) < FEWEST_ROWS:
        raise QueryError(f"{target!r} has fewer than {FEWEST_ROWS} values in one of the logs.")
    levels = graph.levels()
    names = tuple(sorted(graph.ancestors(target) | {target}, key=lambda n: (levels[n], n)))
    rng = np.random.default_rng(seed)
    orders = _orders(len(names), rng)
    game = _Game(before, graph, names, target)
    spread = float(scaled.spread[at])
    usual, now = game.rows(scaled.usual), game.rows(scaled.now)
    whole = game.values(usual, now, orders) * spread
    # the first of all orders would favour some mechanisms; the first of random ones do not
    some = orders if len(names) <= EXACT else orders[:FEWER_ORDERS]
    boots = np.stack(
        [
            game.values(usual[_blocks(len(usual), rng)], now[_blocks(len(now), rng)], some) * spread
            for _ in range(RESAMPLES)
        ]
    )
    low, high = np.quantile(boots, ((1 - level) / 2, (1 + level) / 2), axis=0)
    total = float(whole.sum())
    made = []
    for i, name in enumerate(names):
        shift = judged.get(name)
        made.append(
            Attribution(
                name=name,
                contribution=float(whole[i]),
                lower=float(min(low[i], whole[i])),
                upper=float(max(high[i], whole[i])),
                share=float(whole[i]) / total if total else float("nan"),
                score=float("nan"),
                score_error=float("nan"),
                p_value=float("nan") if shift is None else shift.p_value,
                effect=1.0 if shift is None else shift.effect,
                evidence=math.log(max(abs(float(whole[i])), 1e-12)),
            )
        )
    made.sort(key=lambda a: -a.evidence)
    return RootCauses(
        target=target,
        what="drift",
        shift=total,
        unit="of its logarithm"
        if target in scaled.logged
        else before.schema[target].unit or "units",
        score=float("nan"),
        mechanisms=tuple(made),
        entities=_entities(before, made, total),
        level=level,
        notes=("Mechanisms are linear, and only the change of the mean is explained.",),
    )


def _orders(count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    if count <= EXACT:
        return list(permutations(range(count)))
    half = [tuple(rng.permutation(count).tolist()) for _ in range(ORDERS // 2)]
    return [o for one in half for o in (one, one[::-1])]


def _blocks(size: int, rng: np.random.Generator) -> np.ndarray:
    """A resample of rows in blocks, as long as the cube root of the log."""
    length = max(1, round(size ** (1 / 3)))
    starts = rng.integers(size, size=-(-size // length))
    return (starts[:, None] + np.arange(length)).reshape(-1)[:size] % size


class _Game:
    """m(I) by the order in which mechanisms are exchanged."""

    def __init__(
        self, log: Trajectories, graph: CausalGraph, names: tuple[str, ...], target: str
    ) -> None:
        self.schema, self.names = log.schema, names
        self.causes = [graph.parents(n) for n in names]
        self.place = {n: i for i, n in enumerate(names)}
        self.target = self.place[target]

    def rows(self, table: np.ndarray) -> np.ndarray:
        """Every mechanism's causes and outcome side by side, so that a resample keeps lags."""
        filled = np.nan_to_num(table)
        parts = []
        for name, causes in zip(self.names, self.causes, strict=True):
            parts += [
                lagged(filled, self.schema, causes),
                table[:, [self.schema.position(name)]],
            ]
        return np.concatenate(parts, 1)

    def fit(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and b of one log's rows."""
        size, begin = len(self.names), 0
        weights, offset = np.zeros((size, size)), np.zeros(size)
        for i, causes in enumerate(self.causes):
            end = begin + len(causes)
            inputs, column = rows[:, begin:end], rows[:, end]
            begin = end + 1
            known = np.isfinite(column)
            if known.sum() < FEWEST_ROWS:
                continue
            fit = Surprise.of(inputs[known], column[known])
            offset[i] = fit.level - fit.centre @ fit.weights
            for (cause, _), w in zip(causes, fit.weights, strict=True):
                weights[i, self.place[cause]] += w
        return weights, offset

    def values(
        self, before: np.ndarray, after: np.ndarray, orders: list[tuple[int, ...]]
    ) -> Float[np.ndarray, " names"]:
        """The Shapley values over these orders, from both logs' ``rows``."""
        (a0, b0), (a1, b1) = self.fit(before), self.fit(after)
        known: dict[int, float] = {}

        def mean(new: int) -> float:
            if new not in known:
                some = np.array([bool(new >> i & 1) for i in range(len(b0))])
                a, b = np.where(some[:, None], a1, a0), np.where(some, b1, b0)
                known[new] = float(np.linalg.solve(np.eye(len(b)) - a, b)[self.target])
            return known[new]

        out = np.zeros(len(b0))
        for order in orders:
            new = 0
            for i in order:
                then = new | 1 << i
                out[i] += mean(then) - mean(new)
                new = then
        return out / len(orders)


def _entities(log: Trajectories, made: list[Attribution], total: float) -> tuple[Attribution, ...]:
    groups: dict[str, list[Attribution]] = {}
    for one in made:
        groups.setdefault(log.schema[one.name].entity or one.name, []).append(one)
    out = []
    for name, own in groups.items():
        part = sum(a.contribution for a in own)
        best = min(own, key=lambda a: math.inf if math.isnan(a.p_value) else a.p_value)
        low = part - math.sqrt(sum((a.contribution - a.lower) ** 2 for a in own))
        high = part + math.sqrt(sum((a.upper - a.contribution) ** 2 for a in own))
        out.append(
            Attribution(
                name=name,
                contribution=part,
                lower=low,
                upper=high,
                share=part / total if total else float("nan"),
                score=float("nan"),
                score_error=float("nan"),
                p_value=best.p_value,
                effect=best.effect,
                evidence=math.log(max(abs(part), 1e-12)),
            )
        )
    return tuple(sorted(out, key=lambda a: -a.evidence))
