"""Every row and every alternative action: would the episode have succeeded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Kind
from doworld.infer.blame.alternatives import Change
from doworld.infer.blame.inquiry import Inquiry, Verdicts, values_of
from doworld.query import Blame

__all__ = ["Survey", "survey"]

MOST_STEPS = 3e7
"""Rows of alternative worlds that a first pass may compute; longer episodes are thinned."""

NEAR = 3
"""Rows around which a thinned survey, or a grid of a continuous action, is made finer."""

FINE = 9


@dataclass(frozen=True, eq=False)
class Survey:
    """P(success | do(a_t = a'), the rest as it was, same noise) for rows t and pairs a'.

    Attributes:
        rows: the rows that were tried.
        pairs: (column, value) of each alternative.
        same: where an alternative is what the action was.
        success: by member, draw, row and pair.
        score: P(success), and among equals the nearer to it first; −1 where ``same``.
        best: the best change of each row; None where there is none to try.
        best_success: of the best changes, by member and draw.
        thinned: whether not all rows were tried.
    """

    rows: Int[np.ndarray, " rows"]
    pairs: tuple[tuple[int, float], ...]
    same: Bool[np.ndarray, "rows pairs"]
    success: Bool[np.ndarray, "members samples rows pairs"]
    score: Float[np.ndarray, "rows pairs"]
    best: tuple[Change | None, ...]
    best_success: Bool[np.ndarray, "members samples rows"]
    thinned: bool = False

    @property
    def chance(self) -> Float[np.ndarray, "rows pairs"]:
        """P(success) by row and pair, NaN where the pair is what was done."""
        return np.where(self.same, np.nan, self.success.mean((0, 1)))

    @property
    def necessity(self) -> Float[np.ndarray, " rows"]:
        """P(success) under each row's best change: the action was necessary for the failure."""
        return self.best_success.mean((0, 1))

    def changes(self) -> list[Change]:
        """Every single change that was tried, the best of each row last."""
        out = [
            Change(int(t), *self.pairs[a])
            for n, t in enumerate(self.rows)
            for a in range(len(self.pairs))
            if not self.same[n, a]
        ]
        known = set(out)
        return out + [c for c in self.best if c is not None and c not in known]


def survey(inquiry: Inquiry, query: Blame, columns: Sequence[int]) -> Survey:
    """Tries every alternative of ``columns`` at every row, then finer around the best."""
    model = inquiry.episode.model
    pairs = tuple((i, float(v)) for i in columns for v in values_of(model, query, i))
    steps = inquiry.episode.steps
    rows = np.arange(steps)
    stride = _stride(inquiry, steps, len(pairs))
    if stride > 1:
        rows = np.unique(np.append(rows[::stride], steps - 1))
    first = _tried(inquiry, rows, pairs)
    if stride > 1:
        around = [
            r + d
            for r in rows[np.argsort(-first.score.max(1), kind="stable")[:NEAR]]
            for d in range(1 - stride, stride)
        ]
        more = np.setdiff1d([r for r in around if 0 <= r < steps], rows)
        first = _joined(first, _tried(inquiry, more, pairs)) if len(more) else first
    return _refined(inquiry, query, first)


def _stride(inquiry: Inquiry, steps: int, pairs: int) -> int:
    members, samples, padded, _ = inquiry.rows.shape
    worlds = steps * pairs * members * samples
    cost = worlds * padded / MOST_STEPS
    can = inquiry.judge.affordable(worlds)
    return max(1, int(np.ceil(cost)), int(np.ceil(worlds / max(can, 1))))


def _tried(inquiry: Inquiry, rows: np.ndarray, pairs: tuple) -> Survey:
    episode = inquiry.episode
    sets = [(Change(int(t), i, v),) for t in rows for i, v in pairs]
    found = inquiry.of(sets)
    shape = (len(rows), len(pairs))
    same = _same(episode, rows, pairs)
    score = np.where(same, -1.0, found.score.reshape(shape))
    success = found.success.reshape(*found.success.shape[:2], *shape)
    best = _steady(episode.model, pairs, score).argmax(1)
    at = np.arange(len(rows))
    changes = tuple(
        None if same[n].all() else Change(int(rows[n]), *pairs[best[n]]) for n in range(len(rows))
    )
    # what the action was anyway saves nothing
    own = success[:, :, at, best] & ~same.all(1)
    return Survey(np.asarray(rows), pairs, same, success, score, changes, own)


def _same(episode, rows: np.ndarray, pairs: tuple) -> np.ndarray:
    columns = [i for i, _ in pairs]
    was = episode.values[np.asarray(rows)][:, columns]
    values = np.array([v for _, v in pairs])
    return np.abs(was - values) <= 1e-9 * episode.model.scale[columns] + 1e-12


def _steady(model, pairs: tuple, score: np.ndarray) -> np.ndarray:
    """Scores in which, among equals, the value with good neighbours wins, then the more typical."""
    out = score.copy()
    for n, (column, value) in enumerate(pairs):
        if not model.schema.variables[column].levels:
            far = abs(value - model.typical[column]) / model.scale[column]
            out[:, n] -= 1e-7 * np.tanh(far)
    for column in {i for i, _ in pairs}:
        own = [n for n, (i, _) in enumerate(pairs) if i == column]
        if model.schema.variables[column].levels or len(own) < 3:
            continue
        near = np.pad(np.maximum(score[:, own], 0.0), ((0, 0), (1, 1)), mode="edge")
        out[:, own] += np.where(score[:, own] >= 0, 1e-4 * (near[:, :-2] + near[:, 2:]), 0.0)
    return out


def _joined(a: Survey, b: Survey) -> Survey:
    order = np.argsort(np.concatenate([a.rows, b.rows]), kind="stable")

    def together(x, y, axis):
        return np.take(np.concatenate([x, y], axis), order, axis)

    best = (*a.best, *b.best)
    return Survey(
        rows=together(a.rows, b.rows, 0),
        pairs=a.pairs,
        same=together(a.same, b.same, 0),
        success=together(a.success, b.success, 2),
        score=together(a.score, b.score, 0),
        best=tuple(best[n] for n in order),
        best_success=together(a.best_success, b.best_success, 2),
        thinned=True,
    )


def _refined(inquiry: Inquiry, query: Blame, found: Survey) -> Survey:
    """The same with the best value of a continuous action looked for between the grid's."""
    model = inquiry.episode.model
    sets, where = [], []
    for n in np.argsort(-found.score.max(1), kind="stable")[:NEAR]:
        change = found.best[n]
        if change is None:
            continue
        variable = model.schema.variables[change.variable]
        if variable.kind is not Kind.CONTINUOUS or variable.name in query.alternatives:
            continue
        grid = np.array([v for i, v in found.pairs if i == change.variable])
        at = int(np.argmin(np.abs(grid - change.value)))
        ends = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
        for value in np.linspace(*ends, FINE):
            sets.append((Change(change.row, change.variable, float(value)),))
            where.append(int(n))
    if not sets:
        return found
    return _improved(found, sets, np.array(where), inquiry.of(sets))


def _improved(found: Survey, sets: list, where: np.ndarray, verdicts: Verdicts) -> Survey:
    best, success = list(found.best), found.best_success.copy()
    for n in np.unique(where):
        own = np.flatnonzero(where == n)
        score = verdicts.score[own]
        if score.max() <= found.score[n].max() + 1e-9:
            continue
        top = own[score >= score.max() - 1e-9]
        chosen = top[len(top) // 2]
        best[n], success[:, :, n] = sets[chosen][0], verdicts.success[:, :, chosen]
    return Survey(
        found.rows,
        found.pairs,
        found.same,
        found.success,
        found.score,
        tuple(best),
        success,
        found.thinned,
    )
