"""What a log cannot say about a variable, whatever the graph: as plain data for the gate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from doworld.data import Policy, Role, Schema
from doworld.graph import CausalGraph, Reason, Unidentified
from doworld.identify.verdict import Cause, NotIdentified

__all__ = ["Facts", "feedback", "silent"]


@dataclass(frozen=True)
class Facts:
    """What the rows, not the graph, say about what is done.

    Attributes:
        constant: (variable, words) of what is done and never varied, such as
            ("heat", "is 1.0"); without those that are only set to that very value.
        laws: variables whose mechanism is a known law, which no rows need to teach.
        unvaried: all variables that have one value throughout, done or not: where the graph says
            that something moves one, rows were kept by it.
    """

    constant: tuple[tuple[str, str], ...] = ()
    laws: frozenset[str] = frozenset()
    unvaried: tuple[str, ...] = ()


def silent(graph: CausalGraph, done: Collection[str], facts: Facts) -> NotIdentified | None:
    """The refusal where the log cannot say what a variable of ``done`` does; else None.

    A variable that never varied teaches nothing about its effects, and one that was a function of
    the others cannot be told from them; unless all that it acts on follows known laws.
    """
    constant = dict(facts.constant)
    determined = {f.variable for f in graph.unidentified if f.reason is Reason.DETERMINED}
    for name in dict.fromkeys(done):
        children = {child for child, _ in graph.children(name)} - {name}
        if children and children <= facts.laws:
            continue
        if name in constant:
            return NotIdentified(
                f"{name} {constant[name]} in every row of the log, so what it does cannot be "
                "learned.",
                f"Log rows in which {name} takes other values, and learn again.",
                Cause.CONSTANT,
            )
        if name in determined:
            return NotIdentified(
                f"{name} was a function of the other variables throughout the log: its effects "
                "cannot be told from theirs.",
                f"Log rows in which {name} is varied at random, and learn again.",
                Cause.DETERMINED,
            )
    return None


def feedback(
    graph: CausalGraph, schema: Schema, causes: Collection[str], targets: Collection[str]
) -> Unidentified | None:
    """Why variables on the way from what is done to what is asked may act on each other; or None.

    No graph without cycles fits them, so each of them may act on all others, whatever the arrows
    say. A context and an action that was randomised are caused by nothing and take no part; what is
    set is moved by nothing either.
    """
    given = set(schema.of(Role.CONTEXT))
    if schema.policy is Policy.RANDOMISED:
        given |= set(schema.of(Role.ACTION))
    for fact in graph.unidentified:
        loop = {fact.variable, *fact.others} - given
        if fact.reason is not Reason.FEEDBACK or len(loop) < 2:
            continue
        follow = {n: {c for c, _ in graph.children(n)} for n in graph.names}
        for name in loop:
            follow[name] |= loop
        before = {n: {p for p in graph.names if n in follow[p]} for n in graph.names}
        done = set(causes)
        moved = _reached({c for n in done for c in follow[n]} - done, follow, done)
        if loop & moved & _reached(set(targets) - done, before, done):
            return fact
    return None


def _reached(start: set[str], step: Mapping[str, set[str]], barred: set[str]) -> set[str]:
    """Everything that steps lead to from ``start``, itself included, but not through ``barred``."""
    found, frontier = set(start), list(start)
    while frontier:
        more = step[frontier.pop()] - barred - found
        found |= more
        frontier += more
    return found
