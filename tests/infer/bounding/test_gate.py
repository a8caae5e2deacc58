"""The gate's programs become the bounds of the closed forms."""

import numpy as np
import pytest

from doworld._core.errors import QueryError
from doworld.graph import MixedGraph
from doworld.identify.verdict import Program
from doworld.infer.bounding import Counts, balke_pearl
from doworld.infer.bounding.gate import solve_program

TABLE = Counts(("Z", "X", "Y"), np.array([[[45.0, 5], [30, 20]], [[10, 5], [25, 60]]]))


def test_an_instrument_with_a_hidden_cause():
    graph = MixedGraph.of("Z -> X -> Y", "U -> X", "U -> Y")
    found = solve_program(Program(graph, "X", "Y", ("Z",)), TABLE)
    closed = balke_pearl(TABLE, "Z", "X", "Y")
    assert (found.lower, found.upper) == pytest.approx((closed.lower, closed.upper), abs=1e-6)
    with pytest.raises(QueryError, match="no program"):
        solve_program(Program(graph, "X", "Y", estimand="nde"), TABLE)
