"""What an unobserved common cause forbids, and what it does not."""

from doworld.data import Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge, Mark, Reason, Unidentified
from doworld.identify import simulated
from doworld.identify.facts import feedback


def blocked(graph, causes, targets):
    return simulated(graph, causes, targets).edge


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


def test_arrows_between_what_no_graph_without_cycles_fits_give_no_number():
    fact = Unidentified("x", Reason.FEEDBACK, "they act on each other", ("y",))
    edges = (Edge("z", "x", 0), Edge("x", "y", 0), Edge("y", "v", 0))
    loop = CausalGraph(("z", "x", "y", "v"), edges, max_lag=0, unidentified=(fact,))
    free = Schema(tuple(Variable(n) for n in "zxyv"))
    for done, asked in (("x", "y"), ("y", "x"), ("z", "x"), ("z", "y"), ("z", "v"), ("x", "v")):
        assert feedback(loop, free, [done], [asked]) is fact
    for done, asked in (("y", "v"), ("v", "x"), ("x", "z")):
        assert feedback(loop, free, [done], [asked]) is None
    assert feedback(loop, free, ["x", "y"], ["v"]) is None
    roles = (Variable("z"), Variable("x", role=Role.ACTION), Variable("y"), Variable("v"))
    set_at_random = Schema(roles, policy=Policy.RANDOMISED)
    assert feedback(loop, set_at_random, ["x"], ["y"]) is None
    unknown = Schema(roles)
    assert feedback(loop, unknown, ["x"], ["y"]) is fact
