"""What an unobserved common cause forbids, and what it does not."""

from doworld.graph import CausalGraph, Edge, Mark
from doworld.infer.grounds import blocked


def graph(*edges):
    return CausalGraph(("z", "x", "y", "v"), edges)


HIDDEN = Edge("y", "x", 0, Mark.BIDIRECTED)


def test_a_law_that_holds_the_unobserved_causes_share_gives_no_number():
    bow = graph(Edge("z", "x"), Edge("x", "y", 0), HIDDEN)
    assert blocked(bow, ["x"], ["y"]) == HIDDEN
    assert blocked(bow, ["z"], ["y"]) == HIDDEN
    assert blocked(bow, ["z"], ["x"]) is None
    assert blocked(bow, ["y"], ["x"]) is None


def test_so_does_one_over_others():
    far = graph(Edge("z", "v"), Edge("x", "v", 0), Edge("v", "y", 0), HIDDEN)
    assert blocked(far, ["z"], ["y"]) == HIDDEN
    assert blocked(far, ["z"], ["v"]) is None


def test_an_unobserved_cause_of_the_present_leaves_effects_of_the_past():
    later = graph(Edge("z", "x"), Edge("x", "y", 1), HIDDEN)
    assert blocked(later, ["z"], ["y"]) is None


def test_neither_end_acts_on_the_other():
    alone = graph(Edge("z", "x"), HIDDEN)
    assert blocked(alone, ["x"], ["y"]) is None
    assert blocked(alone, ["z"], ["y"]) is None


def test_an_open_tail_on_the_way_gives_no_number():
    partial = Edge("x", "y", 1, Mark.PARTIAL)
    open_tail = graph(Edge("z", "x"), partial)
    assert blocked(open_tail, ["z"], ["y"]) == partial
    assert blocked(open_tail, ["x"], ["y"]) == partial
    assert blocked(open_tail, ["y"], ["x"]) is None
