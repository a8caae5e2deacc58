"""What the data say of one district: Q[C](v_C | outside causes), with limits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doworld.infer.bounding.confidence import clopper_pearson
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram

__all__ = ["District", "district"]


@dataclass(frozen=True, eq=False)
class District:
    """The c-factor of a district, Q[C](v) = Π_{i ∈ C} P(v_i | v before i) (Tian & Pearl 2002).

    Attributes:
        members: C, causes first; the first axes of the tables.
        outside: causes of C that are not in C; the other axes.
        value: the factor at the observed frequencies; NaN where no row has the causes.
        low, high: limits of its cells.
        rows: how many rows have the outside causes, by outside axes.
    """

    members: tuple[str, ...]
    outside: tuple[str, ...]
    value: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]
    rows: Float[np.ndarray, "..."]

    @property
    def names(self) -> tuple[str, ...]:
        """The axes of the tables."""
        return (*self.members, *self.outside)


def district(diagram: Diagram, counts: Counts, members: tuple[str, ...], error: float) -> District:
    """The c-factor of ``members`` and limits that all hold together but for a chance ``error``.

    Members that follow one another directly count as one variable, so that their joint frequency
    has one exact limit; other factors have limits of their own, multiplied.
    """
    order = diagram.order()
    inside = [n for n in order if n in members]
    causes = {p for n in inside for p in diagram.parents(n)}
    outside = tuple(n for n in order if n in causes and n not in members)
    axes = (*inside, *outside)
    shape = tuple(counts.levels(n) for n in axes)
    blocks = _blocks(diagram, order, inside)
    cells = sum(int(np.prod([counts.levels(n) for n in (*b, *s)])) for b, s in blocks)
    value, low, high = np.ones(shape), np.ones(shape), np.ones(shape)
    for block, seen in blocks:
        table = counts.marginal((*block, *seen))
        joint = table.table
        rows = np.broadcast_to(joint.sum(tuple(range(len(block)))), joint.shape)
        with np.errstate(invalid="ignore"):
            share = joint / rows
        least, most = clopper_pearson(joint, rows, error / cells)
        empty = rows <= 0
        least, most = np.where(empty, 0.0, least), np.where(empty, 1.0, most)
        value *= _spread(share, table.names, axes)
        low *= _spread(least, table.names, axes)
        high *= _spread(most, table.names, axes)
    whole = counts.marginal(outside).table if outside else np.array(counts.total)
    return District(tuple(inside), outside, value, low, high, whole)


def _blocks(diagram: Diagram, order, inside) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Runs of members that are neighbours in the order, each with what it is conditioned on."""
    runs: list[list[str]] = []
    for name in inside:
        if runs and order.index(name) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    out, before = [], []
    for run in runs:
        before += run
        causes = {p for n in before for p in diagram.parents(n)} | set(before)
        out.append((tuple(run), tuple(n for n in order if n in causes - set(run))))
    return out


def _spread(part: np.ndarray, names: tuple[str, ...], axes: tuple[str, ...]) -> np.ndarray:
    """A table of some of ``axes`` with axes in their order, of length one where it has none."""
    kept = [n for n in axes if n in names]
    moved = np.transpose(part, [names.index(n) for n in kept])
    return moved.reshape([moved.shape[kept.index(n)] if n in kept else 1 for n in axes])
