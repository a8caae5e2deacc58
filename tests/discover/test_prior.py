"""Prior knowledge is honoured exactly, and nonsense is named."""

import numpy as np
import pytest
from logs import linear_world, make_log, pairs

from doworld._core.errors import DoworldError, GraphError, SchemaError, UnknownNameError
from doworld.discover import discover
from doworld.graph import Prior

MATRIX = np.array([[0.5, 0.6, 0.0], [0.0, 0.5, 0.6], [0.0, 0.0, 0.5]])


@pytest.fixture(scope="module")
def log():
    return make_log([linear_world(MATRIX, 600, np.random.default_rng(0))], state=list("abc"))


def test_forbidden_edges_are_absent(log):
    graph = discover(log, prior=Prior(forbidden=(("a", "b"),)))
    assert ("a", "b") not in {(e.source, e.target) for e in (*graph.edges(), *graph.doubtful)}


def test_required_edges_are_certain(log):
    graph = discover(log, prior=Prior(required=(("c", "a"),)))
    edge = next(e for e in graph.edges() if (e.source, e.target, e.lag) == ("c", "a", 1))
    assert edge.probability == 1.0


def test_tiers_bar_later_causes(log):
    graph = discover(log, prior=Prior(tiers=(("c",), ("b",), ("a",))))
    assert not {("a", "b"), ("b", "c"), ("a", "c")} & pairs(graph)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prior": Prior(required=(("a", "z"),))}, UnknownNameError, "no variable is called 'z'"),
        ({"prior": Prior(required=(("a", "b", 3),)), "max_lag": 1}, GraphError, "Raise max_lag"),
        ({"max_lag": 0}, SchemaError, "Use 1 or more"),
        ({"fdr": 2.0}, SchemaError, "lies between 0 and 1"),
    ],
)
def test_messages_say_the_fix(log, arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        discover(log, **arguments)
    assert isinstance(caught.value, DoworldError)
