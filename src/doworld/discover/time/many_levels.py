"""Targets or causes with so many levels that joint tests of their indicators break down.

A Wald test of 199 × 199 coefficients on 2,000 rows rejects whatever the truth. Here candidates are
searched by grow–shrink (Margaritis and Thrun 1999) with the stratified test, whose first two
moments are exact however few rows a cell has (``doworld.discover.numerics.stratified``).
"""

import numpy as np
from jaxtyping import Int

from doworld.discover.numerics.stratified import Stratified, joint_code, stratified
from doworld.discover.time.coded import BINS, LEAST_EFFECT, TEST, grow_shrink
from doworld.discover.time.design import Block
from doworld.discover.time.results import EdgeTests

__all__ = ["by_strata", "crowded_targets"]

FEWEST_PER_COEFFICIENT = 10
"""Rows for each coefficient of a joint test, below which it is not made."""
ENTRY = 0.001


def crowded_targets(block: Block) -> list[int]:
    """The targets with levels whose joint tests have too many coefficients for the rows."""
    widest = [max((len(c.columns) for c in block.candidates), default=1)]
    rows, inputs = len(block.outcomes), block.inputs.shape[1]
    out = []
    for t, target in enumerate(block.targets):
        size = max(inputs, max(widest) * len(target.columns))
        if len(target.columns) > 1 and size * FEWEST_PER_COEFFICIENT > rows:
            out.append(t)
    return out


def by_strata(block: Block, table: EdgeTests, targets: list[int], rate: float = ENTRY) -> None:
    """Writes the stratified tests of these targets into ``table``."""
    codes = {i: _code(block.inputs[:, list(c.columns)]) for i, c in enumerate(block.candidates)}
    for t in targets:
        y = _code(block.outcomes[:, list(block.targets[t].columns)])
        allowed = np.flatnonzero(block.allowed[:, t]).tolist()

        def test(i: int, others: list[int], y=y) -> Stratified:
            given = [codes[k] for k in others]
            strata = joint_code(*given) if given else np.zeros(len(y), np.int64)
            return stratified(codes[i], y, strata)

        for i, found in grow_shrink(allowed, test, rate).items():
            cell = i, t
            table.p_value[cell], table.score[cell] = found.p_value, found.score
            table.statistic[cell], table.effect[cell] = found.score, found.effect
            table.gain[cell], table.least_gain[cell] = found.effect, LEAST_EFFECT
            table.rows[cell] = found.rows
            if table.influence.size:
                table.influence[:, i, t] = 0.0
        table.test[t] = TEST


def _code(columns: np.ndarray) -> Int[np.ndarray, " rows"]:
    """Levels as codes, from their indicators; a number in quantile bins."""
    if columns.shape[1] > 1:
        return np.where(columns.any(1), 1 + columns.argmax(1), 0).astype(np.int64)
    values = columns[:, 0]
    if len(np.unique(values)) <= BINS:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(cuts, values, side="right").astype(np.int64)
